"""Where curves of a training go beside its report: nowhere, TensorBoard's files, or Weights & Biases.

W&B is no dependency. Its own variables say how: `WANDB_MODE=offline` keeps a run on disk until `wandb sync` sends it,
`WANDB_PROJECT` names another project. A training that goes on after it was killed goes on in the same run.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.training.checkpoints import CheckpointFiles
from crescendai_assets.training.settings import RunSettings

PROJECT = "crescendai"
"""Of W&B, where `WANDB_PROJECT` names none."""


def refuse_missing_logger(settings: RunSettings) -> None:
    """Refuse a logger that is not installed, before anything is read or trained.

    Raises:
        SetupError: It is not.
    """
    if settings.logger != "wandb":
        return
    found = find_spec("wandb")
    if found is None or found.origin is None:  # W&B's own folders of runs look like a package without code
        raise SetupError("logger is wandb and W&B is not installed: `pip install wandb`, or set logger to tensorboard")


@contextmanager
def logger_of(settings: RunSettings, files: CheckpointFiles, *, goes_on: bool) -> Iterator[Any]:
    """Lightning's logger of a training, False for none; what it writes is complete when the block ends.

    Args:
        settings: Which one.
        files: Of the checkpoint; everything lies in its folder, a W&B run also names it.
        goes_on: Whether the training was begun before.

    Raises:
        SetupError: W&B is not installed, or does not begin a run.
    """
    if settings.logger == "none":
        yield False
    elif settings.logger == "tensorboard":
        from lightning.pytorch.loggers import TensorBoardLogger

        yield TensorBoardLogger(files.folder, name="tensorboard", version="")
    else:
        refuse_missing_logger(settings)
        with _wandb_run(settings, files, goes_on) as logger:
            yield logger


@contextmanager
def _wandb_run(settings: RunSettings, files: CheckpointFiles, goes_on: bool) -> Iterator[Any]:
    import wandb  # type: ignore[import-not-found]  # no dependency
    from lightning.pytorch.loggers import WandbLogger

    logger = WandbLogger(
        name="/".join(files.folder.parts[-3:]),
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        save_dir=files.folder,
        id=_run_id(files, goes_on),
        config=settings.plain,
    )
    try:
        run = logger.experiment  # now, so that a refusal comes before the first step
    except wandb.Error as error:
        raise SetupError(
            f"{files.folder}: W&B begins no run ({error}); log in with `wandb login`, set WANDB_MODE=offline, or set "
            "logger to tensorboard"
        ) from error
    exit_code = 1
    try:
        yield logger
        exit_code = 0
    finally:
        run.finish(exit_code=exit_code)


def _run_id(files: CheckpointFiles, goes_on: bool) -> str:
    """The id of the run that was begun, or a new one, which is written down."""
    if goes_on and files.wandb.exists():
        return str(json.loads(files.wandb.read_text())["id"])
    new = uuid.uuid4().hex[:16]
    write_atomic(files.wandb, json.dumps({"id": new}).encode())
    return new
