"""What a listed name may be in a title: its readings, the orders of their words, and initials for given names.

Not here: finding it there (`names`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.matching.words import ASIDE, Words, did_you_mean, folded_words
from crescendai_assets.sources.performers import performer_id

_MOST_PERMUTED = 5
"""Names of more words are looked for as listed and with the last word first: 6 words have 720 orders."""


def by_listed_name(aliases: Mapping[str, Sequence[str]], performers: Sequence[str]) -> dict[str, list[str]]:
    """Bring aliases to the results' spelling, in which case, accents and word order may be other than in the rules."""
    listed: defaultdict[str, list[str]] = defaultdict(list)
    for performer in performers:
        listed[performer_id(performer)].append(performer)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, spellings in aliases.items():
        if performer_id(name) not in listed:
            raise SetupError(f"aliases: {name!r} is not in the results.{did_you_mean(name, performers)}")
        for performer in [name] if name in performers else listed[performer_id(name)]:
            found[performer].extend(spellings)
    return found


def readings(name: str) -> set[Words]:
    """What a listed name may be in a title, word by word in the listed order; the last word is of the surname.

    "Yike (Tony) Yang" may be Yike Tony Yang, Yike Yang and Tony Yang; "Olga Zado (Zadorozhniuk)" has two surnames.
    A hyphen may join ("Seong-Jin" has one initial or two).
    """
    surname, comma, given = name.partition(",")
    name = f"{given} {surname}" if comma else name
    found = {folded_words(name), folded_words(re.sub(r"(?<=\w)[-‐‑](?=\w)", "", name))}
    if aside := ASIDE.search(unicodedata.normalize("NFC", name)):
        before, nickname, behind = map(
            folded_words, (aside.string[: aside.start()], aside[1], aside.string[aside.end() :])
        )
        found |= {before + behind, nickname + behind if behind else before[:-1] + nickname}
    whole = max(map(len, found))
    return {reading for reading in found if len(reading) > 1 or len(reading) == whole} - {()}


def orders(words: Words) -> Iterable[Words]:
    """The orders in which a title may have the words of a name."""
    return permutations(words) if len(words) <= _MOST_PERMUTED else (words, (words[-1], *words[:-1]))


def fits_initials(reading: Words, short: Sequence[str], full: Sequence[str]) -> bool | None:
    """Whether initials stand for all given names that a title does not spell out; None if they are others."""
    left = list(reading)
    for word in full:
        if word not in left:
            return None
        left.remove(word)
    if reading[-1] not in full or [word[0] for word in left[: len(short)]] != list(short):
        return None
    return len(left) == len(short)
