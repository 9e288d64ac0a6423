"""Breaks the state machine on purpose, in the ways of faults.py, and sees every fault found by a test.

usage: mutation_test.py ROOT [--compiler g++] [--launcher ccache] [--scratch DIR] [--only WORD] [--jobs N] [--dry-run]

The decoding tests and a copy of src/decoding are compiled in DIR; nothing of a build directory is used. A fault is a text of
one source file and what takes its place. Only that file is compiled again (of a header, everything). Prints who found which
fault. Exit status 1 if one is not found, if its text does not occur exactly once, or if the tests fail without any fault.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from faults import FAULTS, Fault

# In this order: the tests that are quick first. A thousand schedules take about a second.
ROUNDS = [("a rule's test", "-EverySchedule.*:Reductions*:*RandomSchedule*:TheOutput.*"),
          ("the explorer of all schedules", "EverySchedule.*"),
          ("random schedules", "RandomSchedules.*:TheOutput.*")]
SCHEDULES = "20000"
TIME_LIMIT = 100  # seconds of the processor a round; a fault may make a schedule endless


class Build:
    """Compiles src/decoding and its tests in a scratch folder."""

    def __init__(self, root: pathlib.Path, scratch: pathlib.Path, compiler: list[str], jobs: int):
        self.root, self.scratch, self.compiler, self.jobs = root, scratch, compiler, jobs
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(root / "src/decoding", scratch / "src/decoding")
        self.decoding = sorted((scratch / "src/decoding").glob("*.cpp"))
        tests = [path for path in sorted((root / "tests/decoding").glob("*.cpp")) if "slow" not in path.name]
        support = [root / "tests/support" / name for name in ("message_text.cpp", "toy_model.cpp", "virtual_pipeline.cpp")]
        self.sources = self.decoding + tests + support

    def compile(self, source: pathlib.Path, target: pathlib.Path, include: pathlib.Path) -> None:
        flags = ["-std=c++20", "-O1", "-ffp-contract=off", f"-I{include}", f"-I{self.root / 'src'}",
                 f"-I{self.root / 'tests'}", f"-I{self.root / 'tests/decoding'}",
                 f'-DPIPESPEC_SOURCE_DIR="{self.root}"']
        subprocess.run([*self.compiler, *flags, "-c", str(source), "-o", str(target)], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def objects(self, sources: list[pathlib.Path], folder: pathlib.Path, include: pathlib.Path) -> dict[str, pathlib.Path]:
        """{source's name: object}"""
        folder.mkdir(parents=True, exist_ok=True)
        made = {source.name: folder / (source.name + ".o") for source in sources}
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda source: self.compile(source, made[source.name], include), sources))
        return made

    def link(self, objects: dict[str, pathlib.Path], program: pathlib.Path) -> pathlib.Path:
        subprocess.run([self.compiler[-1], *map(str, objects.values()), "-o", str(program), "-lgtest", "-lgmock",
                        "-lgtest_main", "-lfmt", "-lpthread"], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
        return program


def failing_test(program: pathlib.Path, tests: str) -> str | None:
    """The first test that fails, None if all pass."""
    command = ["prlimit", f"--cpu={TIME_LIMIT}:{TIME_LIMIT + 1}", str(program), "--gtest_fail_fast", "--gtest_brief=1", f"--gtest_filter={tests}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, "PIPESPEC_SCHEDULES": SCHEDULES})
    if done.returncode == 0:
        return None
    if done.returncode == -signal.SIGXCPU:
        return f"no end after {TIME_LIMIT} s"
    named = re.search(r"^\[  FAILED  \] ([\w/.]+)", done.stdout, re.M)
    return named.group(1) if named else f"a crash (status {done.returncode})"


def try_fault(build: Build, fault: Fault, sound: dict[str, pathlib.Path]) -> tuple[str, str] | None:
    """(round, test) that found it, None if nobody did."""
    with tempfile.TemporaryDirectory(dir=build.scratch) as name:
        folder = pathlib.Path(name)
        shutil.copytree(build.root / "src/decoding", folder / "src/decoding")
        file = folder / "src/decoding" / fault.file
        file.write_text(file.read_text().replace(fault.text, fault.wrong))
        if file.suffix == ".cpp":
            changed = [file]
        else:
            changed = [folder / source.relative_to(build.scratch) if source in build.decoding else source
                       for source in build.sources]
        objects = sound | build.objects(changed, folder, folder / "src")
        program = build.link(objects, folder / "mutant")
        for who, tests in ROUNDS:
            if (test := failing_test(program, tests)) is not None:
                return who, test
    return None


def misplaced(root: pathlib.Path, faults: list[Fault]) -> list[str]:
    problems = []
    for fault in faults:
        file = root / "src/decoding" / fault.file
        count = file.read_text().count(fault.text) if file.exists() else 0
        if count != 1:
            problems.append(f"faults.py: {fault.name!r}: its text occurs {count} times in src/decoding/{fault.file} "
                            f"(the code has moved on): write the fault into the present code\n    {fault.text!r}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--launcher", default=shutil.which("ccache"))
    parser.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("mutation"))
    parser.add_argument("--only", default="", help="faults with this word in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--dry-run", action="store_true", help="only see whether every fault fits the present code")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    faults = [fault for fault in FAULTS if arguments.only in fault.name]
    if problems := misplaced(root, faults):
        print("\n".join(problems))
        return 1
    if arguments.dry_run:
        return 0

    compiler = [*filter(None, [arguments.launcher]), arguments.compiler]
    build = Build(root, arguments.scratch.resolve(), compiler, arguments.jobs)
    try:
        sound = build.objects(build.sources, build.scratch / "sound", build.scratch / "src")
        program = build.link(sound, build.scratch / "sound/tests")
        for who, tests in ROUNDS:
            if (test := failing_test(program, tests)) is not None:
                print(f"without any fault, {who} fails: {test}")
                return 1

        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            found = []
            for fault, by in zip(faults, pool.map(lambda fault: try_fault(build, fault, sound), faults)):
                found.append(by)
                print(f"{'found' if by else 'NOT FOUND':9}  {fault.file:18}  {fault.name:62}  {': '.join(by or ())}", flush=True)
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)}\n{error.stdout}")
        return 1
    missed = [fault.name for fault, by in zip(faults, found) if by is None]
    print(f"{len(faults) - len(missed)} of {len(faults)} faults found, in {time.monotonic() - started:.0f} s")
    return 1 if missed or not faults else 0


if __name__ == "__main__":
    sys.exit(main())
