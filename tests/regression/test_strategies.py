"""All strategies and chains give the target's own output."""

import re
import unittest

from executable import DONE, DRAFT_15M, SMOLLM2, ExecutableTest, run

ALL_STRATEGIES = """\
  - {strategy: autoregressive}
  - {strategy: speculative, lookahead: 4}
  - {strategy: pipespec, window: 8, max_ahead: 16}"""


class Strategies(ExecutableTest):
    def assert_run(self, ranks, config, samples):
        done = run(ranks, "run", config)
        self.assertEqual(done.returncode, DONE, done.stderr)
        exported = self.samples()
        self.assertEqual(len(exported), samples)
        self.assert_identical(exported)
        return done.stdout

    def test_a_drafter_that_knows_a_part_of_the_vocabulary(self):
        model = self.tiny_model("four", layers=4)
        tokens = self.folder / "tokens.json"
        tokens.write_text(str([token for token in range(300) if token % 3]))
        stages = (f"  - {{name: list, model: {model}, layers: [0], draft_vocabulary: {tokens}}}\n"
                  f"  - {{name: first, model: {model}, layers: [0, 3], draft_vocabulary: 200, tensor_parallel: 2}}\n"
                  f"  - {{name: whole, model: {model}}}")
        config = self.config(stages, ALL_STRATEGIES)
        self.assert_run(4, config, 12)
        done = run(4, "run", config, "--set", "generation.temperature=1.2", "--out", self.folder / "drawn")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assert_identical(self.samples(self.folder / "drawn"))

    def test_a_random_model_and_a_cut_of_it(self):
        model = self.tiny_model("four", layers=4)
        stages = f"  - {{name: cut, model: {model}, layers: [0, 3]}}\n  - {{name: whole, model: {model}}}"
        table = self.assert_run(2, self.config(stages, ALL_STRATEGIES), 12)
        self.assertIn("4 of 4", table)

    def test_prompt_lookup_before_a_model(self):
        stages = f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: whole, model: {self.tiny_model()}}}"
        self.assert_run(2, self.config(stages, ALL_STRATEGIES, new_tokens=100), 12)

    def test_prompt_lookup_in_the_outputs_of_earlier_samples(self):
        stages = (f"  - {{name: view, drafter: prompt_lookup}}\n"
                  f"  - {{name: history, drafter: prompt_lookup, history: 1000}}\n"
                  f"  - {{name: whole, model: {self.tiny_model()}}}")
        prompts = self.write("same.jsonl", "\n".join(f'{{"id": "{i}", "prompt": "the same"}}' for i in range(4)))
        experiments = "\n".join(["  - {strategy: autoregressive}",
                                 *(f"  - {{strategy: {strategy}, stages: [{stage}, whole], label: {strategy} {stage}}}"
                                   for strategy in ("speculative", "pipespec") for stage in ("view", "history"))])
        config = self.config(stages, experiments, new_tokens=60, tasks=f"  - {{preset: jsonl, file: {prompts}}}")
        with_drawn_tokens = config.read_text().replace("max_new_tokens: 60", "max_new_tokens: 60, temperature: 50")
        config.write_text(with_drawn_tokens)
        table = self.assert_run(3, config, 20)
        tokens_a_pass = {label: float(re.search(rf"^{label} +.* ([0-9.]+) +4 of 4$", table, re.M)[1])
                         for label in ("speculative view", "speculative history")}
        self.assertLess(tokens_a_pass["speculative view"], 2, "nothing repeats in a text that is drawn")
        self.assertGreater(tokens_a_pass["speculative history"], 2, "but the texts are the same")
        self.assertIn("pipespec history: history looks up in the outputs of earlier samples", table)

    def test_tensor_parallel_stages(self):
        model = self.tiny_model("grouped", heads=6, kv_heads=3, head_dim=32, type="Q8_0")
        stages = (f"  - {{name: cut, model: {model}, layers: [0], tensor_parallel: 2}}\n"
                  f"  - {{name: whole, model: {model}, tensor_parallel: 3}}")
        self.assert_run(5, self.config(stages, ALL_STRATEGIES), 12)

    def test_prompts_that_begin_alike_in_flight(self):
        model = self.tiny_model("grouped", heads=6, kv_heads=3, head_dim=32, type="Q8_0")
        stages = (f"  - {{name: cut, model: {model}, layers: [0], kv_cache: f16, tensor_parallel: 2}}\n"
                  f"  - {{name: whole, model: {model}, tensor_parallel: 2}}")
        experiments = "\n".join([
            "  - {strategy: autoregressive}",
            *(f"  - {{strategy: {strategy}, sequences_in_flight: {count}, label: {strategy.split(',')[0]} {count}}}"
              for strategy in ("autoregressive", "pipespec, window: 8", "speculative, lookahead: 4") for count in (3, 8))])
        examples = "the other " * 40
        prompts = self.write("alike.jsonl", "\n".join(
            f'{{"id": "p{i}", "prompt": "{examples}{"then the " * (i % 5)}the {i}"}}' for i in range(20)))
        config = self.config(stages, experiments, tasks=f"  - {{preset: jsonl, file: {prompts}}}")
        self.assert_run(4, config, 7 * 20)
        done = run(4, "run", config, "--set", "generation={max_new_tokens: 40, temperature: 30}", "--check-invariants",
                   "--out", self.folder / "drawn")
        self.assertEqual(done.returncode, DONE, done.stderr)
        drawn = self.samples(self.folder / "drawn")
        self.assert_identical(drawn)
        self.assertGreater(len({str(sample["token_ids"]) for sample in drawn}), 15, "the prompts differ")

    def test_a_model_in_eight_bits_drafted_for_by_itself_in_four(self):
        model = self.tiny_model("grouped_f32", heads=6, kv_heads=3, head_dim=32)
        stages = (f"  - {{name: four, model: {model}, weights: int4}}\n"
                  f"  - {{name: eight, model: {model}, weights: int8, tensor_parallel: 2}}")
        self.assert_run(3, self.config(stages, ALL_STRATEGIES), 12)

    def test_experiments_on_parts_of_the_chain(self):
        model = self.tiny_model("four", layers=4)
        stages = (f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: cut, model: {model}, layers: [0, 3]}}\n"
                  f"  - {{name: whole, model: {model}}}")
        experiments = ALL_STRATEGIES + "\n  - {strategy: pipespec, stages: [ngram, whole]}\n" \
                                       "  - {strategy: speculative, stages: [cut, whole]}"
        self.assert_run(3, self.config(stages, experiments), 20)

    def test_drawn_tokens_are_the_same_for_every_strategy_chain_and_window(self):
        model = self.tiny_model("four", layers=4)
        stages = (f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: cut, model: {model}, layers: [0, 3]}}\n"
                  f"  - {{name: whole, model: {model}}}")
        experiments = ALL_STRATEGIES + "\n  - {strategy: pipespec, stages: [ngram, whole], window: 3}\n" \
                                       "  - {strategy: speculative, stages: [cut, whole]}"
        config = self.config(stages, experiments)
        outputs = []
        for sampling in ("{temperature: 0.7}", "{temperature: 1.2, top_k: 50, top_p: 0.9, min_p: 0.01}",
                         "{temperature: 1.2, repetition_penalty: 1.3, repetition_window: 20}",
                         "{temperature: 0, repetition_penalty: 1.3}"):
            for seed in (1, 2):
                out = self.folder / f"out{len(outputs)}"
                sampled = sampling.replace("{", "{max_new_tokens: 40, ")
                done = run(3, "run", config, "--set", f"generation={sampled}", "--set", f"seed={seed}", "--out", out)
                self.assertEqual(done.returncode, DONE, done.stderr)
                samples = self.samples(out)
                self.assertEqual(len(samples), 20)
                self.assert_identical(samples)
                outputs.append([sample["token_ids"] for sample in samples])
            drawn = "temperature: 0," not in sampling
            self.assertEqual(outputs[-1] != outputs[-2], drawn, f"{sampling}: seeds 1 and 2")
        self.assertNotEqual(outputs[0], outputs[2])

    def test_tensor_parallel_stages_draw_tokens(self):
        model = self.tiny_model("grouped", heads=6, kv_heads=3, head_dim=32, type="Q8_0")
        stages = (f"  - {{name: cut, model: {model}, layers: [0], tensor_parallel: 2}}\n"
                  f"  - {{name: whole, model: {model}, tensor_parallel: 3}}")
        config = self.config(stages, ALL_STRATEGIES)
        done = run(5, "run", config, "--set", "generation={max_new_tokens: 40, temperature: 1, repetition_penalty: 1.2}")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assert_identical(self.samples())

    def test_the_output_does_not_depend_on_threads(self):
        stages = f"  - {{name: whole, model: {self.tiny_model('wide', width=256, feed_forward=512)}}}"
        config = self.config(stages, "  - {strategy: autoregressive}")
        outputs = []
        for threads in (1, 2):
            out = self.folder / f"threads{threads}"
            done = run(1, "run", config, "--set", f"stages.0.threads={threads}", "--out", out)
            self.assertEqual(done.returncode, DONE, done.stderr)
            outputs.append([sample["token_ids"] for sample in self.samples(out)])
        self.assertEqual(*outputs)


@unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is not there: jobs/get_model.sh gets it")
class RealModel(ExecutableTest):
    def test_five_ranks_give_smollm2s_own_output(self):
        stages = (f"  - {{name: ngram, drafter: prompt_lookup}}\n"
                  f"  - {{name: draft, model: {DRAFT_15M}, threads: 1}}\n"
                  f"  - {{name: twelve, model: {SMOLLM2}, layers: [{', '.join(map(str, [*range(6), *range(24, 30)]))}], threads: 1}}\n"
                  f"  - {{name: twenty, model: {SMOLLM2}, layers: [{', '.join(map(str, [*range(10), *range(20, 30)]))}], threads: 1}}\n"
                  f"  - {{name: full, model: {SMOLLM2}, threads: 1}}")
        prompts = self.write("chat.jsonl", "\n".join([
            '{"id": "capital", "messages": [{"role": "user", "content": "What is the capital of France?"}]}',
            '{"id": "code", "messages": [{"role": "user", "content": "Write a Python function that reverses a string."}]}',
        ]))
        experiments = "  - {strategy: autoregressive}\n  - {strategy: speculative, lookahead: 4}\n  - {strategy: pipespec}"
        config = self.config(stages, experiments, new_tokens=64, tasks=f"  - {{preset: jsonl, file: {prompts}}}")
        done = run(5, "run", config)
        self.assertEqual(done.returncode, DONE, done.stderr)
        samples = self.samples()
        self.assertEqual(len(samples), 6)
        self.assert_identical(samples)
        self.assertIn("Paris", samples[0]["text"])
