"""The music of the sample corpus: first phrases of public-domain keyboard works, as compact note data.

Here stand pitches and note values only, set down from memory for a synthetic corpus: it is not an edition.
How a pianist plays them (tempo, touch, pedal) belongs to `performers`, how they sound to `synth`.

Notation: bars end at `|`; a lower-case letter sets the note value (w h q e s: whole to sixteenth, t: eighth
of a triplet, each may carry a dot) until the next one; `r` rests; `G3+B3` sounds together; `(...)xN` repeats.
Middle C is C4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Voice = Literal["melody", "inner", "bass"]

_VALUES = {"w": 4.0, "h": 2.0, "q": 1.0, "e": 0.5, "s": 0.25, "t": 1 / 3}
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1}


@dataclass(frozen=True, order=True)
class ScoreNote:
    """One written note.

    Attributes:
        onset: Start, in quarter notes from the first note of the piece.
        duration: Written length, in quarter notes.
        pitch: MIDI number, middle C is 60.
        voice: What the pianist makes of it: the line to bring out, the filling or the ground.
    """

    onset: float
    duration: float
    pitch: int
    voice: Voice


@dataclass(frozen=True)
class Piece:
    """A phrase of a work, long enough to be recognised and short enough to be repeated.

    Attributes:
        slug: Short name, for seeds and tests.
        composer: As MAESTRO writes it.
        titles: Spellings of one title; recordings of the work may use any of them.
        quarters_per_minute: The tempo that a performer's tempo factor multiplies.
        bar: Length of a bar, in quarter notes.
        upbeat: Length of the incomplete first bar, in quarter notes; 0 where there is none.
        harmony: How long a harmony lasts as a rule, in quarter notes; the pedal follows it.
        length: From the first note to where a repeat begins, in quarter notes.
        notes: All notes, by onset.
    """

    slug: str
    composer: str
    titles: tuple[str, ...]
    quarters_per_minute: float
    bar: float
    upbeat: float
    harmony: float
    length: float
    notes: tuple[ScoreNote, ...]


def midi_number(name: str) -> int:
    """The MIDI number of a pitch such as `C4` (60), `F#3` or `Bb2`."""
    match = re.fullmatch(r"([A-G])([#b]?)(-?\d)", name)
    if match is None:
        raise ValueError(f"'{name}' is not a pitch; write a letter, an accidental and an octave, such as F#3")
    letter, accidental, octave = match.groups()
    return 12 * (int(octave) + 1) + _STEPS[letter] + _ACCIDENTALS[accidental]


def parse_voice(text: str, voice: Voice, bar: float, upbeat: float = 0.0) -> tuple[list[ScoreNote], float]:
    """Read one voice and hold every bar to its length, so that a slip of the pen is found at once.

    Args:
        text: The notation described at the head of this module.
        voice: Role of every note in it.
        bar: Length of a bar, in quarter notes.
        upbeat: Length of the first bar where it is incomplete; the last bar then makes up for it.

    Returns:
        The notes, and the length of the voice in quarter notes.

    Raises:
        ValueError: A bar does not add up, or a token is not known.
    """
    unfolded = re.sub(r"\(([^()]*)\)x(\d+)", lambda m: (m[1] + " ") * int(m[2]), text)
    bars = [one for one in unfolded.split("|") if one.strip()]
    notes: list[ScoreNote] = []
    now, value = 0.0, 1.0
    for index, written in enumerate(bars):
        start = now
        for token in written.split():
            if token[0] in _VALUES:
                value = _VALUES[token[0]] * (1.5 if token[1:] == "." else 1.0)
                continue
            if token != "r":
                notes += [ScoreNote(now, value, midi_number(pitch), voice) for pitch in token.split("+")]
            now += value
        first, last = index == 0, index == len(bars) - 1
        expected = upbeat if first and upbeat else bar - upbeat if last else bar
        if abs(now - start - expected) > 1e-6:
            raise ValueError(f"bar {index + 1} lasts {now - start:g} quarter notes, not {expected:g}: {written}")
    return notes, now


def make_piece(
    slug: str,
    composer: str,
    titles: tuple[str, ...],
    quarters_per_minute: float,
    bar: float,
    harmony: float,
    voices: tuple[tuple[Voice, str], ...],
    upbeat: float = 0.0,
) -> Piece:
    """Assemble a piece from its voices.

    Raises:
        ValueError: The voices do not end together, or one of them cannot be read.
    """
    parsed = [parse_voice(text, voice, bar, upbeat) for voice, text in voices]
    lengths = {round(length, 6) for _, length in parsed}
    if len(lengths) != 1:
        raise ValueError(f"{slug}: the voices last {sorted(lengths)} quarter notes, they must end together")
    notes = tuple(sorted(note for part, _ in parsed for note in part))
    return Piece(slug, composer, titles, quarters_per_minute, bar, upbeat, harmony, round(parsed[0][1], 6), notes)


def _broken(chords: str) -> tuple[tuple[Voice, str], ...]:
    """The figure of BWV 846: each five-note chord is broken twice, its two lowest notes are held."""
    bass, tenor, upper = [], [], []
    for chord in chords.split("|"):
        a, b, c, d, e = chord.split()
        bass.append(f"(h {a})x2")
        tenor.append(f"(s r q. {b} s r)x2")
        upper.append(f"(e r s {c} {d} {e} {c} {d} {e})x2")
    return ("bass", " | ".join(bass)), ("inner", " | ".join(tenor)), ("inner", " | ".join(upper))


_PRELUDE_IN_C = make_piece(
    "bach-bwv846",
    "Johann Sebastian Bach",
    ("Prelude and Fugue in C Major, WTC I, BWV 846", "Prelude & Fugue in C major, WTC I, BWV846"),
    quarters_per_minute=72,
    bar=4,
    harmony=4,
    voices=_broken(
        "C4 E4 G4 C5 E5 | C4 D4 A4 D5 F5 | B3 D4 G4 D5 F5 | C4 E4 G4 C5 E5 | C4 E4 A4 E5 A5 |"
        "C4 D4 F#4 A4 D5 | B3 D4 G4 D5 G5 | B3 C4 E4 G4 C5 | A3 C4 E4 G4 C5 | D3 A3 D4 F#4 C5 |"
        "G3 B3 D4 G4 B4 | G3 Bb3 E4 G4 C#5 | F3 A3 D4 A4 D5 | F3 Ab3 D4 F4 B4 | E3 G3 C4 G4 C5 |"
        "E3 F3 A3 C4 F4 | D3 F3 A3 C4 F4 | G2 D3 G3 B3 F4 | C3 E3 G3 C4 E4"
    ),
)

_MOONLIGHT = make_piece(
    "beethoven-op27-2",
    "Ludwig van Beethoven",
    (
        "Sonata No. 14 in C-sharp Minor, Op. 27 No. 2, First Movement",
        "Sonata No. 14 in C-sharp minor, Op.27, No.2, First Movement",
    ),
    quarters_per_minute=56,
    bar=4,
    harmony=2,
    voices=(
        (
            "melody",
            "w r | r | r | r | h. r e. G#4 s G#4 | h. G#4 e. G#4 s G#4 | h G#4 A4 | h G#4 q F#4 B4 | w E4",
        ),
        (
            "inner",
            "t (G#3 C#4 E4)x4 | (G#3 C#4 E4)x4 | (A3 C#4 E4)x2 (A3 D4 F#4)x2 |"
            "G#3 C4 F#4 G#3 C#4 E4 G#3 C#4 D#4 F#3 C4 D#4 | E3 G#3 C#4 (G#3 C#4 E4)x3 | (G#3 D#4 F#4)x4 |"
            "(G#3 C#4 E4)x2 (A3 C#4 F#4)x2 | (G#3 B3 E4)x2 (A3 B3 D#4)x2 | (G#3 B3 E4)x4",
        ),
        (
            "bass",
            "w C#2+C#3 | B1+B2 | h A1+A2 F#1+F#2 | G#1+G#2 G#1+G#2 | w C#2+C#3 | C2+C3 | h C#2+C#3 F#1+F#2 |"
            "B1+B2 B1+B2 | w E2+E3",
        ),
    ),
)

_FUER_ELISE = make_piece(
    "beethoven-woo59",
    "Ludwig van Beethoven",
    ('Bagatelle No. 25 in A Minor, WoO 59, "Für Elise"',),
    quarters_per_minute=66,
    bar=1.5,
    harmony=1.5,
    upbeat=0.5,
    voices=(
        (
            "melody",
            "s E5 D#5 | E5 D#5 E5 B4 D5 C5 | e A4 s r C4 E4 A4 | e B4 s r E4 G#4 B4 | e C5 s r E4 E5 D#5 |"
            "E5 D#5 E5 B4 D5 C5 | e A4 s r C4 E4 A4 | e B4 s r E4 C5 B4 | e A4 s r B4 C5 D5 |"
            "e. E5 s G4 F5 E5 | e. D5 s F4 E5 D5 | e. C5 s E4 D5 C5 | e B4 s r r E4 E5 | r E5 E6 r r D#5 |"
            "E5 r r D#5 E5 D#5 | E5 D#5 E5 B4 D5 C5 | e A4 s r C4 E4 A4 | e B4 s r E4 G#4 B4 |"
            "e C5 s r E4 E5 D#5 | E5 D#5 E5 B4 D5 C5 | e A4 s r C4 E4 A4 | e B4 s r E4 C5 B4 | q A4",
        ),
        (
            "bass",
            "e r | q. r | s A2 E3 A3 e. r | s E2 E3 G#3 e. r | s A2 E3 A3 e. r | q. r | s A2 E3 A3 e. r |"
            "s E2 E3 G#3 e. r | s A2 E3 A3 e. r | s C3 G3 C4 e. r | s G2 G3 B3 e. r | s A2 E3 A3 e. r |"
            "s E2 E3 E4 e. r | q. r | r | r | s A2 E3 A3 e. r | s E2 E3 G#3 e. r | s A2 E3 A3 e. r | q. r |"
            "s A2 E3 A3 e. r | s E2 E3 G#3 e. r | s A2 E3 e A3",
        ),
    ),
)

_MINUET_IN_G = make_piece(
    "petzold-anh114",
    "Christian Petzold",
    ("Minuet in G Major, BWV Anh. 114",),
    quarters_per_minute=116,
    bar=3,
    harmony=3,
    voices=(
        (
            "melody",
            "q D5 e G4 A4 B4 C5 | q D5 G4 G4 | q E5 e C5 D5 E5 F#5 | q G5 G4 G4 | q C5 e D5 C5 B4 A4 |"
            "q B4 e C5 B4 A4 G4 | q F#4 e G4 A4 B4 G4 | h. A4 |"
            "q D5 e G4 A4 B4 C5 | q D5 G4 G4 | q E5 e C5 D5 E5 F#5 | q G5 G4 G4 | q C5 e D5 C5 B4 A4 |"
            "q B4 e C5 B4 A4 G4 | q A4 e B4 A4 G4 F#4 | h. G4",
        ),
        (
            "bass",
            "h G3+B3+D4 q A3 | h. B3 | C4 | B3 | A3 | G3 | q D4 B3 G3 | q D4 e D3 C4 B3 A3 |"
            "h B3 q A3 | q G3 B3 G3 | h. C4 | q B3 e C4 B3 A3 G3 | h A3 q F#3 | h G3 q B3 | q C4 D4 D3 |"
            "h G3 q G2",
        ),
    ),
)

_SONATA_IN_A = make_piece(
    "mozart-k331",
    "Wolfgang Amadeus Mozart",
    ("Sonata in A Major, K. 331, First Movement",),
    quarters_per_minute=68,
    bar=3,
    harmony=1.5,
    voices=(
        (
            "melody",
            "e. C#5 s D5 e C#5 q E5 e E5 | e. B4 s C#5 e B4 q D5 e D5 | q A4 e A4 q B4 e B4 |"
            "q C#5 s E5 D5 q C#5 e B4 | e. C#5 s D5 e C#5 q E5 e E5 | e. B4 s C#5 e B4 q D5 e D5 |"
            "q A4 e B4 q C#5 e D5 | q C#5 e B4 q A4 e r",
        ),
        (
            "bass",
            "e. A3+E4 s B3 e A3+E4 q C#4+E4 e C#4+E4 | e. G#3+E4 s A3 e G#3+E4 q B3+E4 e B3+E4 |"
            "q F#3 e F#3 q G#3+E4 e G#3+E4 | q A3+E4 e D3+A3 q E3+A3 e E3+G#3 |"
            "e. A3+E4 s B3 e A3+E4 q C#4+E4 e C#4+E4 | e. G#3+E4 s A3 e G#3+E4 q B3+E4 e B3+E4 |"
            "q F#3 e G#3 q A3+E4 e B3+E4 | q E3+A3 e E3+G#3 q A2+A3 e r",
        ),
    ),
)

PIECES: tuple[Piece, ...] = (_PRELUDE_IN_C, _MOONLIGHT, _FUER_ELISE, _MINUET_IN_G, _SONATA_IN_A)
"""Every piece of the sample; two of them are spelled two ways, as real catalogues do."""
