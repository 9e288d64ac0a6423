#!/usr/bin/env python3
"""The experiments of a run file against each other: speeds within one job, in one or several rounds.

    jobs/get_model.sh
    python3 tests/benchmarks/compare_experiments.py tests/benchmarks/policies.yaml --ranks 4
    python3 tests/benchmarks/compare_experiments.py tests/benchmarks/sequences.yaml --ranks 2 --rounds 3

Prints, for every experiment and every task, milliseconds per token (from a sample's first token to its last, the sum over
samples: with several in flight they share the time) and the speed relative to the first experiment, tokens per pass of the
target, the drafts checked of those at hand, and the part of the time that the target held back; and for the experiment as a
whole tokens per second, prefill included, and its ratio to the first. With several rounds, each a job of its own, ratios
are the median and, in brackets, the smallest; what is counted is the last round's. Further arguments go to
`pipespec run`: --set generation.max_new_tokens=64.
"""

import argparse
import pathlib
import statistics
import subprocess
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def task_rows(experiment):
    """{task: {what: value}} of an experiment."""
    samples = experiment["samples"]
    steps = experiment["stages"][str(len(experiment["stages"]) - 1)]["steps"]
    tokens = np.diff(samples["output_tokens/offsets"][:]) - 1
    seconds = samples["end"][:] - samples["first_token"][:]
    task = samples["task"][:]
    step_task = task[steps["sample"][:]]
    decodes = steps["position"][:] >= samples["prompt_length"][:][steps["sample"][:]]
    rows = {}
    for t in np.unique(task):
        of_task, of_steps = task == t, (step_task == t) & decodes
        time = seconds[of_task].sum()
        rows[f"task {t}"] = {
            "ms": 1e3 * time / tokens[of_task].sum(), "per_pass": steps["appended"][of_steps].mean(),
            "checked": steps["offered"][of_steps].sum(), "available": steps["available"][of_steps].sum(),
            "waited": steps["waited"][of_steps].sum() / time}
    return rows


def whole(experiment):
    """Milliseconds per token of the experiment, all samples together, prefill included."""
    samples = experiment["samples"]
    seconds = samples["end"][:].max() - samples["start"][:].min()
    return {"ms": 1e3 * seconds / samples["output_tokens/offsets"][-1]}


def run_once(arguments, further):
    """{label: {task or "all": {what: value}}} of one job."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        subprocess.run([ROOT / "jobs/launch.sh", str(arguments.ranks), arguments.program, "run", arguments.config, "--out",
                        out, *further], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        with h5py.File(out / "results.h5") as file:
            return {e.attrs["label"]: {**task_rows(e), "all": whole(e)} for e in file["experiments"].values()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--program", default=ROOT / "build/release/pipespec")
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    arguments, further = parser.parse_known_args()
    arguments.config = arguments.config.resolve()
    rounds = [run_once(arguments, further) for _ in range(arguments.rounds)]
    first = next(iter(rounds[0]))
    for label, rows in rounds[-1].items():
        for name, row in rows.items():
            ratios = [r[first][name]["ms"] / r[label][name]["ms"] for r in rounds]
            line = f"{label:24} {name:7} {row['ms']:6.2f} ms  x{statistics.median(ratios):5.3f} ({min(ratios):5.3f})  "
            if name == "all":
                line += f"{1e3 / row['ms']:6.1f} tokens/s"
            else:
                line += (f"{row['per_pass']:4.2f} tokens a pass  {row['checked']:5}/{row['available']:<6} drafts  "
                         f"waited {100 * row['waited']:4.1f} %")
            print(line)


if __name__ == "__main__":
    main()
