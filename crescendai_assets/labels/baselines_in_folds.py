"""What a split gives away for nothing, and the table of all baselines that need no listening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crescendai_assets.labels.baselines import ALL, GROUPINGS, Baseline, baselines, r2
from crescendai_assets.labels.dimensions import NAMES
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.folds import read_folds
from crescendai_assets.labels.icc import Floats
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.percepiano import Labels, read_labels
from crescendai_assets.labels.protocols import Fold
from crescendai_assets.labels.schemas import BASELINES
from crescendai_assets.lake.tables import Row


def baselines_in_folds(labels: Labels, rows: Sequence[Row], folds: Sequence[Fold]) -> list[Baseline]:
    """What each grouping gives away in a protocol: train tells the mean of a group to the rows held out.

    A held-out row whose group train does not know is predicted by the mean of train. All held-out rows of one shuffle
    are evaluated together, and R² is averaged over the shuffles. Where train and validation share nothing of a grouping
    it is at or below 0.
    """
    import numpy as np

    by_id = {row["segment_id"]: row for row in rows}
    protocols = {fold.protocol for fold in folds}
    found: list[Baseline] = []
    for protocol in sorted(protocols):
        of_protocol = [fold for fold in folds if fold.protocol == protocol]
        for grouping, group_of in GROUPINGS.items():
            groups = {key: group_of(row) for key, row in by_id.items() if key in labels}
            scores = [
                _shuffle_r2(labels, groups, [fold for fold in of_protocol if fold.seed == seed])
                for seed in sorted({fold.seed for fold in of_protocol}, key=str)
            ]
            predicted = {key for fold in of_protocol for key in fold.val if key in groups}
            count = len({groups[key] for key in predicted})
            found.append(Baseline(grouping, ALL, protocol, len(predicted), count, np.mean(scores, axis=0)))
    return found


def plan_baselines(files: LabelFiles) -> list[Row]:
    """The rows that `baselines.jsonl` has to hold, from labels, metadata and folds on disk."""
    labels, rows = read_labels(files), read_passages(files)
    found = [*baselines(labels, rows), *baselines_in_folds(labels, rows, read_folds(files))]
    return sorted((one.row for one in found), key=lambda row: str(row["id"]))


def write_baselines(files: LabelFiles) -> list[Row]:
    """Write `baselines.jsonl`; returns its rows."""
    rows = plan_baselines(files)
    BASELINES.write(files.baselines, rows)
    return rows


def _shuffle_r2(labels: Labels, groups: Mapping[str, str], folds: Sequence[Fold]) -> Floats:
    import numpy as np

    truth: list[Sequence[float]] = []
    predicted: list[Floats] = []
    for fold in folds:
        train = [key for key in fold.train if key in groups]
        values = np.array([labels[key] for key in train])
        known: dict[str, list[int]] = {}
        for place, key in enumerate(train):
            known.setdefault(groups[key], []).append(place)
        means = {group: values[places].mean(0) for group, places in known.items()}
        overall = values.mean(0)
        for key in fold.val:
            if key in groups:
                truth.append(labels[key])
                predicted.append(means.get(groups[key], overall))
    return r2(np.array(truth), np.array(predicted)) if truth else np.full(len(NAMES), np.nan)
