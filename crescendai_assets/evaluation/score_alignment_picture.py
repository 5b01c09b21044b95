"""How far alignments are off, for a page: what share of beats is how near, and each performance. PNG, 40 kB at most."""

from __future__ import annotations

from collections.abc import Sequence

from crescendai_assets.evaluation.score_alignment_table import METHODS
from crescendai_assets.lake.figures import BLUE, GREEN, GREY, ORANGE, empty_figure, plain, png
from crescendai_assets.lake.tables import Row

_LEAST_MS = 0.5
"""Where the logarithmic axis begins; nearer than this is drawn there."""


def alignment_picture(rows: Sequence[Row]) -> bytes:
    """Left: share of beats up to an error, a line a method. Right: a dot a performance, mean error and measures.

    Args:
        rows: Of `score_alignment.jsonl`; may be none.
    """
    import numpy as np

    drawn = empty_figure(6.4, 3.0)
    left, right = (plain(axes) for axes in drawn.subplots(1, 2))
    for (method, words), colour in zip(METHODS.items(), (BLUE, GREEN, ORANGE, GREY), strict=True):
        errors = np.sort(np.abs([error for row in rows for error in row["errors_ms"][method]]))
        if errors.size:
            left.step(np.maximum(errors, _LEAST_MS), np.arange(1, errors.size + 1) / errors.size, color=colour)
            left.plot([], [], color=colour, label=words)
    left.set(xscale="log", xlim=(_LEAST_MS, 20_000), ylim=(0, 1.01), xlabel="|error|, ms", ylabel="share of beats")
    if rows:
        drawn.legend(*left.get_legend_handles_labels(), fontsize=7, frameon=False, ncols=2, loc="outside upper center")
    dots = [
        (row["onset_error"]["aligned"]["mean_ms"], row["measure_accuracy"]["aligned"])
        for row in rows
        if row["onset_error"]["aligned"]["mean_ms"] is not None and row["measure_accuracy"]["aligned"] is not None
    ]
    if dots:
        mean, measures = np.array(dots).T
        right.plot(np.maximum(mean, _LEAST_MS), measures, ".", color=BLUE, markersize=5, alpha=0.6)
    right.set(xscale="log", xlabel="mean |error| of a performance, ms", ylabel="measure accuracy")
    return png(drawn)
