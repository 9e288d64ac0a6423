"""Replicas of a pipeline on one queue: the samples of one pipeline, whoever decodes them."""

import random
import signal
import subprocess

from executable import (ALL_STRATEGIES, DONE, STOPPED_EARLY, WRONG_REQUEST, ExecutableTest, chain, command, run, send,
                        synthetic)


def outputs(samples: list[dict]) -> dict:
    return {(s["experiment"], s["task"], s["id"]): s["token_ids"] for s in samples}


class Replicas(ExecutableTest):
    def run_replicas(self, config, replicas, stages, *options):
        out = self.folder / f"{stages}-stages-{replicas}"
        done = run(replicas * stages, "run", config, "--set", f"replicas={replicas}", "--out", out, *options)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return self.samples(out)

    def test_one_and_two_replicas_give_the_same_outputs(self):
        for stages, in_flight in ((1, 4), (2, 1), (3, 4)):
            with self.subTest(stages=stages, in_flight=in_flight):
                experiments = ALL_STRATEGIES if stages > 1 else "  - {strategy: autoregressive}"
                config = self.config(chain(stages, agreement=0.7), experiments,
                                     tasks=f"  - {{preset: jsonl, file: {self.prompts(7)}}}")
                options = ("--set", f"sequences_in_flight={in_flight}")
                one, two = (self.run_replicas(config, replicas, stages, *options) for replicas in (1, 2))
                self.assertEqual(len(two), 21 if stages > 1 else 7)
                self.assertEqual(outputs(two), outputs(one))
                self.assert_identical(two)

    def test_replicas_of_shared_models_draw_the_same_tokens(self):
        model = self.tiny_model()
        stages = f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: whole, model: {model}, tensor_parallel: 2}}"
        config = self.config(stages, ALL_STRATEGIES, tasks=f"  - {{preset: jsonl, file: {self.prompts(6)}}}")
        one, two = (self.run_replicas(config, replicas, 3, "--set", "generation.temperature=1") for replicas in (1, 2))
        self.assertEqual(outputs(two), outputs(one))
        self.assert_identical(two)

    def test_the_results_say_which_replica_decoded_a_sample(self):
        config = self.config(chain(2), ALL_STRATEGIES)
        done = run(4, "run", config, "--set", "replicas=2")
        self.assertEqual(done.returncode, DONE, done.stderr)
        telemetry, *samples = self.tables("telemetry", *(f"experiments/{e}/samples" for e in range(3)))
        self.assertEqual(telemetry["rank"], 3 * [0, 1, 2, 3])
        self.assertEqual([set(columns["replica"]) for columns in samples], 3 * [{0, 1}])
        links = self.tables("experiments/0/stages/0/link", *(f"experiments/{e}/stages/{s}/link" for e in (1, 2) for s in (0, 1)))
        for link in links:
            self.assertEqual(link["recorded"], [1, 1, 1, 1], "a stage's trace was lost between the replicas")

    def test_replicas_start_with_the_longest_prompts(self):
        config = self.config(synthetic("target", 5), "  - {strategy: autoregressive}")
        done = run(2, "run", config, "--set", "replicas=2")
        self.assertEqual(done.returncode, DONE, done.stderr)
        samples, = self.tables("experiments/0/samples")
        first = {replica: min((start, length) for start, length, decoded_by in
                              zip(samples["start"], samples["prompt_length"], samples["replica"]) if decoded_by == replica)[1]
                 for replica in (0, 1)}
        self.assertEqual(sorted(first.values()), sorted(samples["prompt_length"])[-2:])

    def test_check_shows_every_replica_and_a_wrong_launch_is_one_line(self):
        config = self.config(chain(2), ALL_STRATEGIES)
        checked = run(1, "check", config, "--set", "replicas=3")
        self.assertEqual(checked.returncode, DONE, checked.stderr)
        for part in ("replica 0\n   0  s0", "replica 2\n   4  s0", "   5  s1", "launch: mpirun -n 6 pipespec run"):
            self.assertIn(part, checked.stdout)
        done = run(2, "run", config, "--set", "replicas=3")
        self.assertEqual(done.returncode, WRONG_REQUEST)
        self.assertRegex(done.stderr, r"\Apipespec: \S+: launched with 2 ranks \(its 3 replicas of 2 ranks each take 6\): "
                                      r"mpirun -n 6 pipespec …\n\Z")

    def test_one_prompt_takes_one_pipeline(self):
        config = self.config(chain(2), ALL_STRATEGIES + "\nreplicas: 3")
        answer = run(2, "generate", config, "--prompt", "hello there")
        self.assertEqual(answer.returncode, DONE, answer.stderr)
        self.assertEqual(len(answer.stdout.split()), 40)


class Survival(ExecutableTest):
    """Of killed ranks and signals; the runs go on with more or fewer replicas."""

    def setUp(self):
        super().setUp()
        self.run_config = self.config(chain(2, agreement=0.8), ALL_STRATEGIES, new_tokens=250,
                                      tasks=f"  - {{preset: jsonl, file: {self.prompts(8)}}}")

    def launch(self, replicas) -> subprocess.Popen:
        return subprocess.Popen(command(2 * replicas, "run", self.run_config, "--set", f"replicas={replicas}"),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def complete(self, replicas):
        launcher = self.launch(replicas)
        err = launcher.communicate(timeout=240)[1]
        self.assertEqual(launcher.returncode, DONE, err)
        samples = self.samples()
        self.assertEqual(len(samples), 24)
        self.assertEqual(len(outputs(samples)), 24)
        self.assert_identical(samples)

    def test_a_killed_run_goes_on_with_another_number_of_replicas(self):
        choice = random.Random(2)
        completed = kills = 0
        for replicas in (2, 3, 1, 2, 3):
            launcher = self.launch(replicas)
            self.wait_for_journal(launcher, self.journal_size() + choice.randrange(4000, 40000))
            kills += send(signal.SIGKILL, launcher, choice.randrange(2 * replicas))
            launcher.communicate(timeout=120)  # the other ranks end within seconds
            now = self.readable()
            self.assertGreaterEqual(now, completed, "a completed sample was lost")
            completed = now
        self.assertGreaterEqual(kills, 4)
        self.assertLess(completed, 24, "no launch was left anything to do")
        self.complete(2)

    def test_a_signal_to_any_rank_stops_all_replicas(self):
        for rank in (3, 0):
            launcher = self.launch(2)
            self.wait_for_journal(launcher, self.journal_size() + 8000)
            self.assertTrue(send(signal.SIGUSR1, launcher, rank), "it was done before it could be stopped")
            err = launcher.communicate(timeout=120)[1]
            self.assertEqual(launcher.returncode, STOPPED_EARLY, err)
        self.complete(1)
