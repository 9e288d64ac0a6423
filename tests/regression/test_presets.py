"""`check` plans the presets of configs/ from config.json alone; its figures are those computed here from the shapes."""

import json
import re
import shutil
import unittest

from executable import DONE, SOURCE, WRONG_REQUEST, ExecutableTest, run

PARAMETERS = {"llama-68m": 68_030_208, "Llama-2-7b-hf": 6_738_415_616, "Llama-2-13b-hf": 13_015_864_320,
              "Llama-3.2-1B": 1_235_814_400, "Llama-3.1-8B": 8_030_261_248, "Llama-3.1-70B": 70_553_706_496}
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
PRESETS = sorted((SOURCE / "configs").glob("llama*gpus.yaml"))
MIB = 2**20
ROUNDED = 0.051  # MiB: figures are printed with one decimal


class Model:
    """What a config.json says of a model's memory."""

    def __init__(self, name):
        config = json.loads((SOURCE / "configs/models" / name / "config.json").read_text())
        self.width, self.layers = config["hidden_size"], config["num_hidden_layers"]
        self.kv_heads = config["num_key_value_heads"]
        self.head_dim = config.get("head_dim", self.width // config["num_attention_heads"])
        self.bytes = BYTES[config["torch_dtype"]]
        self.embedding = config["vocab_size"] * self.width
        query = config["num_attention_heads"] * self.head_dim
        attention = 2 * self.width * query + 2 * self.width * self.kv_heads * self.head_dim
        self.matrices = self.layers * (attention + 3 * self.width * config["intermediate_size"])
        self.norms = (2 * self.layers + 1) * self.width
        self.parameters = self.matrices + self.norms + self.embedding * (1 if config["tie_word_embeddings"] else 2)

    def weights(self, ranks):
        """Bytes on all ranks: every matrix and the head once, the f32 norms on every rank."""
        return (self.matrices + self.embedding) * self.bytes + ranks * self.norms * 4

    def kv_cache(self, positions):
        """Bytes on all ranks: keys and values in 16 bits beside 16-bit and f32 weights alike."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_dim * positions


def rows_of(text):
    """The table of ranks: [stage, weights, embedding, KV, workspace, total, card]."""
    pattern = r"^ +\d+  (\S+) +\S+ +\S+ +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)  (\S+)"
    return [(m[1].split(".")[0], *map(float, m.groups()[1:6]), m[7]) for m in re.finditer(pattern, text, re.MULTILINE)]


class Presets(ExecutableTest):
    def check(self, preset, *options):
        done = run(1, "check", preset, *options, cwd=SOURCE)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return done.stdout

    def test_there_is_one_for_every_chain_on_4_and_8_gpus(self):
        chains = ["llama2-68m-7b", "llama2-68m-7b-13b", "llama3-1b-8b", "llama3-1b-70b", "llama3-8b-70b", "llama3-1b-8b-70b"]
        self.assertEqual({p.stem for p in PRESETS}, {f"{chain}-{gpus}gpus" for chain in chains for gpus in (4, 8)})

    def test_the_shapes_are_the_published_ones(self):
        for name, parameters in PARAMETERS.items():
            self.assertEqual(Model(name).parameters, parameters, name)

    def test_the_plan_of_every_preset_follows_from_the_shapes(self):
        for preset in PRESETS:
            with self.subTest(preset.stem):
                text = self.check(preset)
                gpus = int(re.search(r"(\d)gpus", preset.stem)[1])
                rows = rows_of(text)
                self.assertEqual(len(rows), gpus)
                self.assertIn(f"launch: mpirun -n {gpus} pipespec run {preset}", text)
                self.assertIn("the same size; without the tokenizers", text)
                self.assertIn("13 samples in 3 tasks", text)
                positions = int(re.search(r"positions planned for: (\d+)", text)[1])
                self.assertEqual(positions, 4096 if preset.stem.startswith("llama3") else 2048)
                for stage, name, parameters in re.findall(r"^  (\S+) +configs/models/(\S+): ([\d,]+) parameters", text, re.M):
                    self.assertEqual(int(parameters.replace(",", "")), PARAMETERS[name])
                    self.assert_stage(Model(name), [row for row in rows if row[0] == stage], positions)
                self.assert_cards(text, rows)

    def assert_stage(self, model, rows, positions):
        weights, kv_cache = (sum(row[column] for row in rows) for column in (1, 3))
        tolerance = ROUNDED * len(rows)
        self.assertAlmostEqual(weights, model.weights(len(rows)) / MIB, delta=tolerance)
        self.assertAlmostEqual(kv_cache, model.kv_cache(positions) / MIB, delta=tolerance)
        for row in rows:
            self.assertAlmostEqual(row[2], model.embedding * model.bytes / MIB, delta=ROUNDED)
            self.assertAlmostEqual(row[5], sum(row[1:5]), delta=5 * ROUNDED)
            self.assertLess(row[1], 1.1 * weights / len(rows), "the ranks carry about the same")

    def assert_cards(self, text, rows):
        needed = [next((f"{gib}" for gib in (40, 80, 141) if row[5] <= 0.95 * gib * 1024), "none") for row in rows]
        self.assertEqual([row[6] for row in rows], needed)
        smallest = max(needed, key=["40", "80", "141", "none"].index)
        self.assertIn(f"smallest cards for the whole run: {smallest} GiB", text)

    def test_a_whole_70b_model_needs_the_largest_card(self):
        text = self.check(SOURCE / "configs/llama3-1b-70b-4gpus.yaml", "--set", "stages.1.tensor_parallel=1")
        self.assertIn("40 GiB holds 2 of 3, 80 GiB holds 2 of 3, 141 GiB holds all", text)

    def test_f32_weights_need_cards_that_nobody_has(self):
        text = self.check(SOURCE / "configs/llama3-1b-70b-4gpus.yaml", "--set", "stages.1.tensor_parallel=1", "--set",
                          "stages.1.weights=f32")
        self.assertIn("no card holds the largest rank", text)

    def test_sizes_of_vocabularies_that_differ_are_told(self):
        text = self.check(SOURCE / "configs/llama3-1b-70b-4gpus.yaml", "--set", "stages.0.model=llama-68m")
        self.assertIn("1b 32000, 70b 128256 entries (NOT the same size", text)

    def test_a_run_without_weights_is_one_line(self):
        for ranks, preset in ((4, "llama3-1b-8b-4gpus"), (8, "llama2-68m-7b-8gpus")):
            done = run(ranks, "run", SOURCE / f"configs/{preset}.yaml", "--out", self.folder / "out", cwd=SOURCE)
            self.assertEqual(done.returncode, WRONG_REQUEST, done.stderr)
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            self.assertEqual(len(lines), 1, done.stderr)
            for part in (preset, "stages.0", "holds no weights", "get the checkpoint"):
                self.assertIn(part, lines[0])

    def test_the_folder_of_the_models_is_replaced_at_once(self):
        shutil.copytree(self.hf_model("hf"), self.folder / "Llama-3.2-1B")
        shutil.copytree(self.hf_model("hf"), self.folder / "Llama-3.1-8B")
        preset = SOURCE / "configs/llama3-1b-8b-4gpus.yaml"
        options = ["--set", f"models={self.folder}", "--set", f"tasks=[{{preset: jsonl, file: {self.prompts()}}}]", "--set",
                   "stages.1.context=auto", "--set", "generation.max_new_tokens=5"]
        self.assertIn("vocabularies: the same 3005 tokens", self.check(preset, *options))
        done = run(4, "run", preset, *options, "--out", self.folder / "out", cwd=SOURCE)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assert_identical(self.samples())

    def test_a_shape_without_a_type_of_its_weights_is_refused(self):
        folder = self.folder / "model"
        folder.mkdir()
        config = json.loads((SOURCE / "configs/models/Llama-3.1-8B/config.json").read_text())
        del config["torch_dtype"]
        (folder / "config.json").write_text(json.dumps(config))
        done = run(1, "check", self.config(f"  - {{name: s, model: {folder}}}", "  - {strategy: autoregressive}"))
        self.assertEqual(done.returncode, WRONG_REQUEST)
        self.assertIn("torch_dtype", done.stderr)
