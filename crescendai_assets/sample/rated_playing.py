"""How a rated passage is played: five habits that can be told from the keys and the pedal, each exactly as asked for.

The habits come from what listeners will say (`ratings`), so that a model can learn to say it. What a pianist does
beyond them is chance, the same for the same performance in every process; a machine does nothing beyond them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crescendai_assets.sample.performers import PedalSpan, Performance, PlayedNote, content_seed, playable
from crescendai_assets.sample.pieces import ScoreNote
from crescendai_assets.sample.rated_music import Passage

LEAD = 0.1
"""Seconds before the first note."""

RING = 0.6
"""Seconds after the last bar in which the last chord dies away."""

_RUBATO = 0.02  # how far a four-bar swing of the tempo bends time, in bars; it comes back by itself
_UNEVEN = 0.006  # seconds
_BALANCE = {"melody": 0.8, "inner": -0.5, "bass": -0.6}  # in the units of the shape, before it is scaled
_GAP = 0.03  # seconds in which a pedal that is changed is up


@dataclass(frozen=True)
class Manner:
    """The habits.

    Attributes:
        loudness: Mean MIDI velocity.
        range: Standard deviation of velocities.
        pace: Factor on the written duration; above 1 is slower.
        pedal: Share of the time that the sustain pedal is down, 0 to 1.
        articulation: Sounding share of a note's length; above 1 overlaps.
    """

    loudness: float = 64.0
    range: float = 0.0
    pace: float = 1.0
    pedal: float = 0.0
    articulation: float = 1.0


WRITTEN = Manner()
"""A score put into notes: nothing but what is written."""


def manner(loudness: float, spread: float, pace: float, pedal: float, articulation: float) -> Manner:
    """The habits that points on listeners' scales stand for, each measured from the middle (-3 to 3)."""
    return Manner(
        loudness=64 + 11 * loudness,
        range=float(np.clip(11 + 4 * spread, 2, 22)),
        pace=0.66 + 0.34 * float(np.exp(0.68 * pace)),
        pedal=float(np.clip(0.48 + 0.2 * pedal, 0, 1)),
        articulation=float(np.clip(0.8 + 0.19 * articulation, 0.2, 1.4)),
    )


def seconds_of(passage: Passage, how: Manner) -> float:
    """From the first note to the end of the last bar."""
    return passage.quarters * 60 / passage.piece.quarters_per_minute * how.pace


def play(passage: Passage, how: Manner, seed: str | None) -> Performance:
    """Play a passage of 8 bars.

    Args:
        passage: What.
        how: The habits.
        seed: Name of the performance, for all that is left to chance; None plays like a machine.
    """
    chance = None if seed is None else np.random.default_rng(content_seed("take", seed))
    quarter = 60 / passage.piece.quarters_per_minute * how.pace
    swing, phase = (0.0, 0.0) if chance is None else (_RUBATO * passage.piece.bar, chance.random())
    period = 4 * passage.piece.bar

    def at(quarters: float) -> float:
        bend = np.sin(2 * np.pi * (quarters / period + phase)) - np.sin(2 * np.pi * phase)
        return LEAD + quarter * (quarters + swing * float(bend))

    notes: list[PlayedNote] = []
    velocities = _velocities(passage, how, chance)
    for written, velocity in zip(passage.notes, velocities, strict=True):
        onset = at(written.onset) + (0.0 if chance is None else float(chance.normal(0, _UNEVEN)))
        onset = max(onset, LEAD / 2)
        held = at(written.onset + written.duration * how.articulation) - at(written.onset)
        notes.append(PlayedNote(round(onset, 4), round(onset + max(held, 0.04), 4), written.pitch, int(velocity)))
    pedals = []
    for start in np.arange(0, passage.quarters - 1e-6, passage.piece.harmony):
        down, next_one = at(float(start)), at(float(start) + passage.piece.harmony)
        up = min(down + how.pedal * (next_one - down), next_one - _GAP)
        if up - down > _GAP:
            pedals.append(PedalSpan(round(down, 4), round(up, 4)))
    return Performance(playable(notes), tuple(pedals))


def play_on(first: Performance, seconds: float, second: Performance) -> Performance:
    """Two passages of one take, one after the other; a key that both need comes up between them.

    Args:
        first: With what is played in its bars.
        seconds: From its first note to the end of its last bar.
        second: What follows.
    """
    both = first.followed_by(second.shifted(seconds))
    rounded = (PlayedNote(round(n.onset, 4), round(n.offset, 4), n.pitch, n.velocity) for n in both.notes)
    pedals = tuple(PedalSpan(round(p.down, 4), round(p.up, 4)) for p in both.pedals)
    return Performance(playable(rounded), pedals)


def _velocities(passage: Passage, how: Manner, chance: np.random.Generator | None) -> NDArray[np.int64]:
    """Velocities of just the mean and spread asked for, as far as whole numbers of 5 to 126 allow; shape (N,)."""
    shape = np.array([_shape(note, passage.piece.bar) for note in passage.notes])
    if chance is not None:
        shape += chance.normal(0, 0.4, len(shape))
    shape = (shape - shape.mean()) / shape.std()
    return np.asarray(np.clip(np.rint(how.loudness + how.range * shape), 5, 126), np.int64)


def _shape(note: ScoreNote, bar: float) -> float:
    """How much a note stands out: its voice, the arch of a four-bar phrase, the accent of the bar."""
    bars = note.onset / bar
    accent = 0.4 if abs(bars - round(bars)) < 1e-6 else 0.0
    return _BALANCE[note.voice] + float(np.sin(np.pi * (bars % 4) / 4)) + accent
