"""Ratings of the sample's performances, in the form of PercePiano's `total_2rounds.csv`, with a known structure.

An answer is 4 + passage + performer in the work + this performance + listener's noise, rounded to 1..7; effects are
scaled so that their spread is exactly as planted, and reliability and baselines can be told beforehand. On the planted
dimensions the same sum says how the passage is played (`rated_playing`): there is something to be heard. On the others
it can only be known, and on one of them nothing can: it is chance from performance to performance. A few rows are as
odd as in the source: a value above the scale, a blank row, zeros, rows exported twice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crescendai_assets.labels.dimensions import DIMENSIONS, NAMES, POINTS
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.sample.performers import content_seed
from crescendai_assets.sample.rated_music import KEYS, PASSAGES, PERFORMERS, WORKS, halves
from crescendai_assets.sample.rated_playing import Manner, manner

RATERS = 6
COPIES = 5
"""Rows that are exported a second time."""

PLANTED_DIMENSIONS: Mapping[str, str] = {
    "Articulation_Short_Long": "articulation",
    "Pedal_Sparse/dry_Saturated/wet": "pedal",
    "Timbre_Soft_Loud": "loudness",
    "Dynamic_Little_dynamic_range_Large_dynamic_range": "range",
    "Music_Making_Fast_paced_Slow_paced": "pace",
}
"""Dimensions that follow the playing -> the habit of `Manner` they follow; the second pole is more of it."""

SHUFFLED_DIMENSION = "Emotion_&_Mood_Honest_Imaginative"
"""The dimension that follows nothing: neither the playing, nor the passage, nor the performer."""

PLANTED_COLUMNS: tuple[int, ...] = tuple(NAMES.index(name) for name in PLANTED_DIMENSIONS)
SHUFFLED_COLUMN: int = NAMES.index(SHUFFLED_DIMENSION)

_ROUNDING = 1 / 12  # variance that rounding to whole points adds
_PER_WORK = len(PASSAGES) // len(WORKS)


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
        return self.true / (self.true + self.rater**2 + _ROUNDING)

    @property
    def true(self) -> float:
        """Variance between performances."""
        return self.passage**2 + self.performer**2 + self.own**2

    def left_out_r2(self, effect: Literal["passage", "performer"], raters: int = RATERS) -> float:
        """R² that comes out, about, when means are predicted by the others of their group.

        Of the dimensions that are neither planted nor shuffled. Those planted come near it: a passage that holds
        another is played like it.

        Args:
            effect: What a group shares: a passage, or a performer within a work.
            raters: Listeners.
        """
        noise = self.own**2 + (self.rater**2 + _ROUNDING) / raters
        passages, performers = len(PASSAGES), len(WORKS) * len(PERFORMERS)
        total = self.passage**2 * (1 - 1 / passages) + self.performer**2 * (1 - 1 / performers)
        total += noise * (1 - 1 / len(KEYS))
        rest, size = (self.performer, len(PERFORMERS)) if effect == "passage" else (self.passage, _PER_WORK)
        return 1 - (rest**2 + noise) * size / (size - 1) / total


PLANTED = Planted()


def ratings_csv(planted: Planted = PLANTED, raters: int = RATERS) -> bytes:
    """The file: sound rows, one a listener and performance, then five copies and three odd rows.

    Args:
        planted: What the answers are made of.
        raters: Listeners, each of whom rates every performance once.
    """
    chance = np.random.default_rng(content_seed("a panel"))
    deserved = truth(planted)
    rows: list[list[str]] = []
    for rater in range(1, raters + 1):
        noise = chance.normal(0, planted.rater, deserved.shape)
        answers = np.clip(np.rint(deserved + noise), 1, POINTS)
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
    """Write the file alone, for who needs no more; `rated_set.write_rated_set` writes what was heard as well."""
    write_atomic(path, ratings_csv())
    return path


@lru_cache(maxsize=1)
def manners() -> Mapping[str, Manner]:
    """How each performance is played, by its name: what its truth on the planted dimensions stands for."""
    points = truth()[:, PLANTED_COLUMNS] - (POINTS + 1) / 2
    named = dict(zip(PLANTED_DIMENSIONS.values(), points.T, strict=True))
    order = ("loudness", "range", "pace", "pedal", "articulation")
    return {key: manner(*values) for key, *values in zip(KEYS, *(named[name].tolist() for name in order), strict=True)}


def truth(planted: Planted = PLANTED) -> NDArray[np.float64]:
    """What each performance deserves in points of the scale, shape (performances, 19), rows in the order of `KEYS`."""
    # this word draws one slow performance of 16 bars that lasts longer than the 30 s an encoder takes at once
    chance = np.random.default_rng(content_seed("audition 253"))
    index = np.arange(len(KEYS))
    passage, performer = index // len(PERFORMERS), index % len(PERFORMERS)
    within = passage // _PER_WORK * len(PERFORMERS) + performer
    effects = (
        _effects(chance, planted.passage, _alike_passages())[passage]
        + _effects(chance, planted.performer, np.eye(len(WORKS) * len(PERFORMERS)))[within]
        + _effects(chance, planted.own, _alike_performances())
    )
    effects[:, SHUFFLED_COLUMN] = _unrelated(chance.standard_normal(len(KEYS)), effects[:, PLANTED_COLUMNS])
    effects[:, SHUFFLED_COLUMN] *= planted.true**0.5
    return np.asarray((POINTS + 1) / 2 + effects)


def _unrelated(noise: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise of mean 0 and spread 1 that has nothing to do with other columns, not even by chance; shape (n,).

    In so few performances a draw may well go with the playing, and a model would seem to know what cannot be known.
    """
    known = np.column_stack([np.ones(len(noise)), others])
    rest = noise - known @ np.linalg.lstsq(known, noise, rcond=None)[0]
    return np.asarray(rest / rest.std(ddof=1))


def _effects(chance: np.random.Generator, spread: float, alike: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effects by dimension, shape (count, 19), of mean 0 and exactly this spread (unbiased).

    Args:
        chance: Where they are drawn from.
        spread: Standard deviation.
        alike: Rows of weights, shape (count, count), that make effects on planted dimensions follow from others.
    """
    drawn = chance.standard_normal((len(alike), len(DIMENSIONS)))
    drawn[:, PLANTED_COLUMNS] = alike @ drawn[:, PLANTED_COLUMNS]
    return np.asarray(spread * (drawn - drawn.mean(0)) / drawn.std(0, ddof=1))


def _alike_passages() -> NDArray[np.float64]:
    """A repeat is written like what it repeats; 16 bars are in the middle between the two passages they hold."""
    first = {passage.music: index for index, passage in reversed(list(enumerate(PASSAGES)))}
    alike = np.eye(len(PASSAGES))[[first[passage.music] for passage in PASSAGES]]
    for whole, one, other in halves():
        alike[whole] = (alike[one] + alike[other]) / 2
    return np.asarray(alike)


def _alike_performances() -> NDArray[np.float64]:
    """A machine adds nothing of its own; who plays 16 bars plays the two passages in them."""
    alike = np.eye(len(KEYS))
    who = len(PERFORMERS)
    for whole, one, other in halves():
        for performer in range(who):
            alike[whole * who + performer] = (alike[one * who + performer] + alike[other * who + performer]) / 2
    alike[[key.split("_")[-2] == "Score" for key in KEYS]] = 0
    return alike


def _row(user: str, data_id: int, key: str, answers: list[str]) -> list[str]:
    return [user, str(data_id), f"{key}.wav", *answers, "", ""]
