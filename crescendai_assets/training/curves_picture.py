"""How a training went, as a picture: losses and figures by epoch. PNG, 40 kB at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crescendai_assets.lake.figures import BLUE, GREEN, GREY, ORANGE, RED, empty_figure, plain, png

_BESIDE_RATINGS = ("train_contrastive", "train_invariance")
_PARTS = (
    ("train_regression", "regression", BLUE),
    ("train_ranking", "ranking", ORANGE),
    ("train_contrastive", "contrast", GREEN),
    ("train_invariance", "invariance", RED),
)


def curves_picture(history: Sequence[Mapping[str, Any]], best_epoch: int, title: str) -> bytes:
    """The loss on both parts of training, R² and pairs on the part set aside; the epoch kept is marked.

    Of a model that learns from more than ratings also the parts of its objective, without their weights.

    Args:
        history: A row an epoch: `epoch`, `train_loss`, `val_loss`, `val_r2`, `val_pair_accuracy`, and parts.
        best_epoch: Whose weights were kept.
        title: Above it.
    """
    panels: list[tuple[str, Sequence[tuple[str, str, str]]]] = [
        (title, (("train_loss", "learnt from", BLUE), ("val_loss", "set aside", ORANGE))),
        ("on the part set aside", (("val_r2", "R²", GREEN), ("val_pair_accuracy", "pairs", ORANGE))),
    ]
    if any(part in row for row in history for part in _BESIDE_RATINGS):
        panels.append(("parts, learnt from", _PARTS))
    drawn = empty_figure(3.2 * len(panels), 2.6)
    for axes, (said, lines) in zip(map(plain, drawn.subplots(1, len(panels))), panels, strict=True):
        for name, label, colour in lines:
            told = [(row["epoch"], row[name]) for row in history if name in row]
            axes.plot(*zip(*told, strict=True), color=colour, label=label, marker=".") if told else None
        if best_epoch >= 0:
            axes.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(xlabel="epoch")
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.legend(fontsize=7, frameon=False)
        axes.set_title(said, fontsize=8)
    return png(drawn)
