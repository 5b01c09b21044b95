"""Segments to embeddings: decode ahead of the device, batch across recordings, write behind it, commit by recording.

Memory holds a few segments, one batch and the embeddings of the recordings in flight, however many recordings there
are. Files of a recording are written when all of its segments are encoded, then its rows are committed: a recording
that fails leaves no files, and a stale one keeps its old ones until all of the new are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.audio.segments import SegmentRule, cut
from crescendai_assets.embeddings.feeding import Feeder, Job, Piece, in_pieces
from crescendai_assets.embeddings.folder import (
    CLEAN,
    Product,
    clear_way,
    committed_embeddings,
    drop_orphans,
    pruner,
    segments_of,
    wanted_embeddings,
    write_embeddings,
)
from crescendai_assets.embeddings.identity import EncoderIdentity, claim_folder, read_identity
from crescendai_assets.embeddings.muq import pooled_frames
from crescendai_assets.embeddings.store import refuse_unfit
from crescendai_assets.lake.cores import cores_here
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import clear_temporary
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, by_recording, read_rows
from crescendai_assets.sources.locate import AudioFiles, superseded, taken_over

if TYPE_CHECKING:
    from torch import Tensor

FRAME_RATE = 25
"""Frames a second that MuQ gives."""

WRITERS = 4
"""Threads that write files; each waits for the disk, not for the processor."""


Fetch = Callable[[], "list[Tensor]"]
"""Waits for the embeddings of a batch, and gives them on CPU."""


class Encoder(Protocol):
    """What the pipeline needs of an encoder; `muq.MuQEncoder` is the one there is."""

    identity: EncoderIdentity
    device: str

    @property
    def batch_size(self) -> int:
        """Segments a forward pass."""

    def launch(self, segments: list[Audio]) -> Fetch:
        """Start encoding."""


Cutter = Callable[[GuardedProcess, Path, list[Row]], Iterator[tuple[Audio, Row]]]
"""Gives the sound of each segment of a recording, and what its row says of how it was made."""


def embed_partition(
    partition: Partition,
    encoder: Encoder,
    audio: AudioFiles,
    rule: SegmentRule,
    *,
    product: Product = CLEAN,
    cutter: Cutter | None = None,
    options: Options = Options(),
    decoders: int | None = None,
    progress: Progress = silent,
) -> StageReport:
    """Embed every recording that has a segment whose fingerprint is missing or stale.

    Args:
        partition: Where; its segments table says what there is.
        encoder: Loads its weights only when there is work.
        audio: Finds the recordings.
        rule: As the segments were cut with; caps what is decoded.
        product: Which embeddings, the clean ones by default.
        cutter: Decodes a recording, once, to its segments' sound; by default as it is.
        options: Limit, retries, pruning.
        decoders: Processes that decode ahead; by default half the cores and at most 4, beside a GPU all but two
            and at most 16.
        progress: Gets lines for the log.

    Raises:
        SetupError: The folder belongs to another encoder, another process works on the partition, or the disk is full.
    """
    folder, sounds = product.folder(partition), cutter or plain_cutter(rule)

    def wanted() -> dict[str, str]:
        if product.recipe:
            refuse_other_than_clean(partition, encoder.identity)
        claim_folder(folder, encoder.identity, partition.tier.name)  # under the lock, or a reset could come between
        return wanted_embeddings(partition, encoder.identity, product)

    def work(run: StageRun) -> None:
        clear_temporary(folder, ".pt")
        recordings = {r["recording_id"]: r for r in read_rows(partition.stage("recordings").table)}
        before = segments_of(partition, run.plan.stale, product)

        def pieces(worker: GuardedProcess, job: Job) -> Iterator[Piece]:
            segments = sounds(worker, audio.path(recordings[job.recording_id]), job.rows)
            return in_pieces(job, segments, encoder.identity.temporal_pool)

        def keep(job: Job) -> None:
            clear_way(run, folder, job.recording_id, before, {row["segment_id"] for row in job.rows})
            embedded = ((row, *job.embeddings[row["segment_id"]]) for row in job.rows)
            rows = write_embeddings(folder, job.recording_id, embedded, encoder.identity.digest, product)
            run.commit(job.recording_id, rows, job.seconds)

        def refuse(job: Job, error: RecordingError) -> None:
            if not job.failed:
                job.failed = True
                job.embeddings.clear()
                job.parts.clear()
                run.fail(job.recording_id, error)

        jobs = _jobs(partition, set(run.plan.pending))
        workers = decoders or decoders_beside(encoder.device)
        with Feeder(jobs, pieces, refuse, workers, room=2 * encoder.batch_size) as feeder:
            _encode_all(feeder, encoder, keep, refuse)

    return run_stage(
        partition,
        product.asset,
        product.table,
        wanted=wanted,
        committed=lambda: committed_embeddings(partition, product),
        work=work,
        options=options,
        progress=progress,
        released=lambda removed: taken_over(partition, removed),
        replaced=lambda removed: superseded(partition, removed),
        on_prune=pruner(partition, product),
        sweep=lambda: drop_orphans(partition, product),
        facts=lambda: _facts(partition, encoder, product),
    )


def decoders_beside(device: str, cores: int | None = None) -> int:
    """How many processes keep an encoder fed: a GPU needs many, an encoder on a CPU needs the cores itself."""
    cores = cores or cores_here()
    return max(1, min(4, cores // 2) if device == "cpu" else min(16, cores - 2))


def refuse_other_than_clean(partition: Partition, identity: EncoderIdentity) -> None:
    """Keep a pair from being of two encoders.

    Raises:
        SetupError: The clean embeddings are of another one.
    """
    clean = read_identity(partition.embedding_folder)
    if clean is not None and clean.digest != identity.digest:
        raise SetupError(
            f"{partition.embedding_folder}: the clean embeddings are of {clean.describe()}, this is "
            f"{identity.describe()}; a pair of two encoders means nothing. Use the same encoder, device and precision"
        )


def plain_cutter(rule: SegmentRule) -> Cutter:
    """Segments as they are."""

    def sounds(worker: GuardedProcess, path: Path, rows: list[Row]) -> Iterator[tuple[Audio, Row]]:
        return ((piece, {}) for piece in worker.stream(cut, path, bounds_of(rows), rule, what=str(path)))

    return sounds


def bounds_of(rows: list[Row]) -> list[tuple[int, int]]:
    """First sample and the one after the last of each segment, at `SAMPLE_RATE`."""
    starts = [round(row["segment_start"] * SAMPLE_RATE) for row in rows]
    return [(start, start + row["n_valid"]) for start, row in zip(starts, rows, strict=True)]


def _facts(partition: Partition, encoder: Encoder, product: Product) -> dict[str, Any]:
    frames = sum(row["frames"] for row in product.rows(partition))
    hours = frames * encoder.identity.temporal_pool / FRAME_RATE / 3600
    return {"hours_of_audio": round(hours, 3), "device": encoder.device, "encoder": encoder.identity.describe()}


def _jobs(partition: Partition, pending: set[str]) -> Iterator[Job]:
    for recording_id, rows in by_recording(read_rows(partition.stage("segments").table)):
        if recording_id in pending:
            yield Job(recording_id, rows)


def _encode_all(
    feeder: Feeder,
    encoder: Encoder,
    keep: Callable[[Job], None],
    refuse: Callable[[Job, RecordingError], None],
) -> None:
    """Batch pieces through the encoder; results are fetched while the next batch is under way."""
    writing: list[Future[None]] = []
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="write") as writers:

        def finish(pieces: list[Piece], fetch: Fetch) -> None:
            pool = encoder.identity.temporal_pool
            for (job, row, _, more), result in zip(pieces, fetch(), strict=True):
                embedding = None if job.failed else job.joined(row, result, pool)
                if embedding is None:
                    continue
                try:
                    refuse_unfit(embedding, pooled_frames(row["n_valid"], pool), row["segment_id"])
                except RecordingError as error:
                    refuse(job, error)
                    continue
                job.embeddings[row["segment_id"]] = (embedding, more)
                if len(job.embeddings) == len(job.rows):
                    writing.append(writers.submit(keep, job))

        under_way: tuple[list[Piece], Fetch] | None = None
        for pieces in feeder.batches(encoder.batch_size):
            fetch = encoder.launch([samples for _, _, samples, _ in pieces])
            if under_way:
                finish(*under_way)
            under_way = (pieces, fetch)
            while writing and (writing[0].done() or len(writing) > 2 * WRITERS):
                writing.pop(0).result()  # a full disk shows here and ends the run
        if under_way:
            finish(*under_way)
        for future in writing:
            future.result()
