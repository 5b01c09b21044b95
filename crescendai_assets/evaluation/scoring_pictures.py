"""Pictures of a scored performance: a strip a dimension (SVG), and what was heard with its scores over time (PNG).

Where they stand, and what is said beside them, is in `scoring_page`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from crescendai_assets.evaluation.arrays import Floats
from crescendai_assets.evaluation.dimension_words import scale
from crescendai_assets.evaluation.scoring import ScoreSheet
from crescendai_assets.labels.dimensions import DIMENSIONS, POINTS
from crescendai_assets.lake.figures import BLUE, GREY, ORANGE, empty_figure, plain
from crescendai_assets.symbolic.performance import Performance, pedal_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _SIDE = 300.0, 34.0, 8.0
_BINS = 24
_DPI = 150
_FAR = 1.5
"""Points of the scale at which the colour of a part is fullest."""


def strip(rated: Floats, score: float, low: float, high: float) -> str:
    """One dimension from pole to pole: how the rated performances lie, the interval, the score. SVG, no text.

    Args:
        rated: Labels of the rated performances, shape (N,).
        score: On the same scale, as the ends of the interval.
        low: Lower end.
        high: Upper end.
    """
    base = _HEIGHT - 9
    ticks = "".join(
        f'<line x1="{_x(point / POINTS):.1f}" y1="2" x2="{_x(point / POINTS):.1f}" y2="{base}" stroke="{colour}"/>'
        for point, colour in ((point, "#8a8a8a" if point == 4 else "#e3e3e3") for point in range(1, POINTS + 1))
    )
    middle = base - 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" '
        f'height="{_HEIGHT:g}">{ticks}<path d="{_hill(rated, base)}" fill="#c9d3df"/>'
        f'<line x1="{_SIDE}" y1="{base}" x2="{_WIDTH - _SIDE}" y2="{base}" stroke="#8a8a8a"/>'
        f'<line x1="{_x(low):.1f}" y1="{middle}" x2="{_x(high):.1f}" y2="{middle}" stroke="#2f5d8c" stroke-width="5" '
        f'stroke-linecap="round" stroke-opacity="0.75"/>'
        f'<circle cx="{_x(score):.1f}" cy="{middle}" r="5.5" fill="#d9480f" stroke="#fff" stroke-width="1.5"/></svg>'
    )


def heard_picture(sheet: ScoreSheet) -> bytes:
    """What was heard, and below it the scores of the parts where there are several; PNG."""
    several = len(sheet.spans) > 1
    drawn = empty_figure(8.0, 5.9 if several else 1.9)
    axes = drawn.subplots(
        2 if several else 1, 1, sharex=True, squeeze=False, height_ratios=(1, 2.9) if several else (1,)
    )
    if sheet.performance is not None:
        _roll(plain(axes[0][0]), sheet.performance)
    elif sheet.envelope is not None:
        _wave(plain(axes[0][0]), sheet.envelope, sheet.seconds)
    axes[0][0].set_xlim(0, sheet.seconds)
    if several:
        _over_time(drawn, plain(axes[1][0]), sheet)
    _clock(axes[-1][0], sheet.seconds)
    return _png(drawn)


def _x(value: float) -> float:
    """Place of a label in a strip."""
    return _SIDE + (value * POINTS - 1) / (POINTS - 1) * (_WIDTH - 2 * _SIDE)


def _hill(rated: Floats, base: float) -> str:
    """The rated performances as an area, as high as the strip where most of them lie."""
    import numpy as np

    counts, edges = np.histogram(rated, bins=_BINS, range=(1 / POINTS, 1))
    smooth = np.convolve(counts, [0.25, 0.5, 0.25], mode="same")
    tops = base - smooth / max(float(smooth.max()), 1.0) * (base - 3)
    middles = (edges[:-1] + edges[1:]) / 2
    points = " ".join(f"L{_x(at):.1f} {top:.1f}" for at, top in zip(middles, tops, strict=True))
    return f"M{_x(edges[0]):.1f} {base:.1f} {points} L{_x(edges[-1]):.1f} {base:.1f} Z"


def _roll(axes: Any, read: Performance) -> None:
    import numpy as np

    width = 2.2 if read.seconds < 120 else 1.6
    loud = np.clip((read.velocity - 20) / 90, 0, 1)
    colours = np.stack([0.6 - 0.55 * loud, 0.7 - 0.55 * loud, 0.85 - 0.4 * loud], axis=1)
    axes.hlines(read.pitch, read.onset, read.end, linewidth=width, colors=colours)
    times = np.linspace(0, read.seconds, 2000)
    floor = float(read.pitch.min()) - 7
    axes.fill_between(times, floor, floor + 4 * pedal_at(read.sustain, times) / 127, color=ORANGE, linewidth=0)
    octaves = [pitch for pitch in range(24, 109, 12) if floor <= pitch <= read.pitch.max() + 3]
    axes.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    axes.set_ylabel("notes, pedal")


def _wave(axes: Any, envelope: Floats, seconds: float) -> None:
    import numpy as np

    axes.fill_between(np.linspace(0, seconds, len(envelope)), -envelope, envelope, color=BLUE, linewidth=0)
    axes.set(yticks=[], ylabel="sound")


def _over_time(drawn: Figure, axes: Any, sheet: ScoreSheet) -> None:
    """Each part beside the performance's own mean is what a teacher asks for; beside the usual is what poles mean."""
    import numpy as np

    apart = (sheet.parts - np.median(sheet.rated, axis=0)).T * POINTS
    edges = [sheet.spans[0][0], *(stop for _, stop in sheet.spans)]
    rows = np.arange(len(DIMENSIONS) + 1) - 0.5
    mesh = axes.pcolormesh(edges, rows, np.ma.masked_invalid(apart), cmap="PuOr_r", vmin=-_FAR, vmax=_FAR)
    if len(sheet.spans) <= 16:
        for column, (start, stop) in enumerate(sheet.spans):
            for row, value in enumerate(sheet.parts[column] * POINTS):
                if np.isfinite(value):
                    ink = "white" if abs(apart[row, column]) > 0.8 * _FAR else "black"
                    axes.text(
                        (start + stop) / 2, row, f"{value:.1f}", ha="center", va="center", fontsize=6.5, color=ink
                    )
    axes.set_yticks(range(len(DIMENSIONS)), [scale(dimension) for dimension in DIMENSIONS])
    axes.tick_params(axis="y", labelsize=6.5, length=0)
    axes.set_ylim(len(DIMENSIONS) - 0.5, -0.5)
    axes.set_facecolor(GREY)
    bar = drawn.colorbar(mesh, ax=axes, orientation="horizontal", shrink=0.5, aspect=40, pad=0.02)
    bar.set_label(
        "points from the median of the rated performances: left word (purple) to right word (orange)", fontsize=7
    )
    bar.ax.tick_params(labelsize=6)


def _clock(axes: Any, seconds: float) -> None:
    """Minutes and seconds below."""
    step = next(size for size in (2, 5, 10, 15, 30, 60, 120, 300, 600, 1800) if seconds / size <= 14)
    ticks = range(0, int(seconds) + 1, step)
    axes.set_xticks(list(ticks), [f"{tick // 60}:{tick % 60:02d}" for tick in ticks])
    axes.tick_params(labelbottom=True)


def _png(drawn: Figure) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    drawn.savefig(out, format="png", dpi=_DPI)
    small = io.BytesIO()
    Image.open(out).convert("RGB").quantize(128).save(small, format="png", optimize=True)
    return small.getvalue()
