#!/usr/bin/env python3
"""Reads what run_transformers.sh measured, prints fathom beside the peer, and records it.

  side_by_side.py FOLDER [--record FOLDER]     FOLDER: fathom-NUMERICS-TURN.json, peer-DTYPE-TURN.json
"""
import argparse
import glob
import json
import os

GOALS = {"decode, batch 1": 10, "prefill 512": 5, "prefill 2048": 5}
PAIRS = (("fast", "bfloat16"), ("exact", "float32"))


def best_of(reports):
    """Best and median of each figure over the turns."""
    best = {}
    for figure in (f for r in reports for f in r["figures"]):
        old = best.setdefault(figure["name"], dict(figure))
        for key in ("best", "median"):
            old[key] = max(old[key], figure[key])
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--record")
    args = parser.parse_args()

    def load(pattern):
        paths = sorted(glob.glob(os.path.join(args.folder, pattern)))
        return [json.load(open(path, encoding="utf-8")) for path in paths]

    peers = {dtype: load(f"peer-{dtype}-*.json") for _, dtype in PAIRS}
    result = {"benches": []}
    # Against the faster of the peer's two dtypes: its bf16 is not faster on every CPU.
    peer_best = {}
    for dtype, runs in peers.items():
        for name, figure in best_of(runs).items():
            if name not in peer_best or figure["best"] > peer_best[name]["best"]:
                peer_best[name] = dict(figure, peer=runs[0]["peer"])
    print(f"{'what':18} {'numerics':9} {'fathom':>9} {'peer':>9} {'ratio':>7} {'goal':>5}  peer is (its faster dtype)")
    for numerics, _ in PAIRS:
        runs = load(f"fathom-{numerics}-*.json")
        fathom = best_of([b for run in runs for b in run["benches"]])
        environment = runs[0]["benches"][0]["environment"]
        figures = []
        for name, goal in GOALS.items():
            ours, theirs = fathom[name], peer_best[name]
            ratio = ours["best"] / theirs["best"]
            print(f"{name:18} {numerics:9} {ours['best']:9.1f} {theirs['best']:9.1f} {ratio:7.1f} {goal:5}  {theirs['peer']}")
            figures.append({"name": f"{name}, {numerics}", "unit": "tokens/s", "best": ours["best"],
                            "median": ours["median"], "peer": theirs["peer"], "peer_best": theirs["best"],
                            "ratio": round(ratio, 2), "ratio_goal": goal})
        result["benches"].append({"bench": "transformers", "environment": environment, "figures": figures, "notes": []})
    if args.record:
        environment = result["benches"][0]["environment"]
        words = "".join(c if c.isalnum() else "-" for c in environment["cpu"].lower()).strip("-")
        name = f"{environment['date']}-{words}-{environment['cpus']}cpu-transformers.json"
        path = os.path.join(args.record, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=1) + "\n")
        print(f"recorded {path}")


if __name__ == "__main__":
    main()
