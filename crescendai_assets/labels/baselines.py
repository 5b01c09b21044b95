"""What can be predicted without listening: the mean of all that shares a passage, a performer, a piece.

A model's R² means little until it is set beside these. They also say what a split gives away: where one side of a
split tells the other's passage or performer, this much is had for nothing.

R² of a grouping is leave-one-out: each segment is predicted by the mean of the others in its group, or by the mean of
all others where it is alone; R² = 1 - Σ (y - p)² / Σ (y - mean of all)², by dimension, then averaged. `r2_in_sample`
predicts by the mean of the group with the segment in it, which flatters small groups (Σ between / Σ total).
Figures told elsewhere (passage .31, pianist in a movement .31, piece .21) are leave-one-out on the file of 1,189
segments, where this gives .306, .307 and .199; on the paper's 1,202 it gives .291, .319 and .187.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crescendai_assets.labels.icc import Floats
from crescendai_assets.labels.percepiano import Labels
from crescendai_assets.labels.reliability import or_none
from crescendai_assets.lake.tables import Row

GROUPINGS: Mapping[str, Callable[[Row], str]] = {
    "piece": lambda row: str(row["piece"]),
    "passage": lambda row: str(row["passage"]),
    "passage group": lambda row: str(row["passage_group"]),
    "performer": lambda row: str(row["performer"]),
    "work and performer": lambda row: f"{row['work']} {row['performer']}",
    "movement and performer": lambda row: str(row["recording"]),
    "machine or pianist": lambda row: str(row["machine"]),
}
"""What segments may share. The number of a performer alone means little: other works count other people."""

ALL, PIANISTS = "all", "without machine renderings"
"""Which rows are predicted."""

LEFT_OUT = "leave one out"


@dataclass(frozen=True)
class Baseline:
    """Predicting by the mean of a group.

    Attributes:
        grouping: What the group shares.
        rows: `all` or `without machine renderings`.
        evaluated: `leave one out`, or the protocol whose folds it was evaluated in.
        segments: Segments predicted.
        groups: Groups among them.
        r2: By dimension, shape (19,).
        in_sample: The same with the segment in its own mean; None within folds.
    """

    grouping: str
    rows: str
    evaluated: str
    segments: int
    groups: int
    r2: Floats
    in_sample: Floats | None = None

    @property
    def row(self) -> Row:
        """As a row of the table."""
        return {
            "id": f"{self.evaluated}/{self.grouping}/{self.rows}",
            "grouping": self.grouping,
            "rows": self.rows,
            "evaluated": self.evaluated,
            "segments": self.segments,
            "groups": self.groups,
            "r2": or_none(float(self.r2.mean())),
            "r2_in_sample": None if self.in_sample is None else or_none(float(self.in_sample.mean())),
            "r2_by_dimension": [or_none(value) for value in self.r2],
        }


def left_out_r2(labels: Floats, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """R² of predicting each row by the mean of its group.

    Args:
        labels: Shape (n, D).
        groups: Group of each row.

    Returns:
        Leave-one-out and in-sample R² by dimension, each shape (D,).
    """
    import numpy as np

    _, index = np.unique(groups, return_inverse=True)
    count = np.bincount(index).astype(np.float64)[:, None]
    sums = np.zeros((len(count), labels.shape[1]))
    np.add.at(sums, index, labels)
    others = np.maximum(count[index] - 1, 1)
    everyone_else = (labels.sum(0) - labels) / max(len(labels) - 1, 1)
    left_out = np.where(count[index] > 1, (sums[index] - labels) / others, everyone_else)
    return r2(labels, left_out), r2(labels, (sums / count)[index])


def r2(labels: Floats, predicted: Floats) -> Floats:
    """Share of the variance explained by dimension, shape (D,); NaN where there is none."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - ((labels - predicted) ** 2).sum(0) / ((labels - labels.mean(0)) ** 2).sum(0))


def baselines(labels: Labels, rows: Sequence[Row]) -> list[Baseline]:
    """Leave-one-out baselines of every grouping, of all rows and of pianists alone.

    Args:
        labels: Segment -> means.
        rows: Rows of `metadata.jsonl`; those without a label are left out.
    """
    import numpy as np

    found: list[Baseline] = []
    for which in (ALL, PIANISTS):
        chosen = [row for row in rows if row["segment_id"] in labels and not (which == PIANISTS and row["machine"])]
        if len(chosen) < 2:
            continue
        values = np.array([labels[row["segment_id"]] for row in chosen])
        for grouping, group_of in GROUPINGS.items():
            groups = [group_of(row) for row in chosen]
            if len(set(groups)) > 1:
                left_out, in_sample = left_out_r2(values, groups)
                found.append(Baseline(grouping, which, LEFT_OUT, len(chosen), len(set(groups)), left_out, in_sample))
    return found
