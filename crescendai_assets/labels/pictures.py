"""Pictures of labels for a page: how reliable each dimension is, what needs no listening. PNG, 40 kB each at most."""

from __future__ import annotations

from collections.abc import Sequence

from crescendai_assets.labels.baselines import ALL, LEFT_OUT, PIANISTS
from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.lake.figures import BLUE, GREY, ORANGE, figure, png
from crescendai_assets.lake.tables import Row


def reliability_picture(rows: Sequence[Row]) -> bytes:
    """ICC of one rating and of the mean by dimension: counted by rater with its interval, and as published.

    Args:
        rows: Rows of `reliability.jsonl`.
    """
    drawn, axes = figure(6.4, 4.6)
    place = {dimension.name: len(DIMENSIONS) - 1 - dimension.index for dimension in DIMENSIONS}
    for row in rows:
        if row["icc_mean"] is None or row["dimension"] not in place:
            continue
        y = place[row["dimension"]]
        if row["counting"] == "by rater":
            axes.plot([row["low"], row["high"]], [y, y], color=BLUE, linewidth=1.5)
            axes.plot(row["icc_mean"], y, "o", color=BLUE, markersize=5)
            axes.plot(row["icc_one"], y, "o", color=ORANGE, markersize=4)
        elif row["counting"] == "published":
            axes.plot(row["icc_mean"], y, "|", color=GREY, markersize=9, markeredgewidth=2)
    for label, marker, colour in (
        ("one rating", "o", ORANGE),
        ("mean, by rater (95 %)", "o", BLUE),
        ("mean, as published", "|", GREY),
    ):
        axes.plot([], [], marker, color=colour, label=label)
    names = [f"{d.aspect.replace('_', ' ')}: {_short(d.low)} / {_short(d.high)}" for d in DIMENSIONS]
    axes.set_yticks([place[d.name] for d in DIMENSIONS], names)
    axes.set(xlabel="intraclass correlation", xlim=(min(0.0, *axes.get_xlim()), 1))
    axes.grid(axis="x", alpha=0.3, linewidth=0.5)
    drawn.legend(*axes.get_legend_handles_labels(), fontsize=7, frameon=False, ncols=3, loc="outside upper right")
    return png(drawn)


def baselines_picture(rows: Sequence[Row]) -> bytes:
    """R² of predicting by the mean of a group, leave-one-out, with and without machine renderings.

    Args:
        rows: Rows of `baselines.jsonl`.
    """
    drawn, axes = figure(6.4, 2.8)
    found = {(row["grouping"], row["rows"]): row["r2"] or 0.0 for row in rows if row["evaluated"] == LEFT_OUT}
    groupings = sorted({grouping for grouping, _ in found}, key=lambda grouping: found.get((grouping, ALL), 0.0))
    for offset, which, colour in ((0.18, ALL, BLUE), (-0.18, PIANISTS, ORANGE)):
        widths = [found.get((grouping, which), 0.0) for grouping in groupings]
        axes.barh([y + offset for y in range(len(groupings))], widths, 0.34, color=colour, label=which)
    axes.set_yticks(range(len(groupings)), groupings)
    axes.set(xlabel="R² without listening, leave-one-out")
    axes.grid(axis="x", alpha=0.3, linewidth=0.5)
    axes.legend(fontsize=7, frameon=False, loc="lower right")
    return png(drawn)


def redundancy_picture(rows: Sequence[Row]) -> bytes:
    """|r| of each composite with each, as a matrix with its numbers.

    Args:
        rows: From `composite.redundancy`: a row a composite, a column each.
    """
    names = [str(row["composite"]) for row in rows]
    matrix = [[float(row[name]) if row[name] is not None else float("nan") for name in names] for row in rows]
    drawn, axes = figure(1.6 + 0.7 * len(names), 1.2 + 0.55 * len(names))
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    for y, line in enumerate(matrix):
        for x, r in enumerate(line):
            axes.text(x, y, f"{r:.2f}", ha="center", va="center", fontsize=7, color="white" if r > 0.6 else "black")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("|r| between composites", fontsize=8)
    return png(drawn)


def _short(pole: str) -> str:
    return pole.split("/")[0].replace("_", " ").lower()
