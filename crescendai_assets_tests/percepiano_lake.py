"""PercePiano itself in a lake, for tests on the real ratings; only read."""

from __future__ import annotations

from pathlib import Path

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.folds import write_folds
from crescendai_assets.labels.passages import write_passages
from crescendai_assets.labels.percepiano import write_labels
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets_tests.shared_data import DATA

PERCEPIANO = DATA / "percepiano"


def real_labels(root: Path) -> LabelFiles:
    """Ratings, labels, passages and all folds, those published too."""
    found = LabelFiles(root / "percepiano_cache")
    write_ratings(found, PERCEPIANO / "total_2rounds.csv")
    write_labels(found)
    write_passages(found, PERCEPIANO / "midi")
    write_folds(found, PERCEPIANO / "published_piece_folds.json")
    return found
