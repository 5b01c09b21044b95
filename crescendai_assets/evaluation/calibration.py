"""Does a prediction of .6 mean .6? Slope and intercept of labels on predictions, and the error bin by bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crescendai_assets.evaluation.arrays import Floats, alike

BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """How labels go with predictions, by dimension.

    Attributes:
        slope: Of the least-squares line label = slope · prediction + intercept, shape (D,); below 1 where predictions
            spread too far. NaN for constant predictions.
        intercept: Of the same, shape (D,).
        expected_error: Σ over bins of (rows in the bin / N) · |mean prediction - mean label|, shape (D,).
    """

    slope: Floats
    intercept: Floats
    expected_error: Floats


def calibration(predictions: Any, labels: Any, *, bins: int = BINS) -> Calibration:
    """Slope, intercept and expected calibration error of each dimension.

    Args:
        predictions: Shape (N, D).
        labels: Shape (N, D).
        bins: Bins with equally many predictions.

    Raises:
        ValueError: Shapes differ, or a number is NaN.
    """
    import numpy as np

    p, y = alike(predictions=predictions, labels=labels)
    if not len(p):
        nothing = np.full(p.shape[1], np.nan)
        return Calibration(nothing, nothing, nothing)
    apart = p - p.mean(0)
    spread = (apart**2).sum(0)
    varies = np.ptp(p, axis=0) > 0
    slope = np.where(varies, (apart * (y - y.mean(0))).sum(0) / np.where(varies, spread, 1), np.nan)
    errors = [_expected_error(p[:, d], y[:, d], bins) for d in range(p.shape[1])]
    return Calibration(slope, y.mean(0) - slope * p.mean(0), np.array(errors))


def calibration_bins(predictions: Any, labels: Any, *, bins: int = BINS) -> tuple[Floats, Floats, Floats]:
    """For a picture, over all dimensions together: mean prediction, mean label and size of each bin, in order.

    Args:
        predictions: Shape (N, D).
        labels: Shape (N, D).
        bins: Bins with equally many predictions; fewer where there are fewer numbers.

    Returns:
        Three arrays of shape (bins,).
    """
    p, y = alike(predictions=predictions, labels=labels)
    return _binned(p.ravel(), y.ravel(), bins)


def _expected_error(predictions: Floats, labels: Floats, bins: int) -> float:
    import numpy as np

    said, was, size = _binned(predictions, labels, bins)
    return float((size * np.abs(said - was)).sum() / size.sum())


def _binned(predictions: Floats, labels: Floats, bins: int) -> tuple[Floats, Floats, Floats]:
    """Equal predictions share a bin, so that the order of rows does not matter."""
    import numpy as np

    edges = np.quantile(predictions, np.linspace(0, 1, bins + 1)[1:-1]) if len(predictions) else np.zeros(0)
    index = np.searchsorted(edges, predictions, side="left")
    size = np.bincount(index, minlength=bins).astype(np.float64)
    filled = size > 0
    said, was = np.bincount(index, predictions, bins), np.bincount(index, labels, bins)
    return said[filled] / size[filled], was[filled] / size[filled], size[filled]
