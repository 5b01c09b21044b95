"""Train a model in one fold: what it comes from, training, scores of the rows held out, a report.

A finished checkpoint is one whose report names the same labels, fold, inputs, settings and code: it is not trained
again. Epochs are chosen by a part of the training side that is set aside along the fold's own groups; the validation
side is looked at once, at the end.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crescendai_assets.labels.protocols import LEAKY, Fold
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file, write_atomic
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.lake.tables import Row
from crescendai_assets.training.batches import PassageBatches, in_order
from crescendai_assets.training.beside import beside_in_words
from crescendai_assets.training.checkpoints import (
    SCORES,
    FitReport,
    read_report,
    score_rows,
    trained_file,
    write_report,
)
from crescendai_assets.training.curves_picture import curves_picture
from crescendai_assets.training.logs import refuse_missing_logger
from crescendai_assets.training.pretrain_plan import LEARNT_FROM, PretrainPlan
from crescendai_assets.training.pretrained import begin_from
from crescendai_assets.training.registry import (
    Dims,
    make_inputs,
    prepare,
)
from crescendai_assets.training.settings import FitSettings, Hardware, hardware
from crescendai_assets.training.t1_data import T1Data, load_rows, load_t1
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets.training.task import Task, is_current, plan_fit
from crescendai_assets.training.trained import as_batches, fused_inputs, predicted, score_vectors_of, vectors_of
from crescendai_assets.training.versions import made_by

if TYPE_CHECKING:
    from crescendai_assets.training.beside_items import Tiers
    from crescendai_assets.training.loop import Trained


def fit_fold(
    place: T1Place,
    fold: Fold,
    settings: FitSettings,
    *,
    progress: Progress = silent,
    callbacks: Sequence[Any] = (),
) -> FitReport:
    """Train a model in one fold and say what it makes of the rows held out; nothing where that was done.

    Args:
        place: Where the rated clips and the checkpoints are.
        fold: The split; verified before the first step.
        settings: Which model, and how.
        progress: Gets lines for the log.
        callbacks: More of Lightning's.

    Raises:
        SetupError: The fold leaks, an input is missing, pretrained weights are half done or out of date, a GPU is asked
            for and not there, a loss is not finite, memory runs out twice, or another process trains the same.
    """
    task = plan_fit(place, fold, settings)
    with task.files.locked():
        if is_current(task) and (done := read_report(task.files)):
            progress(f"{settings.model} of {done.partition}: trained already, nothing to do")
            return done
        if task.start.refused:
            raise SetupError(task.start.refused)
        machine = Hardware("cpu", "64 bits", "CPU") if task.spec.of_arrays else hardware(settings)
        refuse_missing_logger(settings)
        _refuse_silent(task)
        task.files.report.unlink(missing_ok=True)  # from here on it is not what its report says
        data = load_rows(place, task.plan) if task.parts else load_t1(place, task.plan)
        sides = task.sides()
        counts = {side: len(keys) for side, keys in sides.items()} | {"left_out": len(task.plan.left_out)}
        progress(f"{settings.model} of {fold.protocol}-{fold.name} on {machine.name}: {counts}")
        for line in filter(None, (task.start.said, beside_in_words(task.beside), *task.beside.notes)):
            progress(line)
        fitted = (
            _fit_arrays(task, data, sides)
            if task.spec.of_arrays
            else _fit_module(task, data, sides, machine, progress, callbacks)
        )
        report = _report(task, data, sides["val"], fitted, counts, machine)
        shutil.rmtree(task.files.resume, ignore_errors=True)
        progress(f"held out: {', '.join(f'{name} {value:.4f}' for name, value in report.figures.items())}")
        return report


def _refuse_silent(task: Task) -> None:
    """Before what is finished is given up: is the audio of other tiers at hand, where it is heard."""
    if task.beside.used and task.settings.use_pretrained_muq:
        from crescendai_assets.training.beside_items import Tiers

        Tiers.of(task.place, task.settings).refuse_silent(task.beside)


@dataclass(frozen=True)
class _Fitted:
    """What training left, however it was done."""

    scores: Any
    dims: Dims
    parameters: int
    seconds: float
    batch_size: int = 0
    best_epoch: int = -1
    history: tuple[Mapping[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    ordered: tuple[float, int] = (0.0, 0)


def _fit_arrays(task: Task, data: T1Data, sides: Mapping[str, list[str]]) -> _Fitted:
    place = {key: row for row, key in enumerate(task.plan.keys)}
    train, val = ([place[key] for key in sides[side]] for side in ("train", "val"))
    assert data.hand is not None
    dims, started = Dims(data.labels.shape[1], data.hand.shape[1], names=data.names), time.monotonic()
    model = task.spec.make(task.settings, dims).fit(data.hand[train], data.labels[train])
    model.save(task.files.arrays)
    return _Fitted(model.predict(data.hand[val]), dims, 0, time.monotonic() - started)


def _fit_module(
    task: Task,
    data: T1Data,
    sides: Mapping[str, list[str]],
    machine: Hardware,
    progress: Progress,
    callbacks: Sequence[Any],
) -> _Fitted:
    from crescendai_assets.models.lora import count_trainable_params
    from crescendai_assets.training.beside_items import Tiers, Together, TogetherOrder, read_beside
    from crescendai_assets.training.keeper import write_weights
    from crescendai_assets.training.loop import Course, train

    batches, dims = _batches(task, data, progress)
    tiers = Tiers.of(task.place, task.settings) if task.beside.used else None
    beside = read_beside(tiers, task.beside, task.settings.seed) if tiers else None
    place = {key: row for row, key in enumerate(task.plan.keys)}
    places = {side: [place[key] for key in keys] for side, keys in sides.items()}
    passages = [data.rows[row]["passage"] for row in places["train"]]

    def course(batch_size: int) -> Course:
        order, turns = PassageBatches(places["train"], passages, batch_size, task.settings.seed), places["inner"]
        if beside is None:
            return Course(batches, order, batches, in_order(turns, batch_size), task.plan.keys.__getitem__)
        learnt = Together(batches, beside, task.plan.keys)
        return Course(learnt, TogetherOrder(order, beside), batches, in_order(turns, batch_size), learnt.name)

    build = _builder(task, batches, dims, places["train"])
    trained: Trained = train(
        build,
        course,
        task.settings,
        machine,
        task.files,
        task.fingerprint,
        progress=progress,
        callbacks=callbacks,
    )
    write_weights(task.files.weights, trained.model)
    title = f"{task.settings.model}, {task.fold.protocol}-{task.fold.name}"
    write_atomic(task.files.curves, curves_picture(trained.history, trained.best_epoch, title))
    return _Fitted(
        scores=predicted(trained.model, batches, places["val"], trained.batch_size, machine.torch_device),
        dims=dims,
        parameters=count_trainable_params(trained.model),
        seconds=sum(row["seconds"] for row in trained.history),
        batch_size=trained.batch_size,
        best_epoch=trained.best_epoch,
        history=trained.history,
        notes=trained.notes,
        ordered=_ordered(task, tiers, trained, machine),
    )


def _ordered(task: Task, tiers: Tiers | None, trained: Trained, machine: Hardware) -> tuple[float, int]:
    from crescendai_assets.training.beside_items import order_learnt

    if tiers is None:
        return 0.0, 0
    return order_learnt(trained.model, tiers, task.beside, machine.torch_device, trained.batch_size)


def _batches(task: Task, data: T1Data, progress: Progress) -> tuple[Any, Dims]:
    if not task.parts:
        return as_batches(data, make_inputs(data, task.settings, progress))
    audio, symbolic = task.parts
    heard = vectors_of(audio.files, audio.place, audio.plan, audio.settings, task.plan.keys, task.settings.device)
    read = vectors_of(symbolic.files, symbolic.place, symbolic.plan, symbolic.settings, task.plan.keys)
    scores = None
    if task.plan.score:
        scores = score_vectors_of(symbolic.files, symbolic.place, symbolic.plan, symbolic.settings, task.plan)
    return as_batches(data, fused_inputs(heard, read, scores), audio=heard.shape[1], symbolic=read.shape[1])


def _builder(task: Task, batches: Any, dims: Dims, train: Sequence[int]) -> Callable[[], Any]:
    def build() -> Any:
        from lightning.pytorch import seed_everything

        seed_everything(task.settings.seed, workers=True, verbose=False)
        model = task.spec.make(task.settings, dims)
        prepare(model, batches.inputs, batches.labels, batches.conditions, train)
        begin_from(model, task.start, task.settings.model)  # on the scale that it learnt on, not on the fold's
        return model

    return build


def _report(
    task: Task, data: T1Data, val: list[str], fitted: _Fitted, counts: Mapping[str, int], machine: Hardware
) -> FitReport:
    """Write scores and report."""
    rows: list[Row] = score_rows(task.fold, val, fitted.scores)
    SCORES.write(task.files.scores, rows)
    LEARNT_FROM.write(task.files.learnt_from, list(task.beside.used))
    right, compared = fitted.ordered
    ordered = {"t2_pair_accuracy": right / compared} if compared else {}
    report = FitReport(
        model=task.settings.model,
        protocol=task.fold.protocol,
        fold=task.fold.name,
        seed=task.settings.seed,
        leaky=task.fold.protocol in LEAKY,
        fingerprint=task.fingerprint,
        settings=task.settings.plain,
        dims=fitted.dims.plain,
        labels=task.plan.label_digest,
        encoder=task.plan.encoder,
        device=machine.name,
        precision=machine.precision,
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        batch_size=fitted.batch_size,
        notes=(*_notes(task), *fitted.notes),
        seconds=round(fitted.seconds, 3),
        parameters=fitted.parameters,
        rows=counts,
        figures={**_figures(task, data, val, fitted.scores), **ordered},
        history=fitted.history,
        scores_digest=SCORES.digest(rows),
        versions=made_by(task.settings),
        beside={**_counts(task.beside), **({"t2_pairs": compared} if compared else {})},
        stands_on={part.settings.model: part.fingerprint for part in task.parts},
        weights=sha256_file(trained_file(task.files, task.settings.model)),
        learnt_from=task.beside.input_digest,
    )
    write_report(task.files, report)
    return replace(report, fresh=True)


def _notes(task: Task) -> list[str]:
    """What must be said of what the model was given."""
    notes = [task.spec.note] if task.spec.note and not task.start.digest else []
    notes += [line for line in (task.start.said, beside_in_words(task.beside), *task.beside.notes) if line]
    notes += [f"{part.settings.model} {said}" for part in task.parts if (said := beside_in_words(part.beside))]
    if (task.plan.hand or task.plan.score) and (without := len(task.plan.rows) - len(task.plan.scores)):
        notes.append(f"{without} of {len(task.plan.rows)} clips have no score: differences from it are unknown")
    return notes


def _counts(beside: PretrainPlan) -> dict[str, int]:
    """Recordings of each tier that were learnt from beside ratings."""
    counted = {f"{tier}_recordings": len(beside.recordings("train", tier)) for tier in beside.segments}
    return {name: count for name, count in counted.items() if count}


def _figures(task: Task, data: T1Data, val: Sequence[str], scores: Any) -> dict[str, float]:
    """R² and pairs within passages of the rows held out, as a validation epoch is told by."""
    import torch

    from crescendai_assets.models.figures import ValidationFigures
    from crescendai_assets.models.losses import AMBIGUOUS

    place = {key: row for row, key in enumerate(task.plan.keys)}
    passages = [data.rows[place[key]]["passage"] for key in val]
    names = {passage: number for number, passage in enumerate(sorted(set(passages)))}
    figures = ValidationFigures(AMBIGUOUS)
    labels = torch.tensor(data.labels[[place[key] for key in val]])
    figures.add_rows(torch.as_tensor(scores), labels, torch.tensor([names[passage] for passage in passages]))
    return figures.figures()
