"""Each command does what its help says."""

import json
import subprocess
import unittest

from executable import DONE, DRAFT_15M, FAILURE, PIPESPEC, SMOLLM2, ExecutableTest, run


class Commands(ExecutableTest):
    def chain(self, **options):
        model = self.tiny_model("four", layers=4)
        stages = f"  - {{name: cut, model: {model}, layers: [0, 3]}}\n  - {{name: whole, model: {model}}}"
        return self.config(stages, "  - {strategy: autoregressive}\n  - {strategy: pipespec}", **options)

    def output(self, ranks, *arguments, **options):
        done = run(ranks, *arguments, **options)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return done.stdout

    def test_version_tells_what_is_left_out(self):
        text = self.output(1, "--version")
        for part in ("pipespec", "revision", "host", "CUDA", "NCCL", "MPI", "HDF5"):
            self.assertIn(part, text)

    def test_help_of_every_command(self):
        text = self.output(1, "--help")
        for name in ("run", "check", "generate", "simulate", "tokenize", "inspect", "logits", "export", "bench"):
            self.assertIn(name, text)
            self.assertIn("--help", self.output(1, name, "--help"))

    def test_check_prints_ranks_memory_and_the_launch(self):
        text = self.output(1, "check", self.chain())
        for part in ("mpirun -n 2", "weights MiB", "cut", "whole", "configuration hash", "max_new_tokens: 40"):
            self.assertIn(part, text)
        self.assertFalse((self.folder / "out").exists())

    def test_generate_streams_the_targets_text(self):
        config = self.chain()
        alone = self.output(2, "generate", config, "--prompt", "the other", "--raw", "--experiment", "autoregressive")
        piped = self.output(2, "generate", config, "--prompt", "the other", "--raw")
        self.assertEqual(piped, alone)
        self.assertGreater(len(alone), 1)

    def test_a_folder_as_hugging_face_writes_it_runs_like_a_file(self):
        model = self.hf_model("hf", layers=4)
        stages = f"  - {{name: cut, model: {model}, layers: [0, 3]}}\n  - {{name: whole, model: {model}}}"
        config = self.config(stages, "  - {strategy: autoregressive}\n  - {strategy: pipespec}")
        self.output(2, "run", config)
        samples = self.samples()
        self.assertEqual(len(samples), 8)
        self.assert_identical(samples)
        answer = self.output(2, "generate", config, "--prompt", "hello", "--set", "generation.chat=llama-3")
        self.assertGreater(len(answer), 1)
        text = self.output(1, "inspect", model)
        for part in ("model.layers.3.mlp.down_proj.weight", "4 layers of width 64", "3005 tokens", "end tokens: 3004"):
            self.assertIn(part, text)
        self.assertEqual(json.loads(self.output(1, "tokenize", model, "--text", "<|eot_id|>")), [3004])

    def test_a_file_in_parts_is_the_whole_file(self):
        whole, split = self.tiny_model(), self.tiny_model("parts", parts=3)
        ids = self.write("ids.json", "[1, 2, 3, 200]")
        logits = []
        for name, model in (("whole.h5", whole), ("split.h5", split)):
            logits.append(self.folder / name)
            self.output(1, "logits", model, "--ids", ids, "--out", logits[-1])
        self.assertEqual(logits[0].read_bytes(), logits[1].read_bytes())
        self.assertEqual(*(self.output(1, "tokenize", model, "--text", "the other") for model in (whole, split)))
        text = self.output(1, "inspect", split)
        for part in ("MiB in 3 parts", "blk.0.attn_q.weight", "output_norm.weight", "2 layers of width 64"):
            self.assertIn(part, text)
        config = self.config(f"  - {{name: split, model: {split}}}\n  - {{name: whole, model: {whole}}}",
                             "  - {strategy: speculative, lookahead: 4}")
        self.assertIn(str(split), self.output(1, "check", config))
        self.output(2, "run", config)
        self.assertEqual(len(self.samples()), 4)

    def test_a_run_tells_how_much_of_the_model_each_rank_has_read(self):
        model = self.hf_model("shared", layers=2, width=256)
        stages = f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: pair, model: {model}, tensor_parallel: 2}}"
        done = run(3, "run", self.config(stages, "  - {strategy: autoregressive}", new_tokens=2))
        self.assertEqual(done.returncode, DONE, done.stderr)
        matrices = 2 * (256 * 256 * 3 + 3 * 256 * 512) + 3008 * 256  # query, output, half-wide key and value, gate, up, down; head
        norms = 5 * 256
        half, whole = matrices / 2 + norms, matrices + norms + 3008 * 256
        for rank in (0, 1):
            self.assertIn(f"rank {rank + 1} (pair.{rank}) read {4 * half / 2**20:.1f} of its model's {4 * whole / 2**20:.1f} MiB",
                          done.stderr)
        self.assertNotIn("ngram) read", done.stderr)

    def test_the_results_tell_what_every_rank_took(self):
        self.output(2, "run", self.chain())
        columns, = self.tables("telemetry")
        self.assertEqual(columns["attempt"], [0, 0, 0, 0])
        self.assertEqual(columns["experiment"], [0, 0, 1, 1])
        self.assertEqual(columns["rank"], [0, 1, 0, 1])
        self.assertEqual(columns["clock_offset"][0], 0)
        for begin, end, processor, memory in zip(*(columns[c] for c in ("begin", "end", "cpu_seconds", "peak_memory"))):
            self.assertLess(begin, end)
            self.assertGreater(processor, 0)
            self.assertGreater(memory, 2**20)

    def test_inspect_shows_a_file(self):
        text = self.output(1, "inspect", self.tiny_model())
        for part in ("GGUF version", "llama.block_count", "blk.0.attn_q.weight", "2 layers of width 64"):
            self.assertIn(part, text)

    def test_out_takes_any_name(self):
        out = self.folder / "odd: [name] # 'quoted'"
        self.output(2, "run", self.chain(), "--out", out)
        self.assertTrue((out / "results.h5").exists())

    def test_a_full_disk_behind_the_standard_output_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PIPESPEC, "tokenize", DRAFT_15M, "--text", "hello"], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, FAILURE)
        self.assertEqual(done.stderr, "pipespec: the standard output cannot be written (No space left on device)\n")

    def test_tokenize_there_and_back(self):
        texts = ["Hello world", "12 apples\n\n  and <|im_end|>", "naïve Ωμέγα 東京 🙂", ""]
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        ids = self.output(1, "tokenize", DRAFT_15M, "--jsonl", "-", input=lines)
        back = self.output(1, "tokenize", DRAFT_15M, "--jsonl", "-", "--decode", input=ids)
        self.assertEqual([json.loads(line)["text"] for line in back.splitlines()], texts)
        self.assertEqual(json.loads(self.output(1, "tokenize", DRAFT_15M, "--text", "<|im_end|>")), [2])

    def test_logits_do_not_depend_on_the_chunks(self):
        ids = self.write("ids.json", json.dumps([(7 * i) % 300 for i in range(200)]))
        files = []
        for chunk in (1, 7, 200):
            files.append(self.folder / f"{chunk}.h5")
            self.output(1, "logits", self.tiny_model(), "--ids", ids, "--out", files[-1], "--chunk", chunk)
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())
        self.assertEqual(files[0].read_bytes(), files[2].read_bytes())

    def test_export_for_an_outside_scorer(self):
        config = self.chain()
        self.output(2, "run", config)
        lines = [json.loads(line) for line in self.output(
            1, "export", self.folder / "out/results.h5", "--samples", "-", "--format", "human-eval").splitlines()]
        self.assertEqual(set(lines[0]), {"task_id", "completion"})
        samples = self.samples()
        for key in ("experiment", "strategy", "task", "id", "prompt_tokens", "tokens", "text", "finish",
                    "prefill_seconds", "seconds"):
            self.assertIn(key, samples[0])

    def test_bench_messages_reports_every_pair_and_kind(self):
        report = json.loads(self.output(3, "bench", "messages", "--tokens", "1,600", "--idle-ms", "0,1", "--repetitions", 5,
                                        "--run-tokens", 20, "--json"))
        kinds = [(r["from"], r["to"], r["tokens"], r["waiting_ms"]) for r in report["latency"]]
        self.assertEqual(kinds, [(a, a + 1, t, i) for a in (0, 1) for i in (0, 1) for t in (1, 600)])
        self.assertTrue(all(0 < r["median_us"] <= r["p99_us"] for r in report["latency"]))
        chain = report["chain"]
        self.assertEqual((chain["stages"], chain["tokens"]), (3, 20))
        self.assertGreater(chain["messages"], 2 * 3)  # start and finish alone are four
        alone = run(1, "bench", "messages")
        self.assertEqual(alone.returncode, 2)
        self.assertIn("mpirun -n 2", alone.stderr)

    def test_bench_forward_reports_every_row_count(self):
        report = json.loads(self.output(1, "bench", "forward", self.tiny_model(), "--rows", "1,4", "--threads", "1,2",
                                        "--context", "16", "--json"))
        self.assertEqual([(r["rows"], r["threads"]) for r in report["results"]], [(1, 1), (4, 1), (1, 2), (4, 2)])
        for result in report["results"]:
            self.assertGreater(result["ms"], 0)
            self.assertLessEqual(result["min_ms"], result["ms"])

    def test_stop_strings_end_the_text(self):
        config = self.chain(new_tokens=100)
        self.output(2, "run", config)
        whole = self.samples()[0]["text"]
        stop = whole[len(whole) // 2:len(whole) // 2 + 3]
        out = self.folder / "stopped"
        self.output(2, "run", config, "--set", f"generation.stop={json.dumps([stop])}", "--out", out)
        samples = self.samples(out)
        self.assert_identical(samples)
        self.assertEqual(samples[0]["text"], whole[:whole.index(stop)])
        self.assertEqual(samples[0]["finish"], "stop_string")


@unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is not there: jobs/get_model.sh gets it")
class RealModel(ExecutableTest):
    def test_generate_answers(self):
        config = self.config(f"  - {{name: ngram, drafter: prompt_lookup}}\n  - {{name: smollm2, model: {SMOLLM2}}}",
                             "  - {strategy: pipespec}")
        done = run(2, "generate", config, "--prompt", "What is the capital of France?")
        self.assertEqual(done.stdout.strip(), "The capital of France is Paris.")
