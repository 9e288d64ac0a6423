"""Chains of synthetic stages run like chains of models."""

import json

from executable import ALL_STRATEGIES, DONE, ExecutableTest, chain, run, synthetic

class Synthetic(ExecutableTest):
    def run_config(self, ranks, stages, experiments, out="out", **options):
        done = run(ranks, "run", self.config(stages, experiments, **options), "--out", self.folder / out)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return self.samples(self.folder / out)

    def test_chains_of_one_to_five_stages_say_what_the_target_says(self):
        for stages in range(1, 6):
            with self.subTest(stages=stages):
                experiments = ALL_STRATEGIES if stages > 1 else "  - {strategy: autoregressive}"
                samples = self.run_config(stages, chain(stages, agreement=0.7), experiments, out=f"{stages}")
                self.assertEqual(len(samples), 12 if stages > 1 else 4)
                self.assert_identical(samples)
                self.assertEqual({sample["tokens"] for sample in samples}, {40})

    def test_answers_end_with_the_end_token_where_they_have_a_length(self):
        stages = chain(3, agreement=0.8, vocabulary=20, mean_length=15)
        samples = self.run_config(3, stages, ALL_STRATEGIES, new_tokens=400)
        self.assert_identical(samples)
        self.assertEqual({sample["finish"] for sample in samples}, {"end_token"})
        self.assertTrue(all(sample["token_ids"][-1] == 0 and 0 not in sample["token_ids"][:-1] for sample in samples))

    def test_an_experiment_may_have_more_sequences_in_flight_than_the_run(self):
        samples = self.run_config(2, chain(2), "  - {strategy: autoregressive}\n  - {strategy: pipespec, sequences_in_flight: 3}")
        self.assertEqual(len(samples), 8)
        self.assert_identical(samples)

    def test_drafts_are_accepted_as_often_as_the_stages_agree(self):
        config = self.config(synthetic("draft", 0, agreement=0.75) + synthetic("target", 0),
                             "  - {strategy: speculative, lookahead: 1}", new_tokens=2000)
        done = run(2, "run", config)
        self.assertEqual(done.returncode, DONE, done.stderr)
        passes = 4 * 2000 / 1.75  # a draft each: one token, and a second one where it is accepted
        self.assertAlmostEqual(self.tokens_per_pass(done.stdout, "speculative"), 1.75,
                               delta=5 * (0.75 * 0.25 / passes) ** 0.5)

    def test_prompt_lookup_may_draft_for_a_synthetic_stage(self):
        prompts = self.write("numbers.jsonl", json.dumps({"id": "a", "prompt": "5 6 7 5 6 7 5 6"}))
        samples = self.run_config(2, "  - {name: ngram, drafter: prompt_lookup}\n" + synthetic("target", 1, vocabulary=6),
                                  ALL_STRATEGIES, new_tokens=300, tasks=f"  - {{preset: jsonl, file: {prompts}}}")
        self.assertEqual(len(samples), 3)
        self.assert_identical(samples)

    def test_a_synthetic_stage_drafts_at_random_for_a_model(self):
        stages = synthetic("noise", 0.5, vocabulary=200) + f"  - {{name: whole, model: {self.tiny_model()}}}"
        self.assert_identical(self.run_config(2, stages, ALL_STRATEGIES))
        done = run(2, "run", self.config(stages, ALL_STRATEGIES), "--set", "stages.0.synthetic.vocabulary=100000")
        self.assertEqual(done.returncode, 2)
        self.assertIn("stages.0: a vocabulary of 100000 tokens", done.stderr)

    def test_conversations_check_and_generate(self):
        prompts = self.write("chat.jsonl", '{"id": "a", "messages": [{"role": "user", "content": "hello there"}]}')
        config = self.config(chain(2), ALL_STRATEGIES, tasks=f"  - {{preset: jsonl, file: {prompts}}}")
        checked = run(1, "check", config)
        self.assertEqual(checked.returncode, DONE, checked.stderr)
        for part in ("mpirun -n 2", "s0             synthetic: 1000 tokens, 1.1 ms a pass and 0.02 ms a row, agreement 0.8",
                     "chat form: chatml", "positions of the longest sample: 47"):
            self.assertIn(part, checked.stdout)
        answers = [run(2, "generate", config, "--prompt", "hello there", "--experiment", label)
                   for label in ("autoregressive", "pipespec")]
        self.assertEqual([answer.returncode for answer in answers], [DONE, DONE], answers[0].stderr)
        self.assertEqual(answers[0].stdout, answers[1].stdout)
        self.assertEqual(len(answers[0].stdout.split()), 40)
