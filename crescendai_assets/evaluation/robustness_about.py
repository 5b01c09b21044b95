"""Which checkpoints of models of sound can be asked about degraded sound, and about which clips.

What they say is in `robustness_scores`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.evaluation.comparison import Judges
from crescendai_assets.evaluation.robustness_sound import Degrading, cache_of, choose_clips, clips_with_sound
from crescendai_assets.labels.protocols import Fold
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport, finished
from crescendai_assets.training.registry import MODELS
from crescendai_assets.training.t1_plan import T1Place

AUDIO_MODELS = tuple(spec.key for spec in MODELS.values() if spec.kind == "embeddings")
"""Models that degraded embeddings can be given to."""

THROUGH_MUQ = "hears audio through a MuQ of its own, and what is degraded here is embedded by the tier's"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A finished checkpoint of a model of sound.

    Attributes:
        files: Where it is.
        report: How it was trained.
        held_out: Segment that it never saw -> the scores it gave it then.
    """

    files: CheckpointFiles
    report: FitReport
    held_out: Mapping[str, Sequence[float]]

    @property
    def name(self) -> str:
        """`A0_passage-s0f0_seed0`."""
        return checkpoint_name(self.report)


@dataclass(frozen=True, eq=False)
class Listened:
    """What robustness is measured on.

    Attributes:
        place: Where the rated set and the checkpoints are.
        judges: Labels and folds.
        degrading: What is degraded, by what.
        checkpoints: Those that can be asked.
        refused: Checkpoint -> why it cannot.
    """

    place: T1Place
    judges: Judges
    degrading: Degrading
    checkpoints: tuple[Checkpoint, ...]
    refused: Mapping[str, str]

    @cached_property
    def with_sound(self) -> list[Row]:
        """Rated clips with audio and an embedding of it."""
        return clips_with_sound(self.place, self.judges.rows)

    @cached_property
    def clips(self) -> list[Row]:
        """Those of them that are degraded."""
        held_out = {key for one in self.checkpoints for key in one.held_out}
        return choose_clips(self.with_sound, held_out, self.degrading)

    @property
    def cache(self) -> Partition | None:
        """Where degraded embeddings are; None where there is nothing to degrade."""
        return cache_of(self.place) if self.clips else None


def listened(place: T1Place, judges: Judges, degrading: Degrading) -> Listened:
    """Look which checkpoints can be asked, and about what."""
    folds = {(fold.protocol, fold.name): fold for of in judges.folds.values() for fold in of}
    identity = read_identity(place.embeddings.embedding_folder)
    usable: list[Checkpoint] = []
    refused: dict[str, str] = {}
    for files, report in finished(place.root, list(AUDIO_MODELS)):
        scores = {row["segment_id"]: row["scores"] for row in read_rows(files.scores)}
        fold = folds.get((report.protocol, report.fold))
        if fault := _fault(report, fold, scores, judges.digest, identity.digest if identity else ""):
            refused[checkpoint_name(report)] = fault
        else:
            usable.append(Checkpoint(files, report, scores))
    return Listened(place, judges, degrading, tuple(usable), refused)


def _fault(report: FitReport, fold: Fold | None, scores: Mapping[str, Any], labels: str, encoder: str) -> str:
    """Why a checkpoint cannot be asked; empty where it can."""
    if fold is None:
        return "there is no such fold any more"
    if report.settings.get("use_pretrained_muq"):
        return THROUGH_MUQ
    if report.labels != labels:
        return "was trained on other labels"
    if not scores or not set(scores) <= set(fold.val):
        return "was trained on another fold of this name"
    return "" if report.encoder[1] == encoder else f"was trained over another encoder ({report.encoder[0]})"


def checkpoint_name(report: FitReport) -> str:
    """Of a finished checkpoint, as rows have it."""
    return f"{report.model}_{report.partition}_seed{report.seed}"
