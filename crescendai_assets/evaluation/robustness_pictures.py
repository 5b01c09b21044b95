"""Pictures of the robustness report: drop and correlation by effect and model, scores clean against degraded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from crescendai_assets.evaluation.robustness import LEAST_R, MOST_DROP_PCT
from crescendai_assets.evaluation.robustness_report import Measured, RobustnessReport
from crescendai_assets.lake.figures import BLUE, GREEN, GREY, ORANGE, RED, empty_figure, plain, png

_COLOURS = (BLUE, ORANGE, GREEN, RED, "#b279a2", "#72b7b2", "#eeca3b", "#9d755d")

PICTURES = ("by_effect", "clean_degraded")
"""Names; of the first protocol that has anything."""


def pictures_of(report: RobustnessReport) -> dict[str, bytes]:
    """Name -> picture; none where nothing was measured."""
    if not report.measured:
        return {}
    first = report.measured[0].protocol
    models = [one for one in report.measured if one.protocol == first]
    drawn = (by_effect(models), clean_degraded(models))
    return dict(zip(PICTURES, drawn, strict=True))


def by_effect(models: Sequence[Measured]) -> bytes:
    """How far scores fall, and how they correlate, under each effect."""
    effects = list(dict.fromkeys(effect for one in models for effect in one.held.by_effect))
    drawn = empty_figure(6.4, 1.2 + 0.24 * len(effects))
    drop, r = (plain(axes) for axes in drawn.subplots(1, 2, sharey=True))
    width = 0.8 / len(models)
    for number, (one, colour) in enumerate(zip(models, cycle(_COLOURS), strict=False)):
        places = [effects.index(effect) - 0.4 + width * (number + 0.5) for effect in one.held.by_effect]
        held = list(one.held.by_effect.values())
        drop.barh(places, [h.score_drop_pct for h in held], width, color=colour, label=one.name)
        r.plot([h.pearson_r for h in held], places, "o", color=colour, markersize=4)
    drop.axvline(MOST_DROP_PCT, color=GREY, linewidth=0.8, linestyle=":")
    r.axvline(LEAST_R, color=GREY, linewidth=0.8, linestyle=":")
    drop.set_yticks(range(len(effects)), [effect.replace("_", " ") for effect in effects])
    drop.invert_yaxis()
    drop.set(xlabel=f"scores drop, %, {models[0].protocol}")
    r.set(xlabel="r, clean and degraded", xlim=(None, 1.01))
    for axes in (drop, r):
        axes.grid(axis="x", alpha=0.3, linewidth=0.5)
    drawn.legend(*drop.get_legend_handles_labels(), fontsize=7, frameon=False, ncols=8, loc="outside upper right")
    return png(drawn)


def clean_degraded(models: Sequence[Measured]) -> bytes:
    """Mean score of each segment, degraded against clean; all effects, the worst one of each model in colour."""
    shown = models[:4]
    drawn = empty_figure(1.0 + 2.3 * len(shown), 2.7)
    for one, axes in zip(shown, drawn.subplots(1, len(shown), squeeze=False)[0], strict=True):
        plain(axes)
        for row in sorted(one.rows, key=lambda row: row["effect"] == one.held.worst):
            worst = row["effect"] == one.held.worst
            axes.plot(row["clean"], row["degraded"], ".", color=RED if worst else GREY, markersize=4 if worst else 2)
        ends = axes.get_xlim()
        axes.plot(ends, ends, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(xlabel=f"{one.name}, clean", ylabel="degraded" if one is shown[0] else "")
        axes.set_title(f"red: most drop, {one.held.worst.replace('_', ' ')}", fontsize=7)
    return png(drawn)
