"""Which performer, round and piece a recording's title names, by the results and rules of one edition.

Only titles are looked at; what cannot be told for sure is left unmatched with the reason, never guessed. `Matcher`
reads a title in three steps: the performer's name, then the round in what is left, then the piece in what is left
of that. Not here: fetching results and titles, and which work a piece is (`works`).

What counts as naming a performer, the surest first; a surer reading of the same words wins:

- All words of the name stand together, in any order; case, accents, hyphens, dots and spaces do not count.
- Initials stand for given names: all of them, and nobody else fits.
- One long word of the name has lost or won a letter, and nobody else's name is nearly as close.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, permutations

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.performers import performer_id
from crescendai_assets.sources.work_facts import GENRES, ORDINALS, ROMAN

LETTERS_PER_SLIP = 8
"""A misspelt word of a name has at least so many letters for each that it lost or won; an exchanged one counts twice.

In a short word one letter makes another person (Marina, Maria; Qi Xu, Zi Xu), and an exchanged one does in a longer
word too (Jinhyung, Junhyung): "Inhyung Park" is Jinhyung Park, "Junhyung Park" is nobody known.
"""

MARGIN = 2
"""A misspelt name is taken only if every other performer's takes more than so many changes more."""

_MOST_PERMUTED = 5
"""Names of more words are looked for as listed and with the last word first: 6 words have 720 orders."""

Words = tuple[str, ...]
"""Words folded as `performer_id` folds them, so that case and accents count here as little as in the lake's ids."""


@dataclass(frozen=True)
class MatchRules:
    """What an edition's file says about titles.

    Attributes:
        rounds: Round -> spellings of it in titles ("first stage", "stage I"); its own name counts always.
        aliases: Performer, as in the results -> other spellings of the name in titles.
        exclude: Titles that hold one of these words or phrases are no performances (interviews, announcements).
        default_round: Round of titles that name none, for a playlist of one round; empty: such titles stay unmatched.
        boilerplate: Phrases that are no part of a piece, such as what titles call the competition ("2022 Cliburn").
    """

    rounds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    default_round: str = ""
    boilerplate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Match:
    """What a title names.

    Attributes:
        performer: As in the results.
        round: As in the edition's rounds.
        piece: What is left of the title, tidied; empty when it names none.
    """

    performer: str
    round: str
    piece: str


@dataclass(frozen=True)
class Unmatched:
    """A title that names no performance for sure, and why.

    Attributes:
        reason: A phrase that is the same for all titles of the kind, then often a colon and the candidates.
    """

    reason: str


@dataclass(frozen=True)
class Excluded:
    """A title that is no performance, by the rules' `exclude`, and by which of them."""

    reason: str


def match(
    title: str, performers: Sequence[str], rounds: Sequence[str], rules: MatchRules
) -> Match | Unmatched | Excluded:
    """Read one title; for many of one edition keep a `Matcher`, which takes the same arguments."""
    return Matcher(performers, rounds, rules).match(title)


class Matcher:
    """Reads the titles of one edition."""

    def __init__(self, performers: Sequence[str], rounds: Sequence[str], rules: MatchRules) -> None:
        """Prepare the names and the spellings of the rounds.

        Args:
            performers: Names as in the results: given names first, or "Surname, Given"; a nickname in brackets.
            rounds: The edition's rounds.
            rules: What its file says about titles.

        Raises:
            SetupError: The rules name a performer or round that the edition has not, or one spelling for two rounds.
        """
        self._names = _Names(performers, _by_listed_name(rules.aliases, performers))
        self._phrases = _round_phrases(rounds, rules.rounds)
        if rules.default_round and rules.default_round not in rounds:
            raise SetupError(f"default_round {rules.default_round!r} is not one of {', '.join(rounds)}.")
        self._default = rules.default_round
        self._exclude = {_folded(phrase): phrase for phrase in rules.exclude}
        self._boilerplate = {_folded(phrase): "" for phrase in rules.boilerplate}

    def match(self, title: str) -> Match | Unmatched | Excluded:
        """Read a title.

        Args:
            title: As the site has it.

        Returns:
            The performance it names; or why it names none for sure; or the rule that says it is none.
        """
        text = " ".join(unicodedata.normalize("NFC", title).replace(_MASK, " ").split())
        words = _words(text)
        for start, end in _occurrences(text, words, self._exclude, any_gap=True):
            return Excluded(f"holds {self._exclude[_texts(words[start:end])]!r}")
        named = self._names.find(text, words)
        if isinstance(named, Unmatched):
            return named
        performer, spans = named
        text = _masked(text, spans)
        found = _find_round(text, self._phrases, self._default)
        if isinstance(found, Unmatched):
            return found
        round_name, round_spans = found
        return Match(performer, round_name, _piece(text, round_spans, self._boilerplate))


# ---------------------------------------------------------------- words


_MASK = "\x1f"
"""Stands for each character of a title that has been read; it parts like a dash, and places stay the same."""

_WORD = re.compile(r"(?:[^\W_][\u0300-\u036f]*(?:['’](?=[^\W_]))?)+")
_NAME_GAP = re.compile(r"[\s.,'’‘\"“”()\[\]]*|\.?[-‐‑–]")
_PHRASE_GAP = re.compile(r"[\s.'’‐‑-]*")
_ASIDE = re.compile(r"[(\[\"“]([^()\[\]\"“”]*)[)\]\"”]")


@dataclass(frozen=True)
class _Word:
    """A word of a title: folded, and where it stands."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=10_000)
def _fold(word: str) -> str:
    return performer_id(word)


def _words(text: str) -> list[_Word]:
    return [_Word(_fold(found[0]), found.start(), found.end()) for found in _WORD.finditer(text)]


def _folded(text: str) -> Words:
    return _texts(_words(unicodedata.normalize("NFC", text)))


def _texts(words: Iterable[_Word]) -> Words:
    return tuple(word.text for word in words)


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + _MASK * (end - start) + text[end:]
    return text


def _runs(text: str, words: Sequence[_Word], gap: re.Pattern[str], longest: int) -> Iterator[tuple[int, int]]:
    """Every run of up to `longest` words between which nothing but `gap` stands, as first and behind the last."""
    joined = [bool(gap.fullmatch(text, one.end, two.start)) for one, two in pairwise(words)]
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest, len(words)) + 1):
            if end - start > 1 and not joined[end - 2]:
                break
            yield start, end


_ANYTHING = re.compile(r".*", re.DOTALL)


def _occurrences(
    text: str, words: Sequence[_Word], phrases: Mapping[Words, object], *, any_gap: bool = False
) -> list[tuple[int, int]]:
    """Find phrases as runs of words; one inside a longer one ("final" in "semi-final") does not count."""
    longest = max(map(len, phrases), default=0)
    runs = _runs(text, words, _ANYTHING if any_gap else _PHRASE_GAP, longest)
    found = [(start, end) for start, end in runs if _texts(words[start:end]) in phrases]
    return [run for run in found if not any(run != other and _inside(run, other) for other in found)]


def _inside(run: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] <= run[0] and run[1] <= other[1]


def _misspelt(written: Words, listed: Words) -> tuple[str, str] | None:
    """The one word by which two runs of words differ, in whatever order; None if they differ otherwise."""
    extra, missing = Counter(written) - Counter(listed), Counter(listed) - Counter(written)
    if extra.total() != 1 or missing.total() != 1:
        return None
    return next(iter(extra)), next(iter(missing))


# ---------------------------------------------------------------- performers


_EXACT, _INITIALS, _PARTLY, _MISSPELT = range(4)


@dataclass(frozen=True)
class _Mention:
    """A run of a title's words that names somebody: whom it may mean, and how sure that is (the lower the surer)."""

    performers: frozenset[str]
    run: tuple[int, int]
    kind: int


class _Names:
    """The names of an edition's performers, and where a title holds one."""

    def __init__(self, performers: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> None:
        spelled: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
        self._readings: list[tuple[Words, str]] = []
        for performer in dict.fromkeys(performers):
            for reading in sorted({r for name in (performer, *aliases.get(performer, ())) for r in _readings(name)}):
                self._readings.append((reading, performer))
                for order in _orders(reading):
                    spelled["".join(order), len(reading) == 1].add(performer)
        # Joined, so that "Seong Jin", "Seong-Jin" and "Seongjin" are one. A name of several words must be
        # several in the title too: "Yu An" is not in "Yuan Li".
        self._spelled = {key: frozenset(names) for key, names in spelled.items()}
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        for number, (reading, _) in enumerate(self._readings):
            for word in set(reading):
                self._by_word[word].append(number)
        self._longest = 2 + max((len(reading) for reading, _ in self._readings), default=0)

    def find(self, text: str, words: Sequence[_Word]) -> tuple[str, list[tuple[int, int]]] | Unmatched:
        """The one performer a title names, and where; or why there is no such one."""
        mentions = _surest([*self._exact(text, words), *self._initials(text, words), *self._slips(text, words)])
        named = sorted({name for mention in mentions for name in mention.performers})
        if not named:
            near = self._sharing_words(words)
            return Unmatched(f"no whole name: perhaps {', '.join(near)}" if near else "no performer")
        if len(named) > 1:
            return Unmatched(f"several performers: {', '.join(named)}")
        if any(mention.kind == _PARTLY for mention in mentions):
            return Unmatched(f"no whole name: perhaps {named[0]}")
        for start, end in (mention.run for mention in mentions):
            first, last = start - _name_before(text, words, start), end + _name_behind(text, words, end)
            if (first, last) != (start, end):
                longer = text[words[first].start : words[last - 1].end]
                return Unmatched(f"perhaps another's name: {longer!r} for {named[0]}")
        return named[0], [(words[start].start, words[end - 1].end) for start, end in (m.run for m in mentions)]

    def _exact(self, text: str, words: Sequence[_Word]) -> Iterator[_Mention]:
        asides = [found.span() for found in _ASIDE.finditer(text)]
        aside = [any(start < word.start and word.end < end for start, end in asides) for word in words]
        for start, end in _runs(text, words, _NAME_GAP, self._longest):
            names = self._spelled.get(("".join(_texts(words[start:end])), end - start == 1))
            if names is None and any(aside[start:end]) and not aside[start] and not aside[end - 1]:
                plain = [word.text for word, skip in zip(words[start:end], aside[start:end], strict=True) if not skip]
                names = self._spelled.get(("".join(plain), False))  # a nickname that the results do not have
            if names:
                yield _Mention(names, (start, end), _EXACT)

    def _initials(self, text: str, words: Sequence[_Word]) -> Iterator[_Mention]:
        initial = [word.end - word.start == 1 and text[word.start].isupper() for word in words]
        for start, end in _runs(text, words, _NAME_GAP, self._longest):
            short = [words[at].text for at in range(start, end) if initial[at]]
            full = [words[at].text for at in range(start, end) if not initial[at]]
            if not short or initial[end - 1]:
                continue  # only before the surname: the D. of "Kim D. 960" is no initial
            fits: defaultdict[bool, set[str]] = defaultdict(set)
            for number in self._by_word.get(full[0], ()):
                reading, performer = self._readings[number]
                if (whole := _fits_initials(reading, short, full)) is not None:
                    fits[whole].add(performer)
            if fits[True] or fits[False]:
                kind = _INITIALS if fits[True] else _PARTLY
                yield _Mention(frozenset(fits[True] | fits[False]), (start, end), kind)

    def _slips(self, text: str, words: Sequence[_Word]) -> Iterator[_Mention]:
        from rapidfuzz.distance import Indel

        shared = Counter(number for word in set(_texts(words)) for number in self._by_word.get(word, ()))
        likely = [self._readings[number] for number, count in shared.items()
                  if count == len(set(self._readings[number][0])) - 1]  # fmt: skip
        for start, end in _runs(text, words, _NAME_GAP, self._longest) if likely else ():
            run = _texts(words[start:end])
            for reading, performer in likely:
                pair = _misspelt(run, reading) if len(run) == len(reading) else None
                # a word of somebody's name is no misspelling; and the last letter tells Valentin from Valentina
                if pair is None or pair[0] in self._by_word or pair[0][-1] != pair[1][-1]:
                    continue
                wrong = Indel.distance(*pair)
                if wrong * LETTERS_PER_SLIP <= len(pair[1]):
                    yield _Mention(self._near(run, wrong + MARGIN) | {performer}, (start, end), _MISSPELT)

    def _near(self, run: Words, most: int) -> frozenset[str]:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        spelled = {key: key[0] for key in self._spelled}
        near = process.extract("".join(run), spelled, scorer=OSA.distance, score_cutoff=most, limit=None)
        return frozenset(name for _, _, key in near for name in self._spelled[key])

    def _sharing_words(self, words: Sequence[_Word], most: int = 5) -> list[str]:
        shared: Counter[str] = Counter()
        written = set(_texts(words))
        for reading, performer in self._readings:
            shared[performer] = max(shared[performer], len(written.intersection(reading)))
        best = max(shared.values(), default=0)
        near = sorted(performer for performer, count in shared.items() if count == best > 0)
        return near if len(near) <= most else [*near[:most], "…"]


def _by_listed_name(aliases: Mapping[str, Sequence[str]], performers: Sequence[str]) -> dict[str, list[str]]:
    """Bring aliases to the results' spelling, in which case, accents and word order may be other than in the rules."""
    listed: defaultdict[str, list[str]] = defaultdict(list)
    for performer in performers:
        listed[performer_id(performer)].append(performer)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, spellings in aliases.items():
        if performer_id(name) not in listed:
            raise SetupError(f"aliases: {name!r} is not in the results.{_did_you_mean(name, performers)}")
        for performer in [name] if name in performers else listed[performer_id(name)]:
            found[performer].extend(spellings)
    return found


def _did_you_mean(name: str, names: Sequence[str]) -> str:
    from rapidfuzz import process

    near = process.extractOne(name, names, score_cutoff=60)
    return f" Did you mean {near[0]!r}?" if near else ""


def _readings(name: str) -> set[Words]:
    """What a listed name may be in a title, word by word in the listed order; the last word is of the surname.

    "Yike (Tony) Yang" may be Yike Tony Yang, Yike Yang and Tony Yang; "Olga Zado (Zadorozhniuk)" has two surnames.
    A hyphen may join ("Seong-Jin" has one initial or two).
    """
    surname, comma, given = name.partition(",")
    name = f"{given} {surname}" if comma else name
    found = {_folded(name), _folded(re.sub(r"(?<=\w)[-‐‑](?=\w)", "", name))}
    if aside := _ASIDE.search(unicodedata.normalize("NFC", name)):
        before, nickname, behind = map(_folded, (aside.string[: aside.start()], aside[1], aside.string[aside.end() :]))
        found |= {before + behind, nickname + behind if behind else before[:-1] + nickname}
    whole = max(map(len, found))
    return {reading for reading in found if len(reading) > 1 or len(reading) == whole} - {()}


def _orders(words: Words) -> Iterable[Words]:
    return permutations(words) if len(words) <= _MOST_PERMUTED else (words, (words[-1], *words[:-1]))


def _fits_initials(reading: Words, short: Sequence[str], full: Sequence[str]) -> bool | None:
    """Whether initials stand for all given names that a title does not spell out; None if they are others."""
    left = list(reading)
    for word in full:
        if word not in left:
            return None
        left.remove(word)
    if reading[-1] not in full or [word[0] for word in left[: len(short)]] != list(short):
        return None
    return len(left) == len(short)


def _surest(mentions: Sequence[_Mention]) -> list[_Mention]:
    """Drop what overlaps a surer mention or stands inside a longer one; two that cross stay, and are in doubt."""
    kept: list[_Mention] = []
    for mention in sorted(mentions, key=lambda m: (m.kind, m.run[0] - m.run[1])):
        start, end = mention.run
        over = [k for k in kept if k.run[0] < end and start < k.run[1]]
        if not any(k.kind < mention.kind or _inside(mention.run, k.run) for k in over):
            kept.append(mention)
    return kept


_BESIDE = frozenset(
    re.findall(
        r"\w+",
        """mr ms mrs miss pianist piano winner laureate finalist plays performs day live recital
        in by of the at on with and competition concours konkurs international
        bach beethoven brahms busoni chopin clementi couperin czerny debussy dvorak faure franck granados grieg haydn
        handel janacek kapustin ligeti liszt medtner mendelssohn messiaen mozart mussorgsky paderewski prokofiev
        rachmaninoff rachmaninov rameau ravel scarlatti schubert schumann scriabin shostakovich stravinsky
        szymanowski tchaikovsky weber andante allegro bolero gaspard tarantelle""",
    )
)
"""Words with a capital that may stand beside a name without being part of a longer one."""


def _name_before(text: str, words: Sequence[_Word], at: int) -> int:
    return int(at > 0 and _of_a_name(text, words[at - 1], words[at - 1].end, words[at].start))


def _name_behind(text: str, words: Sequence[_Word], at: int) -> int:
    return int(at < len(words) and _of_a_name(text, words[at], words[at - 1].end, words[at].start))


def _of_a_name(text: str, word: _Word, start: int, end: int) -> bool:
    """Whether a word beside a name may belong to it: "Yu An" is not all of "Yu An Li"."""
    if not re.fullmatch(r"[\s.]*|\.?[-‐‑–]", text[start:end]) or not text[word.start].isupper():
        return False
    known = word.text in _BESIDE or word.text in _ROUND_WORDS or word.text in ROMAN or _GENRE.fullmatch(word.text)
    return word.text.isalpha() and not known  # not alphabetic when folded: the name again, in another script


# ---------------------------------------------------------------- rounds


_NOUNS = ("stage", "round", "etap")
_NUMBERS = ("one", "two", "three", "four", "five", "six")
_NAMED = {
    "preliminary": ("preliminary", "preliminaries", "prelims"),
    "quarterfinal": ("quarterfinal", "quarterfinals", "quarter final", "quarter finals"),
    "semifinal": ("semifinal", "semifinals", "semi final", "semi finals"),
    "final": ("final", "finals", "grand final", "grand finals"),
}
_NO_ROUND = tuple(
    ("final", noun) for noun in ("movement", "movements", "version", "edition", "result", "results", "rehearsal")
)


def _common_spellings() -> dict[Words, str]:
    """What anybody calls a round: a phrase for each, and "1" for the first or the name of a kind."""
    found = {(*name.split(), *more): kind for kind, names in _NAMED.items() for name in names
             for more in ((), ("round",), ("stage",), ("rounds",))}  # fmt: skip
    for number, spelled in enumerate(_NUMBERS, 1):
        ordinals = [word for word, value in ORDINALS.items() if value == number]
        roman = next(word for word, value in ROMAN.items() if value == number)
        for noun in _NOUNS:
            before = [*ordinals, roman, *([str(number)] if noun == "etap" else [])]
            behind = [str(number), roman, spelled]
            phrases = [(f"{noun}{number}",), *((word, noun) for word in before), *((noun, word) for word in behind)]
            found.update(dict.fromkeys(phrases, str(number)))
    return found


_COMMON = _common_spellings()
_ROUND_WORDS = frozenset(word for phrase in _COMMON for word in phrase)


def _round_phrases(rounds: Sequence[str], spellings: Mapping[str, Sequence[str]]) -> dict[Words, str | None]:
    """All phrases for rounds: with the round, None where the edition has no such one, "" where it is no round."""
    for name in spellings:
        if name not in rounds:
            raise SetupError(f"rounds: {name!r} is not one of {', '.join(rounds)}.{_did_you_mean(name, rounds)}")
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for name in rounds:
        by_kind[_COMMON.get(_folded(name), "")].append(name)
    found: dict[Words, str | None] = dict.fromkeys(_NO_ROUND, "")
    for phrase, kind in _COMMON.items():
        mine = by_kind.get(kind, [])
        if len(mine) < 2:  # beside both "stage1" and "round1" only the rules can tell what "1st" means
            found[phrase] = mine[0] if mine else None
    own: dict[Words, str] = {}
    for name in rounds:
        for spelling in (name, *spellings.get(name, ())):
            phrase = _folded(spelling)
            if phrase and own.setdefault(phrase, name) != name:
                raise SetupError(f"rounds: {spelling!r} stands for both {own[phrase]!r} and {name!r}. Keep one.")
    return {**found, **own}


def _find_round(
    text: str, phrases: Mapping[Words, str | None], default: str
) -> tuple[str, list[tuple[int, int]]] | Unmatched:
    """The one round that a title names, and where; the default if it names none; or why there is no such one."""
    words = _words(text)
    runs = [run for run in _occurrences(text, words, phrases) if phrases[_texts(words[run[0] : run[1]])] != ""]
    doubtful = [run for run in runs if _of_a_work(text, words, run)]
    meant = {run: phrases[_texts(words[run[0] : run[1]])] for run in runs if run not in doubtful}
    if not meant and not doubtful:
        meant = _misspelt_rounds(text, words, phrases)
    spans = [(words[start].start, words[end - 1].end) for start, end in meant]
    names = sorted({name for name in meant.values() if name})
    if None in meant.values():
        other = next(text[start:end] for (start, end), name in zip(spans, meant.values(), strict=True) if name is None)
        return Unmatched(f"a round that the edition has not: {', '.join([repr(other), *names])}")
    if len(names) > 1:
        return Unmatched(f"several rounds: {', '.join(names)}")
    if names or default:
        return (names[0] if names else default), spans
    return Unmatched("perhaps a round, perhaps of the work: 'final'" if doubtful else "no round")


def _of_a_work(text: str, words: Sequence[_Word], run: tuple[int, int]) -> bool:
    """Whether a bare "final" may be a movement: "Prélude, aria et final" (Franck); not in a place of its own."""
    if _texts(words[run[0] : run[1]]) != ("final",):
        return False
    at = words[run[0]].start
    segment = next(part for part in _parts(text, _SEPARATOR) if part[0] <= at < part[1])
    clause = next(part for part in _parts(text, _CLAUSE) if part[0] <= at < part[1])
    beside = set(_texts(_words(text[slice(*clause)]))) - _FILLER - {"final"}
    return bool(beside) and bool(_WORK.search(" ".join(_texts(_words(text[slice(*segment)])))))


def _misspelt_rounds(
    text: str, words: Sequence[_Word], phrases: Mapping[Words, str | None]
) -> dict[tuple[int, int], str | None]:
    """Phrases with one wrong letter ("firs stage"): few and all known, so a word of five letters will do.

    A phrase of one word needs as many letters as a name does, or "Finale" were a final.
    """
    from rapidfuzz.distance import OSA

    found: dict[tuple[int, int], set[str | None]] = defaultdict(set)
    for start, end in _runs(text, words, _PHRASE_GAP, max(map(len, phrases), default=0)):
        for phrase, name in phrases.items():
            pair = _misspelt(_texts(words[start:end]), phrase) if len(phrase) == end - start else None
            shortest = 5 if end - start > 1 else LETTERS_PER_SLIP
            if name == "" or pair is None or not pair[1].isalpha() or len(pair[1]) < shortest:
                continue
            if pair[0] not in _ROUND_WORDS and OSA.distance(*pair) == 1:
                found[start, end].add(name)
    longest = [run for run in found if not any(run != other and _inside(run, other) for other in found)]
    return {run: next(iter(found[run])) for run in longest if len(found[run]) == 1}


# ---------------------------------------------------------------- the piece


_SEPARATOR = re.compile(rf"\s[-‐‑–]+|[-‐‑–]+\s|[—−|·•:;/\\~{_MASK}()\[\]{{}}]")
_CLAUSE = re.compile(rf"{_SEPARATOR.pattern}|,")
_GENRE = re.compile("|".join(GENRES.values()))
_WORK = re.compile(rf"\b(?:{_GENRE.pattern}|(?:op|opus|nos?|nr|bwv|kv?|d|hob|woo) \w*\d\w*)(?!\w)")
_COMPETITION = frozenset(re.findall(r"\w+", "competition competitions concours konkurs wettbewerb concorso contest"))
_FILLER = _COMPETITION | frozenset(
    re.findall(r"\w+", "the of at in and piano international round stage recital performance full live video hd 4k")
)
_LINK = re.compile(
    r"^(?:plays|performs|playing|performing|by)\b|\b(?:(?:played |performed )?by|at|in|mr|ms|mrs|miss|pianist)\.?$",
    re.IGNORECASE,
)
"""What joined a piece to its performer or round."""
_EDGES = " ,;:|·•/\\~&+-‐‑–—−"


def _parts(text: str, separator: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The stretches between separators."""
    start = 0
    for found in separator.finditer(text):
        yield start, found.start()
        start = found.end()
    yield start, len(text)


def _piece(text: str, round_spans: Sequence[tuple[int, int]], boilerplate: Mapping[Words, object]) -> str:
    """What is left of a title without its performer, its round and what is said of the competition."""
    words = _words(text)
    phrases = [(words[a].start, words[b - 1].end) for a, b in _occurrences(text, words, boilerplate, any_gap=True)]
    rest = _masked(text, [*round_spans, *phrases])
    gone: list[tuple[int, int]] = []
    for start, end in _parts(text, _SEPARATOR):
        bracketed = text[start - 1 : start] in ("(", "[", "{")
        beside = bracketed and any(_inside(span, (start, end)) for span in round_spans)
        beside = beside or (bracketed and not _COMPETITION.isdisjoint(_folded(text[start:end])))
        clauses = [(start + first, start + last) for first, last in _parts(rest[start:end], _CLAUSE)]
        gone += [clause for clause in clauses if _says_no_piece(_folded(rest[slice(*clause)]), beside=beside)]
    return _tidied(_masked(rest, gone))


def _says_no_piece(words: Words, *, beside: bool) -> bool:
    """Whether a clause holds nothing of a piece; `beside`: in one bracket with the round or the competition."""
    if all(word in _FILLER or re.fullmatch(r"(19|20)\d\d", word) for word in words):
        return True
    return (beside or not _COMPETITION.isdisjoint(words)) and not _WORK.search(" ".join(words))


def _tidied(text: str) -> str:
    """Drop what the masked stretches leave behind: empty brackets, lone halves, separators, double spaces."""
    empty = rf"[(\[{{][\s{_MASK}{re.escape(_EDGES)}]*[)\]}}]"
    while (shorter := re.sub(empty, _MASK, text)) != text:
        text = shorter
    stretches = [_LINK.sub("", _balanced(stretch).strip(_EDGES)).strip(_EDGES) for stretch in text.split(_MASK)]
    joined = " – ".join(stretch for stretch in stretches if stretch)
    return " ".join(joined.split())


def _balanced(text: str) -> str:
    """Drop brackets without a partner."""
    open_at: list[int] = []
    lone: set[int] = set()
    for at, char in enumerate(text):
        if char in "([{":
            open_at.append(at)
        elif char in ")]}":
            if open_at and "([{".index(text[open_at[-1]]) == ")]}".index(char):
                open_at.pop()
            else:
                lone.add(at)
    lone.update(open_at)
    return "".join(char for at, char in enumerate(text) if at not in lone)
