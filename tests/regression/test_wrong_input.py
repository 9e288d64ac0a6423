"""Every wrong request is one clear line and exit status 2: no hang, no stack trace, no partial file."""

import os
import random
import unittest

from executable import SMOLLM2, WRONG_REQUEST, ExecutableTest, run

ONE = "  - {strategy: autoregressive}"


class WrongInput(ExecutableTest):
    def assert_refused(self, ranks, *arguments, says=()):
        done = run(ranks, *arguments, timeout=60)
        self.assertEqual(done.returncode, WRONG_REQUEST, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, done.stderr)
        for part in says:
            self.assertIn(part, lines[0])
        self.assertNotIn("results.h5", done.stdout)

    def assert_config_refused(self, config, *says, ranks=(1, 4)):
        for count in ranks:
            with self.subTest(ranks=count):
                self.assert_refused(count, "run", config, says=says)

    def four_stages(self, last=None):
        """A valid chain of four ranks, so that only what the test breaks is wrong; and, cut short, of one."""
        model = self.tiny_model()
        return [f"  - {{name: s{i}, model: {model}}}" for i in range(3)] + [last or f"  - {{name: s3, model: {model}}}"]

    def assert_stage_refused(self, stage, *says, **options):
        """The stage is the target of a chain of one rank, and of four."""
        for stages in ([stage], self.four_stages(stage)):
            config = self.config("\n".join(stages), ONE, **options)
            self.assert_config_refused(config, *says, ranks=(len(stages),))

    def test_a_missing_configuration(self):
        self.assert_config_refused(self.folder / "none.yaml", "none.yaml")

    def test_an_unknown_key(self):
        config = self.config("\n".join(self.four_stages()), ONE).read_text()
        path = self.write("typo.yaml", config.replace("max_new_tokens", "max_new_token"))
        self.assert_config_refused(path, "typo.yaml:", "max_new_token", "did you mean", "max_new_tokens")

    def test_a_wrong_type(self):
        config = self.config("\n".join(self.four_stages()), ONE).read_text()
        path = self.write("type.yaml", config.replace("max_new_tokens: 40", "max_new_tokens: many"))
        self.assert_config_refused(path, "type.yaml:", "generation.max_new_tokens", "many")

    def test_the_wrong_number_of_ranks(self):
        config = self.config("\n".join(self.four_stages()[:2]), ONE)
        self.assert_config_refused(config, "mpirun -n 2")

    def test_a_missing_model(self):
        self.assert_stage_refused("  - {name: s3, model: nowhere.gguf}", "nowhere.gguf")

    def test_a_file_that_is_no_model(self):
        self.assert_stage_refused(f"  - {{name: s3, model: {self.write('text.gguf', 'hello ' * 100)}}}", "text.gguf", "GGUF")

    def test_a_missing_data_set(self):
        tasks = "  - {preset: jsonl, file: nowhere.jsonl}"
        self.assert_stage_refused(f"  - {{name: s3, model: {self.tiny_model()}}}", "nowhere.jsonl", tasks=tasks)

    def test_a_model_cut_anywhere(self):
        whole = self.tiny_model().read_bytes()
        places = random.Random(1)
        for cut in sorted(places.randrange(len(whole)) for _ in range(20)):
            path = self.folder / "cut.gguf"
            path.write_bytes(whole[:cut])
            with self.subTest(cut=cut):
                self.assert_stage_refused(f"  - {{name: s3, model: {path}}}", "cut.gguf")

    @unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is not there: jobs/get_model.sh gets it")
    def test_the_real_model_cut_anywhere(self):
        size = SMOLLM2.stat().st_size
        places = random.Random(2)
        path = self.folder / "cut.gguf"
        path.write_bytes(SMOLLM2.read_bytes())
        for cut in sorted((places.randrange(size) for _ in range(20)), reverse=True):
            os.truncate(path, cut)
            with self.subTest(cut=cut):
                self.assert_refused(1, "run", self.config(f"  - {{name: s, model: {path}}}", ONE), says=["cut.gguf"])

    def test_parts_of_a_model(self):
        first = self.tiny_model("incomplete", parts=3)
        second, third = (first.with_name(f"incomplete-0000{i}-of-00003.gguf") for i in (2, 3))
        self.assert_stage_refused(f"  - {{name: s3, model: {second}}}", "part 2 of 3", f"open the first, {first}")
        self.assert_refused(1, "inspect", second, says=[f"open the first, {first}"])
        third.unlink()
        self.assert_stage_refused(f"  - {{name: s3, model: {first}}}", f"{third} is missing")

    def test_a_tensor_of_the_wrong_shape(self):
        # The metadata says another width than the tensors have.
        broken = bytearray(self.tiny_model("shape", width=64).read_bytes())
        key = broken.index(b"llama.embedding_length") + len(b"llama.embedding_length") + 4
        broken[key:key + 4] = (96).to_bytes(4, "little")
        path = self.folder / "shape.gguf"
        path.write_bytes(broken)
        self.assert_stage_refused(f"  - {{name: s3, model: {path}}}", "shape.gguf")

    def test_a_prompt_longer_than_the_context(self):
        prompts = self.write("long.jsonl", '{"id": "long", "prompt": "' + "word " * 400 + '"}\n')
        self.assert_stage_refused(f"  - {{name: s3, model: {self.tiny_model()}}}", "long", "512",
                                  tasks=f"  - {{preset: jsonl, file: {prompts}}}")

    def test_layers_out_of_range(self):
        self.assert_stage_refused(f"  - {{name: s3, model: {self.tiny_model()}, layers: [0, 7]}}", "layers", "7")

    def test_quantised_weights_that_are_to_be_rounded_again(self):
        model = self.tiny_model("q8_0", type="Q8_0")
        self.assert_stage_refused(f"  - {{name: s3, model: {model}, weights: int4}}", "stages.", "q8_0.gguf",
                                  "use weights: native")

    def test_vocabularies_that_differ(self):
        other = self.tiny_model("other", vocabulary=400)
        self.assert_stage_refused_with_drafter(other)

    def assert_stage_refused_with_drafter(self, drafter):
        stages = self.four_stages()
        stages[0] = f"  - {{name: s0, model: {drafter}}}"
        self.assert_config_refused(self.config("\n".join(stages), ONE), "vocabulary", "other.gguf", ranks=(4,))
        two = self.config("\n".join([stages[0], stages[3]]), ONE)
        self.assert_refused(1, "check", two, says=["vocabulary", "other.gguf"])

    def test_an_output_directory_of_another_configuration(self):
        stage = f"  - {{name: s3, model: {self.tiny_model()}}}"
        self.assertEqual(run(1, "run", self.config(stage, ONE)).returncode, 0)
        self.assert_stage_refused(stage, "another configuration", new_tokens=41)

    def test_an_output_that_cannot_be_written(self):
        blocker = self.write("blocker", "a file where a folder should be")
        for stages in ([self.four_stages()[3]], self.four_stages()):
            config = self.config("\n".join(stages), ONE)
            self.assert_refused(len(stages), "run", config, "--out", blocker / "out", says=["blocker"])
            self.assert_refused(len(stages), "run", config, "--out", "/proc/out", says=["/proc/out"])

    def test_a_wrong_command_line(self):
        self.assert_refused(4, "ran", says=["ran", "--help"])
        self.assert_refused(1, "ran", says=["ran", "--help"])
        self.assert_refused(1, "run", says=["CONFIG"])
        self.assert_refused(1, "tokenize", self.tiny_model(), says=["--help"])
        self.assert_refused(1, "logits", self.tiny_model(), "--ids", "none.json", "--out", self.folder / "l.h5", says=["none.json"])
        self.assert_refused(1, "export", self.folder / "none", "--samples", "-", says=["none"])
