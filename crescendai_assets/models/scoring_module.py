"""What models that score each performance by itself share: those over symbols, and fusions of symbols and sound.

A model says what it makes of one side of a batch (`logits_of`); from there on they are alike. How they are trained is
in `rating_module`; what they judge by is in `symbolic_base` and `fusion`.
"""

# ruff: noqa: TID253 - modules are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from crescendai_assets.models.figures import ValidationFigures
from crescendai_assets.models.heads import PairwiseHead
from crescendai_assets.models.losses import ObjectiveWeights, mse_loss
from crescendai_assets.models.objective_parts import Batch, Parts, compared, rated
from crescendai_assets.models.rating_module import RatingModule, only_asked


class ScoringModule(RatingModule):
    """Scores of performances, learnt from ratings.

    Batches are of one of two kinds, told by what they hold:

    - pairs: fields with `_a` and `_b`: what the model takes, `labels` (B, D), `piece_ids` (B,). All pairs that are
      given are ranked: which performances may be compared is the sampler's choice.
    - rows: the same without `_a` and `_b`; all pairs of one piece among them are ranked, none without `piece_ids`.

    Both may hold `weights` (B,). NaN labels do not count.
    """

    def __init__(self, *, l_rank: float, l_squared: float, **training: Any) -> None:
        """Take what training needs.

        Args:
            l_rank: Weight of ranking beside regression.
            l_squared: Weight of squared error added to `losses.regression_loss`; see `symbolic_base.Options`.
            **training: See `RatingModule`.
        """
        super().__init__(weights=ObjectiveWeights(l_rank=l_rank), **training)
        self.l_squared = l_squared
        self.pairs = PairwiseHead()

    @abstractmethod
    def logits_of(self, batch: Batch, suffix: str) -> Tensor:
        """Logits (B, D) of one side of a batch, `_a` or `_b`, or of its rows where the suffix is empty."""

    def predict_scores(self, *inputs: Any, **named: Any) -> Tensor:
        """Scores (B, D) in 0 to 1, without dropout and gradients; arguments as of `forward`."""
        with only_asked(self):
            scores: Tensor = self(*inputs, **named)["scores"]
        return scores

    def parts(self, batch: Batch, figures: ValidationFigures | None = None) -> Parts:
        """Parts of the objective of a batch; what figures of a validation are told by is gathered in `figures`."""
        if "labels_a" not in batch:
            logits = self.logits_of(batch, "")
            if figures is not None:
                figures.add_rows(logits.sigmoid(), batch["labels"], batch.get("piece_ids"))
            found = rated(logits, self.pairs, batch, self.ambiguous_threshold)
            return self._anchored(found, logits.sigmoid(), batch["labels"], batch.get("weights"))
        logits_a, logits_b = self.logits_of(batch, "_a"), self.logits_of(batch, "_b")
        ranking = self.pairs(logits_a, logits_b)
        if figures is not None:
            figures.add_pairs(ranking.detach(), batch["labels_a"], batch["labels_b"])
        out = {"scores_a": logits_a.sigmoid(), "scores_b": logits_b.sigmoid(), "ranking_logits": ranking}
        labels = torch.cat([batch["labels_a"], batch["labels_b"]])
        weights = torch.cat([batch["weights_a"], batch["weights_b"]]) if "weights_a" in batch else None
        found = compared(out, batch, self.ambiguous_threshold)
        return self._anchored(found, torch.cat([out["scores_a"], out["scores_b"]]), labels, weights)

    def _anchored(self, found: Parts, scores: Tensor, labels: Tensor, weights: Tensor | None) -> Parts:
        squared = mse_loss(scores, labels, weights=weights)
        return {**found, "regression": found["regression"] + self.l_squared * squared}
