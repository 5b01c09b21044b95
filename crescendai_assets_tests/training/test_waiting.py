"""Waiting for batches is told from working on them, by epoch, and stands in the report."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import time
import warnings
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from crescendai_assets.training.checkpoints import files_of, read_report, waiting_facts
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.waiting import Waiting
from crescendai_assets_tests.training.rated_lake import fold, tiny


class Slow(torch.utils.data.Dataset[Any]):
    """Six batches, each of which takes so long to make."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __len__(self) -> int:
        return 6

    def __getitem__(self, place: int) -> torch.Tensor:
        time.sleep(self.seconds)
        return torch.ones(4, 2)


class Working(pl.LightningModule):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """A step takes so long; shares of epochs are gathered."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.layer, self.seconds = torch.nn.Linear(2, 1), seconds
        self.shares: list[float] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        time.sleep(self.seconds)
        return torch.as_tensor(self.layer(batch).square().mean())

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_epoch_end(self) -> None:
        self.shares.append(self.trainer.profiler.share())


def shares(loading: float, working: float, validating: float = 0.0) -> list[float]:
    model = Working(working)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=2,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            profiler=Waiting(on_gpu=False),
            **quiet,
        )
        loaders = (DataLoader(Slow(seconds), batch_size=None) for seconds in (loading, validating))
        trainer.fit(model, *loaders)
    return model.shares


def test_a_loader_that_takes_three_times_as_long_as_a_step_is_waited_for_most_of_the_time():
    assert shares(loading=0.06, working=0.02) == pytest.approx([0.7, 0.7], abs=0.15)  # steps take more than they sleep


def test_a_loader_that_keeps_up_is_hardly_waited_for_whatever_validation_takes():
    assert max(shares(loading=0.0, working=0.05, validating=0.05)) < 0.15


def test_what_was_not_trained_has_not_waited():
    assert Waiting(on_gpu=False).share() == 0.0


def test_history_and_report_tell_of_it(place, one_thread):
    fit_fold(place, fold(place), tiny("S1"))
    report = read_report(files_of(place.root, "S1", fold(place), 0))
    assert report is not None
    assert len(report.history) == 2
    assert all(0 < row["waiting"] < 1 for row in report.history)
    told = [row["waiting"] for row in report.history]
    assert min(told) - 1e-3 <= waiting_facts(report.history)["waiting"] <= max(told) + 1e-3
    assert waiting_facts(()) == {}
