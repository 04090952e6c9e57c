"""Books: paragraphs, chapters and documents."""
import collections
import math
import re

from text_sources.characters import LETTERS, characters, double_quotes, spacing
from text_sources.headings import ROMAN, heading, tidy_title
from text_sources.sources import BOOKS, CAPTIONS, GARBLED, GLOSSED, HARD_WRAPPED, NEVER

DROP_HEADING = re.compile(r"^(?:table of )?contents\b|^footnotes?\b|^index$|^notes?$|^(?:author's |translator's |publisher'?s? )?preface|^preface|^appendix|^(?:list of )?illustrations|"
                          r"^dedication|^glossary|^transcriber|^advertisement|^bibliograph|^errata|^the publisher to the reader|^a letter from captain gulliver|^acknowledg|"
                          r"^introductory note|^editor'?s? note|^list of|^foreword|^to the reader|^\W*$|^original$|^author's note|^proverbial expressions", re.I)
DROP = re.compile(r"gutenberg|transcriber'?s? note|\bISBN\b|www\.|https?:|\be-?text\b|all rights reserved|^\W*the end\W*$|^\W*finis\W*$|^\W*end of (?:the )?(?:book|part|vol|project|first|second)|"
                  r"^[\W_]*translat(?:ed|ion) by|^[\W_]*\w* ?translation by|^[\W_]*edited by|^[\W_]*english version by|^[\W_]*illustrated by|^[\W_]*by (?:[A-Z][\w.]* ){1,3}[A-Z][\w.]*[\W_]*$|"
                  r"^[\W_]*published \d{4}[\W_]*$|"
                  r"^\[?(?:illustration|footnote)\b|^\[[^\]]*\]$|^_?_?\[", re.I)
SLURS = re.compile(r"\bnigger\w*|\bnigg(?:ah|uh)s?\b|\bdark(?:e?y|ies|eys)\b|\bpickaninn\w+|\bka?ff?irs?\b|\bchinam[ae]n\b|\bjaps?\b|\bsheen(?:y|ies)\b|"
                   r"\bkikes?\b|\bdagoe?s?\b|\bgreasers?\b", re.I)


def first_words(p, case):
    """'THE little old town' -> 'The little old town' (printed small capitals at the start of a chapter)."""
    m = re.match(r"^(\W*)((?:[A-Z][A-Z'.,-]*[A-Z][,.]?|I|A|O)(?:\s+(?:[A-Z][A-Z'-]*[A-Z][,.]?|I|A))*)(?=[\s,.;:!?'\"-])", p)
    if not m or not re.search(r"[A-Z]{2}", m.group(2)):
        return p
    words = m.group(2).split(" ")
    if sum(c.isupper() for c in p) > 0.5 * sum(c.isalpha() for c in p) and len(p) > 40 and len(words) > 12:
        return p
    out = []
    for i, w in enumerate(words):
        low = w.lower()
        core = re.sub(r"[^a-z]", "", low)
        name = case[core.capitalize()] >= case[core]
        if low == "i" or (ROMAN.match(core) and len(core) > 1 and core not in ("i", "did", "mix", "mild", "dim", "mill", "vivid")):
            out.append(w)
        else:
            out.append(low[:1].upper() + low[1:] if i == 0 or name else low)
    return m.group(1) + " ".join(out) + p[m.end():]


def paragraphs(block, wrapped, garbled, stats):
    """One markdown paragraph -> list of output lines (one for prose, one per line for verse)."""
    raw = block.strip("\n")
    if not raw.strip():
        return []
    if DROP.search(raw.strip()) and len(raw) < 1500:
        stats["dropped: notes, credits, licence"] += 1
        return []
    if re.fullmatch(r"[\s*_\-=.#|+~<>]+", raw) or raw.lstrip().startswith(("|", "!")) or re.search(r"\.{6,}", raw):
        return []
    if re.match(r"\s*(?:\[\^?\w{1,3}\]|\(\d{1,2}\)|\*) ?\S", raw) and re.match(r"\s*\[", raw):
        stats["dropped: footnotes"] += 1
        return []
    lines = [l for l in (x.strip() for x in raw.split("\n")) if l and " | " not in l and "|--|" not in l]
    if not lines or garbled and len(lines) > 2 and not all(l[:1].isupper() for l in lines):
        return []
    if re.match(r"\*(?! )[^*]+$", lines[0]) and len(lines) == 1:                                     # '*Footnote without a closing star'
        stats["dropped: footnotes"] += 1
        return []
    longest = max(map(len, lines))
    verse = len(lines) > 1 and longest <= 70 and sum(l.lstrip("\"'_*(")[:1].isupper() for l in lines) >= 0.75 * len(lines)
    if wrapped:
        verse = verse and len(lines) > 2
    elif len(lines) > 1 and longest <= 60:
        verse = True
    out = [spacing(x) for x in (lines if verse else [" ".join(lines)])]
    return [x for x in out if x and re.search(r"[A-Za-z]", x)]


def synopsis(line):
    """'A storm--We are wrecked--Peterkin speaks' at the head of a chapter."""
    parts = re.split(r"\.?--", line)
    return (len(parts) >= 3 and len(line) < 900 and ('"' not in line or line.count(".--") > 1) and max(map(len, parts)) < 120
            and sum(x.strip()[:1].isupper() for x in parts) >= 0.7 * len(parts))


def usable(line):
    return not LETTERS.search(line) and sum(c.isascii() for c in line) >= 0.95 * len(line)


def split_long(lines, limit=48000):
    size = sum(len(l) + 1 for l in lines)
    if size <= limit:
        return [lines]
    n = math.ceil(size / 32000)
    parts, now, used = [], [], 0
    for l in lines:
        now.append(l)
        used += len(l) + 1
        if used >= size * (len(parts) + 1) / n and len(parts) < n - 1:
            parts.append(now)
            now = []
    return parts + ([now] if now else [])


def book_documents(title, author, died, text, stats):
    text = characters(text)
    head, sep, body = text.partition("\n-------")
    if sep and len(head) < 2000:
        text = body.lstrip("-")
    if title in GLOSSED:
        text = re.sub(r"\s?\[[^\]]{1,120}\]", "", text)
    if title == GARBLED:
        text = re.sub(r"(?m)^>.*$", "", text)
    text = re.sub(r"(?m)^> ?", "", text)
    if title == "Irish Fairy Tales":                            # accents typed as apostrophes
        text = re.sub(r"\b((?:Da|Cona|Mananna|Manana|Sceo|Oisi|Rona|Caevo|Bro|Heo|Oco)|(?:Shi|Tibraide|Ri|Cairide|Life|Crede|Eire|Aine|Dare|Ande)(?=' [a-z]|'[,.;]))'",
                      lambda m: m.group(1)[:-1] + m.group(1)[-1].translate(str.maketrans("aeiou", "áéíóú")), text)
    text = re.sub(r"\[\*? ?Footnote:?[^\]]*\]", "", text)
    blocks = []
    for block in re.split(r"\n[ \t]*\n", text):
        for piece in re.split(r"(?m)^(?=\s{0,3}#{1,6}[ \t])", block):
            m = re.match(r"\s{0,3}(#{1,6})[ \t]+(.*?)\s*(?:\n|$)", piece)
            if m:
                h, rest = m.group(2), piece[m.end():]
                if rest.strip() and not re.search(r"[a-z]{3}", rest) and len(rest) < 200:   # heading that runs over two lines
                    h, rest = h + " " + rest.strip(), ""
                blocks.append((len(m.group(1)), h))
                piece = rest
            if piece.strip():
                blocks.append((0, piece))
    words = re.findall(r"(?<=[a-z,;] )[A-Za-z]+", text)
    case = collections.Counter(words)
    speech_single = len(re.findall(r"(?:^|[\s(-])'(?=[A-Z])", text)) > 1.5 * len(re.findall(r"(?:^|[\s(-])\"(?=[A-Z])", text))
    stats["books with British quotes turned"] += speech_single

    levels = collections.Counter(l for l, h in blocks if l and heading(h)[0] == "chapter")
    main = levels.most_common(1)[0][0] if levels else max([l for l, _ in blocks if l] or [2])
    plain = [l for l, h in blocks if l and heading(h)[0] == "" and heading(h)[2]]
    levels_titles = min(plain) if plain and not levels else 0
    docs, part, story, chapter, lines, skip, last_heading, last_number = [], "", "", "", [], False, None, -1

    def flush():
        nonlocal lines
        if lines:
            docs.append((chapter, lines))
        lines = []

    for level, b in blocks:
        if not level:
            last_heading = None
            if skip:
                continue
            if not lines and last_number is not None and chapter.endswith("Chapter %d" % last_number) and re.fullmatch(r"\s*[_*][^_*]{8,200}[_*]\s*", b) and b.count("--") < 2:
                chapter, last_number = tidy_title(spacing(b)), -1   # the chapter's title, printed as its first line
                continue
            new = paragraphs(b, title in HARD_WRAPPED, title == GARBLED, stats)
            if not lines and len(new) == 1 and (title == "Gulliver's Travels" and not re.search(r"\b(?:I|my|me|our)\b", new[0]) or synopsis(new[0]) or re.fullmatch(r"\s*[_*\[][^_*]{150,}[_*\]]\s*", b)):
                stats["dropped: chapter summaries"] += 1
                continue
            if speech_single:
                new = [double_quotes(x) for x in new]
            for x in new:
                if SLURS.search(x):
                    stats["dropped: paragraphs with slurs"] += 1
                elif not usable(x):
                    stats["dropped: foreign script or odd characters"] += 1
                elif re.fullmatch(r"(?:chapter|part|book) [\w.]+", x, re.I):
                    pass
                else:
                    lines.append(x)
            continue
        kind, n, name = heading(b)
        if kind == "" and title in CAPTIONS and name[:1] in CAPTIONS[title]:
            continue
        if (DROP_HEADING.match(name) and kind == "") or (kind == "chapter" and re.match(r"preface|contents", name, re.I)):
            flush()
            skip = True
            continue
        if last_heading and kind == "" and name and not lines:    # "Chapter 1" then its title on a line of its own
            last_kind, last_n, last_name = last_heading
            if last_kind == "chapter" and not last_name:
                chapter, last_heading = name, (last_kind, last_n, name)
                continue
            if last_kind == "part" and not last_name:
                part = f"{part}: {name}" if part else name
                chapter = part
                continue
        name = re.sub(r"^[IVX]+ \(Cont\.?\)$", "", name, flags=re.I)
        if kind == "" and name in ("", title) or re.fullmatch(r"\(?cont(?:inued|\.)?\)?", name, re.I):
            continue
        if kind == "section" and (level > main or levels_titles and level > levels_titles) and (chapter or lines):
            continue                                              # numbered break inside a chapter or story
        if story and re.match(re.escape(story) + r" - [IVX]+$", name, re.I):
            continue
        if kind == "" and level >= main + 2:
            continue                                              # small heading inside a chapter
        flush()
        skip = False
        last_heading, last_number = (kind, n, name), n
        if kind == "part":
            part, story = (f"Part {n}: {name}" if name else f"Part {n}"), ""
            chapter = name or part
        elif kind in ("chapter", "section"):
            if name:
                chapter = name
            else:
                chapter = ", ".join(x for x in (story or part, f"Chapter {n}") if x)
        else:
            chapter = name
            story = name if level <= (main if levels else levels_titles) else story
    flush()

    merged = []
    for name, ls in docs:
        size = sum(map(len, ls)) + len(ls)
        if size < 250 and not (author == "Aesop"):
            stats["dropped: stubs below 250 characters"] += 1
            continue
        merged.append((name or title, ls))
    out = []
    for name, ls in merged:
        ls[0] = first_words(ls[0], case)
        pieces = split_long(ls)
        for i, piece in enumerate(pieces):
            label = name if len(pieces) == 1 else f"{name} (part {i + 1} of {len(pieces)})"
            d = dict(book=title, author=author)
            if died:
                d["year_of_death"] = died
            d |= dict(chapter=label, text="\n".join(piece))
            out.append(d)
    return out


WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


def polish(documents, stats):
    """Second pass with the vocabulary of all books: words broken or glued by the source, lines in other tongues or cipher."""
    seen = collections.Counter(w for d in documents for w in WORD.findall(d["text"]))
    known = {w.lower() for w, n in seen.items() if n >= 4}

    def rejoin(m):
        a, b = m.group(1), m.group(2)
        if b in ("and", "or", "to", "than"):
            return m.group()
        stats["mended: words broken at a line's end"] += 1
        return a + b if (a + b).lower() in known else a + "-" + b

    def unglue(m):
        a, b = m.group(1), m.group(2)
        if seen[a + b] > 3 or a.lower() not in known or b.lower() not in known or a in ("Mc", "Mac", "De", "Mont", "La"):
            return m.group()
        stats["mended: words glued together"] += 1
        return a + " " + b

    for d in documents:
        lines = []
        for l in d["text"].split("\n"):
            l = re.sub(r"\b([A-Za-z]+)- ([a-z]+)\b", rejoin, l)
            l = re.sub(r"\b([A-Za-z]?[a-z]+)([A-Z][a-z]+)\b", unglue, l)
            words = [w.lower() for w in WORD.findall(l)]
            good = sum(w in known for w in words)
            if len(words) >= 3 and good < 0.5 * len(words):
                stats["dropped: other tongue or cipher"] += 1
                continue
            lines.append(l)
        d["text"] = "\n".join(lines)
    return [d for d in documents if len(d["text"]) >= 150]


def books(repository, stats):
    have = [f for f in repository.files() if f.endswith(".md") and "/" in f]
    result = []
    for row in BOOKS.strip().splitlines():
        folder, died, titles = row.split("|")
        wanted = sorted(f for f in have if f.split("/")[0] == folder) if titles == "*" else [f"{folder}/{t}.md" for t in titles.split(";")]
        for name in wanted:
            match = name if name in have else name[:-3] + " .md"
            key = name[:-3].strip()
            if key in NEVER:
                continue
            title = key.split("/", 1)[1].strip()
            docs = book_documents(title, folder, int(died) if died else None, repository.text(match), stats)
            result.append((folder, title, docs))
    return result
