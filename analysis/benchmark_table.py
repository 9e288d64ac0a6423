#!/usr/bin/env python3
"""Prints the Markdown tables of a comparison with llama.cpp (tests/benchmarks/compare_llama_cpp.py)."""

import argparse
import json
import pathlib
from statistics import median


def ratio(ours, theirs):
    """How many times faster: the median of the pairs, and the least of them."""
    pairs = [their / our for our, their in zip(ours, theirs)]
    return f"{median(pairs):.2f}x (least {min(pairs):.2f}x)"


def decode_table(report):
    rows = ["| weights | threads | pipespec, tokens/s | llama.cpp, tokens/s | ratio | GB/s read | of a copy loop's, read and written |",
            "|---|---|---|---|---|---|---|"]
    for entry in (e for e in report["passes"] if e["part"] == "decode"):
        machine = [m for m in report["machine"] if (m["part"], m["type"], m["threads"]) ==
                   ("decode", entry["type"], entry["threads"])]
        used = median(m["weight_bytes"] / s / 1e9 for m, s in zip(machine, entry["pipespec"]))
        share = median(m["weight_bytes"] / s / 1e9 / m["copy_gb_per_s"] for m, s in zip(machine, entry["pipespec"]))
        rows.append(f"| {entry['type']} | {entry['threads']} | {1 / median(entry['pipespec']):.0f} "
                    f"| {1 / median(entry['llama_cpp']):.0f} | {ratio(entry['pipespec'], entry['llama_cpp'])} "
                    f"| {used:.1f} | {100 * share:.0f} % |")
    return rows


def rows_table(report):
    entries = [e for e in report["passes"] if e["part"] == "rows"]
    counts = sorted({e["rows"] for e in entries})
    table = ["| rows of a pass | " + " | ".join(map(str, counts)) + " |", "|---" * (len(counts) + 1) + "|"]
    for threads in sorted({e["threads"] for e in entries}):
        mine = {e["rows"]: e for e in entries if e["threads"] == threads}
        for program in ("pipespec", "llama_cpp"):
            cells = []
            for count in counts:
                ms = median(mine[count][program]) * 1e3
                times = median(a / b for a, b in zip(mine[count][program], mine[1][program]))
                cells.append(f"{ms:.1f} ms, {times:.2f}x")
            table.append(f"| {program.replace('_', '.')}, {threads} thread{'s' if threads > 1 else ''} | "
                         + " | ".join(cells) + " |")
    return table


def prompt_table(report):
    table = ["| prompt of 512 tokens | pipespec, tokens/s | llama.cpp, tokens/s | ratio |", "|---|---|---|---|"]
    for e in (e for e in report["passes"] if e["part"] == "prompt"):
        table.append(f"| {e['threads']} thread{'s' if e['threads'] > 1 else ''} | {512 / median(e['pipespec']):.0f} "
                     f"| {512 / median(e['llama_cpp']):.0f} | {ratio(e['pipespec'], e['llama_cpp'])} |")
    return table


def context_table(report):
    table = ["| a token at context 4,096 | cache | pipespec | of one at 128 | llama.cpp | of one at 128 |",
             "|---|---|---|---|---|---|"]
    entries = {(e["threads"], e["kv_cache"], e["context"]): e for e in report["passes"] if e["part"] == "context"}
    for threads, kv_cache in sorted({place[:2] for place in entries}):
        far, near = entries[threads, kv_cache, 4096], entries[threads, kv_cache, 128]
        cells = []
        for program in ("pipespec", "llama_cpp"):
            cells.append(f"{median(far[program]) * 1e3:.2f} ms")
            cells.append(f"{median(a / b for a, b in zip(far[program], near[program])):.2f}x")
        table.append(f"| {threads} thread{'s' if threads > 1 else ''} | {kv_cache} | " + " | ".join(cells) + " |")
    return table


def job_table(report):
    job = report["job"]
    rates = {name: [r[name]["tokens"] / r[name]["seconds"] for r in job["rounds"]] for name in job["rounds"][0]}
    theirs = [max(r["llama.cpp plain"], r["llama.cpp lookup"]) for r in
              ({name: rates[name][i] for name in rates} for i in range(len(job["rounds"])))]
    table = [f"| {job['prompts']} prompts, {job['new_tokens']} tokens each at most, {job['threads']} cores | tokens/s "
             "| of llama.cpp's better | outputs that differ from plain decoding |", "|---|---|---|---|"]
    for name, values in rates.items():
        differ = "–" if name.startswith("llama") else str(max(r[name]["differ"] for r in job["rounds"]))
        table.append(f"| {name} | {median(values):.0f} | {median(a / b for a, b in zip(values, theirs)):.2f}x | {differ} |")
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=pathlib.Path)
    report = json.loads(parser.parse_args().report.read_text())
    sets = {m["instruction_set"] for m in report["machine"]}
    print(f"{', '.join(sets)}; llama-cpp-python {report['llama_cpp_python']}; medians of {report['rounds']} pairs\n")
    parts = {e["part"] for e in report["passes"]}
    for part, table in (("decode", decode_table), ("rows", rows_table), ("prompt", prompt_table), ("context", context_table)):
        if part in parts:
            print("\n".join(table(report)) + "\n")
    if "job" in report:
        print("\n".join(job_table(report)) + "\n")


if __name__ == "__main__":
    main()
