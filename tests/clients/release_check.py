#!/usr/bin/env python3
"""A model that fathom trained, as other programs read it.

    tests/clients/release_checks.sh build/test/fathom

1. A tiny model is trained to FP4 by `fathom train`; the released folder (official FP8 and FP4 layout) is read by the
   numpy code below, written from the format's definition alone. Every weight must have the bits that `fathom convert
   --dtype f32` gives.
2. `fathom convert` of the trained checkpoint to BF16 in the transformers layout is loaded by transformers: no missing,
   unexpected or mismatched key, and the logits of `fathom logits`. The model may choose as many entries as it sees:
   after so few steps it scores them too much alike for two programs to choose the same (transformers_check.py compares
   choices, on the bundled model).
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

LOGIT_BOUND = 1e-4
SETS = ["model.hidden_size=128", "model.num_attention_heads=2", "model.head_dim=128", "model.qk_rope_head_dim=64",
        "model.q_lora_rank=128", "model.o_lora_rank=64", "model.moe_intermediate_size=128",
        "model.n_routed_experts=4", "model.index_head_dim=64", "model.index_topk=64", "stages.0.steps=4",
        "stages.0.warmup=2", "stages.0.row=256", "stages.0.batch=256", "stages.1.steps=8", "stages.1.row=256",
        "stages.1.batch=256", "stages.1.precision=fp4", "validation_tokens=256",
        'data={"stories": {"generate": {"kind": "stories"}}}']
E2M1 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6], dtype=np.float32)


def e4m3_table():
    codes = np.arange(256)
    sign = np.where(codes & 128, -1.0, 1.0)
    exponent, mantissa = codes >> 3 & 15, codes & 7
    values = np.where(exponent == 0, mantissa / 8 * 2.0 ** -6, (1 + mantissa / 8) * 2.0 ** (exponent.astype(float) - 7))
    values[(codes & 127) == 127] = np.nan
    return np.copysign(values, sign).astype(np.float32)


def tensors_of(folder):
    """{name: (dtype, shape, bytes)} of every safetensors file of a folder."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8:8 + size]).items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                found[name] = entry["dtype"], entry["shape"], data[8 + size + begin:8 + size + end]
    return found


def values_of(tensors, name):
    """A tensor as float32, dequantised."""
    dtype, shape, data = tensors[name]
    raw = np.frombuffer(data, dtype=np.uint8)
    if dtype == "F32":
        return raw.view(np.float32).reshape(shape)
    if dtype == "BF16":
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if dtype == "I64":
        return raw.view(np.int64).reshape(shape)
    scale_name = name.removesuffix("weight") + "scale"
    if dtype == "F8_E4M3":
        scales = np.ldexp(np.float32(1), np.frombuffer(tensors[scale_name][2], np.uint8).astype(int) - 127)
        scales = scales.reshape(tensors[scale_name][1]).repeat(128, 0)[:shape[0]].repeat(128, 1)[:, :shape[1]]
        return e4m3_table()[raw].reshape(shape) * scales
    assert dtype == "I8", dtype  # two FP4 codes a byte, the lower half first
    rows, cols = shape[0], shape[1] * 2
    values = np.stack([E2M1[raw & 15], E2M1[raw >> 4]], axis=-1).reshape(rows, cols)
    scales = np.ldexp(np.float32(1), np.frombuffer(tensors[scale_name][2], np.uint8).astype(int) - 127)
    return values * scales.reshape(rows, cols // 32).repeat(32, 1)


def run(*command):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"release_check.py: {command[1]}: {done.stderr.strip()}")


def check_official(fathom, folder, work):
    run(fathom, "convert", folder, "--to", "official", "--dtype", "f32", "--out", work / "plain")
    released, plain = tensors_of(folder), tensors_of(work / "plain")
    kinds, wrong = {}, []
    for name in plain:
        kinds[released[name][0]] = kinds.get(released[name][0], 0) + 1
        ours, theirs = values_of(plain, name), values_of(released, name)
        if ours.shape != theirs.shape or ours.tobytes() != theirs.astype(ours.dtype).tobytes():
            wrong.append(name)
    good = not wrong and {"F8_E4M3", "I8", "BF16"} <= set(kinds)
    print(f"{'ok' if good else 'FAIL':4} official layout by numpy: {sum(kinds.values())} tensors, "
          f"{', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}; different: {wrong[:3] or 'none'}")
    return good


def check_transformers(fathom, checkpoint, work):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(2)
    folder = work / "bf16"
    run(fathom, "convert", checkpoint, "--to", "transformers", "--dtype", "bf16", "--out", folder)
    tokens = [(i * i * 7 + 3 * i + 5) % json.loads((folder / "config.json").read_text())["vocab_size"] for i in range(200)]
    (work / "ids.json").write_text(json.dumps(tokens))
    run(fathom, "logits", "-m", folder, "--ids", work / "ids.json", "--out", work / "ours.safetensors")
    ours = load_file(work / "ours.safetensors")["logits"]
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True,
                                                       attn_implementation="eager", experts_implementation="eager")
    bad = {key: sorted(value) for key, value in info.items() if value}
    with torch.no_grad():
        theirs = model(torch.tensor([tokens])).logits[0]
    difference = (ours - theirs).abs().max().item()
    good = difference <= LOGIT_BOUND and not bad
    print(f"{'ok' if good else 'FAIL':4} transformers, BF16 of a trained checkpoint: largest logit difference "
          f"{difference:.2e} <= {LOGIT_BOUND:.0e}; loading report {bad or 'empty'}")
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("fathom", type=pathlib.Path)
    parser.add_argument("--without-transformers", action="store_true")
    args = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        sets = [word for each in SETS for word in ("--set", each)]
        run(args.fathom, "train", root / "recipes/micro.json", "--out", work / "run", *sets)
        good = check_official(args.fathom, work / "run/model", work)
        if not args.without_transformers:
            newest = sorted((work / "run/checkpoints").iterdir())[-1]
            good &= check_transformers(args.fathom, newest, work)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
