"""What S0 learns from: hand features of rated performances beside their labels, as arrays.

A performance's features stand beside their differences from the features of its score, and by choice beside their
differences from the other performances of the same passage. The model is in `models.hand`, folds are in
`labels.protocols`.

Nothing here looks at a label to make a feature. Differences from the score are of one performance and its score alone.
Differences from the passage's others (`with_relative`) also look at MIDI of other performances, which one recording by
itself does not have. They leave the performance itself out. In folds by passage all of a passage is on one side, so
they see nothing of the other side; in other folds they see its MIDI (as a user with a library of performances would),
never its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from crescendai_assets.labels.dimensions import NAMES
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.names import parse_name
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.percepiano import read_labels
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.tables import Row
from crescendai_assets.symbolic.hand_features import OVER_SCORE, extract_hand_features
from crescendai_assets.symbolic.midi import map_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

OVER_OTHERS = "_over_others"
"""Ends the name of a difference from the passage's other performances."""

SCORES = ("Score", "Score2")
"""Which rendering stands for the score: the first there is."""


@dataclass(frozen=True, eq=False)
class HandDataset:
    """Rated performances as numbers.

    Attributes:
        rows: Rows of `metadata.jsonl`, N, by segment.
        features: Shape (N, F); NaN where there is nothing to take a difference from.
        feature_names: Names of the columns.
        labels: Shape (N, 19).
        without_score: Segments that have no usable score: their differences from it are NaN.
        left_out: Labelled segment -> why it is not here.
    """

    rows: tuple[Row, ...]
    features: Floats
    feature_names: tuple[str, ...]
    labels: Floats
    without_score: tuple[str, ...] = ()
    left_out: Mapping[str, str] | None = None

    @property
    def segments(self) -> tuple[str, ...]:
        """Ids of the rows."""
        return tuple(row["segment_id"] for row in self.rows)

    @property
    def facts(self) -> dict[str, int]:
        """Counts."""
        return {
            "segments": len(self.rows),
            "features": len(self.feature_names),
            "without_score": len(self.without_score),
            "left_out": len(self.left_out or {}),
        }


def hand_dataset(files: LabelFiles, midi: Path, scores: Path | None = None, *, workers: int = 2) -> HandDataset:
    """Hand features and labels of all segments that have both.

    Args:
        files: The rated tier: its labels and its segments.
        midi: Folder of the segments' MIDI, named as the segments are.
        scores: Folder of the scores' MIDI, named as segments played by `Score`; without it all are without score.
        workers: Guarded processes that read MIDI.

    Raises:
        SetupError: A table or a folder is not there, two files are of one segment, or no segment has usable MIDI.
    """
    import numpy as np

    labels, rows = read_labels(files), read_passages(files)
    played = midi_of_segments(midi)
    written = {} if scores is None else midi_of_segments(scores)
    score_of = {row["segment_id"]: score_path(row["segment_id"], written) for row in rows}
    wanted = {played[row["segment_id"]] for row in rows if row["segment_id"] in played}
    wanted |= {path for path in score_of.values() if path}
    found = dict(map_files(extract_hand_features, sorted(wanted), workers=workers))
    features, left_out = _usable(rows, labels, played, found)
    if not features:
        reasons = "; ".join(sorted(set(left_out.values()))[:3])
        raise SetupError(f"{midi}: no segment has both a label and usable MIDI ({reasons})")
    names = tuple(next(iter(features.values())))
    kept = tuple(row for row in rows if row["segment_id"] in features)
    of_score = {key: found[path] for key in features if (path := score_of[key])}
    own = np.array([[features[row["segment_id"]][name] for name in names] for row in kept])
    score = np.array([_values(of_score.get(row["segment_id"]), names) for row in kept])
    return HandDataset(
        rows=kept,
        features=np.hstack([own, own - score]),
        feature_names=(*names, *(name + OVER_SCORE for name in names)),
        labels=np.array([labels[row["segment_id"]] for row in kept], np.float64).reshape(-1, len(NAMES)),
        without_score=tuple(key for key in features if not isinstance(of_score.get(key), dict)),
        left_out=left_out,
    )


def with_relative(dataset: HandDataset) -> HandDataset:
    """The same with differences from the passage's other performances as well, `<name>_over_others`.

    Renderings of the score count as performances. NaN where a passage was played once.
    """
    import numpy as np

    own = [column for column, name in enumerate(dataset.feature_names) if not name.endswith((OVER_SCORE, OVER_OTHERS))]
    relative = over_others(dataset.features[:, own], [row["passage"] for row in dataset.rows])
    names = (f"{dataset.feature_names[column]}{OVER_OTHERS}" for column in own)
    return replace(
        dataset,
        features=np.hstack([dataset.features, relative]),
        feature_names=(*dataset.feature_names, *names),
    )


def over_others(values: Floats, groups: Sequence[str]) -> Floats:
    """Differences of each row from the mean of the others of its group, shape (N, F); NaN where it is alone.

    Args:
        values: Shape (N, F).
        groups: Group of each row.
    """
    import numpy as np

    _, index = np.unique(groups, return_inverse=True)
    count = np.bincount(index).astype(np.float64)[index, None]
    sums = np.zeros((index.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, index, values)
    others = (sums[index] - values) / np.maximum(count - 1, 1)
    return np.where(count > 1, values - others, np.nan)


def midi_of_segments(folder: Path) -> dict[str, Path]:
    """Segment -> its MIDI file; names are read as `labels.names.parse_name` does, others are passed over.

    Raises:
        SetupError: There is no such folder, or two files are of one segment.
    """
    if not folder.is_dir():
        raise SetupError(f"{folder}: no such folder; give one with the segments' MIDI")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in {".mid", ".midi"}:
            continue
        try:
            key = parse_name(path.name).key
        except ValueError:
            continue
        if key in found:
            raise SetupError(f"{folder}: {found[key].name!r} and {path.name!r} are both of {key}; remove one")
        found[key] = path
    return found


def score_path(segment_id: str, scores: Mapping[str, Path]) -> Path | None:
    """MIDI of the score of a segment's bars: the segment's name with `Score` (else `Score2`) as its performer."""
    name = parse_name(segment_id)
    spelled = (replace(name, performer=rendering).key for rendering in SCORES)
    return next((scores[key] for key in spelled if key in scores), None)


def _usable(
    rows: Sequence[Row],
    labels: Mapping[str, Sequence[float]],
    played: Mapping[str, Path],
    found: Mapping[Path, dict[str, float] | RecordingError],
) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Features of the segments that have all that is needed, and why the others have not."""
    features: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    for row in rows:
        key = row["segment_id"]
        of_file = found[played[key]] if key in played else None
        if key not in labels:
            left_out[key] = "no label"
        elif of_file is None:
            left_out[key] = "no MIDI file of that name"
        elif isinstance(of_file, RecordingError):
            left_out[key] = str(of_file)
        else:
            features[key] = of_file
    return features, left_out


def _values(features: dict[str, float] | RecordingError | None, names: Sequence[str]) -> list[float]:
    if not isinstance(features, dict):
        return [float("nan")] * len(names)
    return [features[name] for name in names]
