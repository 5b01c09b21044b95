"""From measures to pseudo-labels of 0 to 100.

The constants put the median of 1,836 windows of 125 performances of ASAP (competitions) at 70 to 80 or so, so that
good playing spreads below the top and worse playing has room. They are set by eye and mean nothing beyond that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from crescendai_assets.labels.pseudo_measures import Pedalling, Velocities, Voicing

LABELS = (
    "note_accuracy",
    "rhythmic_precision",
    "dynamics_control",
    "articulation_quality",
    "pedaling_technique",
    "tone_quality",
)

ERROR_SHARE = 0.07
"""Share of wrong and missing notes at which accuracy falls to 37; ASAP's median is .016."""

TIMING_SECONDS = 0.042
"""Deviation from the tempo curve at which precision falls to 37; ASAP's median is 13 ms, with jitter of 40 ms 37 ms."""

SHAPE_VELOCITY = 3.5
"""Standard deviation of the loudness line at which 63 % of its range counts as used; ASAP's median is 4.7."""

NOISE_VELOCITY = 25.0
"""Deviation from the loudness line at which steadiness falls to 37; ASAP's median is 6.8."""

ARTICULATION_OCTAVES = 1.5
"""Change of relative key time from note to note at which consistency falls to 37; ASAP's median is .44."""

BLUR_SHARE = 0.4
"""Share of blurred onsets at which clarity falls to 37; ASAP's median is .11, with a pedal held throughout .50."""

LEAD_VELOCITY = 10.0
"""Lead of the top note at which it counts 73, where none counts 50; ASAP's median is 11."""

BALANCE_VELOCITY = 30.0
"""Spread of that lead from chord to chord at which balance falls to 37; ASAP's median is 8.9."""


def note_accuracy(error_share: float | None) -> float | None:
    """100 exp(-error share / `ERROR_SHARE`)."""
    return _falling(error_share, ERROR_SHARE)


def rhythmic_precision(deviation: float | None) -> float | None:
    """100 exp(-deviation / `TIMING_SECONDS`)."""
    return _falling(deviation, TIMING_SECONDS)


def dynamics_control(found: Velocities | None) -> float | None:
    """100 sqrt((1 - exp(-shape / `SHAPE_VELOCITY`)) exp(-noise / `NOISE_VELOCITY`)): wide lines, followed closely.

    A performance of one velocity gets 0.
    """
    if found is None:
        return None
    used, steady = 1 - math.exp(-found.shape / SHAPE_VELOCITY), math.exp(-found.noise / NOISE_VELOCITY)
    return 100 * math.sqrt(used * steady)


def articulation_quality(change: float | None) -> float | None:
    """100 exp(-change / `ARTICULATION_OCTAVES`)."""
    return _falling(change, ARTICULATION_OCTAVES)


def pedaling_technique(found: Pedalling | None) -> float | None:
    """Mean of clarity, 100 exp(-blur / `BLUR_SHARE`), and of the share of bass changes with a new pedal, if any."""
    if found is None:
        return None
    clear = 100 * math.exp(-found.blur / BLUR_SHARE)
    return clear if found.renewed is None else (clear + 100 * found.renewed) / 2


def tone_quality(found: Voicing | None) -> float | None:
    """Mean of lead, 100 / (1 + exp(-lead / `LEAD_VELOCITY`)), and balance, 100 exp(-spread / `BALANCE_VELOCITY`).

    One velocity throughout has perfect balance and no lead and gets 75, about as much as good playing: it says
    nothing of tone, and `dynamics_control` is where it shows.
    """
    if found is None:
        return None
    lead = 100 / (1 + math.exp(-found.lead / LEAD_VELOCITY))
    return (lead + 100 * math.exp(-found.spread / BALANCE_VELOCITY)) / 2


def rounded(labels: Mapping[str, float | None]) -> dict[str, float | None]:
    """Labels as they are stored, in the order of `LABELS`: one decimal is more than they are worth."""
    return {
        name: None if labels[name] is None else round(min(max(labels[name] or 0.0, 0.0), 100.0), 1) for name in LABELS
    }


def _falling(measure: float | None, scale: float) -> float | None:
    return None if measure is None else 100 * math.exp(-measure / scale)
