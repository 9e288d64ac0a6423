"""Runs the built executable for the regression tests: launching, small models, configurations, results."""

import array
import functools
import json
import math
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

PIPESPEC = os.environ["PIPESPEC"]
SOURCE = pathlib.Path(os.environ["PIPESPEC_SOURCE"])
SMOLLM2 = pathlib.Path(os.environ.get("PIPESPEC_SMOLLM2", SOURCE / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
DRAFT_15M = SOURCE / "datasets/smollm2-draft-15m-q4_0.gguf"
LAUNCH = [os.environ["PIPESPEC_MPIRUN"], "-q", "--oversubscribe", "--bind-to", "none"]

DONE, FAILURE, WRONG_REQUEST, STOPPED_EARLY = 0, 1, 2, 75

ALL_STRATEGIES = """\
  - {strategy: autoregressive}
  - {strategy: speculative, lookahead: 4}
  - {strategy: pipespec, window: 8, max_ahead: 16}"""


def command(ranks: int, *arguments) -> list[str]:
    """The command line of one launch; a single rank is started without mpirun."""
    launch = LAUNCH + ["-n", str(ranks)] if ranks > 1 else []
    return launch + [PIPESPEC, *map(str, arguments)]


def run(ranks: int, *arguments, timeout: float = 240, **options) -> subprocess.CompletedProcess:
    """One launch to its end; a hang is an error of the test."""
    return subprocess.run(command(ranks, *arguments), capture_output=True, text=True, errors="replace", timeout=timeout, **options)


def ranks_of(launcher: subprocess.Popen) -> list[int]:
    """Process ids of the ranks that a launcher has started, itself or through others, once they are there."""
    parents, running = {}, []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            executable = os.readlink(stat.parent / "exe")
        except OSError:
            continue  # it ended meanwhile
        if executable == os.path.realpath(PIPESPEC):
            running.append(int(stat.parent.name))

    def is_launched(process: int) -> bool:
        return process == launcher.pid or (process in parents and is_launched(parents[process]))

    return sorted(filter(is_launched, running))


def send(number: signal.Signals, launcher: subprocess.Popen, rank: int) -> bool:
    """Sends a signal to one rank. False: the job had ended, or had not begun."""
    ranks = ranks_of(launcher)
    if rank >= len(ranks):
        return False
    try:
        os.kill(ranks[rank], number)
    except ProcessLookupError:
        return False
    return True


@functools.cache
def python_with_h5py() -> str | None:
    """This one may be another than the one that has it."""
    for python in ("python3", "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import h5py"], capture_output=True).returncode == 0:
            return python
    return None


def synthetic(name: str, pass_ms: float, **keys) -> str:
    settings = ", ".join(f"{key}: {value}" for key, value in {"pass_ms": pass_ms, **keys}.items())
    return f"  - {{name: {name}, synthetic: {{{settings}}}}}\n"


def chain(stages: int, **keys) -> str:
    """Synthetic stages, from 0.2 ms a pass to 2 ms, each with its own seed."""
    return "".join(synthetic(f"s{s}", 0.2 + 1.8 * (s + 1) / stages, row_ms=0.02, seed=s, **keys) for s in range(stages))


class ExecutableTest(unittest.TestCase):
    """A test with a scratch folder of its own, and tiny models that all tests of the class share."""

    @classmethod
    def setUpClass(cls):
        cls.models = pathlib.Path(tempfile.mkdtemp(prefix="pipespec-models-"))
        cls.made = {}
        cls.addClassCleanup(shutil.rmtree, cls.models)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pipespec-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    @classmethod
    def tiny_model(cls, name: str = "tiny", parts: int = 1, **options) -> pathlib.Path:
        """A small random model (support/tiny_gguf.hpp), made once for each name; a name belongs to one set of options.
        Of one in several parts, the first."""
        path = cls.models / (f"{name}.gguf" if parts == 1 else f"{name}-00001-of-{parts:05}.gguf")
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        if cls.made.setdefault(name, flags) != flags:
            raise ValueError(f"{name} was made with {cls.made[name]}")
        if not path.exists():
            subprocess.run([os.environ["MAKE_TINY_GGUF"], cls.models / f"{name}.gguf", f"--parts={parts}", *flags], check=True)
        return path

    @classmethod
    def hf_model(cls, name: str, layers: int = 2, width: int = 64, vocabulary: int = 3008) -> pathlib.Path:
        """A small random LLaMA in a folder as Hugging Face writes it, with the tokenizer of the text tests."""
        folder = cls.models / name
        if folder.exists():
            return folder
        shutil.copytree(SOURCE / "tests/text/data/llama3_style", folder)
        heads, hidden = 4, 2 * width
        (folder / "config.json").write_text(json.dumps({
            "model_type": "llama", "hidden_size": width, "intermediate_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": 2, "vocab_size": vocabulary,
            "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 1e4, "eos_token_id": 3004}))
        shapes = {"model.embed_tokens.weight": (vocabulary, width), "lm_head.weight": (vocabulary, width),
                  "model.norm.weight": (width,)}
        for layer in range(layers):
            for key, shape in {"input_layernorm": (width,), "post_attention_layernorm": (width,),
                               "self_attn.q_proj": (width, width), "self_attn.k_proj": (width // 2, width),
                               "self_attn.v_proj": (width // 2, width), "self_attn.o_proj": (width, width),
                               "mlp.gate_proj": (hidden, width), "mlp.up_proj": (hidden, width),
                               "mlp.down_proj": (width, hidden)}.items():
                shapes[f"model.layers.{layer}.{key}.weight"] = shape
        draw = random.Random(1)
        header, data = {}, array.array("f")
        for key, shape in shapes.items():
            begin, count = 4 * len(data), math.prod(shape)
            data.extend([1.0] * count if len(shape) == 1 else (draw.gauss(0, 0.1) for _ in range(count)))
            header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, begin + 4 * count]}
        text = json.dumps(header).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data.tobytes())
        return folder

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def prompts(self, count: int = 4) -> pathlib.Path:
        lines = [json.dumps({"id": f"p{i}", "prompt": f"the then {'the other ' * (i + 1)}the"}) for i in range(count)]
        return self.write("prompts.jsonl", "\n".join(lines) + "\n")

    def config(self, stages: str, experiments: str, new_tokens: int = 40, tasks: str | None = None,
               name: str = "run.yaml") -> pathlib.Path:
        tasks = tasks or f"  - {{preset: jsonl, file: {self.prompts()}}}"
        return self.write(name, f"name: test\noutput: {self.folder / 'out'}\nstages:\n{stages}\ntasks:\n{tasks}\n"
                                f"generation: {{max_new_tokens: {new_tokens}}}\nexperiments:\n{experiments}\n")

    def samples(self, results: pathlib.Path | None = None) -> list[dict]:
        """What `export` says of a run."""
        done = run(1, "export", results or self.folder / "out", "--samples", "-")
        self.assertEqual(done.returncode, DONE, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def journal_size(self) -> int:
        return sum(path.stat().st_size for path in (self.folder / "out/journal").glob("*.journal"))

    def wait_for_journal(self, launcher, size):
        """Until the journals have grown to `size`, or the launch has ended."""
        while launcher.poll() is None and self.journal_size() < size:
            time.sleep(0.002)  # polls another process; nothing is ordered by it

    def readable(self) -> int:
        """Samples that can be read at this moment."""
        if not (self.folder / "out/journal").exists():
            return 0
        done = run(1, "export", self.folder / "out", "--samples", "-")
        if "no results" in done.stderr:  # killed before the first launch had begun its journal
            return 0
        self.assertEqual(done.returncode, DONE, done.stderr)
        return len(done.stdout.splitlines())

    def tables(self, *groups: str) -> list[dict[str, list]]:
        """The numeric columns of tables of results.h5, as h5py reads them."""
        python = python_with_h5py()
        if not python:
            self.skipTest("no Python with h5py here (Debian: python3-h5py)")
        read = ("import h5py, json, sys; file = h5py.File(sys.argv[1]); print(json.dumps([{k: v[:].tolist() for k, v in "
                "file[group].items() if hasattr(v, 'dtype') and v.dtype.kind in 'iuf'} for group in sys.argv[2:]]))")
        done = subprocess.run([python, "-c", read, self.folder / "out/results.h5", *groups], capture_output=True, check=True)
        return json.loads(done.stdout)

    @staticmethod
    def tokens_per_pass(table: str, label: str) -> float:
        """What the table of a run says of an experiment whose label is a word."""
        return next(float(line.split()[6]) for line in table.splitlines() if line.startswith(label + " "))

    def assert_identical(self, samples: list[dict]):
        """Every experiment gave the same tokens for the same prompt."""
        tokens = {}
        for sample in samples:
            key = (sample["task"], sample["id"])
            tokens.setdefault(key, sample["token_ids"])
            self.assertEqual(sample["token_ids"], tokens[key], f"{sample['experiment']}: {key}")
