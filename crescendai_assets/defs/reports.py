"""Models compared, from the checkpoints that are finished: tables, pictures, a verdict. No partitions; never automated.

What is told, and what must be said with it, is decided in `evaluation.reports` and `evaluation.report_text`.
"""

from functools import partial
from typing import Any

import dagster as dg

from crescendai_assets.defs import checkpoints, percepiano
from crescendai_assets.defs.checks import ENCODED, IDEMPOTENT, Subject, asset_check
from crescendai_assets.defs.metadata import clear_errors, picture
from crescendai_assets.defs.report_resources import DifficultyResource
from crescendai_assets.defs.resources import EncoderResource, LakeResource
from crescendai_assets.defs.robustness import robustness_report
from crescendai_assets.defs.score_alignment import score_alignment
from crescendai_assets.evaluation.comparison import Comparison
from crescendai_assets.evaluation.report_files import planned_digest, report_files, write_comparison
from crescendai_assets.evaluation.report_text import summary_table, verdict
from crescendai_assets.evaluation.reports import COMPARISONS
from crescendai_assets.labels.protocols import LEAKY
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.verify import Outcome
from crescendai_assets.training.registry import MODELS
from crescendai_assets.training.t1_plan import T1Place

_TITLES = {
    "symbolic_comparison": "Symbolic models side by side, against S0: ceiling, leak baselines, intervals, differences.",
    "audio_comparison": "Audio models side by side, against A0, likewise.",
    "fusion": "What sound and symbols together add to A0, likewise.",
}


def _report(name: str) -> dg.AssetsDefinition:
    tracks, _ = COMPARISONS[name]
    trained = [checkpoints.ASSETS[spec.key] for spec in MODELS.values() if spec.track in tracks]
    heard = [robustness_report] if "audio" in tracks else []
    aligned = [score_alignment] if name == "symbolic_comparison" else []

    @dg.asset(
        key=["reports", name],
        group_name="reports",
        owners=["team:models"],
        kinds={"markdown", "csv"},
        code_version="1",
        deps=[*trained, *heard, *aligned, percepiano.folds, percepiano.reliability, percepiano.baselines],
        description=_TITLES[name],
    )
    def one(lake: LakeResource, encoder: EncoderResource, difficulty: DifficultyResource) -> dg.MaterializeResult:
        with clear_errors():
            place = T1Place.of(lake.opened(), embedding_set=encoder.set_name())
            comparison, pictures, files = write_comparison(place, name, difficulty.csv())
            metadata: dict[str, Any] = {
                **{title: picture(png, title) for title, png in pictures.items()},
                **_said(comparison),
                "report": dg.MetadataValue.path(str(files.markdown)),
                "table": dg.MetadataValue.path(str(files.table)),
            }
            return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(files.digest))

    made: dg.AssetsDefinition = one
    return made


def _said(comparison: Comparison) -> dict[str, Any]:
    """Tables and verdicts by protocol, and what is not there."""
    said: dict[str, Any] = {}
    for section in comparison.sections:
        name = f"{section.protocol}{' (leaky)' if section.protocol in LEAKY else ''}"
        said[f"verdict {name}"] = verdict(section)
        said[f"table {name}"] = dg.MetadataValue.md(summary_table(section))
    finished = sum(len(entry.done) for section in comparison.sections for entry in section.entries)
    return {
        **said,
        "dagster/row_count": sum(len(section.entries) for section in comparison.sections),
        "folds_told_of": finished,
        **({"no_finished_checkpoint": ", ".join(comparison.absent)} if comparison.absent else {}),
        **({"left_out": dg.MetadataValue.json(dict(comparison.refused))} if comparison.refused else {}),
    }


def _current(name: str, subject: Subject) -> Outcome:
    use = subject.resources
    place = T1Place.of(use.lake.opened(), embedding_set=use.encoder.set_name())
    planned = planned_digest(place, name, use.difficulty.csv())
    return check_compiled(planned, report_files(place.root, name).digest, subject.last_run.data_version)


ASSETS = {name: _report(name) for name in COMPARISONS}
CHECKS = [
    asset_check(
        asset,
        "idempotent",
        partial(_current, name),
        description=IDEMPOTENT,
        resources=ENCODED | {"difficulty"},
    )
    for name, asset in ASSETS.items()
]
