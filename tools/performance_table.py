#!/usr/bin/env python3
"""Writes the table of docs/performance.md from bench/results/*.json, between its two marks.

  tools/performance_table.py [--check]      --check: exit 1 if the table is not what the results say

Of several results of one benchmark on one machine the newest counts (by date in the name, then by name).
"""
import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- table: tools/performance_table.py -->\n", "<!-- end of table -->\n"
ORDER = ["machine", "linear", "decode", "batch", "prefill", "transformers", "llama.cpp", "training",
         "transformers-training", "long-context", "tokenizer", "memory"]
OF_MODEL = {"decode", "batch", "prefill", "load", "tokenizer", "memory"}
COMMANDS = {"transformers": "bench/peers/run_transformers.sh", "llama.cpp": "bench/peers/run_llamacpp.sh",
            "transformers-training": "bench/peers/run_training.sh"}


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def rows(bench):
    environment = bench["environment"]
    model = f" -m {bench['model']}" if bench["bench"] in OF_MODEL else ""
    command = COMMANDS.get(bench["bench"], f"fathom bench {bench['bench']}{model}")
    for figure in bench["figures"]:
        limit = share = peer = ""
        if "limit" in figure:
            limit = f"{number(figure['limit'])} ({figure['limit_name']})"
            share = f"{figure['share'] * 100:.0f}%"
            if "goal" in figure:
                share += f" (goal {figure['goal'] * 100:.0f}%)"
        if "peer" in figure:
            peer = f"{number(figure['peer_best'])}: {figure['ratio']:.1f}x"
            if "ratio_goal" in figure:
                peer += f" (goal {figure['ratio_goal']}x)"
            peer += f", {figure['peer']}"
        yield [f"{bench['bench']}: {figure['name']}", f"{number(figure['best'])} {figure['unit']}", limit, share, peer,
               f"`{command}`", environment["commit"]]


def table():
    newest = {}
    for path in sorted((ROOT / "bench/results").glob("*.json")):
        for bench in json.loads(path.read_text(encoding="utf-8")).get("benches", []):
            e = bench["environment"]
            key = (e["cpu"], e["cpus"], bench["bench"], e["numerics"] if bench["bench"] != "linear" else "")
            newest[key] = bench
    lines = []
    for cpu, cpus in sorted({key[:2] for key in newest}):
        benches = [b for key, b in newest.items() if key[:2] == (cpu, cpus)]
        benches.sort(key=lambda b: (ORDER.index(b["bench"]) if b["bench"] in ORDER else len(ORDER)))
        free = [b["environment"]["idle_share"] for b in benches]
        e = benches[0]["environment"]
        lines.append(f"**{cpu}, {cpus} CPUs**, {e['target']}; {min(free) * 100:.0f} to {max(free) * 100:.0f}% of the CPU "
                     f"time was free of other processes; {e['flags']}.\n\n")
        lines.append("| what | figure | limit | share | peer | command | commit |\n|---|---|---|---|---|---|---|\n")
        lines += ["| " + " | ".join(row) + " |\n" for bench in benches for row in rows(bench)]
        notes = [f"- {b['bench']}: {note}\n" for b in benches for note in b["notes"]]
        lines += ["\n"] + notes if notes else []
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    path = ROOT / "docs/performance.md"
    text = path.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    new = head + BEGIN + table() + END + tail
    if args.check:
        sys.exit(0 if new == text else "docs/performance.md: its table is not that of bench/results: run "
                                       "tools/performance_table.py")
    path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
