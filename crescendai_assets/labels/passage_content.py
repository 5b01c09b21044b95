"""What the MIDI of segments holds, whatever their names say: who shares a take, and whose music is another passage's.

Files are read once, in guarded processes. Which passages go together for it decides `passage_groups`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crescendai_assets.labels.names import SegmentName, inner_passages
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.duplicates import overlapping_pairs
from crescendai_assets.symbolic.likeness import Shingles, holds, shingles
from crescendai_assets.symbolic.midi import map_files, read_midi
from crescendai_assets.symbolic.signatures import ALIKE, Overlap, Signature, signature


@dataclass(frozen=True)
class MidiContent:
    """What was found in the MIDI of segments.

    Attributes:
        read: Segments whose MIDI was read.
        unreadable: Segments whose MIDI could not be, and why.
        pairs: Two segments that hold the same performance, in whole or in part, and what they have in common.
        as_named: Whether a segment holds the music of its passage's other performances; none where there is no other.
    """

    read: frozenset[str] = frozenset()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    pairs: Sequence[tuple[str, str, Overlap]] = ()
    as_named: Mapping[str, bool] = field(default_factory=dict)

    def same_take(self) -> dict[str, list[str]]:
        """Of each segment that was read, those that hold its performance, or a part of it, or more."""
        found: dict[str, list[str]] = {key: [] for key in self.read}
        for one, other, _ in self.pairs:
            found[one].append(other)
            found[other].append(one)
        return {key: sorted(others) for key, others in found.items()}


def read_content(names: Sequence[SegmentName], midi: Mapping[str, Path], *, workers: int = 2) -> MidiContent:
    """Read the MIDI of segments and compare it.

    Args:
        names: All segments.
        midi: Their files, by segment; some may have none.
        workers: Guarded processes.
    """
    segment_of = {midi[name.key]: name.key for name in names if name.key in midi}
    unreadable: dict[str, str] = {}
    takes: dict[str, Signature] = {}
    music: dict[str, Shingles] = {}
    for path, found in map_files(_take_and_music, sorted(segment_of), workers=workers):
        if isinstance(found, RecordingError):
            unreadable[segment_of[path]] = str(found)
        else:
            takes[segment_of[path]], music[segment_of[path]] = found
    return MidiContent(
        read=frozenset(takes),
        unreadable=dict(sorted(unreadable.items())),
        pairs=overlapping_pairs(takes),
        as_named=dict(_as_named(names, music)),
    )


def held_passages(names: Sequence[SegmentName], content: MidiContent) -> dict[str, list[str]]:
    """The passages inside each passage, as pianists' takes show; by number as long as no take speaks against it.

    A machine plays a repeat as it plays its model: that its take holds another tells nothing of the place.

    Args:
        names: All segments.
        content: What was found in their MIDI; of nothing read, the rule of numbers stands (`names.inner_passages`).
    """
    passages = {name.passage for name in names}
    played_by: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if name.key in content.read and not name.is_machine:
            played_by[name.passage].add(name.performer)
    found: dict[str, set[str]] = defaultdict(set)
    for around, inside in _within(names, content):
        found[around.passage].add(inside.passage)
    held: dict[str, list[str]] = {}
    for name in names:
        if (passage := name.passage) not in held:
            by_number = set(inner_passages(name, passages))
            compared = {inner for inner in by_number if played_by[passage] & played_by[inner]}
            contradicted = found[passage] - by_number or compared - found[passage]
            held[passage] = sorted(found[passage] if contradicted else by_number)
    return held


def _within(names: Sequence[SegmentName], content: MidiContent) -> Iterator[tuple[SegmentName, SegmentName]]:
    """Pairs of a pianist's longer and shorter segment of a piece where the first holds the take of the second."""
    pianists = {name.key: name for name in names if not name.is_machine}
    for one, other, overlap in content.pairs:
        if one not in pianists or other not in pianists:
            continue
        (inside, share), (around, _) = sorted(
            [(pianists[one], overlap.of_first), (pianists[other], overlap.of_second)], key=lambda end: end[0].bars
        )
        same = (inside.piece, inside.performer) == (around.piece, around.performer)
        if same and inside.bars < around.bars and share >= ALIKE:
            yield around, inside


def _as_named(names: Sequence[SegmentName], music: Mapping[str, Shingles]) -> Iterator[tuple[str, bool]]:
    import numpy as np

    by_passage: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if len(music.get(name.key, ())):
            by_passage[name.passage].append(name.key)
    for keys in by_passage.values():
        for key in keys:
            if others := [music[other] for other in keys if other != key]:
                yield key, holds(np.unique(np.concatenate(others)), music[key])


def _take_and_music(path: Path) -> tuple[Signature, Shingles]:
    """What tells a file's performance and its music, for `map_files`."""
    read = read_midi(path)
    return signature(read), shingles(read)
