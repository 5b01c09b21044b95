"""A title as words: where each stands, which stand together, and phrases found among them.

Here is also what listed names and rounds share when they are misspelt. Not here: what any word means (`names`,
`rounds`, `piece`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from crescendai_assets.sources.performers import performer_id

LETTERS_PER_SLIP = 8
"""A misspelt word of a name has at least so many letters for each that it lost or won; an exchanged one counts twice.

In a short word one letter makes another person (Marina, Maria; Qi Xu, Zi Xu), and an exchanged one does in a longer
word too (Jinhyung, Junhyung): "Inhyung Park" is Jinhyung Park, "Junhyung Park" is nobody known.
"""

Words = tuple[str, ...]
"""Words folded as `performer_id` folds them, so that case and accents count here as little as in the lake's ids."""

MASK = "\x1f"
"""Stands for each character of a title that has been read; it parts like a dash, and places stay the same."""

_WORD = re.compile(r"(?:[^\W_][\u0300-\u036f]*(?:['’](?=[^\W_]))?)+")
PHRASE_GAP = re.compile(r"[\s.'’‐‑-]*")
ASIDE = re.compile(r"[(\[\"“]([^()\[\]\"“”]*)[)\]\"”]")
_ANYTHING = re.compile(r".*", re.DOTALL)


@dataclass(frozen=True)
class Word:
    """A word of a title: folded, and where it stands."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=10_000)
def _fold(word: str) -> str:
    return performer_id(word)


def words_of(text: str) -> list[Word]:
    """The words of a title, which must be composed (NFC)."""
    return [Word(_fold(found[0]), found.start(), found.end()) for found in _WORD.finditer(text)]


def folded_words(text: str) -> Words:
    """The words of any text, folded."""
    return texts(words_of(unicodedata.normalize("NFC", text)))


def texts(words: Iterable[Word]) -> Words:
    """Words without their places."""
    return tuple(word.text for word in words)


def masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A title in which what has been read is masked."""
    for start, end in spans:
        text = text[:start] + MASK * (end - start) + text[end:]
    return text


def word_runs(text: str, words: Sequence[Word], gap: re.Pattern[str], longest: int) -> Iterator[tuple[int, int]]:
    """Every run of up to `longest` words between which nothing but `gap` stands, as first and behind the last."""
    joined = [bool(gap.fullmatch(text, one.end, two.start)) for one, two in pairwise(words)]
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest, len(words)) + 1):
            if end - start > 1 and not joined[end - 2]:
                break
            yield start, end


def occurrences(
    text: str, words: Sequence[Word], phrases: Mapping[Words, object], *, any_gap: bool = False
) -> list[tuple[int, int]]:
    """Find phrases as runs of words; one inside a longer one ("final" in "semi-final") does not count."""
    longest = max(map(len, phrases), default=0)
    runs = word_runs(text, words, _ANYTHING if any_gap else PHRASE_GAP, longest)
    found = [(start, end) for start, end in runs if texts(words[start:end]) in phrases]
    return [run for run in found if not any(run != other and inside(run, other) for other in found)]


def inside(run: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a stretch lies within another, or is the same."""
    return other[0] <= run[0] and run[1] <= other[1]


def misspelt(written: Words, listed: Words) -> tuple[str, str] | None:
    """The one word by which two runs of words differ, in whatever order; None if they differ otherwise."""
    extra, missing = Counter(written) - Counter(listed), Counter(listed) - Counter(written)
    if extra.total() != 1 or missing.total() != 1:
        return None
    return next(iter(extra)), next(iter(missing))


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """A question that names the nearest known name, or nothing when none is near."""
    from rapidfuzz import process

    near = process.extractOne(name, names, score_cutoff=60)
    return f" Did you mean {near[0]!r}?" if near else ""
