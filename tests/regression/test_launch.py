"""jobs/launch.sh, as a stranger uses it: what it prints is what the ranks say, and a signal stops them in order."""

import os
import pty
import signal
import subprocess
import time

from executable import DONE, PIPESPEC, SOURCE, STOPPED_EARLY, WRONG_REQUEST, ExecutableTest, send

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PIPESPEC_MPIRUN"}  # the script's own


def launch(ranks: int, *arguments, stderr=subprocess.PIPE) -> subprocess.Popen:
    return subprocess.Popen([SOURCE / "jobs/launch.sh", str(ranks), PIPESPEC, *map(str, arguments)], env=ENVIRONMENT,
                            stdout=subprocess.PIPE, stderr=stderr, text=True)


class Launch(ExecutableTest):
    def long_run(self):
        model = self.tiny_model("deep", layers=8, width=128, feed_forward=256, context=2048)
        return self.config(f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: whole, model: {model}}}",
                           "  - {strategy: autoregressive}", new_tokens=600,
                           tasks=f"  - {{preset: jsonl, file: {self.prompts(10)}}}")

    def wait_for_a_sample(self, launcher):
        journal = self.folder / "out/journal/rank-1.journal"
        while launcher.poll() is None and not (journal.exists() and journal.stat().st_size > 4000):
            time.sleep(0.002)  # polls another process; nothing is ordered by it

    def test_a_wrong_request_is_one_line(self):
        for arguments in (["ran"], ["run"], ["run", self.folder / "none.yaml"]):
            with self.subTest(arguments=arguments):
                launcher = launch(4, *arguments)
                out, err = launcher.communicate(timeout=60)
                self.assertEqual(launcher.returncode, WRONG_REQUEST, err)
                self.assertRegex(out + err, r"\Apipespec: [^\n]+\n\Z")

    def test_sigterm_stops_in_order_and_the_same_command_completes(self):
        config = self.long_run()
        launcher = launch(2, "run", config)
        self.wait_for_a_sample(launcher)
        launcher.terminate()
        out, err = launcher.communicate(timeout=60)
        self.assertEqual(launcher.returncode, STOPPED_EARLY, err)
        self.assertRegex(err.splitlines()[-1], "^stopped early with .* run the same command to go on$")
        launcher = launch(2, "run", config)
        err = launcher.communicate(timeout=240)[1]
        self.assertEqual(launcher.returncode, DONE, err)
        self.assertEqual(len(self.samples()), 10)

    def test_a_killed_rank_is_told(self):
        launcher = launch(2, "run", self.long_run())
        self.wait_for_a_sample(launcher)
        self.assertTrue(send(signal.SIGKILL, launcher, 0))
        err = launcher.communicate(timeout=60)[1]
        self.assertEqual(launcher.returncode, 128 + signal.SIGKILL, err)
        self.assertEqual(err.splitlines()[-1], "pipespec: a rank was ended by signal KILL: run the same command to go on")

    def test_on_a_terminal_progress_is_a_bar(self):
        config = self.config(f"  - {{name: whole, model: {self.tiny_model()}}}", "  - {strategy: autoregressive}")
        terminal, inside = pty.openpty()
        launcher = launch(1, "run", config, stderr=inside)
        os.close(inside)
        launcher.communicate(timeout=60)
        shown = os.read(terminal, 1 << 16).decode()
        os.close(terminal)
        self.assertEqual(launcher.returncode, DONE, shown)
        self.assertIn("\r[########################] 4/4 samples, autoregressive", shown)
