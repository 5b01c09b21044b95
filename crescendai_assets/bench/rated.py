"""PercePiano as benchmarks of models take it: the folder that `PERCEPIANO_DIR` names, prepared as the assets do.

Which models are judged on it, and what they have to reach, is `reference`'s and `best`'s.
"""

from __future__ import annotations

from pathlib import Path

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.passages import write_passages
from crescendai_assets.labels.percepiano import write_labels
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.training.hand_dataset import HandDataset, hand_dataset

CSV, MIDI, SCORES = "total_2rounds.csv", "midi", "score_midi"
"""What the folder holds."""


def missing(given: str) -> str:
    """What to provide before anything can be judged; empty where all is there."""
    if not given:
        return "set PERCEPIANO_DIR"
    lacking = [name for name in (CSV, MIDI, SCORES) if not (Path(given) / name).exists()]
    return f"the folder of PERCEPIANO_DIR lacks {', '.join(lacking)}" if lacking else ""


def prepared(files: LabelFiles, source: Path) -> HandDataset:
    """Labels and passages written, hand features of all rated segments."""
    write_ratings(files, source / CSV)
    write_labels(files)
    write_passages(files, source / MIDI)
    return hand_dataset(files, source / MIDI, source / SCORES)


def percent(share: float) -> float:
    """A share as figures are told."""
    return round(100 * share, 1)
