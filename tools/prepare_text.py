#!/usr/bin/env python3
"""Prepare the text data for fathom's small bundled model from public sources.

    tools/prepare_text.py --books DIR --wordnet DIR --web DIR --corpora DIR --gsm8k DIR --svamp DIR --out DIR

DIR for --books, --corpora, --gsm8k and --svamp is a clone (work tree or bare) of the public repository
named in text_sources/sources.py; for --wordnet the unpacked npm package; for --web the unpacked Debian package.
A source that is left out is skipped. Needs Python 3.9+ and the commands git, zstd and xz. No randomness:
the same sources give the same bytes before compression.
"""
import argparse
import collections
import hashlib
import json
import os
import re
import subprocess
import sys

from text_sources.books import WORD, books, polish
from text_sources.characters import characters
from text_sources.lexicon import bible, wordlists, wordnet
from text_sources.problems import gsm8k, svamp
from text_sources.repository import Repository
from text_sources.sources import SOURCES, TEST_TEXT, TRANSLATORS


class Output:
    def __init__(self, folder):
        self.folder, self.entries = folder, []

    def write(self, name, raw, source, documents, compress="smaller", **more):
        """Compress by zstd -19 --long=27 and xz -9e and keep the smaller (or the one asked for); one manifest entry."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for end in ("", ".xz", ".zst"):
            if os.path.exists(path + end):
                os.remove(path + end)
        open(path, "wb").write(raw)
        if compress:
            subprocess.run(["zstd", "-q", "-19", "--long=27", "-T1", "-f", path, "-o", path + ".zst"], check=True)
            subprocess.run(["xz", "-9e", "-k", "-f", "-T1", path], check=True)
            a, b = os.path.getsize(path + ".zst"), os.path.getsize(path + ".xz")
            keep, drop = (".zst", ".xz") if compress == "zst" or a <= b else (".xz", ".zst")
            os.remove(path)
            os.remove(path + drop)
            print(f"  zstd {a:,}, xz {b:,}")
            path, name = path + keep, name + keep
        stored = open(path, "rb").read()
        assert len(stored) <= 16 << 20, name
        info = SOURCES[source]
        self.entries.append(dict(file=name, source=info["project"], version=info["version"], licence=info["licence"], licence_basis=info["licence_basis"],
                                 documents=documents, bytes_raw=len(raw), bytes_stored=len(stored), sha256_raw=hashlib.sha256(raw).hexdigest(),
                                 sha256_stored=hashlib.sha256(stored).hexdigest(), **more))
        print(f"{name}: {documents} documents, {len(raw):,} -> {len(stored):,} bytes", flush=True)


def jsonl(rows):
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()


def held_out(author, title):
    return int(hashlib.sha256(f"{author}/{title}".encode()).hexdigest()[:8], 16) % 50 == 0


def shingles(text, n=12):
    w = re.findall(r"[a-z]+", text.lower())
    return {hash(tuple(w[i:i + n])) for i in range(len(w) - n + 1)}


def statistics(docs):
    """Figures for the quality report."""
    lines = [l for d in docs for l in d["text"].split("\n")]
    words = [w for l in lines for w in WORD.findall(l)]
    types = collections.Counter(w.lower() for w in words)
    sentences = [x for l in lines for x in re.split(r"(?<=[.!?])[\"']*\s+(?=[\"'A-Z])", l) if re.search("[a-z]", x)]
    odd = [l for l in lines if NOISE.search(l)]
    return dict(documents=len(docs), lines=len(lines), characters=sum(map(len, lines)) + len(lines), words=len(words), word_types=len(types),
                types_once=sum(n == 1 for n in types.values()), share_of_top_5000_types=round(sum(n for _, n in types.most_common(5000)) / len(words), 4),
                mean_sentence_words=round(len(words) / max(1, len(sentences)), 2), noisy_lines=len(odd), share_noisy_lines=round(len(odd) / max(1, len(lines)), 5),
                lines_with_unbalanced_double_quotes=sum(l.count('"') % 2 for l in lines))


NOISE = re.compile(r"[{}|~^<>=#\\_*@]|[\u0080-\u009f\ufffd]|\b(?!\d+(?:st|nd|rd|th|d|s|hrs?|m|h|lbs?|min|secs?|per|ths|ndly|ft|in|deg|o|[AaBb])\b)(?!L\d)(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]{3,}\b|"
                   r"\b[a-z]{2,}[A-Z][a-z]|,,|;;| [,;:!?](?:\s|$)|\b(?:tbe|tlie|tiie|wbich|witb|bave|liave|liim|bis own|aud the|arid the|ofthe|inthe|tothe)\b")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in SOURCES:
        p.add_argument("--" + name)
    p.add_argument("--out", required=True)
    args = p.parse_args()
    out, stats, report = Output(args.out), collections.Counter(), {}

    def repository(name):
        r = Repository(getattr(args, name))
        if r.commit() != SOURCES[name]["version"]:
            print(f"note: {name} is at {r.commit()}, this script was written for {SOURCES[name]['version']}", file=sys.stderr)
            SOURCES[name]["version"] = r.commit()
        return r

    table = []
    if args.books:
        r = repository("books")
        found = books(r, stats)
        test = shingles(" ".join(characters(r.text(TEST_TEXT)).split()))
        everything = [d for _, _, ds in found for d in ds]
        polish(everything, stats)
        everything = [d for d in everything if len(d["text"]) >= 150]
        splits = {"train": [d for d in everything if not held_out(d["author"], d["book"])], "heldout": [d for d in everything if held_out(d["author"], d["book"])]}
        for split, docs in splits.items():
            out.write(f"books/{split}.jsonl", jsonl(docs), "books", len(docs), split=split)
            report["books " + split] = statistics(docs)
        train, held = (shingles("\n".join(d["text"] for d in splits[x])) for x in ("train", "heldout"))
        report["books overlap"] = dict(shingle_words=12, heldout_shingles=len(held), heldout_also_in_train=len(held & train), test_text_shingles=len(test),
                                       test_text_also_in_train=len(test & train), test_text_also_in_heldout=len(test & held))
        size = collections.Counter()
        for author, title, _ in found:
            mine = [d for d in everything if d["book"] == title and d["author"] == author]
            row = dict(author=author, book=title, documents=len(mine), characters=sum(len(d["text"]) for d in mine), split="heldout" if held_out(author, title) else "train")
            if mine and "year_of_death" in mine[0]:
                row["year_of_death"] = mine[0]["year_of_death"]
            if title in TRANSLATORS:
                row["translation"], row["basis"] = TRANSLATORS[title]
            table.append(row)
            size[author] += row["characters"]
        report["author share"] = {a: round(n / sum(size.values()), 4) for a, n in size.most_common()}
    if args.web:
        docs = bible(args.web, stats)
        out.write("web/bible.jsonl", jsonl(docs), "web", len(docs))
        report["web"] = statistics(docs)
    if args.wordnet:
        for name, rows in wordnet(args.wordnet, stats).items():
            out.write(f"wordnet/{name}.txt", ("\n".join(rows) + "\n").encode(), "wordnet", len(rows))
            report["wordnet " + name] = dict(lines=len(rows), with_example=sum('"' in r for r in rows))
        licence = os.path.join(args.wordnet, "LICENSE")
        if os.path.exists(licence):
            open(os.path.join(args.out, "wordnet", "WORDNET-LICENSE.txt"), "w").write("\n".join(l.rstrip() for l in open(licence, encoding="utf-8")) + "\n")
    if args.corpora:
        lists = wordlists(repository("corpora"), stats)
        raw = ("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False, separators=(',', ':'))}" for k, v in sorted(lists.items())) + "\n}\n").encode()
        out.write("wordlists.json", raw, "corpora", len(lists), compress="")
    if args.gsm8k:
        r = repository("gsm8k")
        for split in ("train", "test"):
            rows = gsm8k(r, split)
            out.write(f"problems/gsm8k_{split}.jsonl", jsonl(rows), "gsm8k", len(rows), "zst", split=split)
        open(os.path.join(args.out, "problems", "GSM8K-LICENSE.txt"), "w").write(r.text("LICENSE"))
    if args.svamp:
        r = repository("svamp")
        rows = svamp(r)
        out.write("problems/svamp.jsonl", jsonl(rows), "svamp", len(rows), "zst", split="test")
        open(os.path.join(args.out, "problems", "SVAMP-LICENSE.txt"), "w").write(r.text("LICENSE"))
    manifest = dict(made_by="make/prepare.py", files=out.entries, total_bytes_raw=sum(e["bytes_raw"] for e in out.entries),
                    total_bytes_stored=sum(e["bytes_stored"] for e in out.entries), cleaning=dict(sorted(stats.items())), statistics=report, books=table)
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    text = re.sub(r"\{\n\s+(\"author\"[^{}]*?)\n\s+\}", lambda m: "{" + re.sub(r"\n\s+", " ", m.group(1)) + "}", text)
    open(os.path.join(args.out, "MANIFEST.json"), "w").write(text + "\n")


if __name__ == "__main__":
    main()
