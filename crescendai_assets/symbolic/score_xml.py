"""A MusicXML score as notes, with what MIDI does not say: note ids, voices, staves. partitura reads it.

Repeats are written out as far as they go, and ids get the number of the repeat (`n6-1`, `n6-2`), as in (n)ASAP.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.performance import Floats, Ints, Performance, performance

BEATS_A_MINUTE = 120.0
"""Tempo at which a score's `Performance` is written down; quarter notes are what counts."""

GRACE_BEATS = 0.01
"""Quarter notes that a grace note lasts on paper; MusicXML gives it none, and a note must last."""

_SECONDS_A_BEAT = 60.0 / BEATS_A_MINUTE
_MAX_BYTES = 50_000_000


@dataclass(frozen=True, eq=False)
class ScoreNotes:
    """Notes of a score.

    Attributes:
        notes: As a performance at a steady tempo, N notes; `track` is the staff, counted from 0.
        ids: Of each note, with the number of its repeat, N of them.
        voice: Of each note as written, counted from 1; 0 when the score has none, shape (N,).
    """

    notes: Performance
    ids: tuple[str, ...]
    voice: Ints


def read_score_xml(path: str | Path) -> ScoreNotes:
    """Read a MusicXML file, all parts as one, repeats written out.

    Not guarded: call it in a guarded process for files of unknown origin.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: It cannot be read as MusicXML, or holds no notes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such score")
    if path.stat().st_size > _MAX_BYTES:
        raise RecordingError(f"{path}: {path.stat().st_size / 1e6:.0f} MB are no piece of music; take it out")
    try:
        array = _note_array(path)
    except Exception as error:  # whatever partitura stumbles over is the file's failure, as with any parser
        raise RecordingError(
            f"{path}: partitura cannot read it as MusicXML ({type(error).__name__}: {error}); export it anew"
        ) from error
    if not len(array):
        raise RecordingError(f"{path}: has no notes; export it with its notes")
    return _score_notes(array)


def _note_array(path: Path) -> Any:
    import partitura

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ornaments and slurs that play no part here
        parts = partitura.load_musicxml(str(path)).parts
        whole = partitura.score.merge_parts(parts) if len(parts) > 1 else parts[0]
        unfolded = partitura.score.unfold_part_maximal(whole, update_ids=True)
        return unfolded.note_array(include_grace_notes=True, include_staff=True)


def _score_notes(array: Any) -> ScoreNotes:
    import numpy as np

    beat: Floats = array["onset_quarter"].astype(float)
    beat = beat - min(float(beat.min()), 0.0)  # an upbeat counts backwards
    held = np.maximum(array["duration_quarter"].astype(float), GRACE_BEATS)
    order = np.lexsort((array["pitch"], beat))  # as `performance` puts them
    notes = performance(
        array["pitch"][order],
        beat[order] * _SECONDS_A_BEAT,
        held[order] * _SECONDS_A_BEAT,
        np.full(len(array), 64),
        track=np.maximum(array["staff"][order] - 1, 0),
        tempos=((0.0, BEATS_A_MINUTE),),
    )
    ids = tuple(str(array["id"][i]) for i in order)
    return ScoreNotes(notes, ids, array["voice"][order].astype(np.int64))
