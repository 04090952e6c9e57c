"""Numbers in words, and headings."""
import re

from text_sources.characters import spacing

UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth".split()
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50}
WORDS = {w: i for i, w in enumerate(UNITS)} | {w: i for i, w in enumerate(ORDINALS)} | TENS | {"last": 99}
for ten, value in list(TENS.items()):
    if ten.endswith("y"):
        WORDS |= {f"{ten}-{w}": value + i for i, w in enumerate(UNITS[:10]) if i} | {f"{ten}-{w}": value + i for i, w in enumerate(ORDINALS[:10]) if i}
ROMAN = re.compile(r"^(?=[IVXLC])(?:XC|XL|L?X{0,4})(?:IX|IV|V?I{0,4})$", re.I)


def number(word):
    w = word.strip(".:,").lower()
    if w.isdigit():
        return int(w)
    if w in WORDS:
        return WORDS[w]
    if ROMAN.match(w) and w:
        total, values = 0, [dict(i=1, v=5, x=10, l=50, c=100)[c] for c in w]
        for a, b in zip(values, values[1:] + [0]):
            total += -a if a < b else a
        return total
    return None


SMALL = set("a an and as at but by for from in into nor of on or the to upon with".split())


def title_case(h):
    letters = [c for c in h if c.isalpha()]
    if not letters or sum(c.isupper() for c in letters) < 0.7 * len(letters):
        return h
    out = []
    for i, w in enumerate(h.split(" ")):
        core = re.sub(r"[^\w]", "", w).lower()
        if ROMAN.match(core) and len(core) > 1 and core not in ("mix", "dim", "did", "mild"):
            out.append(w.upper())
        elif i and core in SMALL and not out[-1].endswith((":", "--", ".")):
            out.append(w.lower())
        else:
            out.append(re.sub(r"(?<![\w'])[a-z]", lambda m: m.group().upper(), w.lower()))
    return re.sub(r"-(In|The|Of|And|A|To)(?=-)", lambda m: m.group().lower(), " ".join(out))


def heading(h):
    """-> (kind, number, title); kind is 'part', 'chapter', 'section' or ''."""
    h = spacing(h)
    h = re.sub(r"^THE (\w+) CHAPTER\b", r"CHAPTER \1", h)
    h = re.sub(r"\s*--\s*", " -- ", h).strip(" -.:")
    m = re.match(r"^(CHAPTER|STAVE|PART|BOOK|VOLUME|SECTION|FIT|LETTER)\s+(?:THE\s+)?(\w+(?:-\w+)?)(?:\s*[.:,]\s*|\s+-{1,2}\s*|\s+|$)(.*)$", h, re.I)
    if m and number(m.group(2)) is not None:
        kind = {"part": "part", "book": "part", "volume": "part", "section": "section"}.get(m.group(1).lower(), "chapter")
        return kind, number(m.group(2)), tidy_title(m.group(3))
    m = re.match(r"^([IVXLC]+|\d{1,3})(?:\s*(?:[.:]|--|-)\s*(.*))?$", h)
    if m and number(m.group(1)) is not None:
        return ("chapter" if m.group(2) else "section"), number(m.group(1)), tidy_title(m.group(2))
    return "", None, tidy_title(h)


def tidy_title(t):
    t = re.sub(r"\s*--\s*", " - ", (t or "")).strip(" -.,:;")
    t = re.sub(r"\s*\(?\bconcluded\)?$|\s*\(continued\)$", "", t, flags=re.I)
    return title_case(t)
