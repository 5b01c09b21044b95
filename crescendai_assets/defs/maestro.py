"""T3, MAESTRO v3: recordings -> segments -> embeddings by year, then all years compiled for contrastive training.

Its checks are in `maestro_checks`.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.audio.pictures import duration_histogram, mel_picture
from crescendai_assets.audio.segments import SegmentRule, cut
from crescendai_assets.defs.automation import COMPILED, LISTED, PARTITIONED
from crescendai_assets.defs.config import CollectConfig, EmbedConfig, WorkConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture, rows_table
from crescendai_assets.defs.partitions import MAESTRO_YEARS
from crescendai_assets.defs.resources import (
    EncoderResource,
    LakeResource,
    MaestroResource,
    SegmentingResource,
)
from crescendai_assets.embeddings.importing import import_partition, imported_identity
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import (
    CONTRASTIVE_RECORDINGS,
    EMBEDDINGS,
    MAESTRO_RECORDINGS,
    MAESTRO_SEGMENTS,
)
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.maestro import INHERITED, collect_year, publish_catalogue
from crescendai_assets.sources.segmenting import segment_partition
from crescendai_assets.sources.works import merges
from crescendai_assets.training.contrastive import CompileReport, compile_mapping, compile_metadata, spellings

TIER = "maestro"
MERGES_SHOWN = 100

_TITLES = ("canonical_composer", "canonical_title", "work_id", "performer_id", "split")
_SEGMENT = ("segment_id", *_TITLES, "segment_start", "segment_end", "rms")

OWNERS = ["team:maestro"]

_maestro: dict[str, Any] = {
    "key_prefix": TIER,
    "group_name": TIER,
    "owners": OWNERS,
}
_by_year: dict[str, Any] = {
    **_maestro,
    "partitions_def": MAESTRO_YEARS,
}


@dg.asset(**_by_year, kinds={"python", "jsonlines"}, code_version="1", pool="download", automation_condition=LISTED)
def recordings(
    context: dg.AssetExecutionContext, config: CollectConfig, lake: LakeResource, maestro: MaestroResource
) -> dg.MaterializeResult:
    """Recordings of the year: names of work and performer, split, and where the audio is.

    From a folder in MAESTRO's layout (`MAESTRO_DIR`, read in place) or the official zip (`MAESTRO_ZIP`), of which only
    the year's members are transferred, each kept as a 24 kHz mono 16-bit working copy.
    """
    with clear_errors():
        year, options = lake.partition(TIER, context.partition_key), config.options()
        report = collect_year(
            year,
            maestro.required_source(),
            performers=maestro.performers_csv(),
            refetch=config.refetch,
            options=options,
            progress=context.log.info,
        )
        table = year.stage("recordings").table
        seconds = [row["duration_seconds"] for row in read_rows(table)]
        chart = (
            {"picture_of_durations": picture(duration_histogram(seconds, "recordings"), "durations")} if seconds else {}
        )
        shown = Shown(MAESTRO_RECORDINGS, table, ("recording_id", *_TITLES, "duration_seconds"))
        return materialized(report, shown, options, **chart)


@dg.asset(
    **_by_year,
    deps=[recordings],
    kinds={"python", "jsonlines"},
    code_version="1",
    automation_condition=PARTITIONED,
)
def segments(
    context: dg.AssetExecutionContext,
    config: WorkConfig,
    lake: LakeResource,
    maestro: MaestroResource,
    segmenting: SegmentingResource,
) -> dg.MaterializeResult:
    """Segments of 30 s, a tail kept from 5 s, silent ones dropped and counted; truncated files refused."""
    with clear_errors():
        year, options, rule = lake.partition(TIER, context.partition_key), config.options(), segmenting.rule()
        audio = maestro.audio(year.tier)
        report = segment_partition(
            year, MAESTRO_SEGMENTS, INHERITED, audio, rule, options=options, progress=context.log.info
        )
        shown = Shown(MAESTRO_SEGMENTS, year.stage("segments").table, _SEGMENT)
        return materialized(report, shown, options, **_segment_pictures(year, audio, rule))


@dg.asset(**_by_year, deps=[recordings, segments], kinds={"torch"}, code_version="1", pool="gpu")
def embeddings(
    context: dg.AssetExecutionContext,
    config: EmbedConfig,
    lake: LakeResource,
    maestro: MaestroResource,
    segmenting: SegmentingResource,
    encoder: EncoderResource,
) -> dg.MaterializeResult:
    """One MuQ embedding a segment, (93, 1024) for 30 s; only new and stale recordings are computed.

    Never automated: it wants a device. `import_from` in the config takes embeddings that exist instead.
    """
    with clear_errors():
        year, options = lake.partition(TIER, context.partition_key, encoder.set_name()), config.options()
        log = context.log.info
        if config.import_from:
            made_by = imported_identity(config.import_identity)
            report = import_partition(year, Path(config.import_from), made_by, options=options, progress=log)
        else:
            audio, rule = maestro.audio(year.tier), segmenting.rule()
            report = embed_partition(
                year, encoder.open(), audio, rule, options=options, decoders=config.decoders, progress=log
            )
        shown = Shown(EMBEDDINGS, year.stage("embeddings").table, ("segment_id", "frames", "bytes"))
        return materialized(report, shown, options, files=dg.MetadataValue.path(str(year.embedding_folder)))


@dg.asset(**_maestro, deps=[segments], kinds={"jsonlines"}, code_version="1", automation_condition=COMPILED)
def metadata(lake: LakeResource, maestro: MaestroResource) -> dg.MaterializeResult:
    """Segments of all years that exist, in one table, and MAESTRO's catalogue beside it."""
    with clear_errors():
        tier = lake.tier(TIER)
        report = compile_metadata(tier)
        catalogue = _publish_catalogue(tier, maestro)
        return _compiled(report, tier, Shown(MAESTRO_SEGMENTS, tier.metadata, _SEGMENT), catalogue=catalogue)


@dg.asset(**_maestro, deps=[metadata, embeddings], kinds={"json"}, code_version="1", automation_condition=COMPILED)
def contrastive_mapping(lake: LakeResource, encoder: EncoderResource) -> dg.MaterializeResult:
    """Works with two or more recordings and their segments: the positives of contrastive training.

    Performer, split and `verified` stand beside it in `contrastive_recordings.jsonl`, so that a sampler can refuse
    pairs by one performer and pairs across splits.
    """
    with clear_errors():
        tier = lake.tier(TIER, encoder.set_name())
        report = compile_mapping(tier)
        columns = ("recording_id", "work_id", "performer_id", "split", "segments", "verified")
        shown = Shown(CONTRASTIVE_RECORDINGS, tier.contrastive_recordings, columns)
        return _compiled(report, tier, shown, mapping=dg.MetadataValue.path(str(tier.contrastive_mapping)))


def _publish_catalogue(tier: Tier, maestro: MaestroResource) -> str:
    """Renew the catalogue beside the tables; a source that is out of reach leaves the one there, and it is said."""
    try:
        source = maestro.source()
        if source is None:
            return "left as it was: no source is set"
        publish_catalogue(tier, source)
    except (RecordingError, SetupError) as error:
        return f"left as it was: {error}"
    return "as in the source"


def _compiled(report: CompileReport, tier: Tier, shown: Shown, **more: Any) -> dg.MaterializeResult:
    spelled = [
        {"work_id": m.work_id, "recordings": m.recordings, "spellings": " | ".join(m.spellings)}
        for m in merges(spellings(tier))
    ]
    facts = {
        "dagster/row_count": report.rows,
        "years": ", ".join(report.partitions) or "none",
        **report.facts,
    }
    return dg.MaterializeResult(
        metadata={
            **facts,
            "titles_merged_count": len(spelled),
            "titles_merged": rows_table(spelled[:MERGES_SHOWN]),
            **more,
            **shown.metadata(),
        },
        data_version=dg.DataVersion(report.digest),
    )


def _segment_pictures(year: Partition, audio: AudioFiles, rule: SegmentRule) -> dict[str, Any]:
    """How one segment looks; a recording that is gone or unreadable costs the picture only, and says so."""
    row = next(read_rows(year.stage("segments").table), None)
    if row is None:
        return {}
    start = round(row["segment_start"] * SAMPLE_RATE)
    title = f"{row['canonical_composer']}: {row['canonical_title']}, {row['segment_start']:g}-{row['segment_end']:g} s"
    recordings = (r for r in read_rows(year.stage("recordings").table) if r["recording_id"] == row["recording_id"])
    recording = next(recordings, None)
    if recording is None:
        return {"picture_of_first_segment": f"no picture: {row['recording_id']} left the source"}
    try:
        path = audio.path(recording)
        with GuardedProcess() as process:
            samples = process.call(cut, path, [(start, start + row["n_valid"])], rule, what=str(path))
    except (RecordingError, SetupError) as error:
        return {"picture_of_first_segment": f"no picture: {error}"}
    return {"picture_of_first_segment": picture(mel_picture(samples, title), "log-mel spectrogram")}
