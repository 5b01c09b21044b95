"""The table of ratings: PercePiano's raw answers, cleaned, with second copies of one submission pointed out.

2,198 of the source's 14,934 rows repeat another row word for word, submission number included: the file was put
together from exports that overlap. The published means count them, so they stay, and say of which row they are a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.rating_csv import Answers, Refused, read_answers
from crescendai_assets.labels.schemas import RATINGS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row, read_rows


@dataclass(frozen=True)
class PlannedRatings:
    """What the table has to be.

    Attributes:
        rows: Its rows, by id.
        refused: Rows of the file that are not used, in its order.
    """

    rows: list[Row]
    refused: list[Refused]

    @property
    def digest(self) -> str:
        """Content hash."""
        return RATINGS.digest(self.rows)

    @staticmethod
    def digest_on_disk(files: LabelFiles) -> str:
        """The same hash of what is on disk."""
        return RATINGS.digest(read_rows(files.ratings))

    @property
    def facts(self) -> Mapping[str, int]:
        """Counts: what was read, what was dropped and why."""
        verdicts = Counter(refused.verdict for refused in self.refused)
        return {
            "read": len(self.rows) + len(self.refused),
            "kept": len(self.rows),
            "dropped_above_the_scale": verdicts["above the scale"],
            "dropped_without_an_answer": verdicts["no answer"],
            "dropped_odd": verdicts["odd"],
            "copies_of_another_row": sum(row["copy_of"] is not None for row in self.rows),
            "segments": len({row["segment_id"] for row in self.rows}),
            "users": len({row["user"] for row in self.rows}),
            "missing_answers": sum(row["values"].count(None) for row in self.rows),
        }


def plan_ratings(path: Path) -> PlannedRatings:
    """What the table has to be, from the file of raw ratings.

    Raises:
        SetupError: The file cannot be read, or no row of it can be used.
    """
    answers: list[Answers] = []
    refused: list[Refused] = []
    for record in read_answers(path):
        if isinstance(record, Answers):
            answers.append(record)
        else:
            refused.append(record)
    if not answers:
        first = f"; line {refused[0].line}: {refused[0].fault}" if refused else ", it is empty"
        raise SetupError(f"{path}: no row can be used{first}")
    return PlannedRatings(sorted(_rows(answers), key=lambda row: str(row["rating_id"])), refused)


def write_ratings(files: LabelFiles, path: Path) -> PlannedRatings:
    """Write the table from the file of raw ratings."""
    planned = plan_ratings(path)
    RATINGS.write(files.ratings, planned.rows)
    return planned


def _rows(answers: Sequence[Answers]) -> list[Row]:
    rows: list[Row] = []
    nth: Counter[str] = Counter()
    first: dict[tuple[object, ...], str] = {}
    for one in answers:
        nth[one.data_id] += 1
        rating_id = f"{one.data_id}.{nth[one.data_id]}"
        content = (one.data_id, one.user, one.segment_id, one.values)
        rows.append(
            {
                "rating_id": rating_id,
                "segment_id": one.segment_id,
                "user": one.user,
                "data_id": one.data_id,
                "line": one.line,
                "copy_of": first.get(content),
                "values": list(one.values),
            }
        )
        first.setdefault(content, rating_id)
    return rows
