"""Note features: what a performance does with the notes of its score, note by note, in numbers of equal count for all.

They go beside `hand_features`, which look at performance and score apart. About 450 summaries (the modules
`note_features_...` say of what) and 2,400 means of random contexts. All are of one performance and its own score.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crescendai_assets.symbolic.alignment import align
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.note_features_aligned import AlignedNotes, aligned_notes
from crescendai_assets.symbolic.note_features_contexts import PREFIX, contexts
from crescendai_assets.symbolic.note_features_playing import (
    articulation_of_score,
    curves,
    pedal_of_score,
    tempo,
    voicing,
)
from crescendai_assets.symbolic.note_features_score import harmony, texture
from crescendai_assets.symbolic.note_features_sound import blur, energy, windows

VERSION = 1
"""Raise it when a feature is added or computed differently: it is part of every fingerprint of note features."""

OF_CONTEXTS = PREFIX
"""Begins the name of a mean over random contexts; other names are of summaries."""


def named_note_features(notes: AlignedNotes) -> dict[str, float]:
    """All note features of an aligned performance by name, finite."""
    return {
        **harmony(notes.written),
        **texture(notes.written),
        **tempo(notes),
        **curves(notes),
        **voicing(notes),
        **articulation_of_score(notes),
        **pedal_of_score(notes),
        **blur(notes.read),
        **energy(notes.read),
        **windows(notes.read),
        **contexts(notes),
    }


def extract_note_features(midi_path: str | Path, score_path: str | Path) -> dict[str, float]:
    """Note features of a file; about a tenth of a second for 200 notes, most of it the alignment.

    Args:
        midi_path: The performance.
        score_path: MIDI of the score of the same passage.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: One of them cannot be used (see `read_midi`, `align`), or the score is of other music.
    """
    read, score = read_midi(midi_path), read_midi(score_path)
    return named_note_features(aligned_notes(read, score, align(read, score)))


def extract_with_scores(scores: Mapping[Path, Path], midi_path: Path) -> dict[str, float]:
    """The same where the score is looked up by the performance's path; for `map_files`, through `functools.partial`."""
    return extract_note_features(midi_path, scores[midi_path])
