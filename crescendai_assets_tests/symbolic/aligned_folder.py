"""A folder in (n)ASAP's layout with performances of one little piece, its MusicXML, and alignments of some of them.

The piece has two voices that cross, numbered 1 and 5 as notation programs do, so that no estimate can hit on them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.symbolic.midi_files import save_performance

BEATS = 24
PIECE = "Nobody/Crossing"
XML = f"{PIECE}/xml_score.musicxml"

_COLUMNS = "composer,title,folder,xml_score,midi_score,midi_performance,maestro_midi_performance,audio_performance"
_HEADER = "xml_id\tmidi_id\ttrack\tchannel\tpitch\tonset\n"
_STEPS = ("C", "C1", "D", "D1", "E", "F", "F1", "G", "G1", "A", "A1", "B")


def pitch_of(voice, beat):
    """Voice 1 rises in half tones, voice 5 falls; they cross between the beats 12 and 13."""
    return 60 + beat if voice == 1 else 85 - beat


def write_aligned_folder(root, *stems, aligned=()):
    """Performances by stem, each with two slips; alignments of those named."""
    (root / PIECE).mkdir(parents=True)
    rows = "".join(f"Nobody,Crossing,{PIECE},{XML},,{PIECE}/{stem}.mid,,\n" for stem in stems)
    (root / "metadata.csv").write_text(f"{_COLUMNS}\n{rows}")
    write_score(root / XML)
    for number, stem in enumerate(stems):
        write_playing(midi_of(root, stem), tempo=0.4 + 0.05 * number)
        if stem in aligned:
            write_alignment(root, stem)
    return root


def midi_of(root, stem):
    return root / PIECE / f"{stem}.mid"


def alignment_of(root, stem):
    return root / PIECE / f"{stem}_note_alignments" / "note_alignment.tsv"


def write_playing(path, *, tempo):
    """The piece, each beat so many seconds, with a slip beside each voice."""
    notes = [(pitch_of(v, beat), 1 + beat * tempo) for beat in range(BEATS) for v in (1, 5)]
    notes += [(pitch_of(1, 3) - 1, 1 + 3.5 * tempo), (pitch_of(5, 6) + 2, 1 + 6.5 * tempo)]
    pitch, onset = np.array(sorted(notes, key=lambda note: note[::-1])).T
    save_performance(performance(pitch, onset, np.full(len(pitch), 0.3), np.full(len(pitch), 64)), path)


def expected_voices(read, tempo):
    """Of each performed note; 0 for a slip."""
    beat = (read.onset - 1) / tempo
    whole = np.abs(beat - beat.round()) < 0.1
    rising = read.pitch == 60 + beat.round()
    return np.where(whole, np.where(rising, 1, 5), 0)


def write_alignment(root, stem, *, later=0.0):
    """All notes but the slips are matched; `later` moves the performed onsets, as if of another performance."""
    read = read_midi(midi_of(root, stem))
    tempo = (read.onset[-1] - 1) / (BEATS - 1)
    lines = [_HEADER]
    for pitch, onset, voice in zip(read.pitch, read.onset, expected_voices(read, tempo), strict=True):
        beat = round((onset - 1) / tempo)
        name = f"v{voice}b{beat}-1" if voice else "insertion"
        lines.append(f"{name}\tx\t0\t0\t{pitch}\t{onset + later:.6f}\n")
    path = alignment_of(root, stem)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(lines))


def write_score(path: Path, *, voices=True):
    """Six bars of quarter notes in two voices, one a staff."""
    bars = "".join(_bar(number, voices) for number in range(BEATS // 4))
    path.write_text(
        '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>Piano</part-name>'
        f'</score-part></part-list><part id="P1">{bars}</part></score-partwise>'
    )


def _bar(number, voices):
    start = (
        "<attributes><divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time>"
        "<staves>2</staves></attributes>"
    )
    upper, lower = ("".join(_note(v, number * 4 + i, voices) for i in range(4)) for v in (1, 5))
    back = "<backup><duration>4</duration></backup>"
    return f'<measure number="{number + 1}">{start * (number == 0)}{upper}{back}{lower}</measure>'


def _note(voice, beat, voices):
    octave, step = divmod(pitch_of(voice, beat), 12)
    name = _STEPS[step]
    alter = "<alter>1</alter>" * (len(name) > 1)
    said = f"<voice>{voice}</voice>" * voices
    return (
        f'<note id="v{voice}b{beat}"><pitch><step>{name[0]}</step>{alter}<octave>{octave - 1}</octave></pitch>'
        f"<duration>1</duration>{said}<staff>{1 if voice == 1 else 2}</staff></note>"
    )
