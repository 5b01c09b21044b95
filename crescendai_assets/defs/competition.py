"""T2, piano competitions: recordings -> segments -> embeddings by edition, then the order its juries gave.

An edition is one YAML file of the catalogue; the sensor `registered_partitions` makes its partition.
"""

from dataclasses import asdict

import dagster as dg

from crescendai_assets.defs.automation import LISTED_ONCE, PARTITIONED
from crescendai_assets.defs.checks import ENCODED, IDEMPOTENT, Subject, asset_check, schema_check
from crescendai_assets.defs.collecting_resources import CatalogueResource, DownloadResource
from crescendai_assets.defs.config import CollectConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, rows_table
from crescendai_assets.defs.partitions import EDITIONS
from crescendai_assets.defs.resources import EncoderResource, LakeResource
from crescendai_assets.defs.tier import TierShape, collected, embeddings_asset, segments_asset
from crescendai_assets.defs.tier_checks import stage_checks
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.schemas import (
    COMPETITION_RECORDINGS,
    COMPETITION_SEGMENTS,
    ORDINAL,
    ORDINAL_ACROSS_ROUNDS,
)
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import Outcome, check_schema
from crescendai_assets.sources.competition_recordings import INHERITED, collect_edition, plan_edition
from crescendai_assets.training.ordinal import check_order, count_pairs, digest_on_disk, plan_order, write_order

SHAPE = TierShape(
    name="competition",
    partitions=EDITIONS,
    recordings=COMPETITION_RECORDINGS,
    segments=COMPETITION_SEGMENTS,
    inherited=INHERITED,
    source="catalogue",
    telling=("performer", "round", "piece", "placement", "eliminated_in", "country"),
    caption=lambda row: f"{row['performer']}, {row['round']}: {row['piece']}",
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
    """Recordings of the edition with performer, round and outcome, each as a 24 kHz mono 16-bit working copy.

    Where they are stands in the edition's file of the catalogue. Titles that do not tell for sure whose they are stay
    in the failure ledger until the file says so.
    """
    with clear_errors():
        edition, options = catalogue.competitions().edition(context.partition_key), config.options()
        partition = lake.partition(SHAPE.name, edition.key)
        report = collect_edition(
            partition,
            edition,
            downloads.open(lake),
            refetch=config.refetch,
            options=options,
            progress=context.log.info,
        )
        facts = {
            "edition": edition.name,
            "catalogue_file": dg.MetadataValue.path(str(edition.path)),
            "recordings_are": str(edition.recordings),
        }
        shown = collected(partition, plan_edition(partition, edition))
        return materialized(report, SHAPE.shown(partition, "recordings"), options, **facts, **shown)


segments = segments_asset(SHAPE, recordings)
embeddings = embeddings_asset(SHAPE, recordings, segments)


@dg.asset(
    **SHAPE.partitioned,
    deps=[recordings, segments, embeddings],
    kinds={"jsonlines"},
    code_version="1",
    automation_condition=PARTITIONED,
)
def ordinal(context: dg.AssetExecutionContext, lake: LakeResource, encoder: EncoderResource) -> dg.MaterializeResult:
    """The order of performers in each round, and the pairs that a ranking loss can learn from.

    Placements first, then who got further, those eliminated in the round tied last. The order across rounds stands in a
    table of its own, marked noisier.
    """
    with clear_errors():
        partition = lake.partition(SHAPE.name, context.partition_key, encoder.set_name())
        planned = plan_order(partition)
        write_order(partition, planned)
        pairs = count_pairs(planned.within)
        shown = Shown(ORDINAL, partition.stage("ordinal").table, ("recording_id", "round", "performer", "rank"))
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": len(planned.within),
                "pairs_by_round": rows_table([asdict(one) for one in pairs]),
                "recording_pairs": sum(one.recording_pairs for one in pairs),
                "without_outcome": planned.without_outcome,
                "without_embedding": planned.without_embedding,
                "across_rounds": dg.MetadataValue.path(str(partition.stage("ordinal_across_rounds").table)),
                **shown.metadata(),
            },
            data_version=dg.DataVersion(planned.digest),
        )


def _ordinal_idempotent(subject: Subject) -> Outcome:
    partition = SHAPE.partition(subject)
    return check_compiled(plan_order(partition).digest, digest_on_disk(partition), subject.last_run.data_version)


CHECKS = [
    *stage_checks(
        SHAPE,
        recordings,
        segments,
        embeddings,
        lambda subject: plan_edition(
            SHAPE.partition(subject), subject.resources.catalogue.competitions().edition(subject.partition)
        ).wanted(),
    ),
    asset_check(ordinal, "idempotent", _ordinal_idempotent, description=IDEMPOTENT, resources=ENCODED),
    schema_check(ordinal, ORDINAL, lambda s: SHAPE.partition(s).stage("ordinal").table, resources=ENCODED),
    asset_check(
        ordinal,
        "schema_across_rounds",
        lambda s: check_schema(
            ORDINAL_ACROSS_ROUNDS, list(read_rows(SHAPE.partition(s).stage("ordinal_across_rounds").table))
        ),
        description="Every row of the order across rounds fits its schema and says that it is noisier.",
        resources=ENCODED,
        blocking=True,
    ),
    asset_check(
        ordinal,
        "order_follows_outcomes",
        lambda subject: check_order(SHAPE.partition(subject)),
        description="Ranks follow outcomes, those eliminated in a round are tied last, all is of one edition.",
        resources=ENCODED,
        blocking=True,
    ),
]
