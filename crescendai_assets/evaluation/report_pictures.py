"""Pictures of a comparison: by dimension, by fold, predictions against labels, calibration. PNG, 40 kB each at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from crescendai_assets.evaluation.arrays import Floats
from crescendai_assets.evaluation.calibration import calibration_bins
from crescendai_assets.evaluation.comparison import Comparison, Entry, Section
from crescendai_assets.evaluation.dimension_words import scale
from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.lake.figures import BLUE, GREEN, GREY, ORANGE, RED, figure, png

_COLOURS = (BLUE, ORANGE, GREEN, RED, "#b279a2", "#72b7b2", "#eeca3b", "#9d755d")
_MARKERS = "os^Dvx"


def pictures_of(comparison: Comparison) -> dict[str, bytes]:
    """Name -> picture, of the first protocol that has anything; none where nothing is finished."""
    if not comparison.sections:
        return {}
    section = comparison.sections[0]
    best = next((entry for entry in section.entries if entry.name == section.winner), section.entries[0])
    return {
        "by_dimension": by_dimension(section, comparison.judges.ceiling),
        "by_fold": by_fold(section),
        "scatter": scatter(section, best, comparison.judges.labels),
        "calibration": calibrated(section, comparison.judges.labels),
    }


def styled(entries: Sequence[Entry]) -> Iterator[tuple[Entry, dict[str, str]]]:
    """Each model with a colour and a marker that no other has; colours come round with another marker."""
    for number, entry in enumerate(entries):
        round_, colour = divmod(number, len(_COLOURS))
        yield entry, {"color": _COLOURS[colour], "marker": _MARKERS[round_ % len(_MARKERS)]}


def by_dimension(section: Section, ceiling: Mapping[str, float]) -> bytes:
    """R² of each model in each dimension, and how reliable the ratings of it are."""
    drawn, axes = figure(7.0, 4.6)
    place = {dimension.name: len(DIMENSIONS) - 1 - dimension.index for dimension in DIMENSIONS}
    reliable = [(value, place[name]) for name, value in ceiling.items() if name in place]
    if reliable:
        axes.plot(*zip(*reliable, strict=True), "|", color=GREY, markersize=9, markeredgewidth=2, label="ceiling")
    for entry, style in styled(section.entries):
        values = entry.judgement.everyone.r2_by_dimension
        axes.plot(values, [place[d.name] for d in DIMENSIONS], linestyle="", markersize=4, label=entry.name, **style)
    axes.set_yticks([place[d.name] for d in DIMENSIONS], [scale(d) for d in DIMENSIONS])
    low = min(float(min(entry.judgement.everyone.r2_by_dimension)) for entry in section.entries)
    axes.set(xlabel=f"R², {section.protocol}", xlim=(max(-0.5, min(0.0, low - 0.02)), 1))
    axes.grid(axis="x", alpha=0.3, linewidth=0.5)
    drawn.legend(*axes.get_legend_handles_labels(), fontsize=7, frameon=False, ncols=8, loc="outside upper right")
    return png(drawn)


def by_fold(section: Section) -> bytes:
    """R² of each model in each fold."""
    drawn, axes = figure(6.4, 2.6)
    folds = list(dict.fromkeys(name for entry in section.entries for name in entry.by_fold))
    for entry, style in styled(section.entries):
        told = [(folds.index(name), value) for name, value in entry.by_fold.items()]
        axes.plot(*zip(*told, strict=True), linestyle="", markersize=4, label=entry.name, **style)
    axes.set_xticks(range(len(folds)), folds, rotation=45 if len(folds) > 6 else 0)
    axes.set(ylabel=f"R², {section.protocol}")
    axes.grid(axis="y", alpha=0.3, linewidth=0.5)
    drawn.legend(*axes.get_legend_handles_labels(), fontsize=7, frameon=False, ncols=8, loc="outside upper right")
    return png(drawn)


def scatter(section: Section, entry: Entry, labels: Floats) -> bytes:
    """What the best model said against what listeners said, all dimensions of one shuffle."""
    drawn, axes = figure(3.4, 3.2)
    said, was = _first_shuffle(entry, labels)
    axes.hexbin(said.ravel(), was.ravel(), gridsize=36, cmap="Blues", mincnt=1, linewidths=0)
    ends = (float(min(said.min(), was.min())), float(max(said.max(), was.max())))
    axes.plot(ends, ends, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel=f"{entry.name}, {section.protocol}", ylabel="mean rating")
    return png(drawn)


def calibrated(section: Section, labels: Floats) -> bytes:
    """Mean rating where a model says so much, all dimensions of one shuffle."""
    drawn, axes = figure(3.4, 3.2)
    ends = [1.0, 0.0]
    for entry, style in styled(section.entries):
        said, was, _ = calibration_bins(*_first_shuffle(entry, labels))
        axes.plot(said, was, linewidth=1, markersize=3, label=entry.name, **style)
        ends = [min(ends[0], float(said.min())), max(ends[1], float(said.max()))]
    axes.plot(ends, ends, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel="said", ylabel="mean rating")
    axes.legend(fontsize=7, frameon=False)
    return png(drawn)


def _first_shuffle(entry: Entry, labels: Floats) -> tuple[Floats, Floats]:
    found = entry.judgement.out_of_fold
    there = found.fold[0] >= 0
    return found.scores[0][there], labels[there]
