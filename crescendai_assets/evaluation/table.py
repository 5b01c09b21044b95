"""Models side by side: one row each, a winner, and what must be said with it (leaks, vetoes, no difference)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crescendai_assets.evaluation.bootstrap import Difference
from crescendai_assets.evaluation.robustness import MOST_DROP_PCT

HEADER = ("model", "R2", "pairwise", "difficulty rho", "robustness", "GPU hours", "note")


@dataclass(frozen=True)
class ModelResult:
    """A row. None (or NaN) is shown as n/a.

    Attributes:
        model: Its name.
        r2: Mean over dimensions.
        pairwise: Accuracy of pairs, 0 to 1.
        difficulty_rho: Spearman's ρ with difficulty.
        pearson_r: Of scores clean and augmented.
        score_drop_pct: How far scores fall under augmentation, percent.
        gpu_hours: Of training.
        leaky: It was judged by a protocol that leaks: it is marked, and no winner beside one that was not.
        worst: The effect that scores fall most under, and by how many percent.
    """

    model: str
    r2: float | None = None
    pairwise: float | None = None
    difficulty_rho: float | None = None
    pearson_r: float | None = None
    score_drop_pct: float | None = None
    gpu_hours: float | None = None
    leaky: bool = False
    worst: tuple[str, float] | None = None

    @property
    def vetoed(self) -> bool:
        """Whether its scores drop too far to win."""
        drop = _known(self.score_drop_pct)
        return drop is not None and drop > MOST_DROP_PCT


Results = Mapping[str, Mapping[str, Any]] | Sequence[ModelResult]
"""Rows, or `{model: figures}` with `MetricsSuite.full_report`'s keys or `ModelResult`'s."""


def format_comparison_table(results: Results, differences: Mapping[str, Difference] | None = None) -> str:
    """A table (markdown) with one row a model, and a line that says who wins.

    The winner has the highest pairwise accuracy; of equal ones the highest R². A model whose scores drop more than 15 %
    under augmentation is vetoed.

    Args:
        results: See `Results`.
        differences: Model -> the winner's figure minus this model's (`bootstrap.paired_bootstrap`); where the interval
            holds 0, the table says that there is no significant difference.
    """
    rows = as_results(results)
    winner = pick_winner(rows)
    given = differences or {}
    cells = [HEADER, *(_cells(row, winner, given.get(row.model)) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, "", _verdict(rows, winner, given)])


def pick_winner(results: Results) -> str | None:
    """Name of the winner; None where no row may win. Leaky rows win only among themselves."""
    able = [row for row in as_results(results) if not row.vetoed and _known(row.pairwise) is not None]
    able = [row for row in able if not row.leaky] or able
    # a tie to the digits that are shown is a tie
    best = max(able, key=lambda row: (_digits(row.pairwise), _digits(row.r2)), default=None)
    return best.model if best else None


def as_results(results: Results) -> list[ModelResult]:
    """Rows from rows, or from figures by model."""
    if not isinstance(results, Mapping):
        return list(results)
    return [_from_figures(name, figures) for name, figures in results.items()]


def _from_figures(model: str, figures: Mapping[str, Any]) -> ModelResult:
    robustness = _first(figures, "robustness")
    if not isinstance(robustness, Mapping):
        robustness = {"pearson_r": robustness}
    return ModelResult(
        model,
        r2=_first(figures, "r2", "regression_r2"),
        pairwise=_inner(_first(figures, "pairwise", "pairwise_accuracy"), "overall"),
        difficulty_rho=_inner(
            _first(figures, "difficulty_rho", "difficulty", "difficulty_correlation", "overall_rho"), "overall_rho"
        ),
        pearson_r=_first(figures, "pearson_r", default=robustness.get("pearson_r")),
        score_drop_pct=_first(figures, "score_drop_pct", default=robustness.get("score_drop_pct")),
        gpu_hours=_first(figures, "gpu_hours"),
        leaky=bool(figures.get("leaky", False)),
    )


def _first(figures: Mapping[str, Any], *names: str, default: Any = None) -> Any:
    return next((figures[name] for name in names if figures.get(name) is not None), default)


def _inner(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else value


def _cells(row: ModelResult, winner: str | None, difference: Difference | None) -> tuple[str, ...]:
    robustness = _shown(row.pearson_r, "r {:.3f}")
    if _known(row.score_drop_pct) is not None:
        robustness += f", drop {row.score_drop_pct:.1f} %"
    if row.worst and _known(row.worst[1]) is not None:
        robustness += f" (most by {row.worst[0]}: {row.worst[1]:.1f} %)"
    notes = ["leaky protocol"] if row.leaky else []
    notes += [f"vetoed: drops more than {MOST_DROP_PCT:g} %"] if row.vetoed else []
    notes += ["winner"] if row.model == winner else []
    if difference and row.model != winner:
        behind = str(difference.reversed)
        notes.append(behind if difference.significant else f"no significant difference, {behind}")
    return (
        row.model,
        _shown(row.r2),
        _shown(row.pairwise),
        _shown(row.difficulty_rho),
        robustness,
        _shown(row.gpu_hours, "{:.2f}"),
        "; ".join(notes),
    )


def _verdict(rows: Sequence[ModelResult], winner: str | None, differences: Mapping[str, Difference]) -> str:
    if winner is None:
        return "No winner: no model has a pairwise accuracy and holds under augmentation."
    best = next(row for row in rows if row.model == winner)
    said = f"Winner: {winner} (pairwise {_shown(best.pairwise)}, R2 {_shown(best.r2)})"
    if best.leaky:
        said += ", by a leaky protocol: a figure to compare with others of its kind alone"
    same = [name for name, found in differences.items() if name != winner and not found.significant]
    return f"{said}; no significant difference from {', '.join(same)}." if same else f"{said}."


def _shown(value: float | None, form: str = "{:.3f}") -> str:
    known = _known(value)
    return "n/a" if known is None else form.format(known)


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(float(value)) else float(value)


def _digits(value: float | None) -> float:
    known = _known(value)
    return -math.inf if known is None else round(known, 3)
