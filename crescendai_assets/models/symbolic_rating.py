"""What models of ratings over symbols, and over symbols and sound together, share as Lightning modules.

Objective, figures of a validation epoch, log, optimiser, predictions: as the audio models have them, so that a
comparison of models compares models. What they judge by is in `symbolic_base` and `fusion`.
"""

# ruff: noqa: TID253 - modules are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeAlias

import lightning.pytorch as pl
import torch
from torch import Tensor

from crescendai_assets.models.audio_figures import ValidationFigures
from crescendai_assets.models.audio_objective import compared, rated, size_of, warmup_and_cosine
from crescendai_assets.models.heads import PairwiseHead
from crescendai_assets.models.losses import ObjectiveWeights, mse_loss, objective

Batch: TypeAlias = Mapping[str, Any]
Parts: TypeAlias = dict[str, Tensor]


class RatingModule(pl.LightningModule, ABC):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """Scores of performances, learnt from ratings.

    Batches are of one of two kinds, told by what they hold:

    - pairs: fields with `_a` and `_b`: what the model takes, `labels` (B, D), `piece_ids` (B,). All pairs that are
      given are ranked: which performances may be compared is the sampler's choice.
    - rows: the same without `_a` and `_b`; all pairs of one piece among them are ranked, none without `piece_ids`.

    Both may hold `weights` (B,). NaN labels do not count.
    """

    def __init__(
        self,
        *,
        l_rank: float,
        l_squared: float,
        ambiguous_threshold: float,
        learning_rate: float,
        weight_decay: float,
        warmup_steps: int,
    ) -> None:
        """Take what training needs; see `symbolic_base.Options`."""
        super().__init__()
        self.weights, self.l_squared = ObjectiveWeights(l_rank=l_rank), l_squared
        self.ambiguous_threshold = ambiguous_threshold
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps
        self.pairs = PairwiseHead()
        self._figures = ValidationFigures(ambiguous_threshold)

    @abstractmethod
    def logits_of(self, batch: Batch, suffix: str) -> Tensor:
        """Logits (B, D) of one side of a batch, `_a` or `_b`, or of its rows where the suffix is empty."""

    @torch.no_grad()
    def predict_scores(self, *inputs: Any, **named: Any) -> Tensor:
        """Scores (B, D) in 0 to 1, without dropout and gradients; arguments as of `forward`."""
        was_training = self.training
        self.eval()
        try:
            scores: Tensor = self(*inputs, **named)["scores"]
            return scores
        finally:
            self.train(was_training)

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

    def objective_of(self, batch: Batch, figures: ValidationFigures | None = None) -> tuple[Tensor, Parts]:
        """The loss of a batch, a scalar, and its parts by name."""
        parts = self.parts(batch, figures)
        return objective(parts.get("regression"), parts.get("ranking"), weights=self.weights), parts

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The objective of a batch, a scalar."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """The objective of a batch, a scalar; figures over the epoch are logged at its end."""
        return self._step(batch, "val")

    def on_validation_epoch_end(self) -> None:
        """Log `val_pair_accuracy` and `val_r2`, where labels were there to tell them by."""
        for name, value in self._figures.figures().items():
            self._tell(f"val_{name}", value, 1)
        self._figures.clear()

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW; the learning rate rises, then falls along a cosine where the length of the run is known."""
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in learning if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},  # biases and norms
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        shape = warmup_and_cosine(self.warmup_steps, self._length_of_run())
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, shape)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _step(self, batch: Batch, phase: str) -> Tensor:
        loss, parts = self.objective_of(batch, self._figures if phase == "val" else None)
        rows = next((len(batch[name]) for name in ("labels", "labels_a") if name in batch), size_of(batch))
        for name, value in {"loss": loss, **parts}.items():
            self._tell(f"{phase}_{name}", value.detach(), rows)
        return loss

    def _tell(self, name: str, value: Tensor | float, rows: int) -> None:
        if getattr(self, "_trainer", None) is not None:
            shown = name.endswith(("loss", "accuracy"))
            self.log(name, value, prog_bar=shown, on_step=False, on_epoch=True, batch_size=rows)

    def _length_of_run(self) -> int | None:
        """Steps of optimisation from first to last; None outside a trainer or where it is not known."""
        if getattr(self, "_trainer", None) is None:
            return None
        steps = self.trainer.estimated_stepping_batches
        return int(steps) if math.isfinite(steps) and steps > 0 else None
