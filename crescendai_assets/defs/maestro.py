"""T3, MAESTRO v3: recordings -> segments -> embeddings by year, then all years compiled for contrastive training.

Its checks are in `maestro_checks`.
"""

from typing import Any

import dagster as dg

from crescendai_assets.defs.automation import COMPILED, LISTED
from crescendai_assets.defs.config import CollectConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, rows_table
from crescendai_assets.defs.partitions import MAESTRO_YEARS
from crescendai_assets.defs.resources import EncoderResource, LakeResource, MaestroResource
from crescendai_assets.defs.tier import TierShape, durations_picture, embeddings_asset, segments_asset
from crescendai_assets.lake.compiled import CompileReport
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.schemas import CONTRASTIVE_RECORDINGS, MAESTRO_RECORDINGS, MAESTRO_SEGMENTS
from crescendai_assets.sources.maestro import INHERITED, collect_year, publish_catalogue
from crescendai_assets.sources.works import merges
from crescendai_assets.training.contrastive import compile_mapping, compile_metadata, spellings

ROWS_SHOWN = 100

SHAPE = TierShape(
    name="maestro",
    partitions=MAESTRO_YEARS,
    recordings=MAESTRO_RECORDINGS,
    segments=MAESTRO_SEGMENTS,
    inherited=INHERITED,
    source="maestro",
    telling=("canonical_composer", "canonical_title", "work_id", "performer_id", "split"),
    caption=lambda row: f"{row['canonical_composer']}: {row['canonical_title']}",
)


@dg.asset(
    **SHAPE.partitioned, kinds={"python", "jsonlines"}, code_version="1", pool="download", automation_condition=LISTED
)
def recordings(
    context: dg.AssetExecutionContext, config: CollectConfig, lake: LakeResource, maestro: MaestroResource
) -> dg.MaterializeResult:
    """Recordings of the year: names of work and performer, split, and where the audio is.

    From a folder in MAESTRO's layout (`MAESTRO_DIR`, read in place) or the official zip (`MAESTRO_ZIP`), of which only
    the year's members are transferred, each kept as a 24 kHz mono 16-bit working copy.
    """
    with clear_errors():
        year, options = lake.partition(SHAPE.name, context.partition_key), config.options()
        report = collect_year(
            year,
            maestro.required_source(),
            performers=maestro.performers_csv(),
            refetch=config.refetch,
            options=options,
            progress=context.log.info,
        )
        return materialized(report, SHAPE.shown(year, "recordings"), options, **durations_picture(year))


segments = segments_asset(SHAPE, recordings)
embeddings = embeddings_asset(SHAPE, recordings, segments)


@dg.asset(**SHAPE.common, deps=[segments], kinds={"jsonlines"}, code_version="1", automation_condition=COMPILED)
def metadata(lake: LakeResource, maestro: MaestroResource) -> dg.MaterializeResult:
    """Segments of all years that exist, in one table, and MAESTRO's catalogue beside it."""
    with clear_errors():
        tier = lake.tier(SHAPE.name)
        report = compile_metadata(tier)
        catalogue = _publish_catalogue(tier, maestro)
        return _compiled(
            report,
            tier,
            Shown(MAESTRO_SEGMENTS, tier.metadata, ("segment_id", *SHAPE.telling, "segment_start", "segment_end")),
            catalogue=catalogue,
        )


@dg.asset(**SHAPE.common, deps=[metadata, embeddings], kinds={"json"}, code_version="2", automation_condition=COMPILED)
def contrastive_mapping(lake: LakeResource, encoder: EncoderResource, maestro: MaestroResource) -> dg.MaterializeResult:
    """Works with two or more recordings and their segments: the positives of contrastive training.

    MIDI verifies that recordings of a work hold the same music; several pieces under one title become `<work_id>#1`,
    `#2`. Performer, split and `verified` stand beside it in `contrastive_recordings.jsonl`, so that a sampler can
    refuse pairs by one performer and pairs across splits.
    """
    with clear_errors():
        tier, source = lake.tier(SHAPE.name, encoder.set_name()), maestro.source()
        report = compile_mapping(tier, source.folder if source else None)
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
        **{k: rows_table(v[:ROWS_SHOWN]) if isinstance(v, list) else v for k, v in report.facts.items()},
    }
    return dg.MaterializeResult(
        metadata={
            **facts,
            "titles_merged_count": len(spelled),
            "titles_merged": rows_table(spelled[:ROWS_SHOWN]),
            **more,
            **shown.metadata(),
        },
        data_version=dg.DataVersion(report.digest),
    )
