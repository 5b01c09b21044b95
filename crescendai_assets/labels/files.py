"""Where labels lie: files of `percepiano_cache/` and of `composite_labels/`. Only names are made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.lake.layout import Lake


@dataclass(frozen=True)
class LabelFiles:
    """Files of the rated tier."""

    folder: Path

    @property
    def ratings(self) -> Path:
        """Raw ratings, cleaned: a row each time a listener rated a segment."""
        return self.folder / "ratings.jsonl"

    @property
    def labels(self) -> Path:
        """`{segment_id: [19 means]}`, in the order of `dimensions.DIMENSIONS`."""
        return self.folder / "labels.json"

    @property
    def statistics(self) -> Path:
        """How sure each mean is: raters, ratings and standard error per segment and dimension."""
        return self.folder / "label_statistics.jsonl"

    @property
    def metadata(self) -> Path:
        """A row a segment: what its name says and what it hangs together with."""
        return self.folder / "metadata.jsonl"

    @property
    def piece_mapping(self) -> Path:
        """`{passage: [segment_id, ...]}`: performances that may be compared with each other."""
        return self.folder / "piece_mapping.json"

    @property
    def folds(self) -> Path:
        """`{protocol: {"folds": {name: {"train": [...], "val": [...]}}, ...}}`."""
        return self.folder / "folds.json"

    @property
    def reliability(self) -> Path:
        """How far raters agree, by dimension."""
        return self.folder / "reliability.jsonl"

    @property
    def baselines(self) -> Path:
        """What can be predicted without listening."""
        return self.folder / "baselines.jsonl"


@dataclass(frozen=True)
class CompositeFiles:
    """Files of labels in a teacher's words."""

    folder: Path

    @property
    def taxonomy(self) -> Path:
        """What each composite is made of, and why."""
        return self.folder / "taxonomy.json"

    @property
    def labels(self) -> Path:
        """`{segment_id: [value of each composite]}`, in the order of the taxonomy."""
        return self.folder / "labels.json"

    @property
    def validation(self) -> Path:
        """A row a composite: reliability, and what it repeats."""
        return self.folder / "validation.jsonl"


def label_files(lake: Lake) -> LabelFiles:
    """Files of the rated tier of a lake."""
    return LabelFiles(lake.tier("percepiano").folder)


def composite_files(lake: Lake) -> CompositeFiles:
    """Files of composite labels of a lake."""
    return CompositeFiles(lake.root / "composite_labels")
