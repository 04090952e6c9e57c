#!/usr/bin/env python3
"""PEFT loads the adapter that `fathom train` writes, beside transformers' own model.

    python3.11 -m venv VENV && VENV/bin/pip install -r tests/clients/peft_requirements.txt
    VENV/bin/python tests/clients/peft_check.py [--fathom build/release/fathom] [--model models/v4-10m]

The model is converted to F32, adapters of its attention and shared experts are trained for a few steps, and the folder
is opened by PeftModel.from_pretrained: no key may be missing or unexpected, every matrix must be beside its module, and
the logits must be those of `fathom logits --adapter`, and of PEFT's own merge. Routed experts are one stacked parameter
in transformers and wo_a is a grouped product, so that PEFT has no adapters of ours for them.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

LOGIT_BOUND = 1e-4
TARGETS = ["wq_a", "wq_b", "attn.wkv", "wo_b", "compressor.wgate", "shared_experts.w1", "shared_experts.w2", "shared_experts.w3"]
IDS = [0, *(7 * i % 251 + 20 for i in range(90))]


def run(*command):
    subprocess.run([str(each) for each in command], check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fathom", type=pathlib.Path, default=pathlib.Path("build/release/fathom"))
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/v4-10m"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        base, adapter = work / "base", work / "lora/adapter"
        run(args.fathom, "convert", args.model, "--to", "transformers", "--dtype", "f32", "--out", base)
        text = work / "my.txt"
        text.write_text("".join(f"A fox and {i % 12} hens went to the hill.\n\n" for i in range(300)))
        recipe = {"name": "lora", "from": str(base), "lora": {"rank": 4, "alpha": 8, "targets": TARGETS},
                  "optimizer": {"kind": "adamw"}, "guard": {"anticipate": 0}, "data": {"text": {"path": str(text)}},
                  "validation_tokens": 256,
                  "stages": [{"steps": 6, "row": 128, "batch": 512, "rate": 0.02, "precision": "fp32"}]}
        (work / "recipe.json").write_text(json.dumps(recipe))
        run(args.fathom, "train", work / "recipe.json", "--out", work / "lora")
        (work / "ids.json").write_text(json.dumps(IDS))
        logits = {}
        for name, more in (("plain", []), ("adapted", ["--adapter", adapter])):
            run(args.fathom, "logits", "-m", base, *more, "--ids", work / "ids.json", "--out", work / "out.safetensors")
            logits[name] = load_file(work / "out.safetensors")["logits"].clone()

        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager",
                                                     experts_implementation="eager")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # PEFT warns of missing keys
            peft = PeftModel.from_pretrained(model, adapter)
        stored = load_file(adapter / "adapter_model.safetensors")
        loaded = {name.replace(".default", ""): value for name, value in peft.state_dict().items() if "lora_" in name}
        assert loaded.keys() == stored.keys(), sorted(loaded.keys() ^ stored.keys())
        assert all(torch.equal(loaded[name], stored[name]) for name in stored)
        ids = torch.tensor([IDS])
        with torch.no_grad():
            theirs = peft(ids).logits[0]
            merged = peft.merge_and_unload()(ids).logits[0]
        moved = (logits["adapted"] - logits["plain"]).abs().max().item()
        worst = max((each - logits["adapted"]).abs().max().item() for each in (theirs, merged))
        print(f"{len(stored) // 2} matrices, logits moved by {moved:.3f}, largest difference {worst:.2e} (bound {LOGIT_BOUND})")
        assert moved > 0.1 and worst <= LOGIT_BOUND
        print("ok")


if __name__ == "__main__":
    main()
