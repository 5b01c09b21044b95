"""Whether two files hold the same performance, by the timing of their notes alone.

The same keys at the same times, but for one constant offset, are one performance: re-exported, moved in time, or cut
out of a longer recording. Two performances of a piece are not: no pianist repeats every onset to some milliseconds. One
performance at two speeds (a remastered tape) is not found; a machine's rendering of a score is the same as its copy.

Sequences of notes in common propose the offset, as the landmarks of audio fingerprints do (Wang, ISMIR 2003); then the
notes are compared one by one. Finding the pairs in a corpus, and which file it keeps, is `duplicates`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crescendai_assets.symbolic.performance import Performance

    Hashes: TypeAlias = NDArray[np.uint64]
    Times: TypeAlias = NDArray[np.int64]

PER_SECOND = 10_000
"""Onsets are kept in units of 0.1 ms; coarse files round to ticks of 1 to 5 ms."""

TOLERANCE = 150
"""Two notes are one if they are this close (15 ms): a re-export moves each by up to half a tick."""

ALIKE = 0.9
"""Share of the notes, in each file, that must be one within the overlap. Two pianists reach .70 at most in PercePiano's
passages and .20 in ASAP's pieces; the same performance written in ticks of 10 ms has 1."""

OF_SHORTER = 0.5
"""Share of the shorter file's notes that the overlap must hold: the end of one rendering may be another's beginning."""

FEWEST_NOTES = 24
"""Notes in common below which nothing is said: a scale or a final chord is like another."""

SEQUENCE = 6
"""Notes of a sequence. Fewer are shared by different performances, more are broken by rounding."""

_BIN = 300
"""Inter-onset times fall in bins of 30 ms. With ticks of 1 ms 93 % of a copy's sequences stay, of 5 ms 37 % or more; of
two performances of one piece 7 % at most agree."""

_COMMONPLACE = 16
"""A sequence that a file has more often, a figure repeated all along, says nothing of the place."""


@dataclass(frozen=True, eq=False)
class Signature:
    """What is compared of a performance: 5 bytes a note, 30 kB for 6,000.

    Attributes:
        pitch: MIDI numbers in the order of (onset, pitch), shape (N,), uint8.
        onset: Units of 1/`PER_SECOND` seconds, shape (N,), int32, ascending.
    """

    pitch: NDArray[np.uint8]
    onset: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.pitch)


@dataclass(frozen=True)
class Overlap:
    """What two files have in common.

    Attributes:
        seconds: From the first common note to the last.
        notes: Notes in common.
        offset: Seconds to add to a time in the first file to get the same moment in the second.
        of_first: Share of the first file's notes; near 1, the second contains it.
        of_second: Share of the second file's notes.
    """

    seconds: float
    notes: int
    offset: float
    of_first: float
    of_second: float


def signature(read: Performance) -> Signature:
    """What `same_performance` and `find_duplicates` need of a performance; small, and it pickles."""
    import numpy as np

    onset = np.rint(read.onset * PER_SECOND).astype(np.int32)
    order = np.lexsort((read.pitch, onset))
    return Signature(read.pitch[order].astype(np.uint8), onset[order])


def same_performance(first: Signature, second: Signature) -> Overlap | None:
    """What two files have in common if they hold the same performance, or None.

    The offset is the one that most of the common sequences agree on; at it, `ALIKE` of the notes in the time that both
    cover must be the same key within `TOLERANCE`, on both sides.
    """
    import numpy as np

    offset = _offset(first, second)
    pitch, onset = second.pitch.astype(np.int64), second.onset.astype(np.int64)
    times = first.onset.astype(np.int64)
    matched, apart = _matched(first.pitch.astype(np.int64), times + offset, pitch, onset)
    if not len(matched):
        return None
    offset += int(np.median(apart))
    matched, _ = _matched(first.pitch.astype(np.int64), times + offset, pitch, onset)
    return _judged(times + offset, onset, matched, offset)


def sequences(one: Signature) -> Hashes:
    """A number for every `SEQUENCE` notes in a row: their keys and the times since the first, in bins; shape (N - 5,).

    The number is the same on every machine and in every run.
    """
    import numpy as np

    count = max(len(one) - SEQUENCE + 1, 0)
    mixed = np.zeros(count, np.uint64)
    for place in range(SEQUENCE):
        since = (one.onset[place : place + count] - one.onset[:count]) // _BIN
        mixed ^= since.astype(np.uint64) << np.uint64(8) | one.pitch[place : place + count]
        mixed *= np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbours (Knuth, vol. 3, 6.4)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _offset(first: Signature, second: Signature) -> int:
    """The shift in time that most of the common sequences agree on; where none tells, from first note to first note."""
    import numpy as np

    in_first, in_second = sequences(first), sequences(second)
    order = np.argsort(in_second, kind="stable")
    start = np.searchsorted(in_second, in_first, side="left", sorter=order)
    count = np.searchsorted(in_second, in_first, side="right", sorter=order) - start
    count[count > _COMMONPLACE] = 0
    one = np.repeat(np.arange(len(in_first)), count)
    if not len(one):
        return int(second.onset[0]) - int(first.onset[0])
    step = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    other = order[np.repeat(start, count) + step]
    shifts = np.sort(second.onset[other].astype(np.int64) - first.onset[one])
    agreeing = np.searchsorted(shifts, shifts + 2 * TOLERANCE, side="right") - np.arange(len(shifts))
    best = int(agreeing.argmax())
    return int(np.median(shifts[best : best + agreeing[best]]))


def _matched(pitch: Times, times: Times, other_pitch: Times, other_times: Times) -> tuple[Times, Times]:
    """Pairs of notes that are one, and how much later the second is.

    Args:
        pitch: Keys of the first file, shape (N,).
        times: Onsets of the first file in the second's time, shape (N,).
        other_pitch: Keys of the second file, shape (M,).
        other_times: Onsets of the second file, shape (M,).

    Returns:
        Indices into the first and the second file, shape (K, 2), and differences of time, shape (K,).
    """
    import numpy as np

    far = 1 << 40  # more than any time, so that only the same key is near
    keys, other_keys = pitch * far + times, other_pitch * far + other_times
    order = np.argsort(other_keys, kind="stable")
    ranked = other_keys[order]
    after = np.searchsorted(ranked, keys).clip(max=len(ranked) - 1)
    before = (after - 1).clip(min=0)
    nearest = np.where(np.abs(ranked[before] - keys) <= np.abs(ranked[after] - keys), before, after)
    apart = ranked[nearest] - keys
    close = np.flatnonzero(np.abs(apart) <= TOLERANCE)
    return np.stack([close, order[nearest[close]]], axis=1), apart[close]


def _judged(times: Times, other_times: Times, matched: Times, offset: int) -> Overlap | None:
    """The overlap if the matched notes are nearly all that both have in the time that both cover."""
    import numpy as np

    shared = [len(np.unique(matched[:, side])) for side in (0, 1)]
    start = max(times[0], other_times[0]) - TOLERANCE
    end = min(times[-1], other_times[-1]) + TOLERANCE
    within = [int(np.searchsorted(t, end, side="right") - np.searchsorted(t, start)) for t in (times, other_times)]
    notes = min(shared)
    if notes < FEWEST_NOTES or notes < ALIKE * max(within) or notes < OF_SHORTER * min(len(times), len(other_times)):
        return None
    common = times[matched[:, 0]]
    return Overlap(
        seconds=float(common[-1] - common[0]) / PER_SECOND,
        notes=notes,
        offset=offset / PER_SECOND,
        of_first=shared[0] / len(times),
        of_second=shared[1] / len(other_times),
    )
