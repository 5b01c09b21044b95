"""Contexts of notes: a fixed random view of what each note and those around it are like, averaged over a performance.

Summaries look at one thing at a time. Here each note is 13 numbers (how loud, how late, how long, how high, ...), a
context is up to eight notes in a row, and a feature is the cosine of a random direction through it: mean and deviation
over all contexts. Means of such features tell distributions of contexts apart (random Fourier features: Rahimi & Recht,
NIPS 2007; of distributions: Oliva et al., AISTATS 2014). Directions are drawn once from a seed, nothing is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from crescendai_assets.symbolic.note_features_aligned import AlignedNotes
from crescendai_assets.symbolic.note_features_sound import sounding_end
from crescendai_assets.symbolic.performance import Floats, pedal_at
from crescendai_assets.symbolic.summaries import logarithm

PREFIX = "context_"

CHANNELS = 13
"""Numbers a note."""

_LIMIT = 4.0  # numbers beyond are cut
_LOOKED_AT = 6  # numbers that a direction looks at, about


@dataclass(frozen=True)
class View:
    """A set of random directions.

    Attributes:
        notes: Length of a context.
        sharpness: Length of a direction; a higher one tells finer differences apart.
        seed: Of the directions.
        directions: How many.
    """

    notes: int
    sharpness: float
    seed: int
    directions: int = 300


VIEWS = (View(1, 1.5, 0), View(1, 0.8, 1), View(4, 1.5, 2), View(8, 1.5, 3))


def contexts(notes: AlignedNotes) -> dict[str, float]:
    """Mean and deviation of every direction, `context_<view>_<direction>_mean` and `_deviation`."""
    import numpy as np

    told = note_numbers(notes)
    found: dict[str, float] = {}
    for number, view in enumerate(VIEWS):
        directions, phases = _directions(view)
        padded = np.pad(told, ((view.notes // 2, view.notes - 1 - view.notes // 2), (0, 0)), mode="edge")
        rows = np.concatenate([padded[start : start + len(told)] for start in range(view.notes)], axis=1)
        seen = np.cos(rows @ directions + phases)
        for kind, values in (("mean", seen.mean(0)), ("deviation", seen.std(0))):
            found |= {f"{PREFIX}{number}_{place:03d}_{kind}": float(value) for place, value in enumerate(values)}
    return found


def note_numbers(notes: AlignedNotes) -> Floats:
    """What each matched note is like, about -1 to 1 each, in the order of the score, low notes first.

    Velocity, velocity over its beat; tempo over the mean, time to the next moment, the same in beats; duration as
    written, how much longer the pedal makes it, pedal; late in its chord; pitch; melody, bass; the mean tempo.

    Returns:
        Shape (M, `CHANNELS`).
    """
    import numpy as np

    time, beat = np.maximum.accumulate(notes.moment_onset), notes.moment_beat
    period = logarithm(np.diff(time) / np.diff(beat))
    period = np.append(period, period[-1:] if len(period) else 0.0)
    pace = float(np.log(max(time[-1] - time[0], 0.1) / max(np.ptp(beat), 0.5)))
    near = np.abs(notes.beat[:, None] - notes.beat) < 1.01
    held = notes.read.duration[notes.played]
    sounding = sounding_end(notes.read)[notes.played] - notes.onset
    columns = (
        (notes.velocity - 60) / 15,
        (notes.velocity - (near * notes.velocity).sum(1) / near.sum(1)) / 8,
        (period[notes.moment] - pace) / 0.2,
        logarithm(np.append(np.diff(time), 0.5)[notes.moment]) + 1.2,
        logarithm(np.append(np.diff(beat), 1.0)[notes.moment]) + 0.8,
        (logarithm(held) - logarithm(notes.beats) - pace) / 0.6,
        (logarithm(sounding) - logarithm(held)) / 0.8,
        pedal_at(notes.read.sustain, notes.onset + 0.05) / 64 - 1,
        (notes.onset - time[notes.moment]) / 0.02,
        (notes.pitch - 62) / 12,
        notes.highest * 2.0 - 1,
        notes.lowest * 2.0 - 1,
        np.full(len(notes.played), pace),
    )
    order = np.lexsort((notes.pitch, notes.beat))
    return np.asarray(np.clip(np.stack(columns, axis=1), -_LIMIT, _LIMIT)[order])


@cache
def _directions(view: View) -> tuple[Floats, Floats]:
    """Directions, shape (notes * CHANNELS, directions), most of each zero; phases, shape (directions,)."""
    import numpy as np

    chance, size = np.random.default_rng(view.seed), view.notes * CHANNELS
    drawn = chance.normal(size=(size, view.directions))
    drawn = drawn * (chance.random(drawn.shape) < min(1, _LOOKED_AT / size))
    drawn *= view.sharpness / np.maximum(np.linalg.norm(drawn, axis=0), 1e-6)
    return drawn, chance.uniform(0, 2 * np.pi, view.directions)
