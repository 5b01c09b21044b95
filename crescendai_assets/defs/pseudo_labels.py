"""Pseudo-labels of performances with scores. What is measured, and against what, is decided in `labels`."""

import dagster as dg

from crescendai_assets.defs.checks import Subject, asset_check
from crescendai_assets.defs.config import WorkConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.defs.tier import IDEMPOTENT
from crescendai_assets.labels.pseudo import (
    ASSET,
    committed_labels,
    pseudo_partition,
    wanted_labels,
    write_pseudo_labels,
)
from crescendai_assets.labels.pseudo_picture import spread_picture
from crescendai_assets.labels.schemas import PSEUDO_LABELS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import Outcome, check_schema, check_stage
from crescendai_assets.sources.asap import read_asap

_COLUMNS = ("id", "performer_id", "start_time", "end_time", "labels", "alignment")


@dg.asset(
    key_prefix="labels",
    group_name="labels",
    owners=["team:labels"],
    kinds={"python", "jsonlines"},
    code_version="1",
)
def pseudo_labels(
    context: dg.AssetExecutionContext, config: WorkConfig, lake: LakeResource, asap: AsapResource
) -> dg.MaterializeResult:
    """Six marks of 0 to 100 per 10 s of a performance, measured against its aligned score: heuristics, not ratings.

    Null where one cannot be computed. Needs ASAP_DIR; without it nothing is labelled and nothing fails.
    """
    with clear_errors():
        options, opened = config.options(), lake.opened()
        report = write_pseudo_labels(opened, asap.root(), options=options, progress=context.log.info)
        table = pseudo_partition(opened).stage(ASSET).table
        drawn = picture(spread_picture(read_rows(table)), "spread of the six labels")
        return materialized(report, Shown(PSEUDO_LABELS, table, _COLUMNS), options, picture_of_labels=drawn)


def _idempotent(subject: Subject) -> Outcome:
    partition, folder = pseudo_partition(subject.resources.lake.opened()), subject.resources.asap.root()
    return check_stage(
        partition,
        ASSET,
        PSEUDO_LABELS,
        lambda: wanted_labels(read_asap(folder)) if folder else committed_labels(partition),
        lambda: committed_labels(partition),
        subject.last_run.data_version,
        subject.last_run.limit,
    )


def _schema(subject: Subject) -> Outcome:
    table = pseudo_partition(subject.resources.lake.opened()).stage(ASSET).table
    return check_schema(PSEUDO_LABELS, list(read_rows(table)))


CHECKS = [
    asset_check(
        pseudo_labels,
        "schema",
        _schema,
        description="Every row fits its schema, ids are in order and none stands twice.",
        blocking=True,
    ),
    asset_check(
        pseudo_labels,
        "idempotent",
        _idempotent,
        description=IDEMPOTENT,
        resources=frozenset({"lake", "asap"}),
    ),
]
