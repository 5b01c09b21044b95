"""One training run of a module: loaders, Lightning's trainer, and what to do when memory runs out.

What is learnt from, and what becomes of the result, is `fit`'s and `pretrain`'s to say; what is kept in between is
`keeper`'s.
"""

# ruff: noqa: TID253 - the trainer is Lightning's; nothing that definitions reach imports this

from __future__ import annotations

import json
import logging
import pickle
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import lightning.pytorch as pl
import torch

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.stage import Progress
from crescendai_assets.training.ahead import AheadLoader
from crescendai_assets.training.checkpoints import CheckpointFiles
from crescendai_assets.training.keeper import CHOSEN_BY, Keeper
from crescendai_assets.training.logs import logger_of
from crescendai_assets.training.settings import Hardware, RunSettings
from crescendai_assets.training.waiting import Waiting

GRADIENT_NORM = 1.0
WORKERS = 4
"""Processes that make batches beside a GPU; where there is none, a thread does."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed")
"""What CUDA, the machine and cuBLAS say."""


class Order(Protocol):
    """Batches of one epoch after another, each a list of places; the same for the same epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[Any]]: ...


@dataclass(frozen=True, eq=False)
class Course:
    """What an epoch goes through, in batches of one size.

    Attributes:
        learnt: Indexed by a list of places, it gives the batch of these.
        order: Of the places to learn from.
        chosen: The same as `learnt`, of what epochs are chosen by.
        turns: Its lists of places, the same in every epoch.
        name: A place of `learnt` -> what it is called, for people.
    """

    learnt: Any
    order: Order
    chosen: Any
    turns: Sequence[list[Any]]
    name: Callable[[Any], str]


@dataclass(frozen=True)
class Trained:
    """What came out.

    Attributes:
        model: With its best weights.
        history: A row an epoch.
        best_epoch: Whose weights these are.
        batch_size: In the end.
        notes: What a reader should know.
    """

    model: Any
    history: tuple[dict[str, float], ...]
    best_epoch: int
    batch_size: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Begun:
    """What a training under way is of; `halved` once memory ran out."""

    fingerprint: str
    batch_size: int
    halved: bool = False


def train(
    build: Callable[[], Any],
    course: Callable[[int], Course],
    settings: RunSettings,
    machine: Hardware,
    files: CheckpointFiles,
    mark: str,
    *,
    progress: Progress,
    callbacks: Sequence[pl.Callback] = (),
) -> Trained:
    """Train from the beginning, or on from where a killed training of the same was.

    Args:
        build: A new model, prepared; the same one each time.
        course: Size of a batch -> what an epoch goes through.
        settings: How.
        machine: On what.
        files: Where to keep the state.
        mark: Of all that the training comes from; what was begun under another one is thrown away.
        progress: Gets lines for the log.
        callbacks: More of Lightning's.

    Raises:
        SetupError: A loss is not finite, or memory runs out twice.
    """
    begun = _read(files)
    if begun is None or begun.fingerprint != mark:
        begun = _begin(files, _Begun(mark, settings.batch_size))
    while True:
        model = build()
        through = course(begun.batch_size)
        keeper = Keeper(files, settings, _names(through), progress)
        if _run(model, through, settings, machine, keeper, callbacks):
            break
        del model, keeper
        begun = _halved(files, begun, settings, progress)
    model.load_state_dict(torch.load(files.best, weights_only=True, map_location="cpu"))
    notes = (f"out of memory: the batch was halved to {begun.batch_size}",) if begun.halved else ()
    return Trained(model, tuple(keeper.history), keeper.best_epoch, begun.batch_size, notes)


def _run(
    model: Any,
    course: Course,
    settings: RunSettings,
    machine: Hardware,
    keeper: Keeper,
    callbacks: Sequence[pl.Callback],
) -> bool:
    """Run the epochs that are left; False when memory ran out."""
    files = keeper.files
    state = _state(files, keeper.progress)
    goes_on = state is not None
    if state is not None:
        keeper.load_state_dict(state["callbacks"][keeper.state_key])
        keeper.progress(f"goes on after epoch {len(keeper.history) - 1}, where it was interrupted")
        if keeper.over:
            return True
    course.order.set_epoch(len(keeper.history))  # a resumed trainer asks for its first batches before it says the epoch
    learnt, chosen = (
        _loader(data, places, machine)
        for data, places in ((course.learnt, course.order), (course.chosen, course.turns))
    )
    with _quiet(), logger_of(settings, files, goes_on=goes_on) as logger:
        trainer = _trainer(settings, machine, keeper, callbacks, logger)
        try:
            trainer.fit(model, learnt, chosen, ckpt_path=files.last if goes_on else None, weights_only=False)
        except Exception as error:
            if isinstance(error, SetupError) and (said := of_worker(error)):
                raise SetupError(said) from error
            if not out_of_memory(error):
                raise
            return False
    if not files.best.exists():
        raise SetupError(f"{files.folder}: was interrupted before its first epoch was over; run it again")
    return True


def _state(files: CheckpointFiles, progress: Progress) -> dict[str, Any] | None:
    """State of a training that was interrupted, None where there is none that can be gone on from."""
    if not (files.last.exists() and files.best.exists()):
        return None
    try:
        found: dict[str, Any] = torch.load(files.last, weights_only=False, map_location="cpu")  # our own file
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        progress(f"{files.last}: cannot be read ({str(error).splitlines()[0]}); begins from the first epoch")
        return None
    return found


def validated(model: Any, course: Course, settings: RunSettings, machine: Hardware) -> float:
    """The loss that epochs are chosen by, of a model as it is."""
    torch.manual_seed(settings.seed)
    bare = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    where = {"accelerator": machine.accelerator, "devices": machine.devices, "precision": machine.precision}
    with _quiet():
        trainer = pl.Trainer(**where, **bare)
        (found,) = trainer.validate(model, _loader(course.chosen, course.turns, machine), verbose=False)
    return float(found[CHOSEN_BY])


def _loader(data: Any, places: Any, machine: Hardware) -> Any:
    if machine.accelerator == "cpu":
        return AheadLoader(data, sampler=places, batch_size=None)
    more: dict[str, Any] = {"num_workers": WORKERS, "persistent_workers": True}
    return torch.utils.data.DataLoader(data, sampler=places, batch_size=None, **more)


def _trainer(
    settings: RunSettings, machine: Hardware, keeper: Keeper, callbacks: Sequence[pl.Callback], logger: Any
) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=settings.epochs,
        accelerator=machine.accelerator,
        devices=machine.devices,
        precision=machine.precision,
        logger=logger,
        profiler=Waiting(on_gpu=machine.accelerator == "gpu"),
        callbacks=[*callbacks, keeper],
        gradient_clip_val=GRADIENT_NORM,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_checkpointing=False,  # the keeper does it: atomically, and the best weights alone
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=keeper.files.folder,
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a device or of the machine."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(words in said for words in _NO_MEMORY)
    )


def of_worker(error: SetupError) -> str:
    """What a loader's worker said, without the traceback that torch puts before it; empty of other errors."""
    text = str(error)
    return text.strip().rpartition("SetupError: ")[2] if "Original Traceback" in text else ""


def _halved(files: CheckpointFiles, begun: _Begun, settings: RunSettings, progress: Progress) -> _Begun:
    """Begin again with half the batch, once."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if begun.halved or begun.batch_size < 2:
        raise SetupError(
            f"{settings.model}: out of memory with a batch of {begun.batch_size}, halved already; set a smaller "
            "batch_size, the preset small, or train where there is more memory"
        )
    half = begun.batch_size // 2
    progress(f"out of memory with a batch of {begun.batch_size}: begins again with {half}")
    return _begin(files, replace(begun, batch_size=half, halved=True))


def _begin(files: CheckpointFiles, begun: _Begun) -> _Begun:
    shutil.rmtree(files.resume, ignore_errors=True)
    write_atomic(files.begun, json.dumps(begun.__dict__).encode())
    return begun


def _read(files: CheckpointFiles) -> _Begun | None:
    return _Begun(**json.loads(files.begun.read_text())) if files.begun.exists() else None


def _names(course: Course) -> Callable[[int, int], list[str]]:
    def who(epoch: int, number: int) -> list[str]:
        course.order.set_epoch(epoch)
        return [course.name(place) for place in list(course.order)[number]]

    return who


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's talk of devices, workers and loggers: what matters is in the keeper's lines."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*(num_workers|lr_scheduler|LeafSpec).*")
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
