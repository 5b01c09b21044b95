"""Which recordings under one title hold the same music, told by their MIDI.

A title may cover several pieces or movements, so recordings that the names of works bring together are compared by
content. What the mapping makes of it is in `contrastive`, the measure itself in `symbolic.likeness`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.likeness import Shingles, containment, same_music, shingles_of_file
from crescendai_assets.symbolic.midi import map_files

_READERS = 2


@dataclass(frozen=True)
class Heard:
    """What the MIDI of recordings tells.

    Attributes:
        shingles: By recording id, none of them empty.
        unusable: Recording id -> what is wrong with its MIDI.
    """

    shingles: Mapping[str, Shingles]
    unusable: Mapping[str, str]


@dataclass(frozen=True)
class Parted:
    """The recordings of one work, parted by what they hold.

    Attributes:
        groups: Id of the group -> its recordings, ascending; groups of one too.
        verified: Recordings whose MIDI holds the same music as another's of their group.
        left_out: Recordings without usable MIDI under a title that covers several pieces: any of them may be meant.
    """

    groups: Mapping[str, list[str]]
    verified: frozenset[str]
    left_out: tuple[str, ...] = ()


def hear(midi: Mapping[str, Path]) -> Heard:
    """Read MIDI files by recording id, in guarded processes."""
    found = dict(map_files(shingles_of_file, sorted(set(midi.values())), workers=_READERS))
    shingles: dict[str, Shingles] = {}
    unusable: dict[str, str] = {}
    for recording_id, path in sorted(midi.items()):
        one = found[path]
        if isinstance(one, RecordingError):
            unusable[recording_id] = str(one)
        elif len(one):
            shingles[recording_id] = one
        else:
            unusable[recording_id] = f"{path}: too few notes to compare"
    return Heard(shingles, unusable)


def part(work: str, recordings: Sequence[str], shingles: Mapping[str, Shingles]) -> Parted:
    """Part a work's recordings by content.

    All stay under the work's plain id, those without MIDI among them, as long as nothing speaks against it. When MIDI
    tells several pieces apart, each is `<work>#<k>`, counted by its lowest recording id, and recordings without MIDI
    are left out: to pair them with any of the pieces, or with each other, would be a guess.

    Args:
        work: Its id.
        recordings: Their ids.
        shingles: By recording id, of those whose MIDI can be used; others are passed over.
    """
    known = {i: shingles[i] for i in recordings if i in shingles}
    pieces = by_content(known)
    if len(pieces) < 2:
        return Parted({work: sorted(recordings)}, frozenset(known if len(known) > 1 else ()))
    return Parted(
        groups={f"{work}#{k}": piece for k, piece in enumerate(pieces, start=1)},
        verified=frozenset(i for piece in pieces if len(piece) > 1 for i in piece),
        left_out=tuple(sorted(set(recordings) - known.keys())),
    )


def work_of(group: str) -> str:
    """The work that a group is of: its id without `#<k>`."""
    return group.partition("#")[0]


def by_content(shingles: Mapping[str, Shingles]) -> list[list[str]]:
    """Part recordings so that within a group any two hold the same music; the likest are joined first.

    A recording of two movements holds the same music as one of either, and they do not: it goes to one of them, so a
    group never pairs what differs (`likeness.groups_of_same_music` would join all three).

    Returns:
        Groups by their lowest id; ids within a group ascending.
    """
    alike = {
        frozenset((a, b)): _resemblance(shingles[a], shingles[b]) if same_music(shingles[a], shingles[b]) else 0.0
        for a, b in itertools.combinations(sorted(shingles), 2)
    }
    groups = [[i] for i in sorted(shingles)]
    while len(groups) > 1:
        likeness, one, two = max(
            (
                (min(alike[frozenset((a, b))] for a in one for b in two), one, two)
                for one, two in itertools.combinations(groups, 2)
            ),
            key=lambda pair: pair[0],  # of equals the first, so that the order decides
        )
        if not likeness:
            break
        groups = sorted([g for g in groups if g is not one and g is not two] + [sorted(one + two)])
    return groups


def unlike(shingles: Mapping[str, Shingles]) -> list[tuple[str, str, float]]:
    """Pairs of recordings that do not hold the same music, with their containment."""
    pairs = itertools.combinations(sorted(shingles), 2)
    return [(a, b, containment(shingles[a], shingles[b])) for a, b in pairs if not same_music(shingles[a], shingles[b])]


def _resemblance(a: Shingles, b: Shingles) -> float:
    """Share of both that is common to both: two whole sonatas are liker than one and its first movement."""
    import numpy as np

    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
