"""Pretrained encoders on disk, and what a finetuning begins from.

`checkpoints/pretrained/<model>/seed<k>/` holds what a checkpoint does, without scores; `learnt_from.jsonl` names the
recordings. How they are pretrained is in `pretrain`. Finetuning of any seed begins from the pretraining of seed 0.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_once
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.training.checkpoints import CheckpointFiles, checkpoint_files, report_values
from crescendai_assets.training.pretrain_plan import PretrainPlace, PretrainPlan, plan_pretraining, state_of_inputs
from crescendai_assets.training.pretrain_settings import KEYS, PRODUCTS, PretrainSettings
from crescendai_assets.training.pretrain_tiers import sound_digest
from crescendai_assets.training.settings import FitSettings

if TYPE_CHECKING:
    from crescendai_assets.training.t1_plan import T1Place, T1Plan

VERSION = 1
"""Raise it when the same settings pretrain something else."""

FOLDER = "pretrained"
"""Beside the models' checkpoints."""

SEED = 0
"""Of the pretraining that finetuning begins from."""

NOT_BEGUN_FROM: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(PRODUCTS, ("head.", "pairs.", "pool.", "guess", "links.", "codebook.", "masked")),
    "A2": ("mlp.second.", "pairs.", "quality."),
}
"""Weights, by the beginning of their names, that belong to a task or that the pretraining never changed."""

NO_SIZE = (
    *("dropout", "learning_rate", "weight_decay", "warmup_steps", "l_rank", "l_con", "l_inv", "l_squared"),
    *("ambiguous_threshold", "temperature", "same_piece", "max_seq_len", "max_frames", "codebook_entries"),
    *("codebook_groups", "conditions_dim", "use_score", "num_labels"),
)
"""Arguments of a model that change nothing about what of it is pretrained."""


@dataclass(frozen=True)
class PretrainReport:
    """A finished pretraining.

    Attributes:
        model: Key.
        seed: Of the pretraining.
        fingerprint: Of all that it came from: the same one is not pretrained again.
        settings: As `PretrainSettings.plain`.
        encoder: What made the embeddings, in words, and its digest; empty of models of symbols.
        device: What it was trained on.
        precision: Of the forward pass.
        epochs: That were trained.
        best_epoch: Whose weights were kept, from 0.
        batch_size: In the end.
        notes: What a reader should know.
        seconds: Of training, over all its runs.
        parameters: Numbers that were trained.
        recordings: How many were learnt from (`train`) and chosen by (`validation`).
        items: Windows, excerpts or segments of these.
        left_out: Why -> recordings left out for it.
        figures: On what epochs are chosen by: `loss`, and `untrained_loss` of a model that learnt nothing.
        history: A row an epoch.
        weights: SHA-256 of `weights.pt`.
        fresh: Whether this call pretrained it; not written.
    """

    model: str
    seed: int
    fingerprint: str
    settings: Mapping[str, Any]
    encoder: tuple[str, str]
    device: str
    precision: str
    epochs: int
    best_epoch: int
    batch_size: int
    notes: tuple[str, ...]
    seconds: float
    parameters: int
    recordings: Mapping[str, int]
    items: Mapping[str, int]
    left_out: Mapping[str, int]
    figures: Mapping[str, float]
    history: tuple[Mapping[str, float], ...]
    weights: str
    fresh: bool = field(default=True, compare=False)


def pretrained_files(root: Path, model: str, seed: int = SEED) -> CheckpointFiles:
    """Files of one pretraining, whether it is there or not."""
    return checkpoint_files(root, FOLDER, model, seed)


def read_pretrained(files: CheckpointFiles) -> PretrainReport | None:
    """The report of a finished pretraining, None where there is none or one of another format.

    Raises:
        SetupError: It cannot be read.
    """
    values = report_values(files)
    return PretrainReport(**values) if values else None


def mark_of(plan: PretrainPlan, settings: PretrainSettings) -> str:
    """Of all that a pretraining comes from."""
    return fingerprint(VERSION, settings.identity, plan.input_digest)


def is_whole(files: CheckpointFiles, report: PretrainReport | None, mark: str) -> bool:
    """Whether the pretraining on disk is of just that, and its weights are there."""
    return (
        report is not None
        and report.fingerprint == mark
        and files.weights.exists()
        and sha256_once(files.weights) == report.weights
        and files.learnt_from.exists()
    )


@dataclass(frozen=True)
class Start:
    """What a finetuning begins from.

    Attributes:
        weights: File of pretrained weights; None: from scratch.
        digest: Of these; empty from scratch.
        said: What a reader should know; empty of models that are never pretrained.
        refused: Why nothing is to be trained by `auto` now: its pretraining is half done or out of date.
    """

    weights: Path | None = None
    digest: str = ""
    said: str = ""
    refused: str = ""


SCRATCH = Start()


def start_of(place: T1Place, settings: FitSettings, plan: T1Plan) -> Start:
    """What a finetuning begins from: pretrained weights that are finished, current and fit, else nothing.

    Args:
        place: Where the rated clips and the checkpoints are.
        settings: How it is finetuned.
        plan: Which clips.

    Raises:
        SetupError: `start` is `pretrained`, and there is nothing to begin from.
    """
    if settings.start == "scratch" or (settings.model not in KEYS and settings.start == "auto"):
        return SCRATCH
    files = pretrained_files(place.root, settings.model)
    fault = _misfit(place, files, settings, plan)
    stale = "" if fault else _stale(place, files)
    if not (fault or stale):
        report = read_pretrained(files)
        assert report is not None
        told = f"{report.recordings['train']} recordings, epoch {report.best_epoch} of its seed {report.seed}"
        return Start(files.weights, report.weights, f"begins from pretrained weights ({told})")
    if settings.start == "pretrained":
        raise SetupError(
            f"{settings.model}: start is pretrained, and {fault or stale}; materialize pretrained/{settings.model} "
            "with the preset and the sizes that it is finetuned with, or set start to auto or scratch"
        )
    refused = (
        f"{settings.model}: {stale}, and folds that begin from scratch would be another model than those that began "
        f"there; materialize pretrained/{settings.model} first, or set start to scratch"
    )
    return Start(said=f"from scratch: {fault or stale}", refused=refused if stale else "")


def _misfit(place: T1Place, files: CheckpointFiles, settings: FitSettings, plan: T1Plan) -> str:
    """Why there is nothing for such a model to begin from; empty when there is something, perhaps not finished."""
    if settings.model not in KEYS:
        return f"{settings.model} is never pretrained"
    if settings.use_pretrained_muq:
        return f"{settings.model} is pretrained over stored embeddings, and here hears audio through MuQ"
    report = read_pretrained(files)
    if report is None:
        return "" if files.begun.exists() else "there are no pretrained weights"
    mine, theirs = _sizes(settings), _sizes(PretrainSettings(**report.settings))
    if mine != theirs:
        return f"pretrained weights are of other sizes ({theirs}, here {mine})"
    if plan.kind == "embeddings" and report.encoder[1] != sound_digest(
        read_identity(place.embeddings.embedding_folder)
    ):
        return f"pretrained weights are over other embeddings ({report.encoder[0]}, here {plan.encoder[0]})"
    return ""


def _stale(place: T1Place, files: CheckpointFiles) -> str:
    """Why what is there cannot be begun from before it is pretrained again; empty when it can."""
    report = read_pretrained(files)
    if report is None:
        return "its pretraining was begun and is not finished"
    learns_from = PretrainPlace.beside(place)
    inputs = state_of_inputs(learns_from, PretrainSettings(**report.settings))
    mark, fault = _mark_now(learns_from, json.dumps(report.settings, sort_keys=True), inputs)
    if fault:
        return f"what its pretrained weights learnt from is not as it was ({fault})"
    return "" if is_whole(files, report, mark) else "its pretrained weights are out of date"


@lru_cache(maxsize=32)
def _mark_now(place: PretrainPlace, settings: str, _inputs: tuple[Any, ...]) -> tuple[str, str]:
    """`mark_of` what a pretraining would be now, or why it cannot be.

    All folds of a model ask, and the tables of a large corpus take seconds to read: a process plans again only where a
    file has changed.

    Args:
        place: What it learns from.
        settings: How, as JSON.
        _inputs: `state_of_inputs`.
    """
    how = PretrainSettings(**json.loads(settings))
    try:
        return mark_of(plan_pretraining(place, how), how), ""
    except SetupError as error:
        return "", str(error)


def _sizes(settings: FitSettings | PretrainSettings) -> str:
    """What weights have to agree in, in words."""
    sizes = {name: value for name, value in sorted(settings.sizes.items()) if name not in NO_SIZE}
    return f"{settings.preset} {json.dumps(sizes)}" if sizes else settings.preset


def begin_from(model: Any, start: Start, key: str) -> int:
    """Give a model that was built and prepared the weights that its pretraining left; heads stay new.

    Args:
        model: Of the registry.
        start: What to begin from.
        key: Of the model.

    Returns:
        How many of its tensors are pretrained now; 0 from scratch.

    Raises:
        SetupError: They do not fit it, or are others than those that were planned with.
    """
    if start.weights is None:
        return 0
    import torch

    data = start.weights.read_bytes() if start.weights.exists() else b""
    if hashlib.sha256(data).hexdigest() != start.digest:
        raise SetupError(f"{start.weights}: {key} was pretrained again meanwhile; run it again")
    given = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    own = model.state_dict()
    taken = {name: value for name, value in given.items() if not name.startswith(NOT_BEGUN_FROM[key])}
    for name, value in taken.items():
        if name not in own or own[name].shape != value.shape:
            here = tuple(own[name].shape) if name in own else "not there"
            raise SetupError(
                f"{start.weights}: {name} is {tuple(value.shape)}, in the model {here}; pretrain {key} again with the "
                "sizes that it is finetuned with"
            )
    model.load_state_dict({**own, **taken})
    return len(taken)
