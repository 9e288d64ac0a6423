"""A rank takes the memory that was planned for it, within a tenth."""

import itertools
import json
import re
import unittest

from executable import DONE, SMOLLM2, SOURCE, ExecutableTest, run

AUTOREGRESSIVE = "  - {strategy: autoregressive}"


class Memory(ExecutableTest):
    numbers = itertools.count()  # of output directories

    def models_of(self, ranks, config):
        """[taken, planned for the model, for the program] of every rank with a model, in MiB; the log's and check's plans agree."""
        checked = run(1, "check", config).stdout
        totals = [float(total) for total in re.findall(r"^ +\d+  .* ([\d.]+)  \d+ GiB$", checked, re.MULTILINE)]
        done = run(ranks, "run", config, "--out", self.folder / f"out{next(self.numbers)}")
        self.assertEqual(done.returncode, DONE, done.stderr)
        pattern = r"took ([\d.]+) MiB of memory at most; planned [\d.]+: model ([\d.]+), program ([\d.]+)"
        found = [tuple(map(float, match)) for match in re.findall(pattern, done.stderr)]
        self.assertEqual([model for _, model, _ in found], totals)
        self.assertTrue(found)
        return found

    def test_of_a_random_model_shared_by_two_ranks_the_program_aside(self):
        model = self.tiny_model("wide", layers=8, width=512, heads=8, head_dim=64, feed_forward=2048)
        for taken, planned, program in self.models_of(2, self.config(
                f"  - {{name: t, model: {model}, tensor_parallel: 2}}", AUTOREGRESSIVE)):
            self.assertAlmostEqual(taken - program, planned, delta=0.1 * planned)

    @unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is not there: jobs/get_model.sh gets it")
    def test_of_a_real_model_in_every_form_the_program_aside(self):
        for form, ranks in (("weights: native", 1), ("weights: f32", 1), ("kv_cache: f32", 1), ("tensor_parallel: 2", 2)):
            with self.subTest(form):
                config = self.config(f"  - {{name: t, model: {SMOLLM2}, {form}}}", AUTOREGRESSIVE, new_tokens=3,
                                     tasks=f"  - {{preset: jsonl, file: {self.long_text()}}}")
                for taken, planned, program in self.models_of(ranks, config):
                    self.assertAlmostEqual(taken - program, planned, delta=0.1 * planned)

    def long_text(self):
        """One prompt of some thousand positions that touches every part of the embedding: a token of every sixtieth, then
        the quickstart's texts."""
        ids = self.write("ids.jsonl", json.dumps({"ids": list(range(0, 49152, 60))}))
        everywhere = json.loads(run(1, "tokenize", SMOLLM2, "--jsonl", ids, "--decode").stdout)["text"]
        text = "".join((SOURCE / f"datasets/{name}_quickstart.jsonl").read_text() for name in ("cnn_dm", "gsm8k", "humaneval"))
        return self.write("long.jsonl", json.dumps({"id": "long", "prompt": everywhere + text[:20000]}))
