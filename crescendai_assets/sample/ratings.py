"""Ratings of imagined performances, in the form of PercePiano's `total_2rounds.csv`, with a structure that is known.

Three works of four passages (three of 8 bars, and one of 16 that holds the first two), four pianists and a machine in
each, six listeners. An answer is 4 + passage + performer in the work + this performance + listener's noise, rounded to
1..7; effects are scaled so that their spread is exactly as planted, and reliability and baselines can be told
beforehand. A few rows are as odd as in the source: a value above the scale, a blank row, zeros, rows exported twice.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crescendai_assets.labels.dimensions import DIMENSIONS, POINTS
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.sample.performers import content_seed

WORKS = ("S1", "S2", "S3")
PASSAGES = ("8bars_{}_01", "8bars_{}_02", "8bars_{}_03", "16bars_{}_01")
PERFORMERS = ("1", "2", "3", "4", "Score")
RATERS = 6
COPIES = 5
"""Rows that are exported a second time."""

_ROUNDING = 1 / 12  # variance that rounding to whole points adds


@dataclass(frozen=True)
class Planted:
    """Spreads (standard deviations in points of the scale) of what an answer is made of.

    Attributes:
        passage: Between passages.
        performer: Between performers of a work.
        own: Between performances, beyond these two.
        rater: Of one answer about the performance's true value.
    """

    passage: float = 0.6
    performer: float = 0.6
    own: float = 0.3
    rater: float = 0.8

    @property
    def icc_one(self) -> float:
        """The reliability of one answer that comes out, about."""
        return self._true / (self._true + self.rater**2 + _ROUNDING)

    def left_out_r2(self, effect: Literal["passage", "performer"], raters: int = RATERS) -> float:
        """R² that comes out, about, when means are predicted by the others of their group.

        Args:
            effect: What a group shares: a passage, or a performer within a work.
            raters: Listeners.
        """
        noise = self.own**2 + (self.rater**2 + _ROUNDING) / raters
        passages, performers = len(WORKS) * len(PASSAGES), len(WORKS) * len(PERFORMERS)
        total = self.passage**2 * (1 - 1 / passages) + self.performer**2 * (1 - 1 / performers)
        total += noise * (1 - 1 / (len(PASSAGES) * performers))
        rest, size = (self.performer, len(PERFORMERS)) if effect == "passage" else (self.passage, len(PASSAGES))
        return 1 - (rest**2 + noise) * size / (size - 1) / total

    @property
    def _true(self) -> float:
        return self.passage**2 + self.performer**2 + self.own**2


PLANTED = Planted()

KEYS: tuple[str, ...] = tuple(
    f"Sample_{work}_mv1_{passage.format(performer)}"
    for work in WORKS
    for passage in PASSAGES
    for performer in PERFORMERS
)
"""Names of the 60 performances, as labels and MIDI files have them."""


def ratings_csv(planted: Planted = PLANTED, raters: int = RATERS) -> bytes:
    """The file: 360 sound rows of six listeners, then five copies and three odd rows.

    Args:
        planted: What the answers are made of.
        raters: Listeners, each of whom rates every performance once.
    """
    chance = np.random.default_rng(content_seed("a panel"))
    truth = _truth(planted, chance)
    rows: list[list[str]] = []
    for rater in range(1, raters + 1):
        noise = chance.normal(0, planted.rater, truth.shape)
        answers = np.clip(np.rint(truth + noise), 1, POINTS)
        for key, values in zip(KEYS, answers, strict=True):
            rows.append(_row(str(100 + rater), len(rows) + 1, key, [f"{value:.1f}" for value in values]))
    answered = rows[0][3 : 3 + len(DIMENSIONS)]
    rows += rows[:COPIES]
    rows.append(_row("101", len(rows) + 1, KEYS[0], ["8.0", *answered[1:]]))
    rows.append(_row("102", len(rows) + 1, KEYS[1], [""] * len(DIMENSIONS)))
    rows.append(_row("103", len(rows) + 1, KEYS[2], ["0.0", "", *answered[2:]]))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["user", "dataID", "filename", *(d.question for d in DIMENSIONS), "Question_9_2_1", "message"])
    writer.writerows(rows)
    return out.getvalue().encode()


def write_ratings_csv(path: Path) -> Path:
    """Write the file."""
    write_atomic(path, ratings_csv())
    return path


def _truth(planted: Planted, chance: np.random.Generator) -> NDArray[np.float64]:
    """What each performance deserves, shape (60, 19)."""
    passages, performers = len(WORKS) * len(PASSAGES), len(WORKS) * len(PERFORMERS)
    index = np.arange(len(KEYS))
    passage, performer = index // len(PERFORMERS), index % len(PERFORMERS)
    work = index // (len(PASSAGES) * len(PERFORMERS))
    return np.asarray(
        (POINTS + 1) / 2
        + _effects(chance, passages, planted.passage)[passage]
        + _effects(chance, performers, planted.performer)[work * len(PERFORMERS) + performer]
        + _effects(chance, len(KEYS), planted.own)
    )


def _effects(chance: np.random.Generator, count: int, spread: float) -> NDArray[np.float64]:
    """Effects by dimension, shape (count, 19), of mean 0 and exactly this spread (unbiased)."""
    drawn = chance.standard_normal((count, len(DIMENSIONS)))
    return np.asarray(spread * (drawn - drawn.mean(0)) / drawn.std(0, ddof=1))


def _row(user: str, data_id: int, key: str, answers: list[str]) -> list[str]:
    return [user, str(data_id), f"{key}.wav", *answers, "", ""]
