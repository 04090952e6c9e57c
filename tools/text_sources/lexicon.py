"""WordNet, the Bible in modern English, and word lists."""
import collections
import json
import os
import re
import struct
import zlib

from text_sources.books import SLURS
from text_sources.characters import LETTERS, characters, spacing

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
