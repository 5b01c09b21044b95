"""Commits, one recording at a time: a journal beside the table, folded into it at the end and at the next start.

A commit is one line, written and fsynced before it counts, so a run killed at any instant loses only the recordings
in flight. One process writes a stage of a partition at a time; a lock that dies with its process sees to it.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import clear_temporary, no_room, write_atomic
from crescendai_assets.lake.layout import StageFiles
from crescendai_assets.lake.ledger import Failure, failed, now_utc, read_failures
from crescendai_assets.lake.schemas import FAILURES
from crescendai_assets.lake.tables import Row, Table, read_rows


class Journal:
    """The open journal of one stage of one partition."""

    def __init__(self, files: StageFiles, table: Table, stage: str, handle: io.FileIO) -> None:
        """Use `open_journal`, which takes the lock and folds."""
        self.failures = read_failures(files.ledger)
        self._files, self._table, self._stage, self._handle = files, table, stage, handle

    def commit(self, recording_id: str, rows: list[Row]) -> None:
        """Replace all rows of a recording by `rows`, and clear its failure.

        Raises:
            SetupError: A row breaks the table's schema; once in the journal it would stop every fold to come.
        """
        for row in rows:
            self._table.encoded(self._files.table, row)
        self._append({"recording_id": recording_id, "rows": rows})
        self.failures.pop(recording_id, None)

    def fail(self, recording_id: str, fingerprint: str, error: RecordingError) -> Failure:
        """Enter a failure; rows committed earlier stay as they are."""
        failure = failed(recording_id, self._stage, fingerprint, error, self.failures.get(recording_id), now_utc())
        self._append({"recording_id": recording_id, "failure": failure.to_row()})
        self.failures[recording_id] = failure
        return failure

    def remove(self, recording_id: str) -> None:
        """Drop a recording's rows and its failure."""
        self.commit(recording_id, [])

    def _append(self, entry: dict[str, Any]) -> None:
        line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
        start = self._handle.seek(0, os.SEEK_END)
        try:
            while line:
                line = line[self._handle.write(line) or 0 :]
            os.fsync(self._handle.fileno())
        except OSError as error:
            self._handle.truncate(start)  # half a line would swallow the next commit of another thread
            raise no_room(error, self._files.journal) from error


@contextmanager
def open_journal(files: StageFiles, table: Table, stage: str) -> Iterator[Journal]:
    """Lock the stage, fold what a killed run left, and fold again at the end, also after an error.

    Raises:
        SetupError: Another process is writing this stage of this partition.
    """
    with locked(files, stage):
        for path in (files.table, files.ledger):
            clear_temporary(path.parent, path.name)
        fold(files, table)
        try:
            with _opened(files.journal) as handle:
                yield Journal(files, table, stage, handle)
        finally:
            fold(files, table)


def _opened(path: Path) -> io.FileIO:
    try:
        return io.FileIO(path, "a")
    except OSError as error:
        raise no_room(error, path) from error


def fold(files: StageFiles, table: Table) -> None:
    """Merge the journal into table and ledger. Safe to repeat: the journal goes last."""
    commits, failures = unfolded(files)
    if commits or not files.table.exists():
        kept = [row for row in read_rows(files.table) if row["recording_id"] not in commits]
        table.write(files.table, [*kept, *(row for rows in commits.values() for row in rows)])
    if failures or files.ledger.exists():
        FAILURES.write(files.ledger, [failure.to_row() for failure in failures.values()])
    files.journal.unlink(missing_ok=True)


def unfolded(files: StageFiles) -> tuple[dict[str, list[Row]], dict[str, Failure]]:
    """Commits that are not in the table yet, by recording, and the ledger as it stands with what is in the journal."""
    commits: dict[str, list[Row]] = {}
    failures = read_failures(files.ledger)
    for entry in _entries(files.journal):
        recording_id = entry["recording_id"]
        if "rows" in entry:
            commits[recording_id] = entry["rows"]
            failures.pop(recording_id, None)
        else:
            failures[recording_id] = Failure(**entry["failure"])
    return commits, failures


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines of a journal; the line that a kill cut short was never committed."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                # a full disk or a power cut can tear a line in the middle; later lines are whole commits
                continue


_HELD: set[TextIO] = set()
"""Handles of this process's locks."""


def _let_go() -> None:
    """In a forked child, such as a loader's worker: it would keep the lock of a process that was killed."""
    for handle in _HELD:
        handle.close()  # which leaves the lock with the parent
    _HELD.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def locked(files: StageFiles, stage: str) -> Iterator[None]:
    """Keep other processes from writing a stage while its files are handled otherwise than by a run.

    Raises:
        SetupError: A run is writing this stage of this partition, or the folder cannot be written.
    """
    try:
        files.lock.parent.mkdir(parents=True, exist_ok=True)
        handle = files.lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise no_room(error, files.lock) from error
    with handle:
        _lock(handle, files.lock, what=f"{stage} of {files.table.parent}")
        _HELD.add(handle)
        try:
            yield
        finally:
            _HELD.discard(handle)


def _lock(handle: TextIO, path: Path, *, what: str) -> None:
    """Take an exclusive lock that the kernel frees when this process dies, and write who holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        owner = handle.read().strip() or "an unknown process"
        raise SetupError(
            f"another run ({owner}) is writing {what}; nothing was touched. Wait for it to end, then run again"
        ) from None
    try:
        handle.truncate(0)
        # past the buffer, which closing would try to write once more
        os.write(handle.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
    except OSError as error:
        raise no_room(error, path) from error


def write_last_run(files: StageFiles, facts: dict[str, Any]) -> None:
    """Note speed and outcome of the last run that did work, for `crescendai status` to estimate by."""
    write_atomic(files.last_run, json.dumps(facts, sort_keys=True).encode())


def read_last_run(files: StageFiles) -> dict[str, Any] | None:
    """What `write_last_run` noted, or None."""
    return json.loads(files.last_run.read_text()) if files.last_run.exists() else None
