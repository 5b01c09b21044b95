"""Resources of reports: what robustness is measured on, and how hard works are. Empty fields mean the environment."""

import os
from pathlib import Path

import dagster as dg

from crescendai_assets.embeddings.augmented import Augmentation
from crescendai_assets.evaluation.difficulty import difficulty_csv
from crescendai_assets.evaluation.robustness_sound import SEGMENTS, Degrading
from crescendai_assets.lake.errors import SetupError

_VARIABLE = "CRESCENDAI_ROBUSTNESS_SEGMENTS"


class DifficultyResource(dg.ConfigurableResource):
    """How hard works are to play."""

    levels: str = ""
    """A csv `work,level`; empty for `$CRESCENDAI_DIFFICULTY`, else none: then the column reads n/a."""

    def csv(self) -> Path | None:
        """The csv, None where none is set."""
        return difficulty_csv(self.levels)


class RobustnessResource(dg.ConfigurableResource):
    """What robustness is measured on. Part of what makes the report stale, so it is no setting of one run."""

    segments: int | None = None
    """How many rated clips are degraded; empty for `$CRESCENDAI_ROBUSTNESS_SEGMENTS`, else 40."""
    seed: int = 0
    """Of their choice."""

    def degrading(self, augmentation: Augmentation) -> Degrading:
        """As the domain takes it, with the room responses that augmentation has.

        Raises:
            SetupError: The number is none.
        """
        text = str(self.segments if self.segments is not None else os.environ.get(_VARIABLE, "") or SEGMENTS)
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise SetupError(
                f"{_VARIABLE} (or segments of the robustness resource) is {text!r}; give a number from 1 up"
            )
        return Degrading(int(text), self.seed, augmentation.room_responses)
