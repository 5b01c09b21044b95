"""What every tier has alike: segments and embeddings of a partition, and what is shown of them.

A tier says what differs in a `TierShape` and makes its assets from it; how its recordings are found is its own, in the
tier's module. Checks are `tier_checks`'; work comes from the domain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.audio.pictures import duration_histogram, mel_picture
from crescendai_assets.audio.segments import SegmentRule, cut
from crescendai_assets.defs.automation import PARTITIONED
from crescendai_assets.defs.checks import Subject
from crescendai_assets.defs.config import EmbedConfig, WorkConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture, rows_table
from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.importing import import_partition, imported_identity
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.sources.collecting import Listing
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.segmenting import segment_partition

SHOWN_PASSED = 100


@dataclass(frozen=True)
class TierShape:
    """What differs from tier to tier.

    Attributes:
        name: Of the tier; its assets are `<name>/segments` and so on.
        partitions: Its partitions.
        recordings: Table of recordings.
        segments: Table of segments.
        inherited: Columns that a segment takes from its recording.
        source: Name of the resource whose `audio(partition)` finds recordings.
        telling: Columns by which a person knows a recording.
        caption: A recording in a few words, for pictures.
    """

    name: str
    partitions: dg.PartitionsDefinition
    recordings: Table
    segments: Table
    inherited: tuple[str, ...]
    source: str
    telling: tuple[str, ...]
    caption: Callable[[Row], str]

    @property
    def common(self) -> dict[str, Any]:
        """Arguments of every asset of the tier."""
        return {"key_prefix": self.name, "group_name": self.name, "owners": [f"team:{self.name}"]}

    @property
    def partitioned(self) -> dict[str, Any]:
        """Arguments of its partitioned assets."""
        return {**self.common, "partitions_def": self.partitions}

    def shown(self, partition: Partition, asset: str) -> Shown:
        """The table of `recordings` or `segments` as its asset's page shows it."""
        path = partition.stage(asset).table
        if asset == "recordings":
            return Shown(self.recordings, path, ("recording_id", *self.telling, "duration_seconds"))
        return Shown(self.segments, path, ("segment_id", *self.telling, "segment_start", "segment_end", "rms"))

    def partition(self, subject: Subject) -> Partition:
        """The partition that a check looks at, with the embedding set of the settings."""
        set_name = subject.resources.encoder.set_name()
        found: Partition = subject.resources.lake.partition(self.name, subject.partition, set_name)
        return found


def durations_picture(partition: Partition) -> dict[str, Any]:
    """How long the recordings are; nothing when there are none."""
    seconds = [row["duration_seconds"] for row in read_rows(partition.stage("recordings").table)]
    known = [one for one in seconds if one]
    return {"picture_of_durations": picture(duration_histogram(known, "recordings"), "durations")} if known else {}


def collected(partition: Partition, listing: Listing) -> dict[str, Any]:
    """What to show of a listing: what was passed over and why, and how long the recordings are."""
    passed = [{"title": title, "why": why} for title, why in listing.passed_over[:SHOWN_PASSED]]
    undecided = [{"recording_id": i, "why": str(error)} for i, error in list(listing.unusable.items())[:SHOWN_PASSED]]
    return {
        **({"not_matched_for_sure": rows_table(undecided)} if undecided else {}),
        **({"passed_over_titles": rows_table(passed)} if passed else {}),
        **durations_picture(partition),
    }


def segments_asset(shape: TierShape, recordings: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset `<tier>/segments`."""

    @dg.asset(
        **shape.partitioned,
        name="segments",
        deps=[recordings],
        kinds={"python", "jsonlines"},
        code_version="1",
        automation_condition=PARTITIONED,
        required_resource_keys={"lake", "segmenting", shape.source},
    )
    def segments(context: dg.AssetExecutionContext, config: WorkConfig) -> dg.MaterializeResult:
        """Segments of 30 s, a tail kept from 5 s, silent ones dropped and counted; truncated files refused."""
        with clear_errors():
            use, options = context.resources, config.options()
            partition, rule = use.lake.partition(shape.name, context.partition_key), use.segmenting.rule()
            audio = getattr(use, shape.source).audio(partition)
            report = segment_partition(
                partition, shape.segments, shape.inherited, audio, rule, options=options, progress=context.log.info
            )
            pictures = _segment_pictures(partition, audio, rule, shape.caption)
            return materialized(report, shape.shown(partition, "segments"), options, **pictures)

    made: dg.AssetsDefinition = segments
    return made


def embeddings_asset(shape: TierShape, recordings: dg.AssetsDefinition, segments: Any) -> dg.AssetsDefinition:
    """The asset `<tier>/embeddings`."""

    @dg.asset(
        **shape.partitioned,
        name="embeddings",
        deps=[recordings, segments],
        kinds={"torch"},
        code_version="1",
        pool="gpu",
        required_resource_keys={"lake", "segmenting", "encoder", shape.source},
    )
    def embeddings(context: dg.AssetExecutionContext, config: EmbedConfig) -> dg.MaterializeResult:
        """One MuQ embedding a segment, (93, 1024) for 30 s; only new and stale recordings are computed.

        Never automated: it wants a device. `import_from` in the config takes embeddings that exist instead.
        """
        with clear_errors():
            use, options, log = context.resources, config.options(), context.log.info
            partition = use.lake.partition(shape.name, context.partition_key, use.encoder.set_name())
            if config.import_from:
                made_by = imported_identity(config.import_identity)
                report = import_partition(partition, Path(config.import_from), made_by, options=options, progress=log)
            else:
                audio, rule = getattr(use, shape.source).audio(partition), use.segmenting.rule()
                report = embed_partition(
                    partition, use.encoder.open(), audio, rule, options=options, decoders=config.decoders, progress=log
                )
            shown = Shown(CLEAN.table, partition.stage(CLEAN.asset).table, ("segment_id", "frames", "bytes"))
            return materialized(report, shown, options, files=dg.MetadataValue.path(str(partition.embedding_folder)))

    made: dg.AssetsDefinition = embeddings
    return made


def _segment_pictures(
    partition: Partition, audio: AudioFiles, rule: SegmentRule, caption: Callable[[Row], str]
) -> dict[str, Any]:
    """How one segment looks; a recording that is gone or unreadable costs the picture only, and says so."""
    row = next(read_rows(partition.stage("segments").table), None)
    if row is None:
        return {}
    title = f"{caption(row)}, {row['segment_start']:g}-{row['segment_end']:g} s"
    samples = first_sound(partition, row, audio, rule)
    if isinstance(samples, str):
        return {"picture_of_first_segment": f"no picture: {samples}"}
    return {"picture_of_first_segment": picture(mel_picture(samples, title), "log-mel spectrogram")}


def first_sound(partition: Partition, segment: Row, audio: AudioFiles, rule: SegmentRule) -> Any:
    """The samples of a segment, or why there are none."""
    start = round(segment["segment_start"] * SAMPLE_RATE)
    rows = read_rows(partition.stage("recordings").table)
    recording = next((row for row in rows if row["recording_id"] == segment["recording_id"]), None)
    if recording is None:
        return f"{segment['recording_id']} left the source"
    try:
        path = audio.path(recording)
        with GuardedProcess() as process:
            return process.call(cut, path, [(start, start + segment["n_valid"])], rule, what=str(path))
    except (RecordingError, SetupError) as error:
        return str(error)
