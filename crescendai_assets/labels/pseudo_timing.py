"""Where a performance stands in its score: matched notes, the smooth tempo curve under them, expected times.

What a deviation from the curve is worth is decided in `pseudo_measures`.
"""

from __future__ import annotations

from dataclasses import dataclass

from crescendai_assets.symbolic.alignment import Alignment, score_beats
from crescendai_assets.symbolic.performance import Floats, Ints, Performance

TEMPO_HALF_SECONDS = 0.6
"""Half the span over which tempo counts as smooth: about a beat to either side. Measured: rubato of good pianists
stays within some 10 ms of such a curve, jitter of 40 ms does not."""

LEAST_NEIGHBOURS = 10
"""Onsets under the curve at any place, however slow the music is."""

GRACE_BEATS = 0.05
"""Score notes shorter than this have no place in the metre."""

_MOST_NEIGHBOURS = 40
_ROBUST_PASSES = 2


@dataclass(frozen=True, eq=False)
class MatchedNotes:
    """Matched notes in score order (beat, pitch), all arrays of shape (M,).

    Attributes:
        performed: Index into the performance.
        pitch: MIDI number.
        hand: Track or staff of the score.
        beat: Position in the score, quarter notes.
        held_beats: Notated duration, quarter notes.
        event: Number of the score onset it belongs to, ascending from 0 (chords share one).
        grace: Whether it is too short to have a place in the metre.
        onset: As performed, seconds.
        duration: As performed, seconds.
        velocity: As performed.
        expected: Seconds at which the smooth tempo curve puts the note.
        period: Seconds a quarter note takes there.
    """

    performed: Ints
    pitch: Ints
    hand: Ints
    beat: Floats
    held_beats: Floats
    event: Ints
    grace: Ints
    onset: Floats
    duration: Floats
    velocity: Floats
    expected: Floats
    period: Floats

    def __len__(self) -> int:
        return len(self.pitch)


def matched_notes(performance: Performance, score: Performance, alignment: Alignment) -> MatchedNotes | None:
    """Put matched notes on the tempo curve; None when fewer than `LEAST_NEIGHBOURS` onsets are matched."""
    import numpy as np

    beat = np.round(score_beats(score, score.onset) * 96) / 96  # of a quarter, so that chords are together
    held = score_beats(score, score.end) - score_beats(score, score.onset)
    played, written = alignment.matched[:, 0], alignment.matched[:, 1]
    order = np.lexsort((score.pitch[written], beat[written]))
    played, written = played[order], written[order]
    position, event = np.unique(beat[written], return_inverse=True)
    if len(position) < LEAST_NEIGHBOURS:
        return None
    onset = performance.onset[played]
    grace = held[written] < GRACE_BEATS
    time = _event_times(onset, event, grace.astype(np.int64))
    typical_period = max(time[-1] - time[0], 1e-3) / max(position[-1] - position[0], 1e-3)
    curve, slope = local_curve(position, time, TEMPO_HALF_SECONDS / typical_period)
    # slower than six times or faster than a sixth of the whole is no tempo, but a fermata or a broken alignment
    period = np.clip(slope, typical_period / 6, typical_period * 6)
    return MatchedNotes(
        performed=played,
        pitch=score.pitch[written],
        hand=score.track[written],
        beat=beat[written],
        held_beats=held[written],
        event=event,
        grace=grace.astype(np.int64),
        onset=onset,
        duration=performance.duration[played],
        velocity=performance.velocity[played].astype(float),
        expected=curve[event],
        period=period[event],
    )


def expected_times(notes: MatchedNotes, beats: Floats) -> Floats:
    """When the curve would put any place of the score, between the first and the last matched onset.

    Args:
        notes: On their curve.
        beats: Quarter notes, shape (B,).

    Returns:
        Seconds, shape (B,); places before the first and after the last matched onset get the time of that.
    """
    import numpy as np

    position, first = np.unique(notes.beat, return_index=True)
    return np.interp(beats, position, np.maximum.accumulate(notes.expected[first]))


def local_curve(x: Floats, y: Floats, half: float) -> tuple[Floats, Floats]:
    """Locally quadratic, robust regression of y on x at each x (Cleveland 1979, LOWESS with a quadratic).

    At x_i the weighted least squares of y ~ c0 + c1 u + c2 u^2, u = (x - x_i) / h, with tricube weights
    (1 - |u|^3)^3, h = `half` or the distance of the tenth neighbour, whichever is more; repeated with bisquare
    weights of the residuals.

    Args:
        x: Ascending, shape (N,).
        y: Shape (N,).
        half: Half width in units of x.

    Returns:
        Fitted values and slopes, each shape (N,).
    """
    import numpy as np

    place = np.arange(len(x))[:, None] + np.arange(-_MOST_NEIGHBOURS, _MOST_NEIGHBOURS + 1)
    inside = (place >= 0) & (place < len(x))
    place = np.clip(place, 0, len(x) - 1)
    apart = x[place] - x[:, None]
    distance = np.where(inside, np.abs(apart), np.inf)
    nearest = np.partition(distance, min(LEAST_NEIGHBOURS, len(x) - 1), axis=1)[:, min(LEAST_NEIGHBOURS, len(x) - 1)]
    h = np.maximum(half, nearest * 1.001)[:, None]
    u = apart / h
    tricube = np.where(inside, np.clip(1 - np.abs(u) ** 3, 0, 1) ** 3, 0.0)
    powers = np.stack([np.ones_like(u), u, u * u], axis=-1)
    rise = y[place] - y[:, None]
    trust = np.ones(len(x))
    for _ in range(_ROBUST_PASSES + 1):
        weight = tricube * trust[place]
        normal = np.einsum("nk,nka,nkb->nab", weight, powers, powers) + 1e-9 * np.eye(3)
        solved = np.linalg.solve(normal, np.einsum("nk,nka,nk->na", weight, powers, rise)[..., None])[..., 0]
        off = solved[:, 0]
        spread = 6 * np.median(np.abs(off)) + 1e-9
        trust = np.clip(1 - (off / spread) ** 2, 0, 1) ** 2
    return y + solved[:, 0], solved[:, 1] / h[:, 0]


def _event_times(onset: Floats, event: Ints, grace: Ints) -> Floats:
    """Performed time of each score onset: the median of its notes, without grace notes where there are others."""
    import numpy as np

    metrical = _medians(onset, event, np.flatnonzero(grace == 0))
    return np.where(np.isnan(metrical), _medians(onset, event, np.arange(len(onset))), metrical)


def _medians(values: Floats, group: Ints, chosen: Ints) -> Floats:
    """Median of the chosen values of each group, NaN for a group without any; shape (number of groups,)."""
    import numpy as np

    ordered = values[chosen][np.lexsort((values[chosen], group[chosen]))]
    counts = np.bincount(group[chosen], minlength=int(group.max()) + 1)
    first = np.cumsum(counts) - counts
    middle = np.append(ordered, np.nan)  # an empty last group would point past the end
    both = middle[first + np.maximum(counts - 1, 0) // 2] + middle[first + counts // 2]
    return np.where(counts > 0, both / 2, np.nan)
