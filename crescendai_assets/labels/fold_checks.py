"""Does a split leak? For each protocol the verdict, and the rows that make it so.

What must not be on both sides is worked out here from each segment's own row (bars, MIDI hash, what shares its take,
performer, work), not from the groups that the folds were made of: a wrong group shows, too.
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
    compared = "same_take" if protocol == "passage_by_content" else "midi_sha256"
    hashed = sum(row[compared] is not None for row in rows)
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


def takes_on_both_sides(protocol: Protocol, folds: Sequence[Fold], rows: Sequence[Row]) -> Outcome:
    """Whether a take is heard on both sides, under another name, longer or shorter: a warning where it is.

    Beside `check_folds` for folds whose groups do not look for it, since they are kept as figures have been told on.

    Args:
        protocol: Which.
        folds: Its folds.
        rows: The rows of `metadata.jsonl`.
    """
    if not any(row["same_take"] is not None for row in rows):
        return Outcome(True, "takes were not compared: there is no MIDI", warn=True)
    partners = {row["segment_id"]: row["same_take"] or [] for row in rows}
    shared = {fold.name: _shared_takes(fold, partners) for fold in folds}
    of_all = sum(map(len, partners.values())) // 2
    torn = {frozenset(pair) for found in shared.values() for pair in found}
    facts = {
        "pairs_of_one_take": of_all,
        "pairs_that_are_ever_on_both_sides": len(torn),
        "pairs_on_both_sides": ", ".join(f"{name}: {len(found)}" for name, found in shared.items()),
    }
    if not torn:
        return Outcome(True, "no take is on both sides of a fold", facts, warn=True)
    faults = [
        {"fold": name, "id": key, "fault": f"shares its take with {other}, which is in train"}
        for name, found in shared.items()
        for key, other in found
    ]
    summary = f"{len(torn)} of {of_all} pairs of one take are on both sides of a fold by {protocol}"
    return Outcome(
        False, f"{summary}; passage_by_content keeps them together", facts, tuple(faults[:SAMPLE]), warn=True
    )


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


def _shared_takes(fold: Fold, partners: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """(held out, in train) of two segments that share a take."""
    train = set(fold.train)
    return [(key, other) for key in fold.val for other in partners.get(key, ()) if other in train]


def _by_passage(row: Row) -> list[str]:
    bars, number = row["bars"], row["number"]
    own = [f"passage {row['piece']}, {bars} bars, {number}"]
    if bars == LONG:
        own += [f"passage {row['piece']}, {SHORT} bars, {inner}" for inner in (2 * number - 1, 2 * number)]
    return own + _by_midi(row)


def _by_content(row: Row) -> list[str]:
    """As `_by_passage`, and with what the MIDI shows: passages really inside, and pairs of one take."""
    pairs = (sorted([row["segment_id"], other]) for other in row["same_take"] or ())
    inside = [f"passage {passage}" for passage in (row["passage"], *row["holds"])]
    return [*_by_passage(row), *inside, *(f"the take of {one} and {other}" for one, other in pairs)]


def _by_performer(row: Row) -> list[str]:
    who = MACHINE if row["machine"] else row["performer"]
    return [f"performer {who} of {row['work']}", *_by_midi(row)]


def _by_work(row: Row) -> list[str]:
    return [f"work {row['work']}", *_by_midi(row)]


def _by_midi(row: Row) -> list[str]:
    return [f"MIDI {row['midi_sha256'][:12]}"] if row["midi_sha256"] else []


TRAITS: Mapping[Protocol, Traits] = {
    "passage": _by_passage,
    "passage_by_content": _by_content,
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
