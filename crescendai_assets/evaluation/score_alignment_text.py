"""What is told of `score_alignment.jsonl`: overall figures, by method and by composer, as markdown for reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from crescendai_assets.evaluation.score_alignment import BAR_TOLERANCE_SECONDS, WITHIN_MS, error_figures
from crescendai_assets.evaluation.score_alignment_table import ASSET, METHODS, alignment_partition, alignment_rows
from crescendai_assets.evaluation.text_tables import markdown_table, number
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import Row

MISSING = "n/a: no performance has been aligned; set ASAP_DIR and materialize `reports/score_alignment`."

_WHERE = " (each with its reason in `reports/failures/score_alignment.jsonl`)"

_SHARES = tuple(f"within {limit} ms" for limit in WITHIN_MS)
_HEADER = ("", "beats", "median ms", "mean ms", "p90 ms", *_SHARES, "measures", "measures by note")


def alignment_section(root: Path) -> str:
    """The section of a report on symbolic models: overall figures, or what to do to get some.

    Args:
        root: Of the lake.
    """
    rows = alignment_rows(root)
    told = [alignment_table(rows), "", alignment_notes(rows, not_judged_counts(root))] if rows else [MISSING]
    return "\n".join(["## Score alignment on ASAP", "", *told])


def alignment_table(rows: Sequence[Row]) -> str:
    """A line a method over all beats, then where the score has an onset and where not, then by composer.

    Beats are pooled: long performances count for more. Accuracy of measures is the mean weighted by notes.
    """
    lines = [_line(words, rows, method) for method, words in METHODS.items()]
    lines += [_line(f"{METHODS['aligned']}: {where}", rows, "aligned", struck) for where, struck in _PLACES]
    for composer in sorted({row["composer"] for row in rows}):
        own = [row for row in rows if row["composer"] == composer]
        lines.append(_line(f"{METHODS['aligned']}: {composer} ({len(own)})", own, "aligned"))
    return markdown_table([_HEADER, *lines])


def alignment_notes(rows: Sequence[Row], not_judged: Counter[str]) -> str:
    """What must be said with the figures."""
    exact = [abs(error) < 0.01 for row in rows for error in row["errors_ms"]["aligned"]]
    left_out = sum((Counter(row["left_out"]) for row in rows), Counter[str]())
    second = [row["note_agreement"] for row in rows if row["note_agreement"]]
    matched, notes = sum(row["matched"] for row in rows), sum(row["notes"] for row in rows)
    told = [
        f"{len(rows)} performances, {notes} notes, of which {matched / max(notes, 1):.1%} are matched. Error: time "
        "that the alignment gives an annotated score beat minus the annotated time, over pooled beats. Measures: share "
        "of performed notes put into the measure in which the annotated downbeats say they are played, "
        f"{1000 * BAR_TOLERANCE_SECONDS:.0f} ms from a bar line either side being right; notes are placed by their "
        "time, or (by note) where their partner is written, which spread chords and ornaments across a bar line lower.",
        f"ASAP's beats come from an alignment of its own, corrected by hand: {sum(exact) / max(len(exact), 1):.1%} are "
        "the very median of the onsets that our alignment gives, so this reference is not independent of such a rule; "
        "the second line is the same alignment by another one.",
        f"Note by note against (n)ASAP: {_agreement(second)}.",
        f"Left out beats: {_counted(left_out)}. Left out performances, by class of error: {_counted(not_judged)}"
        f"{_WHERE if not_judged else ''}.",
    ]
    return "\n\n".join(told)


def not_judged_counts(root: Path) -> Counter[str]:
    """Why performances of the last run are not in the table, by class of error."""
    return Counter(one.error_class for one in read_failures(alignment_partition(root).stage(ASSET).ledger).values())


_PLACES = (("on an onset of the score", True), ("between onsets", False))


def _line(name: str, rows: Sequence[Row], method: str, struck: bool | None = None) -> tuple[str, ...]:
    errors = [
        error
        for row in rows
        for error, there in zip(row["errors_ms"][method], row["struck"], strict=True)
        if struck is None or bool(there) == struck
    ]
    found = error_figures(errors)
    whole = struck is None
    in_time = _by_notes([(row["measure_accuracy"][method], row["notes"]) for row in rows]) if whole else ""
    by_note = [(row["measure_accuracy_by_note"], row["notes"]) for row in rows]
    accuracy = (in_time, _by_notes(by_note) if whole and method == "aligned" else "")
    figures = [number(found[key], 1) for key in ("median_ms", "mean_ms", "p90_ms")]
    shares = [number(found[f"within_{limit}"], 3) for limit in WITHIN_MS]
    return (name, str(len(errors)), *figures, *shares, *accuracy)


def _by_notes(shares: Sequence[tuple[float | None, int]]) -> str:
    """Mean of shares weighted by notes."""
    known = [(share, notes) for share, notes in shares if share is not None]
    total = sum(notes for _, notes in known)
    return f"{sum(share * notes for share, notes in known) / total:.4f}" if total else "n/a"


def _agreement(found: Sequence[Row]) -> str:
    if not found:
        return "n/a, no note alignments at hand"
    f1 = [one["f1"] for one in found if "f1" in one]
    unusable = f"{len(found) - len(f1)} note alignments could not be used" if len(f1) < len(found) else ""
    if not f1:
        return f"n/a, {unusable}"
    told = f"mean F1 {sum(f1) / len(f1):.4f}, lowest {min(f1):.4f}, of {len(f1)} performances"
    return f"{told}; {unusable} (`note_agreement.fault`)" if unusable else told


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()) if count) or "none"
