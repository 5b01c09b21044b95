"""Verdicts on what is on disk: is a table as its schema says, is there still work, is anything doubled or astray.

Each gives an `Outcome` with what was looked at and a sample of the rows at fault; showing it is `defs.checks`' work.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.ledger import now_utc, read_failures
from crescendai_assets.lake.resolve import resolve
from crescendai_assets.lake.tables import Row, Table, read_rows

SAMPLE = 10
"""Rows at fault that are shown."""


@dataclass(frozen=True)
class Outcome:
    """A verdict.

    Attributes:
        passed: Whether all was well.
        summary: One sentence for people.
        facts: What was looked at.
        rows: A sample of what is at fault.
        warn: A failure worth a look, not a stop.
    """

    passed: bool
    summary: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    warn: bool = False


def outcome(faults: list[Row], good: str, bad: str, facts: Mapping[str, Any], *, warn: bool = False) -> Outcome:
    """Passed when there are no faults; `bad` is completed with their number."""
    if not faults:
        return Outcome(True, good, facts, warn=warn)
    return Outcome(False, f"{len(faults)} {bad}", {**facts, "faults": len(faults)}, tuple(faults[:SAMPLE]), warn)


def check_schema(table: Table, rows: list[Row]) -> Outcome:
    """Every row fits its schema, ids are in order and none stands twice."""
    faults: list[Row] = []
    ids = [str(row.get(table.id_field)) for row in rows]
    counts = Counter(ids)
    faults += [{"id": row.get(table.id_field), "fault": fault} for row in rows if (fault := table.fault(row))]
    faults += [{"id": i, "fault": f"stands {n} times"} for i, n in counts.items() if n > 1]
    faults += [{"id": b, "fault": "out of order"} for a, b in itertools.pairwise(ids) if a > b]
    return outcome(faults, f"{len(rows)} rows fit the schema", "rows break the schema", {"rows": len(rows)})


def check_stage(
    partition: Partition,
    asset: str,
    table: Table,
    wanted: Callable[[], Mapping[str, str]],
    committed: Callable[[], Mapping[str, str]],
    expected_digest: str | None,
    limit: int | None = None,
    untried: int = 0,
) -> Outcome:
    """Plan the work again from disk: nothing pending, nothing doubled or left from a killed run, content as recorded.

    Args:
        partition: Where.
        asset: Whose files.
        table: Its table.
        wanted: As in the run.
        committed: As in the run.
        expected_digest: Data version that the last run recorded; None when it recorded none.
        limit: As in the last run.
        untried: How many recordings the last run left for a later one, as a daily quota makes it.
    """
    files = partition.stage(asset)
    want, failures = wanted(), read_failures(files.ledger)
    # what is listed and unusable stands in the ledger without a fingerprint; it did not leave the source
    tried = {i: failure for i, failure in failures.items() if failure.fingerprint}
    plan = resolve(want, committed(), tried, now=now_utc(), limit=limit)
    rows = list(read_rows(files.table))
    # a `retry` that came due since is an invitation to run again, not a sign that the last run left something
    pending = [i for i in plan.pending if i not in failures or failures[i].fingerprint != want[i]]
    unexpected = pending if len(pending) > untried else []
    faults: list[Row] = [{"id": i, "fault": "pending: a second run would work on it"} for i in unexpected]
    counts = Counter(str(row.get(table.id_field)) for row in rows)
    faults += [{"id": i, "fault": f"stands {n} times"} for i, n in counts.items() if n > 1]
    if files.journal.exists():
        faults.append({"id": files.journal.name, "fault": "a journal is left: a run is under way or was killed"})
    digest = table.digest(rows)
    if expected_digest is not None and digest != expected_digest:
        faults.append(
            {
                "id": files.table.name,
                "fault": f"content {digest[:12]} is not the run's {expected_digest[:12]}",
            }
        )
    facts = {
        "rows": len(rows),
        "up_to_date": len(plan.done),
        "pending": len(pending),
        "left_for_a_later_run": untried,
        "failed_and_waiting": len(plan.waiting),
        "removed_from_source": len(plan.removed),
        "beyond_limit": len(plan.beyond_limit),
        "digest": digest,
        "compared_with_run": expected_digest is not None,
    }
    return outcome(faults, "nothing to do: a second run would change nothing", "faults: run the asset again", facts)


def both(first: Outcome, second: Outcome) -> Outcome:
    """Both verdicts as one."""
    if first.passed and second.passed:
        return Outcome(True, f"{first.summary}; {second.summary}", {**first.facts, **second.facts})
    summary = "; ".join(o.summary for o in (first, second) if not o.passed)
    rows = (*first.rows, *second.rows)[:SAMPLE]
    return Outcome(
        False, summary, {**first.facts, **second.facts}, rows, all(o.warn for o in (first, second) if not o.passed)
    )
