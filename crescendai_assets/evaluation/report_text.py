"""A comparison of models written down: markdown for people, csv for machines, with everything that must be said.

Ceiling and baselines that need no listening stand in the same tables as the models. What the figures are is decided in
`reports`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crescendai_assets.evaluation.bootstrap import Interval
from crescendai_assets.evaluation.comparison import Comparison, Entry, Section
from crescendai_assets.evaluation.protocols import Judged
from crescendai_assets.evaluation.table import format_comparison_table
from crescendai_assets.evaluation.text_tables import csv_table, markdown_table, number, plain
from crescendai_assets.labels.baselines import ALL
from crescendai_assets.labels.protocols import GROUPED_BY, LEAKY
from crescendai_assets.lake.tables import Row

COLUMNS = (
    "protocol",
    "leaky",
    "rows",
    "model",
    "folds",
    "segments",
    "r2",
    "r2_low",
    "r2_high",
    "r2_by_fold",
    "pairs",
    "pairs_low",
    "pairs_high",
    "ccc",
    "difficulty_rho",
    "robustness_r",
    "robustness_drop_pct",
    "robustness_worst",
    "gpu_hours",
    "r2_over_reference",
    "r2_over_low",
    "r2_over_high",
    "pairs_over_reference",
    "pairs_over_low",
    "pairs_over_high",
    "pairs_as_published",
    "note",
)
"""Of the csv."""

CEILING = "ceiling (reliability of the ratings)"

_BASELINES = ("passage", "work and performer", "piece")
"""What a split may give away: groupings that are told."""


def rows_of(comparison: Comparison) -> list[Row]:
    """All rows of the csv, plain values."""
    rows: list[Row] = []
    for section in comparison.sections:
        for entry in section.entries:
            both = (entry.judgement.everyone, entry.judgement.pianists)
            rows += [_model_row(section, entry, judged) for judged in both]
        rows += _beside(comparison, section)
    return rows


def as_csv(comparison: Comparison) -> str:
    """The csv, one row a model, protocol and set of rows."""
    return csv_table(COLUMNS, rows_of(comparison))


def as_markdown(comparison: Comparison, pictures: Sequence[str] = ()) -> str:
    """The report.

    Args:
        comparison: What to tell.
        pictures: Names of files beside it.
    """
    title = comparison.name.replace("_", " ").capitalize()
    said = [f"# {title}", "", _intro(comparison), ""]
    if comparison.absent:
        said += [f"No finished checkpoint: {', '.join(comparison.absent)}.", ""]
    said += [f"Left out: `{where}` {why}." for where, why in comparison.refused.items()]
    for section in comparison.sections:
        said += ["", *_section(comparison, section)]
    if not comparison.sections:
        said += ["Nothing is finished yet: materialize checkpoints first."]
    said += ["", *(f"![{name}]({name})" for name in pictures)] if pictures else []
    return "\n".join(said) + "\n"


def verdict(section: Section) -> str:
    """Who wins, and whether that means anything."""
    return summary_table(section).splitlines()[-1]


def summary_table(section: Section) -> str:
    """The short table: models with whole shuffles on those that all of them have; what is not known n/a."""
    if not section.results:
        whole = any(entry.whole for entry in section.entries)
        return f"No winner: no shuffle is complete {'for every model that has one' if whole else 'for any model'}."
    return format_comparison_table(section.results, section.behind)


def _intro(comparison: Comparison) -> str:
    return (
        "Scores of rows held out, by models that never saw them. Intervals of 95 % by bootstrap over groups; pairs are "
        "of one passage, labels differing by more than .05. Differences are paired, against "
        f"{comparison.reference}, on the rows of both. {_of_difficulty(comparison)}"
    )


def _of_difficulty(comparison: Comparison) -> str:
    found = comparison.judges.difficulty
    if found.missing:
        return f"Difficulty is n/a: {found.missing}."
    return (
        "Difficulty: Spearman's rho of the mean score of a segment with the level of its work, over segments of "
        f"{found.works} works or pieces; as these are what differs, no interval is given."
    )


def _of_robustness(section: Section) -> list[str]:
    """What is n/a of robustness, models of one reason together."""
    why: dict[str, list[str]] = {}
    for entry in section.entries:
        if entry.robustness_missing:
            why.setdefault(entry.robustness_missing, []).append(entry.name)
    return [f"Robustness of {', '.join(names)} is n/a: {reason}.\n" for reason, names in why.items()]


def _section(comparison: Comparison, section: Section) -> list[str]:
    leaky = section.protocol in LEAKY
    mark = " (leaky: figures to compare with others of the same folds alone)" if leaky else ""
    lines = [f"## {section.protocol}{mark}", "", f"On one side stays: {GROUPED_BY[section.protocol]}.", ""]
    lines += [_ground(section), "", summary_table(section), "", *_of_robustness(section)]
    for which in ("everyone", "pianists"):
        judged = [getattr(entry.judgement, which) for entry in section.entries]
        lines += [f"### {judged[0].rows.capitalize()}", "", _table(comparison, section, which), ""]
    for entry in section.entries:
        if entry.missing:
            folds = "the figures are of the others" if entry.done else "nothing is told"
            lines.append(f"{entry.name}: not finished: {', '.join(entry.missing)}; {folds}.")
    return lines


def _ground(section: Section) -> str:
    """What the short table is of."""
    shuffles = ", ".join(str(seed) for seed in section.shuffles if seed is not None)
    partial = [entry.name for entry in section.entries if not entry.whole]
    said = "Nothing can be set side by side."
    if section.results:
        on = f" on the shuffles that all of these models have ({shuffles})," if shuffles else ""
        said = f"Side by side,{on} on the {section.segments} segments that all of them were asked about."
    return f"{said} Not among them, as no shuffle is complete: {', '.join(partial)}." if partial else said


def _table(comparison: Comparison, section: Section, which: str) -> str:
    leaky = section.protocol in LEAKY
    told = f"over {comparison.reference}"
    header = ["model", "folds", "segments", "R2", "R2 by fold", "pairs", "CCC", f"R2 {told}", f"pairs {told}"]
    lines = [[*header, *(["pairs as published"] if leaky else []), "note"]]
    for entry in section.entries:
        judged: Judged = getattr(entry.judgement, which)
        of_all = which == "everyone"
        cells = [
            entry.name,
            _folds(comparison, section, entry),
            str(judged.segments),
            str(judged.r2),
            number(judged.r2_by_fold),
            str(judged.pairs),
            number(judged.ccc),
            str(over.r2) if (over := entry.over.get(judged.rows)) else "",
            str(over.pairs) if over else "",
        ]
        published = [str(entry.published_pairs) if of_all and entry.published_pairs else ""] if leaky else []
        lines.append([*cells, *published, "; ".join(_entry_notes(entry))])
    empty = [""] * (len(lines[0]) - 5)
    beside = _beside(comparison, section) if which == "everyone" else []
    lines += [[row["model"], "", plain(row.get("segments")), number(row["r2"]), *empty, row["note"]] for row in beside]
    return markdown_table(lines)


def _beside(comparison: Comparison, section: Section) -> list[Row]:
    """Rows of the ceiling, and of what needs no listening in these folds."""
    common = {"protocol": section.protocol, "leaky": section.protocol in LEAKY, "rows": "all"}
    known = list(comparison.judges.ceiling.values())
    rows: list[Row] = []
    if known:
        note = "ICC of the mean rating, mean over dimensions: the most that R2 can be"
        rows.append({**common, "model": CEILING, "r2": sum(known) / len(known), "note": note})
    for row in comparison.judges.baselines:
        if row["evaluated"] == section.protocol and row["grouping"] in _BASELINES and row["r2"] is not None:
            name = f"without listening: mean of the {row['grouping']}"
            told = {"segments": row["segments"], "r2": row["r2"], "note": "above 0 is what the split gives away"}
            rows.append({**common, "model": name, **told})
    return rows


def _model_row(section: Section, entry: Entry, judged: Judged) -> Row:
    of_all, over = judged is entry.judgement.everyone, entry.over.get(judged.rows)
    return {
        "protocol": section.protocol,
        "leaky": section.protocol in LEAKY,
        "rows": judged.rows,
        "model": entry.name,
        "folds": len(entry.done),
        "segments": judged.segments,
        **_spread("r2", "r2", judged.r2),
        "r2_by_fold": judged.r2_by_fold,
        **_spread("pairs", "pairs", judged.pairs),
        "ccc": judged.ccc,
        **(_beside_the_point(entry) if of_all else {}),
        **(_spread("r2_over_reference", "r2_over", over.r2) if over else {}),
        **(_spread("pairs_over_reference", "pairs_over", over.pairs) if over else {}),
        "pairs_as_published": entry.published_pairs.value if of_all and entry.published_pairs else None,
        "note": "; ".join(_entry_notes(entry)),
    }


def _beside_the_point(entry: Entry) -> Row:
    """Figures that are no agreement with ratings."""
    held = entry.robustness
    told = {"difficulty_rho": entry.difficulty_rho, "gpu_hours": entry.gpu_hours}
    if held:
        told |= {"robustness_r": held.mean.pearson_r, "robustness_drop_pct": held.mean.score_drop_pct}
    return {**told, "robustness_worst": held.worst if held else ""}


def _entry_notes(entry: Entry) -> list[str]:
    notes = list(entry.notes)
    if entry.over and not entry.over[ALL].significant:
        notes.insert(0, "no significant difference")
    if entry.missing:
        notes.append(f"{len(entry.missing)} folds missing")
    return notes


def _folds(comparison: Comparison, section: Section, entry: Entry) -> str:
    return f"{len(entry.done)} of {len(comparison.judges.folds[section.protocol])}"


def _spread(value: str, name: str, interval: Interval) -> Mapping[str, float]:
    return {value: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
