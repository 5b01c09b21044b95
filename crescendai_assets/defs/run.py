"""Materialize everything there is, in this process, as the demo and tests do; the UI and the daemon are not needed.

Runs go through the definitions' own job, so that the UI shows them as any others. What is run belongs to the tiers.
"""

import os
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

_PROCESS = "crescendai/process"
"""Tag of a run: machine and process that it is in."""


@dataclass(frozen=True)
class Done:
    """One asset (of one partition) after its run.

    Attributes:
        asset: Key as `maestro/recordings`.
        partition: Key, empty for an unpartitioned asset.
        succeeded: Whether it materialized.
        metadata: What it recorded, plain values by name.
        checks: Check name -> passed.
        error: Why it did not materialize.
    """

    asset: str
    partition: str
    succeeded: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, bool] = field(default_factory=dict)
    error: str = ""


def materialize(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    partition: str | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Done]:
    """Run assets and their checks in one in-process run, in order of dependence.

    Args:
        defs: The definitions.
        instance: Where events go.
        assets: Keys, as `maestro/recordings`.
        partition: For partitioned assets.
        config: What the launchpad would set, the same for all of them.
        say: Gets what the assets log; Dagster's own events stay in the instance.

    Returns:
        What came of each asset that was reached.
    """
    _free_slots_of_the_dead(instance)
    keys = [dg.AssetKey.from_user_string(name) for name in assets]
    run_id = str(uuid.uuid4())
    if say:
        instance.add_event_listener(run_id, lambda entry: None if entry.is_dagster_event else say(entry.user_message))
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        run_id=run_id,
        asset_selection=keys,
        partition_key=partition,
        tags={_PROCESS: f"{socket.gethostname()} {os.getpid()}"},
        raise_on_error=False,
        run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            **({"ops": {key.to_python_identifier(): {"config": dict(config)} for key in keys}} if config else {}),
        },
    )
    return [_done(result, key, partition or "") for key in keys]


def own_instance() -> dg.DagsterInstance:
    """The instance of `$DAGSTER_HOME`; a context manager."""
    return dg.DagsterInstance.get()


def in_order(defs: dg.Definitions) -> list[tuple[str, bool]]:
    """Every asset, and whether it is partitioned, dependencies first."""
    graph = defs.resolve_asset_graph()
    return [(key.to_user_string(), graph.get(key).is_partitioned) for key in graph.toposorted_asset_keys]


def run_job(defs: dg.Definitions, instance: dg.DagsterInstance, name: str) -> None:
    """Run a job that takes no settings, quietly; a failure is raised."""
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    defs.resolve_job_def(name).execute_in_process(instance=instance, run_config=quiet)


def _free_slots_of_the_dead(instance: dg.DagsterInstance) -> None:
    """Fail runs whose process was killed: where no daemon frees their slot in a pool, the next would wait forever."""
    begun = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(dg.RunsFilter(statuses=begun)):
        machine, _, process = run.tags.get(_PROCESS, "").partition(" ")
        if machine == socket.gethostname() and not _lives(int(process)):
            instance.report_run_failed(run, "its process was killed")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _done(result: dg.ExecuteInProcessResult, key: dg.AssetKey, partition: str) -> Done:
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations() if e.asset_key == key}
    made = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    if made:
        found = made[-1].step_materialization_data.materialization.metadata
        values = {name: value.value for name, value in found.items()}
        return Done(key.to_user_string(), partition, True, values, checks)
    failures = [e for e in result.all_events if e.is_step_failure and e.step_key == key.to_python_identifier()]
    error = str(failures[-1].step_failure_data.user_failure_data or failures[-1].message) if failures else "not reached"
    if failures and (data := failures[-1].step_failure_data.user_failure_data):
        error = data.description or error
    return Done(key.to_user_string(), partition, False, {}, checks, error)
