"""Pretrain an encoder without ratings: what it comes from, training, weights, a report.

Encoders of symbols learn from the corpus, A2 in its first stage from T3 and T4; never from a work that PercePiano
rates. A finished pretraining whose report names the same recordings, settings and code is not done again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file, write_atomic
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.training.checkpoints import CheckpointFiles, write_report
from crescendai_assets.training.logs import refuse_missing_logger
from crescendai_assets.training.pretrain_picture import pretrain_picture
from crescendai_assets.training.pretrain_plan import (
    LEARNT_FROM,
    SIDES,
    PretrainPlace,
    PretrainPlan,
    plan_pretraining,
    refuse_evaluation_works,
)
from crescendai_assets.training.pretrain_settings import PretrainSettings
from crescendai_assets.training.pretrained import (
    PretrainReport,
    is_whole,
    mark_of,
    pretrained_files,
    read_pretrained,
)
from crescendai_assets.training.registry import Dims, spec_of
from crescendai_assets.training.settings import Hardware, hardware

if TYPE_CHECKING:
    from crescendai_assets.training.pretrain_items import Batches


def pretrain(
    place: PretrainPlace, settings: PretrainSettings, *, progress: Progress = silent, callbacks: Sequence[Any] = ()
) -> PretrainReport:
    """Pretrain an encoder and keep the weights of its best epoch; nothing where that was done.

    Args:
        place: What it learns from, and where checkpoints are.
        settings: Which encoder, and how.
        progress: Gets lines for the log.
        callbacks: More of Lightning's.

    Raises:
        SetupError: An evaluation work is among what it would learn from, an input is missing, a GPU is asked for and
            not there, a loss is not finite, memory runs out twice, or another process pretrains the same.
    """
    plan, files = plan_pretraining(place, settings), pretrained_files(place.root, settings.model, settings.seed)
    mark = mark_of(plan, settings)
    with files.locked():
        done = read_pretrained(files)
        if done and is_whole(files, done, mark):
            progress(f"{settings.model}: pretrained already, nothing to do")
            return done
        notes = refuse_evaluation_works(place, settings)
        machine = hardware(settings)
        refuse_missing_logger(settings)
        counts = plan.counts
        progress(
            f"pretraining of {settings.model} on {machine.name}: {counts['train']} recordings to learn from, "
            f"{counts['validation']} to choose the epoch by"
        )
        for note in (*plan.notes, *notes):
            progress(note)
        report = _run(place, plan, settings, machine, files, mark, notes, progress, callbacks)
        shutil.rmtree(files.resume, ignore_errors=True)
        progress(f"set aside: loss {report.figures['loss']:.4f}, untrained {report.figures['untrained_loss']:.4f}")
        return report


def _run(
    place: PretrainPlace,
    plan: PretrainPlan,
    settings: PretrainSettings,
    machine: Hardware,
    files: CheckpointFiles,
    mark: str,
    notes: Sequence[str],
    progress: Progress,
    callbacks: Sequence[Any],
) -> PretrainReport:
    from crescendai_assets.models.lora import count_trainable_params
    from crescendai_assets.training.keeper import write_weights
    from crescendai_assets.training.loop import train, validated
    from crescendai_assets.training.pretrain_items import courses, read_sides

    sides = read_sides(place, plan, settings)
    if mark_of(plan_pretraining(place, settings), settings) != mark:
        raise SetupError(f"{settings.model}: what it learns from was made again while it was read; run it again")
    build, course = _builder(settings, sides["train"]), courses(sides, settings)
    found = train(build, course, settings, machine, files, mark, progress=progress, callbacks=callbacks)
    untrained = validated(build(), course(found.batch_size), settings, machine)
    loss = min(row["val_loss"] for row in found.history)
    files.report.unlink(missing_ok=True)  # not sooner: until now what was there could be begun from
    write_weights(files.weights, found.model)
    LEARNT_FROM.write(files.learnt_from, list(plan.used))
    title = f"{settings.model} without ratings"
    write_atomic(files.curves, pretrain_picture(found.history, found.best_epoch, untrained, title))
    report = PretrainReport(
        model=settings.model,
        seed=settings.seed,
        fingerprint=mark,
        settings=settings.plain,
        encoder=plan.encoder,
        device=machine.name,
        precision=machine.precision,
        epochs=len(found.history),
        best_epoch=found.best_epoch,
        batch_size=found.batch_size,
        notes=(*plan.notes, *notes, *found.notes),
        seconds=round(sum(row["seconds"] for row in found.history), 3),
        parameters=count_trainable_params(found.model),
        recordings=plan.counts,
        items={side: sum(len(items.names) for items in sides[side].kinds.values()) for side in SIDES},
        left_out=plan.left_out,
        figures={"loss": loss, "untrained_loss": untrained},
        history=found.history,
        weights=sha256_file(files.weights),
    )
    write_report(files, report)
    return report


def _builder(settings: PretrainSettings, train: Batches) -> Callable[[], Any]:
    from crescendai_assets.training.pretrain_items import sample

    numbers = sample(train)

    def build() -> Any:
        from lightning.pytorch import seed_everything

        seed_everything(settings.seed, workers=True, verbose=False)
        model = spec_of(settings.model).make(settings.of_model, Dims(len(DIMENSIONS)))
        if hasattr(model, "fit_inputs"):
            model.fit_inputs(numbers)
        if hasattr(model, "scale"):
            model.scale.fit(numbers)
        return model

    return build
