#!/usr/bin/env python3
"""The policies of when to step, on real chains and with a drafter of random tokens: ratios within one job.

    jobs/get_model.sh
    python3 tests/benchmarks/compare_policies.py

Prints, for every experiment of policies.yaml and every task, milliseconds per token (from a sample's first token to its
last) and the speed relative to autoregressive decoding, tokens per pass of the target, the drafts checked of those at hand,
and the part of the time that the target held back. What follows the program's name goes to `pipespec run`: --set
generation.max_new_tokens=64.
"""

import argparse
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows(experiment):
    """{task: (ms per token, tokens per pass, drafts checked, drafts at hand, waited / time)} of an experiment."""
    samples = experiment["samples"]
    steps = experiment["stages"][str(len(experiment["stages"]) - 1)]["steps"]
    tokens = np.diff(samples["output_tokens/offsets"][:]) - 1
    seconds = samples["end"][:] - samples["first_token"][:]
    task = samples["task"][:]
    step_task = task[steps["sample"][:]]
    decodes = steps["position"][:] >= samples["prompt_length"][:][steps["sample"][:]]
    for t in np.unique(task):
        of_task, of_steps = task == t, (step_task == t) & decodes
        time = seconds[of_task].sum()
        yield t, (1e3 * time / tokens[of_task].sum(), steps["appended"][of_steps].mean(), steps["offered"][of_steps].sum(),
                  steps["available"][of_steps].sum(), steps["waited"][of_steps].sum() / time)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/pipespec")
    parser.add_argument("--config", default=ROOT / "tests/benchmarks/policies.yaml")
    parser.add_argument("--ranks", type=int, default=4)
    arguments, further = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        subprocess.run([ROOT / "jobs/launch.sh", str(arguments.ranks), arguments.program, "run", arguments.config, "--out",
                        out, *further], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        plain = {}
        with h5py.File(out / "results.h5") as file:
            for experiment in file["experiments"].values():
                for task, (ms, per_pass, checked, available, waited) in rows(experiment):
                    plain.setdefault(task, ms)
                    print(f"{experiment.attrs['label']:20} task {task}  {ms:6.2f} ms  x{plain[task] / ms:5.3f}  "
                          f"{per_pass:4.2f} tokens a pass  {checked:5}/{available:<6} drafts  waited {100 * waited:4.1f} %")


if __name__ == "__main__":
    main()
