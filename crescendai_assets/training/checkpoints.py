"""A checkpoint on disk: `checkpoints/<model>/<protocol>-<fold>/seed<k>/`, and whether it is what is asked for.

    report.json     what it is, how it was trained, how it did; written last: without it nothing is finished
    weights.pt      what was trained (adapters and heads, not a backbone); `model.npz` of a model of arrays
    scores.jsonl    what it says of the rows held out
    learnt_from.jsonl  recordings of T2, T3 and T4 that it learnt from beside ratings; empty where there are none
    curves.png      losses by epoch
    wandb.json      id of its run at Weights & Biases, where that is the logger
    resume/         of a training under way: the last epoch's state, and what it is of

Of pretraining `checkpoints/pretrained/<model>/seed<k>/` holds the same without scores (`pretrained`).

How it is trained is in `fit`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crescendai_assets.labels.protocols import Fold, Protocol
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id, sha256_once, write_atomic
from crescendai_assets.lake.journal import locked
from crescendai_assets.lake.layout import StageFiles
from crescendai_assets.lake.tables import Row, Table
from crescendai_assets.training.registry import spec_of

FORMAT = 1
"""Of `report.json`; raise it when its fields change."""

SCORES = Table(
    "out-of-fold scores",
    "segment_id",
    {
        "type": "object",
        "required": ["segment_id", "fold", "scores"],
        "properties": {
            "segment_id": {"type": "string", "minLength": 1},
            "fold": {"type": "string", "minLength": 1},
            "scores": {"type": "array", "items": {"type": "number"}},
        },
    },
)


@dataclass(frozen=True)
class CheckpointFiles:
    """Files of one checkpoint."""

    folder: Path

    @property
    def report(self) -> Path:
        """What it is."""
        return self.folder / "report.json"

    @property
    def weights(self) -> Path:
        """What was trained."""
        return self.folder / "weights.pt"

    @property
    def arrays(self) -> Path:
        """The same of a model of arrays."""
        return self.folder / "model.npz"

    @property
    def scores(self) -> Path:
        """Of the rows held out."""
        return self.folder / "scores.jsonl"

    @property
    def learnt_from(self) -> Path:
        """Recordings without ratings that were learnt from."""
        return self.folder / "learnt_from.jsonl"

    @property
    def curves(self) -> Path:
        """Picture of the losses."""
        return self.folder / "curves.png"

    @property
    def wandb(self) -> Path:
        """Id of its run at Weights & Biases."""
        return self.folder / "wandb.json"

    @property
    def resume(self) -> Path:
        """Folder of a training under way."""
        return self.folder / "resume"

    @property
    def begun(self) -> Path:
        """What the training under way is of."""
        return self.resume / "begun.json"

    @property
    def last(self) -> Path:
        """State after its last whole epoch."""
        return self.resume / "last.ckpt"

    @property
    def best(self) -> Path:
        """Weights after its best epoch so far."""
        return self.resume / "best.pt"

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else trains here meanwhile.

        Raises:
            SetupError: Somebody does.
        """
        at = self.folder
        files = StageFiles(self.report, at / "journal", at / "failures", at / "lock", at / "last_run")
        return locked(files, "training")


@dataclass(frozen=True)
class FitReport:
    """A finished checkpoint.

    Attributes:
        model: Key.
        protocol: Of the fold.
        fold: Its name.
        seed: Of the training.
        leaky: Whether the protocol is known to leak.
        fingerprint: Of all that it came from: the same one is not trained again.
        settings: As `FitSettings.plain`.
        dims: As `registry.Dims`.
        labels: Digest of the labels.
        encoder: What made the embeddings, in words, and its digest; empty for models of symbols.
        device: What it was trained on.
        precision: Of the forward pass.
        epochs: That were trained.
        best_epoch: Whose weights were kept, from 0; -1 where there are no epochs.
        batch_size: In the end.
        notes: What a reader should know, such as a halved batch.
        seconds: Of training, over all its runs.
        parameters: Numbers that were trained.
        rows: How many were learnt from, chosen by, held out, left out.
        figures: On the rows held out: `r2`, `pair_accuracy`. Of a model that learnt T2's orders `t2_pair_accuracy`: of
            performers that were set aside, as many pairs as `beside` says.
        history: A row an epoch: losses, figures, seconds, and the share of its training that was waiting for batches.
        scores_digest: Of `scores.jsonl`.
        versions: As `versions.made_by`; empty where a checkpoint is older than this field.
        beside: Recordings of T2, T3 and T4 that were learnt from beside ratings, and `t2_pairs`; likewise.
        stands_on: Of a fusion: model -> fingerprint of its checkpoint; likewise.
        weights: SHA-256 of `weights.pt` or `model.npz`; likewise.
        learnt_from: Digest of `learnt_from.jsonl`; empty where nothing beside ratings was learnt from.
        fresh: Whether this call trained it; not written.
    """

    model: str
    protocol: Protocol
    fold: str
    seed: int
    leaky: bool
    fingerprint: str
    settings: Mapping[str, Any]
    dims: Mapping[str, int]
    labels: str
    encoder: tuple[str, str]
    device: str
    precision: str
    epochs: int
    best_epoch: int
    batch_size: int
    notes: tuple[str, ...]
    seconds: float
    parameters: int
    rows: Mapping[str, int]
    figures: Mapping[str, float]
    history: tuple[Mapping[str, float], ...]
    scores_digest: str
    versions: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, int] = field(default_factory=dict)
    stands_on: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    learnt_from: str = ""
    fresh: bool = field(default=True, compare=False)

    @property
    def partition(self) -> str:
        """As the assets' partition is called."""
        return partition_key(self.protocol, self.fold)


def waiting_facts(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """`waiting`: share of training's time that was waiting for batches, over all epochs; of arrays there is none."""
    told = [row for row in history if "waiting" in row]
    seconds = sum(row["seconds"] for row in told)
    return {"waiting": round(sum(row["waiting"] * row["seconds"] for row in told) / seconds, 4)} if seconds > 0 else {}


def partition_key(protocol: str, fold: str) -> str:
    """`passage-s0f0`."""
    return f"{protocol}-{fold}"


def checkpoint_files(root: Path, model: str, partition: str, seed: int) -> CheckpointFiles:
    """Files of one checkpoint of a lake, whether it is there or not."""
    return CheckpointFiles(root / "checkpoints" / checked_id(model) / checked_id(partition) / f"seed{seed}")


def files_of(root: Path, model: str, fold: Fold, seed: int) -> CheckpointFiles:
    """The same of a fold."""
    return checkpoint_files(root, model, partition_key(fold.protocol, fold.name), seed)


def write_report(files: CheckpointFiles, report: Any) -> None:
    """Write the report of a training, or of a pretraining: from here on it is finished."""
    values = {"format": FORMAT, **asdict(report)}
    values.pop("fresh")
    write_atomic(files.report, json.dumps(values, ensure_ascii=False, indent=1).encode())


def read_report(files: CheckpointFiles) -> FitReport | None:
    """The report of a finished checkpoint, None where there is none or one of another format.

    Raises:
        SetupError: It cannot be read.
    """
    values = report_values(files)
    return FitReport(**values) if values else None


def report_values(files: CheckpointFiles) -> dict[str, Any] | None:
    """What a report was made of, as its class takes it; None where there is none or one of another format.

    Raises:
        SetupError: It cannot be read.
    """
    try:
        values = json.loads(files.report.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise SetupError(f"{files.report}: cannot be read; remove the folder and train it again") from None
    if values.pop("format", None) != FORMAT:
        return None
    listed = {name: tuple(values[name]) for name in ("encoder", "notes", "history")}
    return {**values, **listed, "fresh": False}


def trained_file(files: CheckpointFiles, model: str) -> Path:
    """What was trained, whichever kind of model it is."""
    return files.arrays if spec_of(model).of_arrays else files.weights


def weights_fault(files: CheckpointFiles, report: FitReport) -> str:
    """What is wrong with what was trained, in words; empty where nothing is. Of older reports only if it is there."""
    path = trained_file(files, report.model)
    if not path.exists():
        return f"{path}: is gone"
    if report.weights and sha256_once(path) != report.weights:
        return f"{path}: is not what was trained (damaged or replaced)"
    return ""


def finished(root: Path, models: list[str]) -> Iterator[tuple[CheckpointFiles, FitReport]]:
    """All finished checkpoints of some models, by model, partition and seed."""
    for model in models:
        for folder in sorted((root / "checkpoints" / model).glob("*/seed*")):
            files = CheckpointFiles(folder)
            if report := read_report(files):
                yield files, report


def refuse_foreign(report: FitReport, files: CheckpointFiles, labels: str, encoder: str) -> None:
    """Refuse a checkpoint of other labels or of another encoder than those at hand.

    Raises:
        SetupError: It is one.
    """
    again = f"Train {report.model} of {report.partition} again, or go back to what it was trained with"
    if report.labels != labels:
        raise SetupError(
            f"{files.folder}: was trained on another label set ({report.labels[:12]}, here {labels[:12]}). {again}"
        )
    if report.encoder[1] != encoder:
        raise SetupError(f"{files.folder}: was trained over another encoder ({report.encoder[0]}). {again}")


def score_rows(fold: Fold, keys: list[str], scores: Any) -> list[Row]:
    """Rows of `scores.jsonl`, by segment; ten digits, so that a file read again gives the same."""
    return [
        {"segment_id": key, "fold": fold.name, "scores": [round(float(value), 10) for value in row]}
        for key, row in sorted(zip(keys, scores, strict=True), key=lambda one: one[0])
    ]
