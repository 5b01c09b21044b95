"""Which of two performances: pairs within groups, and the share of them that scores order as labels do.

A pair counts in a dimension when its labels differ by more than a margin; closer ones are ties, which listeners did not
tell apart either. Equal scores are half right, so that a model that says nothing gets .5, as chance does. Figures over
all dimensions pool the pairs that count, so a dimension in which listeners tell more apart weighs more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crescendai_assets.evaluation.arrays import Floats, Groups, Ints, alike

MARGIN = 0.05
"""On the scale of labels (rating / 7): about a third of a point."""


@dataclass(frozen=True, eq=False)
class PairAccuracy:
    """Share of pairs in the right order.

    Attributes:
        right: Pairs in the right order by dimension, equal scores half, shape (D,).
        compared: Pairs that count by dimension, shape (D,).
    """

    right: Floats
    compared: Floats

    @property
    def overall(self) -> float:
        """Over the pairs of all dimensions; NaN where there are none."""
        total = float(self.compared.sum())
        return float(self.right.sum()) / total if total else float("nan")

    @property
    def per_dimension(self) -> Floats:
        """By dimension, shape (D,); NaN where no pair counts."""
        import numpy as np

        return np.asarray(np.where(self.compared > 0, self.right / np.maximum(self.compared, 1), np.nan))


def pairs_within(groups: Groups) -> tuple[Ints, Ints]:
    """All pairs of rows of one group, each once.

    Args:
        groups: Group of each row, N of them.

    Returns:
        Two arrays of row numbers, shape (P,) each, the first below the second; by group.
    """
    import numpy as np

    of_group: dict[object, list[int]] = {}
    for row, group in enumerate(groups):
        of_group.setdefault(group, []).append(row)
    first, second = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for rows in of_group.values():
        i, j = np.triu_indices(len(rows), 1)
        first.append(np.asarray(rows, np.intp)[i])
        second.append(np.asarray(rows, np.intp)[j])
    return np.concatenate(first), np.concatenate(second)


def right_and_compared(logits: Any, labels_a: Any, labels_b: Any, *, margin: float = MARGIN) -> tuple[Floats, Floats]:
    """For each pair and dimension whether it is in the right order (1, or .5 for a logit of 0) and whether it counts.

    Args:
        logits: Above 0 where the first of a pair is said to be higher, shape (P, D).
        labels_a: Labels of the first, shape (P, D).
        labels_b: Labels of the second, shape (P, D).
        margin: Pairs whose labels differ by this or less are ties.

    Returns:
        Both of shape (P, D); what does not count is never right.
    """
    import numpy as np

    said, a, b = alike(logits=logits, labels_a=labels_a, labels_b=labels_b)
    counts = np.abs(a - b) > margin
    right = (1 + np.sign(said) * np.sign(a - b)) / 2
    return np.where(counts, right, 0.0), counts.astype(np.float64)


def accuracy_of_pairs(logits: Any, labels_a: Any, labels_b: Any, *, margin: float = MARGIN) -> PairAccuracy:
    """Share of given pairs that logits order as labels do; arguments as of `right_and_compared`."""
    right, compared = right_and_compared(logits, labels_a, labels_b, margin=margin)
    return PairAccuracy(right.sum(0), compared.sum(0))


def pair_accuracy(scores: Any, labels: Any, groups: Groups, *, margin: float = MARGIN) -> PairAccuracy:
    """Share of the pairs within groups that scores order as labels do.

    Args:
        scores: Predictions on any scale, shape (N, D).
        labels: Targets, shape (N, D).
        groups: Group of each row; only pairs of one group are compared.
        margin: Pairs whose labels differ by this or less are ties.

    Raises:
        ValueError: Shapes differ, or a number is NaN.
    """
    p, y = alike(scores=scores, labels=labels)
    if len(groups) != len(p):
        raise ValueError(f"{len(groups)} groups for {len(p)} rows")
    a, b = pairs_within(groups)
    return accuracy_of_pairs(p[a] - p[b], y[a], y[b], margin=margin)
