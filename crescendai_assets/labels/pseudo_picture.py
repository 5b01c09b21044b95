"""How pseudo-labels are spread, for a page. PNG, 40 kB at most."""

from __future__ import annotations

from collections.abc import Iterable

from crescendai_assets.labels.pseudo_scale import LABELS
from crescendai_assets.lake.figures import BLUE, ORANGE, empty_figure, plain, png
from crescendai_assets.lake.tables import Row

_BINS = 25


def spread_picture(rows: Iterable[Row]) -> bytes:
    """A histogram a label, with its median and how many windows have it.

    Args:
        rows: Rows of `pseudo_labels.jsonl`.
    """
    import numpy as np

    marks: dict[str, list[float]] = {name: [] for name in LABELS}
    for row in rows:
        for name, value in row["labels"].items():
            if value is not None:
                marks[name].append(value)
    drawn = empty_figure(6.4, 3.4)
    for axes, (name, values) in zip(drawn.subplots(2, 3, sharex=True).flat, marks.items(), strict=True):
        plain(axes).hist(values, bins=_BINS, range=(0, 100), color=BLUE)
        title = f"{name.replace('_', ' ')}\n{len(values)} windows"
        if values:
            middle = float(np.median(values))
            axes.axvline(middle, color=ORANGE, linewidth=1.5)
            title += f", median {middle:.0f}"
        axes.set_title(title, fontsize=7)
        axes.set_yticks([])
    return png(drawn)
