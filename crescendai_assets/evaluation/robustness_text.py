"""The robustness report written down: markdown for people, csv for machines. Figures are `robustness_report`'s."""

from __future__ import annotations

from collections.abc import Sequence

from crescendai_assets.evaluation.robustness import LEAST_R, MOST_DROP_PCT, MOST_PAIR_DROP_PCT, Held
from crescendai_assets.evaluation.robustness_report import Measured, RobustnessReport
from crescendai_assets.evaluation.text_tables import csv_table, markdown_table, number
from crescendai_assets.labels.protocols import LEAKY
from crescendai_assets.lake.tables import Row

COLUMNS = (
    "protocol",
    "leaky",
    "model",
    "effect",
    "checkpoints",
    "segments",
    "pearson_r",
    "score_drop_pct",
    "pairs_compared",
    "pairs",
    "pairs_degraded",
    "pair_drop_pct",
    "vetoed",
    "t4_joins_training",
)
"""Of the csv."""

MEAN = "mean over effects"


def rows_of(report: RobustnessReport) -> list[Row]:
    """Rows of the csv: of each model the mean over effects, then each effect."""
    rows = []
    for one in report.measured:
        for effect, held in {MEAN: one.held.mean, **one.held.by_effect}.items():
            figures = (
                *(held.judged, held.pearson_r, held.score_drop_pct, held.compared, held.pairs, held.pairs_degraded),
                held.pair_drop_pct,
            )
            rules = (held.vetoed, held.wants_t4) if effect == MEAN else (None, None)
            cells = (one.protocol, one.protocol in LEAKY, one.name, effect, one.checkpoints, *figures, *rules)
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def as_csv(report: RobustnessReport) -> str:
    """The csv."""
    return csv_table(COLUMNS, rows_of(report))


def as_markdown(report: RobustnessReport, pictures: Sequence[str] = ()) -> str:
    """The report.

    Args:
        report: What to tell.
        pictures: Names of files beside it.
    """
    said = ["# Robustness", "", _intro(report), "", *(f"{note}.\n" for note in map(_capital, report.notes))]
    for protocol in dict.fromkeys(one.protocol for one in report.measured):
        models = [one for one in report.measured if one.protocol == protocol]
        mark = " (leaky: figures to compare with others of the same folds alone)" if protocol in LEAKY else ""
        said += [f"## {protocol}{mark}", "", headline(models), "", *(f"- {t4_verdict(one)}" for one in models), ""]
        said += ["### By effect", "", by_effect(models), ""]
    if not report.measured:
        said += ["Nothing could be measured.", ""]
    said += ["## n/a", "", *(f"- {what}: {why}." for what, why in report.missing.items()), ""]
    if report.refused:
        said += ["Left out:", "", *(f"- `{what}`: {why}." for what, why in report.refused.items()), ""]
    return "\n".join([*said, *(f"![{name}]({name})" for name in pictures)]) + "\n"


def headline(models: Sequence[Measured]) -> str:
    """A row a model: the mean over effects, the worst effect, and what follows by the rules."""
    header = ["model", "checkpoints", "segments", "r", "scores drop", "worst effect", "pairs", "pairs drop", "rules"]
    lines = [header]
    for one in models:
        mean, worst = one.held.mean, one.held.by_effect[one.held.worst]
        rules = [f"vetoed: drops more than {MOST_DROP_PCT:g} %"] if mean.vetoed else []
        rules += ["T4 joins training"] if mean.wants_t4 else []
        lines.append(
            [
                one.name,
                str(one.checkpoints),
                str(mean.judged),
                number(mean.pearson_r),
                _percent(mean.score_drop_pct),
                f"{one.held.worst} ({_percent(worst.score_drop_pct)})",
                _pairs(mean),
                _percent(mean.pair_drop_pct),
                "; ".join(rules) or "holds",
            ]
        )
    return markdown_table(lines)


def by_effect(models: Sequence[Measured]) -> str:
    """A row an effect, a column a model."""
    effects = dict.fromkeys(effect for one in models for effect in one.held.by_effect)
    lines = [["effect", *(f"{one.name}: r, drop, pairs" for one in models)]]
    for effect in effects:
        found = [one.held.by_effect.get(effect) for one in models]
        lines.append([effect, *(_cell(held) if held else "n/a" for held in found)])
    return markdown_table(lines)


def t4_verdict(one: Measured) -> str:
    """Whether T4 joins the training of a model, and why."""
    mean = one.held.mean
    found = f"pairs drop {_percent(mean.pair_drop_pct)}, r {number(mean.pearson_r)}"
    joins = "T4 joins training" if mean.wants_t4 else "T4 need not join training"
    alone = one.held.reasons_for_t4
    more = f"; by {', '.join(alone)} alone it would" if alone and not mean.wants_t4 else ""
    return f"{one.name}: {joins} ({found}{more})."


def _intro(report: RobustnessReport) -> str:
    lost = f" {report.lost} degraded clips could not be embedded and are left out." if report.lost else ""
    return (
        f"{report.clips} rated clips of {report.passages} passages (chosen by seed {report.seed}), each degraded by "
        "one effect at a time and embedded again; a checkpoint is asked only about those that it never saw, so a clip "
        f"counts once for each checkpoint that held it out.{lost} r and drop are of each checkpoint, their mean weighs "
        "by clips; a drop below 0 is a rise, and counts as 0 in the mean over effects. So few clips give rough "
        "figures, hence no intervals. Rules, on the mean over effects: a winner's scores drop by no more than "
        f"{MOST_DROP_PCT:g} %; T4 joins training where pairwise accuracy drops by more than {MOST_PAIR_DROP_PCT:g} % "
        f"of the clean one, or r is below {LEAST_R:g}."
    )


def _capital(note: str) -> str:
    return note[:1].upper() + note[1:]


def _cell(held: Held) -> str:
    return f"{number(held.pearson_r)}, {_percent(held.score_drop_pct)}, {_pairs(held)}"


def _pairs(held: Held) -> str:
    return f"{number(held.pairs)} -> {number(held.pairs_degraded)}" if held.compared else "n/a"


def _percent(value: float) -> str:
    return "n/a" if value != value else f"{value:.1f} %"
