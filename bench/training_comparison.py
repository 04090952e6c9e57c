#!/usr/bin/env python3
"""Muon beside AdamW and FP8 beside BF16, by short training runs of one small model (comparison_recipe.json).

    bench/training_comparison.py TEXT... [--fathom build/release/fathom] [--out build/comparison]
                                 [--record FILE.json] [--svg FILE.svg]
    bench/training_comparison.py TEXT... --fp8 0.032 [--seeds 1 2 3] [--steps 300]    # FP8 beside BF16 alone, with Muon's rate

Both optimizers run with every learning rate and one seed; the rate with the lowest last validation loss then runs with
all seeds. FP8 runs with Muon's rate and the same seeds. Runs that are there already are not made again, so the script
goes on where it was stopped. TEXT is what `fathom data` reads. A run's figures depend on seed and data alone, not on
the number of threads. Python 3.9 without packages.
"""
import argparse
import concurrent.futures
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

RATES = {"muon": [0.004, 0.008, 0.016, 0.032], "adamw": [0.002, 0.004, 0.008, 0.016]}
SEEDS = [1, 2, 3]
ROOT = pathlib.Path(__file__).resolve().parents[1]


def curve_of(folder):
    """[(tokens, validation loss)] of a run."""
    points, tokens = [], 0
    for line in (folder / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry.get("event") == "validation":
            points.append((tokens, entry["data"]["loss"]))
        elif "tokens" in entry:
            tokens = entry["tokens"]
    return points


def run(args, optimizer, rate, seed, precision="bf16"):
    folder = args.out / f"{optimizer}-{precision}-{rate}-seed{seed}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        command = [args.fathom, "train", ROOT / "bench/comparison_recipe.json", "--data", args.out / "data", "--out",
                   folder, "--no-release", "--no-pin", "--threads", args.threads, "--set",
                   f"optimizer.kind={optimizer}", "--set", f"stages.0.rate={rate}", "--set", f"seed={seed}",
                   "--set", f"stages.0.precision={precision}"]
        if args.steps:
            command += ["--set", f"stages.0.steps={args.steps}"]
        done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"training_comparison.py: {folder.name}: {done.stderr.strip().splitlines()[-1:]}")
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder / "done").touch()
    curve = curve_of(folder)
    print(f"{folder.name:28} {curve[-1][1]:.4f} after {curve[-1][0]} tokens", flush=True)
    return {"optimizer": optimizer, "precision": precision, "rate": rate, "seed": seed, "curve": curve}


def all_of(args, runs):
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        return list(pool.map(lambda each: run(args, *each), runs))


def tokens_to(curve, loss):
    """Tokens at which the curve first comes down to the loss, between its points in a straight line."""
    for (t0, l0), (t1, l1) in zip(curve, curve[1:]):
        if l1 <= loss:
            return t0 if l0 <= loss else t0 + (t1 - t0) * (l0 - loss) / (l0 - l1)
    return None


def mean_curve(runs):
    return [(round(statistics.mean(t for t, _ in points)), statistics.mean(loss for _, loss in points))
            for points in zip(*(each["curve"] for each in runs))]


def last(runs):
    return [each["curve"][-1][1] for each in runs]


def svg_of(series):
    """The mean curves, and in pale those of each seed."""
    width, height, left, top, right, bottom = 720, 380, 60, 40, 20, 48
    points = [p for _, _, curves in series for curve in curves for p in curve if p[0] > 0]
    x1 = max(t for t, _ in points)
    y0, y1 = min(loss for _, loss in points) - 0.05, sorted(loss for _, loss in points)[int(len(points) * 0.97)]

    def place(point):
        x = left + (width - left - right) * point[0] / x1
        y = top + (height - top - bottom) * (y1 - min(point[1], y1)) / (y1 - y0)
        return f"{x:.1f},{y:.1f}"

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">', f'<rect width="{width}" height="{height}" fill="#fff"/>',
           f'<text x="{left}" y="22" font-size="15">Validation loss over tokens, best rate of each, three seeds</text>']
    for i in range(6):
        loss, tokens = y0 + (y1 - y0) * i / 5, x1 * i / 5
        x, y = place((tokens, y0)).split(",")[0], place((0, loss)).split(",")[1]
        out.append(f'<path d="M{left} {y}H{width - right}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{loss:.2f}</text>')
        out.append(f'<text x="{x}" y="{height - bottom + 18}" text-anchor="middle">{tokens / 1000:.0f}k</text>')
    for i, (name, colour, curves) in enumerate(series):
        for curve, stroke in [(c, 'stroke-opacity=".25"') for c in curves] + [(mean_curve(
                [{"curve": c} for c in curves]), 'stroke-width="2"')]:
            path = " ".join(place(p) for p in curve if p[0] > 0)
            out.append(f'<polyline fill="none" stroke="{colour}" {stroke} points="{path}"/>')
        out.append(f'<path d="M{width - 200} {top + 12 + 18 * i}h24" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{width - 170}" y="{top + 16 + 18 * i}">{name}</text>')
    out.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">tokens</text></svg>')
    return "\n".join(out) + "\n"


def fp8_alone(args):
    pairs = [(precision, seed) for seed in args.seeds for precision in ("bf16", "fp8")]
    runs = all_of(args, [("muon", args.fp8, seed, precision) for precision, seed in pairs])
    losses = {kind: last([r for r in runs if r["precision"] == kind]) for kind in ("bf16", "fp8")}
    differences = [100 * (e / b - 1) for e, b in zip(losses["fp8"], losses["bf16"])]
    print(f"fp8 against bf16: {', '.join(f'{d:+.2f}%' for d in differences)}")
    if args.record:
        args.record.write_text(json.dumps({"rate": args.fp8, "seeds": args.seeds, "loss": losses,
                                           "fp8_difference_percent": differences, "curves": runs}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("text", nargs="+", type=pathlib.Path)
    parser.add_argument("--fathom", default=ROOT / "build/release/fathom", type=pathlib.Path)
    parser.add_argument("--out", default=ROOT / "build/comparison", type=pathlib.Path)
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--jobs", default=2, type=int)
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--svg", type=pathlib.Path)
    parser.add_argument("--fp8", type=float, metavar="RATE")
    parser.add_argument("--steps", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.out / "data/data.json").exists():
        subprocess.run([args.fathom, "data", *args.text, "--out", args.out / "data", "--tokenizer",
                        ROOT / "models/v4-10m"], check=True)

    if args.fp8:
        return fp8_alone(args)
    sweep = all_of(args, [(kind, rate, SEEDS[0]) for kind, rates in RATES.items() for rate in rates])
    best = {}
    for kind in RATES:
        best[kind] = min((each for each in sweep if each["optimizer"] == kind), key=lambda r: r["curve"][-1][1])["rate"]
    again = [(kind, best[kind], seed) for kind in RATES for seed in SEEDS]
    eights = [("muon", best["muon"], seed, "fp8") for seed in SEEDS]
    runs = all_of(args, again + eights)
    chosen = {kind: [r for r in runs if r["optimizer"] == kind and r["precision"] == "bf16"] for kind in RATES}
    fp8 = [r for r in runs if r["precision"] == "fp8"]

    goal = statistics.mean(last(chosen["adamw"]))
    spent = {kind: [tokens_to(r["curve"], goal) for r in chosen[kind]] for kind in RATES}
    mean = {kind: tokens_to(mean_curve(chosen[kind]), goal) for kind in RATES}
    differences = [100 * (e / b - 1) for e, b in zip(last(fp8), last(chosen["muon"]))]
    result = {"rates": RATES, "seeds": SEEDS, "best_rate": best,
              "sweep": [{**{k: r[k] for k in ("optimizer", "rate", "seed")}, "loss": r["curve"][-1][1]} for r in sweep],
              "loss": {kind: last(chosen[kind]) for kind in RATES}, "goal": goal, "tokens_to_goal": spent,
              "tokens_to_goal_of_mean": mean, "fp8_loss": last(fp8), "fp8_difference_percent": differences,
              "curves": runs}
    for kind in RATES:
        losses = last(chosen[kind])
        print(f"{kind}: rate {best[kind]}, loss {statistics.mean(losses):.4f} +- {statistics.stdev(losses):.4f}; loss "
              f"{goal:.4f} after {mean[kind]} tokens")
    print(f"fp8 against bf16: {', '.join(f'{d:+.2f}%' for d in differences)}")
    if args.record:
        args.record.write_text(json.dumps(result, indent=1) + "\n")
    if args.svg:
        args.svg.write_text(svg_of([("Muon", "#1f6feb", [r["curve"] for r in chosen["muon"]]),
                                    ("AdamW", "#d1570b", [r["curve"] for r in chosen["adamw"]])]))


if __name__ == "__main__":
    main()
