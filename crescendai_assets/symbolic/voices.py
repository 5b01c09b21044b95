"""Voices of notes, for the graphs: from a score where it is aligned, else estimated from the performance alone.

Voice 0 means not known. What the graphs do with voices is decided in `edges`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crescendai_assets.symbolic.alignment import Alignment
from crescendai_assets.symbolic.edges import TOLERANCE_SECONDS
from crescendai_assets.symbolic.performance import Ints, Performance

if TYPE_CHECKING:
    from crescendai_assets.symbolic.score_xml import ScoreNotes

VERSION = 2
"""Raise it when voices may come out otherwise, estimated or of an aligned score: it is part of graphs' fingerprints."""

NEW_VOICE_SEMITONES = 20.0
"""Leap from which a note begins a voice of its own rather than going on with one that is free."""

SILENCE_SEMITONES = 1.0
"""What a second without a key down costs a voice that might go on, up to `_LONGEST_SILENCE`."""

_LONGEST_SILENCE = 3.0


def estimated_voices(read: Performance) -> Ints:
    """Voices by voice leading: the notes of each onset go on with the voices nearest to them in pitch.

    At each onset (notes within `TOLERANCE_SECONDS` of the one before) notes are assigned to voices so that the sum of
    leaps, in semitones, is least; a voice that was silent costs more, and beginning one costs
    `NEW_VOICE_SEMITONES` (after Madsen and Widmer 2006, Separating voices in MIDI, ISMIR). No two notes of one onset
    share a voice. Voices are numbered from high to low by their mean pitch, the highest 1.

    Not partitura's `estimate_voices`: of a performance it makes nothing (adjusted Rand index with the voices of the
    score .00 to .02 on four pieces of (n)ASAP, where this has .14 to .47), it gives other voices from call to call
    for the same notes (it sorts objects by their address), and it takes 1 to 5 s per 1,000 notes, growing with the
    length, where this takes .02 s.

    Args:
        read: N notes.

    Returns:
        Voice of each note, shape (N,).
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    first = np.flatnonzero(np.diff(read.onset, prepend=-np.inf) > TOLERANCE_SECONDS)
    pitches, ends = np.zeros(0), np.zeros(0)  # of each voice's last note
    voices = np.zeros(len(read), np.int64)
    for start, stop in zip(first, np.append(first[1:], len(read)), strict=True):
        notes = np.arange(start, stop)[np.argsort(-read.pitch[start:stop], kind="stable")]
        leap = np.abs(read.pitch[notes, None] - pitches)
        silence = np.clip(read.onset[start] - ends, 0, _LONGEST_SILENCE) * SILENCE_SEMITONES
        cost = np.concatenate([leap + silence, np.full((len(notes), len(notes)), NEW_VOICE_SEMITONES)], axis=1)
        chosen = linear_sum_assignment(cost)[1]
        begun = chosen >= len(pitches)
        chosen[begun] = len(pitches) + np.arange(begun.sum())
        pitches, ends = (np.append(known, np.zeros(begun.sum())) for known in (pitches, ends))
        pitches[chosen], ends[chosen], voices[notes] = read.pitch[notes], read.end[notes], chosen
    return _from_high_to_low(voices, read.pitch)


def score_voices(
    performance: Performance, score_notes_with_voice: ScoreNotes | Any, alignment: Alignment, estimate: Any = None
) -> Ints:
    """The score's voices, for the notes of a performance.

    A note without a partner in the score (a slip, an ornament), or whose partner has no voice there, gets 0. With an
    estimate it gets the voice that most notes of its estimated voice have in the score; where none of those has one,
    the estimated voice is one of its own, numbered on from the score's.

    Args:
        performance: N notes.
        score_notes_with_voice: A score of S notes, or their voices, shape (S,).
        alignment: Of the two.
        estimate: As from `estimated_voices`, shape (N,).

    Returns:
        Voice of each performed note, shape (N,).
    """
    import numpy as np

    written = np.asarray(getattr(score_notes_with_voice, "voice", score_notes_with_voice), np.int64)
    voices = np.zeros(len(performance), np.int64)
    played, partner = alignment.matched.T
    voices[played] = written[partner]
    if estimate is None:
        return voices
    estimate = np.asarray(estimate, np.int64)
    lacking, known, last = voices == 0, voices.copy(), int(written.max(initial=0))
    for one in np.unique(estimate[lacking]):
        of_it = known[(estimate == one) & ~lacking]
        if not len(of_it):
            last += 1
        voices[(estimate == one) & lacking] = np.bincount(of_it).argmax() if len(of_it) else last
    return voices


def _from_high_to_low(voices: Ints, pitch: Ints) -> Ints:
    """The same voices, numbered from 1 by falling mean pitch."""
    import numpy as np

    mean = np.bincount(voices, pitch) / np.bincount(voices)
    rank = np.empty(len(mean), np.int64)
    rank[np.argsort(-mean, kind="stable")] = np.arange(1, len(mean) + 1)
    return np.asarray(rank[voices])
