"""Which recordings are of the same work, told from the composer and the title alone.

Here: `work_id`, which reads a title as a musician would, and `merges`, the table of what was taken for the
same work. Not here: the facts it looks up, with their reasons (`work_facts`), reading MAESTRO's metadata
(`maestro`), who plays (`performers`), and whether two recordings truly hold the same notes: that is
verified by MIDI content later, and may overrule this page.

What counts as one work:

- A catalogue number with its No. decides, and everything else is decoration. The genre stays in the id for
  the reader: `chopin_etude_op10_no5`. Without a number the normalised words of the title decide.
- A part that the title names is a work of its own: `_mov1`, `_mov1-2`, `_book2`, `_nos2-4-5`. A title that
  names no part stands for the whole, so "(Complete)" and nothing said are the same, and so are four tracks
  that all carry the bare title of one sonata.
- Editions and versions (1913, first edition, with the posthumous variations) are the same work; another
  arranger makes another work.
- A title that does not say what it holds ("Two Sonatas", "Prelude & Fugue", "Etudes from Op. 8") ends in
  `_unspecified` or `_selection`: two of that id are perhaps not the same piece, see `is_vague`.
- Where a title contradicts itself beyond repair it keeps an id that no other title has.

MAESTRO v3's 856 titles become 498 works, 242 with two or more recordings. Known to be left: a key alone
("Sonata in A Min.", "Nocturne in Db") is not resolved to a number; parts named without a number or "from"
("Carnaval, Op. 9: Chopin") count as the whole; tracks of one title by one contestant are not told apart.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from crescendai_assets.lake.text import folded
from crescendai_assets.sources import work_facts as facts

MAX_LENGTH = 120  # leaves room for a suffix within the 255 bytes of a file name

_BARE_GENRE = "hungarian|" + "|".join(f"{g}s?|{facts.PLURALS.get(g, g[:-1] + 'ies')}" for g in facts.GENRES)

_KEY = re.compile(
    r"\b(?:in )*(?P<note>[a-h])[ -]?(?P<sign>sharp|flat|b)?[ -]*(?P<mode>major|minor|maj|min|moll|dur)\b\.?"
    r"|\bin (?P<note2>[a-h])[ -]?(?P<sign2>sharp|flat|b)?(?=\s*(?:$|[,;(/]|[a-z]{1,4}\W{0,2}\d))(?!\W*\d)"
)
_LIST = r"\d{1,3}\b(?:\s*(?:,|-|and|,\s*and)\s*(?:nos?\b\W*)?\d{1,3}\b)*"
_NO = r"\b(?:nos?|nr|number)\W{0,2}(?=\d)"
_MOVEMENTS = re.compile(rf"((?:\b(?:{'|'.join(facts.ORDINALS)})\b\W+(?:and\W+)?)+)(?:mov|mvm?t)\w*")
_ROMANS = re.compile(
    r"(?:[,;:(]|\d|major|minor)\s+(?:((?:[ivx]+\b\.?\s*(?:and|-|,)\s*)+[ivx]+\b)|([ivx]+)\s*(?:\.|\s-))"
)
_PARTS = r"(?:(?:\d|[ivx]+)\b(?:\W{1,3}(?:and )?)?)+"
_ARRANGED = re.compile(
    r"\(?\b(?:arr\.|arrangement|arranged|transcr\.|transcribed)(?: by)? (?!for\b)([a-z][a-z .-]*)\)?"
)
_OPENINGS = "prelude|sinfonia|toccata|fantasia|praeludium|praeambulum"
_NOISE = re.compile(r"in|the|an?|of|from|de|la|les?|l|d|di|du|et|and|und|on|by|for|complete|-+")
_COUNT = re.compile(r"\d{1,2}|two|three|four|five|six|eight|ten|twelve")


def work_id(composer: str, title: str) -> str:
    """Name the work of a recording, the same for every spelling of it.

    Args:
        composer: As published; several, or an arranger, are parted by "/".
        title: As published.

    Returns:
        Lower-case ASCII letters, digits, "_" and "-", safe as a file name, such as `chopin_etude_op10_no5`,
        `beethoven_sonata_op53_mov1`, `schubert_sonata_d960_track2` or, without a number, the words of the
        title. Parts after the piece (`_mov`, `_book`, `_track`) come last.
    """
    text = _fold(title)
    names = [_surname(part) for part in composer.split("/") if _fold(part).strip()] or ["unknown"]
    if arranged := _ARRANGED.search(text):
        names.append(_slug(arranged[1]))
        text = text.replace(arranged[0], " ")
    who, work = _by_name("-".join(names), text)
    work = work or _by_catalogue(names, text) or _by_series(who, text)
    movements = _movements(text)
    if work and _catalogue(work) in facts.SETS.get(who, "").split():
        numbers = _numbers(text) or movements
        movements = ()
        if not re.search(r"_nos?\d", work):
            work += _counted("no", numbers) or _single_by_key(text)
    if (who, work) == ("brahms", "variations_op35"):
        work += _counted("book", _books(text))
    work = work or _by_words(text)
    return _safe(f"{who}_{work}{_counted('mov', movements) or _named_part(who, work, text)}", composer, title)


def is_vague(work: str) -> bool:
    """Tell whether recordings under this id may be of different pieces, their title naming none."""
    return work.endswith(("_selection", "_unspecified"))


@dataclass(frozen=True)
class Merge:
    """A work that gathers several spellings.

    Attributes:
        work_id: The id they share.
        composer: The composer as most recordings spell it.
        spellings: The titles, the most frequent first; "composer: title" where the composer differs too.
        recordings: How many recordings they cover.
    """

    work_id: str
    composer: str
    spellings: tuple[str, ...]
    recordings: int


def merges(pairs: Iterable[tuple[str, str]]) -> list[Merge]:
    """List what was merged with what, for a person to check.

    Args:
        pairs: Composer and title of every recording.

    Returns:
        The works with more than one spelling of (composer, title), most recordings first, then by id.
    """
    works: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for pair, count in Counter(pairs).items():
        works[work_id(*pair)][pair] = count
    found = [_merge(name, spellings) for name, spellings in works.items() if len(spellings) > 1]
    return sorted(found, key=lambda merge: (-merge.recordings, merge.work_id))


def _merge(name: str, spellings: Counter[tuple[str, str]]) -> Merge:
    composers: Counter[str] = Counter()
    for (composer, _), count in spellings.items():
        composers[composer] += count
    main = min(composers, key=lambda composer: (-composers[composer], composer))
    ranked = sorted(spellings, key=lambda pair: (-spellings[pair], pair[0] != main, pair))
    titles = tuple(title if composer == main else f"{composer}: {title}" for composer, title in ranked)
    return Merge(name, main, titles, spellings.total())


# ---------------------------------------------------------------- ways to know a work, the surest first


def _by_name(who: str, text: str) -> tuple[str, str]:
    """Find the title among `facts.NAMES`: the composer, corrected where needed, and the work or nothing."""
    for composers, pattern, work in facts.NAMES:
        if re.fullmatch(composers, who) and re.search(pattern, text):
            owner, colon, rest = work.rpartition(":")
            return (owner if colon else who), rest
    return who, ""


def _by_catalogue(names: Sequence[str], text: str) -> str:
    """Read the catalogue numbers, each with its Nos.; empty where there is none."""
    who = "-".join(names)
    if wtc := _well_tempered(who, text):
        return wtc
    found = _catalogue_numbers(names, text)
    if not found:
        return ""
    genre = _genre(text, plural=not any(found.values()))
    if who == "schubert" and genre == "sonata" and (sonata := _schubert_sonata(found, text)):
        return sonata
    series = _by_series(who, text)
    if len(found) == 1 and _catalogue(series) in found and not (any(found.values()) and "_no" in series):
        return series  # "Sonata No. 16, Op. 31" lacks the No. in the opus; "Op. 35 No. 2" has one too many
    numbers = "".join(f"_{number}{_counted('no', nos)}" for number, nos in found.items())
    if not any(found.values()) and re.search(r"\bselections?\b|\bexcerpts?\b|\bfrom op\b", text):
        numbers += "_selection"
    return (genre + numbers).lstrip("_")


def _by_series(who: str, text: str) -> str:
    """Find the number of "Scherzo No. 3" or "Sonata 3" in `facts.SERIES`."""
    for composer, pattern, members in facts.SERIES:
        if composer == who and re.search(pattern, text):
            count = _numbers(text) or tuple(int(n) for n in re.findall(rf"{pattern} (\d{{1,2}})\b", text))
            if len(count) == 1 and count[0] in members:
                return members[count[0]]
    return ""


def _by_words(text: str) -> str:
    """Join the words that carry meaning; the key only where no number tells pieces apart."""
    key = _key(text)
    bare = _MOVEMENTS.sub(" ", text)
    if (roman := _ROMANS.search(bare)) and roman.start() > 0:
        bare = bare[: roman.start()]  # the tempo behind "I." is decoration
    bare = re.sub(rf"{_NO}(\d+)", r" no\1 ", _KEY.sub(" ", bare))
    for genre, pattern in facts.GENRES.items():
        bare = re.sub(rf"\b(?:{pattern})(?!\w)", partial(_genre_of, genre), bare)
    words = [word for word in re.findall(r"[a-z0-9_-]+", bare) if not _NOISE.fullmatch(word)]
    numbered = any(re.fullmatch(r"no\d+", word) for word in words)
    if key and not numbered:
        words.append(key)
    vague = words and all(_COUNT.fullmatch(word) or re.fullmatch(_BARE_GENRE, word.replace("_", "-")) for word in words)
    return _slug(" ".join(words)) + ("_unspecified" if vague else "")


# ---------------------------------------------------------------- reading a title


def _well_tempered(who: str, text: str) -> str:
    """Number a prelude and fugue of Bach by book and key; enharmonic spellings meet by themselves.

    The books run through the keys chromatically, major before minor: BWV 846 to 869 and 870 to 893. A stated
    number whose key is another is a slip of the sheet and gives way; one whose key fits but whose book does
    not could be either, and gets an id of its own.
    """
    book = next(iter(_books(text)), 0)
    stated = re.search(r"\bbwv\W{0,2}(8[4-9]\d)\b", text)
    number = int(stated[1]) if stated else 0
    key, place = _key_place(text), _numbers(text)
    if who != "bach" or "prelude-and-fugue" not in _genre(text) or book not in (0, 1, 2):
        return ""
    if key is None and len(place) == 1 and 1 <= place[0] <= 24:
        key = place[0] - 1
    true = 822 + 24 * book + key if book and key is not None else number
    if not 846 <= true <= 893:
        return ""
    if number and number != true and (number - 846) % 24 == key:
        return f"prelude-and-fugue_bwv{number}_wtc{book}"
    return f"prelude-and-fugue_bwv{true}"


def _schubert_sonata(found: dict[str, tuple[int, ...]], text: str) -> str:
    """Undo the sheet's counting of Deutsch numbers, see `facts.SCHUBERT_SONATAS`."""
    key, deutsch = _key(text), re.fullmatch(r"d(\d+)", next(iter(found)))
    number = int(deutsch[1]) if deutsch else 0
    if not key or not number or facts.SCHUBERT_SONATAS.get(number) == key:
        return ""
    for track in range(2, facts.MOST_TRACKS + 1):
        if facts.SCHUBERT_SONATAS.get(number - track + 1) == key:
            return f"sonata_d{number - track + 1}_track{track}"
    # no sonata explains it; with the key it cannot be taken for the work that truly has the number
    return f"sonata_d{number}_{key}"


def _catalogue_numbers(names: Sequence[str], text: str) -> dict[str, tuple[int, ...]]:
    """Map each catalogue number to its Nos.: "Op. 8, Nos. 5 and 12" to {"op8": (5, 12)}."""
    own = [letter for name in names for letter in facts.CATALOGUES.get(name, ())]
    letters = "|".join([*own, "opus", "opp?", "bwv", "hwv", "woo", "rv"])
    same = {old: new for name in names for old, new in facts.SAME_NUMBER.get(name, {}).items()}
    found: dict[str, tuple[int, ...]] = {}
    if hoboken := re.search(r"\bhob\W{0,2}([ivx]+)\W{1,3}(\d{1,4})\b", text):
        return {f"hob{facts.ROMAN.get(hoboken[1], hoboken[1])}-{int(hoboken[2])}": ()}
    gap = r"(?:\W*in [a-h][ -]?(?:sharp|flat|b)?[ -]*(?:major|minor)?)?"
    nos_after = rf"(?:\s*/\s*({_LIST})|{gap}\W{{0,3}}{_NO}({_LIST}))?"
    number = rf"(?<![a-z])({letters})\W{{0,3}}(\d{{1,4}}[a-z]?)\b{nos_after}"
    for letter, digits, slash, nos in re.findall(number, text):
        name = f"{facts.SAME_LETTER.get(letter, letter)}{digits.lstrip('0') or '0'}"
        name = same.get(name, name)
        found[name] = tuple(sorted({*found.get(name, ()), *_expand(slash or nos)}))
    for letter in own:  # "Op. 90, D. 899" or "K. 9, L. 413": one work, and the composer's own catalogue names it
        prefix = facts.SAME_LETTER.get(letter, letter)
        mine = {name: nos for name, nos in found.items() if re.fullmatch(rf"{prefix}\d+[a-z]?", name)}
        if mine:
            others = [nos for name, nos in found.items() if name not in mine and nos]
            return {name: nos or (others[0] if others and len(mine) == 1 else ()) for name, nos in mine.items()}
    return found


def _genre(text: str, *, plural: bool = False) -> str:
    for genre, pattern in facts.GENRES.items():
        if match := re.search(rf"\b(?:{pattern})(?!\w)", text):
            return _plural(match[0], genre) if plural else genre
    return ""


def _genre_of(genre: str, match: re.Match[str]) -> str:
    return f" {_plural(match[0], genre).replace('-', '_')} "  # "_", or "prelude-and-fugue" is found again


def _plural(word: str, genre: str) -> str:
    """Keep "Preludes, Op. 23" (the set) from being "Prelude, Op. 23" (one of it, unnamed)."""
    if genre == "variations" or not re.search(r"(s|x|i|en)$", word):
        return genre
    return facts.PLURALS.get(genre) or (f"{genre[:-1]}ies" if genre.endswith("y") else f"{genre}s")


def _key_place(text: str) -> int | None:
    """Place the key in the order of Bach's books: C major 0, C minor 1, C-sharp major 2."""
    match = _KEY.search(text)
    if match is None:
        return None
    note, sign = match["note"] or match["note2"], match["sign"] or match["sign2"]
    pitch = facts.PITCH[note] + {"sharp": 1, "flat": -1, "b": -1}.get(sign or "", 0)
    if note == "b" and not sign and match["mode"] in ("moll", "dur"):
        pitch -= 1  # German B is B-flat; B is H
    return 2 * (pitch % 12) + ((match["mode"] or "").startswith(("min", "moll")))


def _key(text: str) -> str:
    place = _key_place(text)
    if place is None:
        return ""
    return f"{facts.MINOR[place // 2]}-minor" if place % 2 else f"{facts.MAJOR[place // 2]}-major"


def _single_by_key(text: str) -> str:
    """Tell "Polonaise Op. 26 in E-flat Minor", one piece of a set, from the set."""
    key = _key(text)
    return f"_{key}" if key and not _genre(text, plural=True).endswith("s") else ""


def _numbers(text: str) -> tuple[int, ...]:
    match = re.search(rf"{_NO}({_LIST})", text) or re.search(rf"\d\s*/\s*({_LIST})", text)
    return _expand(match[1]) if match else ()


def _books(text: str) -> tuple[int, ...]:
    match = re.search(r"\b(?:wt[ck]|books?|bk|volumes?|vol)\W*(ii|i|\d)\b(?:\W*(?:and\W*)?(ii|\d)\b)?", text)
    return tuple(facts.ROMAN.get(part) or int(part) for part in match.groups() if part) if match else ()


def _movements(text: str) -> tuple[int, ...]:
    """Read "First Movement", "1st mov.", "(2nd & 3rd Movements)", "mov. 2", "I. Allegro", "I. and II."."""
    if match := _MOVEMENTS.search(text):
        return tuple(sorted({facts.ORDINALS[word] for word in re.findall(r"\w+", match[1]) if word in facts.ORDINALS}))
    found = re.search(rf"\b(?:movements?|mov|mvm?t)\W{{1,2}}({_PARTS})", text) or _ROMANS.search(text)
    listed = next(filter(None, found.groups()), "") if found else ""
    parts = [word for word in re.findall(r"\w+", listed) if word in facts.ROMAN or word.isdigit()]
    numbers = [facts.ROMAN.get(word) or int(word) for word in parts]
    if "-" in listed and len(numbers) == 2:
        numbers = [*range(numbers[0], numbers[1] + 1)]
    return tuple(sorted(set(numbers)))


def _named_part(who: str, work: str, text: str) -> str:
    """Read "Prelude from the English Suite No. 2"; Bach's suites open with it, by whatever name."""
    if not _catalogue(work) or re.search(r"_nos?\d|_selection", work):
        return ""
    match = re.search(rf"^([a-z ]+?) from\b|,\s*({_OPENINGS})\s*$", text)
    part = (match[1] or match[2]) if match else ""
    if who == "bach" and re.fullmatch(_OPENINGS, part) and work.startswith(("suite", "partita")):
        return "_mov1"
    return f"_{_slug(part)}" if part else ""


def _expand(text: str) -> tuple[int, ...]:
    """Read "2, 4 and 5" or "13-24"."""
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:\s*-\s*(?:nos?\W*)?(\d+))?", text):
        numbers.update(range(int(first), int(last or first) + 1) if int(last or first) >= int(first) else ())
    return tuple(sorted(numbers))


def _counted(word: str, numbers: Sequence[int]) -> str:
    """Write (5,) as "_no5", (2, 4, 5) as "_nos2-4-5" and a run from 13 to 24 as "_nos13to24"."""
    if not numbers:
        return ""
    run = len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1
    span = f"{numbers[0]}to{numbers[-1]}" if run else "-".join(map(str, numbers))
    return f"_{word}{'s' if len(numbers) > 1 else ''}{span}"


def _catalogue(work: str) -> str:
    """Find the catalogue number in "etude_op10_no5"."""
    match = re.search(r"(?:^|_)((?:op|woo|bwv|hwv|hob|bv|[dklmsz])\d+[a-z]?)(?=_|$)", work)
    return match[1] if match else ""


# ---------------------------------------------------------------- letters


def _fold(text: str) -> str:
    """Reduce to lower-case ASCII: no accents or quotes, one kind of dash, signs of music spelled out."""
    text = re.sub(r"(?<=[a-z]{3})(?=[A-Z])", " ", text)  # "SuiteBergamasque"; not "WoO"
    for sign, spelled in facts.SIGNS:
        text = text.replace(sign, spelled)
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", folded(text)).replace("&", " and ")
    text = re.sub(r"\b([a-g])\s?#", r"\1 sharp ", text)
    text = re.sub(r"#\s?(?=\d)", " no ", text)
    text = re.sub(r"\b([a-h])[ -]*(sharp|flat)\b", r"\1 \2", text)
    text = re.sub(r"\.(?=[a-z])", ". ", text)
    # a letter of another script stays as its code point: dropping it would make strangers alike
    text = "".join(c if c.isascii() else f" u{ord(c):x} " if c.isalnum() else " " for c in text)
    return re.sub(r"\s+", " ", re.sub(r"[\"'`´<>\[\]{}|!?*]", " ", text)).strip()


def _surname(name: str) -> str:
    """Reduce a composer to the surname, with initials where it is a namesake's."""
    last, comma, first = name.partition(",")
    words = re.findall(r"[a-z0-9-]+", _fold(f"{first} {last}" if comma else name).replace(".", " "))
    words = [word for word in words if word not in ("i", "ii", "iii", "jr", "sr")] or ["unknown"]
    initials, surname = "".join(word[0] for word in words[:-1]), words[-1]
    known = facts.NAMESAKES.get(surname, (initials,))
    return _slug(surname if not initials or initials in known else f"{surname}-{initials}")


def _slug(text: str) -> str:
    return re.sub(r"-+", "-", re.sub(r"[^a-z0-9]+", "-", text)).strip("-")


def _safe(name: str, *source: str) -> str:
    """Bound the length and keep the id from being empty or from ending in a mark."""
    name = name.strip("_-")
    short = hashlib.blake2b("\0".join(source).encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    if "_" not in name:
        return f"{name}_untitled-{short}"[-MAX_LENGTH:].lstrip("_-")
    return name if len(name) <= MAX_LENGTH else f"{name[: MAX_LENGTH - 11].rstrip('_-')}-{short}"
