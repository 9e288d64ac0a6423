#!/usr/bin/env python3
"""Real runs of synthetic chains against what `pipespec simulate` says they would take if messages took no time.

    python3 tests/benchmarks/compare_simulation.py --stages 2,3,5 --rounds 3

Both give the same tokens; what differs is time: messages, waking up, the protocol's own work, and cores that are shared.
Prints the ratio of times a chain (1 is the ideal), the median of the rounds.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]

# From the cheapest drafter to the target: ms a pass, agreement with the next.
CHAINS = {
    1: [(8, 0)],
    2: [(1, 0.85), (8, 0)],
    3: [(0.5, 0.8), (2, 0.9), (8, 0)],
    5: [(0.5, 0.8), (1, 0.85), (2, 0.9), (4, 0.9), (8, 0)],
}


def config(stages, folder, tokens, scale):
    """A run file of the chain with `stages` stages, and how many ranks it takes."""
    lines = [f"  - {{name: s{s}, synthetic: {{pass_ms: {ms * scale}, row_ms: {ms * scale / 50}, agreement: {a}, seed: {s}}}}}"
             for s, (ms, a) in enumerate(CHAINS[stages])]
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"id": f"p{i}", "prompt": f"{i + 2} and so on"}) + "\n" for i in range(3)))
    strategies = ("autoregressive",) if stages == 1 else ("speculative, lookahead: 4", "pipespec")
    experiments = "\n".join(f"  - {{strategy: {strategy}}}" for strategy in strategies)
    path = folder / f"chain{stages}.yaml"
    path.write_text(f"name: chain{stages}\nstages:\n" + "\n".join(lines) + f"\ntasks:\n  - {{preset: jsonl, file: {prompts}}}\n"
                    f"generation: {{max_new_tokens: {tokens}}}\nexperiments:\n{experiments}\n")
    return path


def predicted(program, path):
    text = subprocess.run([program, "simulate", path, "--json"], check=True, capture_output=True, text=True).stdout
    return {each["label"]: each["ms_per_token"] for each in json.loads(text)["experiments"]}


def measured(program, path, ranks, out):
    """{label: ms per token} over all samples, from the first token of each to its last."""
    launch = [ROOT / "jobs/launch.sh", str(ranks)] if ranks > 1 else []
    subprocess.run([*launch, program, "run", path, "--out", out], check=True, capture_output=True)
    times = {}
    with h5py.File(out / "results.h5") as file:
        for experiment in file["experiments"].values():
            samples = experiment["samples"]
            tokens = samples["output_tokens/offsets"][1:] - samples["output_tokens/offsets"][:-1] - 1
            seconds = samples["end"][:] - samples["first_token"][:]
            times[experiment.attrs["label"]] = 1e3 * seconds.sum() / tokens.sum()
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/pipespec")
    parser.add_argument("--stages", default="2,3,5")
    parser.add_argument("--tokens", type=int, default=200, help="of each of 3 prompts")
    parser.add_argument("--scale", type=float, default=1, help="of all times")
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    print(f"{'chain':<8}{'experiment':<26}{'ideal ms':>10}{'real ms':>10}{'real/ideal':>12}   rounds")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for stages in map(int, arguments.stages.split(",")):
            path = config(stages, folder, arguments.tokens, arguments.scale)
            ideal = predicted(arguments.program, path)
            rounds = [measured(arguments.program, path, stages, folder / f"out{stages}-{r}") for r in range(arguments.rounds)]
            for label, best in ideal.items():
                real = [times[label] for times in rounds]
                ratios = " ".join(f"{ms / best:.3f}" for ms in real)
                middle = statistics.median(real)
                print(f"{stages:<8}{label:<26}{best:>10.3f}{middle:>10.3f}{middle / best:>12.3f}   {ratios}", flush=True)


if __name__ == "__main__":
    main()
