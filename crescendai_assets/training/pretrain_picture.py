"""How a pretraining went, as a picture: its loss by epoch beside that of a model that learnt nothing. PNG, 40 kB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crescendai_assets.lake.figures import BLUE, GREY, ORANGE, empty_figure, plain, png


def pretrain_picture(history: Sequence[Mapping[str, Any]], best_epoch: int, untrained: float, title: str) -> bytes:
    """Loss on both sides by epoch; dashed that of an untrained model, dotted the epoch that was kept.

    Args:
        history: A row an epoch: `epoch`, `train_loss`, `val_loss`.
        best_epoch: Whose weights were kept.
        untrained: Loss on what epochs are chosen by, before anything is learnt.
        title: Above it.
    """
    drawn = empty_figure(4.2, 2.6)
    axes = plain(drawn.subplots())
    for name, label, colour in (("train_loss", "learnt from", BLUE), ("val_loss", "set aside", ORANGE)):
        told = [(row["epoch"], row[name]) for row in history if name in row]
        axes.plot(*zip(*told, strict=True), color=colour, label=label, marker=".") if told else None
    axes.axhline(untrained, color=ORANGE, linewidth=0.8, linestyle="--", label="set aside, untrained")
    axes.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel="epoch")
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(fontsize=7, frameon=False)
    axes.set_title(title, fontsize=8)
    return png(drawn)
