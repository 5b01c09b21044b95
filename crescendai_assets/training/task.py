"""All that a training comes from, known before anything is read; and whether the checkpoint on disk is of just that.

A finished checkpoint is one whose report names the same labels, fold, inputs, settings and code. Training itself is in
`fit`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from crescendai_assets.labels.fold_checks import require_sound
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.protocols import Fold
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.batches import inner_split
from crescendai_assets.training.beside import NOTHING, beside_of
from crescendai_assets.training.checkpoints import (
    SCORES,
    CheckpointFiles,
    files_of,
    read_report,
    refuse_foreign,
    weights_fault,
)
from crescendai_assets.training.pretrain_plan import LEARNT_FROM, PretrainPlan
from crescendai_assets.training.pretrained import SCRATCH, Start, start_of
from crescendai_assets.training.registry import ModelSpec, kind_of, spec_of, wants_hand, wants_score
from crescendai_assets.training.settings import T3, T4, FitSettings
from crescendai_assets.training.t1_plan import T1Place, T1Plan, joined_plan, plan_t1, with_scores

VERSION = 1
"""Raise it when the same settings train something else."""


@dataclass(frozen=True)
class Task:
    """All that a training comes from, known before anything is read.

    Attributes:
        place: Where.
        fold: The split.
        settings: How.
        plan: Which clips.
        fingerprint: Of it all.
        files: Where the checkpoint is or will be.
        parts: Of a fusion: what the checkpoints that it stands on were trained from.
        start: What it begins from: pretrained weights, or nothing.
        beside: What it learns from beside ratings.
    """

    place: T1Place
    fold: Fold
    settings: FitSettings
    plan: T1Plan
    fingerprint: str
    files: CheckpointFiles
    parts: tuple[Task, ...] = ()
    start: Start = SCRATCH
    beside: PretrainPlan = NOTHING

    @property
    def spec(self) -> ModelSpec:
        """Of the registry."""
        return spec_of(self.settings.model)

    def sides(self) -> dict[str, list[str]]:
        """Segments to learn from (`train`), to choose the epoch by (`inner`) and held out (`val`)."""
        by_id = {row["segment_id"]: row for row in self.plan.rows}
        val = [key for key in self.fold.val if key in by_id]
        if self.spec.of_arrays:
            train, inner = [key for key in self.fold.train if key in by_id], list[str]()
        else:
            train, inner = inner_split(self.fold, by_id, self.settings.inner_share, self.settings.seed)
        if not train or not val:
            raise SetupError(f"fold {self.fold.name} by {self.fold.protocol} has no usable segment on one side")
        return {"train": train, "inner": inner, "val": val}


def plan_fit(place: T1Place, fold: Fold, settings: FitSettings) -> Task:
    """What a training would come from.

    Raises:
        SetupError: The fold leaks, or something was not materialized, such as pretrained weights that are asked for; of
            a fusion also that a checkpoint is missing.
    """
    require_sound(fold, read_passages(place.labels))
    kind = kind_of(settings)
    files = files_of(place.root, settings.model, fold, settings.seed)
    parts: tuple[Task, ...] = ()
    if kind is None:
        parts = tuple(finished_task(place, fold, key, settings.seed) for key in settings.fused)
        plan = joined_plan([part.plan for part in parts], [part.fingerprint for part in parts])
        if wants_score(settings):
            plan = with_scores(place, plan, parts[1].plan.kind)
    else:
        plan = plan_t1(place, kind, hand=wants_hand(settings), score=wants_score(settings))
    start = start_of(place, settings, plan)
    told: list[Any] = [settings.identity, asdict(fold), plan.label_digest, plan.input_digest, plan.encoder[1]]
    told += [start.digest] if start.digest else []
    beside = beside_of(place, settings)
    there = {row["of"] for row in beside.used}
    weights = [[tier, weight] for tier, weight in ((T3, settings.l_con), (T4, settings.l_inv)) if tier in there]
    told += [[beside.input_digest, weights]] if there else []
    return Task(place, fold, settings, plan, fingerprint(VERSION, *told), files, parts, start, beside)


def finished_task(place: T1Place, fold: Fold, model: str, seed: int) -> Task:
    """What a finished checkpoint was trained from.

    Raises:
        SetupError: There is none, it is of other labels or of another encoder, or not what it would be now.
    """
    files = files_of(place.root, model, fold, seed)
    report = read_report(files)
    if report is None:
        raise SetupError(f"{files.folder}: there is no finished checkpoint; train {model} in this fold first")
    task = plan_fit(place, fold, FitSettings.of(report.settings))
    refuse_foreign(report, files, task.plan.label_digest, task.plan.encoder[1])
    if not is_current(task):
        raise SetupError(f"{files.folder}: is not what {model} would be now; train it again first")
    return task


def learnt_from_on_disk(files: CheckpointFiles) -> str:
    """Digest of the table of recordings that were learnt from beside ratings; empty where it is gone."""
    return LEARNT_FROM.digest(read_rows(files.learnt_from)) if files.learnt_from.exists() else ""


def is_current(task: Task) -> bool:
    """Whether the checkpoint on disk is what the task would train, and whole."""
    report = read_report(task.files)
    return (
        report is not None
        and report.fingerprint == task.fingerprint
        and SCORES.digest(read_rows(task.files.scores)) == report.scores_digest
        and not weights_fault(task.files, report)
        and (not report.learnt_from or learnt_from_on_disk(task.files) == report.learnt_from)
    )
