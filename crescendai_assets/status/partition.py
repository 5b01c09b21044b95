"""How a partition stands and what finishing it takes: planned from tables and catalogue, before any of it is spent.

Every tier is planned alike; what differs is in its `SourceView` and its `Course`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.embeddings.folder import CLEAN, Product, files_in
from crescendai_assets.embeddings.identity import EncoderIdentity, EncoderSpec
from crescendai_assets.embeddings.muq import pooled_frames
from crescendai_assets.embeddings.store import WIDTH
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import DISCARDED
from crescendai_assets.sources.locate import discarded_copies
from crescendai_assets.status.look import (
    Look,
    identity_of,
    look_at_product,
    look_at_recordings,
    look_at_segments,
)
from crescendai_assets.status.model import Course, PartitionStatus, SourceView, StageStatus
from crescendai_assets.status.speed import Speed
from crescendai_assets.status.work import Work, plan_work, to_embed

_COPY_BYTES = 2 * SAMPLE_RATE  # a second of a 16-bit working copy: 173 MB an hour


def partition_status(
    partition: Partition,
    source: SourceView | None,
    course: Course,
    spec: EncoderSpec,
    speeds: Mapping[str, Speed],
    notes: Iterable[str] = (),
) -> PartitionStatus:
    """How a partition stands.

    Args:
        partition: With the embedding set to look at.
        source: What it should hold; None takes the recordings as they were listed last.
        course: What follows from them.
        spec: The encoder of the settings, for folders that have none yet.
        speeds: Of each asset.
        notes: Come before its own.

    Raises:
        SetupError: A table is damaged.
    """
    listed, cut = look_at_recordings(partition, source), look_at_segments(partition, course.inherited)
    work = plan_work(source, listed, cut, course.inherited)
    looks = {"recordings": listed, "segments": cut}
    stages = [
        _recordings(partition, source, listed, work, speeds["recordings"]),
        _segments(cut, work, speeds["segments"]),
    ]
    encoders = {product.asset: identity_of(partition, product, spec) for product in course.products}
    for product in course.products:
        encoder = encoders[product.asset]
        look = looks[product.asset] = look_at_product(partition, product, encoder)
        pool = (encoder or spec).temporal_pool
        stages.append(_embeddings(partition, product, look, work, pool, speeds[product.asset]))
    clean = encoders[CLEAN.asset]
    described = clean.describe() if clean and looks[CLEAN.asset].rows else ""
    more = (
        *_unfolded(looks),
        *_of_source(source, work),
        *_discarded(partition, listed, work, looks, course.products),
        *_two_encoders(encoders),
    )
    return PartitionStatus(partition.tier.name, partition.key, described, tuple(stages), (*notes, *more))


def _recordings(partition: Partition, source: SourceView | None, look: Look, work: Work, speed: Speed) -> StageStatus:
    copies = {}
    for row in look.all_rows:
        path = partition.tier.folder / row["audio_path"]
        if row["audio_in"] == "lake" and path.is_file():
            copies[row["recording_id"]] = path.stat().st_size
    to_write = work.to_hear - copies.keys() if source and source.fetched else ()
    transfer = source.transfer if source else {}
    return stage_status(
        "recordings",
        look,
        speed,
        audio=sum(float(row["duration_seconds"]) for row in look.all_rows),
        rows_to_come=len(work.to_list),
        audio_to_come=sum(work.seconds[i] for i in work.to_hear),
        on_disk=sum(copies.values()),
        to_come=round(sum(work.seconds[i] for i in to_write) * _COPY_BYTES),
        to_transfer=sum(transfer.get(i, 0) for i in work.to_hear),
    )


def _segments(look: Look, work: Work, speed: Speed) -> StageStatus:
    return stage_status(
        "segments",
        look,
        speed,
        audio=_audio_seconds(row["n_valid"] for row in look.all_rows),
        rows_to_come=sum(len(work.lengths[i]) for i in work.to_cut),
        audio_to_come=sum(work.seconds[i] for i in work.to_cut),
    )


def _embeddings(partition: Partition, product: Product, look: Look, work: Work, pool: int, speed: Speed) -> StageStatus:
    pending = to_embed(look, work)
    there = files_in(product.folder(partition)) if look.rows else set()
    made = {i: sum(r["bytes"] for r in rows if r["segment_id"] + ".pt" in there) for i, rows in look.rows.items()}
    size = sum(4 * WIDTH * pooled_frames(n, pool) for i in pending for n in work.lengths[i])
    return stage_status(
        product.asset,
        look,
        speed,
        audio=_audio_seconds(n for i in look.rows.keys() & work.lengths.keys() - pending for n in work.lengths[i]),
        rows_to_come=sum(len(work.lengths[i]) for i in pending),
        audio_to_come=_audio_seconds(n for i in pending for n in work.lengths[i]),
        on_disk=sum(made.values()),
        to_come=max(0, size - sum(made.get(i, 0) for i in pending)),
    )


def stage_status(
    stage: str,
    look: Look,
    speed: Speed,
    *,
    audio: float,
    rows_to_come: int,
    audio_to_come: float,
    on_disk: int = 0,
    to_come: int = 0,
    to_transfer: int = 0,
) -> StageStatus:
    """A stage's status: counts from its plan, the rest as given; `audio` and `audio_to_come` in seconds."""
    plan = look.plan
    still = 0.0 if not audio_to_come else None if speed.ratio is None else speed.ratio * audio_to_come
    return StageStatus(
        stage=stage,
        rows=sum(map(len, look.rows.values())),
        done=len(plan.done),
        new=len(plan.new),
        stale=len(plan.stale),
        failed=dict(sorted(Counter(failure.error_class for failure in look.failures.values()).items())),
        removed=len(plan.removed),
        hours=audio / 3600,
        bytes_on_disk=on_disk,
        rows_to_come=rows_to_come,
        hours_to_come=audio_to_come / 3600,
        bytes_to_come=to_come,
        bytes_to_transfer=to_transfer,
        seconds_to_come=still,
        estimate=speed.basis if audio_to_come else "",
    )


def _audio_seconds(samples: Iterable[int]) -> float:
    return sum(samples) / SAMPLE_RATE


def _unfolded(looks: Mapping[str, Look]) -> Iterator[str]:
    for stage, look in looks.items():
        if look.unfolded:
            yield f"{stage}: {look.unfolded} recordings were committed by a run that goes on or was killed"


def _of_source(source: SourceView | None, work: Work) -> Iterator[str]:
    if source is None:
        return
    if absent := len(set(source.absent) & set(work.to_list)):
        yield f"{absent} recordings are in the catalogue, but their audio is not in the source"
    if work.guessed:
        seconds, basis = source.assumed
        yield f"{len(work.guessed)} recordings of unknown length are taken for {seconds / 60:.3g} min each ({basis})"
    yield from source.notes


def _discarded(
    partition: Partition, listed: Look, work: Work, looks: Mapping[str, Look], products: Iterable[Product]
) -> Iterator[str]:
    """Recordings without their audio: done, or in want of it."""
    gone = set(discarded_copies(partition)) - work.to_hear
    wanting = gone & work.to_cut.union(*(to_embed(looks[product.asset], work) for product in products))
    let_go = {row["recording_id"] for row in listed.all_rows if row["state"] == DISCARDED} & gone - wanting
    if let_go:
        yield f"{len(let_go)} recordings are done, their raw audio is discarded"
    if wanting:
        yield (
            f"{len(wanting)} recordings have no audio any more and are not done with it: materialize "
            f"{partition.tier.name}/recordings with `refetch: true`"
        )


def _two_encoders(encoders: Mapping[str, EncoderIdentity | None]) -> Iterator[str]:
    clean = encoders[CLEAN.asset]
    for asset, encoder in encoders.items():
        if clean and encoder and encoder.digest != clean.digest:
            yield f"{asset} are of another encoder than the clean embeddings: {encoder.describe()}"
