"""Notes as a parser gives them, made playable: a key cannot go down while it is down, nor up in the same tick."""

from __future__ import annotations

from typing import NamedTuple

from crescendai_assets.symbolic.performance import Ints, Mended


class Playable(NamedTuple):
    """What is left of the notes.

    Attributes:
        kept: Which of the notes given, at least one, shape (N,), in the order of (pitch, onset).
        end: Ticks, shape (N,).
        velocity: Shape (N,).
        mended: What was left out or changed.
    """

    kept: Ints
    end: Ints
    velocity: Ints
    mended: Mended


def playable(onset: Ints, duration: Ints, pitch: Ints, velocity: Ints) -> Playable:
    """Leave out doubled notes, cut a note where its own key goes down again, give those of no length a tick.

    Works in ticks, where "the same instant" is exact; all arguments of shape (M,).
    """
    import numpy as np

    # a key's notes together, the longest of one instant first
    index = np.lexsort((-duration, onset, pitch))
    same_key = pitch[index][1:] == pitch[index][:-1]
    first = np.ones(len(index), bool)
    first[1:] = ~(same_key & (onset[index][1:] == onset[index][:-1]))
    loudest = np.maximum.reduceat(velocity[index], np.flatnonzero(first))
    kept = index[first]
    end = onset[kept] + np.maximum(duration[kept], 1)
    same_key = pitch[kept][1:] == pitch[kept][:-1]
    overlapping = np.flatnonzero(same_key & (end[:-1] > onset[kept][1:]))
    end[overlapping] = onset[kept][overlapping + 1]
    mended = Mended(
        zero_length=int(np.count_nonzero(duration[kept] == 0)),
        doubled=len(index) - len(kept),
        overlapping=len(overlapping),
    )
    return Playable(kept, end, loudest, mended)
