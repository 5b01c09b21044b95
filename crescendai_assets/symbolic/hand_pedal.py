"""Hand features of the pedals. Values are shares of full depth (0 to 1), times shares of the performance or seconds."""

from __future__ import annotations

from typing import Any

from crescendai_assets.symbolic.moments import Moments
from crescendai_assets.symbolic.performance import PEDAL_DOWN, Floats, Performance, pedal_at, pedal_spans
from crescendai_assets.symbolic.summaries import logarithm, mean

_BARELY, _FULLY, _SOFTENED = 10, 110, 30
"""Values above, from and from which the sustain pedal does something, is all down, and the soft pedal is heard."""


def pedalling(read: Performance, chords: Moments) -> dict[str, float]:
    """The sustain pedal: depth, time down, changes, what it lets sound on; the soft pedal's depth and time."""
    import numpy as np

    first, end = float(read.onset[0]), read.seconds
    depth, lasting = _stretches(read.sustain, first, end)
    soft, soft_lasting = _stretches(read.soft, first, end)
    mean_depth = _share(depth, lasting)
    spans = pedal_spans(read.sustain, end)
    spans = spans[(spans[:, 1] > first) & (spans[:, 0] < end)]
    length = max(end - first, 0.1)
    held, sounding = read.end - read.onset, damped_at(read, spans) - read.onset
    return {
        "pedal_mean": mean_depth / 127,
        "pedal_deviation": _share((depth - mean_depth) ** 2, lasting) ** 0.5 / 127,
        "pedal_down": _share(depth >= PEDAL_DOWN, lasting),
        "pedal_half": _share((depth > _BARELY) & (depth < _FULLY), lasting),
        "pedal_full": _share(depth >= _FULLY, lasting),
        "pedal_changes": len(spans) / length,
        "pedal_lasting": float(logarithm(np.median(spans[:, 1] - spans[:, 0]))) if len(spans) else 0.0,
        "pedal_moves": float(np.abs(np.diff(depth)).sum()) / 127 / length,
        "pedal_at_onsets": mean(pedal_at(read.sustain, read.onset)) / 127,
        "moments_a_pedal": float(np.log1p(len(chords.onset) / max(len(spans), 1))),
        "sounding_mean": mean(logarithm(sounding)),
        "sounding_over_held": mean(logarithm(sounding) - logarithm(held)),
        "soft_mean": _share(soft, soft_lasting) / 127,
        "soft_down": _share(soft >= _SOFTENED, soft_lasting),
    }


def damped_at(read: Performance, spans: Floats) -> Any:
    """When each note is damped: at its key's end, or when the pedal that is down then comes up."""
    import numpy as np

    if not len(spans):
        return read.end
    which = np.minimum(np.searchsorted(spans[:, 1], read.end), len(spans) - 1)
    sustained = (spans[which, 0] <= read.end) & (read.end <= spans[which, 1])
    return np.where(sustained, spans[which, 1], read.end)


def _stretches(changes: Floats, first: float, end: float) -> tuple[Floats, Floats]:
    """Values of a pedal from the first note to the end, and how long each lasts."""
    import numpy as np

    inside = changes[(changes[:, 0] > first) & (changes[:, 0] < end), 0]
    times = np.concatenate([[first], inside, [end]])
    return pedal_at(changes, times[:-1]), np.diff(times)


def _share(values: Any, lasting: Floats) -> float:
    """Mean over time."""
    return float((values * lasting).sum() / lasting.sum())
