"""The output depends on model, prompt, sampling and seed alone: the same over strategies, chains and windows, hot or cold."""

import json
import unittest

from executable import DONE, DRAFT_15M, SMOLLM2, ExecutableTest, run

TEMPERATURES = (0, 0.7, 1.2)


def experiments(chains: list[list[str]], windows: list[int], lookaheads: list[int]) -> str:
    """Every strategy on every chain, with every window or lookahead; the target is the last of each chain."""
    lines = ["  - {strategy: autoregressive}"]
    for chain in chains:
        names = ", ".join(chain)
        for window in windows:
            lines.append(f"  - {{strategy: pipespec, stages: [{names}], window: {window}, max_ahead: {2 * window}, "
                         f"label: pipespec {' '.join(chain)} {window}}}")
        for lookahead in lookaheads:
            lines.append(f"  - {{strategy: speculative, stages: [{names}], lookahead: {lookahead}, "
                         f"label: speculative {' '.join(chain)} {lookahead}}}")
    return "\n".join(lines)


class Identity(ExecutableTest):
    def assert_one_output(self, ranks, config, prompts, count):
        """Runs the configuration at every temperature and compares every sample of a prompt with the target's own."""
        compared = 0
        own = {}
        for temperature in TEMPERATURES:
            out = self.folder / f"at-{temperature}"
            done = run(ranks, "run", config, "--check-invariants", "--out", out, "--set", f"generation.temperature={temperature}",
                       timeout=3000)
            self.assertEqual(done.returncode, DONE, done.stderr)
            samples = self.samples(out)
            self.assert_identical(samples)
            compared += len(samples)
            own[temperature] = [sample["token_ids"] for sample in samples if sample["experiment"] == "autoregressive"]
            self.assertEqual(len(own[temperature]), prompts)
        self.assertEqual(compared, count)
        print(f"{compared} samples of {prompts} prompts at the temperatures {TEMPERATURES}: one output for each prompt and temperature")
        self.assertTrue(own[0] != own[0.7] != own[1.2], "the temperature does something")

    def test_tiny_models(self):
        model = self.tiny_model("four", layers=4)
        layers = {"one": [0], "two": [0, 3], "three": [0, 1, 3]}
        stages = "\n".join(["  - {name: ngram, drafter: prompt_lookup}",
                            *(f"  - {{name: {name}, model: {model}, layers: {kept}}}" for name, kept in layers.items()),
                            f"  - {{name: whole, model: {model}}}"])
        names = ["ngram", *layers, "whole"]
        chains = [names[-length:] for length in (2, 3, 4, 5)] + [["ngram", "whole"], ["ngram", "one", "whole"]]
        prompts = 10
        config = self.config(stages, experiments(chains, windows=[1, 3, 8, 32], lookaheads=[1, 5]), new_tokens=48,
                             tasks=f"  - {{preset: jsonl, file: {self.prompts(prompts)}}}")
        self.assert_one_output(5, config, prompts, count=len(TEMPERATURES) * prompts * (1 + len(chains) * 6))

    @unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is not there: jobs/get_model.sh gets it")
    def test_smollm2(self):
        outer = {"twelve": [*range(6), *range(24, 30)], "twenty": [*range(10), *range(20, 30)]}
        stages = "\n".join(["  - {name: ngram, drafter: prompt_lookup}",
                            f"  - {{name: draft, model: {DRAFT_15M}, threads: 1}}",
                            *(f"  - {{name: {name}, model: {SMOLLM2}, layers: {kept}, threads: 1}}" for name, kept in outer.items()),
                            f"  - {{name: full, model: {SMOLLM2}, threads: 1}}"])
        chains = [["ngram", "full"], ["draft", "full"], ["ngram", "draft", "full"], ["ngram", "draft", "twelve", "full"],
                  ["ngram", "draft", "twelve", "twenty", "full"]]
        asked = ["What is the capital of France?", "Write a Python function that reverses a string.",
                 "If 3 apples cost 6 dollars, what do 7 apples cost?", "Repeat three times: the quick brown fox"]
        prompts = self.write("chat.jsonl", "\n".join(
            json.dumps({"id": f"p{i}", "messages": [{"role": "user", "content": text}]}) for i, text in enumerate(asked)))
        config = self.config(stages, experiments(chains, windows=[3, 16], lookaheads=[4]), new_tokens=48,
                             tasks=f"  - {{preset: jsonl, file: {prompts}}}")
        self.assert_one_output(5, config, len(asked), count=len(TEMPERATURES) * len(asked) * (1 + len(chains) * 3))
