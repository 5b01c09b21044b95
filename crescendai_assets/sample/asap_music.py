"""The programme of the sample's ASAP: which piece is played by whom, and what is odd about which file.

Who plays what, as data; files and annotations are made by `asap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crescendai_assets.sample.corpus import RECORDINGS, SampleRecording
from crescendai_assets.sample.pieces import PIECES, Piece, make_piece
from crescendai_assets.sample.rated_music import VARIATIONS

Fault = Literal["truncated", "without notes"]

CHORDS = make_piece(
    "chopin-op28-20",
    "Frédéric Chopin",
    ("Prelude in C Minor, Op. 28 No. 20",),
    quarters_per_minute=58,
    bar=4,
    harmony=1,
    voices=(
        (
            "melody",
            "q G4 Ab4 e. G4 s F4 q Eb4 | Eb4 F4 e. Eb4 s Db4 q C4 | D4 G4 e. F4 s Eb4 q D4 | D4 C5 e. B4 s A4 q G4 |"
            "G4 Ab4 e. G4 s F4 q Eb4 | Eb4 D4 e. Eb4 s D4 q G4 | G4 Ab4 e. G4 s F4 q Eb4 | Eb4 D4 h C4",
        ),
        (
            "inner",
            "q C4+Eb4 C4+F4 B3+D4 G3+C4 | Ab3+C4 Ab3+Db4 G3+Bb3 Eb3+Ab3 | G3+B3 C4+Eb4 Ab3+C4 G3+C4 |"
            "F#3+A3 D4+G4 D4+F#4 B3+D4 | C4+Eb4 C4+Eb4 Bb3+Db4 A3+C4 | Ab3+C4 F3+B3 Ab3+C4 F3+B3 |"
            "C4+Eb4 C4+Eb4 Bb3+Db4 A3+C4 | Ab3+C4 F3+B3 h E3+G3",
        ),
        (
            "bass",
            "q C2+C3 F1+F2 G1+G2 C2+C3 | Ab1+Ab2 Db2+Db3 Eb2+Eb3 Ab1+Ab2 | G1+G2 C2+C3 F2+F3 C2+C3 |"
            "D2+D3 G1+G2 D2+D3 G1+G2 | C2+C3 B1+B2 Bb1+Bb2 A1+A2 | Ab1+Ab2 G1+G2 F1+F2 G1+G2 |"
            "C2+C3 B1+B2 Bb1+Bb2 A1+A2 | Ab1+Ab2 G1+G2 h C2+C3",
        ),
    ),
)


@dataclass(frozen=True)
class AsapPiece:
    """A piece of the sample's ASAP.

    Attributes:
        piece: The music.
        composer: As ASAP has it, the surname.
        title: As ASAP has it.
        folder: Relative to the root.
        key_signature: Sharps, or flats as a negative number.
        downbeat: On which every performance ends, quarter notes from the first note.
    """

    piece: Piece
    composer: str
    title: str
    folder: str
    key_signature: int
    downbeat: float


@dataclass(frozen=True)
class AsapPerformance:
    """A performance of it, and what is odd about it.

    Attributes:
        piece: What is played.
        performer: Who plays, a name of `performers`.
        stem: Name of its files.
        maestro: The recording of the sample's MAESTRO that this is the same playing as, None for one of its own.
        named: Whether the table says so.
        wrong_share: Of its notes, those that are wrong: another pitch, left out, or one too many.
        fault: Why the file cannot be used, None where it can.
    """

    piece: AsapPiece
    performer: str
    stem: str
    maestro: SampleRecording | None = None
    named: bool = False
    wrong_share: float = 0.0
    fault: Fault | None = None

    @property
    def midi(self) -> str:
        """Its MIDI file, relative to the root."""
        return f"{self.piece.folder}/{self.stem}.mid"

    @property
    def annotations(self) -> str:
        """Its beats, relative to the root."""
        return f"{self.piece.folder}/{self.stem}_annotations.txt"


def _maestro_piece(slug: str) -> Piece:
    return next(piece for piece in PIECES if piece.slug == slug)


def _recording(slug: str, performer: str) -> SampleRecording:
    return next(one for one in RECORDINGS if (one.work, one.performer) == (slug, performer))


_PRELUDE = AsapPiece(
    _maestro_piece("bach-bwv846"),
    "Bach",
    "Prelude and Fugue bwv 846",
    "Bach/Prelude_and_Fugue/bwv_846",
    key_signature=0,
    downbeat=36,
)
_MOONLIGHT = AsapPiece(
    _maestro_piece("beethoven-op27-2"),
    "Beethoven",
    "Sonata op.27 no.2 First Movement",
    "Beethoven/Sonata_op27/no2-1",
    key_signature=4,
    downbeat=32,
)
_VARIATIONS = AsapPiece(
    VARIATIONS, "Mozart", "Variations_K265", "Mozart/Variations_K265", key_signature=0, downbeat=VARIATIONS.length - 2
)
_CHORDS = AsapPiece(
    CHORDS, "Chopin", "Prelude-op.28-no.20", "Chopin/Prelude_op28/20", key_signature=-3, downbeat=CHORDS.length - 4
)

ASAP_PIECES: tuple[AsapPiece, ...] = (_PRELUDE, _MOONLIGHT, _CHORDS, _VARIATIONS)
"""Two that the sample's MAESTRO has, one that nobody else has, one that is rated; in the order of the table."""

ASAP_PERFORMANCES: tuple[AsapPerformance, ...] = (
    AsapPerformance(_PRELUDE, "Aiko Lind", "Lind04M"),
    AsapPerformance(_PRELUDE, "Ilse Marten", "Marten01M", maestro=_recording("bach-bwv846", "Ilse Marten"), named=True),
    AsapPerformance(_MOONLIGHT, "Bruno Castel", "Castel02M"),
    AsapPerformance(_MOONLIGHT, "Juno Park", "Park03", maestro=_recording("beethoven-op27-2", "Juno Park")),
    AsapPerformance(_MOONLIGHT, "Pavel Dorn", "Dorn05", wrong_share=0.2),
    AsapPerformance(_CHORDS, "Noor Haddad", "Haddad01"),
    AsapPerformance(_CHORDS, "Tomas Ferreira", "Ferreira02", fault="truncated"),
    AsapPerformance(_VARIATIONS, "Bruno Castel", "Castel01"),
    AsapPerformance(_VARIATIONS, "Juno Park", "Park02", fault="without notes"),
    AsapPerformance(_VARIATIONS, "Tomas Ferreira", "Ferreira01"),
)
"""In the order of the table."""
