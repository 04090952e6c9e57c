#!/usr/bin/env python3
"""Hugging Face `tokenizers` beside `fathom tokenizer train`: it finds the same vocabulary and merges, reads the file
that fathom writes, and gives equal ids.

    python3.11 -m venv VENV && VENV/bin/pip install -r tests/clients/tokenizers_requirements.txt
    VENV/bin/python tests/clients/tokenizers_check.py [--fathom build/release/fathom] [TEXT.txt | TEXTS.jsonl ...]

Without texts: those of tests/golden/tokenizer. For each text and setting BpeTrainer learns from the same texts with the
same pre-tokenizer; then the texts of tests/golden/tokenizer/ids.jsonl are encoded and decoded by both.
--expect FOLDER writes tests/text/trained_tokenizer/ anew: what the C++ tests compare with.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/tokenizer"
FIRST = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
SETTINGS = [(512, 1, 2), (1000, 3, 2), (700, 1, 5)]  # vocabulary, digits, least frequency


def texts_of(path):
    """As fathom reads them."""
    if path.suffix not in (".jsonl", ".ndjson"):
        return [path.read_bytes().decode()]
    texts = []
    for line in path.read_bytes().decode().split("\n"):
        if line.strip():
            entry = json.loads(line)
            for message in entry.get("messages", []):
                texts += [message.get("reasoning_content") or "", message.get("content") or ""]
            texts.append(entry.get("text", ""))
    return [text for text in texts if text]


def splits(digits):
    """The pre-tokenizer of V4's file (the V3 file has the same), numbers aside."""
    steps = json.loads((GOLDEN / "tiny.json").read_text())["pre_tokenizer"]["pretokenizers"]
    patterns = [step["pattern"]["Regex"] for step in steps if step["type"] == "Split"]
    patterns[0] = r"\p{N}" if digits == 1 else r"\p{N}{1,3}"
    isolated = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence(isolated + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def train(texts, vocab, digits, min_frequency, markup):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splits(digits)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab - len(markup), min_frequency=min_frequency, show_progress=False,
                                  special_tokens=[AddedToken(text, normalized=False, special=True) for text in FIRST],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=True, special=False) for text in markup])
    return tokenizer


def check(fathom, path, setting, work):
    vocab, digits, min_frequency = setting
    out = work / "ours"
    subprocess.run([fathom, "tokenizer", "train", path, "--vocab", str(vocab), "--digits", str(digits),
                    "--min-frequency", str(min_frequency), "--out", out], check=True, stdout=subprocess.DEVNULL)
    ours = json.loads((out / "tokenizer.json").read_text())
    loaded = Tokenizer.from_file(str(out / "tokenizer.json"))
    markup = [token["content"] for token in ours["added_tokens"][len(FIRST):]]
    theirs = train(texts_of(path), vocab, digits, min_frequency, markup)
    saved = json.loads(theirs.to_str())
    faults = []
    if ours["model"]["vocab"] != saved["model"]["vocab"]:
        faults.append("vocabulary")
    if [m.split(" ") for m in ours["model"]["merges"]] != [list(m) for m in saved["model"]["merges"]]:
        faults.append("merges")
    if loaded.get_vocab_size() != vocab:
        faults.append(f"{loaded.get_vocab_size()} tokens")
    cases = [json.loads(line)["text"] for line in (GOLDEN / "ids.jsonl").read_bytes().decode().split("\n") if line]
    cases += [f"{token}a 123{token}" for token in FIRST + markup]
    (work / "cases.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in cases))
    answer = subprocess.run([fathom, "tokenize", "-m", out, "--jsonl", work / "cases.jsonl"], check=True,
                            capture_output=True, text=True).stdout
    for text, line in zip(cases, answer.splitlines(), strict=True):
        ids = json.loads(line)["ids"]
        for name, tokenizer in (("loaded", loaded), ("trained", theirs)):
            if tokenizer.encode(text, add_special_tokens=False).ids != ids:
                faults.append(f"ids of {text!r}, {name}")
        if loaded.decode(ids, skip_special_tokens=False) != text:
            faults.append(f"decoding of {text!r}")
    print(f"{path.name} vocab {vocab} digits {digits} min {min_frequency}: "
          f"{len(saved['model']['merges'])} merges, {len(cases)} texts, {len(faults)} faults", *faults[:5], sep="\n  ")
    return not faults, theirs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fathom", default=ROOT / "build/release/fathom")
    parser.add_argument("--vocab", type=int, help="one vocabulary instead of the small ones")
    parser.add_argument("--expect", type=pathlib.Path)
    parser.add_argument("texts", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    settings = [(arguments.vocab, 1, 2)] if arguments.vocab else SETTINGS
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for path in arguments.texts or [GOLDEN / "tiny_corpus.txt", GOLDEN / "ids.jsonl"]:
            for setting in settings:
                try:
                    fine, theirs = check(arguments.fathom, path, setting, pathlib.Path(folder))
                except subprocess.CalledProcessError as error:
                    print(path, setting, error)
                    fine = False
                good &= fine
                if fine and arguments.expect and path.suffix == ".txt":
                    model = json.loads(theirs.to_str())["model"]
                    expected = {"corpus": path.name, "vocab": setting[0], "digits": setting[1],
                                "min_frequency": setting[2], "tokens": sorted(model["vocab"], key=model["vocab"].get),
                                "merges": model["merges"]}
                    name = "_".join(str(each) for each in setting)
                    (arguments.expect / f"expected_{name}.json").write_text(json.dumps(expected, ensure_ascii=False,
                                                                                       separators=(",", ":")) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
