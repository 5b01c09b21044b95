"""Small summaries of arrays that may be empty: named, finite, 0 where there is nothing to summarise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SHORTEST_SECONDS = 0.01
"""Times are compared on a logarithmic scale, none taken as shorter than this."""


def quantiles(values: Any, name: str, percents: Sequence[int] = (5, 25, 50, 75, 95)) -> dict[str, float]:
    """Percentiles as `<name>_q05` and so on."""
    import numpy as np

    found = np.percentile(values, percents) if len(values) else np.zeros(len(percents))
    return {f"{name}_q{percent:02d}": float(value) for percent, value in zip(percents, found, strict=True)}


def mean(values: Any) -> float:
    """Mean, 0 of nothing."""
    return float(values.mean()) if len(values) else 0.0


def deviation(values: Any) -> float:
    """Standard deviation, 0 of nothing."""
    return float(values.std()) if len(values) else 0.0


def moves(values: Any) -> float:
    """Mean size of the steps from one value to the next."""
    import numpy as np

    return mean(np.abs(np.diff(values)))


def logarithm(seconds: Any) -> Any:
    """Natural logarithm of times, none below `SHORTEST_SECONDS`."""
    import numpy as np

    return np.log(np.maximum(seconds, SHORTEST_SECONDS))
