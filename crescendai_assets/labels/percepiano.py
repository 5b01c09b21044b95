"""The labels: the mean of all ratings of a segment in each dimension, and how sure it is.

The mean is the published one: all ratings that have an answer, copies and a listener's repeats included, over 7. Its
standard error is not that of so many independent ratings, since listeners rated segments more than once: it takes a
listener as one draw (Liang & Zeger, Biometrika 73, 1986, for a mean),

    SE² = R / (R - 1) · Σ_r (Σ_i (x_ri - mean))² / N²

over R listeners and N ratings, which is s² / N when each listener rated once.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crescendai_assets.labels.dimensions import NAMES, POINTS
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.schemas import LABEL_STATISTICS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.tables import Row, read_document, read_rows

Labels = Mapping[str, Sequence[float]]
"""Segment -> its means, in the order of `dimensions.DIMENSIONS`."""


@dataclass(frozen=True)
class PlannedLabels:
    """What the labels have to be.

    Attributes:
        labels: Segment -> 19 means, by segment.
        statistics: Rows of `label_statistics.jsonl`, by segment.
        incomplete: Segments without a label, because nobody answered in a dimension; they are in the statistics.
    """

    labels: dict[str, list[float]]
    statistics: list[Row]
    incomplete: list[Row]

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(self.labels, LABEL_STATISTICS.digest(self.statistics))

    @staticmethod
    def digest_on_disk(files: LabelFiles) -> str:
        """The same hash of what is on disk."""
        return fingerprint(read_labels(files), LABEL_STATISTICS.digest(read_rows(files.statistics)))

    @property
    def facts(self) -> Mapping[str, float]:
        """How many labels there are, and from how many ratings."""
        raters = [row["raters"] for row in self.statistics]
        errors = [e for row in self.statistics for e in row["standard_error"] if e is not None]
        return {
            "segments": len(self.labels),
            "dimensions": len(NAMES),
            "without_label": len(self.incomplete),
            "ratings": sum(row["ratings"] for row in self.statistics),
            "fewest_raters": min(raters),
            "most_raters": max(raters),
            "mean_raters": round(sum(raters) / len(raters), 2),
            "mean_standard_error": round(sum(errors) / len(errors), 4) if errors else math.nan,
        }


def plan_labels(files: LabelFiles) -> PlannedLabels:
    """What the labels have to be, from the table of ratings.

    Raises:
        SetupError: There are no ratings.
    """
    of_segment: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(files.ratings):
        of_segment[row["segment_id"]].append(row)
    if not of_segment:
        raise SetupError(f"{files.ratings}: there are no ratings; materialize percepiano/ratings first")
    statistics = [segment_statistics(segment, rows) for segment, rows in sorted(of_segment.items())]
    incomplete = [
        {"id": row["segment_id"], "fault": f"nobody answered in {NAMES[row['mean'].index(None)]}"}
        for row in statistics
        if None in row["mean"]
    ]
    labels = {row["segment_id"]: list(row["mean"]) for row in statistics if None not in row["mean"]}
    return PlannedLabels(labels, statistics, incomplete)


def write_labels(files: LabelFiles) -> PlannedLabels:
    """Write `labels.json` and `label_statistics.jsonl` from the table of ratings."""
    planned = plan_labels(files)
    LABEL_STATISTICS.write(files.statistics, planned.statistics)
    write_atomic(files.labels, _one_a_line(planned.labels))
    return planned


def read_labels(files: LabelFiles) -> dict[str, list[float]]:
    """The labels on disk.

    Raises:
        SetupError: There are none, or they are cut.
    """
    found: dict[str, list[float]] = read_document(files.labels, "percepiano/labels")
    return found


def segment_statistics(segment_id: str, rows: Sequence[Row]) -> Row:
    """A row of the statistics, from all ratings of one segment."""
    columns = [_one_dimension([(row["user"], row["values"][d]) for row in rows]) for d in range(len(NAMES))]
    mean, n_ratings, n_raters, error = map(list, zip(*columns, strict=True))
    return {
        "segment_id": segment_id,
        "ratings": len(rows),
        "raters": len({row["user"] for row in rows}),
        "mean": mean,
        "n_ratings": n_ratings,
        "n_raters": n_raters,
        "standard_error": error,
    }


def _one_dimension(answers: Iterable[tuple[str, int | None]]) -> tuple[float | None, int, int, float | None]:
    """Mean, ratings, raters, standard error."""
    given = [(user, value) for user, value in answers if value is not None]
    if not given:
        return None, 0, 0, None
    count = len(given)
    mean = sum(value for _, value in given) / count
    apart: dict[str, float] = defaultdict(float)
    for user, value in given:
        apart[user] += value - mean
    raters = len(apart)
    if raters < 2:
        return mean / POINTS, count, raters, None
    variance = raters / (raters - 1) * sum(total**2 for total in apart.values()) / count**2
    return mean / POINTS, count, raters, math.sqrt(variance) / POINTS


def _one_a_line(labels: Mapping[str, Sequence[float]]) -> bytes:
    lines = (f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(list(values))}" for key, values in labels.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
