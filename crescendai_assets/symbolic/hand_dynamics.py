"""Hand features of loudness and of where on the keyboard it is played. Velocities and pitches are MIDI numbers."""

from __future__ import annotations

from typing import Any

from crescendai_assets.symbolic.moments import Moments
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.summaries import deviation, mean, moves, quantiles


def dynamics(read: Performance, chords: Moments) -> dict[str, float]:
    """Velocity: its quantiles, its range; top against bass and within chords; its course from second to second."""
    import numpy as np

    velocity = read.velocity.astype(float)
    by_chord, top, bottom = chords.mean(velocity), velocity[chords.top], velocity[chords.bottom]
    of_many = chords.size > 1
    within = (velocity - by_chord[chords.of_note])[of_many[chords.of_note]]
    windows = _by_second(read.onset - read.onset[0], velocity)
    low, high = np.percentile(velocity, [5, 95])
    return {
        **quantiles(velocity, "velocity"),
        "velocity_mean": mean(velocity),
        "velocity_deviation": deviation(velocity),
        "velocity_range": float(high - low),
        "velocity_top": mean(top),
        "velocity_bass": mean(bottom),
        "velocity_top_over_bass": mean(top) - mean(bottom),
        "velocity_top_over_chord": mean((top - by_chord)[of_many]),
        "velocity_within_chords": deviation(within),
        "velocity_moves": moves(by_chord),
        "velocity_top_moves": moves(top),
        "velocity_slope": _slope(chords.onset, by_chord),
        "velocity_by_pitch": _correlation(read.pitch.astype(float), velocity),
        "velocity_second_deviation": deviation(windows),
        "velocity_second_range": float(np.ptp(windows)),
        "velocity_second_moves": moves(windows),
    }


def register(read: Performance, chords: Moments) -> dict[str, float]:
    """Pitch: where, how wide, how the top line moves."""
    import numpy as np

    pitch = read.pitch.astype(float)
    return {
        "pitch_mean": mean(pitch),
        "pitch_deviation": deviation(pitch),
        "pitch_highest": float(pitch.max()),
        "pitch_by_velocity": float(np.average(pitch, weights=read.velocity)),
        "pitch_top": mean(pitch[chords.top]),
        "pitch_bass": mean(pitch[chords.bottom]),
        "pitch_top_moves": moves(pitch[chords.top]),
    }


def _by_second(onset: Any, values: Any) -> Any:
    """Means over seconds in which something begins."""
    import numpy as np

    second = onset.astype(int)
    count = np.bincount(second)
    return (np.bincount(second, values) / np.maximum(count, 1))[count > 0]


def _slope(time: Any, values: Any) -> float:
    """Of a line through the values, from the first moment to the last."""
    import numpy as np

    if len(time) < 3:
        return 0.0
    share = time / time[-1] - np.mean(time / time[-1])
    return float((share * (values - values.mean())).sum() / (share**2).sum())


def _correlation(a: Any, b: Any) -> float:
    import numpy as np

    spread = a.std() * b.std()
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else 0.0
