#!/usr/bin/env python3
"""Real runs against what `pipespec simulate` says they would take.

    python3 tests/benchmarks/compare_simulation.py --stages 2,3,5 --rounds 3
    python3 tests/benchmarks/compare_simulation.py --stages 3 --latencies 0.05,1,5      # as root
    python3 tests/benchmarks/compare_simulation.py --models                             # after jobs/get_model.sh

Both give the same tokens; what differs is time. By default messages take no time in the simulation, so that the ratio
of times shows what they, waking up, the protocol's own work and cores that are shared take (1 is the ideal). With
--latencies every rank has a host of its own, in network namespaces whose messages take so long, ± --jitter of it, and
the simulation assumes what datagrams between them took on average, just before the runs.

The chains are of synthetic stages, or, with --models, prompt lookup, 8 layers of SmolLM2, and SmolLM2: they share
cores and memory, so the simulation takes each pass to be as long as those of as many rows were, on average, in that run.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from network import network  # noqa: E402

# From the cheapest drafter to the target: ms a pass, agreement with the next.
CHAINS = {
    1: [(8, 0)],
    2: [(1, 0.85), (8, 0)],
    3: [(0.5, 0.8), (2, 0.9), (8, 0)],
    4: [(0.5, 0.8), (1, 0.85), (3, 0.9), (8, 0)],
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


@contextlib.contextmanager
def one_machine(stages):
    """How the ranks of a chain are launched, and what a simulation of it assumes of messages."""
    yield [ROOT / "jobs/launch.sh", str(stages)] if stages > 1 else [], []


@contextlib.contextmanager
def many_hosts(stages, latency, jitter):
    with network(stages, latency, jitter) as hosts:
        real = statistics.mean(hosts.one_way_ms())
        print(f"{stages} hosts, messages on their way for {latency:g} ± {jitter:g} ms: {real:.3f} ms")
        os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        yield hosts.launch("mpirun"), ["--latency-ms", str(real), "--jitter-ms", str(min(jitter, real))]


def chain_of_models(folder, tokens, strategy):
    """A run file of one experiment."""
    model = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
    path = folder / "models.yaml"
    path.write_text(f"name: models\nstages:\n  - {{name: lookup, drafter: prompt_lookup}}\n"
                    f"  - {{name: cut, model: {model}, layers: {[*range(4), *range(26, 30)]}}}\n  - {{name: full, model: {model}}}\n"
                    f"tasks:\n  - {{preset: humaneval_instruct, file: {ROOT}/datasets/humaneval_quickstart.jsonl}}\n"
                    f"generation: {{max_new_tokens: {tokens}}}\nexperiments:\n  - {{strategy: {strategy}}}\n")
    return path


def step_times(out, folder):
    """A file of the mean milliseconds of every stage's passes by their rows."""
    lines = []
    with h5py.File(out / "results.h5") as file:
        for name, stage in zip(("lookup", "cut", "full"), file["experiments/0/stages"].values()):
            steps = stage["steps"]
            whole = steps["given_up"][:] == 0
            rows, ms = np.maximum(steps["rows"][:], 1)[whole], 1e3 * (steps["end"][:] - steps["begin"][:])[whole]
            means = ", ".join(f"{count}: {ms[rows == count].mean():.6f}" for count in np.unique(rows))
            lines.append(f"{name}: {{ms: {{{means}}}}}\n")
    path = folder / "times.yaml"
    path.write_text("".join(lines))
    return path


def predicted(program, path, assumptions):
    text = subprocess.run([program, "simulate", path, "--json", *assumptions], check=True, capture_output=True, text=True).stdout
    return {each["label"]: each["ms_per_token"] for each in json.loads(text)["experiments"]}


def measured(program, path, launch, out):
    """{label: ms per token} over all samples, from the first token of each to its last."""
    subprocess.run([*launch, program, "run", path, "--out", out], check=True, capture_output=True)
    times = {}
    with h5py.File(out / "results.h5") as file:
        for experiment in file["experiments"].values():
            samples = experiment["samples"]
            tokens = samples["output_tokens/offsets"][1:] - samples["output_tokens/offsets"][:-1] - 1
            seconds = samples["end"][:] - samples["first_token"][:]
            times[experiment.attrs["label"]] = 1e3 * seconds.sum() / tokens.sum()
    return times


def compare(stages, place, arguments):
    """Prints a line an experiment."""
    with tempfile.TemporaryDirectory() as folder, place as (launch, assumptions):
        folder = pathlib.Path(folder)
        path = config(stages, folder, arguments.tokens, arguments.scale)
        ideal = predicted(arguments.program, path, assumptions)
        rounds = [measured(arguments.program, path, launch, folder / f"out{r}") for r in range(arguments.rounds)]
        for label, best in ideal.items():
            real = [times[label] for times in rounds]
            ratios = " ".join(f"{ms / best:.3f}" for ms in real)
            middle = statistics.median(real)
            print(f"{stages:<8}{label:<26}{best:>10.3f}{middle:>10.3f}{middle / best:>12.3f}   {ratios}", flush=True)


def compare_models(arguments):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for strategy in ("speculative, lookahead: 4", "pipespec"):
            path = chain_of_models(folder, arguments.tokens, strategy)
            ideal, real = [], []
            for r in range(arguments.rounds):
                out = folder / f"{strategy[:4]}{r}"
                real += measured(arguments.program, path, [ROOT / "jobs/launch.sh", "3"], out).values()
                times = step_times(out, folder)
                ideal += predicted(arguments.program, path, ["--step-times", times, "--with-models"]).values()
            ratios = [ms / best for ms, best in zip(real, ideal)]
            print(f"{'models':<8}{strategy:<26}{statistics.median(ideal):>10.3f}{statistics.median(real):>10.3f}"
                  f"{statistics.median(ratios):>12.3f}   {' '.join(f'{ratio:.3f}' for ratio in ratios)}", flush=True)


def numbers(of):
    return lambda text: [of(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/pipespec")
    parser.add_argument("--stages", type=numbers(int), default=[2, 3, 5])
    parser.add_argument("--tokens", type=int, default=200, help="of each of 3 prompts")
    parser.add_argument("--scale", type=float, default=1, help="of all times")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--latencies", type=numbers(float), default=[], help="ms")
    parser.add_argument("--jitter", type=float, default=0.2, help="a part of the latency")
    parser.add_argument("--models", action="store_true")
    arguments = parser.parse_args()
    print(f"{'chain':<8}{'experiment':<26}{'ideal ms':>10}{'real ms':>10}{'real/ideal':>12}   rounds")
    if arguments.models:
        compare_models(arguments)
        return
    for stages in arguments.stages:
        if not arguments.latencies:
            compare(stages, one_machine(stages), arguments)
        for latency in arguments.latencies:
            compare(stages, many_hosts(stages, latency, arguments.jitter * latency), arguments)


if __name__ == "__main__":
    main()
