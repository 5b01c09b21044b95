"""From what a model makes of a batch to the parts of its objective: regression and ranking of pairs and of rows.

The losses themselves are in `losses`; what a batch holds is told where a model takes it (`audio_options`,
`scoring_module`).
"""

# ruff: noqa: TID253 - losses are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from crescendai_assets.models import losses
from crescendai_assets.models.heads import PairwiseHead

Batch: TypeAlias = Mapping[str, Any]
Parts: TypeAlias = dict[str, Tensor]
"""Of the objective, by name: regression, ranking, contrastive, invariance."""


def compared(out: Mapping[str, Tensor], batch: Batch, threshold: float) -> Parts:
    """Regression and ranking of a batch of pairs, as far as it has labels or placements.

    Args:
        out: What the model's `forward` gave.
        batch: Pairs.
        threshold: Pairs whose labels differ by this or less are not ranked.
    """
    found: Parts = {}
    if "labels_a" in batch:
        a, b = batch["labels_a"], batch["labels_b"]
        weights = (batch["weights_a"], batch["weights_b"]) if "weights_a" in batch else None
        both, of_pair = (None, None) if weights is None else (torch.cat(weights), losses.pair_weights(*weights))
        scores = torch.cat([out["scores_a"], out["scores_b"]])
        found["regression"] = losses.regression_loss(scores, torch.cat([a, b]), weights=both)
        found["ranking"] = losses.pairwise_ranking_loss(
            out["ranking_logits"], a, b, weights=of_pair, ambiguous_threshold=threshold
        )
    if "placement_a" in batch:  # the lower the better, and every difference counts
        a, b = (-batch[f"placement_{one}"].float()[:, None] for one in "ab")
        ranked = losses.pairwise_ranking_loss(out["quality_logits"][:, None], a, b, ambiguous_threshold=0.0)
        found["ranking"] = (found["ranking"] + ranked) / 2 if "ranking" in found else ranked
    return found


def rated(logits: Tensor, pairs: PairwiseHead, batch: Batch, threshold: float) -> Parts:
    """Regression of a batch of rows, and ranking of all pairs within pieces where these are told.

    Args:
        logits: Shape (B, D).
        pairs: Head whose scale pairs have.
        batch: Rows.
        threshold: Pairs whose labels differ by this or less are not ranked.
    """
    labels, weights = batch["labels"], batch.get("weights")
    found = {"regression": losses.regression_loss(logits.sigmoid(), labels, weights=weights)}
    if "piece_ids" in batch:
        scaled = pairs.log_scale.exp() * logits
        found["ranking"] = losses.group_ranking_loss(
            scaled, labels, batch["piece_ids"], weights=weights, ambiguous_threshold=threshold
        )
    return found


def merged(parts: Sequence[Parts]) -> Parts:
    """Parts of several batches, each meaned over the batches that have it; rankings are added.

    Ranking by ratings and by placements train heads of their own: a mean would halve either as soon as the other comes.
    """
    out: Parts = {}
    for name in sorted({name for one in parts for name in one}):
        there = [one[name] for one in parts if name in one]
        total = sum(there[1:], there[0])
        out[name] = total if name == "ranking" else total / len(there)
    return out


def size_of(batch: Batch) -> int:
    """Rows of a batch, for the logger's mean: its labels where it has some, since of a graph the first are notes."""
    for name in ("labels", "labels_a"):
        if name in batch:
            return len(batch[name])
    for value in batch.values():
        if isinstance(value, Mapping):
            return size_of(value)
        if hasattr(value, "shape"):
            return len(value)
    return 1
