"""Do scores hold when the sound is changed in ways that listeners do not mind? The figures, and the rules on them.

How sound is degraded is in `robustness_sound`, what checkpoints make of it in `robustness_scores`, the report in
`robustness_report` and `robustness_text`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crescendai_assets.evaluation.agreement import pearson
from crescendai_assets.evaluation.arrays import alike, mean_of_known

MOST_DROP_PCT = 15.0
"""A model whose scores drop by more is no winner."""

MOST_PAIR_DROP_PCT = 10.0
"""A model whose pairwise accuracy drops by more, in percent of the clean one, is trained with T4."""

LEAST_R = 0.9
"""So is one whose scores, clean and degraded, correlate by less."""


def compute_robustness_metrics(clean: Any, augmented: Any) -> dict[str, float]:
    """How scores of augmented segments go with those of the same segments clean.

    Args:
        clean: Scores, shape (N, D) or (N,).
        augmented: Scores of the same segments augmented, the same shape.

    Returns:
        `pearson_r`: mean over dimensions of the correlation across segments (so that what all dimensions share by
        their scale counts for nothing); 0 in a dimension that augmentation makes constant, NaN where no dimension
        varies clean. `score_drop_pct`: how far the mean score falls, percent of the clean mean; negative when scores
        rise, NaN for a clean mean of 0 or no rows.

    Raises:
        ValueError: Shapes differ, or a number is NaN.
    """
    import numpy as np

    before, after = alike(clean=clean, augmented=augmented)
    varied = np.ptp(before, axis=0) > 0 if len(before) else np.zeros(before.shape[1], bool)
    r = pearson(before, after)
    level = float(before.mean()) if before.size else 0.0
    drop = 100 * (level - float(after.mean())) / abs(level) if level else float("nan")
    return {"pearson_r": mean_of_known(np.where(varied & np.isnan(r), 0.0, r)), "score_drop_pct": drop}


@dataclass(frozen=True)
class Held:
    """How scores held under one effect, or on average over several.

    Attributes:
        judged: Segments, counted once for each checkpoint that never saw them.
        pearson_r: Of scores clean and degraded, mean over checkpoints by segments; NaN where it is not known.
        score_drop_pct: How far scores fall, likewise; on average over effects a rise counts as no drop.
        compared: Pairs of one passage that count, all dimensions.
        pairs: Share of them in the right order by the clean scores; NaN without any.
        pairs_degraded: The same by the degraded ones.
    """

    judged: int
    pearson_r: float
    score_drop_pct: float
    compared: int
    pairs: float
    pairs_degraded: float

    @property
    def pair_drop_pct(self) -> float:
        """How far pairwise accuracy falls, percent of the clean one."""
        return 100 * (self.pairs - self.pairs_degraded) / self.pairs if self.pairs else float("nan")

    @property
    def vetoed(self) -> bool:
        """Whether scores drop too far to win."""
        return self.score_drop_pct > MOST_DROP_PCT

    @property
    def wants_t4(self) -> bool:
        """Whether T4 is to join training: pairs drop by more than 10 %, or r is below .9."""
        return self.pair_drop_pct > MOST_PAIR_DROP_PCT or self.pearson_r < LEAST_R


@dataclass(frozen=True)
class Robustness:
    """How a model's scores held: the mean over effects, which rules go by, and each effect.

    Attributes:
        mean: Over effects, each counting the same.
        by_effect: Effect -> figures.
    """

    mean: Held
    by_effect: Mapping[str, Held]

    @property
    def worst(self) -> str:
        """The effect that scores fall most under."""
        return max(self.by_effect, key=lambda effect: _low_if_unknown(self.by_effect[effect].score_drop_pct))

    @property
    def reasons_for_t4(self) -> list[str]:
        """Effects that alone would make T4 join."""
        return [effect for effect, held in self.by_effect.items() if held.wants_t4]


def over_effects(by_effect: Mapping[str, Held]) -> Robustness | None:
    """The mean over effects; None where nothing was judged.

    Scores that rise under one effect must not hide that they drop under another: in the mean a rise is a drop of 0.
    """
    known = {effect: held for effect, held in by_effect.items() if held.judged}
    if not known:
        return None
    each = list(known.values())
    mean = Held(
        judged=max(held.judged for held in each),
        pearson_r=mean_of_known([held.pearson_r for held in each]),
        score_drop_pct=mean_of_known([_no_rise(held.score_drop_pct) for held in each]),
        compared=max(held.compared for held in each),
        pairs=mean_of_known([held.pairs for held in each]),
        pairs_degraded=mean_of_known([held.pairs_degraded for held in each]),
    )
    return Robustness(mean, known)


def weighted_mean(values: Sequence[float | None], weights: Sequence[float]) -> float:
    """Mean of what is known by its weight; NaN of nothing."""
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None and weight]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else float("nan")


def _no_rise(drop: float) -> float:
    return 0.0 if drop < 0 else drop  # NaN stays


def _low_if_unknown(value: float) -> float:
    return value if value == value else float("-inf")
