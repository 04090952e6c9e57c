#!/usr/bin/env python3
"""Prefill and decode speed of transformers on a folder, with the shape of `fathom bench decode prefill`.

  transformers_bench.py MODEL [--threads 2] [--dtype float32|bfloat16] [--seconds 3] [--experts NAME] [--json]

Decode: greedy tokens after a prompt of 64, cached; prefill: prompts of 512 and 2,048 at once. Prints the best and the
median of the rounds. Needs the pinned packages of requirements.txt.
"""
import argparse
import json
import statistics
import time

import torch
from transformers import AutoModelForCausalLM

PROMPT, STEPS = 64, 64


def rounds(run, seconds, least=3):
    """Seconds of each round of run(); the first, which warms up, is left out."""
    run()
    taken, end = [], time.perf_counter() + seconds
    while len(taken) < least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return taken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--experts", help="experts_implementation (transformers' default without it)")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    extra = {"experts_implementation": args.experts} if args.experts else {}
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, args.dtype), **extra).eval()
    generator = torch.Generator().manual_seed(1)
    vocab = model.config.vocab_size

    def tokens(count):
        return torch.randint(3, vocab, (1, count), generator=generator)

    prompt = tokens(PROMPT)

    @torch.inference_mode()
    def decode():
        out = model(prompt, use_cache=True, logits_to_keep=1)
        start = time.perf_counter()
        for _ in range(STEPS):
            token = out.logits[:, -1:].argmax(-1)
            out = model(token, past_key_values=out.past_key_values, use_cache=True)
        steps.append(time.perf_counter() - start)

    @torch.inference_mode()
    def prefill(ids):
        model(ids, use_cache=True, logits_to_keep=1)

    figures = []

    def add(name, count, taken):
        figures.append({"name": name, "unit": "tokens/s", "best": count / min(taken),
                        "median": count / statistics.median(taken)})

    steps = []
    rounds(decode, args.seconds)
    add("decode, batch 1", STEPS, steps[1:])
    for length in (512, 2048):
        ids = tokens(length)
        add(f"prefill {length}", length, rounds(lambda ids=ids: prefill(ids), args.seconds))

    import transformers
    peer = f"transformers {transformers.__version__}, torch {torch.__version__}, {args.dtype}, {args.threads} threads"
    if args.experts:
        peer += f", experts {args.experts}"
    if args.json:
        print(json.dumps({"peer": peer, "figures": figures}))
        return
    print(peer)
    for figure in figures:
        print(f"  {figure['name']:18} best {figure['best']:9.1f}  median {figure['median']:9.1f} tokens/s")


if __name__ == "__main__":
    main()
