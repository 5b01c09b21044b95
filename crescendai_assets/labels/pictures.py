"""Pictures of labels for a page: how reliable each dimension is, what needs no listening. PNG, 40 kB each at most."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crescendai_assets.audio.pictures import MAX_BYTES
from crescendai_assets.labels.baselines import ALL, LEFT_OUT, PIANISTS
from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.lake.tables import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY = "#4c78a8", "#f58518", "#9d9d9d"


def reliability_picture(rows: Sequence[Row]) -> bytes:
    """ICC of one rating and of the mean by dimension: counted by rater with its interval, and as published.

    Args:
        rows: Rows of `reliability.jsonl`.
    """
    figure, axes = _figure(6.4, 4.6)
    place = {dimension.name: len(DIMENSIONS) - 1 - dimension.index for dimension in DIMENSIONS}
    for row in rows:
        if row["icc_mean"] is None or row["dimension"] not in place:
            continue
        y = place[row["dimension"]]
        if row["counting"] == "by rater":
            axes.plot([row["low"], row["high"]], [y, y], color=_BLUE, linewidth=1.5)
            axes.plot(row["icc_mean"], y, "o", color=_BLUE, markersize=5)
            axes.plot(row["icc_one"], y, "o", color=_ORANGE, markersize=4)
        elif row["counting"] == "published":
            axes.plot(row["icc_mean"], y, "|", color=_GREY, markersize=9, markeredgewidth=2)
    for label, marker, colour in (
        ("one rating", "o", _ORANGE),
        ("mean, by rater (95 %)", "o", _BLUE),
        ("mean, as published", "|", _GREY),
    ):
        axes.plot([], [], marker, color=colour, label=label)
    names = [f"{d.aspect.replace('_', ' ')}: {_short(d.low)} / {_short(d.high)}" for d in DIMENSIONS]
    axes.set_yticks([place[d.name] for d in DIMENSIONS], names)
    axes.set(xlabel="intraclass correlation", xlim=(min(0.0, *axes.get_xlim()), 1))
    axes.grid(axis="x", alpha=0.3, linewidth=0.5)
    figure.legend(*axes.get_legend_handles_labels(), fontsize=7, frameon=False, ncols=3, loc="outside upper right")
    return _png(figure)


def baselines_picture(rows: Sequence[Row]) -> bytes:
    """R² of predicting by the mean of a group, leave-one-out, with and without machine renderings.

    Args:
        rows: Rows of `baselines.jsonl`.
    """
    figure, axes = _figure(6.4, 2.8)
    found = {(row["grouping"], row["rows"]): row["r2"] or 0.0 for row in rows if row["evaluated"] == LEFT_OUT}
    groupings = sorted({grouping for grouping, _ in found}, key=lambda grouping: found.get((grouping, ALL), 0.0))
    for offset, which, colour in ((0.18, ALL, _BLUE), (-0.18, PIANISTS, _ORANGE)):
        widths = [found.get((grouping, which), 0.0) for grouping in groupings]
        axes.barh([y + offset for y in range(len(groupings))], widths, 0.34, color=colour, label=which)
    axes.set_yticks(range(len(groupings)), groupings)
    axes.set(xlabel="R² without listening, leave-one-out")
    axes.grid(axis="x", alpha=0.3, linewidth=0.5)
    axes.legend(fontsize=7, frameon=False, loc="lower right")
    return _png(figure)


def _short(pole: str) -> str:
    return pole.split("/")[0].replace("_", " ").lower()


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure  # not pyplot: no state shared between runs in one process

    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=7)
    axes.xaxis.label.set_fontsize(8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB")
    for colours in (64, 16):
        out = io.BytesIO()
        image.quantize(colours).save(out, format="png", optimize=True)
        if out.tell() <= MAX_BYTES:
            break
    return out.getvalue()
