#!/usr/bin/env python3
"""Compares pipespec's host backend with llama.cpp on one machine: same file, token ids and threads, in turns.

    python3 -m venv .venv && .venv/bin/pip install -r tests/benchmarks/requirements.txt     # compiles llama.cpp
    .venv/bin/python tests/benchmarks/compare_llama_cpp.py --out benchmark.json
    .venv/bin/python analysis/benchmark_table.py benchmark.json

Every group of measurements is repeated --rounds times, each time by one program and then by the other, so that both meet
the same neighbours; the job half as often. llama.cpp is driven through its low-level interface, with greedy argmax (numpy's:
about 15 us a row), flash attention as it chooses by itself and its default f16 cache; where our cache is int8, with its
q8_0. Both keep what consecutive prompts have in common.
"""

import argparse
import ctypes
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import llama_cpp
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAT = "<|im_start|>{role}\n{content}"


class LlamaCpp:
    """A model of llama.cpp with one sequence."""

    def __init__(self, path, threads, context, batch=512, kv_cache="auto"):
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = context, batch, batch
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.no_perf = True
        if kv_cache == "int8":
            parameters.type_k = parameters.type_v = llama_cpp.GGML_TYPE_Q8_0
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.end = llama_cpp.llama_vocab_eos(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(batch, 0, 1)
        self.most = batch
        self.cached = []

    def close(self):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def truncate(self, length):
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(self.context), 0, length, -1)
        del self.cached[length:]

    def forward(self, tokens, outputs):
        """Appends tokens; the greedy token after each of the last `outputs`."""
        best = []
        for first in range(0, len(tokens), self.most):
            part = tokens[first:first + self.most]
            wanted = max(0, outputs - (len(tokens) - first - len(part)))
            for i, token in enumerate(part):
                self.batch.token[i], self.batch.pos[i] = token, len(self.cached) + i
                self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, 0
                self.batch.logits[i] = i >= len(part) - wanted
            self.batch.n_tokens = len(part)
            if llama_cpp.llama_decode(self.context, self.batch) != 0:
                raise RuntimeError("llama_decode failed")
            for i in range(max(0, len(part) - wanted), len(part)):
                logits = llama_cpp.llama_get_logits_ith(self.context, i)
                best.append(int(numpy.argmax(numpy.ctypeslib.as_array(logits, (self.vocabulary,)))))
            self.cached += part
        return best


def bench_tokens(count, vocabulary):
    """The ids that `pipespec bench forward` runs."""
    return [(i * 7919 + 13) % vocabulary for i in range(count)]


def llama_pass_seconds(llama, context, rows, outputs, repetitions):
    """Median time of a pass over `rows` rows behind `context` positions."""
    tokens = bench_tokens(context + rows, llama.vocabulary)
    llama.truncate(0)
    if context > 0:
        llama.forward(tokens[:context], 0)
    seconds = []
    for i in range(repetitions + 1):
        llama.truncate(context)
        begin = time.perf_counter()
        llama.forward(tokens[context:], outputs or rows)
        if i > 0:
            seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def pipespec_pass_seconds(program, model, threads, contexts, rows, outputs, repetitions, kv_cache):
    """{(context, rows): median seconds} and the machine's rates, from one `bench forward`."""
    text = subprocess.run([program, "bench", "forward", model, "--json", "--threads", str(threads),
                           "--rows", ",".join(map(str, rows)), "--context", ",".join(map(str, contexts)),
                           "--repetitions", str(repetitions), "--kv-cache", kv_cache,
                           *(["--outputs", str(outputs)] if outputs else [])],
                          check=True, capture_output=True, text=True).stdout
    report = json.loads(text)
    return ({(r["context"], r["rows"]): r["ms"] / 1e3 for r in report["results"]},
            {**report["machine"]["rates"][0], "instruction_set": report["machine"]["instruction_set"],
             "weight_bytes": report["weight_bytes"]})


def passes(program, model, threads, contexts, rows, outputs, rounds, repetitions, kv_cache):
    """One row of the report a (context, rows): the seconds of both programs in each round."""
    report = {(c, r): {"context": c, "rows": r, "threads": threads, "pipespec": [], "llama_cpp": []}
              for c in contexts for r in rows}
    machine = []
    for _ in range(rounds):
        ours, rates = pipespec_pass_seconds(program, model, threads, contexts, rows, outputs, repetitions, kv_cache)
        machine.append(rates)
        llama = LlamaCpp(model, threads, max(contexts) + max(rows) + 8, kv_cache=kv_cache)
        for (context, count), entry in report.items():
            entry["pipespec"].append(ours[context, count])
            entry["llama_cpp"].append(llama_pass_seconds(llama, context, count, outputs, repetitions))
        llama.close()
    return list(report.values()), machine


def requantised(model, kind, folder):
    """The model in another type, as the issue of comparing types needs it; made by llama.cpp."""
    path = pathlib.Path(folder) / f"{model.stem}-{kind}.gguf"
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = {"Q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "BF16": llama_cpp.LLAMA_FTYPE_MOSTLY_BF16}[kind]
    parameters.allow_requantize = True
    if llama_cpp.llama_model_quantize(str(model).encode(), str(path).encode(), ctypes.byref(parameters)) != 0:
        raise RuntimeError(f"llama.cpp cannot write {kind}")
    return path


# --- a whole job

def chat_ids(program, model, rows):
    """Prompt token ids of conversations, in the model's chat form."""
    lines = []
    for row in rows:
        turns = [CHAT.format(**message) for message in row["messages"]]
        if row["messages"][-1]["role"] != "assistant":
            turns.append(CHAT.format(role="assistant", content=""))
        lines.append(json.dumps({"text": "<|im_end|>\n".join(turns)}))
    out = subprocess.run([program, "tokenize", model, "--jsonl", "-"], input="\n".join(lines) + "\n", check=True,
                         capture_output=True, text=True).stdout
    return [json.loads(line)["ids"] for line in out.splitlines()]


class LookUp:
    """The continuation of a text's last tokens, as our prompt_lookup drafter finds it: the longest match, the latest
    place, and a copy that reaches the end goes on with itself. Places are indexed, so that a guess takes microseconds."""

    def __init__(self, longest=5, shortest=2, most=8):
        self.sizes, self.most = range(longest, shortest - 1, -1), most
        self.text, self.places = [], {size: {} for size in self.sizes}

    def extend(self, tokens):
        for token in tokens:
            for size in self.sizes:  # what ends here was not known to the guesses before
                if len(self.text) >= size:
                    self.places[size][tuple(self.text[-size:])] = len(self.text)
            self.text.append(token)

    def guess(self):
        for size in self.sizes:
            at = self.places[size].get(tuple(self.text[-size:]))
            if at is not None:
                copy = []
                for i in range(self.most):
                    copy.append(self.text[at + i] if at + i < len(self.text) else copy[at + i - len(self.text)])
                return copy
        return []


def llama_decode(llama, prompt, new_tokens, drafts):
    """Greedy decoding of one prompt: the output, and the seconds from the prompt to the last token."""
    begin = time.perf_counter()
    shared = 0
    while shared < min(len(llama.cached), len(prompt) - 1) and llama.cached[shared] == prompt[shared]:
        shared += 1
    llama.truncate(shared)
    look_up = LookUp()
    look_up.extend(prompt)
    text = look_up.text
    look_up.extend(llama.forward(prompt[shared:], 1))
    limit = len(prompt) + new_tokens
    while len(text) < limit and text[-1] != llama.end:
        guess = look_up.guess()[:limit - len(text) - 1] if drafts else []
        known = len(text)
        best = llama.forward([text[-1]] + guess, len(guess) + 1)
        right = 0
        while right < len(guess) and guess[right] == best[right] != llama.end:
            right += 1
        look_up.extend(best[:right + 1])
        llama.truncate(min(len(text) - 1, known + len(guess)))
    return text[len(prompt):], time.perf_counter() - begin


def pipespec_job(program, model, prompts, new_tokens, stages, experiments, folder):
    """Tokens and seconds of each experiment, prefill included, and whether all outputs are identical."""
    config = {"name": "benchmark", "output": str(folder), "stages": stages, "experiments": experiments,
              "tasks": [{"preset": "jsonl", "file": str(prompts)}], "generation": {"max_new_tokens": new_tokens}}
    path = pathlib.Path(f"{folder}.yaml")
    path.write_text(json.dumps(config))
    subprocess.run([ROOT / "jobs/launch.sh", str(len(stages)), program, "run", path], check=True, capture_output=True)
    out = subprocess.run([program, "export", folder, "--samples", "-"], check=True, capture_output=True, text=True).stdout
    totals, outputs = {}, {}
    for sample in map(json.loads, out.splitlines()):
        total = totals.setdefault(sample["experiment"], {"tokens": 0, "seconds": 0.0, "decode_seconds": 0.0, "differ": 0})
        total["tokens"] += sample["tokens"]
        total["seconds"] += sample["prefill_seconds"] + sample["seconds"]
        total["decode_seconds"] += sample["seconds"]
        total["differ"] += outputs.setdefault(sample["id"], sample["token_ids"]) != sample["token_ids"]
    return totals


def job(program, model, threads, new_tokens, rounds, folder, save):
    prompts = ROOT / "tests/benchmarks/prompts.jsonl"
    rows = [json.loads(line) for line in prompts.read_text().splitlines()]
    ids = chat_ids(program, model, rows)
    target = {"name": "target", "model": str(model), "threads": threads}
    lookup = {"name": "ngram", "drafter": "prompt_lookup"}
    draft = {"name": "draft15m", "model": str(ROOT / "datasets/smollm2-draft-15m-q4_0.gguf")}
    experiments = [{"strategy": "autoregressive"}, {"strategy": "pipespec", "stages": ["ngram", "target"], "window": 6},
                   {"strategy": "pipespec", "window": 6}]
    report = {"prompts": len(rows), "threads": threads, "new_tokens": new_tokens, "rounds": []}
    for number in range(rounds):
        entry = pipespec_job(program, model, prompts, new_tokens, [lookup, draft, target], experiments,
                             pathlib.Path(folder) / f"job{number}")
        for name, drafts in (("llama.cpp plain", False), ("llama.cpp lookup", True)):
            llama = LlamaCpp(model, threads, max(map(len, ids)) + new_tokens + 8)
            total = entry[name] = {"tokens": 0, "seconds": 0.0}
            for prompt in ids:
                output, seconds = llama_decode(llama, prompt, new_tokens, drafts)
                total["tokens"] += len(output)
                total["seconds"] += seconds
            llama.close()
        report["rounds"].append(entry)
        save(report)
        print(f"job, round {number}: done", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/pipespec"))
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", default="decode,rows,prompt,context,job", help="which measurements")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    llama_cpp.llama_log_set(SILENT, None)
    parts = arguments.parts.split(",")
    report = {"llama_cpp_python": llama_cpp.__version__, "rounds": arguments.rounds, "passes": [], "machine": []}

    def save():
        arguments.out.write_text(json.dumps(report, indent=1))

    def add(part, name, model, threads, contexts, rows, repetitions, outputs=0, kv_cache="auto"):
        if part not in parts:
            return
        entries, machine = passes(arguments.program, model, threads, contexts, rows, outputs, arguments.rounds, repetitions,
                                  kv_cache)
        report["passes"] += [{"part": part, "type": name, "kv_cache": kv_cache, **entry} for entry in entries]
        report["machine"] += [{"part": part, "type": name, "threads": threads, **rates} for rates in machine]
        save()
        print(f"{part} {name}, {threads} threads: done", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        types = {"Q4_1": arguments.model}
        if "decode" in parts:
            types.update({kind: requantised(arguments.model, kind, folder) for kind in ("Q8_0", "BF16")})
        for threads in (1, 2):
            for name, model in types.items():
                add("decode", name, model, threads, [128], [1], 40)
            add("rows", "Q4_1", arguments.model, threads, [128], [1, 2, 4, 8, 16], 20)
            add("prompt", "Q4_1", arguments.model, threads, [0], [512], 3, outputs=1)
            for kv_cache in ("f16", "int8"):
                add("context", "Q4_1", arguments.model, threads, [128, 4096], [1], 20, kv_cache=kv_cache)
        if "job" in parts:
            def save_job(rounds):
                report["job"] = rounds
                save()

            job(arguments.program, arguments.model, 2, 200, max(1, arguments.rounds // 2), folder, save_job)


SILENT = llama_cpp.llama_log_callback(lambda level, text, data: None)

if __name__ == "__main__":
    main()
