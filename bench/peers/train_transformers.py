#!/usr/bin/env python3
"""Training speed of transformers' deepseek_v4 on a recipe's geometry: PyTorch eager, AdamW, on the CPU.

  train_transformers.py RECIPE [--threads 2] [--dtype float32|bfloat16] [--row N] [--batch N] [--seconds 20]
                               [--experts NAME] [--json]

The model is that of the recipe's `model`, with random weights and random tokens. A step is the forward pass with the
mean cross-entropy of all tokens, the backward pass and AdamW over every parameter: rows of --row tokens (by default
those of the recipe's last sparse stage in bf16, as `fathom bench training` takes them), --batch tokens a step (by
default that stage's). What fathom does beside it (MTP, the indexer's loss, balance loss, Muon) transformers does not
have. bfloat16: autocast over fp32 weights, as fathom keeps them. Prints the best and the median step in tokens/s. Needs
the pinned packages of requirements.txt.
"""
import argparse
import json
import pathlib
import statistics
import tempfile
import time

import torch
from transformers import AutoConfig, AutoModelForCausalLM


KINDS = {0: "sliding_attention", 4: "compressed_sparse_attention"}  # any other ratio is HCA's


def in_transformers_words(model):
    """The recipe's config with transformers' own fields for what it has no official value of (HCA of ratio 16)."""
    model = dict(model)
    ratios = model.pop("compress_ratios")[:model["num_hidden_layers"]]
    model["layer_types"] = [KINDS.get(ratio, "heavily_compressed_attention") for ratio in ratios]
    model["compress_rates"] = {kind: ratio for ratio, kind in zip(ratios, model["layer_types"]) if ratio}
    hashed = model.pop("num_hash_layers")
    model["mlp_layer_types"] = ["hash_moe" if i < hashed else "moe" for i in range(len(ratios))]
    fraction = model["qk_rope_head_dim"] / model["head_dim"]
    scaling = model.pop("rope_scaling", None) or {"rope_type": "default"}
    model["partial_rotary_factor"] = fraction
    model["rope_parameters"] = {
        "main": {"rope_type": "default", "rope_theta": model["rope_theta"], "partial_rotary_factor": fraction},
        "compress": {**scaling, "attention_factor": 1.0, "rope_theta": model["compress_rope_theta"],
                     "partial_rotary_factor": fraction}}
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--row", type=int, default=0)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--experts", help="experts_implementation (transformers' default without it)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        recipe = json.loads(pathlib.Path(args.recipe).read_text(encoding="utf-8"))
        pathlib.Path(folder, "config.json").write_text(json.dumps(in_transformers_words(recipe["model"])), encoding="utf-8")
        config = AutoConfig.from_pretrained(folder)
    extra = {"experts_implementation": args.experts} if args.experts else {}
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, **extra).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1)
    stages = [s for s in recipe["stages"]
              if s.get("attention", "sparse") == "sparse" and s.get("precision", "bf16") == "bf16"]
    row = args.row or stages[-1].get("row", 512)
    rows = max(1, (args.batch or stages[-1].get("batch", 8192)) // row)
    tokens = torch.randint(3, config.vocab_size, (rows, row))

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bfloat16"):
            loss = model(input_ids=tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    first = step()  # warms up
    taken, losses, end = [], [], time.perf_counter() + args.seconds
    while len(taken) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        losses.append(step())
        taken.append(time.perf_counter() - start)
    if not losses[-1] < first:
        raise SystemExit(f"train_transformers.py: expected the loss to fall from {first}, found {losses[-1]}")

    import transformers
    peer = f"transformers {transformers.__version__}, torch {torch.__version__}, {args.dtype}, AdamW, {args.threads} threads"
    if args.experts:
        peer += f", experts {args.experts}"
    count = rows * row
    figure = {"name": "a step", "unit": "tokens/s", "best": count / min(taken),
              "median": count / statistics.median(taken)}
    if args.json:
        print(json.dumps({"peer": peer, "figures": [figure]}))
        return
    print(f"{peer}\n  {rows} rows of {row}: best {figure['best']:.1f}, median {figure['median']:.1f} tokens/s")


if __name__ == "__main__":
    main()
