"""A fold is trained, resumed after a kill, not trained twice, and refused where it cannot be trust-worthy."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from crescendai_assets.labels.folds import fold_keys
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.ratings import PLANTED_COLUMNS, SHUFFLED_COLUMN
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.training.checkpoints import FitReport, files_of, read_report, trained_file, write_report
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.loop import of_worker, out_of_memory
from crescendai_assets.training.registry import MODELS
from crescendai_assets.training.settings import FitSettings, hardware
from crescendai_assets.training.task import is_current, plan_fit
from crescendai_assets_tests.training.rated_lake import fold, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


def scores(place, model: str = "S1", seed: int = 0) -> np.ndarray:
    rows = read_rows(files_of(place.root, model, fold(place), seed).scores)
    return np.array([row["scores"] for row in rows])


@pytest.mark.parametrize("model", ["S0", "S1", "S2", "S2h", "S3", "A0", "A1", "A2", "A3"])
def test_a_fold_of_every_model_is_trained_and_tells_what_it_never_saw(model, place):
    said: list[str] = []
    report = fit_fold(place, fold(place), tiny(model), progress=said.append)
    files = files_of(place.root, model, fold(place), 0)
    assert sorted(row["segment_id"] for row in read_rows(files.scores)) == sorted(fold(place).val)
    assert {len(row["scores"]) for row in read_rows(files.scores)} == {19}
    assert set(report.figures) == {"r2", "pair_accuracy"}
    assert report.device.startswith("CPU")
    assert any(report.device in line for line in said)
    assert not files.resume.exists()
    if model != "S0":
        assert [row["epoch"] for row in report.history] == [0, 1]
        assert files.curves.read_bytes().startswith(b"\x89PNG")
        assert len(files.curves.read_bytes()) <= 40_000
        assert len([line for line in said if line.startswith("epoch ")]) == 2


def test_a_model_of_sound_tells_what_made_its_embeddings_and_another_encoder_makes_it_stale(own_place):
    report = fit_fold(own_place, fold(own_place), tiny("A0"))
    assert report.encoder[0] == "planted@1 layers 9 pooled by 8, float32, unverified"
    identity = own_place.embeddings.embedding_folder / "encoder.json"
    identity.write_text(identity.read_text().replace('"planted"', '"another"'))
    assert not is_current(plan_fit(own_place, fold(own_place), tiny("A0")))


@pytest.mark.slow
def test_aligned_notes_are_read_once_for_all_folds(place):
    first = fit_fold(place, fold(place), tiny("S4"))
    (kept,) = (place.root / "checkpoints" / "features").iterdir()
    before = kept.stat().st_mtime_ns
    second = fit_fold(place, fold(place, "passage-s0f1"), tiny("S4"))
    assert kept.stat().st_mtime_ns == before
    assert first.dims == second.dims
    assert first.dims["conditions"] > 162


def test_a_fusion_stands_on_two_checkpoints_of_its_own_fold(place):
    with pytest.raises(SetupError, match="there is no finished checkpoint; train A0 in this fold first"):
        fit_fold(place, fold(place), tiny("F1"))
    for model in ("A0", "S1", "S0"):
        fit_fold(place, fold(place), tiny(model))
    for model in ("F1", "F2", "F3"):
        report = fit_fold(place, fold(place), tiny(model))
        assert report.rows["val"] == len(fold(place).val)
        assert (report.dims["audio"], report.dims["symbolic"]) == (32, 32)
        assert not fit_fold(place, fold(place), tiny(model)).fresh
    fit_fold(place, fold(place), tiny("A0", epochs=1))
    assert not is_current(plan_fit(place, fold(place), tiny("F1"))), "what it stands on is another one now"
    with pytest.raises(SetupError, match="S0 is a model of arrays"):
        fit_fold(place, fold(place), tiny("F1", fused=("A0", "S0")))


def test_clips_without_a_score_are_told(place):
    report = fit_fold(replace(place, scores=None), fold(place), tiny("S0"))
    assert report.notes == ("75 of 75 clips have no score: differences from it are unknown",)


def test_curves_go_to_tensorboard_where_that_is_asked_for(place):
    fit_fold(place, fold(place), tiny("S1", logger="tensorboard"))
    folder = files_of(place.root, "S1", fold(place), 0).folder
    assert list((folder / "tensorboard").glob("events*"))


def test_a_second_run_does_nothing_and_a_changed_setting_trains_again(place):
    first = fit_fold(place, fold(place), tiny("S0"))
    files = files_of(place.root, "S0", fold(place), 0)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files.folder.glob("*.*")}
    again = fit_fold(place, fold(place), tiny("S0"))
    assert (again, again.fresh, first.fresh) == (first, False, True)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files.folder.glob("*.*")} == before
    assert not fit_fold(place, fold(place), tiny("S0", device="auto")).fresh, "where it runs changes nothing"
    assert fit_fold(place, fold(place), tiny("S0", sizes={"trees": 26})).fresh
    assert fit_fold(place, fold(place), tiny("S0", seed=1)).fresh
    assert files.report.exists(), "another seed is another checkpoint"


SETTINGS = {
    "S0": "1c5ea88ce3a0b3dbcd8b4ba35371a2f1",
    "S1": "95d1fb8435e7f3ac26a9c11567fdb72f",
    "S2": "f758174ce2166a6e2fc470372d33c59c",
    "S3": "feba6e3d0b8df9e4cbaeca747156c6ff",
    "S4": "6899d4a080f15be44fc147f166c231ab",
    "A0": "41d1c85fad93114c10ff3d3dadbed347",
    "A1": "45eec8129d9d770b16fc4379803cf931",
    "A2": "7c45518cd2c4924334e02a1f4c6b3fb2",
    "A3": "2212b8b2a48005f2ba7e9252fd31e054",
    "F1": "49e824d19c55a0e1444ab5f480e10e9f",
    "F2": "142173ccb2c58d23c4d3b45d40106b72",
    "F3": "5171f62262083cacc389ed39f26b0869",
}


def test_the_usual_settings_are_told_as_they_were_when_real_folds_were_trained_by_them():
    """Where this fails every checkpoint there is would be trained again: days, where there is much to train."""
    assert {model: fingerprint(FitSettings(model).identity) for model in SETTINGS} == SETTINGS


def test_a_product_that_a_model_does_not_listen_to_is_no_part_of_what_it_is(own_place):
    others = [key for key, spec in MODELS.items() if spec.kind not in (None, "hetero_graphs")]
    before = {model: plan_fit(own_place, fold(own_place), tiny(model)).fingerprint for model in others}
    typed = plan_fit(own_place, fold(own_place), tiny("S2h")).fingerprint
    assert typed not in before.values()
    table = own_place.symbolic.stage("hetero_graphs").table
    rows = list(read_rows(table))
    rows[0]["content"] = "0" * 32
    products()["hetero_graphs"].table.write(table, rows)
    assert {model: plan_fit(own_place, fold(own_place), tiny(model)).fingerprint for model in others} == before
    assert plan_fit(own_place, fold(own_place), tiny("S2h")).fingerprint != typed
    table.unlink()
    assert {model: plan_fit(own_place, fold(own_place), tiny(model)).fingerprint for model in others} == before
    with pytest.raises(SetupError, match="materialize symbolic/hetero_graphs of the source percepiano first"):
        plan_fit(own_place, fold(own_place), tiny("S2h"))


def test_labels_that_changed_make_a_checkpoint_stale(own_place):
    fit_fold(own_place, fold(own_place), tiny("S0"))
    labels = json.loads(own_place.labels.labels.read_text())
    labels[next(iter(labels))][0] += 0.01
    own_place.labels.labels.write_text(json.dumps(labels))
    assert not is_current(plan_fit(own_place, fold(own_place), tiny("S0")))
    assert fit_fold(own_place, fold(own_place), tiny("S0")).fresh


def test_a_checkpoint_with_other_scores_than_its_report_tells_is_trained_again(place):
    fit_fold(place, fold(place), tiny("S0"))
    files = files_of(place.root, "S0", fold(place), 0)
    files.scores.write_text("")
    assert fit_fold(place, fold(place), tiny("S0")).fresh
    assert len(list(read_rows(files.scores))) == len(fold(place).val)


@pytest.mark.parametrize("model", ["S0", "A0"])
def test_a_checkpoint_whose_weights_are_damaged_is_trained_again(model, place):
    first = fit_fold(place, fold(place), tiny(model))
    files = files_of(place.root, model, fold(place), 0)
    path = trained_file(files, model)
    whole = path.read_bytes()
    assert first.weights == hashlib.sha256(whole).hexdigest()
    assert is_current(plan_fit(place, fold(place), tiny(model)))
    path.write_bytes(whole[:-1])
    assert not is_current(plan_fit(place, fold(place), tiny(model)))
    write_report(files, replace(first, weights=""))
    assert is_current(plan_fit(place, fold(place), tiny(model))), "a report from before tells nothing of them"
    write_report(files, first)
    assert fit_fold(place, fold(place), tiny(model)).fresh
    assert is_current(plan_fit(place, fold(place), tiny(model)))
    path.unlink()
    assert not is_current(plan_fit(place, fold(place), tiny(model)))


def test_the_part_set_aside_shares_no_group_with_what_is_learnt_from(place):
    works = [key for key in fold_keys(place.labels) if key.startswith("work-")]
    for key, column in (
        ("passage-s0f0", "passage_group"),
        ("passage_by_content-s1f1", "content_group"),
        ("performer-s0f0", "performer_group"),
        (works[0], "passage_group"),
    ):
        task = plan_fit(place, fold(place, key), tiny("S1"))
        sides = task.sides()
        rows = {row["segment_id"]: row for row in task.plan.rows}
        train, inner = ({rows[k][column] for k in sides[side]} for side in ("train", "inner"))
        assert train
        assert inner
        assert not train & inner
        assert sorted((*sides["train"], *sides["inner"])) == sorted(fold(place, key).train)
        assert sides["val"] == list(fold(place, key).val)


def test_a_fold_that_leaks_is_refused_before_anything_is_trained(place):
    whole = fold(place)
    leaking = replace(whole, train=(*whole.train, whole.val[0]))
    with pytest.raises(SetupError, match="leaks"):
        fit_fold(place, leaking, tiny("S1"))
    assert not (place.root / "checkpoints").exists()


class Poison(pl.Callback):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """Makes weights NaN before one batch."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.at = (epoch, batch)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == self.at:
            for parameter in pl_module.parameters():
                parameter.data.fill_(torch.nan)


def test_a_loss_that_is_not_finite_stops_with_epoch_batch_and_segments(place):
    with pytest.raises(SetupError, match=r"S1: the loss is nan in epoch 1, batch 1 of \d+ segments \(.*bars.*lower"):
        fit_fold(place, fold(place), tiny("S1"), callbacks=[Poison(1, 1)])
    assert read_report(files_of(place.root, "S1", fold(place), 0)) is None


class Full(pl.Callback):  # type: ignore[misc]  # likewise
    """Memory for so many rows and no more."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if len(batch["labels"]) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")


def test_out_of_memory_halves_the_batch_once_and_says_so(place):
    said: list[str] = []
    report = fit_fold(place, fold(place), tiny("S1"), callbacks=[Full(10)], progress=said.append)
    assert report.batch_size == 8
    assert report.notes[-1] == "out of memory: the batch was halved to 8"
    assert "out of memory with a batch of 16: begins again with 8" in said
    with pytest.raises(SetupError, match="out of memory with a batch of 8, halved already"):
        fit_fold(place, fold(place), tiny("S1", seed=1), callbacks=[Full(4)])


def test_what_a_worker_of_a_loader_says_is_told_without_its_traceback():
    try:
        raise SetupError("one.wav: the audio is gone; bring it back")
    except SetupError:
        sent = torch._utils.ExceptionWrapper(where="in DataLoader worker process 0")  # as a worker sends it
    with pytest.raises(SetupError, match="Original Traceback") as caught:
        sent.reraise()
    assert of_worker(caught.value) == "one.wav: the audio is gone; bring it back"
    assert of_worker(SetupError("the loss is nan")) == ""


def test_no_gpu_where_one_is_asked_for_is_said(place, monkeypatch):
    monkeypatch.delenv("CRESCENDAI_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SetupError, match="device cuda: torch sees no CUDA device here; set device: cpu"):
        fit_fold(place, fold(place), tiny("S1", device="cuda"))
    with pytest.raises(SetupError, match="there is no GPU here and allow_cpu is false"):
        fit_fold(place, fold(place), tiny("S1", device="auto", allow_cpu=False))


def test_a_device_is_the_one_set_else_the_environments_else_what_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", str)

    def found(device: str, **more: Any) -> tuple[str, Any, str]:
        machine = hardware(tiny("S1", device=device, **more))
        return machine.torch_device, machine.devices, machine.precision

    monkeypatch.delenv("CRESCENDAI_DEVICE", raising=False)
    assert found("auto") == ("cuda:0", [0], "bf16-mixed")
    assert found("cuda:1", precision="32-true") == ("cuda:1", [1], "32-true")
    monkeypatch.setenv("CRESCENDAI_DEVICE", "cuda:1")
    assert found("auto") == ("cuda:1", [1], "bf16-mixed")
    assert found("cuda") == ("cuda:0", [0], "bf16-mixed")
    monkeypatch.setenv("CRESCENDAI_DEVICE", "cpu")
    assert found("auto") == ("cpu", 1, "32-true")
    with pytest.raises(SetupError, match="CRESCENDAI_DEVICE is cpu and allow_cpu is false"):
        found("auto", allow_cpu=False)
    monkeypatch.setenv("CRESCENDAI_DEVICE", "cuda:2")
    with pytest.raises(
        SetupError, match="S1, CRESCENDAI_DEVICE: device cuda:2: there are 2 CUDA devices here, from cuda:0 on"
    ):
        found("auto")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB"),
        MemoryError(),
    ],
)
def test_memory_runs_out_in_many_words(error):
    assert out_of_memory(error)
    assert not out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "large"}, "preset is 'large'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": float("nan")}, "learning_rate nan must be above 0"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ],
)
def test_settings_that_nothing_can_be_trained_by_are_refused(changes, message):
    with pytest.raises(SetupError, match=message):
        FitSettings("S1", **changes)


def test_an_unknown_model_and_missing_inputs_are_named(own_place):
    with pytest.raises(SetupError, match="there is no model 'S9'"):
        fit_fold(own_place, fold(own_place), FitSettings("S9"))
    own_place.symbolic.stage("tokens").table.unlink()
    with pytest.raises(SetupError, match="materialize symbolic/tokens of the source percepiano first"):
        fit_fold(own_place, fold(own_place), tiny("S1"))
    own_place.embeddings.stage("embeddings").table.unlink()
    with pytest.raises(SetupError, match="materialize percepiano/embeddings first"):
        fit_fold(own_place, fold(own_place), tiny("A0"))
    with pytest.raises(SetupError, match=r"needs midi/ and score_midi/"):
        fit_fold(replace(own_place, midi=None), fold(own_place), tiny("S4"))


def run(place, root: Path, epochs: int) -> subprocess.Popen[str]:
    assert place.scores is not None
    arguments = [str(place.labels.folder.parent), str(place.scores), str(root), "S1", str(epochs)]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "crescendai_assets_tests.training.fit_process", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_to_the_result_of_an_undisturbed_training(place, tmp_path):
    epochs = 6
    undisturbed = fit_fold(place, fold(place), tiny("S1", epochs=epochs, patience=epochs))
    expected = scores(place)
    killed = replace(place, root=tmp_path / "killed")
    for epoch in (1, 3):
        process = run(place, killed.root, epochs)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith(f"epoch {epoch} ") for line in lines)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert read_report(files_of(killed.root, "S1", fold(place), 0)) is None
    output, _ = run(place, killed.root, epochs).communicate(timeout=120)
    assert "goes on after epoch" in output, output
    report: FitReport | None = read_report(files_of(killed.root, "S1", fold(place), 0))
    assert report is not None
    assert scores(killed) == pytest.approx(expected, abs=1e-6)
    assert report.best_epoch == undisturbed.best_epoch
    for before, after in zip(undisturbed.history, report.history, strict=True):
        clock = {"seconds": 0, "waiting": 0}
        assert {**after, **clock} == pytest.approx({**before, **clock}, abs=1e-6)


def accuracies(place, model: str, **changes: Any) -> tuple[float, float]:
    """Share of pairs within passages in the right order over one shuffle: planted dimensions, shuffled dimension."""
    labels = json.loads(place.labels.labels.read_text())
    right = {True: [0.0, 0], False: [0.0, 0]}
    rows = {row["segment_id"]: row for row in read_rows(place.labels.metadata)}
    for number in range(4):
        part = fold(place, f"passage-s0f{number}")
        fit_fold(place, part, tiny(model, **changes))
        said = {row["segment_id"]: row["scores"] for row in read_rows(files_of(place.root, model, part, 0).scores)}
        for one, two in itertools.combinations(sorted(said), 2):
            if rows[one]["passage"] != rows[two]["passage"]:
                continue
            for column in (*PLANTED_COLUMNS, SHUFFLED_COLUMN):
                apart = labels[one][column] - labels[two][column]
                if abs(apart) > 0.05:
                    counted = right[column != SHUFFLED_COLUMN]
                    counted[0] += float((said[one][column] - said[two][column]) * apart > 0)
                    counted[1] += 1
    return right[True][0] / right[True][1], right[False][0] / right[False][1]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["S0", "S4", "S1", "S2", "S2h", "S3", "A0", "A1", "A2", "A3"])
def test_what_is_planted_is_heard_and_what_is_shuffled_is_not(model, place):
    planted, shuffled = accuracies(place, model, epochs=25, patience=25)
    print(model, planted, shuffled)
    assert planted > 0.6
    assert abs(shuffled - 0.5) < 0.15
