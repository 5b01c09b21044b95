"""The checks that every table of ASAP's performances has alike; verdicts come from `lake.verify`."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check, schema_check
from crescendai_assets.lake.layout import Lake, Partition
from crescendai_assets.lake.verify import Outcome
from crescendai_assets.sources.asap_stage import AsapStage, check_asap_stage


def asap_checks(
    asset: dg.AssetsDefinition, stage: AsapStage[Any], place: Callable[[Lake], Partition]
) -> list[dg.AssetChecksDefinition]:
    """`schema` and `idempotent` of a table.

    Args:
        asset: What writes it.
        stage: The table.
        place: Where it lies in a lake.
    """

    def idempotent(subject: Subject) -> Outcome:
        use, run = subject.resources, subject.last_run
        return check_asap_stage(stage, place(use.lake.opened()), use.asap.root(), run.data_version, run.limit)

    return [
        schema_check(asset, stage.table, lambda s: place(s.resources.lake.opened()).stage(stage.asset).table),
        asset_check(asset, "idempotent", idempotent, description=IDEMPOTENT, resources=frozenset({"lake", "asap"})),
    ]
