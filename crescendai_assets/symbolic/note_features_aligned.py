"""A performance laid over its score, and the small summaries that all note features are made of.

Which note is which comes from `alignment`; here the matched notes get their place in the bars, their moment (all that
the score writes at one place), and whether they are the melody. What is measured on them is in the other
`note_features_` modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.alignment import Alignment, score_beats
from crescendai_assets.symbolic.performance import Floats, Ints, Performance
from crescendai_assets.symbolic.summaries import deviation, mean, quantiles

LEAST_MATCHED = 0.5
"""Share of the performed notes that the score has to have; below it, it is another piece's."""

SHORTEST_BEATS = 0.02
"""No written note counts as shorter, in quarter notes."""

_NEXT_SECONDS = 0.01  # moments that do not follow by this much are no steps of the tempo


@dataclass(frozen=True, eq=False)
class WrittenNotes:
    """Notes of a score in quarter notes from its start.

    Attributes:
        score: N notes.
        beat: Where each begins, shape (N,); rounded, so that what stands together is equal.
        beats: How long each lasts, shape (N,).
    """

    score: Performance
    beat: Floats
    beats: Floats


@dataclass(frozen=True, eq=False)
class AlignedNotes:
    """Matched notes, M of them, in the order of playing; moments, K of them, in the order of the score.

    Attributes:
        read: The performance.
        written: The score.
        played: Index of each in the performance, shape (M,).
        place: Index of each in the score, shape (M,).
        onset: Seconds, shape (M,).
        velocity: Shape (M,).
        pitch: Shape (M,).
        beat: Written onset in quarter notes, shape (M,).
        beats: Written duration, shape (M,).
        moment: Index into the moments, shape (M,).
        size: Notes of each moment, shape (K,).
        moment_beat: Shape (K,).
        moment_onset: Mean of the onsets, seconds, shape (K,).
        highest: Nothing higher is written to sound where it begins (the melody), shape (M,).
        lowest: The same of the bass.
    """

    read: Performance
    written: WrittenNotes
    played: Ints
    place: Ints
    onset: Floats
    velocity: Floats
    pitch: Ints
    beat: Floats
    beats: Floats
    moment: Ints
    size: Ints
    moment_beat: Floats
    moment_onset: Floats
    highest: Any
    lowest: Any

    def by_moment(self, values: Any) -> Floats:
        """Means of a value by note, shape (K,)."""
        import numpy as np

        return np.asarray(np.bincount(self.moment, values) / self.size)

    def tempo_steps(self) -> tuple[Floats, Floats]:
        """(beats, seconds) of the moments that lead on in time; between them the tempo is known."""
        import numpy as np

        latest = np.maximum.accumulate(self.moment_onset)
        onward = np.concatenate([[True], np.diff(latest) > _NEXT_SECONDS])
        kept = [0]  # each at least a step after the last one kept
        for moment in np.flatnonzero(onward)[1:]:
            if self.moment_onset[moment] > self.moment_onset[kept[-1]] + _NEXT_SECONDS:
                kept.append(int(moment))
        return self.moment_beat[kept], self.moment_onset[kept]


def written_notes(score: Performance) -> WrittenNotes:
    """A score's notes in quarter notes, by its tempo map."""
    import numpy as np

    beat = np.round(score_beats(score, score.onset), 4)
    return WrittenNotes(score, beat, np.maximum(score_beats(score, score.end) - beat, SHORTEST_BEATS))


def aligned_notes(read: Performance, score: Performance, alignment: Alignment) -> AlignedNotes:
    """Lay a performance over its score.

    Raises:
        RecordingError: Less than `LEAST_MATCHED` of the performed notes are in the score.
    """
    import numpy as np

    played, place = alignment.matched.T
    if len(played) < max(2, LEAST_MATCHED * len(read)):
        raise RecordingError(
            f"only {len(played)} of {len(read)} notes are in the score; it is of another passage: give the right one"
        )
    written = written_notes(score)
    beat, beats, pitch = written.beat[place], written.beats[place], read.pitch[played]
    moment_beat, moment = np.unique(beat, return_inverse=True)
    size, onset = np.bincount(moment), read.onset[played]
    # [j, i]: note j is written to sound where i begins
    sounding = (beat[:, None] <= beat + 1e-4) & ((beat + beats)[:, None] > beat + 1e-3)
    return AlignedNotes(
        read=read,
        written=written,
        played=played,
        place=place,
        onset=onset,
        velocity=read.velocity[played].astype(np.float64),
        pitch=pitch,
        beat=beat,
        beats=beats,
        moment=moment,
        size=size,
        moment_beat=moment_beat,
        moment_onset=np.asarray(np.bincount(moment, onset) / size),
        highest=~(sounding & (pitch[:, None] > pitch)).any(0),
        lowest=~(sounding & (pitch[:, None] < pitch)).any(0),
    )


def summary(values: Any, name: str, percents: Sequence[int] = (10, 50, 90)) -> dict[str, float]:
    """Mean, deviation and percentiles; 0 of nothing."""
    return {
        f"{name}_mean": mean(values),
        f"{name}_deviation": deviation(values),
        **quantiles(values, name, percents),
    }


def course(values: Floats, name: str) -> dict[str, float]:
    """How a curve of equal steps goes: its line, its arch, its range, beginning and end against the middle, unrest."""
    import numpy as np

    fifth, middle = max(1, len(values) // 5), float(np.median(values)) if len(values) else 0.0
    low, high = np.percentile(values, (5, 95)) if len(values) else (0.0, 0.0)
    return {
        f"{name}_slope": slope(values),
        f"{name}_arch": _arch(values),
        f"{name}_range": float(high - low),
        f"{name}_end": mean(values[-fifth:]) - middle,
        f"{name}_begin": mean(values[:fifth]) - middle,
        f"{name}_moves": mean(np.abs(np.diff(values))),
        f"{name}_bends": mean(np.abs(np.diff(values, 2))),
        f"{name}_memory": correlation(values[1:], values[:-1]),
    }


def slope(values: Floats) -> float:
    """Of a line through equal steps, from the first to the last."""
    import numpy as np

    if len(values) < 3:
        return 0.0
    share = np.linspace(-0.5, 0.5, len(values))
    return float((share * (values - values.mean())).sum() / (share**2).sum())


def correlation(a: Any, b: Any) -> float:
    """Pearson's; 0 where one does not vary."""
    spread = a.std() * b.std() if len(a) > 2 else 0.0
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 1e-12 else 0.0


def _arch(values: Floats) -> float:
    """How far a curve rises to its middle and falls again: its part of a centred parabola."""
    import numpy as np

    if len(values) < 4:
        return 0.0
    parabola = 1 - np.linspace(-1, 1, len(values)) ** 2
    parabola -= parabola.mean()
    return float((parabola * (values - values.mean())).sum() / (parabola**2).sum())
