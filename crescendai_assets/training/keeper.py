"""What stands beside a training, as a Lightning callback: its memory, its log, and when it stops.

After each epoch it says how it went, keeps the best weights and the state that a killed training goes on from, each
whole or not at all. Dropout and the like are drawn anew each epoch from seed and epoch: a training that was killed and
goes on draws what one never killed does.
"""

# ruff: noqa: TID253 - a callback of Lightning; nothing that definitions reach imports this

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import no_room, temporary_name, write_atomic
from crescendai_assets.lake.stage import Progress
from crescendai_assets.models.lora import trainable_state
from crescendai_assets.training.checkpoints import CheckpointFiles
from crescendai_assets.training.settings import RunSettings
from crescendai_assets.training.waiting import Waiting

LOOKED_AT = 16
"""Losses that are looked at together: each look waits for the device."""

CHOSEN_BY = "val_loss"
"""On the part of training that is set aside; the lower the better."""

PARTS = ("regression", "ranking", "contrastive", "invariance")
"""Of the objective."""

_KEPT = (
    *("train_loss", "val_loss", "val_r2", "val_pair_accuracy", "val_contrastive", "val_invariance"),
    *(f"train_{part}" for part in PARTS),
)


class Keeper(pl.Callback):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """Keeps the best epoch and the last one, and stops a training that no longer gets better."""

    def __init__(
        self,
        files: CheckpointFiles,
        settings: RunSettings,
        who: Callable[[int, int], list[str]],
        progress: Progress,
    ) -> None:
        """Take what it works on.

        Args:
            files: Where to keep it.
            settings: Of the training.
            who: Epoch and batch -> what is in it, such as segments.
            progress: Gets a line an epoch.
        """
        self.files, self.settings, self.who, self.progress = files, settings, who, progress
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.best = -1, math.inf
        self._losses: list[Tensor] = []
        self._started, self._begun = 0.0, -1

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        done = len(self.history)
        return done >= self.settings.epochs or done - 1 - self.best_epoch >= self.settings.patience

    def state_dict(self) -> dict[str, Any]:
        """What a training that goes on has to know."""
        return {"history": self.history, "best_epoch": self.best_epoch, "best": self.best}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.history = [dict(row) for row in state_dict["history"]]
        self.best_epoch, self.best = state_dict["best_epoch"], state_dict["best"]

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Remember that Lightning said so."""
        self._begun = trainer.current_epoch

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Before an epoch's first batch: draw from seed and epoch alone.

        Not earlier: loaders draw, too. And Lightning does not say that the first epoch of a resumed training begins.
        """
        if batch_idx:
            return
        if self._begun != trainer.current_epoch:
            self._begun = trainer.current_epoch
            pl_module.on_train_epoch_start()
        torch.manual_seed((self.settings.seed << 20) + trainer.current_epoch)
        self._losses, self._started = [], time.monotonic()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Mapping[str, Tensor], batch: Any, batch_idx: int
    ) -> None:
        """Remember the loss, and look at the latest ones now and then."""
        self._losses.append(outputs["loss"].detach())
        if len(self._losses) % LOOKED_AT == 0:
            self._refuse_nan(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Say how it went, keep it, and stop where it no longer gets better."""
        self._refuse_nan(trainer.current_epoch)
        found = {name: float(trainer.callback_metrics[name]) for name in _KEPT if name in trainer.callback_metrics}
        chosen = found.get(CHOSEN_BY, math.nan)
        if not math.isfinite(chosen):
            raise SetupError(
                f"{self.settings.model}: the loss on the part set aside is {chosen} after epoch "
                f"{trainer.current_epoch}; {_CURE}"
            )
        if isinstance(trainer.profiler, Waiting):
            found["waiting"] = trainer.profiler.share()
        self.history.append({"epoch": trainer.current_epoch, **found, "seconds": time.monotonic() - self._started})
        if chosen < self.best:
            self.best, self.best_epoch = chosen, trainer.current_epoch
            write_weights(self.files.best, pl_module)
        self._keep_state(trainer)
        self.progress(self._said())
        trainer.should_stop = trainer.should_stop or self.over

    def _keep_state(self, trainer: Any) -> None:
        temporary = temporary_name(self.files.last)
        try:
            trainer.save_checkpoint(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(self.files.last)
        except OSError as error:
            raise no_room(error, self.files.last) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _refuse_nan(self, epoch: int) -> None:
        if not self._losses:
            return
        losses = torch.stack(self._losses)
        if bool(losses.isfinite().all()):
            return
        number = int((~losses.isfinite()).nonzero()[0])
        segments = self.who(epoch, number)
        raise SetupError(
            f"{self.settings.model}: the loss is {float(losses[number])} in epoch {epoch}, batch {number} of "
            f"{len(segments)} segments ({', '.join(segments[:3])}, ...); {_CURE}"
        )

    def _said(self) -> str:
        row = self.history[-1]
        figures = {"R2": "val_r2", "pairs": "val_pair_accuracy"}
        told = ", ".join(f"{name} {row[figure]:.3f}" for name, figure in figures.items() if figure in row)
        best = "best so far" if self.best_epoch == row["epoch"] else f"best was epoch {self.best_epoch}"
        return (
            f"epoch {int(row['epoch'])} of at most {self.settings.epochs}: loss {row.get('train_loss', math.nan):.4f}, "
            f"set aside {row['val_loss']:.4f}{f' ({told})' if told else ''}, {row['seconds']:.1f} s, {best}"
        )


_CURE = "lower learning_rate, or take precision 32-true; nothing of this training was kept as finished"


def write_weights(path: Any, module: nn.Module) -> None:
    """Write what was trained: adapters and heads where there is a backbone, else all."""
    buffer = io.BytesIO()
    torch.save({name: value.detach().cpu() for name, value in weights_of(module).items()}, buffer)
    write_atomic(path, buffer.getvalue())


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint holds."""
    if any(getattr(one, "pretrained", False) for one in module.modules()):
        return trainable_state(module)
    return dict(module.state_dict())
