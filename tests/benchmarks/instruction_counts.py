#!/usr/bin/env python3
"""Guards the hot operations: instructions of one call, counted by valgrind, against instruction_counts.json.

Instructions do not depend on the neighbours of the machine, but on the compiler and on the instruction set: valgrind
knows AVX2, so these are the AVX2 kernels'. A count more than 3 % above the stored one fails; --update stores new ones.
usage: instruction_counts.py HOT_OPERATIONS [--update]
"""

import json
import pathlib
import re
import subprocess
import sys

STORED = pathlib.Path(__file__).with_name("instruction_counts.json")
TOLERANCE = 1.03
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def instructions(program: str, operation: str) -> int:
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           "--toggle-collect=*counted_call*", program, operation],
                          check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def main() -> int:
    program = sys.argv[1]
    try:
        subprocess.run(["valgrind", "--version"], check=True, capture_output=True)
    except FileNotFoundError:
        print("skipped: valgrind is not installed")
        return SKIPPED
    names = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    counts = {name: instructions(program, name) for name in names}
    if "--update" in sys.argv:
        STORED.write_text(json.dumps(counts, indent=1) + "\n")
        return 0
    stored = json.loads(STORED.read_text())
    grown = 0
    for name, count in counts.items():
        share = count / stored[name] if name in stored else float("inf")
        grown += share > TOLERANCE
        print(f"{name:<24} {count:>10}  {100 * share:6.1f} % of the stored count{'  <- more' if share > TOLERANCE else ''}")
    return 1 if grown or set(stored) != set(counts) else 0


if __name__ == "__main__":
    sys.exit(main())
