"""Tables that span the partitions of a tier: what compiling reports, and whether it would change anything.

What goes into such a table is its tier's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome


@dataclass(frozen=True)
class CompileReport:
    """What was compiled.

    Attributes:
        rows: Rows (or works) written.
        digest: Content hash.
        partitions: Partitions that were there.
        facts: What else to show.
    """

    rows: int
    digest: str
    partitions: tuple[str, ...]
    facts: Mapping[str, Any]


def rows_of_all(tier: Tier, asset: str) -> Iterator[Row]:
    """The rows of one asset in all partitions that have it, partition by partition."""
    for partition in tier.partitions(asset):
        yield from read_rows(partition.stage(asset).table)


def check_compiled(planned: str, on_disk: str, expected: str | None) -> Outcome:
    """Compiling again would give what is on disk, and what is on disk is what the last run recorded."""
    faults: list[Row] = []
    if planned != on_disk:
        faults.append({"id": "content", "fault": "the partitions have changed since it was compiled"})
    if expected is not None and on_disk != expected:
        faults.append({"id": "content", "fault": f"{on_disk[:12]} is not the run's {expected[:12]}"})
    facts = {"digest": on_disk, "compared_with_run": expected is not None}
    return outcome(faults, "compiling again would change nothing", "faults: compile it again", facts)
