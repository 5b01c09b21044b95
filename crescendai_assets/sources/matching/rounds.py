"""The round that a title names: what anybody calls a round, what the edition's rules add, and a wrong letter.

Not here: the performer's name, which is masked before (`names`), and the piece (`piece`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.matching.answers import Unmatched
from crescendai_assets.sources.matching.piece import CLAUSE, FILLER, SEPARATOR, WORK, parts
from crescendai_assets.sources.matching.words import (
    LETTERS_PER_SLIP,
    PHRASE_GAP,
    Word,
    Words,
    did_you_mean,
    folded_words,
    inside,
    misspelt,
    occurrences,
    texts,
    word_runs,
    words_of,
)
from crescendai_assets.sources.work_facts import ORDINALS, ROMAN

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
ROUND_WORDS = frozenset(word for phrase in _COMMON for word in phrase)


def round_phrases(rounds: Sequence[str], spellings: Mapping[str, Sequence[str]]) -> dict[Words, str | None]:
    """All phrases for rounds: with the round, None where the edition has no such one, "" where it is no round."""
    for name in spellings:
        if name not in rounds:
            raise SetupError(f"rounds: {name!r} is not one of {', '.join(rounds)}.{did_you_mean(name, rounds)}")
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for name in rounds:
        by_kind[_COMMON.get(folded_words(name), "")].append(name)
    found: dict[Words, str | None] = dict.fromkeys(_NO_ROUND, "")
    for phrase, kind in _COMMON.items():
        mine = by_kind.get(kind, [])
        if len(mine) < 2:  # beside both "stage1" and "round1" only the rules can tell what "1st" means
            found[phrase] = mine[0] if mine else None
    own: dict[Words, str] = {}
    for name in rounds:
        for spelling in (name, *spellings.get(name, ())):
            phrase = folded_words(spelling)
            if phrase and own.setdefault(phrase, name) != name:
                raise SetupError(f"rounds: {spelling!r} stands for both {own[phrase]!r} and {name!r}. Keep one.")
    return {**found, **own}


def find_round(
    text: str, phrases: Mapping[Words, str | None], default: str
) -> tuple[str, list[tuple[int, int]]] | Unmatched:
    """The one round that a title names, and where; the default if it names none; or why there is no such one."""
    words = words_of(text)
    runs = [run for run in occurrences(text, words, phrases) if phrases[texts(words[run[0] : run[1]])] != ""]
    doubtful = [run for run in runs if _of_a_work(text, words, run)]
    meant = {run: phrases[texts(words[run[0] : run[1]])] for run in runs if run not in doubtful}
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


def _of_a_work(text: str, words: Sequence[Word], run: tuple[int, int]) -> bool:
    """Whether a bare "final" may be a movement: "Prélude, aria et final" (Franck); not in a place of its own."""
    if texts(words[run[0] : run[1]]) != ("final",):
        return False
    at = words[run[0]].start
    segment = next(part for part in parts(text, SEPARATOR) if part[0] <= at < part[1])
    clause = next(part for part in parts(text, CLAUSE) if part[0] <= at < part[1])
    beside = set(texts(words_of(text[slice(*clause)]))) - FILLER - {"final"}
    return bool(beside) and bool(WORK.search(" ".join(texts(words_of(text[slice(*segment)])))))


def _misspelt_rounds(
    text: str, words: Sequence[Word], phrases: Mapping[Words, str | None]
) -> dict[tuple[int, int], str | None]:
    """Phrases with one wrong letter ("firs stage"): few and all known, so a word of five letters will do.

    A phrase of one word needs as many letters as a name does, or "Finale" were a final.
    """
    from rapidfuzz.distance import OSA

    found: dict[tuple[int, int], set[str | None]] = defaultdict(set)
    for start, end in word_runs(text, words, PHRASE_GAP, max(map(len, phrases), default=0)):
        for phrase, name in phrases.items():
            pair = misspelt(texts(words[start:end]), phrase) if len(phrase) == end - start else None
            shortest = 5 if end - start > 1 else LETTERS_PER_SLIP
            if name == "" or pair is None or not pair[1].isalpha() or len(pair[1]) < shortest:
                continue
            if pair[0] not in ROUND_WORDS and OSA.distance(*pair) == 1:
                found[start, end].add(name)
    longest = [run for run in found if not any(run != other and inside(run, other) for other in found)]
    return {run: next(iter(found[run])) for run in longest if len(found[run]) == 1}
