"""Figures for a page: a blank one, and how it becomes a small PNG. What is drawn belongs to each room's `pictures`.

Pictures are kept in Dagster's event log, hence the limit of their size.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_BYTES = 40_000
"""Largest picture."""

BLUE, ORANGE, GREEN, RED, GREY = "#4c78a8", "#f58518", "#54a24b", "#e45756", "#9d9d9d"


def figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches with one pair of axes."""
    empty = empty_figure(width, height)
    return empty, plain(empty.subplots())


def empty_figure(width: float, height: float) -> Figure:
    """A figure without axes."""
    from matplotlib.figure import Figure  # not pyplot: no state shared between runs in one process

    return Figure(figsize=(width, height), dpi=90, layout="constrained")


def plain(axes: Any) -> Any:
    """Axes in small type."""
    axes.tick_params(labelsize=7)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def png(drawn: Figure) -> bytes:
    """The figure as a PNG, with as few colours as keep it below `MAX_BYTES`."""
    from PIL import Image

    out = io.BytesIO()
    drawn.savefig(out, format="png")
    image = Image.open(out).convert("RGB")
    for colours in (128, 48, 16):
        out = io.BytesIO()
        image.quantize(colours).save(out, format="png", optimize=True)
        if out.tell() <= MAX_BYTES:
            break
    return out.getvalue()
