"""Imagined pianists, and what each makes of a piece: timing, touch, balance of the voices, pedal.

A performance here is a list of keys and pedals in seconds, what a Disklavier would record. How it sounds
belongs to `synth`, how it is filed to `corpus`. The names are invented; no real pianist is imitated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crescendai_assets.sample.pieces import Piece, ScoreNote

Pedalling = Literal["dry", "half", "legato", "long"]

_RING = 1.6  # seconds kept free at the end, so that the last chord is heard out
_GRID = 48  # tempo is integrated in 48ths of a quarter note: fine enough for sixteenths and triplets
_REPEAT_GAP = 0.02  # seconds a key needs to come up before it can be struck again


@dataclass(frozen=True, order=True)
class PlayedNote:
    """One key, pressed and let go.

    Attributes:
        onset: Hammer strikes, seconds.
        offset: Key is up, seconds.
        pitch: MIDI number, 21 to 108.
        velocity: MIDI velocity, 1 to 127.
    """

    onset: float
    offset: float
    pitch: int
    velocity: int


@dataclass(frozen=True, order=True)
class PedalSpan:
    """The sustain pedal held from `down` to `up`, seconds."""

    down: float
    up: float


@dataclass(frozen=True)
class Performance:
    """All that a pianist did, each part in order of time."""

    notes: tuple[PlayedNote, ...]
    pedals: tuple[PedalSpan, ...]

    def shifted(self, seconds: float) -> Performance:
        """The same performance, `seconds` later."""
        return Performance(
            tuple(replace(n, onset=n.onset + seconds, offset=n.offset + seconds) for n in self.notes),
            tuple(PedalSpan(p.down + seconds, p.up + seconds) for p in self.pedals),
        )

    def followed_by(self, other: Performance) -> Performance:
        """Both, where `other` begins after this one has ended."""
        return Performance(self.notes + other.notes, self.pedals + other.pedals)


@dataclass(frozen=True)
class Performer:
    """The habits of one pianist.

    Attributes:
        name: Invented; with the piece it seeds everything that is left to chance.
        tempo: Factor on the written tempo.
        rubato: Depth of the tempo's swing, as a share of the tempo.
        rubato_bars: Length of one swing, in bars.
        loudness: Mean MIDI velocity.
        arch: How far a four-bar phrase swells and falls, in velocities.
        melody: How far the melody stands out, in velocities.
        melody_lead: How early the melody comes, seconds (Goebl 2001 measures some 20 to 30 ms).
        articulation: Sounding share of a note's written length; above 1 overlaps.
        pedalling: `dry` never, `half` of each harmony, `legato` each harmony, `long` over two of them.
        unevenness: Standard deviation of onsets around the tempo, seconds.
    """

    name: str
    tempo: float
    rubato: float
    rubato_bars: float
    loudness: float
    arch: float
    melody: float
    melody_lead: float
    articulation: float
    pedalling: Pedalling
    unevenness: float


PERFORMERS: dict[str, Performer] = {
    one.name: one
    for one in (
        Performer("Ilse Marten", 1.00, 0.06, 4, 62, 8, 12, 0.020, 0.96, "legato", 0.006),
        Performer("Tomas Ferreira", 1.16, 0.02, 2, 76, 4, 6, 0.005, 0.62, "dry", 0.004),
        Performer("Noor Haddad", 0.86, 0.13, 4, 50, 14, 16, 0.035, 1.06, "long", 0.012),
        Performer("Juno Park", 1.08, 0.09, 2, 84, 12, 20, 0.015, 0.84, "half", 0.008),
        Performer("Pavel Dorn", 0.94, 0.04, 8, 68, 6, 10, 0.010, 0.74, "half", 0.005),
        Performer("Aiko Lind", 1.05, 0.11, 3, 58, 12, 18, 0.030, 1.00, "legato", 0.010),
        Performer("Bruno Castel", 0.90, 0.03, 4, 80, 5, 8, 0.000, 0.90, "dry", 0.014),
    )
}
"""The pianists of the sample, by name."""

_VOICE_BALANCE = {
    "melody": 0.0,
    "inner": -6.0,
    "bass": -2.0,
}  # velocities, before the performer's own balance


def content_seed(*parts: str) -> int:
    """A seed that depends on nothing but these words, the same in every process (unlike `hash`)."""
    return int.from_bytes(hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "big")


def perform(piece: Piece, performer: Performer, seconds: float) -> Performance:
    """Play a piece for a given time: it is repeated, never twice alike, and ends on the first beat of a bar.

    Args:
        piece: What to play.
        performer: Who plays.
        seconds: Length of the performance with its last chord ringing; no note ends later.

    Returns:
        The notes and the pedal, by onset.

    Raises:
        ValueError: Not even one bar fits in `seconds`.
    """
    chance = np.random.default_rng(content_seed(performer.name, piece.slug))
    clock = _tempo_map(piece, performer, seconds, chance)
    end, close = _last_downbeat(piece, clock, seconds), seconds - 0.5
    at = partial(_at, clock)

    notes: list[PlayedNote] = []
    repetition = 0
    while repetition * piece.length <= end + 1e-6:
        # a repeat is played as an answer: softer, then stronger again
        answer = -5.0 if repetition % 2 else 0.0
        for written in piece.notes:
            start = repetition * piece.length + written.onset
            if start > end + 1e-6:
                break
            last = abs(start - end) < 1e-6
            onset = at(start) + float(chance.normal(0, performer.unevenness))
            if written.voice == "melody":
                onset -= performer.melody_lead
            onset = max(onset, 0.05)
            held = close if last else at(start + written.duration * performer.articulation)
            velocity = _velocity(written, piece, performer, start) + answer + float(chance.normal(0, 2.5))
            notes.append(
                PlayedNote(
                    round(onset, 4),
                    round(min(max(held, onset + 0.04), close), 4),
                    written.pitch,
                    int(np.clip(round(velocity), 15, 120)),
                )
            )
        repetition += 1
    return Performance(playable(notes), _pedals(piece, performer, at, end, close))


def beats(piece: Piece, performer: Performer, seconds: float) -> tuple[float, ...]:
    """When `perform` comes to each quarter note of the music, from the first to the last downbeat it plays; seconds."""
    clock = _tempo_map(piece, performer, seconds, np.random.default_rng(content_seed(performer.name, piece.slug)))
    end = _last_downbeat(piece, clock, seconds)
    return tuple(round(_at(clock, float(quarter)), 6) for quarter in np.arange(0, end + 1e-6))


def seconds_until(piece: Piece, performer: Performer, quarters: float) -> float:
    """How long `perform` must be given for its last chord to stand on this downbeat, quarter notes from the start."""
    longest = quarters / piece.quarters_per_minute * 60 / performer.tempo * 2 + 10
    clock = _tempo_map(piece, performer, longest, np.random.default_rng(content_seed(performer.name, piece.slug)))
    return round(_at(clock, quarters) + _RING + 0.01, 2)


def _at(clock: NDArray[np.float64], quarters: float) -> float:
    return float(np.interp(quarters * _GRID, np.arange(len(clock)), clock))


def _last_downbeat(piece: Piece, clock: NDArray[np.float64], seconds: float) -> float:
    """The last downbeat that leaves its chord time to ring, quarter notes from the start.

    Raises:
        ValueError: Not even one bar fits in `seconds`.
    """
    downbeats = np.arange(piece.upbeat, (len(clock) - 1) / _GRID, piece.bar)
    fitting = [float(beat) for beat in downbeats if _at(clock, float(beat)) <= seconds - _RING]
    if len(fitting) < 2:
        raise ValueError(f"{seconds:g} s is too short for one bar of {piece.slug}; give it more time")
    return fitting[-1]


def _tempo_map(piece: Piece, performer: Performer, seconds: float, chance: np.random.Generator) -> NDArray[np.float64]:
    """Seconds at every 48th of a quarter note, reaching beyond `seconds`; shape (n,).

    The tempo swings as a slow sine (the performer's rubato) and gives way towards the end of each four-bar
    phrase, the commonest shape of expressive timing (Todd, Music Perception 3, 1985).
    """
    speed = piece.quarters_per_minute / 60 * performer.tempo
    steps = int((seconds * speed * (1 + performer.rubato) + 2 * piece.bar) * _GRID) + 1
    bars = (np.arange(steps) / _GRID - piece.upbeat) / piece.bar
    swing = np.sin(2 * np.pi * (bars / performer.rubato_bars + chance.random()))
    yielding = np.clip((bars % 4) - 3, 0, None) ** 2
    tempo = speed * (1 + performer.rubato * swing) * (1 - 1.5 * performer.rubato * yielding)
    return 0.1 + np.concatenate([[0.0], np.cumsum(1 / (tempo * _GRID))])


def _velocity(written: ScoreNote, piece: Piece, performer: Performer, start: float) -> float:
    """Velocity before chance: balance of the voices, the arch of the phrase, the accent of the bar."""
    bars = (start - piece.upbeat) / piece.bar
    arch = performer.arch * float(np.sin(np.pi * ((bars % 4) / 4)))
    accent = 4.0 if abs(bars - round(bars)) < 1e-6 else 0.0
    melody = performer.melody if written.voice == "melody" else 0.0
    return performer.loudness + _VOICE_BALANCE[written.voice] + arch + accent + melody - performer.arch / 2


def playable(notes: Iterable[PlayedNote]) -> tuple[PlayedNote, ...]:
    """What one keyboard can do: a key that is struck again comes up first, and two hands share one key."""
    kept: list[PlayedNote] = []
    latest: dict[int, int] = {}  # pitch -> index in kept
    for note in sorted(notes):
        before = latest.get(note.pitch)
        if before is not None:
            earlier = kept[before]
            if note.onset - earlier.onset < 3 * _REPEAT_GAP:
                kept[before] = replace(
                    earlier,
                    offset=max(earlier.offset, note.offset),
                    velocity=max(earlier.velocity, note.velocity),
                )
                continue
            kept[before] = replace(earlier, offset=min(earlier.offset, round(note.onset - _REPEAT_GAP, 4)))
        latest[note.pitch] = len(kept)
        kept.append(note)
    return tuple(kept)


def _pedals(
    piece: Piece, performer: Performer, at: Callable[[float], float], end: float, close: float
) -> tuple[PedalSpan, ...]:
    """Syncopated pedalling: it goes up with the new harmony and down just after, so that nothing is lost."""
    if performer.pedalling == "dry":
        return ()
    span = piece.harmony * (2 if performer.pedalling == "long" else 1)
    held = span * (0.5 if performer.pedalling == "half" else 1.0)
    spans: list[PedalSpan] = []
    start = piece.upbeat
    while start < end - 1e-6:
        down, up = at(start) + 0.09, at(min(start + held, end)) + 0.015
        if up - down > 0.05:
            spans.append(PedalSpan(round(down, 4), round(up, 4)))
        start += span
    return (*spans, PedalSpan(round(at(end) + 0.09, 4), round(close, 4)))
