"""Ratings, labels and segments made by hand, for the tests of this room."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.passages import plan_passages
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.labels.schemas import PASSAGES
from crescendai_assets.lake.tables import Row

HEADER = ["user", "dataID", "filename", *(d.question for d in DIMENSIONS), "Question_9_2_1", "message"]
KEY = "Schubert_D960_mv2_8bars_1_05"


def line(user: str, data_id: str, filename: str, answers: Sequence[object] | object) -> str:
    """A row of the csv; one answer stands for all 19."""
    values = answers if isinstance(answers, list | tuple) else [answers] * len(DIMENSIONS)
    return ",".join([user, data_id, filename, *map(str, values), "", ""])


def write_csv(folder: Path, lines: Iterable[str], header: Sequence[str] = HEADER) -> Path:
    """A file of raw ratings."""
    path = folder / "total_2rounds.csv"
    path.write_text("\n".join([",".join(header), *lines]) + "\n", encoding="utf-8")
    return path


def rated(folder: Path, lines: Iterable[str]) -> LabelFiles:
    """A tier with these ratings."""
    files = LabelFiles(folder / "percepiano_cache")
    write_ratings(files, write_csv(folder, lines))
    return files


def segments(keys: Iterable[str]) -> list[Row]:
    """Rows of `metadata.jsonl`."""
    return plan_passages(keys).rows


def tier(folder: Path, keys: Sequence[str]) -> LabelFiles:
    """A tier with segments and labels, without ratings."""
    files = LabelFiles(folder / "percepiano_cache")
    PASSAGES.write(files.metadata, segments(keys))
    labels = {key: [(1 + (i + d) % 7) / 7 for d in range(len(DIMENSIONS))] for i, key in enumerate(keys)}
    files.labels.write_text(json.dumps(labels))
    return files


def score_of(work: str, movement: str, performers: Iterable[str], numbers: Iterable[int], bars: int = 8) -> list[str]:
    """Names of all performers playing all passages."""
    numbers = list(numbers)
    return [f"Schubert_{work}_{movement}_{bars}bars_{p}_{n:02d}" for p in performers for n in numbers]
