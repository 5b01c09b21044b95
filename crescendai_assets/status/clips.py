"""How T1 stands: its clips and their embeddings. It has no partitions, and a clip is recording and segment in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.embeddings.clips import wanted_of_clips
from crescendai_assets.embeddings.folder import CLEAN, committed_embeddings, files_in, imported_clips
from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import pooled_frames
from crescendai_assets.embeddings.store import WIDTH
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.sources.locate import committed_recordings
from crescendai_assets.sources.percepiano_clips import ClipListing, wanted_clips
from crescendai_assets.status.look import Look, identity_of, look_at
from crescendai_assets.status.model import PartitionStatus, StageStatus, TierStatus
from crescendai_assets.status.partition import stage_status
from crescendai_assets.status.speed import speed_of

ASSUMED_CLIP = 31.0
"""Seconds of a clip that was not measured yet: PercePiano's 1,202 last 10.3 h."""


def clips_status(tier: Tier, listing: ClipListing, rated: int, spec: EncoderSpec) -> TierStatus:
    """Clips and embeddings.

    Args:
        tier: The tier, with the embedding set to look at.
        listing: What the folder of audio holds.
        rated: How many segments have a label.
        spec: The encoder of the settings, for a folder that has none yet.

    Raises:
        SetupError: A table is damaged.
    """
    partition = tier.partition()
    clips = look_at(
        partition,
        "clips",
        lambda: wanted_clips(partition, listing),
        lambda: committed_recordings(partition),
        forgets=listing.root is not None,
    )
    embedded, encoder = _look_at_embeddings(partition, spec)
    if not (rated or clips.rows or embedded.rows):
        return TierStatus(tier.name, ())
    lengths = {key: int(rows[0]["n_valid"]) for key, rows in clips.rows.items()}
    lengths |= dict.fromkeys(clips.plan.new, round(ASSUMED_CLIP * SAMPLE_RATE))
    stages = (_clips(tier, clips, lengths, spec), _embeddings(partition, embedded, clips, lengths, spec))
    described = encoder if embedded.rows else ""
    notes = tuple(_notes(listing, rated, embedded, imported_clips(partition)))
    return TierStatus(tier.name, (PartitionStatus(tier.name, "", described, stages),), notes=notes)


def _look_at_embeddings(partition: Partition, spec: EncoderSpec) -> tuple[Look, str]:
    identity = identity_of(partition, CLEAN, spec)

    def wanted() -> Mapping[str, str]:
        if identity:
            return wanted_of_clips(partition, identity)
        return dict.fromkeys(committed_recordings(partition), "none yet")

    look = look_at(partition, CLEAN.asset, wanted, lambda: committed_embeddings(partition))
    return look, identity.describe() if identity else ""


def _clips(tier: Tier, look: Look, lengths: Mapping[str, int], spec: EncoderSpec) -> StageStatus:
    pending = look.plan.pending
    return stage_status(
        "clips",
        look,
        speed_of(tier, "segments", spec),
        audio=sum(row["n_valid"] for row in look.all_rows) / SAMPLE_RATE,
        rows_to_come=len(pending),
        audio_to_come=sum(lengths[key] for key in pending) / SAMPLE_RATE,
    )


def _embeddings(
    partition: Partition, look: Look, clips: Look, lengths: Mapping[str, int], spec: EncoderSpec
) -> StageStatus:
    # an imported folder takes no clip of another encoder, so that what is only listed is not to come there
    listed = () if imported_clips(partition) else clips.plan.pending
    pending = {key for key in (*look.plan.pending, *listed) if key in lengths}
    there = files_in(partition.embedding_folder)
    return stage_status(
        CLEAN.asset,
        look,
        speed_of(partition.tier, CLEAN.asset, spec),
        audio=sum(lengths[key] for key in look.rows if key in lengths) / SAMPLE_RATE,
        rows_to_come=len(pending),
        audio_to_come=sum(lengths[key] for key in pending) / SAMPLE_RATE,
        on_disk=sum(row["bytes"] for row in look.all_rows if row["segment_id"] + ".pt" in there),
        to_come=sum(4 * WIDTH * pooled_frames(lengths[key], spec.temporal_pool) for key in pending),
    )


def _notes(listing: ClipListing, rated: int, embedded: Look, imported: Mapping[str, str]) -> Iterator[str]:
    yield f"{rated} rated segments, {len(embedded.rows)} embedded" + (f", {len(imported)} imported" if imported else "")
    if listing.root is None:
        yield "no audio is given: set PERCEPIANO_AUDIO to a folder of clips, or import embeddings that exist"
        return
    yield f"{len(listing.files)} of them have a file in {listing.root}, {len(listing.without_file)} have none"
    if listing.unknown:
        yield f"{len(listing.unknown)} files there are of no rated segment"
