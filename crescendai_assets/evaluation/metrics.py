"""`MetricsSuite`: the figures that every model is told by, under one threshold for pairs too close to call.

The functions behind it are in `agreement`, `pairs` and `calibration`; intervals are in `bootstrap`, whole protocols in
`protocols`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NotRequired, TypedDict

from crescendai_assets.evaluation.agreement import ccc, kendall, r2, spearman
from crescendai_assets.evaluation.arrays import Floats, Groups, columns, mean_of_known, numbers
from crescendai_assets.evaluation.calibration import calibration
from crescendai_assets.evaluation.pairs import MARGIN, PairAccuracy, accuracy_of_pairs, pair_accuracy
from crescendai_assets.evaluation.robustness import compute_robustness_metrics


class EvaluationData(TypedDict):
    """What `full_report` judges by; a plain mapping with these keys will do.

    Attributes:
        inputs: What the model takes: one argument, a tuple of them, or a mapping of names to them.
        labels: Shape (N, D).
        groups: Group of each row; pairs are taken within these (a passage). Without it no pairs are compared.
        difficulties: Of each row, shape (N,).
        augmented_inputs: The same rows augmented, as `inputs`.
    """

    inputs: Any
    labels: Any
    groups: NotRequired[Groups]
    difficulties: NotRequired[Any]
    augmented_inputs: NotRequired[Any]


class MetricsSuite:
    """Metrics of scores of shape (N, D), numpy or torch. NaN in an input is refused with a ValueError."""

    def __init__(self, ambiguous_threshold: float = MARGIN) -> None:
        """Take the threshold.

        Args:
            ambiguous_threshold: Pairs whose labels differ by this or less are left out.
        """
        self.ambiguous_threshold = ambiguous_threshold

    def pairwise_accuracy(self, logits: Any, labels_a: Any, labels_b: Any) -> dict[str, Any]:
        """Share of pairs that are ordered as their labels are.

        Args:
            logits: Above 0 where a is said to be higher, shape (B, D); 0 is half right, so a constant model gets .5.
            labels_a: Labels of the first of each pair, shape (B, D).
            labels_b: Labels of the second, shape (B, D).

        Returns:
            `overall` over all pairs of all dimensions, `per_dimension` a list of D, `compared` how many pairs counted;
            NaN where none did.
        """
        return _as_report(accuracy_of_pairs(logits, labels_a, labels_b, margin=self.ambiguous_threshold))

    def accuracy_within(self, scores: Any, labels: Any, groups: Groups) -> dict[str, Any]:
        """The same over all pairs of rows within groups, from scores of shape (N, D)."""
        return _as_report(pair_accuracy(scores, labels, groups, margin=self.ambiguous_threshold))

    def regression_r2(self, predictions: Any, targets: Any) -> float:
        """Mean over dimensions of R²; dimensions with constant targets are left out, NaN where all are.

        Args:
            predictions: Shape (N, D).
            targets: Shape (N, D).
        """
        return mean_of_known(r2(predictions, targets))

    def difficulty_correlation(self, predictions: Any, difficulties: Any) -> dict[str, Any]:
        """Spearman's ρ of scores with difficulty.

        Args:
            predictions: Shape (N, D).
            difficulties: Shape (N,).

        Returns:
            `overall_rho` of the mean score over dimensions, `per_dimension` a list of D; NaN where one is constant.

        Raises:
            ValueError: There is not one difficulty a row.
        """
        import numpy as np

        scores, levels = columns(predictions, "predictions"), numbers(difficulties, "difficulties").ravel()
        if len(levels) != len(scores):
            raise ValueError(f"{len(levels)} difficulties for {len(scores)} rows")
        overall = spearman(scores.mean(1), levels)
        each = spearman(scores, np.tile(levels[:, None], (1, scores.shape[1])))
        return {"overall_rho": float(overall[0]), "per_dimension": each.tolist()}

    def full_report(self, model: Any, test_data: EvaluationData | Mapping[str, Any]) -> dict[str, Any]:
        """All figures of a model on held-out rows.

        Args:
            model: Something with `predict_scores` or `predict`, or a function, that gives scores (N, D) of inputs. A
                torch module is put into evaluation mode for it, without gradients.
            test_data: See `EvaluationData`.

        Returns:
            `n`, `regression_r2`, and by dimension `r2_per_dimension`, `ccc`, `spearman`, `kendall`, `calibration`;
            `pairwise`, `difficulty`, `robustness` (with `pairwise_augmented` where there are groups), each None where
            `test_data` does not say what it takes.

        Raises:
            ValueError: Scores and labels do not go together, or are NaN.
        """
        scores, labels = columns(scores_of(model, test_data["inputs"]), "scores"), test_data["labels"]
        groups, augmented = test_data.get("groups"), test_data.get("augmented_inputs")
        changed = None if augmented is None else columns(scores_of(model, augmented), "augmented scores")
        found = calibration(scores, labels)

        def within(values: Floats | None) -> dict[str, Any] | None:
            return None if values is None or groups is None else self.accuracy_within(values, labels, groups)

        levels = test_data.get("difficulties")
        return {
            "n": len(scores),
            "regression_r2": self.regression_r2(scores, labels),
            "r2_per_dimension": r2(scores, labels).tolist(),
            "ccc": ccc(scores, labels).tolist(),
            "spearman": spearman(scores, labels).tolist(),
            "kendall": kendall(scores, labels).tolist(),
            "calibration": {
                "slope": found.slope.tolist(),
                "intercept": found.intercept.tolist(),
                "expected_error": found.expected_error.tolist(),
            },
            "pairwise": within(scores),
            "pairwise_augmented": within(changed),
            "difficulty": None if levels is None else self.difficulty_correlation(scores, levels),
            "robustness": None if changed is None else compute_robustness_metrics(scores, changed),
        }


def scores_of(model: Any, inputs: Any) -> Any:
    """What a model says of inputs; see `MetricsSuite.full_report` for both."""
    ask = getattr(model, "predict_scores", None) or getattr(model, "predict", None) or model
    torch = sys.modules.get("torch")  # a model of torch has loaded it
    was_training = getattr(model, "training", False) is True and hasattr(model, "eval")
    if was_training:
        model.eval()
    try:
        with torch.no_grad() if torch else nullcontext():
            if isinstance(inputs, Mapping):
                return ask(**inputs)
            return ask(*inputs) if isinstance(inputs, tuple) else ask(inputs)
    finally:
        if was_training:
            model.train()


def _as_report(found: PairAccuracy) -> dict[str, Any]:
    return {
        "overall": found.overall,
        "per_dimension": found.per_dimension.tolist(),
        "compared": int(found.compared.sum()),
    }
