"""Hosts on one machine: network namespaces on a switch whose frames take their time. Needs root and Debian's iproute2.

A host is a process that waits in namespaces of its own, for network and host name; they end with it, and it with the
process that made it, however that ends. Where the kernel has netem, hosts hang on a bridge by veth pairs, and netem
delays what they send; elsewhere they hang on delaying_switch.py.
"""

import contextlib
import ctypes
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000  # of sched.h


def enter(namespace):
    if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(process: int):
    """Sockets and devices that this thread opens meanwhile belong to the network of `process`."""
    with open("/proc/thread-self/ns/net") as own, open(f"/proc/{process}/ns/net") as other:
        enter(other)
        try:
            yield
        finally:
            enter(own)


@contextlib.contextmanager
def waiting(*command):
    """A process that says a line when it is ready, and ends with its standard input. Yields its id."""
    process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        if not process.stdout.readline():
            raise OSError(process.stderr.read().strip())
        yield process.pid


def host(name: str):
    return waiting("unshare", "--net", "--uts", "sh", "-c", f"hostname {name} && echo ready && exec cat")


def run_inside(process: int, command: str) -> subprocess.CompletedProcess:
    return subprocess.run(["nsenter", f"--target={process}", "--net", *command.split()], capture_output=True, text=True)


def configure(process: int, command: str):
    done = run_inside(process, command)
    if done.returncode != 0:
        raise OSError(f"{command}: {done.stderr.strip()}")


def has_netem(process: int) -> bool:
    if run_inside(process, "tc qdisc add dev lo root netem delay 1ms").returncode != 0:
        return False
    configure(process, "tc qdisc del dev lo root")
    return True


def obstacle() -> str | None:
    """Why there can be no such network here."""
    if os.geteuid() != 0:
        return "network namespaces are root's to make"
    if not shutil.which("ip"):
        return "the program ip is not here (Debian: iproute2)"
    try:
        with network(2, 1, 0):
            return None
    except OSError as error:
        return f"no network namespaces with delays can be made here: {error}"


@contextlib.contextmanager
def switch(hosts: list[int], latency_ms: float, jitter_ms: float):
    """Every host has an interface eth0."""
    if has_netem(hosts[0]):
        with host("switch") as bridge:
            configure(bridge, "ip link add bridge type bridge")
            configure(bridge, "ip link set bridge up")
            for process in hosts:
                configure(bridge, f"ip link add port{process} type veth peer name eth0 netns {process}")
                configure(bridge, f"ip link set port{process} master bridge up")
                configure(process, f"tc qdisc add dev eth0 root netem delay {latency_ms}ms {jitter_ms}ms limit 10000")
            yield
    else:
        with waiting(sys.executable, HERE / "delaying_switch.py", latency_ms, jitter_ms, *hosts):
            yield


class Network:
    def __init__(self, hosts: list[int], addresses: list[str]):
        self.hosts = hosts          # process of each
        self.addresses = addresses  # of each

    def launch(self, mpirun: str) -> list[str]:
        """The beginning of a command line: one rank a host."""
        processes = ",".join(map(str, self.hosts))
        options = {"plm_rsh_agent": f"{HERE}/enter_host.sh {processes}", "oob_tcp_if_include": "eth0", "pml": "ob1",
                   "btl": "tcp,self", "btl_tcp_if_include": "eth0"}
        return ["nsenter", f"--target={self.hosts[0]}", "--net", "--uts", mpirun, "-q", "--bind-to", "none",
                *(word for key, value in options.items() for word in ("--mca", key, value)),
                "--host", ",".join(self.addresses), "-n", str(len(self.hosts))]

    def one_way_ms(self, count: int = 200) -> list[float]:
        """How long datagrams from the first host to the second are on their way, ascending."""
        with inside(self.hosts[0]):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with inside(self.hosts[1]):
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender, receiver:
            receiver.bind((self.addresses[1], 0))
            receiver.setblocking(False)
            times = [self.time_datagram(sender, receiver) for _ in range(count + 1)]
        return sorted(times[1:])  # before the first, the hosts ask for each other's hardware address

    @staticmethod
    def time_datagram(sender: socket.socket, receiver: socket.socket) -> float:
        sent = time.perf_counter()
        sender.sendto(b"datagram", receiver.getsockname())
        while time.perf_counter() < sent + 5:
            with contextlib.suppress(BlockingIOError):
                receiver.recv(100)
                return 1e3 * (time.perf_counter() - sent)
        raise OSError("a datagram was lost")


@contextlib.contextmanager
def network(count: int, latency_ms: float, jitter_ms: float):
    """`count` hosts. What one sends another is on its way for `latency_ms` ± `jitter_ms`, distributed uniformly."""
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(host(f"host{number}")) for number in range(1, count + 1)]
        stack.enter_context(switch(hosts, latency_ms, jitter_ms))
        addresses = [f"10.77.0.{number}" for number in range(1, count + 1)]
        for process, address in zip(hosts, addresses):
            configure(process, "ip link set lo up")
            configure(process, f"ip address add {address}/24 dev eth0")
            configure(process, "ip link set eth0 up")
        yield Network(hosts, addresses)
