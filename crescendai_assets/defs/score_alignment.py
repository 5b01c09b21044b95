"""Alignments of ASAP's performances with their scores, judged. What is measured is decided in `evaluation`."""

import dagster as dg

from crescendai_assets.defs.checks import Subject, asset_check
from crescendai_assets.defs.config import WorkConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.defs.tier import IDEMPOTENT
from crescendai_assets.evaluation.score_alignment_picture import alignment_picture
from crescendai_assets.evaluation.score_alignment_table import (
    ASSET,
    SCORE_ALIGNMENT,
    alignment_partition,
    alignment_rows,
    committed_rows,
    wanted_rows,
    write_score_alignment,
)
from crescendai_assets.evaluation.score_alignment_text import alignment_section
from crescendai_assets.lake.verify import Outcome, check_schema, check_stage
from crescendai_assets.sources.asap import read_asap

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


def _idempotent(subject: Subject) -> Outcome:
    partition = alignment_partition(subject.resources.lake.opened().root)
    folder = subject.resources.asap.root()
    return check_stage(
        partition,
        ASSET,
        SCORE_ALIGNMENT,
        lambda: wanted_rows(read_asap(folder)) if folder else committed_rows(partition),
        lambda: committed_rows(partition),
        subject.last_run.data_version,
        subject.last_run.limit,
    )


def _schema(subject: Subject) -> Outcome:
    return check_schema(SCORE_ALIGNMENT, alignment_rows(subject.resources.lake.opened().root))


CHECKS = [
    asset_check(
        score_alignment,
        "schema",
        _schema,
        description="Every row fits its schema, ids are in order and none stands twice.",
        blocking=True,
    ),
    asset_check(
        score_alignment,
        "idempotent",
        _idempotent,
        description=IDEMPOTENT,
        resources=frozenset({"lake", "asap"}),
    ),
]
