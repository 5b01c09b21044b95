"""The performer that a title names.

What counts as naming a performer, the surest first; a surer reading of the same words wins:

- All words of the name stand together, in any order; case, accents, hyphens, dots and spaces do not count.
- Initials stand for given names: all of them, and nobody else fits.
- One long word of the name has lost or won a letter, and nobody else's name is nearly as close.

Not here: how a listed name may be written (`readings`), and whether the words beside it belong to it (`neighbours`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crescendai_assets.sources.matching.answers import Unmatched
from crescendai_assets.sources.matching.neighbours import name_before, name_behind
from crescendai_assets.sources.matching.readings import fits_initials, orders, readings
from crescendai_assets.sources.matching.words import (
    ASIDE,
    LETTERS_PER_SLIP,
    Word,
    Words,
    inside,
    misspelt,
    texts,
    word_runs,
)

MARGIN = 2
"""A misspelt name is taken only if every other performer's takes more than so many changes more."""

_NAME_GAP = re.compile(r"[\s.,'’‘\"“”()\[\]]*|\.?[-‐‑–]")
_EXACT, _INITIALS, _PARTLY, _MISSPELT = range(4)


@dataclass(frozen=True)
class _Mention:
    """A run of a title's words that names somebody: whom it may mean, and how sure that is (the lower the surer)."""

    performers: frozenset[str]
    run: tuple[int, int]
    kind: int


class Names:
    """The names of an edition's performers, and where a title holds one."""

    def __init__(self, performers: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> None:
        spelled: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
        self._readings: list[tuple[Words, str]] = []
        for performer in dict.fromkeys(performers):
            for reading in sorted({r for name in (performer, *aliases.get(performer, ())) for r in readings(name)}):
                self._readings.append((reading, performer))
                for order in orders(reading):
                    spelled["".join(order), len(reading) == 1].add(performer)
        # Joined, so that "Seong Jin", "Seong-Jin" and "Seongjin" are one. A name of several words must be
        # several in the title too: "Yu An" is not in "Yuan Li".
        self._spelled = {key: frozenset(names) for key, names in spelled.items()}
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        for number, (reading, _) in enumerate(self._readings):
            for word in set(reading):
                self._by_word[word].append(number)
        self._longest = 2 + max((len(reading) for reading, _ in self._readings), default=0)

    def find(self, text: str, words: Sequence[Word]) -> tuple[str, list[tuple[int, int]]] | Unmatched:
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
            first, last = start - name_before(text, words, start), end + name_behind(text, words, end)
            if (first, last) != (start, end):
                longer = text[words[first].start : words[last - 1].end]
                return Unmatched(f"perhaps another's name: {longer!r} for {named[0]}")
        return named[0], [(words[start].start, words[end - 1].end) for start, end in (m.run for m in mentions)]

    def _exact(self, text: str, words: Sequence[Word]) -> Iterator[_Mention]:
        asides = [found.span() for found in ASIDE.finditer(text)]
        aside = [any(start < word.start and word.end < end for start, end in asides) for word in words]
        for start, end in word_runs(text, words, _NAME_GAP, self._longest):
            names = self._spelled.get(("".join(texts(words[start:end])), end - start == 1))
            if names is None and any(aside[start:end]) and not aside[start] and not aside[end - 1]:
                plain = [word.text for word, skip in zip(words[start:end], aside[start:end], strict=True) if not skip]
                names = self._spelled.get(("".join(plain), False))  # a nickname that the results do not have
            if names:
                yield _Mention(names, (start, end), _EXACT)

    def _initials(self, text: str, words: Sequence[Word]) -> Iterator[_Mention]:
        initial = [word.end - word.start == 1 and text[word.start].isupper() for word in words]
        for start, end in word_runs(text, words, _NAME_GAP, self._longest):
            short = [words[at].text for at in range(start, end) if initial[at]]
            full = [words[at].text for at in range(start, end) if not initial[at]]
            if not short or initial[end - 1]:
                continue  # only before the surname: the D. of "Kim D. 960" is no initial
            fits: defaultdict[bool, set[str]] = defaultdict(set)
            for number in self._by_word.get(full[0], ()):
                reading, performer = self._readings[number]
                if (whole := fits_initials(reading, short, full)) is not None:
                    fits[whole].add(performer)
            if fits[True] or fits[False]:
                kind = _INITIALS if fits[True] else _PARTLY
                yield _Mention(frozenset(fits[True] | fits[False]), (start, end), kind)

    def _slips(self, text: str, words: Sequence[Word]) -> Iterator[_Mention]:
        from rapidfuzz.distance import Indel

        shared = Counter(number for word in set(texts(words)) for number in self._by_word.get(word, ()))
        likely = [self._readings[number] for number, count in shared.items()
                  if count == len(set(self._readings[number][0])) - 1]  # fmt: skip
        for start, end in word_runs(text, words, _NAME_GAP, self._longest) if likely else ():
            run = texts(words[start:end])
            for reading, performer in likely:
                pair = misspelt(run, reading) if len(run) == len(reading) else None
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

    def _sharing_words(self, words: Sequence[Word], most: int = 5) -> list[str]:
        shared: Counter[str] = Counter()
        written = set(texts(words))
        for reading, performer in self._readings:
            shared[performer] = max(shared[performer], len(written.intersection(reading)))
        best = max(shared.values(), default=0)
        near = sorted(performer for performer, count in shared.items() if count == best > 0)
        return near if len(near) <= most else [*near[:most], "…"]


def _surest(mentions: Sequence[_Mention]) -> list[_Mention]:
    """Drop what overlaps a surer mention or stands inside a longer one; two that cross stay, and are in doubt."""
    kept: list[_Mention] = []
    for mention in sorted(mentions, key=lambda m: (m.kind, m.run[0] - m.run[1])):
        start, end = mention.run
        over = [k for k in kept if k.run[0] < end and start < k.run[1]]
        if not any(k.kind < mention.kind or inside(mention.run, k.run) for k in over):
            kept.append(mention)
    return kept
