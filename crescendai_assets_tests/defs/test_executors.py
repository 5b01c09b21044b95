from __future__ import annotations

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import build_definitions
from crescendai_assets.defs.executors import gpu_executor
from crescendai_assets_tests.defs.conftest import ALL_OF_A_YEAR
from crescendai_assets_tests.maestro_folder import Take


@pytest.mark.parametrize(
    ("name", "executor"),
    [("", dg.in_process_executor), ("in_process", dg.in_process_executor), ("multiprocess", dg.multiprocess_executor)],
)
def test_the_environment_chooses_the_executor_of_everything(monkeypatch, name, executor):
    monkeypatch.setenv("CRESCENDAI_EXECUTOR", name)
    assert gpu_executor() is executor
    assert build_definitions().executor is executor


def test_an_unknown_executor_is_refused_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("CRESCENDAI_EXECUTOR", "slurm")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="in_process, multiprocess"):
        build_definitions()


def test_embedding_waits_for_the_pool_of_devices_and_fetching_for_its_own():
    job = build_definitions().resolve_implicit_global_asset_job_def()
    pools = {node.name: node.definition.pools for node in job.nodes}
    assert pools["maestro__embeddings"] == {"gpu"}
    assert pools["maestro__recordings"] == {"download"}
    assert pools["maestro__segments"] == set()


def test_the_two_jobs_together_do_a_year(platform):
    platform.write(Take(2011, "MIDI-Unprocessed_02_R1_2011_a", seconds=12))
    made = []
    for job in ("collect_maestro", "embed_maestro"):
        result = platform.definitions.resolve_job_def(job).execute_in_process(
            partition_key="2011", instance=platform.instance
        )
        assert all(e.passed for e in result.get_asset_check_evaluations())
        made += [e.asset_key.to_user_string() for e in result.get_asset_materialization_events()]
    assert made == ALL_OF_A_YEAR
