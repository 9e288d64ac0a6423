"""`simulate` predicts what a run does."""

import json

from executable import DONE, WRONG_REQUEST, ExecutableTest, run

CHAIN = """\
  - {name: small, synthetic: {pass_ms: 0.5, agreement: 0.7, seed: 1}}
  - {name: middle, synthetic: {pass_ms: 1, agreement: 0.9, seed: 2}}
  - {name: large, synthetic: {pass_ms: 3, row_ms: 0.1, seed: 3}}"""
EXPERIMENTS = """\
  - {strategy: autoregressive}
  - {strategy: speculative, lookahead: 4}
  - {strategy: pipespec, window: 8}"""


class Simulate(ExecutableTest):
    def simulate(self, config, *arguments):
        done = run(1, "simulate", config, "--json", *arguments)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return {each["strategy"]: each for each in json.loads(done.stdout)["experiments"]}

    def refusal(self, *arguments):
        done = run(1, "simulate", *arguments)
        self.assertEqual(done.returncode, WRONG_REQUEST, done.stderr)
        return done.stderr

    def test_a_run_gives_the_tokens_and_accepts_the_drafts_that_were_predicted(self):
        config = self.config(CHAIN, EXPERIMENTS, new_tokens=150)
        predicted = self.simulate(config)
        done = run(3, "run", config)
        self.assertEqual(done.returncode, DONE, done.stderr)
        samples = self.samples()
        self.assert_identical(samples)
        self.assertEqual(predicted["speculative"]["tokens"], sum(sample["tokens"] for sample in samples) // 3)
        # Taking turns, who accepts what does not depend on time.
        self.assertEqual(self.tokens_per_pass(done.stdout, "speculative"),
                         round(predicted["speculative"]["tokens_per_pass"], 2))

    def test_the_target_alone_takes_its_time(self):
        predicted = self.simulate(self.config(CHAIN, EXPERIMENTS))
        self.assertAlmostEqual(predicted["autoregressive"]["ms_per_token"], 3.1)
        self.assertAlmostEqual(predicted["autoregressive"]["busy"]["large"], 1)
        self.assertLess(predicted["pipespec"]["ms_per_token"], predicted["speculative"]["ms_per_token"])

    def test_sensitivity_is_told_by_rejections_depth_and_chain(self):
        predicted = self.simulate(self.config(CHAIN, EXPERIMENTS, new_tokens=400))
        pipeline = predicted["pipespec"]["ms_per_token_with"]
        self.assertEqual(set(pipeline["chain"]), {"small+large", "middle+large", "small+middle+large"})
        self.assertAlmostEqual(pipeline["chain"]["small+middle+large"], predicted["pipespec"]["ms_per_token"])
        self.assertAlmostEqual(pipeline["window"]["8"], predicted["pipespec"]["ms_per_token"])
        by_rejections = list(pipeline["rejections"].values())
        self.assertEqual(by_rejections, sorted(by_rejections))
        self.assertIn("lookahead", predicted["speculative"]["ms_per_token_with"])

    def test_latency_slows_down_those_who_take_turns(self):
        config = self.config(CHAIN, EXPERIMENTS)
        at_once, later = self.simulate(config), self.simulate(config, "--latency-ms", 2, "--jitter-ms", 1)
        self.assertGreater(later["speculative"]["ms_per_token"], at_once["speculative"]["ms_per_token"] + 1)
        self.assertEqual(later["autoregressive"]["ms_per_token"], at_once["autoregressive"]["ms_per_token"])
        self.assertIn("--jitter-ms 1", self.refusal(config, "--jitter-ms", 1))

    def test_models_are_simulated_with_what_was_measured(self):
        stages = "  - {name: draft, model: draft.gguf}\n  - {name: target, model: target.gguf}"  # never opened
        config = self.config(stages, "  - {strategy: pipespec}")
        times = self.write("times.yaml", "draft: {ms: 1, agreement: 1}\ntarget: {ms: {1: 10, 16: 10}}\n")
        self.assertAlmostEqual(self.simulate(config, "--step-times", times)["pipespec"]["speedup"], 10, delta=2)
        self.assertIn("stages.0: how long its passes take is not known", self.refusal(config))
        times.write_text("draft: {ms: 1}\ntarget: {ms: 10}\n")
        self.assertIn("stages.0: how often it agrees", self.refusal(config, "--step-times", times))
        times.write_text("drift: {ms: 1}\n")
        self.assertIn("drift is no stage of test", self.refusal(config, "--step-times", times))

    def test_an_experiment_has_its_own_sequences_in_flight(self):
        flight = [self.simulate(self.config(CHAIN, f"  - {{strategy: pipespec, sequences_in_flight: {count}}}"))["pipespec"]
                  for count in (1, 4)]
        self.assertGreater(flight[1]["tokens_per_second"], 1.5 * flight[0]["tokens_per_second"])

    def test_models_may_say_what_they_say_in_a_run(self):
        model = self.tiny_model("four", layers=4)
        stages = (f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: cut, model: {model}, layers: [0, 3]}}\n"
                  f"  - {{name: whole, model: {model}}}")
        config = self.config(stages, EXPERIMENTS)
        times = self.write("times.yaml", "cut: {ms: 1}\nwhole: {ms: 4}\n")
        predicted = self.simulate(config, "--step-times", times, "--with-models")
        done = run(3, "run", config)
        self.assertEqual(done.returncode, DONE, done.stderr)
        tokens = sum(sample["tokens"] for sample in self.samples()) // 3
        self.assertEqual({each["tokens"] for each in predicted.values()}, {tokens})
        # Taking turns, who accepts what does not depend on time.
        self.assertEqual(self.tokens_per_pass(done.stdout, "speculative"),
                         round(predicted["speculative"]["tokens_per_pass"], 2))
        self.assertIn("give --with-models", self.refusal(config, "--step-times", times))
        for refused in ("generation.temperature=1", "sequences_in_flight=2"):
            self.assertIn("--with-models: ", self.refusal(config, "--step-times", times, "--with-models", "--set", refused))

    def test_the_text_shows_every_experiment(self):
        done = run(1, "simulate", self.config(CHAIN, EXPERIMENTS))
        for part in ("autoregressive", "pipespec", "ms/token", "large 100", "rejections, x", "window", "chain"):
            self.assertIn(part, done.stdout)
