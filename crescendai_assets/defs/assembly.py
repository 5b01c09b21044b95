"""All definitions put together, in one function that takes other resources: a test swaps one without patching."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from crescendai_assets.defs import (
    checkpoints,
    competition,
    composite_labels,
    corpus_assets,
    jobs,
    maestro,
    maestro_checks,
    packs,
    percepiano,
    percepiano_embeddings,
    pretrained,
    pseudo_labels,
    registration,
    reports,
    retention,
    robustness,
    score_alignment,
    sensors,
    youtube,
)
from crescendai_assets.defs.collecting_resources import CatalogueResource, DownloadResource
from crescendai_assets.defs.corpus_resources import MidiResource
from crescendai_assets.defs.executors import gpu_executor
from crescendai_assets.defs.report_resources import DifficultyResource, RobustnessResource
from crescendai_assets.defs.resources import (
    AugmentationResource,
    EncoderResource,
    LakeResource,
    MaestroResource,
    PercePianoResource,
    SegmentingResource,
)
from crescendai_assets.defs.symbolic_resources import AsapResource


def default_resources() -> dict[str, Any]:
    """Resources that take every setting from the environment."""
    return {
        "lake": LakeResource(),
        "maestro": MaestroResource(),
        "percepiano": PercePianoResource(),
        "asap": AsapResource(),
        "midi": MidiResource(),
        "catalogue": CatalogueResource(),
        "downloads": DownloadResource(),
        "augmentation": AugmentationResource(),
        "segmenting": SegmentingResource(),
        "encoder": EncoderResource(),
        "robustness": RobustnessResource(),
        "difficulty": DifficultyResource(),
    }


def build_definitions(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The whole project.

    Args:
        resources: Replace the default ones of the same names.
    """
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules(
                [
                    percepiano,
                    percepiano_embeddings,
                    composite_labels,
                    corpus_assets,
                    pseudo_labels,
                    competition,
                    maestro,
                    youtube,
                    packs,
                    score_alignment,
                ]
            ),
            *pretrained.ASSETS.values(),
            *checkpoints.ASSETS.values(),
            robustness.robustness_report,
            *reports.ASSETS.values(),
            retention.published,
        ],
        asset_checks=[
            *percepiano.CHECKS,
            *corpus_assets.CHECKS,
            *pseudo_labels.CHECKS,
            *percepiano_embeddings.CHECKS,
            *composite_labels.CHECKS,
            *competition.CHECKS,
            *maestro_checks.CHECKS,
            *youtube.CHECKS,
            *packs.CHECKS,
            *pretrained.CHECKS,
            *checkpoints.CHECKS,
            *robustness.CHECKS,
            *score_alignment.CHECKS,
            *reports.CHECKS,
            *retention.CHECKS,
        ],
        jobs=[
            *jobs.ALL,
            registration.register_partitions,
            registration.remove_unlisted_partitions,
            retention.discard_raw_audio_job,
        ],
        sensors=[registration.registered_partitions, sensors.local_work, sensors.network_work],
        resources={**default_resources(), **(resources or {})},
        executor=gpu_executor(),
    )
