"""Figures of a validation epoch, by which an epoch is chosen: share of pairs in the right order, R².

What a model is told by in reports, with intervals, is computed in `evaluation`; these agree with it.
"""

# ruff: noqa: TID253 - figures of tensors; nothing that definitions reach imports this

from __future__ import annotations

import torch
from torch import Tensor


class ValidationFigures:
    """Gathers batches of an epoch."""

    def __init__(self, ambiguous_threshold: float) -> None:
        """Pairs whose labels differ by the threshold or less are left out."""
        self.threshold = ambiguous_threshold
        self.clear()

    def clear(self) -> None:
        """Start the next epoch."""
        self.right, self.compared = 0.0, 0
        self.rows: list[tuple[Tensor, Tensor, Tensor]] = []

    def add_pairs(self, logits: Tensor, labels_a: Tensor, labels_b: Tensor) -> None:
        """Count pairs, all of shape (P, D); NaN labels do not count."""
        apart = labels_a - labels_b
        counts = apart.abs() > self.threshold
        right = (1 + torch.sign(logits) * torch.sign(torch.nan_to_num(apart))) / 2
        self.right += float(right[counts].sum())
        self.compared += int(counts.sum())

    def add_rows(self, scores: Tensor, labels: Tensor, pieces: Tensor | None) -> None:
        """Keep rows, scores and labels (N, D); without pieces (N,) no pairs are made of them."""
        pieces = -torch.ones(len(scores), dtype=torch.long) if pieces is None else pieces
        self.rows.append((scores.detach().float().cpu(), labels.detach().float().cpu(), pieces.detach().cpu()))

    def figures(self) -> dict[str, float]:
        """`pair_accuracy` and `r2` (mean over dimensions), each only where there is something to tell it by."""
        found = {}
        if self.rows:
            scores, labels, pieces = (torch.cat(column) for column in zip(*self.rows, strict=True))
            for piece in sorted(set(pieces[pieces >= 0].tolist())):
                s, y = scores[pieces == piece], labels[pieces == piece]
                a, b = torch.triu_indices(len(s), len(s), offset=1)
                self.add_pairs(s[a] - s[b], y[a], y[b])
            if not torch.isnan(value := mean_r2(scores, labels)):
                found["r2"] = float(value)
            self.rows = []
        if self.compared:
            found["pair_accuracy"] = self.right / self.compared
        return found


def mean_r2(scores: Tensor, labels: Tensor) -> Tensor:
    """1 - Σ (y - p)² / Σ (y - mean y)² over labels that are there, meaned over dimensions whose labels vary; or NaN."""
    known = labels.isfinite()
    y = torch.nan_to_num(labels)
    mean = (y * known).sum(0) / known.sum(0).clamp_min(1)
    total = (known * (y - mean) ** 2).sum(0)
    wrong = (known * (y - scores) ** 2).sum(0)
    varies = total > 1e-12
    return (1 - wrong[varies] / total[varies]).mean()
