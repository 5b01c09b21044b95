"""Which files of a corpus hold the same performance, so that each is in it once.

Candidates come from an index of short sequences of notes with their inter-onset times and are then compared note by
note; what counts as the same says `signatures`. Works and pianists are not known here, and files are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING

from crescendai_assets.symbolic.signatures import Overlap, Signature, same_performance, sequences, signature

if TYPE_CHECKING:
    from crescendai_assets.symbolic.signatures import Times

__all__ = ["Duplicate", "Overlap", "Signature", "find_duplicates", "overlapping_pairs", "same_performance", "signature"]

_OF_SEQUENCES = 0.1
"""Share of the shorter file's sequences that make a pair worth comparing."""

_AT_ONCE = 1 << 24
"""Sequences in memory, 8 bytes each; a larger corpus is gone through several times."""

_NEIGHBOURS = 16
"""Files further apart in a list of all that have a sequence are not paired; of many copies all hang together anyway."""


@dataclass(frozen=True)
class Duplicate:
    """A file to leave out.

    Attributes:
        kept: The file that stands for it.
        left_out: The file.
        through: The file it was compared with: `kept`, or one that is itself a duplicate of it, step by step.
        overlap: What `left_out` (the first) and `through` (the second) have in common.
    """

    kept: str
    left_out: str
    through: str
    overlap: Overlap


def overlapping_pairs(signatures: Mapping[str, Signature]) -> list[tuple[str, str, Overlap]]:
    """Which two files hold the same performance, in whole or in part, and what they have in common.

    Of more than `_NEIGHBOURS` copies not every two are told, but all hang together through others.

    Args:
        signatures: By id.

    Returns:
        (first, second, overlap), ids in order within a pair and from pair to pair.
    """
    ids = sorted(signatures)
    found = ((ids[i], ids[j]) for i, j in _candidates([signatures[i] for i in ids]))
    return [
        (one, other, overlap)
        for one, other in found
        if (overlap := same_performance(signatures[one], signatures[other]))
    ]


def find_duplicates(
    signatures: Mapping[str, Signature],
    *,
    sources: Mapping[str, str] | None = None,
    preference: Sequence[str] = (),
) -> list[Duplicate]:
    """Which files of a corpus to leave out, so that no performance is in it twice.

    Files that are the same performance, directly or through others, form a group; the one with the most notes is kept,
    of equals the one whose source is named first in `preference`, then the first by id. The result depends on nothing
    else, nor on the order of the files.

    Args:
        signatures: By id.
        sources: The source of each id.
        preference: Sources, the preferred first; those not named come last.

    Returns:
        One for each file to leave out, by id.
    """
    near: dict[str, dict[str, Overlap]] = {}
    for a, b, overlap in overlapping_pairs(signatures):
        near.setdefault(a, {})[b] = overlap
        near.setdefault(b, {})[a] = _turned(overlap)
    places = {source: place for place, source in enumerate(preference)}

    def rank(one: str) -> tuple[int, int, str]:
        return -len(signatures[one]), places.get((sources or {}).get(one, ""), len(places)), one

    left_out: dict[str, Duplicate] = {}
    for kept in sorted(near, key=rank):
        if kept not in left_out:
            left_out |= {d.left_out: d for d in starmap(Duplicate, _group(kept, near))}
    return [left_out[i] for i in sorted(left_out)]


def _group(kept: str, near: Mapping[str, Mapping[str, Overlap]]) -> Iterator[tuple[str, str, str, Overlap]]:
    """(kept, left out, through, overlap) of all that hang together with a file, the nearest first."""
    seen, waiting = {kept}, [kept]
    for through in waiting:
        for other in sorted(near[through]):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
                yield kept, other, through, near[other][through]


def _turned(overlap: Overlap) -> Overlap:
    return Overlap(overlap.seconds, overlap.notes, 0.0 - overlap.offset, overlap.of_second, overlap.of_first)


def _candidates(files: Sequence[Signature]) -> list[tuple[int, int]]:
    """Pairs of files, by place, that have enough sequences in common to be compared; in order."""
    import numpy as np

    rounds = -(-sum(map(len, files)) // _AT_ONCE)
    if not rounds:
        return []
    met = [_common(files, part, rounds) for part in range(rounds)]
    pairs, place = np.unique(np.concatenate([pairs for pairs, _, _ in met]), return_inverse=True)
    counts = np.bincount(place, weights=np.concatenate([counts for _, counts, _ in met]), minlength=len(pairs))
    held = np.sum([held for _, _, held in met], axis=0)
    first, second = pairs // len(files), pairs % len(files)
    enough = counts >= _OF_SEQUENCES * np.minimum(held[first], held[second])
    return list(zip(first[enough].tolist(), second[enough].tolist(), strict=True))


def _common(files: Sequence[Signature], part: int, rounds: int) -> tuple[Times, Times, Times]:
    """What files have in common, of one part of all sequences.

    Returns:
        Pairs of files, as first x files + second, how many sequences each has in common, and how many each file has,
        shape (files,). A sequence that a file has twice counts once.
    """
    import numpy as np

    bits = np.uint64(max(len(files) - 1, 1).bit_length())
    kept = []
    for place, one in enumerate(files):
        mixed = sequences(one)
        mixed = np.unique(mixed[mixed % np.uint64(rounds) == part] if rounds > 1 else mixed)
        kept.append(mixed >> bits << bits | np.uint64(place))  # sorted, files with one sequence stand side by side
    held = np.array([len(one) for one in kept])
    keys = np.concatenate(kept)
    del kept
    keys.sort()
    meets = np.zeros(len(keys) + 1, bool)  # whether it is the same sequence as the one before
    meets[1:-1] = keys[1:] >> bits == keys[:-1] >> bits
    keys = keys[meets[1:] | meets[:-1]]
    sequence, file = keys >> bits, (keys & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    pairs = []
    for step in range(1, _NEIGHBOURS + 1):
        same = np.flatnonzero(sequence[step:] == sequence[:-step])
        pairs.append(file[same] * len(files) + file[same + step])
    found, counts = np.unique(np.concatenate(pairs), return_counts=True)
    return found, counts, held
