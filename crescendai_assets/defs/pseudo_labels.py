"""Pseudo-labels of performances with scores. What is measured, and against what, is decided in `labels`."""

import dagster as dg

from crescendai_assets.defs.asap_checks import asap_checks
from crescendai_assets.defs.config import WorkConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.labels.pseudo import ASSET, STAGE, pseudo_partition, write_pseudo_labels
from crescendai_assets.labels.pseudo_picture import spread_picture
from crescendai_assets.labels.schemas import PSEUDO_LABELS
from crescendai_assets.lake.tables import read_rows

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


CHECKS = asap_checks(pseudo_labels, STAGE, pseudo_partition)
