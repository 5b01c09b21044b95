"""What an alignment of notes is compared with: a score played at one tempo, and time warping of two piano rolls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crescendai_assets.evaluation.score_alignment import ScoreMap, on_grid
from crescendai_assets.symbolic.alignment import score_beats
from crescendai_assets.symbolic.performance import Performance

if TYPE_CHECKING:
    from crescendai_assets.symbolic.performance import Floats

FRAMES = 16
"""Of a piano roll, a quarter note of the score and a second of the performance; parangonar's own choice."""

MOST_FRAMES = 4000
"""Longest piano roll; longer music gets coarser frames, as memory grows with the product of both lengths."""


def linear_map(performance: Performance, score: Performance) -> ScoreMap:
    """One tempo throughout, from the first note to the last."""
    import numpy as np

    beats = on_grid(score_beats(score, score.onset))
    return ScoreMap(beats[[0, -1]], np.asarray(performance.onset[[0, -1]]))


def warped_map(performance: Performance, score: Performance) -> ScoreMap:
    """Dynamic time warping of piano rolls: which keys are down, frame by frame, by Euclidean distance.

    Sakoe and Chiba 1978 with equal steps, as parangonar has it and begins its `AutomaticNoteMatcher`. A frame of the
    score, at whose start its onsets stand, gets the middle of the first frame of the performance it is warped to.
    """
    import numpy as np
    from parangonar.dp.dtw import WeightedDynamicTimeWarping  # the plain one is not compiled
    from scipy.spatial.distance import cdist

    beats, ends = score_beats(score, score.onset), score_beats(score, score.end)
    first, start = float(beats[0]), float(performance.onset[0])
    per_beat = _frames(float(ends.max()) - first)
    per_second = _frames(performance.seconds - start)
    written = piano_roll(score.pitch, beats - first, ends - first, per_beat)
    played = piano_roll(performance.pitch, performance.onset - start, performance.end - start, per_second)
    (path,) = WeightedDynamicTimeWarping().from_distance_matrix(cdist(written, played, "euclidean"))
    frames, at = np.unique(path[:, 0], return_index=True)
    return ScoreMap(first + frames / per_beat, start + (path[at, 1] + 0.5) / per_second)


def piano_roll(pitch: Any, start: Floats, end: Floats, frames: float) -> Floats:
    """Which keys are down: 1 or 0, shape (time, 128).

    Args:
        pitch: MIDI numbers, shape (N,).
        start: Of each note, from 0, shape (N,).
        end: Of each note, shape (N,).
        frames: A unit of time.
    """
    import numpy as np

    first = np.floor(start * frames).astype(np.int64)
    last = np.maximum(np.ceil(end * frames).astype(np.int64), first + 1)
    roll = np.zeros((int(last.max()), 128))
    for key, a, b in zip(pitch, first, last, strict=True):
        roll[a:b, key] = 1.0
    return roll


def _frames(length: float) -> float:
    return min(float(FRAMES), MOST_FRAMES / max(length, 1e-3))
