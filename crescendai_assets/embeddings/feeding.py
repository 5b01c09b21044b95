"""Recordings decoded ahead of the encoder: threads, each with a guarded decoder, fill a bounded queue of pieces.

What is done with the pieces, and which recordings there are, is `pipeline`'s.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.embeddings.muq import pieces_of
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.tables import Row

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Job:
    """One recording in flight."""

    recording_id: str
    rows: list[Row]
    embeddings: dict[str, tuple[Tensor, Row]] = field(default_factory=dict)
    parts: dict[str, list[Tensor]] = field(default_factory=dict)
    failed: bool = False

    @property
    def seconds(self) -> float:
        """Length of its segments."""
        return float(sum(row["n_valid"] for row in self.rows)) / SAMPLE_RATE

    def joined(self, row: Row, part: Tensor, pool: int) -> Tensor | None:
        """The embedding of a segment once all of its pieces are there; they come in order, from one decoder."""
        import torch

        parts = self.parts.setdefault(row["segment_id"], [])
        parts.append(part)
        if len(parts) < len(pieces_of(row["n_valid"], pool)):
            return None
        self.parts.pop(row["segment_id"], None)  # a decoder that failed meanwhile has cleared them
        return torch.cat(parts) if len(parts) > 1 else part


Piece = tuple[Job, Row, Audio, Row]
"""A recording, the row of one of its segments, sound of it of 30 s at most, and what that sound's row says more."""


class Feeder:
    """Threads that each own a guarded decoder and put pieces into a bounded queue."""

    def __init__(
        self,
        jobs: Iterator[Job],
        pieces: Callable[[GuardedProcess, Job], Iterator[Piece]],
        refuse: Callable[[Job, RecordingError], None],
        workers: int,
        room: int,
    ) -> None:
        self._jobs, self._pieces, self._refuse = jobs, pieces, refuse
        self._queue: queue.Queue[Piece | BaseException | None] = queue.Queue(maxsize=room)
        self._take = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._feed, name=f"decode-{i}", daemon=True) for i in range(workers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def batches(self, size: int) -> Iterator[list[Piece]]:
        """Pieces in the order they arrive, so many at a time; the last batch may be smaller."""
        batch: list[Piece] = []
        feeding = len(self._threads)
        while feeding:
            item = self._queue.get()
            if item is None:
                feeding -= 1
                continue
            if isinstance(item, BaseException):
                raise item
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _feed(self) -> None:
        try:
            with GuardedProcess() as worker:
                while job := self._next():
                    self._decode(worker, job)
            self._put(None)
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits for pieces, which raises it
            self._put(error)

    def _next(self) -> Job | None:
        with self._take:
            return None if self._stop.is_set() else next(self._jobs, None)

    def _decode(self, worker: GuardedProcess, job: Job) -> None:
        try:
            for piece in self._pieces(worker, job):
                if job.failed or not self._put(piece):
                    return
        except RecordingError as error:
            self._refuse(job, error)

    def _put(self, item: Piece | BaseException | None) -> bool:
        """Wait for room, unless the run has ended."""
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


def in_pieces(job: Job, segments: Iterator[tuple[Audio, Row]], pool: int) -> Iterator[Piece]:
    """Segments as the encoder takes them: 30 s at most. A segment is one piece; only rated clips are longer."""
    for row, (samples, more) in zip(job.rows, segments, strict=True):
        bounds = pieces_of(row["n_valid"], pool)
        if not bounds:
            raise RecordingError(
                f"{row['segment_id']}: {row['n_valid'] / SAMPLE_RATE:.2f} s is too short for one frame pooled by {pool}"
            )
        for start, stop in bounds:
            yield job, row, samples[start:stop], more
