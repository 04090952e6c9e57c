"""Plain characters, spacing and quotation marks."""
import html
import re
import unicodedata

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
