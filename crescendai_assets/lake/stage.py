"""One stage of one partition, start to end: lock, plan, work, prune, report.

Every per-recording asset runs through `run_stage`, so that limits, retries, removals and counts mean the same
everywhere. What the work is belongs to the caller.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.journal import Journal, fold, open_journal, write_last_run
from crescendai_assets.lake.layout import Partition, StageFiles
from crescendai_assets.lake.ledger import Failure, now_utc, read_failures
from crescendai_assets.lake.resolve import Plan, resolve
from crescendai_assets.lake.tables import Row, Table, read_rows

Progress = Callable[[str], None]

_PROGRESS_SECONDS = 10.0


def silent(_message: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Options:
    """What a user may ask of one run.

    Attributes:
        limit: Only the first so many recordings of the partition, by id; the rest is left as it is.
        retry_failed: Try failed recordings again, whatever their error class.
        prune: Remove rows and files of recordings that left the source.
    """

    limit: int | None = None
    retry_failed: bool = False
    prune: bool = False

    def __post_init__(self) -> None:
        """Refuse limits that mean nothing."""
        if self.limit is not None and self.limit < 1:
            raise SetupError(f"limit is {self.limit}; give at least 1, or leave it out for all recordings")


@dataclass(frozen=True)
class StageReport:
    """What one run of a stage did, and how the stage stands now.

    Attributes:
        asset: `recordings`, `segments` or `embeddings`.
        partition: Its key.
        rows: Rows in the table.
        digest: Content hash of the table.
        plan: What there was to do.
        succeeded: Recordings committed by this run.
        failed_now: Recordings this run tried and could not do.
        failures: The ledger as it stands.
        pruned: Recordings removed by this run.
        seconds: Wall time.
        audio_seconds: Audio that the run's work covered.
        facts: What else the stage wants shown.
    """

    asset: str
    partition: str
    rows: int
    digest: str
    plan: Plan
    succeeded: int
    failed_now: int
    failures: tuple[Failure, ...]
    pruned: int
    seconds: float
    audio_seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def untried(self) -> int:
        """Recordings this run left for a later one, as a daily quota makes it."""
        return len(self.plan.pending) - self.succeeded - self.failed_now

    @property
    def hopeless(self) -> bool:
        """There was work and none of it succeeded, and it was more than known failures beside what is done."""
        known = bool(self.plan.done) and len(self.plan.retried) == len(self.plan.pending)
        return bool(self.failed_now) and self.succeeded == 0 and not known

    def summary(self) -> str:
        """One line for the log."""
        if not self.plan.pending:
            waiting = f", {len(self.plan.waiting)} failed before and wait" if self.plan.waiting else ""
            return f"up to date: {self.rows} rows, {len(self.plan.done)} recordings, nothing to do{waiting}"
        return (
            f"{self.succeeded} of {len(self.plan.pending)} recordings done ({len(self.plan.new)} new, "
            f"{len(self.plan.stale)} stale), {self.failed_now} failed, "
            + (f"{self.untried} left for a later run, " if self.untried else "")
            + f"{len(self.plan.done)} were up to date; {self.rows} rows, {self.seconds:.1f} s"
        )


class StageRun:
    """The work in progress: where it commits and fails recordings. Safe to use from several threads."""

    def __init__(self, plan: Plan, wanted: Mapping[str, str], journal: Journal, progress: Progress) -> None:
        self.plan = plan
        self.audio_seconds = 0.0
        self.succeeded = self.failed = 0
        self._wanted, self._journal, self._progress = wanted, journal, progress
        self._lock = threading.Lock()
        self._started = self._told = time.monotonic()

    def commit(self, recording_id: str, rows: list[Row], audio_seconds: float = 0.0) -> None:
        """Commit all rows of a recording."""
        with self._lock:
            self._journal.commit(recording_id, rows)
            self.succeeded += 1
            self.audio_seconds += audio_seconds
            self._tell()

    def forget(self, recording_id: str) -> None:
        """Drop a recording's rows before its files are written over.

        Rows of what was there must not survive a kill in between: they would count as done if the old source came back.
        """
        with self._lock:
            self._journal.remove(recording_id)

    def fail(self, recording_id: str, error: RecordingError) -> None:
        """Enter a failure in the ledger and say so."""
        with self._lock:
            failure = self._journal.fail(recording_id, self._wanted[recording_id], error)
            self.failed += 1
            self._progress(f"failed ({failure.error_class}): {recording_id}: {error}")
            self._tell()

    def _tell(self) -> None:
        """Progress at most every few seconds: how far, how fast, how long still."""
        finished = self.succeeded + self.failed
        now, total = time.monotonic(), len(self.plan.pending)
        if now - self._told < _PROGRESS_SECONDS and finished < total:
            return
        self._told = now
        elapsed = now - self._started
        left = elapsed / finished * (total - finished)
        speed = f", {self.audio_seconds / elapsed:.0f}x real time" if self.audio_seconds else ""
        self._progress(f"{finished}/{total} recordings{speed}, about {left:.0f} s left")


def run_stage(
    partition: Partition,
    asset: str,
    table: Table,
    *,
    wanted: Callable[[], Mapping[str, str]],
    committed: Callable[[], Mapping[str, str]],
    work: Callable[[StageRun], None],
    options: Options,
    progress: Progress = silent,
    unusable: Callable[[], Mapping[str, RecordingError]] | None = None,
    released: Callable[[Collection[str]], Collection[str]] | None = None,
    replaced: Callable[[Collection[str]], Collection[str]] | None = None,
    on_prune: Callable[[str], None] | None = None,
    sweep: Callable[[], None] | None = None,
    facts: Callable[[], Mapping[str, Any]] = dict,
) -> StageReport:
    """Plan and do one stage of one partition.

    Args:
        partition: Where.
        asset: Whose files.
        table: The table it fills.
        wanted: Recording id -> fingerprint it should have; asked under the lock.
        committed: Recording id -> fingerprint it has; asked under the lock, after folding.
        work: Does `run.plan.pending`, committing or failing each; called only when something is pending.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.
        unusable: What the source lists and nobody can work on, with the reason: it stands in the ledger as long as it
            is listed. With it, failures of recordings that were never committed and are no longer listed are dropped.
        released: Of the recordings that left the source, those that another partition took over: their rows go at
            once, their files stay.
        replaced: Of them, those that stand under another id now: they are removed at once, as by pruning.
        on_prune: Removes the files of one recording that left the source.
        sweep: Removes files that belong to no row at all; called last when pruning, with the table as it stays.
        facts: What else to show, asked at the end.

    Raises:
        SetupError: Another process works here, or the run cannot go on; commits made so far stand.
    """
    files = partition.stage(asset)
    started = time.monotonic()
    with open_journal(files, table, asset) as journal:
        want, have = wanted(), committed()
        not_ours = unusable() if unusable else {}
        if unusable:
            _keep_listed(journal, not_ours, want, have)
        plan = resolve(
            want,
            have,
            {i: failure for i, failure in journal.failures.items() if i not in not_ours},
            now=now_utc(),
            limit=options.limit,
            retry_failed=options.retry_failed,
        )
        run = StageRun(plan, want, journal, progress)
        if plan.pending:
            progress(f"{len(plan.pending)} recordings to do, {len(plan.done)} up to date")
            work(run)
        gone = released(plan.removed) if released and plan.removed else ()
        for recording_id in gone:
            journal.remove(recording_id)
        left = set(plan.removed).difference(gone)
        pruned = sorted(left if options.prune else replaced(left) if replaced and left else ())
        for recording_id in pruned:
            if on_prune:  # files first: without its row nothing would know of them after a kill
                on_prune(recording_id)
            journal.remove(recording_id)
        if options.prune and sweep:
            fold(files, table)  # or it would not know what this run committed
            sweep()
    seconds = time.monotonic() - started
    report = _report(partition, asset, table, files, run, seconds, facts(), pruned=len(pruned))
    if run.succeeded:
        write_last_run(
            files,
            {
                "seconds": seconds,
                "audio_seconds": run.audio_seconds,
                "recordings": run.succeeded,
                **report.facts,
            },
        )
    progress(report.summary())
    return report


def _keep_listed(
    journal: Journal, unusable: Mapping[str, RecordingError], want: Mapping[str, str], have: Mapping[str, str]
) -> None:
    """Bring the ledger in step with what is listed and unusable."""
    for recording_id, error in unusable.items():
        before = journal.failures.get(recording_id)
        if before is None or before.message != str(error):
            journal.fail(recording_id, "", error)
    for recording_id in journal.failures.keys() - unusable.keys() - want.keys() - have.keys():
        journal.remove(recording_id)


def _report(
    partition: Partition,
    asset: str,
    table: Table,
    files: StageFiles,
    run: StageRun,
    seconds: float,
    facts: Mapping[str, Any],
    *,
    pruned: int,
) -> StageReport:
    count, digest = _measured(files, table)
    return StageReport(
        asset=asset,
        partition=partition.key,
        rows=count,
        digest=digest,
        plan=run.plan,
        succeeded=run.succeeded,
        failed_now=run.failed,
        failures=tuple(read_failures(files.ledger).values()),
        pruned=pruned,
        seconds=seconds,
        audio_seconds=run.audio_seconds,
        facts=facts,
    )


def _measured(files: StageFiles, table: Table) -> tuple[int, str]:
    """Rows and content hash of a table; as noted beside it while the file is the one that was measured."""
    noted = files.last_run.with_name(files.last_run.name.replace(".last_run.", ".measured."))
    status = files.table.stat()
    of = [status.st_size, status.st_mtime_ns, status.st_ino, *sorted(table.volatile)]
    known = json.loads(noted.read_bytes()) if noted.exists() else {}
    if known.get("of") == of:
        return known["rows"], known["digest"]
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in read_rows(files.table):
            count += 1
            yield row

    digest = table.digest(counted())
    write_atomic(noted, json.dumps({"of": of, "rows": count, "digest": digest}).encode())
    return count, digest
