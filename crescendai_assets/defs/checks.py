"""Asset checks, all made by one factory from functions of the domain that give an `Outcome`.

`deep: true` in a check's config reads every file instead of a sample. What is right or wrong is decided in
`lake.verify`, `embeddings.verify` and the tiers' own modules.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from crescendai_assets.defs.metadata import clear_errors, rows_table
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Table, read_rows
from crescendai_assets.lake.verify import Outcome, check_schema

IDEMPOTENT = "Planning the work again from disk finds nothing to do, and the content is what the run recorded."
SCHEMA = "Every row fits its schema, ids are in order and none stands twice."
"""What the checks of these names look at, for people."""

ENCODED = frozenset({"lake", "encoder"})
"""Resources by which a partition with its embedding set is found."""


class CheckConfig(dg.Config):
    """How thorough a check is."""

    deep: bool = False
    """Read the contents of every file, not of a sample."""


@dataclass(frozen=True)
class LastRun:
    """What the latest materialization of the checked asset (and partition) recorded."""

    data_version: str | None
    limit: int | None = None
    untried: int = 0


@dataclass(frozen=True)
class Subject:
    """What a check looks at.

    Attributes:
        partition: Key of the checked partition, empty for an unpartitioned asset.
        last_run: What its latest materialization recorded.
        resources: By name.
        deep: Whether everything is to be read.
    """

    partition: str
    last_run: LastRun
    resources: Any
    deep: bool


def asset_check(
    asset: dg.AssetsDefinition,
    name: str,
    look: Callable[[Subject], Outcome],
    *,
    description: str,
    resources: frozenset[str] = frozenset({"lake"}),
    blocking: bool = False,
) -> dg.AssetChecksDefinition:
    """A check of one asset, partitioned as the asset is.

    Args:
        asset: The asset.
        name: Name of the check.
        look: Gives the verdict.
        description: What is checked, for people.
        resources: Resources that `look` uses.
        blocking: Whether a failure stops what is downstream in the same run.
    """

    def check(context: dg.AssetCheckExecutionContext, config: CheckConfig) -> dg.AssetCheckResult:
        with clear_errors():
            partition = _only_partition(context) if asset.partitions_def else ""
            last_run = _last_run(context.instance, asset.key, partition or None)
            return _result(look(Subject(partition, last_run, context.resources, config.deep)))

    with warnings.catch_warnings():
        # that partition-aware checks are a preview is known, and why they are made in this one place
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.asset_check(
            asset=asset,
            name=name,
            description=description,
            blocking=blocking,
            partitions_def=asset.partitions_def,
            required_resource_keys=set(resources),
        )(check)


def schema_check(
    asset: dg.AssetsDefinition,
    table: Table,
    path: Callable[[Subject], Path],
    *,
    resources: frozenset[str] = frozenset({"lake"}),
) -> dg.AssetChecksDefinition:
    """The blocking check that a table on disk fits its schema.

    Args:
        asset: The asset.
        table: Its table.
        path: Where the table lies.
        resources: Resources that `path` uses.
    """
    return asset_check(
        asset,
        "schema",
        lambda subject: check_schema(table, list(read_rows(path(subject)))),
        description=SCHEMA,
        resources=resources,
        blocking=True,
    )


def _only_partition(context: dg.AssetCheckExecutionContext) -> str:
    if context.has_partition_key or context.has_partition_key_range:
        keys = context.partition_keys
        if len(keys) == 1:
            return str(keys[0])
    raise SetupError(
        "a check looks at one partition: launch one run a partition, not a range or the whole asset at once"
    )


def _last_run(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None) -> LastRun:
    """Read from the event log, so that the check compares with the run and not with itself."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
    ).records
    event = records[0].asset_materialization if records else None
    if event is None:
        return LastRun(None)
    limit: Any = event.metadata["limit"].value if "limit" in event.metadata else None
    untried: Any = event.metadata["untried"].value if "untried" in event.metadata else 0
    return LastRun((event.tags or {}).get("dagster/data_version"), limit, untried)


def _result(outcome: Outcome) -> dg.AssetCheckResult:
    metadata = {"summary": outcome.summary, **outcome.facts}
    if outcome.rows:
        metadata["at_fault"] = rows_table(outcome.rows)
    severity = dg.AssetCheckSeverity.WARN if outcome.warn else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(passed=outcome.passed, severity=severity, metadata=metadata, description=outcome.summary)
