"""How a training went, as a picture: losses and figures by epoch. PNG, 40 kB at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crescendai_assets.lake.figures import BLUE, GREEN, GREY, ORANGE, empty_figure, plain, png


def curves_picture(history: Sequence[Mapping[str, Any]], best_epoch: int, title: str) -> bytes:
    """Left the loss on both parts of training, right R² and pairs on the part set aside; the epoch kept is marked.

    Args:
        history: A row an epoch: `epoch`, `train_loss`, `val_loss`, `val_r2`, `val_pair_accuracy`.
        best_epoch: Whose weights were kept.
        title: Above it.
    """
    drawn = empty_figure(6.4, 2.6)
    losses, figures = (plain(axes) for axes in drawn.subplots(1, 2))
    for axes, lines in (
        (losses, (("train_loss", "learnt from", BLUE), ("val_loss", "set aside", ORANGE))),
        (figures, (("val_r2", "R²", GREEN), ("val_pair_accuracy", "pairs", ORANGE))),
    ):
        for name, label, colour in lines:
            told = [(row["epoch"], row[name]) for row in history if name in row]
            axes.plot(*zip(*told, strict=True), color=colour, label=label, marker=".") if told else None
        if best_epoch >= 0:
            axes.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(xlabel="epoch")
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.legend(fontsize=7, frameon=False)
    losses.set_title(title, fontsize=8)
    figures.set_title("on the part set aside", fontsize=8)
    return png(drawn)
