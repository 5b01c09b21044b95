"""Notes of a performance gathered into moments: what is played together, as one chord or one note."""

from __future__ import annotations

from dataclasses import dataclass

from crescendai_assets.symbolic.performance import Floats, Ints, Performance

TOGETHER_SECONDS = 0.035
"""Notes that follow each other faster belong to one moment; fast trills go slower, most rolled chords too."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments in the order of time.

    Attributes:
        of_note: Which moment each note belongs to, shape (N,).
        onset: Seconds from the first note to each moment's first note, shape (M,).
        spread: Seconds from its first note to its last, shape (M,).
        size: Notes in it, shape (M,).
        top: Index of its highest note, shape (M,).
        bottom: Index of its lowest note, shape (M,).
    """

    of_note: Ints
    onset: Floats
    spread: Floats
    size: Ints
    top: Ints
    bottom: Ints

    def mean(self, values: Ints | Floats) -> Floats:
        """Mean by moment of a value by note, shape (M,)."""
        import numpy as np

        return np.asarray(np.bincount(self.of_note, values) / self.size)


def moments(read: Performance) -> Moments:
    """Gather a performance's notes: a moment ends where the next note is `TOGETHER_SECONDS` or more away."""
    import numpy as np

    starts = np.concatenate([[True], np.diff(read.onset) >= TOGETHER_SECONDS])
    of_note, first = np.cumsum(starts) - 1, np.flatnonzero(starts)
    last = np.append(first[1:], len(read)) - 1
    by_pitch = np.lexsort((read.pitch, of_note))  # moments stay in place, each from low to high
    return Moments(
        of_note=of_note,
        onset=read.onset[first] - read.onset[0],
        spread=read.onset[last] - read.onset[first],
        size=last - first + 1,
        top=by_pitch[last],
        bottom=by_pitch[first],
    )
