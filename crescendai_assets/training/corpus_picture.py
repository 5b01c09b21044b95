"""A picture of the corpus: how many hours each source gives, and why the rest is kept out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from crescendai_assets.lake.figures import BLUE, GREEN, GREY, ORANGE, RED, figure, png
from crescendai_assets.lake.tables import Row

_COLOURS = {"train": BLUE, "validation": GREEN, "held_out": ORANGE, "duplicate": GREY, "unusable": RED}


def corpus_picture(rows: Sequence[Row]) -> bytes:
    """Hours by source and role.

    Args:
        rows: Rows of `corpus.jsonl`.
    """
    hours: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        hours[row["source"], row["role"]] += row["seconds"] / 3600
    sources = sorted({row["source"] for row in rows}, reverse=True)
    drawn, axes = figure(6.4, 0.9 + 0.35 * max(1, len(sources)))
    left = [0.0] * len(sources)
    for role, colour in _COLOURS.items():
        widths = [hours.get((source, role), 0.0) for source in sources]
        if any(widths):
            axes.barh(sources, widths, 0.6, left=left, color=colour, label=role.replace("_", " "))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set(xlabel="hours of playing")
    if rows:
        drawn.legend(fontsize=7, frameon=False, ncols=5, loc="outside upper right")
    return png(drawn)
