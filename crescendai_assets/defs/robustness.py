"""Do models of sound hold when the sound is degraded? A report over the rated clips. No partitions; never automated.

What is degraded and what is told of it is decided in `evaluation.robustness_sound` and `evaluation.robustness_report`.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from crescendai_assets.defs import checkpoints, percepiano, percepiano_embeddings
from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check
from crescendai_assets.defs.metadata import Metadata, clear_errors, failure_table, picture
from crescendai_assets.defs.report_resources import RobustnessResource
from crescendai_assets.defs.resources import AugmentationResource, EncoderResource, LakeResource, PercePianoResource
from crescendai_assets.evaluation.robustness_about import AUDIO_MODELS
from crescendai_assets.evaluation.robustness_files import check_robustness, write_robustness
from crescendai_assets.evaluation.robustness_report import RobustnessReport, measure_robustness
from crescendai_assets.evaluation.robustness_text import headline, t4_verdict
from crescendai_assets.labels.protocols import LEAKY
from crescendai_assets.lake.stage import Options, StageReport
from crescendai_assets.lake.verify import Outcome
from crescendai_assets.training.t1_plan import T1Place


class RobustnessConfig(dg.Config):
    """Settings of one run."""

    retry_failed: bool = Field(False, description="Try clips and checkpoints again that failed.")
    decoders: int | None = Field(None, description="Processes that decode ahead; by default what suits the device.")


@dg.asset(
    key=["reports", "robustness"],
    group_name="reports",
    owners=["team:models"],
    kinds={"markdown", "csv"},
    code_version="1",
    pool="gpu",
    deps=[
        *(checkpoints.ASSETS[model] for model in AUDIO_MODELS),
        percepiano_embeddings.clips,
        percepiano_embeddings.embeddings,
        percepiano.folds,
    ],
)
def robustness_report(
    context: dg.AssetExecutionContext,
    config: RobustnessConfig,
    lake: LakeResource,
    percepiano: PercePianoResource,
    encoder: EncoderResource,
    augmentation: AugmentationResource,
    robustness: RobustnessResource,
) -> dg.MaterializeResult:
    """Scores of rated clips, clean and under one effect at a time, by checkpoints that never saw them.

    Degraded clips are embedded once for all checkpoints. Where there is no audio it says so, and reads n/a.
    """
    with clear_errors():
        place = T1Place.of(lake.opened(), embedding_set=encoder.set_name())
        degrading = robustness.degrading(augmentation.chosen())
        options, audio = Options(retry_failed=config.retry_failed), percepiano.clips(place.embeddings)
        use: dict[str, Any] = {"options": options, "decoders": config.decoders, "progress": context.log.info}
        done = measure_robustness(place, degrading, audio, encoder.open, **use)
        report, pictures, files = write_robustness(place, degrading)
        metadata = {
            **{title: picture(png, title) for title, png in pictures.items()},
            **_said(report),
            **(_done(*done) if done else {}),
            "report": dg.MetadataValue.path(str(files.markdown)),
            "table": dg.MetadataValue.path(str(files.table)),
        }
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(files.digest))


def _said(report: RobustnessReport) -> Metadata:
    """Tables and verdicts by protocol, and what is n/a."""
    said: Metadata = {}
    for protocol in dict.fromkeys(one.protocol for one in report.measured):
        models = [one for one in report.measured if one.protocol == protocol]
        name = f"{protocol}{' (leaky)' if protocol in LEAKY else ''}"
        said[f"table {name}"] = dg.MetadataValue.md(headline(models))
        said[f"T4 {name}"] = " ".join(map(t4_verdict, models))
    return {
        **said,
        "dagster/row_count": len(report.measured),
        "clips": report.clips,
        "passages": report.passages,
        "effects": ", ".join(report.effects),
        "not_available": dg.MetadataValue.json(dict(report.missing)),
        **({"left_out": dg.MetadataValue.json(dict(report.refused))} if report.refused else {}),
    }


def _done(embedded: StageReport, scored: StageReport) -> Metadata:
    """What this run did."""
    failures = (*embedded.failures, *scored.failures)
    return {
        "embedding": embedded.summary(),
        "scoring": scored.summary(),
        "newly_embedded": embedded.succeeded,
        "newly_scored": scored.succeeded,
        **({"failures": failure_table(failures)} if failures else {}),
    }


def _current(subject: Subject) -> Outcome:
    use = subject.resources
    place = T1Place.of(use.lake.opened(), embedding_set=use.encoder.set_name())
    return check_robustness(place, use.robustness.degrading(use.augmentation.chosen()), subject.last_run.data_version)


CHECKS = [
    asset_check(
        robustness_report,
        "idempotent",
        _current,
        description=IDEMPOTENT,
        resources=frozenset({"lake", "encoder", "augmentation", "robustness"}),
    )
]
