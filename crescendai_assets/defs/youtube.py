"""T4, piano channels: recordings -> segments -> embeddings by channel, clean and augmented; all channels compiled.

A channel is one entry of `channels.yaml`; the sensor `registered_partitions` makes its partition.
"""

from typing import Any

import dagster as dg

from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.audio.pairs import augmented_picture
from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.defs.automation import COMPILED, LISTED_ONCE
from crescendai_assets.defs.checks import ENCODED, IDEMPOTENT, Subject, asset_check, schema_check
from crescendai_assets.defs.collecting_resources import CatalogueResource, DownloadResource
from crescendai_assets.defs.config import CollectConfig, PairsConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture
from crescendai_assets.defs.partitions import CHANNELS
from crescendai_assets.defs.resources import AugmentationResource, EncoderResource, LakeResource, SegmentingResource
from crescendai_assets.defs.tier import TierShape, collected, embeddings_asset, segments_asset
from crescendai_assets.defs.tier_checks import embedding_checks, stage_checks
from crescendai_assets.embeddings.augmented import Augmentation, check_pairs
from crescendai_assets.embeddings.folder import Product
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS, YOUTUBE_RECORDINGS, YOUTUBE_SEGMENTS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import Outcome
from crescendai_assets.sources.compiled_channels import (
    check_owners,
    compile_channels,
    digest_on_disk,
    plan_channels,
)
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.youtube import INHERITED, collect_channel, plan_channel

SHAPE = TierShape(
    name="youtube",
    partitions=CHANNELS,
    recordings=YOUTUBE_RECORDINGS,
    segments=YOUTUBE_SEGMENTS,
    inherited=INHERITED,
    source="catalogue",
    telling=("channel", "title", "source_url"),
    caption=lambda row: f"{row['channel']}: {row['title']}",
)


@dg.asset(
    **SHAPE.partitioned,
    kinds={"python", "jsonlines"},
    code_version="1",
    pool="download",
    automation_condition=LISTED_ONCE,
)
def recordings(
    context: dg.AssetExecutionContext,
    config: CollectConfig,
    lake: LakeResource,
    catalogue: CatalogueResource,
    downloads: DownloadResource,
) -> dg.MaterializeResult:
    """Recordings of the channel that its rules let through, each as a 24 kHz mono 16-bit working copy.

    The channel is asked what it has each time; a video of two channels belongs to the first in catalogue order.
    """
    with clear_errors():
        channels, options = catalogue.channels(), config.options()
        partition = lake.partition(SHAPE.name, context.partition_key)
        report = collect_channel(
            partition,
            channels,
            downloads.open(lake),
            refetch=config.refetch,
            options=options,
            progress=context.log.info,
        )
        shown = collected(partition, plan_channel(partition, channels))
        return materialized(report, SHAPE.shown(partition, "recordings"), options, **shown)


segments = segments_asset(SHAPE, recordings)
embeddings = embeddings_asset(SHAPE, recordings, segments)


@dg.asset(
    **SHAPE.partitioned,
    deps=[recordings, segments, embeddings],
    kinds={"torch"},
    code_version="1",
    pool="gpu",
)
def augmented_pairs(
    context: dg.AssetExecutionContext,
    config: PairsConfig,
    lake: LakeResource,
    catalogue: CatalogueResource,
    segmenting: SegmentingResource,
    encoder: EncoderResource,
    augmentation: AugmentationResource,
) -> dg.MaterializeResult:
    """The same segments as other rooms, microphones and codecs would have them, embedded beside the clean ones.

    What was drawn for each stands in its row, with how late it is and how much changed. Never automated.
    """
    with clear_errors():
        partition = lake.partition(SHAPE.name, context.partition_key, encoder.set_name())
        chosen, rule, options = augmentation.chosen(), segmenting.rule(), config.options()
        audio = catalogue.audio(partition)
        report = embed_partition(
            partition,
            encoder.open(),
            audio,
            rule,
            product=chosen.product,
            cutter=chosen.cutter(rule),
            options=options,
            decoders=config.decoders,
            progress=context.log.info,
        )
        columns = ("segment_id", "preset", "effects", "lag_seconds", "snr_db", "level_db", "frames")
        shown = Shown(AUGMENTED_PAIRS, partition.stage("augmented_pairs").table, columns)
        return materialized(report, shown, options, **_pair_picture(partition, audio, rule, chosen))


@dg.asset(
    **SHAPE.common, deps=[recordings, segments], kinds={"jsonlines"}, code_version="1", automation_condition=COMPILED
)
def metadata(lake: LakeResource, catalogue: CatalogueResource) -> dg.MaterializeResult:
    """Recordings and segments of all channels that exist; the same sound under two ids is marked `duplicate_of`."""
    with clear_errors():
        tier = lake.tier(SHAPE.name)
        report = compile_channels(tier, catalogue.channels().channels)
        shown = Shown(YOUTUBE_SEGMENTS, tier.metadata, ("segment_id", *SHAPE.telling, "duplicate_of"))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.rows,
                "channels": ", ".join(report.partitions) or "none",
                **report.facts,
                "recordings_table": dg.MetadataValue.path(str(tier.recordings)),
                **shown.metadata(),
            },
            data_version=dg.DataVersion(report.digest),
        )


def _pair_picture(partition: Partition, audio: AudioFiles, rule: SegmentRule, chosen: Augmentation) -> dict[str, Any]:
    """How one pair looks; a recording that is gone or unreadable costs the picture only, and says so."""
    row = next(read_rows(partition.stage("segments").table), None)
    recordings_by_id = {r["recording_id"]: r for r in read_rows(partition.stage("recordings").table)}
    if row is None or row["recording_id"] not in recordings_by_id:
        return {}
    try:
        path = audio.path(recordings_by_id[row["recording_id"]])
        with GuardedProcess() as process:
            png = process.call(
                augmented_picture,
                path,
                row,
                rule,
                chosen.preset,
                chosen.room_responses,
                SHAPE.caption(row),
                what=str(path),
            )
    except (RecordingError, SetupError) as error:
        return {"picture_of_first_pair": f"no picture: {error}"}
    return {"picture_of_first_pair": picture(png, "spectra of a clean and an augmented segment")}


def _tier(subject: Subject) -> Tier:
    tier: Tier = subject.resources.lake.tier(SHAPE.name)
    return tier


def _metadata_idempotent(subject: Subject) -> Outcome:
    tier = _tier(subject)
    planned = plan_channels(tier, subject.resources.catalogue.channels().channels)
    return check_compiled(planned.digest, digest_on_disk(tier), subject.last_run.data_version)


def _product(subject: Subject) -> Product:
    chosen: Augmentation = subject.resources.augmentation.chosen()
    return chosen.product


CHECKS = [
    *stage_checks(
        SHAPE,
        recordings,
        segments,
        embeddings,
        lambda subject: plan_channel(SHAPE.partition(subject), subject.resources.catalogue.channels()).wanted(),
    ),
    *embedding_checks(SHAPE, augmented_pairs, _product, frozenset({"augmentation"})),
    asset_check(
        augmented_pairs,
        "pairs_differ_and_are_in_time",
        lambda subject: check_pairs(SHAPE.partition(subject), _product(subject), deep=subject.deep),
        description="Each augmented embedding has a clean twin, differs from it, and its sound is in time with it.",
        resources=ENCODED | {"augmentation"},
        blocking=True,
    ),
    asset_check(
        metadata,
        "idempotent",
        _metadata_idempotent,
        description=IDEMPOTENT,
        resources=frozenset({"lake", "catalogue"}),
    ),
    schema_check(metadata, YOUTUBE_SEGMENTS, lambda subject: _tier(subject).metadata),
    asset_check(
        metadata,
        "one_owner",
        lambda subject: check_owners(_tier(subject)),
        description="Each recording stands in one channel, and duplicates point at one that is none itself.",
        resources=frozenset({"lake"}),
    ),
]
