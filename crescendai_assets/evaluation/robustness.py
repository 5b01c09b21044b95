"""Do scores hold when the sound is changed in ways that listeners do not mind?"""

from __future__ import annotations

from typing import Any

from crescendai_assets.evaluation.agreement import pearson
from crescendai_assets.evaluation.arrays import alike, mean_of_known

MOST_DROP_PCT = 15.0
"""A model whose scores drop by more is no winner."""


def compute_robustness_metrics(clean: Any, augmented: Any) -> dict[str, float]:
    """How scores of augmented segments go with those of the same segments clean.

    Args:
        clean: Scores, shape (N, D) or (N,).
        augmented: Scores of the same segments augmented, the same shape.

    Returns:
        `pearson_r`: mean over dimensions of the correlation across segments (so that what all dimensions share by
        their scale counts for nothing); NaN where no dimension varies. `score_drop_pct`: how far the mean score falls,
        percent of the clean mean; negative when scores rise, NaN for a clean mean of 0 or no rows.

    Raises:
        ValueError: Shapes differ, or a number is NaN.
    """
    before, after = alike(clean=clean, augmented=augmented)
    level = float(before.mean()) if before.size else 0.0
    drop = 100 * (level - float(after.mean())) / abs(level) if level else float("nan")
    return {"pearson_r": mean_of_known(pearson(before, after)), "score_drop_pct": drop}
