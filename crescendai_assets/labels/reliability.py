"""How far listeners agree, by dimension: the most that a model can explain of the labels.

Three ways to count, because PercePiano's ratings are not all independent (`ratings` says why):

- `published`: every rating that the published means are made of. Copies and repeats agree with themselves, so it is
  too high; it is the figure to set beside others' (.80 on average).
- `without copies`: each submission once.
- `by rater`: one mean per listener and segment. It is the honest one: another panel of as many would agree so far.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from crescendai_assets.labels.dimensions import NAMES, POINTS
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.icc import Floats, Icc, Ints, icc
from crescendai_assets.labels.schemas import RELIABILITY
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row, read_rows

Counting = Literal["published", "without copies", "by rater"]
COUNTINGS: tuple[Counting, ...] = get_args(Counting)


@dataclass(frozen=True)
class Judgements:
    """Ratings as numbers.

    Attributes:
        values: Shape (n, 19), 1/7 to 1; NaN is no answer.
        segments: Index of the segment, shape (n,).
        keys: Segments by index.
    """

    values: Floats
    segments: Ints
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Reliability:
    """Agreement in one dimension."""

    dimension: str
    counting: Counting
    found: Icc

    @property
    def row(self) -> Row:
        """As a row of the table."""
        return {
            "id": f"{self.counting}/{self.dimension}",
            "counting": self.counting,
            "dimension": self.dimension,
            **icc_columns(self.found),
        }


def judgements(rows: Iterable[Row], counting: Counting = "published") -> Judgements:
    """Ratings as numbers, counted in one of three ways.

    Args:
        rows: Rows of `ratings.jsonl`.
        counting: Which ratings stand for themselves.

    Raises:
        SetupError: There are none.
    """
    import numpy as np

    kept = [row for row in rows if counting == "published" or row["copy_of"] is None]
    if not kept:
        raise SetupError("there are no ratings; materialize percepiano/ratings first")
    keys = tuple(sorted({row["segment_id"] for row in kept}))
    index = {key: i for i, key in enumerate(keys)}
    values = np.array([[math.nan if v is None else v / POINTS for v in row["values"]] for row in kept])
    segments = np.array([index[row["segment_id"]] for row in kept], dtype=np.intp)
    if counting == "by rater":
        values, segments = _by_rater(values, segments, [row["user"] for row in kept])
    return Judgements(values, segments, keys)


def reliability(rows: Sequence[Row], countings: Iterable[Counting] = COUNTINGS) -> list[Reliability]:
    """Agreement in each dimension, counted in each way.

    Args:
        rows: Rows of `ratings.jsonl`.
        countings: Which ways.
    """
    return [
        Reliability(name, counting, icc(found.values[:, dimension], found.segments))
        for counting in countings
        for found in [judgements(rows, counting)]
        for dimension, name in enumerate(NAMES)
    ]


def plan_reliability(files: LabelFiles) -> list[Row]:
    """The rows that `reliability.jsonl` has to hold, from the ratings on disk."""
    return sorted((one.row for one in reliability(list(read_rows(files.ratings)))), key=lambda row: str(row["id"]))


def write_reliability(files: LabelFiles) -> list[Row]:
    """Write `reliability.jsonl`; returns its rows."""
    rows = plan_reliability(files)
    RELIABILITY.write(files.reliability, rows)
    return rows


def reliability_facts(rows: Iterable[Row]) -> Mapping[str, str]:
    """Mean and span over the dimensions for each way of counting, for people."""
    import numpy as np

    by_counting = itertools.groupby(sorted(rows, key=lambda row: str(row["counting"])), lambda row: row["counting"])
    facts: dict[str, str] = {}
    for counting, group in by_counting:
        known = [row for row in group if row["icc_mean"] is not None]
        if known:
            means, ones = [row["icc_mean"] for row in known], [row["icc_one"] for row in known]
            facts[f"reliability {counting}"] = (
                f"{np.mean(means):.3f} of a mean of {np.mean([row['k'] for row in known]):.1f} ratings "
                f"({min(means):.2f} to {max(means):.2f} by dimension), {np.mean(ones):.3f} of one"
            )
    return facts


def icc_columns(found: Icc) -> dict[str, Any]:
    """An ICC as columns of a table; null where the data say nothing."""
    return {
        "icc_one": or_none(found.one),
        "icc_mean": or_none(found.mean),
        "low": or_none(found.low),
        "high": or_none(found.high),
        "k": or_none(found.k),
        "segments": found.subjects,
        "ratings": found.ratings,
    }


def or_none(value: float) -> float | None:
    """A number as a table holds it: ten digits, null for one that is not finite."""
    return round(float(value), 10) if math.isfinite(value) else None


def _by_rater(values: Floats, segments: Ints, users: Sequence[str]) -> tuple[Floats, Ints]:
    """One mean per listener and segment, of the answers there are."""
    import numpy as np

    places: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, (segment, user) in enumerate(zip(segments.tolist(), users, strict=True)):
        places[segment, user].append(place)
    pair = np.empty(len(values), dtype=np.intp)
    for number, found in enumerate(places.values()):
        pair[found] = number
    sums, counts = np.zeros((len(places), values.shape[1])), np.zeros((len(places), values.shape[1]))
    np.add.at(sums, pair, np.nan_to_num(values))
    np.add.at(counts, pair, ~np.isnan(values))
    with np.errstate(invalid="ignore"):
        return sums / counts, np.array([segment for segment, _ in places], dtype=np.intp)
