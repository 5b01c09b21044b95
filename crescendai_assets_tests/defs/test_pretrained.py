"""Pretrained encoders through Dagster: once, checked, and what finetuning begins from."""

from __future__ import annotations

import dagster as dg
import pytest

from crescendai_assets.defs.pretrained import PretrainConfig
from crescendai_assets.defs.run import materialize
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.pretrain_settings import KEYS, PretrainSettings
from crescendai_assets.training.pretrained import pretrained_files
from crescendai_assets_tests.training.pretrain_lake import add_tiers

BRIEF = {"epochs": 2, "device": "cpu", "sizes": {"hidden_dim": 32}}


@pytest.fixture
def tiers(platform):
    add_tiers(platform.lake)
    return platform


def pretrain(platform, **config):
    done = materialize(platform.definitions, platform.instance, ["pretrained/A2"], config={**BRIEF, **config})
    return done[0]


def test_an_encoder_is_pretrained_once_with_green_checks_and_its_losses_on_the_page(tiers):
    done = pretrain(tiers)
    assert done.succeeded, done.error
    assert done.checks == {"idempotent": True, "no_evaluation_work": True}
    page = done.metadata
    assert page["summary"].startswith("A2, seed 0: pretrained on CPU")
    assert str(page["picture_of_losses"]).startswith("![losses by epoch](data:image/png")
    assert page["loss"] < page["untrained_loss"]
    assert page["recordings_train"] + page["recordings_validation"] == page["dagster/row_count"]
    again = pretrain(tiers)
    assert "was pretrained already, nothing to do" in again.metadata["summary"]
    assert not again.metadata["newly_trained"]
    assert all(again.checks.values())


def test_weights_that_saw_what_turns_out_to_be_rated_do_not_pass_and_are_made_again_without(tiers):
    assert pretrain(tiers).succeeded
    table = tiers.lake.tier("maestro").partition("2004").stage("segments").table
    table.write_text(table.read_text().replace('"piece0"', '"Schubert Sonata D 960"').replace("Bach", "Schubert"))
    assert tiers.check("pretrained/A2") == {"idempotent": False, "no_evaluation_work": False}
    done = pretrain(tiers)
    assert all(done.checks.values())
    rows = read_rows(pretrained_files(tiers.lake.root, "A2").learnt_from)
    assert not [row for row in rows if row["piece"] == "piece0"]


def test_what_is_missing_is_told_in_words(platform):
    (done,) = materialize(platform.definitions, platform.instance, ["pretrained/S1"])
    assert "materialize symbolic/corpus first" in done.error


def test_what_a_run_may_set_is_what_a_pretraining_takes():
    assert PretrainConfig.model_validate({}).settings("S1") == PretrainSettings("S1")


def test_pretraining_is_never_automated_waits_for_a_device_and_comes_before_its_finetuning(platform):
    graph = platform.definitions.resolve_asset_graph()
    for key in KEYS:
        node = graph.get(dg.AssetKey(["pretrained", key]))
        assert node.automation_condition is None
        assert node.pools == {"gpu"}
        assert node.group_name == "checkpoints"
        assert node.key in graph.get(dg.AssetKey(["checkpoints", key])).parent_keys
    job = platform.definitions.resolve_job_def("pretrain_encoders")
    assert job.partitions_def is None
    folds = platform.definitions.resolve_job_def("train_checkpoints")
    assert not [one for one in folds.asset_layer.executable_asset_keys if one.path[0] == "pretrained"]
