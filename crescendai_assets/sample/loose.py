"""A folder of MIDI files that somebody gave: no table, no titles, and not all of it is what one would train on.

File names tell nothing on purpose. What is a copy or a work to be kept out can only be found in the notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crescendai_assets.sample import midi, performers, pieces, rated_music, rated_playing, rated_set, ratings
from crescendai_assets.sample.keeping import keep, recipe_of
from crescendai_assets.sample.performers import PERFORMERS, Performance, PlayedNote, perform
from crescendai_assets.sample.pieces import PIECES
from crescendai_assets.sample.rated_music import KEYS

PIECE, PIECE_AGAIN = "session 3.mid", "session 3 (1).mid"
"""A piece, and the same bytes under another name."""

SCALES = "take_07.mid"
"""Scales: by nobody, and in no other source."""

RATED = "untitled.mid"
"""A rated performance, exported anew: other resolution, another tempo written, half a second later."""

RATED_KEY = next(key for key in KEYS if "_16bars_1_" in key)
"""Which one."""

DRUMS = "beat.mid"
"""Percussion only."""

_SECONDS = 24.0


@dataclass(frozen=True)
class SampleLoose:
    """What `write_loose_midi` left on disk.

    Attributes:
        root: The folder.
        files: Names, by name.
        written: Those that this call had to write; empty when all was in place.
    """

    root: Path
    files: tuple[str, ...]
    written: tuple[str, ...]


def write_loose_midi(root: Path) -> SampleLoose:
    """Make the folder; what is in place and whole stays."""
    wanted: dict[str, Callable[[], bytes]] = {
        PIECE: _piece_bytes,
        PIECE_AGAIN: _piece_bytes,
        SCALES: _scales_bytes,
        RATED: _rated_bytes,
        DRUMS: partial(midi.midi_bytes, _drums(), 9.0, drums=True),
    }
    return SampleLoose(root, tuple(sorted(wanted)), keep(root, wanted, _recipe()))


def _piece_bytes() -> bytes:
    minuet = next(piece for piece in PIECES if piece.slug == "petzold-anh114")
    return midi.midi_bytes(perform(minuet, PERFORMERS["Aiko Lind"], _SECONDS), _SECONDS)


def _scales_bytes() -> bytes:
    """Major scales of two octaves up and down, one after another through the keys by fourths."""
    notes, now = [], 0.2
    for tonic in (60, 65, 58, 63):
        up = [tonic + octave + step for octave in (0, 12) for step in (0, 2, 4, 5, 7, 9, 11)]
        for index, pitch in enumerate([*up, tonic + 24, *reversed(up)]):
            notes.append(PlayedNote(round(now, 4), round(now + 0.16, 4), pitch, 58 + index % 4 * 3))
            now += 0.18
        now += 0.5
    return midi.midi_bytes(Performance(tuple(notes), ()), now + 0.5, ticks_per_quarter=96)


def _rated_bytes() -> bytes:
    heard, seconds = rated_set.played(RATED_KEY)
    return midi.midi_bytes(heard.shifted(0.5), seconds + 0.5, ticks_per_quarter=220, quarters_per_minute=140)


def _drums() -> Performance:
    """Bass and snare drum, quarter after quarter."""
    strokes = (PlayedNote(beat / 2, beat / 2 + 0.1, 38 if beat % 2 else 36, 90) for beat in range(16))
    return Performance(tuple(strokes), ())


def _recipe() -> str:
    """Changes with every line of code that decides what is written."""
    own = Path(__file__).read_text()
    return recipe_of(midi, performers, pieces, rated_music, rated_playing, rated_set, ratings, also=own)
