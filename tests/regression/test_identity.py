"""The output depends on model, prompt, sampling and seed alone: the same over strategies, chains, windows, sequences in
flight and replicas, hot or cold."""

import itertools
import json
import unittest

from executable import DONE, DRAFT_15M, SMOLLM2, ExecutableTest, run

TEMPERATURES = (0, 0.7, 1.2)
REPLICAS = (1, 2)
IN_FLIGHT = (1, 4, 16)


def experiments(chains: list[list[str]], windows: list[int], lookaheads: list[int], in_flight: list[int]) -> list[str]:
    """The target alone, and both other strategies on every chain of several stages with every depth; each with every number
    of sequences in flight."""
    lines = [f"{{strategy: autoregressive, sequences_in_flight: {sequences}, label: alone in flight {sequences}}}"
             for sequences in in_flight]
    depths = [f"pipespec, window: {window}, max_ahead: {2 * window}" for window in windows]
    depths += [f"speculative, lookahead: {lookahead}" for lookahead in lookaheads]
    for (number, chain), depth, sequences in itertools.product(enumerate(chains), depths, in_flight):
        lines.append(f"{{strategy: {depth}, stages: [{', '.join(chain)}], sequences_in_flight: {sequences}, "
                     f"label: {depth.replace(',', '').replace(':', '')} chain {number} in flight {sequences}}}")
    return lines


class Identity(ExecutableTest):
    def assert_one_output(self, stages: list[str], lines: list[str], prompts, new_tokens: int):
        """Every prompt has one output at each temperature, whichever experiment and however many replicas decode it."""
        config = self.config("\n".join(stages), "\n".join(f"  - {line}" for line in lines), new_tokens,
                             f"  - {{preset: jsonl, file: {prompts}}}")
        asked = len(prompts.read_text().splitlines())
        own, compared = [], 0
        for temperature in TEMPERATURES:
            samples = []
            for replicas in REPLICAS:
                out = self.folder / f"at-{temperature}-by-{replicas}"
                done = run(replicas * len(stages), "run", config, "--check-invariants", "--out", out, "--set",
                           f"generation.temperature={temperature}", "--set", f"replicas={replicas}", timeout=3000)
                self.assertEqual(done.returncode, DONE, done.stderr)
                samples += self.samples(out)
            self.assertEqual(len(samples), len(REPLICAS) * len(lines) * asked)
            self.assert_identical(samples)
            compared += len(samples)
            own.append({sample["id"]: sample["token_ids"] for sample in samples if sample["experiment"] == "alone in flight 1"})
        self.assertTrue(own[0] != own[1] != own[2], "the temperature does something")
        print(f"{compared} samples of {asked} prompts at temperatures {TEMPERATURES} by {REPLICAS} replicas: one output each")

    def test_tiny_models(self):
        model = self.tiny_model("four", layers=4)
        layers = {"one": [0], "two": [0, 3], "three": [0, 1, 3]}
        stages = ["  - {name: ngram, drafter: prompt_lookup}",
                  *(f"  - {{name: {name}, model: {model}, layers: {kept}, threads: 1}}" for name, kept in layers.items()),
                  f"  - {{name: whole, model: {model}, threads: 1}}"]
        names = ["ngram", *layers, "whole"]
        chains = [names[-length:] for length in (2, 3, 4, 5)] + [["ngram", "whole"], ["ngram", "one", "whole"]]
        lines = experiments(chains, windows=[1, 5, 32], lookaheads=[1, 5], in_flight=IN_FLIGHT)
        self.assert_one_output(stages, lines, self.prompts(max(IN_FLIGHT)), new_tokens=24)

    @unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is not there: jobs/get_model.sh gets it")
    def test_smollm2(self):
        outer = {"twelve": [*range(6), *range(24, 30)], "twenty": [*range(10), *range(20, 30)]}
        stages = ["  - {name: ngram, drafter: prompt_lookup}",
                  f"  - {{name: draft, model: {DRAFT_15M}, threads: 1}}",
                  *(f"  - {{name: {name}, model: {SMOLLM2}, layers: {kept}, threads: 1}}" for name, kept in outer.items()),
                  f"  - {{name: full, model: {SMOLLM2}, threads: 1}}"]
        chains = [["ngram", "full"], ["draft", "full"], ["ngram", "draft", "full"], ["ngram", "draft", "twelve", "full"],
                  ["ngram", "draft", "twelve", "twenty", "full"]]
        asked = ["What is the capital of France?", "Write a Python function that reverses a string.",
                 "If 3 apples cost 6 dollars, what do 7 apples cost?", "Repeat three times: the quick brown fox"]
        prompts = self.write("chat.jsonl", "\n".join(
            json.dumps({"id": f"p{i}", "messages": [{"role": "user", "content": text}]}) for i, text in enumerate(asked)))
        lines = experiments(chains, windows=[3, 16], lookaheads=[4], in_flight=[1, 4])
        self.assert_one_output(stages, lines, prompts, new_tokens=24)
