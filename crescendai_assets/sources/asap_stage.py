"""Performances of ASAP to rows, for every table of them: which are new, each in a guarded process, rows or a failure.

What is measured, and which performances it can be measured of, is each table's own to say in an `AsapStage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.lake.verify import Outcome, check_stage
from crescendai_assets.sources.asap import AsapListing, AsapPerformance, read_asap

WORKERS = 2
"""Performances that are worked on at once."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class AsapStage(Generic[Result]):
    """A table with rows of each performance of ASAP.

    Attributes:
        asset: Its name.
        table: What a row holds, `recording_id` and `fingerprint` among it.
        versions: Of its methods: part of every fingerprint.
        files: What is read of a performance: their contents are part of its fingerprint.
        words: What else of the listing stands in its rows.
        fault: Why a performance cannot be worked on; None where it can.
        work: Makes a result of a performance; a module-level function, for it runs in a guarded process.
        rows: Rows of a result but for their fingerprint, and the seconds of music they cover; gets the folder too, for
            paths are told below it.
        without_source: What to set where there is no folder.
    """

    asset: str
    table: Table
    versions: tuple[int, ...]
    files: Callable[[AsapPerformance], Iterable[Path | None]]
    words: Callable[[AsapPerformance], tuple[str, ...]]
    fault: Callable[[AsapPerformance], RecordingError | None]
    work: Callable[[AsapPerformance], Result]
    rows: Callable[[AsapPerformance, Result, Path], tuple[list[Row], float]]
    without_source: str

    def unusable(self, listing: AsapListing) -> dict[str, RecordingError]:
        """Performances that cannot be worked on, with the reason."""
        faults = {one.performance_id: self.fault(one) for one in listing.performances}
        return {performance_id: fault for performance_id, fault in faults.items() if fault}

    def wanted(self, listing: AsapListing) -> dict[str, str]:
        """Performance id -> fingerprint its rows should have, of those that can be worked on."""
        content = cache(sha256_file)  # performances share scores
        unusable = self.unusable(listing)
        return {
            one.performance_id: fingerprint(
                *self.versions, *(content(path) if path else None for path in self.files(one)), *self.words(one)
            )
            for one in listing.performances
            if one.performance_id not in unusable
        }

    def committed(self, partition: Partition) -> dict[str, str]:
        """Performance id -> fingerprint its rows have."""
        return {row["recording_id"]: row["fingerprint"] for row in read_rows(partition.stage(self.asset).table)}


def write_asap_stage(
    stage: AsapStage[Result],
    partition: Partition,
    folder: Path | None,
    *,
    facts: Callable[[Mapping[str, RecordingError]], Mapping[str, Any]],
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Work on every performance of an ASAP folder that is new or whose files changed.

    Args:
        stage: The table.
        partition: Where it goes.
        folder: In ASAP's layout; None for none: then what is there stays, and the report's `state` says what to set.
        facts: What else to show, from the performances that cannot be worked on.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The folder's table cannot be read, or another process works here.
    """
    listing = read_asap(folder) if folder else AsapListing((), 0)
    unusable, wanted = stage.unusable(listing), stage.wanted(listing)
    performances = {one.performance_id: one for one in listing.performances}

    def alone(process: GuardedProcess, one: AsapPerformance) -> Result:
        result: Result = process.call(stage.work, one, what=str(one.midi))
        return result

    def work(run: StageRun) -> None:
        assert folder is not None  # without one nothing is wanted
        for one, outcome in guarded_map(alone, [performances[i] for i in run.plan.pending], WORKERS):
            if isinstance(outcome, RecordingError):
                run.fail(one.performance_id, outcome)
            else:
                rows, seconds = stage.rows(one, outcome, folder)
                mark = wanted[one.performance_id]
                run.commit(one.performance_id, [{**row, "fingerprint": mark} for row in rows], seconds)

    return run_stage(
        partition,
        stage.asset,
        stage.table,
        wanted=lambda: wanted if folder else stage.committed(partition),
        committed=lambda: stage.committed(partition),
        work=work,
        options=options,
        progress=progress,
        unusable=(lambda: unusable) if folder else None,
        facts=lambda: {
            **({} if folder else {"state": stage.without_source}),
            "absent_performances": listing.absent,
            **facts(unusable),
        },
    )


def check_asap_stage(
    stage: AsapStage[Any],
    partition: Partition,
    folder: Path | None,
    expected_digest: str | None,
    limit: int | None = None,
) -> Outcome:
    """Plan the work again from disk, as `check_stage` does; without a folder what is there is what is wanted."""
    return check_stage(
        partition,
        stage.asset,
        stage.table,
        lambda: stage.wanted(read_asap(folder)) if folder else stage.committed(partition),
        lambda: stage.committed(partition),
        expected_digest,
        limit,
    )
