#!/usr/bin/env python3
"""Reads what run_transformers.sh, run_llamacpp.sh or run_training.sh measured, prints fathom beside the peer, and records it.

  side_by_side.py FOLDER --name PEER [--record FOLDER]     FOLDER: fathom-NUMERICS-TURN.json, peer-KIND-TURN.json
"""
import argparse
import glob
import json
import os

GOALS = {"transformers": {"decode, batch 1": 10, "prefill 512": 5, "prefill 2048": 5}, "llama.cpp": {},
         "transformers-training": {"a step": 5}}
NUMERICS = ("fast", "exact", "bf16")


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
    parser.add_argument("--name", required=True, choices=GOALS)
    parser.add_argument("--record")
    args = parser.parse_args()

    def load(pattern):
        paths = sorted(glob.glob(os.path.join(args.folder, pattern)))
        return [json.load(open(path, encoding="utf-8")) for path in paths]

    # Against the faster of the peer's kinds: its bf16 is not faster on every CPU.
    peer_best = {}
    for run in load("peer-*.json"):
        for name, figure in best_of([run]).items():
            if name not in peer_best or figure["best"] > peer_best[name]["best"]:
                peer_best[name] = dict(figure, peer=run["peer"])
    result = {"benches": []}
    print(f"{'what':18} {'numerics':9} {'fathom':>9} {'peer':>9} {'ratio':>7} {'goal':>5}  peer, at its fastest")
    for numerics in NUMERICS:
        runs = load(f"fathom-{numerics}-*.json")
        if not runs:
            continue
        benches = [bench for run in runs for bench in run["benches"]]
        fathom = best_of(benches)
        # The share of the CPU that was free: the worst of the runs.
        environment = min((bench["environment"] for bench in benches), key=lambda e: e["idle_share"])
        figures = []
        for name, theirs in peer_best.items():
            ours, goal = fathom[name], GOALS[args.name].get(name)
            ratio = ours["best"] / theirs["best"]
            print(f"{name:18} {numerics:9} {ours['best']:9.1f} {theirs['best']:9.1f} {ratio:7.1f} {goal or '':5}  {theirs['peer']}")
            figures.append({"name": f"{name}, {numerics}", "unit": "tokens/s", "best": ours["best"],
                            "median": ours["median"], "peer": theirs["peer"], "peer_best": round(theirs["best"], 1),
                            "ratio": round(ratio, 2), **({"ratio_goal": goal} if goal else {})})
        result["benches"].append({"bench": args.name, "model": benches[0]["model"], "environment": environment,
                                  "figures": figures, "notes": []})
    if args.record:
        environment = result["benches"][0]["environment"]
        words = "".join(c if c.isalnum() else "-" for c in environment["cpu"].lower()).strip("-")
        name = f"{environment['date']}-{words}-{environment['cpus']}cpu-{args.name}.json"
        path = os.path.join(args.record, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=1) + "\n")
        print(f"recorded {path}")


if __name__ == "__main__":
    main()
