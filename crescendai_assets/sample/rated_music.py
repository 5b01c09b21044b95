"""What the sample's listeners hear: three works, the passages cut from them, and the names of the performances.

Note data only, set down from memory and simplified, as in `pieces`. None of the works is in the sample's MAESTRO; one
of them is in its ASAP. How a passage is played belongs to `rated_playing`, how it is rated to `ratings`.

Each work has something that PercePiano has. The variations are pieces of their own, one passage each. The refrain of
the ecossaises comes twice, under two names, and so does a repeated passage of the moments musicaux; of these, one is
cut twice, into 8 and into 16 bars.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crescendai_assets.sample.pieces import Piece, ScoreNote, make_piece

PERFORMERS = ("1", "2", "3", "4", "Score")
"""Who plays each passage; `Score` is a machine."""

SHORT, LONG = 8, 16
"""Bars of a passage."""


@dataclass(frozen=True)
class Passage:
    """Some bars of a work.

    Attributes:
        piece: The music that the bars are cut from.
        work: `Mozart_K265`.
        movement: As names have it: `var1`, `mv1`.
        bars: Length.
        digits: Number of the passage, as names have it.
        first: Bars of the piece before it.
    """

    piece: Piece
    work: str
    movement: str
    bars: int
    digits: str
    first: int

    def key(self, performer: str) -> str:
        """Name of a performance: its label's key, and the stem of its files."""
        return f"{self.work}_{self.movement}_{self.bars}bars_{performer}_{self.digits}"

    @property
    def quarters(self) -> float:
        """Length in quarter notes."""
        return self.bars * self.piece.bar

    @property
    def notes(self) -> tuple[ScoreNote, ...]:
        """What is written, with onsets from the passage's beginning."""
        start = self.first * self.piece.bar
        return tuple(
            ScoreNote(round(n.onset - start, 6), n.duration, n.pitch, n.voice)
            for n in self.piece.notes
            if start - 1e-6 <= n.onset < start + self.quarters - 1e-6
        )

    @property
    def music(self) -> tuple[str, int, int]:
        """The same for passages that are a repeat of each other."""
        return self.piece.slug, self.first, self.bars


VARIATIONS = make_piece(
    "mozart-k265",
    "Wolfgang Amadeus Mozart",
    ('12 Variations on "Ah vous dirai-je, Maman", K. 265',),
    quarters_per_minute=188,
    bar=2,
    harmony=2,
    voices=(
        (
            "melody",
            "q C5 C5 | G5 G5 | A5 A5 | G5 G5 | F5 F5 | E5 E5 | D5 e. D5 s E5 | h C5 |"
            "s D5 C5 B4 C5 B4 C5 B4 C5 | A5 G5 F#5 G5 F#5 G5 F#5 G5 | G#5 A5 C6 B5 D6 C6 B5 A5 |"
            "A5 G5 E6 D6 C6 B5 A5 G5 | G5 F5 D6 C6 B5 A5 G5 F5 | F5 E5 C6 B5 A5 G5 F5 E5 |"
            "E5 D5 A5 G5 F5 E5 D5 C5 | q C5 r |"
            "q E4+C5 E4+C5 | E5+G5 E5+G5 | F5+A5 F5+A5 | h E5+G5 | q D5+F5 D5+F5 | C5+E5 C5+E5 |"
            "B4+D5 e. D5 s E5 | h C5 |"
            "t E4 G4 C5 E5 C5 G4 | G4 C5 E5 G5 E5 C5 | A4 C5 F5 A5 F5 C5 | G4 C5 E5 G5 E5 C5 |"
            "F4 B4 D5 F5 D5 B4 | E4 A4 C5 E5 C5 A4 | D4 F4 A4 D5 B4 G4 | h C5 |"
            "e r C5 r C5 | r G5 r G5 | r A5 r A5 | r G5 r G5 | r F5 r F5 | r E5 r E5 | s D5 D5 F5 F5 e D5 B4 | h C5",
        ),
        (
            "bass",
            "q C3 C4 | E4 C4 | F4 C4 | E4 C4 | D4 B3 | C4 A3 | F3 G3 | h C3 |"
            "q C3 r | E4 r | F4 r | E4 r | D4 r | C4 r | F3 G3 | C3 r |"
            "s C3 B2 C3 E3 G3 F#3 G3 E3 | C3 B2 C3 E3 G3 F#3 G3 C4 | F3 E3 F3 A3 C4 B3 C4 A3 |"
            "C3 B2 C3 E3 G3 F#3 G3 E3 | B2 A2 B2 D3 G3 F#3 G3 B3 | C3 B2 C3 E3 A3 G#3 A3 E3 |"
            "F3 E3 F3 A3 G3 F#3 G3 B3 | q C3 C2 |"
            "q C3 C4 | E3 C3 | F3 A3 | E3 C3 | D3 G3 | C3 A2 | F3 G3 | h C3 |"
            "e C3+E3 r E3+G3 r | C4 r E4 r | F4 r C4 r | E4 r C4 r | D4 r B3 r | C4 r A3 r | F3 A3 G3 G3 | h C3",
        ),
    ),
)

ECOSSAISES = make_piece(
    "beethoven-woo83",
    "Ludwig van Beethoven",
    ("6 Ecossaises in E-flat Major, WoO 83",),
    quarters_per_minute=196,
    bar=2,
    harmony=2,
    voices=(
        (
            "melody",
            "e Eb5 s G5 F5 e Eb5 Bb4 | G5 s Bb5 Ab5 e G5 Eb5 | F5 s Ab5 G5 e F5 D5 | Eb5 s G5 F5 e Eb5 Bb4 |"
            "Eb5 s G5 F5 e Eb5 Bb4 | G5 s Bb5 Ab5 e G5 Eb5 | F5 Bb4 D5 F5 | q Eb5 r |"
            "s Bb4 C5 D5 Eb5 F5 G5 Ab5 F5 | G5 F5 Eb5 G5 e Bb5 G5 | s Ab5 G5 F5 Ab5 e C6 Ab5 | G5 F5 q Eb5 |"
            "s Bb4 C5 D5 Eb5 F5 G5 Ab5 F5 | e G5 s Bb5 Ab5 e G5 Eb5 | F5 Bb4 D5 F5 | q Eb5 r |"
            "e Eb5 Eb5 s D5 Eb5 F5 G5 | e Ab5 F5 q D5 | e F5 F5 s E5 F5 G5 Ab5 | e Bb5 G5 q Eb5 |"
            "e Eb5 Eb5 s D5 Eb5 F5 G5 | e Ab5 F5 C6 Ab5 | G5 Eb5 F5 D5 | q Eb5 r |"
            "s G5 Ab5 Bb5 G5 e Eb5 Bb4 | s C5 D5 Eb5 F5 e G5 Eb5 | s F5 G5 Ab5 F5 e D5 Bb4 |"
            "s Eb5 F5 G5 Ab5 e Bb5 G5 | s G5 Ab5 Bb5 G5 e Eb5 Bb4 | s C5 D5 Eb5 F5 e G5 C6 |"
            "s Bb5 Ab5 G5 F5 e D5 F5 | q Eb5 r",
        ),
        (
            "bass",
            "(e Eb2 G3+Bb3 Bb2 G3+Bb3 |)x2 Bb2 Ab3+D4 F2 Ab3+D4 | (Eb2 G3+Bb3 Bb2 G3+Bb3 |)x3 Bb2 Ab3+D4 F2 Ab3+D4 |"
            "q Eb2+Eb3 r |"
            "e Bb2 Ab3+D4 F2 Ab3+D4 | Eb2 G3+Bb3 Bb2 G3+Bb3 | Ab2 Ab3+C4 Eb3 Ab3+C4 | Bb2 Ab3+D4 q Eb3+G3 |"
            "e Bb2 Ab3+D4 F2 Ab3+D4 | Eb2 G3+Bb3 Bb2 G3+Bb3 | Bb2 Ab3+D4 F2 Ab3+D4 | q Eb2+Eb3 r |"
            "e Eb3 G3+Bb3 Eb3 G3+Bb3 | (Bb2 F3+Ab3 Bb2 F3+Ab3 |)x2 (Eb3 G3+Bb3 Eb3 G3+Bb3 |)x2"
            "Ab2 Eb3+C4 Ab2 Eb3+C4 | Bb2 G3+Eb4 Bb2 Ab3+D4 | q Eb2+Eb3 r |"
            "(e Eb3 Bb3 G3 Bb3 |)x2 Bb2 F3 Ab3 F3 | (Eb3 Bb3 G3 Bb3 |)x2 Ab2 Eb3 C4 Eb3 | Bb2 F3 Ab3 Bb3 |"
            "q Eb2+Eb3 r",
        ),
    ),
)

MOMENT_MUSICAL = make_piece(
    "schubert-d780-3",
    "Franz Schubert",
    ("Moment musical in F Minor, D. 780 No. 3",),
    quarters_per_minute=116,
    bar=2,
    harmony=2,
    voices=(
        (
            "melody",
            "(e Ab4+C5 Ab4+C5 s Bb4+Db5 Ab4+C5 e G4+Bb4 |)x2 Ab4+C5 F4+Ab4 G4+Bb4 E4+G4 | q F4+Ab4 e F4 C5 |"
            "(e C5+Eb5 C5+Eb5 s Db5+F5 C5+Eb5 e Bb4+Db5 |)x2 C5+Eb5 Ab4+C5 Bb4+Db5 G4+Bb4 | h Ab4+C5 |"
            "e Eb5+G5 Eb5+G5 s F5+Ab5 Eb5+G5 e Db5+F5 | C5+Eb5 Ab4+C5 q Ab4+C5 |"
            "e Db5+F5 Db5+F5 s Eb5+G5 Db5+F5 e C5+Eb5 | Bb4+Db5 G4+Bb4 q G4+Bb4 |"
            "(e Ab4+C5 Ab4+C5 s Bb4+Db5 Ab4+C5 e G4+Bb4 |)x2 Ab4+C5 F4+Ab4 G4+Bb4 E4+G4 | h F4+Ab4",
        ),
        (
            "bass",
            "(e F2 Ab3+C4 F3 Ab3+C4 |)x2 Db3 F3+Ab3 C3 E3+Bb3 | F2 F3+C4 F3 E3 |"
            "(e Ab2 Eb3+C4 Ab3 Eb3+C4 |)x2 Eb3 Ab3+C4 Eb3 G3+Db4 | h Ab2+Ab3 |"
            "e Eb3 G3+Db4 Eb3 G3+Db4 | Ab2 Eb3+C4 Ab3 Eb3+C4 | Bb2 F3+Db4 Bb3 F3+Db4 | Eb3 G3+Db4 Eb3 E3 |"
            "(e F2 Ab3+C4 F3 Ab3+C4 |)x2 Db3 F3+Ab3 C3 E3+Bb3 | h F2+F3",
        ),
    ),
)


MOMENT_VIVACE = make_piece(
    "schubert-d780-5",
    "Franz Schubert",
    ("Moment musical in F Minor, D. 780 No. 5",),
    quarters_per_minute=196,
    bar=2,
    harmony=2,
    voices=(
        (
            "melody",
            "q C5+F5 e C5+F5 C5+F5 | q Db5+F5 e Db5+F5 Db5+F5 | q E5+Bb5 e E5+G5 E5+G5 | q F5+Ab5 e C5+F5 C5+F5 |"
            "q F5+C6 e F5+Ab5 F5+Ab5 | q F5+Bb5 e Db5+F5 Db5+F5 | q C5+Ab5 e C5+E5 Bb4+G5 | h Ab4+F5",
        ),
        (
            "bass",
            "q F2+F3 e Ab3 C4 | q Bb2 e F3 Bb3 | q C3 e G3 Bb3 | q F2+F3 e Ab3 C4 |"
            "q F2+F3 e Ab3 C4 | q Bb2 e F3 Bb3 | q C2+C3 e G3 C3 | h F2",
        ),
    ),
)

PASSAGES: tuple[Passage, ...] = (
    Passage(VARIATIONS, "Mozart_K265", "thema", SHORT, "0", 0),
    Passage(VARIATIONS, "Mozart_K265", "var1", SHORT, "1", 8),
    Passage(VARIATIONS, "Mozart_K265", "var2", SHORT, "2", 16),
    Passage(VARIATIONS, "Mozart_K265", "var3", SHORT, "3", 24),
    Passage(VARIATIONS, "Mozart_K265", "var5", SHORT, "5", 32),
    Passage(ECOSSAISES, "Beethoven_WoO83", "no.1", SHORT, "1", 0),
    Passage(ECOSSAISES, "Beethoven_WoO83", "no.1", SHORT, "2", 8),
    Passage(ECOSSAISES, "Beethoven_WoO83", "no.2", SHORT, "1", 16),
    Passage(ECOSSAISES, "Beethoven_WoO83", "no.2", SHORT, "2", 8),
    Passage(ECOSSAISES, "Beethoven_WoO83", "no.3", SHORT, "1", 24),
    Passage(MOMENT_MUSICAL, "Schubert_D780", "no.3", SHORT, "01", 0),
    Passage(MOMENT_MUSICAL, "Schubert_D780", "no.3", SHORT, "02", 8),
    Passage(MOMENT_MUSICAL, "Schubert_D780", "no.3", LONG, "01", 0),
    Passage(MOMENT_VIVACE, "Schubert_D780", "no.5", SHORT, "01", 0),
    Passage(MOMENT_VIVACE, "Schubert_D780", "no.5", SHORT, "02", 0),
)
"""Five of each work, in the order of works."""

WORKS: tuple[str, ...] = tuple(dict.fromkeys(passage.work for passage in PASSAGES))
"""The works."""

PLAYED: tuple[tuple[Passage, str], ...] = tuple((passage, name) for passage in PASSAGES for name in PERFORMERS)
"""Passage and performer of every performance."""

KEYS: tuple[str, ...] = tuple(passage.key(name) for passage, name in PLAYED)
"""Their names, in the same order."""


def parts(whole: Passage) -> tuple[Passage, ...]:
    """The two passages inside one of 16 bars, in order; none inside a shorter one."""
    if whole.bars != LONG:
        return ()
    music = [(whole.piece.slug, whole.first + after, SHORT) for after in (0, SHORT)]
    return tuple(next(passage for passage in PASSAGES if passage.music == one) for one in music)


def halves() -> Iterator[tuple[int, int, int]]:
    """Of each passage of 16 bars, where it stands in `PASSAGES`, and where the two passages inside it stand."""
    for index, whole in enumerate(PASSAGES):
        if inside := parts(whole):
            first, second = (PASSAGES.index(part) for part in inside)
            yield index, first, second
