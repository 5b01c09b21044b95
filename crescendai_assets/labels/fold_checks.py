"""Does a split leak? For each protocol the verdict, and the rows that make it so.

What must not be on both sides is worked out here from each segment's own row (bars, MIDI hash, performer, work), not
from the groups that the folds were made of: a wrong group shows, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crescendai_assets.labels.names import LONG, MACHINE, SHORT
from crescendai_assets.labels.protocols import GROUP_COLUMNS, GROUPED_BY, LEAKY, Fold, Protocol
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row
from crescendai_assets.lake.verify import SAMPLE, Outcome, outcome

Traits = Callable[[Row], list[str]]
"""What a segment may share with none on the other side, in words."""


def check_folds(protocol: Protocol, folds: Sequence[Fold], rows: Sequence[Row]) -> Outcome:
    """The verdict on all folds of a protocol.

    Args:
        protocol: Which.
        folds: Its folds.
        rows: The rows of `metadata.jsonl`.

    Returns:
        Failed with the leaking rows; of a protocol that is declared leaky, a warning that lists them.
    """
    if not folds:
        return Outcome(False, f"there are no folds of the protocol '{protocol}'", warn=protocol in LEAKY)
    by_id = {row["segment_id"]: row for row in rows}
    leaks = {fold.name: leaks_of(fold, by_id) for fold in folds}
    faults = [fault for found in leaks.values() for fault in found]
    if protocol not in LEAKY:
        faults += _misses(folds, by_id)
    shared = {fold.name: len(shared_passages(fold, by_id)) for fold in folds}
    hashed = sum(row["midi_sha256"] is not None for row in rows)
    facts: dict[str, Any] = {
        "folds": len(folds),
        "segments": len(rows),
        "segments_in_folds": len({key for fold in folds for key in (*fold.train, *fold.val)}),
        "without_machine_renderings": sum(not row["machine"] for row in rows),
        "grouped_by": GROUPED_BY[protocol],
        "groups": len({row[GROUP_COLUMNS[protocol]] for row in rows}) if protocol in GROUP_COLUMNS else None,
        "segments_compared_by_midi": hashed,
        "passages_on_both_sides": ", ".join(f"{name}: {count}" for name, count in shared.items()),
        "leaking_rows": ", ".join(f"{name}: {len(found)}" for name, found in leaks.items()),
    }
    unseen = "" if hashed == len(rows) else f" ({len(rows) - hashed} segments without MIDI were not compared by it)"
    good = f"{len(folds)} folds, nothing on both sides{unseen}"
    if protocol in LEAKY:
        return outcome(faults, good, _declared(shared), facts, warn=True)
    return outcome(faults, good, f"rows leak or are misplaced in the folds by {protocol}", facts)


def require_sound(fold: Fold, rows: Sequence[Row]) -> None:
    """Stop before training on a split that leaks; a protocol that is declared leaky passes.

    Raises:
        SetupError: It leaks, or names segments that there are not.
    """
    if fold.protocol in LEAKY:
        return
    if faults := leaks_of(fold, {row["segment_id"]: row for row in rows}):
        shown = "; ".join(f"{fault['id']}: {fault['fault']}" for fault in faults[:3])
        raise SetupError(
            f"fold {fold.name} by {fold.protocol} leaks in {len(faults)} rows ({shown}). Materialize the folds again"
        )


def leaks_of(fold: Fold, by_id: Mapping[str, Row]) -> list[Row]:
    """Held-out rows that share with training what the protocol keeps apart, and rows that there are not.

    Args:
        fold: The split.
        by_id: Rows of `metadata.jsonl` by segment.
    """
    traits = TRAITS[fold.protocol]
    faults: list[Row] = [
        {"fold": fold.name, "id": key, "fault": "there is no such segment"}
        for key in (*fold.train, *fold.val)
        if key not in by_id
    ]
    seen: dict[str, str] = {}
    for key in fold.train:
        for trait in traits(by_id[key]) if key in by_id else ():
            seen.setdefault(trait, key)
    train = set(fold.train)
    for key in fold.val:
        if key in train:
            faults.append({"fold": fold.name, "id": key, "fault": "is in train as well"})
        elif found := next((t for t in (traits(by_id[key]) if key in by_id else ()) if t in seen), None):
            faults.append({"fold": fold.name, "id": key, "fault": f"{found} is in train, as {seen[found]}"})
    return faults


def shared_passages(fold: Fold, by_id: Mapping[str, Row]) -> set[str]:
    """Passages that are heard on both sides, by name alone."""

    def heard(keys: Iterable[str]) -> set[str]:
        return {by_id[key]["passage"] for key in keys if key in by_id}

    return heard(fold.train) & heard(fold.val)


def _by_passage(row: Row) -> list[str]:
    bars, number = row["bars"], row["number"]
    own = [f"passage {row['piece']}, {bars} bars, {number}"]
    if bars == LONG:
        own += [f"passage {row['piece']}, {SHORT} bars, {inner}" for inner in (2 * number - 1, 2 * number)]
    return own + _by_midi(row)


def _by_performer(row: Row) -> list[str]:
    who = MACHINE if row["machine"] else row["performer"]
    return [f"performer {who} of {row['work']}", *_by_midi(row)]


def _by_work(row: Row) -> list[str]:
    return [f"work {row['work']}", *_by_midi(row)]


def _by_midi(row: Row) -> list[str]:
    return [f"MIDI {row['midi_sha256'][:12]}"] if row["midi_sha256"] else []


TRAITS: Mapping[Protocol, Traits] = {
    "passage": _by_passage,
    "performer": _by_performer,
    "work": _by_work,
    "published": _by_passage,
}
"""What each protocol keeps apart."""


def _misses(folds: Sequence[Fold], by_id: Mapping[str, Row]) -> list[Row]:
    """Rows that a fold leaves out, or that are held out other than once in each shuffle."""
    faults: list[Row] = []
    held_out: dict[int | None, Counter[str]] = {}
    for fold in folds:
        missing = sorted(by_id.keys() - {*fold.train, *fold.val})
        faults += [{"fold": fold.name, "id": key, "fault": "is on neither side"} for key in missing[:SAMPLE]]
        held_out.setdefault(fold.seed, Counter()).update(fold.val)
    for seed, counts in held_out.items():
        which = "" if seed is None else f" with seed {seed}"
        odd = [key for key in by_id if counts[key] != 1]
        faults += [{"id": key, "fault": f"is held out {counts[key]} times{which}"} for key in odd[:SAMPLE]]
    return faults


def _declared(shared: Mapping[str, int]) -> str:
    fewest, most = min(shared.values()), max(shared.values())
    span = str(most) if fewest == most else f"{fewest} to {most}"
    return f"rows of validation leak: train shares {span} passages with it. Declared leaky, for comparison alone"
