#!/usr/bin/env python3
"""Other programs read what `fathom convert` writes: transformers loads the folders, gguf-py the files.

    python3.11 -m venv VENV && VENV/bin/pip install -r tests/clients/transformers_requirements.txt
    VENV/bin/python tests/clients/transformers_check.py [--fathom build/release/fathom] [--model models/v4-10m]

For each naming and dtype the model is converted, loaded by AutoModelForCausalLM in float32 (no missing, unexpected or
mismatched key may be reported; FP8 and FP4 are dequantised by transformers itself, which it does for the official
naming only: fused quantised experts need a GPU there) and run on the same tokens as
`fathom logits`; the largest difference of a logit must stay below the bound. Each GGUF file is opened by gguf-py's
GGUFReader: names, shapes and the values of every tensor that it can dequantise must be those of the source.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, FineGrainedFP8Config

LOGIT_BOUND = 1e-4
FOLDERS = [("transformers", "bf16"), ("official", "bf16"), ("transformers", "f32"), ("official", "f32"),
           ("transformers", "f16"), ("official", "fp8"), ("official", "release")]
GGUF = ["f32", "bf16", "f16", "q8_0", "mxfp4"]
# Largest share of a tensor's own largest value that the encoding may move a value by.
GGUF_BOUND = {"f32": 0, "bf16": 0, "f16": 2**-11, "q8_0": 1 / 200, "mxfp4": 0.26}


def run(*command):
    subprocess.run([str(each) for each in command], check=True, stdout=subprocess.DEVNULL)


def values_of(tensor):
    """gguf-py dequantises no integers."""
    integers = tensor.tensor_type == GGMLQuantizationType.I32
    return np.array(tensor.data if integers else dequantize(tensor.data, tensor.tensor_type), dtype=np.float64)


def check_folder(args, folder, ids, work):
    run(args.fathom, "logits", "-m", folder, "--ids", ids, "--out", work / "ours.safetensors")
    ours = load_file(work / "ours.safetensors")["logits"]
    quantised = "quantization_config" in json.loads((folder / "config.json").read_text())
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, attn_implementation="eager",
        experts_implementation="eager",
        **({"quantization_config": FineGrainedFP8Config(dequantize=True)} if quantised else {}))
    model.float()  # what transformers dequantises becomes bf16, which holds FP8 and FP4 exactly
    bad = {key: sorted(value) for key, value in info.items() if value}
    # transformers has no MTP block: it says so of the official naming's mtp.* unless it ignores them itself.
    if "unexpected_keys" in bad:
        bad["unexpected_keys"] = [key for key in bad["unexpected_keys"] if "mtp." not in key]
        if not bad["unexpected_keys"]:
            del bad["unexpected_keys"]
    with torch.no_grad():
        theirs = model(torch.tensor([json.loads(pathlib.Path(ids).read_text())])).logits[0]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "Once upon a time, 12345 birds sang."
    listed = subprocess.run([str(args.fathom), "tokenize", "-m", str(folder)], input=text, text=True,
                            capture_output=True)
    same_ids = listed.returncode != 0 or json.loads(listed.stdout) == tokenizer.encode(text, add_special_tokens=False)
    return (ours - theirs).abs().max().item(), bad, same_ids


def check_gguf(path, dtype, source):
    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.architecture"] == "deepseek4"
    worst, compared = 0.0, 0
    for tensor in reader.tensors:
        if tensor.name not in source:
            continue
        values = values_of(tensor)
        expected = source[tensor.name].reshape(values.shape)
        scale = np.abs(expected).max() or 1.0
        worst = max(worst, np.abs(values - expected).max() / scale)
        compared += 1
    return len(reader.tensors), compared, worst


def source_values(path):
    """Every tensor of an F32 GGUF by name."""
    return {tensor.name: values_of(tensor) for tensor in GGUFReader(path).tensors}


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser()
    parser.add_argument("--fathom", default=root / "build/release/fathom", type=pathlib.Path)
    parser.add_argument("--model", default=root / "models/v4-10m", type=pathlib.Path)
    parser.add_argument("--tokens", default=400, type=int)
    args = parser.parse_args()
    torch.set_num_threads(2)
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        vocab = json.loads((args.model / "config.json").read_text())["vocab_size"]
        ids = work / "ids.json"
        ids.write_text(json.dumps([(i * i * 7 + 3 * i + 5) % vocab for i in range(args.tokens)]))
        for naming, dtype in FOLDERS:
            folder = work / f"{naming}-{dtype}"
            run(args.fathom, "convert", args.model, "--to", naming, "--dtype", dtype, "--out", folder)
            difference, bad, same_ids = check_folder(args, folder, ids, work)
            good = difference <= LOGIT_BOUND and not bad and same_ids
            failed |= not good
            print(f"{'ok' if good else 'FAIL':4} {naming:12} {dtype:7} largest logit difference {difference:.2e} <= "
                  f"{LOGIT_BOUND:.0e}; loading report {bad or 'empty'}; tokens {'equal' if same_ids else 'differ'}",
                  flush=True)
        source = None
        for dtype in GGUF:
            path = work / f"{dtype}.gguf"
            run(args.fathom, "convert", args.model, "--to", "gguf", "--dtype", dtype, "--out", path)
            if source is None:
                source = source_values(path)
            tensors, compared, worst = check_gguf(path, dtype, source)
            good = compared == tensors and worst <= GGUF_BOUND[dtype]
            failed |= not good
            print(f"{'ok' if good else 'FAIL':4} {'gguf':12} {dtype:7} gguf-py reads {tensors} tensors, largest relative "
                  f"difference {worst:.2e} <= {GGUF_BOUND[dtype]:.2e}", flush=True)
            os.unlink(path)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
