"""A product of every file of a source, kept in shards, with all that the project promises of work by recording.

A performance's shard follows from its id alone, so that a killed and resumed run leaves the same files as one never
killed, and one more file in a source rewrites one shard. Rows of a shard's stale performances are dropped before it is
written over: a kill in between costs work, never truth.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import clear_temporary
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.symbolic.corpus.pack import Arrays, content_digest, read_pack, write_pack
from crescendai_assets.symbolic.corpus.products import Made
from crescendai_assets.symbolic.midi import map_batch

WORKERS = 2
"""Guarded processes that read MIDI."""

_SAMPLE = 5

_LOST = ""
"""`mark` of a row whose shard is not there."""

Describe = Callable[[str, Made], Row]
"""Id and what was made -> the row, without its place."""


def shard_of(recording_id: str) -> str:
    """Name of the shard that holds a performance, one of 256."""
    return hashlib.blake2b(recording_id.encode(), digest_size=1).hexdigest()


def shard_path(partition: Partition, name: str, shard: str) -> Path:
    """Its file."""
    return partition.folder / name / f"{shard}.pt"


def mark(fingerprint: str, aligned_score: str | None) -> str:
    """What decides whether a row is stale: its fingerprint, and the aligned score that it was made with, if any.

    Apart, so that a row still tells by its fingerprint alone of which file and by which recipe it was made.
    """
    return f"{fingerprint}-{aligned_score}" if aligned_score else fingerprint


def run_product(
    partition: Partition,
    name: str,
    table: Table,
    *,
    make_for: Callable[[Collection[str]], Callable[[Path], Made]],
    wanted: Callable[[], Mapping[str, str]],
    path_of: Callable[[str], Path],
    describe: Describe,
    options: Options = Options(),
    progress: Progress = silent,
    unusable: Callable[[], Mapping[str, RecordingError]] | None = None,
    facts: Callable[[Iterator[Row]], Mapping[str, Any]] = lambda _rows: {},
) -> StageReport:
    """Make what is missing or stale of one product of one source.

    Args:
        partition: The source.
        name: Of the product: its table, folder and ledger.
        table: Schema of its rows.
        make_for: Gives, for some ids, the function of a file that runs in a guarded process.
        wanted: Id -> `mark`.
        path_of: Id -> MIDI file; asked only for what is to be done. May raise a RecordingError.
        describe: Makes the row.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.
        unusable: What is listed and cannot be tried; goes to the ledger.
        facts: More to show, from the rows as they are at the end.

    Raises:
        SetupError: Another process works here, the disk is full, or a shard is damaged.
    """
    files = partition.stage(name)
    folder = partition.folder / name
    index = _Index(files.table, facts)

    def committed() -> dict[str, str]:
        there = _shards_in(folder)
        return {i: fingerprint if shard in there else _LOST for i, (shard, fingerprint) in index.kept.items()}

    def work(run: StageRun) -> None:
        clear_temporary(folder, ".pt")
        now = committed()
        kept = {i for i, fingerprint in now.items() if fingerprint != _LOST}
        for recording_id in now.keys() - kept:  # before its shard is there again without it
            run.forget(recording_id)
        by_shard: dict[str, dict[str, Path]] = defaultdict(dict)
        for recording_id in run.plan.pending:
            try:
                by_shard[shard_of(recording_id)][recording_id] = path_of(recording_id)
            except RecordingError as error:
                run.fail(recording_id, error)

        def made_of(process: GuardedProcess, shard: str) -> list[Made | RecordingError]:
            return map_batch(make_for(by_shard[shard]), process, list(by_shard[shard].values()))

        for shard, results in guarded_map(made_of, sorted(filter(by_shard.get, by_shard)), WORKERS):
            assert not isinstance(results, RecordingError)  # it answers by file
            made = dict(zip(by_shard[shard], results, strict=True))
            _keep(run, shard, folder / f"{shard}.pt", kept, made, describe)

    return run_stage(
        partition,
        name,
        table,
        wanted=wanted,
        committed=committed,
        work=work,
        options=options,
        progress=progress,
        unusable=unusable,
        released=lambda gone: set(gone) & {i for i, mark in committed().items() if mark == _LOST},
        sweep=lambda: _sweep(folder, files.table),
        facts=lambda: index.facts,
    )


def committed_rows(partition: Partition, name: str) -> dict[str, str]:
    """Id -> `mark` of what is kept; without its shard's file a row counts for nothing."""
    return _committed(partition.folder / name, read_rows(partition.stage(name).table))


def check_shards(partition: Partition, name: str, *, deep: bool = False) -> Outcome:
    """Shards hold what the rows say, and nothing else; a few are read, all of them with `deep`."""
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for row in read_rows(partition.stage(name).table):
        rows[row["shard"]][row["recording_id"]] = row["content"]
    folder = partition.folder / name
    there = _shards_in(folder)
    faults: list[Row] = [{"id": f"{shard}.pt", "fault": "missing"} for shard in sorted(rows.keys() - there)]
    faults += [{"id": f"{shard}.pt", "fault": "no row needs it"} for shard in sorted(there - rows.keys())]
    both = sorted(rows.keys() & there)
    looked = both if deep else both[:: max(1, len(both) // _SAMPLE)]
    for shard in looked:
        pack = read_pack(folder / f"{shard}.pt")
        found = {recording_id: content_digest(arrays) for recording_id, arrays in pack.items()}
        for recording_id in sorted(found.keys() | rows[shard].keys()):
            if recording_id not in rows[shard]:
                faults.append({"id": recording_id, "fault": f"{shard}.pt holds it and no row does; run with prune"})
            elif found.get(recording_id) != rows[shard][recording_id]:
                fault = f"{shard}.pt does not hold what its row says; remove that file and run again"
                faults.append({"id": recording_id, "fault": fault})
    facts = {"shards": len(there), "shards_read": len(looked)}
    return outcome(faults, f"{len(there)} shards are as recorded", "faults in shards: run the asset again", facts)


class _Index:
    """What a table says, read once as long as its file is the same: a run with nothing to do asks three times."""

    def __init__(self, path: Path, facts: Callable[[Iterator[Row]], Mapping[str, Any]]) -> None:
        self._path, self._compute = path, facts
        self._of: tuple[int, int] | None = None
        self._kept: dict[str, tuple[str, str]] = {}
        self._facts: Mapping[str, Any] = {}

    @property
    def kept(self) -> Mapping[str, tuple[str, str]]:
        """Id -> shard and `mark`."""
        self._look()
        return self._kept

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is to be shown of the rows."""
        self._look()
        return self._facts

    def _look(self) -> None:
        status = self._path.stat() if self._path.exists() else None
        of = (status.st_ino, status.st_mtime_ns) if status else None
        if of is None or of != self._of:
            self._kept = {}
            rows = self._noted()
            self._facts = self._compute(rows)
            for _ in rows:  # what `facts` left
                pass
            self._of = of

    def _noted(self) -> Iterator[Row]:
        for row in read_rows(self._path):
            self._kept[row["recording_id"]] = row["shard"], _mark_of(row)
            yield row


def _committed(folder: Path, rows: Iterable[Row]) -> dict[str, str]:
    there = _shards_in(folder)
    return {row["recording_id"]: _mark_of(row) for row in rows if row["shard"] in there}


def _mark_of(row: Row) -> str:
    return mark(row["fingerprint"], row.get("voices_of"))


def _shards_in(folder: Path) -> set[str]:
    return {path.name[:-3] for path in folder.glob("*.pt")} if folder.is_dir() else set()


def _keep(
    run: StageRun,
    shard: str,
    path: Path,
    committed: set[str],
    results: Mapping[str, Made | RecordingError],
    describe: Describe,
) -> None:
    fresh = {i: one for i, one in results.items() if isinstance(one, Made)}
    for recording_id, one in results.items():
        if isinstance(one, RecordingError):
            run.fail(recording_id, one)
    if not fresh:
        return
    kept = _still_needed(path, committed - fresh.keys())
    for recording_id in sorted(committed & fresh.keys()):
        run.forget(recording_id)
    arrays: dict[str, Arrays] = {**kept, **{i: one.arrays for i, one in fresh.items()}}
    write_pack(path, {i: arrays[i] for i in sorted(arrays)})
    for recording_id, one in fresh.items():
        row = describe(recording_id, one)
        run.commit(recording_id, [{**row, "shard": shard, "content": one.content}], row.get("seconds", 0.0))


def _still_needed(path: Path, ids: set[str]) -> dict[str, Arrays]:
    if not path.exists():
        return {}
    return {recording_id: arrays for recording_id, arrays in read_pack(path).items() if recording_id in ids}


def _sweep(folder: Path, table: Path) -> None:
    """Take out of the shards what no row has, and remove those that are empty then."""
    needed = {row["recording_id"] for row in read_rows(table)}
    for path in sorted(folder.glob("*.pt")):
        there = read_pack(path)
        left = {recording_id: arrays for recording_id, arrays in there.items() if recording_id in needed}
        if not left:
            path.unlink()
        elif len(left) < len(there):
            write_pack(path, left)
