"""Intervals of a new performance's scores from what the models of folds said of rows they never saw.

CV+ of Barber, Candès, Ramdas & Tibshirani (Predictive inference with the jackknife+, Annals of Statistics 49, 2021,
arXiv 1905.02928). With the model μ_k of each fold k, and the residual R_i = |y_i - μ_k(i)(x_i)| of each row i that fold
k(i) holds out, n of them, the interval of coverage 1 - α at x is

    [ the ⌊α (n+1)⌋-th smallest of μ_k(i)(x) - R_i ,  the ⌈(1-α) (n+1)⌉-th smallest of μ_k(i)(x) + R_i ]

which holds a new rating with probability at least about 1 - 2α whatever the model is, and in practice near 1 - α, if
rows are exchangeable. They are so only roughly: rows of one passage belong together, a user's piece is none of the
works that were rated, and several shuffles of the same rows are pooled here. `checked_coverage` tells what comes of it
on passages that were held out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from crescendai_assets.evaluation.arrays import Floats

COVERAGE = 0.8
"""Default share of new ratings that an interval is to hold."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What the model of one fold said of the rows that it never saw.

    Attributes:
        said: Scores, shape (n, D).
        was: Labels, shape (n, D).
        shuffle: Which shuffle the fold is of.
    """

    said: Floats
    was: Floats
    shuffle: int | None = None

    @property
    def residuals(self) -> Floats:
        """Sizes of the errors, shape (n, D)."""
        return abs(self.was - self.said)


def cross_conformal(said: Floats, held_out: Sequence[HeldOut], coverage: float = COVERAGE) -> tuple[Floats, Floats]:
    """Lower and upper ends, shape (W, D) each; infinite where there are too few rows for the coverage.

    Args:
        said: Scores of the new parts by the model of each fold, shape (folds, W, D).
        held_out: Of the same folds.
        coverage: 1 - α.

    Raises:
        ValueError: The coverage is not between 0 and 1, or folds do not go together.
    """
    import numpy as np

    if not 0 < coverage < 1 or len(said) != len(held_out) or not held_out:
        raise ValueError(f"coverage {coverage} of {len(said)} models and {len(held_out)} sets of held-out rows")
    low = np.concatenate([one[None] - rows.residuals[:, None] for one, rows in zip(said, held_out, strict=True)])
    high = np.concatenate([one[None] + rows.residuals[:, None] for one, rows in zip(said, held_out, strict=True)])
    count = len(low)
    place = math.ceil(coverage * (count + 1))
    if not _enough(count, coverage):
        unknown = np.full(said.shape[1:], np.inf)
        return -unknown, unknown
    # ⌊α (n+1)⌋-th smallest, counted from below as the other is from above
    return np.sort(low, axis=0)[count - place], np.sort(high, axis=0)[place - 1]


def too_few_rows(held_out: Sequence[HeldOut], coverage: float = COVERAGE) -> tuple[str, ...]:
    """What must be said where `cross_conformal` has no ends to give; empty where it has."""
    there = sum(len(one.was) for one in held_out)
    if _enough(there, coverage):
        return ()
    needed = next(rows for rows in itertools.count(int(coverage / (1 - coverage))) if _enough(rows, coverage))
    return (
        f"The intervals are not known: {there} rated performances were held out, and a coverage of {coverage:.4g} "
        f"needs {needed}. What is shown as intervals is the whole scale, 1 to 7. Train more folds, or ask for a lower "
        "--coverage.",
    )


def _enough(rows: int, coverage: float) -> bool:
    return math.ceil(coverage * (rows + 1)) <= rows


def checked_coverage(held_out: Sequence[HeldOut], coverage: float = COVERAGE) -> Floats:
    """Share of each fold's held-out ratings inside intervals made from the other folds of its shuffle.

    The interval of a row is its score give or take the quantile of the residuals of the other folds: of rows that share
    no group with it. Over all folds that must come out near the coverage; how far folds differ tells how far a new
    piece may be off.

    Returns:
        Shape (folds, D); NaN of a fold whose shuffle has too few rows elsewhere.
    """
    import numpy as np

    found = np.full((len(held_out), held_out[0].was.shape[1] if held_out else 0), np.nan)
    for place, one in enumerate(held_out):
        others = [two.residuals for at, two in enumerate(held_out) if at != place and two.shuffle == one.shuffle]
        pooled = np.sort(np.concatenate(others), axis=0) if others else one.residuals[:0]
        rank = math.ceil(coverage * (len(pooled) + 1))
        if rank <= len(pooled):
            found[place] = (one.residuals <= pooled[rank - 1]).mean(0)
    return found
