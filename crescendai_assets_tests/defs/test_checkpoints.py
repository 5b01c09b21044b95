"""Checkpoints through Dagster: a partition a fold, trained once, checked, on the sample's rated set."""

from __future__ import annotations

import json
import shutil

import dagster as dg
import pytest
import torch  # noqa: TID253 - tests of torch modules

from crescendai_assets.defs.checkpoints import FitConfig
from crescendai_assets.labels.files import label_files
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport
from crescendai_assets.training.registry import MODELS
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import PRODUCTS
from crescendai_assets_tests.defs.conftest import Platform, told
from crescendai_assets_tests.training.rated_lake import TINY, make_rated_lake

CALLED: list[str] = []


def published(report: FitReport, files: CheckpointFiles) -> None:
    """A hook of a user's."""
    assert files.report.exists()
    CALLED.append(f"{report.model} {report.partition}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_rated_lake(tmp_path_factory.mktemp("made"))


@pytest.fixture
def rated(platform, made):
    shutil.copytree(made.root, platform.root / "lake")
    (platform.root / "percepiano").symlink_to(made.root.parent / "rated")
    platform.tick()
    return platform


def train(platform: Platform, model: str, partition: str, **config) -> dg.ExecuteInProcessResult:
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    run_config = {"ops": {f"checkpoints__{model}": {"config": config}}}
    return job.execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["checkpoints", model])],
        partition_key=partition,
        run_config=run_config,
        raise_on_error=False,
    )


def shown(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    return {name: one.value for name, one in event.step_materialization_data.materialization.metadata.items()}


def test_folds_are_partitions_and_a_checkpoint_is_trained_once_with_green_checks(rated):
    keys = rated.instance.get_dynamic_partitions("fold")
    assert {"passage-s0f0", "performer-s2f3"} <= set(keys)
    assert any(key.startswith("work-") for key in keys)
    done = rated.run(["checkpoints/S0"], "passage-s0f0")["checkpoints/S0"]
    assert done.succeeded, done.error
    assert done.checks == {"idempotent": True, "split_is_sound": True}
    assert done.metadata["summary"].startswith("S0 of passage-s0f0, seed 0: trained on CPU; held out: r2 ")
    again = rated.run(["checkpoints/S0"], "passage-s0f0")["checkpoints/S0"]
    assert "was trained already, nothing to do" in again.metadata["summary"]
    assert all(again.checks.values())


@pytest.mark.parametrize("model", ["S1", "S2h"])
def test_curves_settings_device_and_figures_are_on_the_page_and_the_hook_is_called(rated, model):
    before, CALLED[:] = torch.get_num_threads(), []
    torch.set_num_threads(1)
    config = {"epochs": 2, "device": "cpu", "sizes": TINY[model], "on_fold_complete": f"{__name__}:published"}
    result = train(rated, model, "performer-s1f2", **config)
    torch.set_num_threads(before)
    assert result.success
    page = shown(result)
    assert str(page["picture_of_losses"]).startswith("![losses by epoch](data:image/png")
    assert {"r2", "pair_accuracy", "seconds", "settings", "rows_val", "trained_parameters"} <= page.keys()
    assert str(page["device"]).startswith("CPU")
    assert [f"{model} performer-s1f2"] == CALLED
    assert all(one.passed for one in result.get_asset_check_evaluations())


def test_folds_that_leak_stop_the_training(rated):
    assert rated.run(["checkpoints/S0"], "passage-s0f0")["checkpoints/S0"].succeeded
    files = label_files(rated.lake)
    document = json.loads(files.folds.read_text())
    fold = document["passage"]["folds"]["s0f0"]
    fold["train"].append(fold["val"][0])
    files.folds.write_text(json.dumps(document))
    done = rated.run(["checkpoints/S0"], "passage-s0f0")["checkpoints/S0"]
    assert "leaks" in done.error


def test_finished_folds_become_a_comparison_with_pictures_and_a_verdict(rated):
    works = [key for key in rated.instance.get_dynamic_partitions("fold") if key.startswith("work-")]
    for key in works:
        assert rated.run(["checkpoints/S0"], key)["checkpoints/S0"].succeeded
    done = rated.run(["reports/symbolic_comparison", "reports/audio_comparison"])
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    page = done["reports/symbolic_comparison"].metadata
    assert page["verdict work"].startswith("Winner: S0")
    assert page["by_dimension"].startswith("![by_dimension](data:image/png")
    assert (page["folds_told_of"], page["no_finished_checkpoint"]) == (len(works), "S1, S2, S2h, S3, S4")
    assert done["reports/audio_comparison"].metadata["no_finished_checkpoint"] == "A0, A1, A2, A3"
    assert rated.run(["checkpoints/S0"], "passage-s0f0")["checkpoints/S0"].succeeded
    assert rated.check("reports/symbolic_comparison") == {"idempotent": False}, "another fold is finished since"


def test_a_fold_that_is_no_more_and_bad_settings_are_told_in_words(rated):
    rated.instance.add_dynamic_partitions("fold", ["passage-s9f9"])
    assert "there is no fold 'passage-s9f9'" in rated.run(["checkpoints/S0"], "passage-s9f9")["checkpoints/S0"].error
    for config, message in (
        ({"on_fold_complete": "nowhere:at_all"}, "is no package.module:function"),
        ({"preset": "huge"}, "preset is 'huge'"),
    ):
        result = train(rated, "S0", "passage-s0f0", **config)
        assert message in told(result)


def test_what_a_run_may_set_is_what_a_training_takes():
    assert FitConfig.model_validate({}).settings("S1") == FitSettings("S1")


def test_training_is_never_automated_and_waits_for_a_device(platform):
    graph = platform.definitions.resolve_asset_graph()
    keys = [key for key in graph.get_all_asset_keys() if key.path[0] == "checkpoints"]
    assert len(keys) == len(MODELS)
    for key in keys:
        node = graph.get(key)
        assert node.automation_condition is None
        assert node.pools == {"gpu"}
    assert platform.definitions.resolve_job_def("train_checkpoints").partitions_def.name == "fold"


def test_a_model_of_symbols_stands_below_what_it_listens_to_hand_features_and_its_pretraining(platform):
    graph = platform.definitions.resolve_asset_graph()
    for spec in MODELS.values():
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(["checkpoints", spec.key])).parent_keys}
        product = PRODUCTS.get(spec.kind) if spec.kind else None
        heard = {f"symbolic/{product}", "symbolic/features"} if product else set()
        heard |= {"symbolic/corpus"} if spec.beside else set()  # which recordings of other tiers are rated works
        tiers = {"competition/ordinal", "maestro/contrastive_mapping", "youtube/pack"}
        assert tiers <= parents if spec.beside else not tiers & parents
        assert {one for one in parents if one.startswith("symbolic/")} == heard
        assert (f"pretrained/{spec.key}" in parents) == (spec.of_symbols or spec.key == "A2")


@pytest.mark.parametrize(
    ("track", "models"), [("symbolic", "S0 S1 S2 S2h S3 S4"), ("audio", "A0 A1 A2 A3"), ("fusion", "F1 F2 F3")]
)
def test_a_job_trains_what_a_report_compares(platform, track, models):
    job = platform.definitions.resolve_job_def(f"train_{track}")
    assert job.partitions_def.name == "fold"
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == {
        f"checkpoints/{model}" for model in models.split()
    }
