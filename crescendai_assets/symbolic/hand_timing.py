"""Hand features of timing and articulation. Times are in seconds on a logarithmic scale, unless a name says share."""

from __future__ import annotations

from typing import Any

from crescendai_assets.symbolic.moments import Moments
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.summaries import deviation, logarithm, mean, quantiles


def timing(read: Performance, chords: Moments) -> dict[str, float]:
    """Inter-onset intervals of moments and their unevenness, pace, spread of chords (seconds)."""
    import numpy as np

    between = logarithm(np.diff(chords.onset))
    steps = np.abs(np.diff(between))
    of_many = chords.size > 1
    spread = chords.spread[of_many]
    lag = read.onset[chords.top] - read.onset[0] - chords.onset
    return {
        **quantiles(between, "inter_onset"),
        "inter_onset_mean": mean(between),
        "inter_onset_deviation": deviation(between),
        **quantiles(steps, "inter_onset_step", (25, 50, 75)),
        "inter_onset_step_mean": mean(steps),
        "notes_per_second": float(np.log(len(read) / _length(read))),
        "chord_spread_mean": mean(spread),
        "chord_spread_deviation": deviation(spread),
        **quantiles(spread, "chord_spread", (50, 90)),
        "chord_size": mean(chords.size),
        "top_lag": mean(lag[of_many]),
    }


def articulation(read: Performance, chords: Moments) -> dict[str, float]:
    """Duration over inter-onset interval (log): of all notes, of the top line, of the bass; durations; keys down."""
    import numpy as np

    end = read.seconds - read.onset[0]
    next_onset = np.append(chords.onset, end)[chords.of_note + 1]
    ratio = logarithm(read.duration) - logarithm(next_onset - (read.onset - read.onset[0]))
    top, bass = _line(read, chords.top), _line(read, chords.bottom)
    held = logarithm(read.duration)
    return {
        **quantiles(ratio, "articulation"),
        "articulation_mean": mean(ratio),
        "articulation_deviation": deviation(ratio),
        **quantiles(top, "articulation_top", (25, 50, 75)),
        "articulation_top_mean": mean(top),
        "articulation_top_deviation": deviation(top),
        "articulation_bass_mean": mean(bass),
        "articulation_bass_deviation": deviation(bass),
        **quantiles(held, "duration"),
        "duration_mean": mean(held),
        "duration_deviation": deviation(held),
        "keys_down": float(read.duration.sum() / _length(read)),
    }


def _line(read: Performance, notes: Any) -> Any:
    """Duration over the time to the next note of a line (log), all but the last."""
    import numpy as np

    return logarithm(read.duration[notes][:-1]) - logarithm(np.diff(read.onset[notes]))


def _length(read: Performance) -> float:
    return max(read.seconds - float(read.onset[0]), 0.1)
