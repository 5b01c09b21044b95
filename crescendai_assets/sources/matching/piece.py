"""The piece that a title names: what is left of it without the performer, the round and the competition, tidied.

Here is also how a title is parted into stretches and clauses, and what in them speaks of a work. Not here: which work
the piece is (`sources.works`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from crescendai_assets.sources.matching.words import MASK, Words, folded_words, inside, masked, occurrences, words_of
from crescendai_assets.sources.work_facts import GENRES

SEPARATOR = re.compile(rf"\s[-‐‑–]+|[-‐‑–]+\s|[—−|·•:;/\\~{MASK}()\[\]{{}}]")
CLAUSE = re.compile(rf"{SEPARATOR.pattern}|,")
GENRE = re.compile("|".join(GENRES.values()))
WORK = re.compile(rf"\b(?:{GENRE.pattern}|(?:op|opus|nos?|nr|bwv|kv?|d|hob|woo) \w*\d\w*)(?!\w)")
_COMPETITION = frozenset(re.findall(r"\w+", "competition competitions concours konkurs wettbewerb concorso contest"))
FILLER = _COMPETITION | frozenset(
    re.findall(r"\w+", "the of at in and piano international round stage recital performance full live video hd 4k")
)
_LINK = re.compile(
    r"^(?:plays|performs|playing|performing|by)\b|\b(?:(?:played |performed )?by|at|in|mr|ms|mrs|miss|pianist)\.?$",
    re.IGNORECASE,
)
"""What joined a piece to its performer or round."""
_EDGES = " ,;:|·•/\\~&+-‐‑–—−"


def parts(text: str, separator: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The stretches between separators."""
    start = 0
    for found in separator.finditer(text):
        yield start, found.start()
        start = found.end()
    yield start, len(text)


def piece(text: str, round_spans: Sequence[tuple[int, int]], boilerplate: Mapping[Words, object]) -> str:
    """What is left of a title without its performer, its round and what is said of the competition."""
    words = words_of(text)
    phrases = [(words[a].start, words[b - 1].end) for a, b in occurrences(text, words, boilerplate, any_gap=True)]
    rest = masked(text, [*round_spans, *phrases])
    gone: list[tuple[int, int]] = []
    for start, end in parts(text, SEPARATOR):
        bracketed = text[start - 1 : start] in ("(", "[", "{")
        beside = bracketed and any(inside(span, (start, end)) for span in round_spans)
        beside = beside or (bracketed and not _COMPETITION.isdisjoint(folded_words(text[start:end])))
        clauses = [(start + first, start + last) for first, last in parts(rest[start:end], CLAUSE)]
        gone += [clause for clause in clauses if _says_no_piece(folded_words(rest[slice(*clause)]), beside=beside)]
    return _tidied(masked(rest, gone))


def _says_no_piece(words: Words, *, beside: bool) -> bool:
    """Whether a clause holds nothing of a piece; `beside`: in one bracket with the round or the competition."""
    if all(word in FILLER or re.fullmatch(r"(19|20)\d\d", word) for word in words):
        return True
    return (beside or not _COMPETITION.isdisjoint(words)) and not WORK.search(" ".join(words))


def _tidied(text: str) -> str:
    """Drop what the masked stretches leave behind: empty brackets, lone halves, separators, double spaces."""
    empty = rf"[(\[{{][\s{MASK}{re.escape(_EDGES)}]*[)\]}}]"
    while (shorter := re.sub(empty, MASK, text)) != text:
        text = shorter
    stretches = [_LINK.sub("", _balanced(stretch).strip(_EDGES)).strip(_EDGES) for stretch in text.split(MASK)]
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
