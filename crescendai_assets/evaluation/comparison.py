"""What a comparison of models consists of: what they are judged by, a model in a protocol, a protocol, the whole.

How it is judged is in `reports`, how it is written down in `report_text`, what is drawn in `report_pictures`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.evaluation.arrays import Floats
from crescendai_assets.evaluation.bootstrap import Difference, Interval
from crescendai_assets.evaluation.difficulty import Difficulty, difficulty_of
from crescendai_assets.evaluation.protocols import Judgement
from crescendai_assets.evaluation.robustness import Robustness
from crescendai_assets.evaluation.table import ModelResult
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.folds import read_folds
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.percepiano import read_labels
from crescendai_assets.labels.protocols import Fold, Protocol
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.t1_plan import label_digest

COUNTING = "by rater"
"""Of the reliability that is told as a ceiling: each listener once."""


@dataclass(frozen=True, eq=False)
class Judges:
    """What models are judged by.

    Attributes:
        rows: Rows of `metadata.jsonl` with a label, N.
        labels: Shape (N, D).
        folds: By protocol.
        digest: Of the labels.
        ceiling: ICC of the mean rating by dimension name.
        baselines: Rows of `baselines.jsonl` evaluated in folds.
        difficulty: Levels of the rows' works.
    """

    rows: tuple[Row, ...]
    labels: Floats
    folds: Mapping[Protocol, tuple[Fold, ...]]
    digest: str
    ceiling: Mapping[str, float]
    baselines: tuple[Row, ...]
    difficulty: Difficulty


@dataclass(frozen=True)
class Over:
    """How much better a model is than another on the rows of both.

    Attributes:
        r2: Difference in R².
        pairs: Difference in the share of pairs in the right order.
    """

    r2: Difference
    pairs: Difference

    @property
    def significant(self) -> bool:
        """Whether either interval leaves out 0."""
        return self.r2.significant or self.pairs.significant


@dataclass(frozen=True, eq=False)
class Entry:
    """A model in a protocol.

    Attributes:
        name: Its key, with the seed where it is not 0.
        judgement: Its figures.
        published_pairs: Pairs as published, of a protocol that is declared leaky.
        done: Folds that the figures are of.
        missing: Folds that are not finished, by name.
        by_fold: Fold -> R² of the rows it holds out.
        whole: Whether the figures are of whole shuffles.
        over: By set of rows how much better than the reference it is; empty of the reference itself or without one.
        gpu_hours: Of training, None where it was a CPU.
        difficulty_rho: Spearman's ρ of mean scores with the level of their works; NaN where it is not known.
        robustness: How scores held on degraded sound; None where that is not known.
        robustness_missing: Why it is not known.
        notes: What must be said with the figures.
    """

    name: str
    judgement: Judgement
    published_pairs: Interval | None
    done: tuple[str, ...]
    missing: tuple[str, ...]
    whole: bool
    by_fold: Mapping[str, float]
    over: Mapping[str, Over]
    gpu_hours: float | None
    difficulty_rho: float
    robustness: Robustness | None
    robustness_missing: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Section:
    """A protocol of a comparison.

    Attributes:
        protocol: Which.
        entries: Models with at least one finished fold.
        shuffles: Those that every model with whole shuffles has: the only fair ground to compare all of them on.
        results: These models on these shuffles and on the rows that all of them were asked about.
        behind: Model -> the winner's pairs minus its own, on the rows of both.
        winner: Of the results by pairs, then R²; None where there is none.
        segments: How many rows the results are of.
    """

    protocol: Protocol
    entries: tuple[Entry, ...]
    shuffles: tuple[int | None, ...]
    results: tuple[ModelResult, ...]
    behind: Mapping[str, Difference]
    winner: str | None
    segments: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """A report before it is written.

    Attributes:
        name: Of the report.
        reference: Model that the others are compared with.
        sections: Protocols with anything finished.
        absent: Models of these tracks without a finished fold.
        refused: Checkpoints that could not be used, and why.
        judges: What it was judged by.
    """

    name: str
    reference: str
    sections: tuple[Section, ...]
    absent: tuple[str, ...]
    refused: Mapping[str, str]
    judges: Judges


def read_judges(files: LabelFiles, levels: Path | None = None) -> Judges:
    """Labels, folds, ceiling and baselines of the rated set.

    Args:
        files: Of the tier.
        levels: A csv of works' difficulty, see `difficulty`; None where none is given.

    Raises:
        SetupError: Labels, segments or folds were not materialized, or the csv is at fault.
    """
    import numpy as np

    labels = read_labels(files)
    rows = tuple(row for row in read_passages(files) if row["segment_id"] in labels)
    folds: dict[Protocol, list[Fold]] = defaultdict(list)
    for fold in read_folds(files):
        folds[fold.protocol].append(fold)
    reliable = (row for row in read_rows(files.reliability) if row["counting"] == COUNTING)
    return Judges(
        rows=rows,
        labels=np.array([labels[row["segment_id"]] for row in rows], np.float64),
        folds={protocol: tuple(of) for protocol, of in folds.items()},
        digest=label_digest(files),
        ceiling={row["dimension"]: row["icc_mean"] for row in reliable if row["icc_mean"] is not None},
        baselines=tuple(row for row in read_rows(files.baselines) if row["evaluated"] in folds),
        difficulty=difficulty_of(rows, levels),
    )
