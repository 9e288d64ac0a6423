#!/usr/bin/env python3
"""What a drafter would have offered at each position of the texts of a run, for branches.py.

    build/release/pipespec run mine.yaml --out results/mine
    analysis/branch_candidates.py results/mine --prompts mine.jsonl --drafter datasets/smollm2-draft-15m-q4_0.gguf --out mine.h5

The prompts are those of the run: lines of `id` and `prompt`, or, of a model that speaks ChatML, `messages` or an `article` to
be summarised. Writes, for the output tokens of all samples one after another, /top_ids and /top_probabilities [tokens, 4]
of the drafter behind the target's own text; /prompts and /outputs, and /*_offsets, which tell the samples apart; /task.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
CANDIDATES = 4


def chatml(messages):
    turns = [f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in messages]
    if messages[-1]["role"] == "assistant":  # to be continued
        return "".join(turns).removesuffix("<|im_end|>\n")
    return "".join(turns) + "<|im_start|>assistant\n"


def prompt_text(row):
    if "article" in row:
        return chatml([{"role": "user", "content": "Summarize: " + row["article"]}])
    return chatml(row["messages"]) if "messages" in row else row["prompt"]


def prompt_tokens(program, drafter, paths):
    """{id: token ids} of the prompts."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    texts = "".join(json.dumps({"text": prompt_text(row)}) + "\n" for row in rows)
    lines = subprocess.run([program, "tokenize", drafter, "--jsonl", "-"], input=texts, check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return {str(row["id"]): json.loads(line)["ids"] for row, line in zip(rows, lines, strict=True)}


def candidates(program, drafter, prompt, output, options, folder):
    """Ids and probabilities [output tokens, CANDIDATES], likeliest first."""
    ids, logits_file = folder / "ids.json", folder / "logits.h5"
    ids.write_text(json.dumps(prompt + output[:-1]))
    subprocess.run([program, "logits", drafter, "--ids", ids, "--out", logits_file, *options], check=True, capture_output=True)
    with h5py.File(logits_file) as file:
        logits = file["logits"][len(prompt) - 1:].astype(np.float64)
    top = np.argpartition(logits, -CANDIDATES)[:, -CANDIDATES:]
    order = np.argsort(-np.take_along_axis(logits, top, 1), axis=1, kind="stable")
    top = np.take_along_axis(top, order, 1)
    greatest = logits.max(axis=1, keepdims=True)
    total = np.exp(logits - greatest).sum(axis=1, keepdims=True)
    return top, np.exp(np.take_along_axis(logits, top, 1) - greatest) / total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--prompts", type=pathlib.Path, required=True, nargs="+")
    parser.add_argument("--drafter", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/pipespec")
    parser.add_argument("--weights", default="native", help="of the drafter, as in a run: int4 rounds the target itself to 4 bits")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    program, drafter = arguments.program, arguments.drafter
    prompts = prompt_tokens(program, drafter, arguments.prompts)
    options = ["--weights", arguments.weights, *(["--threads", str(arguments.threads)] if arguments.threads else [])]
    exported = subprocess.run([program, "export", arguments.results, "--samples", "-"], check=True, capture_output=True, text=True)
    samples = [json.loads(line) for line in exported.stdout.splitlines()]
    samples = [sample for sample in samples if sample["experiment"] == samples[0]["experiment"]]

    tops, probabilities = [], []
    with tempfile.TemporaryDirectory() as folder:
        for sample in samples:
            prompt = prompts.get(sample["id"], [])
            if len(prompt) != sample["prompt_tokens"]:
                raise SystemExit(f"branch_candidates: {sample['id']} (a prompt of {sample['prompt_tokens']} tokens in the run, "
                                 f"of {len(prompt)} in --prompts): give the prompts as they were sent")
            top, probability = candidates(program, drafter, prompt, sample["token_ids"], options, pathlib.Path(folder))
            tops.append(top)
            probabilities.append(probability)
    with h5py.File(arguments.out, "w") as file:
        for name, rows in (("prompts", [prompts[s["id"]] for s in samples]), ("outputs", [s["token_ids"] for s in samples])):
            file[name] = np.concatenate(rows).astype(np.int32)
            file[f"{name}_offsets"] = np.cumsum([0, *map(len, rows)])
        file["task"] = [sample["task"].encode() for sample in samples]
        file["top_ids"] = np.concatenate(tops).astype(np.int32)
        file["top_probabilities"] = np.concatenate(probabilities).astype(np.float32)


if __name__ == "__main__":
    main()
