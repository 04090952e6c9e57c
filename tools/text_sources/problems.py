"""Word problems."""
import json
import re

from text_sources.characters import characters


def gsm8k(repository, split):
    rows = []
    for line in repository.text(f"grade_school_math/data/{split}.jsonl").splitlines():
        r = json.loads(line)
        final = r["answer"].rsplit("####", 1)[1].strip().replace(",", "")
        rows.append(dict(question=characters(r["question"]).strip(), answer=characters(r["answer"].rsplit("####", 1)[0]).strip(), final=final))
    return rows


def svamp(repository):
    rows = []
    for r in json.loads(repository.text("SVAMP.json")):
        body, question = (re.sub(r"\s+", " ", characters(r[k])).strip() for k in ("Body", "Question"))
        final = float(r["Answer"])
        rows.append(dict(question=body + ("" if body.endswith((".", "?", "!", ",")) else ".") + " " + question, equation=re.sub(r"\s+", " ", r["Equation"].replace(".0", "")).strip(),
                         final=str(int(final)) if final == int(final) else str(final), type=r["Type"]))
    return rows
