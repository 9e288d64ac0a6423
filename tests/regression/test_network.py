"""Ranks on hosts of their own, and a network between them that takes its time: the outputs stay the same."""

import os
import subprocess
import sys
import unittest

from executable import ALL_STRATEGIES, DONE, DRAFT_15M, PIPESPEC, SMOLLM2, SOURCE, ExecutableTest, chain, python_with_h5py

sys.path.insert(0, str(SOURCE / "tests/support"))
from network import network, obstacle  # noqa: E402

NETWORKS = [(0.05, 0.02), (1, 0.5), (5, 2)]  # latency and jitter, ms


class OnHosts(ExecutableTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        reason = obstacle()
        if reason:
            raise unittest.SkipTest(reason)

    def run_on(self, hosts, config, *options) -> list[dict]:
        out = self.folder / f"out{len(list(self.folder.glob('out*')))}"
        command = [*hosts.launch(os.environ["PIPESPEC_MPIRUN"]), PIPESPEC, "run", config, "--out", out, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, DONE, done.stderr)
        samples = self.samples(out)
        self.assert_identical(samples)
        return samples

    def test_nothing_arrives_sooner_than_it_can(self):
        for latency, jitter in NETWORKS:
            with network(2, latency, jitter) as hosts:
                self.assertGreaterEqual(hosts.one_way_ms(20)[0], latency - jitter)

    def test_synthetic_stages(self):
        config = self.config(chain(3, agreement=0.7), ALL_STRATEGIES)
        for latency, jitter in NETWORKS:
            with self.subTest(latency=latency), network(3, latency, jitter) as hosts:
                self.assertEqual(len(self.run_on(hosts, config)), 12)

    def test_the_results_say_on_which_host_each_rank_was(self):
        with network(2, 1, 0) as hosts:
            self.run_on(hosts, self.config(chain(2), ALL_STRATEGIES))
        python = python_with_h5py()
        if not python:
            self.skipTest("no Python with h5py here (Debian: python3-h5py)")
        read = "import h5py, sys; print(h5py.File(sys.argv[1])['attempts/0'].attrs['hosts'])"
        done = subprocess.run([python, "-c", read, self.folder / "out0/results.h5"], capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, "host1.*host2")

    def test_replicas(self):
        config = self.config(chain(2, agreement=0.7), ALL_STRATEGIES, tasks=f"  - {{preset: jsonl, file: {self.prompts(6)}}}")
        with network(4, 1, 0.5) as hosts:
            self.assertEqual(len(self.run_on(hosts, config, "--set", "replicas=2")), 18)

    def test_a_model_shared_by_two_hosts(self):
        stages = f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: whole, model: {self.tiny_model()}, tensor_parallel: 2}}"
        with network(3, 0.05, 0.02) as hosts:
            self.assertEqual(len(self.run_on(hosts, self.config(stages, ALL_STRATEGIES))), 12)

    @unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is not there: jobs/get_model.sh gets it")
    def test_real_models(self):
        stages = (f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: draft, model: {DRAFT_15M}, threads: 1}}\n"
                  f"  - {{name: full, model: {SMOLLM2}, threads: 1}}")
        prompts = self.write("chat.jsonl", '{"id": "a", "messages": [{"role": "user", "content": "Repeat twice: one two three"}]}')
        config = self.config(stages, ALL_STRATEGIES, new_tokens=32, tasks=f"  - {{preset: jsonl, file: {prompts}}}")
        for latency, jitter in NETWORKS:
            with self.subTest(latency=latency), network(3, latency, jitter) as hosts:
                self.assertEqual(len(self.run_on(hosts, config)), 3)
