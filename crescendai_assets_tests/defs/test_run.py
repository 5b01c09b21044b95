"""Runs in this process: what a killed one leaves behind does not stop the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg

from crescendai_assets.defs.run import materialize

ONE_SLOT = "concurrency: {pools: {default_limit: 1}}\ntelemetry: {enabled: false}\n"

RUN = """
import sys, time
import dagster as dg
from crescendai_assets.defs.run import materialize

@dg.asset(pool="gpu")
def long() -> None:
    print("holds the slot", flush=True)
    time.sleep(600)

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    materialize(dg.Definitions([long]), instance, ["long"])
"""


@dg.asset(pool="gpu")
def short() -> None:
    """Wants the same slot."""


def killed_run(home: Path) -> None:
    """Start a run that holds the only slot of a pool, and kill -9 it."""
    with subprocess.Popen([sys.executable, "-c", RUN, str(home)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert next(process.stdout).startswith("holds")
        process.send_signal(signal.SIGKILL)


def test_the_slot_of_a_killed_run_is_free_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(ONE_SLOT)
    killed_run(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 1
        (done,) = materialize(dg.Definitions([short]), instance, ["short"])
        assert done.succeeded
        (dead,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert "process" in " ".join(dead.tags)


def test_the_slot_of_a_run_that_lives_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(ONE_SLOT)
    killed_run(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (run,) = instance.get_runs()
        instance.add_run_tags(
            run.run_id,
            {key: f"{value.split()[0]} {os.getpid()}" for key, value in run.tags.items() if key.endswith("process")},
        )
        materialize(dg.Definitions([dg.AssetSpec("nothing"), free]), instance, ["free"])
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 1


@dg.asset
def free() -> None:
    """Wants no slot."""
