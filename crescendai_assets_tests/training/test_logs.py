"""Weights & Biases is no dependency: without it a message comes before any training; with it a run is one run."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training.checkpoints import files_of
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.settings import FitSettings
from crescendai_assets_tests.training.rated_lake import fold, tiny

STAND_IN = """
import json, os

run = None

class Error(Exception):
    pass

class _Config:
    def update(self, values, **_more):
        _write(hparams=sorted(values))

class _Run:
    config = _Config()
    def define_metric(self, *_names, **_more):
        pass
    def log(self, values):
        _write(log=values)
    def finish(self, exit_code=0):
        _write(finish=exit_code)

def _write(**row):
    with open(os.environ["STAND_IN_SAYS"], "a") as file:
        file.write(json.dumps(row, default=str) + chr(10))

def init(**given):
    if os.environ.get("STAND_IN_REFUSES"):
        raise Error("api_key not configured")
    _write(init=given)
    return _Run()
"""


@pytest.fixture
def said(tmp_path, monkeypatch):
    """A module in the place of W&B's, which is not here; what it was given, so far."""
    package, rows = tmp_path / "packages" / "wandb", tmp_path / "said.jsonl"
    (package / "sdk").mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    (package / "sdk" / "__init__.py").write_text("")
    (package / "sdk" / "lib.py").write_text("class RunDisabled:\n    pass\n")
    (package / "wandb_run.py").write_text("class Run:\n    pass\n")
    monkeypatch.syspath_prepend(package.parent)
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", True)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.setenv("STAND_IN_SAYS", str(rows))
    yield lambda: [json.loads(line) for line in rows.read_text().splitlines()]
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        del sys.modules[name]


class Killed(pl.Callback):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """Stops the second epoch."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1:
            raise ConnectionError("killed")


@pytest.mark.parametrize("a_folder_of_runs", [False, True])
def test_where_it_is_not_installed_nothing_is_trained_and_the_cure_is_said(
    place, tmp_path, monkeypatch, a_folder_of_runs
):
    if a_folder_of_runs:
        (tmp_path / "cwd" / "wandb" / "offline-run-1").mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / "cwd")
        if any((Path(folder) / "wandb" / "__init__.py").exists() for folder in sys.path):
            pytest.skip("W&B is installed here")
    else:
        monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SetupError, match="`pip install wandb`, or set logger to tensorboard"):
        fit_fold(place, fold(place), tiny("S1", logger="wandb"))
    assert not files_of(place.root, "S1", fold(place), 0).begun.exists()


def test_a_run_has_name_project_settings_and_curves_and_is_ended(place, one_thread, said):
    settings = tiny("S1", logger="wandb")
    fit_fold(place, fold(place), settings)
    files = files_of(place.root, "S1", fold(place), 0)
    rows = said()
    given = rows[0]["init"]
    assert (given["project"], given["name"]) == ("crescendai", "S1/passage-s0f0/seed0")
    assert (given["id"], given["resume"]) == (json.loads(files.wandb.read_text())["id"], "allow")
    assert (given["dir"], given["config"]) == (str(files.folder), json.loads(json.dumps(settings.plain)))
    logged = [row["log"] for row in rows if "log" in row]
    assert sum("val_loss" in row for row in logged) == 2
    assert sum("train_loss" in row for row in logged) == 2
    assert rows[-1] == {"finish": 0}


def test_a_training_that_goes_on_goes_on_in_its_run_and_another_one_begins_another(place, one_thread, said):
    settings = tiny("S1", logger="wandb", epochs=3)
    with pytest.raises(ConnectionError):
        fit_fold(place, fold(place), settings, callbacks=[Killed()])
    assert said()[-1] == {"finish": 1}
    assert len(fit_fold(place, fold(place), settings).history) == 3
    fit_fold(place, fold(place), tiny("S1", logger="wandb", epochs=1))
    first, second, third = [row["init"]["id"] for row in said() if "init" in row]
    assert first == second != third


def test_where_it_begins_no_run_the_cure_is_said(place, said, monkeypatch):
    monkeypatch.setenv("STAND_IN_REFUSES", "1")
    with pytest.raises(SetupError, match=r"begins no run \(api_key not configured\).*WANDB_MODE=offline"):
        fit_fold(place, fold(place), tiny("S1", logger="wandb"))


def test_where_curves_go_changes_nothing_of_what_a_training_is():
    assert FitSettings("S1", logger="wandb").identity == FitSettings("S1").identity
