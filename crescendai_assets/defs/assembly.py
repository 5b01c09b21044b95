"""All definitions put together, in one function that takes other resources: a test swaps one without patching."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from crescendai_assets.defs import jobs, maestro, sensors
from crescendai_assets.defs.executors import gpu_executor
from crescendai_assets.defs.maestro_checks import CHECKS
from crescendai_assets.defs.resources import (
    EncoderResource,
    LakeResource,
    MaestroResource,
    SegmentingResource,
)


def default_resources() -> dict[str, Any]:
    """Resources that take every setting from the environment."""
    return {
        "lake": LakeResource(),
        "maestro": MaestroResource(),
        "segmenting": SegmentingResource(),
        "encoder": EncoderResource(),
    }


def build_definitions(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The whole project.

    Args:
        resources: Replace the default ones of the same names.
    """
    return dg.Definitions(
        assets=dg.load_assets_from_modules([maestro]),
        asset_checks=CHECKS,
        jobs=[jobs.collect_maestro, jobs.embed_maestro],
        sensors=[sensors.local_work, sensors.network_work],
        resources={**default_resources(), **(resources or {})},
        executor=gpu_executor(),
    )
