"""A switch whose frames take their time, for kernels without netem. usage: delaying_switch.py LATENCY_MS JITTER_MS PROCESS…

Gives the network of each process an interface eth0, a TAP device, and passes frames from one to the other after
LATENCY_MS ± JITTER_MS, distributed uniformly; those of one host to another keep their order. Says so when it is ready,
and ends with its standard input.
"""

import contextlib
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import sys
import time

from network import LIBC, inside

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000  # of linux/if_tun.h
PR_SET_TIMERSLACK = 29                                      # of sys/prctl.h
LONGEST_FRAME = 1 << 16
WAKING_UP = 60e-6  # seconds, which a sleep may take too long


def port_of(process: int) -> int:
    with inside(process):
        port = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(port, TUNSETIFF, struct.pack("16sH22x", b"eth0", IFF_TAP | IFF_NO_PI))
    return port


class Switch:
    def __init__(self, ports: list[int], latency: float, jitter: float):
        self.ports = ports
        self.shortest, self.longest = latency - jitter, latency + jitter
        self.port_of_address = {}  # hardware address: port
        self.order = itertools.count()
        self.queue = []  # (time, order, port, frame)
        self.last = {}   # (from, to): time of the last frame

    def receive(self, port: int):
        frame = os.read(port, LONGEST_FRAME)
        now = time.monotonic()
        target, source = frame[:6], frame[6:12]
        self.port_of_address[source] = port
        known = self.port_of_address.get(target)
        for to in [known] if known is not None else [other for other in self.ports if other != port]:
            due = max(now + random.uniform(self.shortest, self.longest), self.last.get((port, to), 0))
            self.last[port, to] = due
            heapq.heappush(self.queue, (due, next(self.order), to, frame))

    def deliver(self):
        while self.queue and self.queue[0][0] <= time.monotonic():
            _, _, port, frame = heapq.heappop(self.queue)
            with contextlib.suppress(OSError):  # the interface is not up yet
                os.write(port, frame)

    def patience(self) -> float | None:
        """How long it may sleep. Just before a frame is due it does not."""
        return max(0, self.queue[0][0] - time.monotonic() - WAKING_UP) if self.queue else None

    def run(self):
        while True:
            ready, _, _ = select.select([sys.stdin, *self.ports], [], [], self.patience())
            if sys.stdin in ready:
                return
            for port in ready:
                self.receive(port)
            self.deliver()


def main():
    latency, jitter = (1e-3 * float(number) for number in sys.argv[1:3])
    switch = Switch([port_of(int(process)) for process in sys.argv[3:]], latency, jitter)
    LIBC.prctl(PR_SET_TIMERSLACK, 1)
    with contextlib.suppress(OSError):
        os.nice(-20)  # a network does not wait for a core
    print("ready", flush=True)
    switch.run()


if __name__ == "__main__":
    main()
