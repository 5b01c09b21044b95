"""Alignments of ASAP's performances with their scores, judged. What is measured is decided in `evaluation`."""

import dagster as dg

from crescendai_assets.defs.asap_checks import asap_checks
from crescendai_assets.defs.config import WorkConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.evaluation.score_alignment_picture import alignment_picture
from crescendai_assets.evaluation.score_alignment_table import (
    ASSET,
    SCORE_ALIGNMENT,
    STAGE,
    alignment_partition,
    alignment_rows,
    write_score_alignment,
)
from crescendai_assets.evaluation.score_alignment_text import alignment_section

_COLUMNS = (
    "recording_id",
    "beats",
    "notes",
    "matched",
    "measure_accuracy",
    "measure_accuracy_by_note",
    "note_agreement",
    "left_out",
)


@dg.asset(
    key_prefix="reports",
    group_name="reports",
    owners=["team:models"],
    kinds={"python", "jsonlines"},
    code_version="1",
)
def score_alignment(
    context: dg.AssetExecutionContext, config: WorkConfig, lake: LakeResource, asap: AsapResource
) -> dg.MaterializeResult:
    """Computed alignments against ASAP's annotated beats: onset error in ms, accuracy of measures, two baselines.

    Needs ASAP_DIR; without it nothing is aligned and nothing fails.
    """
    with clear_errors():
        options, opened = config.options(), lake.opened()
        report = write_score_alignment(opened, asap.root(), options=options, progress=context.log.info)
        table = alignment_partition(opened.root).stage(ASSET).table
        drawn = picture(alignment_picture(alignment_rows(opened.root)), "errors of the alignments")
        told = dg.MetadataValue.md(alignment_section(opened.root))
        return materialized(report, Shown(SCORE_ALIGNMENT, table, _COLUMNS), options, errors=drawn, figures=told)


CHECKS = asap_checks(score_alignment, STAGE, lambda lake: alignment_partition(lake.root))
