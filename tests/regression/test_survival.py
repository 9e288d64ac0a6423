"""A run survives what a batch system does to it: each sample once, whatever was killed and resumed how often."""

import random
import signal
import subprocess

from executable import DONE, STOPPED_EARLY, WRONG_REQUEST, ExecutableTest, command, run, send

EXPERIMENTS = """\
  - {strategy: autoregressive}
  - {strategy: speculative, lookahead: 4}
  - {strategy: pipespec}"""
SAMPLES = 3 * 12


class Survival(ExecutableTest):
    def setUp(self):
        super().setUp()
        model = self.tiny_model("deep", layers=8, width=128, feed_forward=256, context=2048)
        stages = (f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: cut, model: {model}, layers: [0, 7]}}\n"
                  f"  - {{name: whole, model: {model}}}")
        tasks = f"  - {{preset: jsonl, file: {self.prompts(12)}}}"
        self.run_config = self.config(stages, EXPERIMENTS, new_tokens=300, tasks=tasks)

    def launch(self) -> subprocess.Popen:
        return subprocess.Popen(command(3, "run", self.run_config), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def assert_complete(self):
        samples = self.samples()
        keys = [(s["experiment"], s["task"], s["id"]) for s in samples]
        self.assertEqual(len(keys), SAMPLES)
        self.assertEqual(len(set(keys)), SAMPLES)
        self.assert_identical(samples)

    def test_kill_any_rank_at_any_moment_and_resume(self):
        choice = random.Random(5)
        kills = completed = 0
        for _ in range(60):
            launcher = self.launch()
            self.wait_for_journal(launcher, self.journal_size() + choice.randrange(1, 40000))
            kills += send(signal.SIGKILL, launcher, choice.randrange(3))
            launcher.communicate(timeout=30)  # the other ranks end within seconds
            now = self.readable()
            self.assertGreaterEqual(now, completed, "a completed sample was lost")
            completed = now
            if kills == 20:
                break
            if launcher.returncode == DONE:  # all done before the kill: begin anew
                self.assert_complete()
                completed = 0
                for path in sorted((self.folder / "out").rglob("*"), reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
        self.assertEqual(kills, 20)
        self.assertEqual(run(3, "run", self.run_config).returncode, DONE)
        self.assert_complete()

    def test_a_signal_to_any_rank_stops_in_order_and_the_same_command_completes(self):
        for number, sent in ((0, signal.SIGTERM), (1, signal.SIGUSR1), (2, signal.SIGINT)):
            with self.subTest(rank=number, signal=sent.name):
                launcher = self.launch()
                self.wait_for_journal(launcher, self.journal_size() + 3000)
                send(sent, launcher, number)
                out, err = launcher.communicate(timeout=60)
                self.assertIn(launcher.returncode, (STOPPED_EARLY, DONE), err)
                if launcher.returncode == STOPPED_EARLY:
                    self.assertIn("run the same command to go on", err)
                    self.assertTrue((self.folder / "out/results.h5").exists())
        self.assertEqual(run(3, "run", self.run_config).returncode, DONE)
        self.assert_complete()

    def stop_one_rank(self, ranks, config, number):
        """Sends SIGTERM to one rank as soon as the first sample is on the disk, and lets the same command complete."""
        launcher = subprocess.Popen(command(ranks, "run", config), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_for_journal(launcher, 4000)  # the beginnings take less, one sample's tokens and times more
        self.assertTrue(send(signal.SIGTERM, launcher, number), "it was done before it could be stopped")
        err = launcher.communicate(timeout=60)[1]
        self.assertEqual(launcher.returncode, STOPPED_EARLY, err)
        self.assertLess(self.readable(), 40, "the experiment ended before the signal was noticed")
        self.assertEqual(run(ranks, "run", config).returncode, DONE)

    def test_a_rank_without_work_passes_a_signal_on(self):
        # Rank 0 drafts; while the target decodes alone it waits for the experiment to end.
        model = self.tiny_model("deep", layers=8, width=128, feed_forward=256, context=2048)
        config = self.config(f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: whole, model: {model}}}",
                             "  - {strategy: autoregressive}", new_tokens=600,
                             tasks=f"  - {{preset: jsonl, file: {self.prompts(40)}}}")
        self.stop_one_rank(2, config, 0)
        self.assertEqual(len(self.samples()), 40)

    def test_a_rank_of_a_shared_model_passes_a_signal_on(self):
        model = self.tiny_model("deep", layers=8, width=128, feed_forward=256, context=2048)
        config = self.config(f"  - {{name: whole, model: {model}, tensor_parallel: 2}}",
                             "  - {strategy: autoregressive}", new_tokens=300,
                             tasks=f"  - {{preset: jsonl, file: {self.prompts(40)}}}")
        self.stop_one_rank(2, config, 1)  # not the leader
        self.assertEqual(len(self.samples()), 40)

    def test_a_time_limit_stops_the_run_and_it_goes_on(self):
        done = run(3, "run", self.run_config, "--set", "limits.time=121s")
        self.assertIn(done.returncode, (STOPPED_EARLY, DONE), done.stderr)
        self.assertEqual(run(3, "run", self.run_config).returncode, DONE)
        self.assert_complete()

    def test_a_run_does_not_go_on_with_other_prompts_than_it_was_begun_with(self):
        self.assertEqual(run(3, "run", self.run_config).returncode, DONE)
        before = self.samples()
        prompts = self.folder / "prompts.jsonl"
        prompts.write_text(prompts.read_text().replace("other", "same"))
        done = run(3, "run", self.run_config)
        self.assertEqual(done.returncode, WRONG_REQUEST, done.stderr)
        self.assertIn("prompts.jsonl: has changed since", done.stderr)
        self.assertEqual(self.samples(), before)

    def test_a_finished_run_is_not_done_again(self):
        self.assertEqual(run(3, "run", self.run_config).returncode, DONE)
        before = self.samples()
        self.assertEqual(run(3, "run", self.run_config).returncode, DONE)
        self.assertEqual(self.samples(), before)
