"""Intraclass correlation of ratings where each subject has its own number of raters: how much of a mean is agreement.

One-way random effects, Shrout & Fleiss, Psychological Bulletin 86, 1979, case 1: raters differ from subject to subject,
so what they differ in counts as error. With n_i ratings of subject i, N in all, a subjects,

    MSB = Σ n_i (m_i - m)² / (a - 1)        MSW = Σ_i Σ_j (x_ij - m_i)² / (N - a)
    k0  = (N - Σ n_i² / N) / (a - 1)        (the n of a balanced design; Donner & Koval, Biometrics 36, 1980)
    ICC(1,1) = (MSB - MSW) / (MSB + (k0 - 1) MSW)          one rating
    ICC(1,k) = (MSB - MSW) / MSB                           the mean of k0 ratings

The second is the first stepped up by Spearman-Brown from 1 to k0 ratings; k0 lies just below the mean of the n_i.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.intp]"

DRAWS = 500
"""Bootstrap samples behind an interval."""


@dataclass(frozen=True)
class Icc:
    """What was found; NaN where the data say nothing (one subject, or one rating each).

    Attributes:
        one: ICC(1,1), reliability of one rating; it may be negative.
        mean: ICC(1,k), reliability of the mean of k.
        k: The k0 above.
        low: Lower end of the 95 % interval of `mean`: percentiles over resampled subjects.
        high: Upper end.
        subjects: Subjects with a rating.
        ratings: All ratings.
    """

    one: float
    mean: float
    k: float
    low: float
    high: float
    subjects: int
    ratings: int


def icc(values: Floats, subjects: Ints) -> Icc:
    """ICC(1,1) and ICC(1,k) of ratings.

    Args:
        values: Ratings, shape (n,); NaN is no rating.
        subjects: Whom each is of, shape (n,).
    """
    import numpy as np

    given = ~np.isnan(values)
    values = values[given]
    _, index = np.unique(subjects[given], return_inverse=True)
    count = np.bincount(index).astype(np.float64)
    mean = np.bincount(index, values) / count
    within: Floats = np.bincount(index, (values - mean[index]) ** 2).astype(np.float64)
    one, stepped, k = _from_sums(count[None], mean[None], within[None])
    low, high = _interval(count, mean, within)
    return Icc(float(one[0]), float(stepped[0]), float(k[0]), low, high, len(count), len(values))


def spearman_brown(one: float, k: float) -> float:
    """Reliability of the mean of k ratings when that of one is known."""
    return k * one / (1 + (k - 1) * one)


def _interval(count: Floats, mean: Floats, within: Floats) -> tuple[float, float]:
    import numpy as np

    drawn = np.random.default_rng(len(count)).integers(0, len(count), (DRAWS, len(count)))
    found = _from_sums(count[drawn], mean[drawn], within[drawn])[1]
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def _from_sums(count: Floats, mean: Floats, within: Floats) -> tuple[Floats, Floats, Floats]:
    """ICC(1,1), ICC(1,k) and k0, shape (b,), from sizes, means and inner sums of squares, shape (b, subjects)."""
    import numpy as np

    total, subjects = count.sum(1), count.shape[1]
    grand = (count * mean).sum(1) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (count * (mean - grand[:, None]) ** 2).sum(1) / (subjects - 1)
        error = within.sum(1) / (total - subjects)
        k = (total - (count**2).sum(1) / total) / (subjects - 1)
        return (between - error) / (between + (k - 1) * error), (between - error) / between, k
