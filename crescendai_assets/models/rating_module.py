"""What all models of ratings share as Lightning modules: steps, log, figures of a validation epoch, optimiser.

A model says what parts of the objective a batch has (`parts`); the rest is alike, so that a comparison of models
compares models. Audio models go on in `audio_base`, symbolic ones and fusions in `scoring_module`; loops over epochs,
folds and files belong to `training`.
"""

# ruff: noqa: TID253 - modules are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from crescendai_assets.models.figures import ValidationFigures
from crescendai_assets.models.losses import ObjectiveWeights, objective
from crescendai_assets.models.objective_parts import Batch, Parts, size_of


class RatingModule(pl.LightningModule, ABC):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """A model of performances that is trained by an objective of several parts."""

    def __init__(
        self,
        *,
        weights: ObjectiveWeights,
        ambiguous_threshold: float,
        learning_rate: float,
        weight_decay: float,
        warmup_steps: int,
    ) -> None:
        """Take what training needs.

        Args:
            weights: Of the objective's parts.
            ambiguous_threshold: Pairs whose labels differ by this or less are not ranked.
            learning_rate: Highest of the run.
            weight_decay: Of weights, not of biases and norms.
            warmup_steps: Over which the learning rate rises.
        """
        super().__init__()
        self.weights, self.ambiguous_threshold = weights, ambiguous_threshold
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps
        self._figures = ValidationFigures(ambiguous_threshold)

    @abstractmethod
    def parts(self, batch: Batch, figures: ValidationFigures | None = None) -> Parts:
        """Parts of the objective that a batch has; `figures` gathers what a validation is told by."""

    def combine(self, parts: Parts) -> Tensor:
        """L of its parts, a scalar."""
        return objective(**parts, weights=self.weights)

    def objective_of(self, batch: Batch, figures: ValidationFigures | None = None) -> tuple[Tensor, Parts]:
        """The loss of a batch, a scalar, and its parts by name."""
        parts = self.parts(batch, figures)
        return self.combine(parts), parts

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
        optimizer = torch.optim.AdamW(self.parameter_groups(), lr=self.learning_rate)
        shape = warmup_and_cosine(self.warmup_steps, self._length_of_run())
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, shape)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is trained, at one learning rate."""
        trained = (parameter for parameter in self.parameters() if parameter.requires_grad)
        return decayed(trained, self.learning_rate, self.weight_decay)

    def _step(self, batch: Batch, phase: str) -> Tensor:
        loss, parts = self.objective_of(batch, self._figures if phase == "val" else None)
        for name, value in {"loss": loss, **parts}.items():
            self._tell(f"{phase}_{name}", value.detach(), size_of(batch))
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


@contextmanager
def only_asked(module: nn.Module) -> Iterator[None]:
    """Without dropout and gradients meanwhile; afterwards the module goes on training where it did."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)


def decayed(parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Optimiser's groups of one learning rate: matrices with weight decay, biases and norms without."""
    every = list(parameters)
    groups = (([p for p in every if p.ndim > 1], weight_decay), ([p for p in every if p.ndim <= 1], 0.0))
    return [{"params": group, "lr": learning_rate, "weight_decay": decay} for group, decay in groups if group]


def warmup_and_cosine(warmup: int, length: int | None) -> Any:
    """Step -> share of the learning rate: rises over `warmup` steps, falls to a hundredth at `length`."""
    warmup = min(warmup, length // 5) if length else warmup

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if length is None or length <= warmup:
            return 1.0
        gone = min((step - warmup) / (length - warmup), 1.0)
        return 0.01 + 0.99 * (1 + math.cos(math.pi * gone)) / 2

    return share
