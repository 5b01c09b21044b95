"""A miniature ASAP on disk, in its own layout: performances beside their score, with beats, and a table of all.

What is played by whom, and what is odd about it, stands in `asap_music`. Of the layout there is no MusicXML.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from crescendai_assets.sample import asap_music, corpus, midi, performers, pieces, rated_music
from crescendai_assets.sample.asap_music import ASAP_PERFORMANCES, ASAP_PIECES, AsapPerformance, AsapPiece
from crescendai_assets.sample.keeping import keep, recipe_of
from crescendai_assets.sample.performers import (
    PERFORMERS,
    Performance,
    PlayedNote,
    beats,
    content_seed,
    perform,
    playable,
    seconds_until,
)

TABLE = "metadata.csv"
SCORE, SCORE_ANNOTATIONS = "midi_score.mid", "midi_score_annotations.txt"

COLUMNS = (
    "composer", "title", "folder", "xml_score", "midi_score", "midi_performance", "performance_annotations",
    "midi_score_annotations", "maestro_midi_performance", "maestro_audio_performance", "start", "end",
    "audio_performance",
)  # fmt: skip

_TICKS = 384  # ticks a quarter note; MAESTRO's sample has 480
_LATER = 1.25  # seconds that a copy begins later than what it copies


@dataclass(frozen=True)
class SampleAsap:
    """What `write_asap` left on disk.

    Attributes:
        root: Folder that holds `metadata.csv` and a folder a composer.
        performances: In the order of the table, those with a fault too.
        written: Files that this call had to write, relative to the root; empty when all was in place.
    """

    root: Path
    performances: tuple[AsapPerformance, ...]
    written: tuple[str, ...]

    @property
    def usable(self) -> tuple[AsapPerformance, ...]:
        """Those whose file can be read."""
        return tuple(one for one in self.performances if one.fault is None)

    @property
    def copies(self) -> tuple[AsapPerformance, ...]:
        """Those that are the same playing as a recording of the sample's MAESTRO, whether or not the table says so."""
        return tuple(one for one in self.performances if one.maestro is not None)

    @property
    def with_wrong_notes(self) -> AsapPerformance:
        """The one with notes that are not in the score."""
        return next(one for one in self.performances if one.wrong_share)


def write_asap(root: Path) -> SampleAsap:
    """Make the sample's ASAP under `root`; what is in place and whole stays.

    The same bytes come out in any process and folder.
    """
    wanted: dict[str, Callable[[], bytes]] = {}
    for piece in ASAP_PIECES:
        wanted[f"{piece.folder}/{SCORE}"] = partial(_score_bytes, piece)
        wanted[f"{piece.folder}/{SCORE_ANNOTATIONS}"] = partial(_score_beats, piece)
    for one in ASAP_PERFORMANCES:
        wanted[one.midi] = partial(_midi_bytes, one)
        wanted[one.annotations] = partial(_beats, one)
    wanted[TABLE] = _table_bytes  # last: a table never names files that are not there yet
    return SampleAsap(root, ASAP_PERFORMANCES, keep(root, wanted, _recipe()))


@dataclass(frozen=True)
class Wrong:
    """Notes that a pianist got wrong, by where they stand in the right performance.

    Attributes:
        missed: Left out.
        slipped: Struck a half or a whole tone beside.
        added: Struck together with another one beside.
    """

    missed: tuple[int, ...]
    slipped: tuple[int, ...]
    added: tuple[int, ...]


def wrong_notes(one: AsapPerformance) -> Wrong:
    """Which of a performance's notes are wrong: a quarter of them missed, half slipped, a quarter added to."""
    notes = len(_right(one)[0].notes)
    drawn = np.random.default_rng(content_seed("wrong", one.stem)).permutation(notes)[: round(one.wrong_share * notes)]
    first, second, third = np.split(drawn, [len(drawn) // 4, 3 * len(drawn) // 4])
    return Wrong(*(tuple(sorted(part.tolist())) for part in (first, second, third)))


def played(one: AsapPerformance) -> tuple[Performance, float]:
    """What a performance's file holds, wrong notes with it, and its length in seconds."""
    right, seconds = _right(one)
    if not one.wrong_share:
        return right, seconds
    wrong = wrong_notes(one)
    chance = np.random.default_rng(content_seed("slips", one.stem))
    notes: list[PlayedNote] = []
    for index, note in enumerate(right.notes):
        beside = replace(note, pitch=note.pitch + int(chance.choice([-2, -1, 1, 2])))
        if index in wrong.slipped:
            notes.append(beside)
        elif index not in wrong.missed:
            notes.append(note)
        if index in wrong.added:
            notes.append(beside)
    return Performance(playable(notes), right.pedals), seconds


def _right(one: AsapPerformance) -> tuple[Performance, float]:
    if one.maestro is not None:
        return corpus.played(one.maestro).shifted(_LATER), one.maestro.seconds + _LATER
    seconds = _length(one)
    return perform(one.piece.piece, PERFORMERS[one.performer], seconds), seconds


def _length(one: AsapPerformance) -> float:
    return seconds_until(one.piece.piece, PERFORMERS[one.performer], one.piece.downbeat)


def _midi_bytes(one: AsapPerformance) -> bytes:
    heard, seconds = played(one)
    if one.fault == "without notes":
        heard = Performance((), heard.pedals)
    content = midi.midi_bytes(heard, seconds, ticks_per_quarter=_TICKS)
    return content[: len(content) // 2] if one.fault == "truncated" else content


def _score_bytes(piece: AsapPiece) -> bytes:
    """The score to the last downbeat that is played, each note as long as written and none louder than another."""
    quarter = 60 / piece.piece.quarters_per_minute
    notes = [
        PlayedNote(written.onset * quarter, (written.onset + written.duration) * quarter, written.pitch, 64)
        for written in piece.piece.notes
        if written.onset <= piece.downbeat + 1e-6
    ]
    seconds = (piece.downbeat + piece.piece.bar) * quarter
    tempo, beats_a_bar = piece.piece.quarters_per_minute, round(piece.piece.bar)
    return midi.midi_bytes(
        Performance(playable(notes), ()), seconds, quarters_per_minute=tempo, beats_a_bar=beats_a_bar
    )


def _beats(one: AsapPerformance) -> bytes:
    seconds, later = (_length(one), 0.0) if one.maestro is None else (one.maestro.seconds, _LATER)
    return _annotations(one.piece, [at + later for at in beats(one.piece.piece, PERFORMERS[one.performer], seconds)])


def _score_beats(piece: AsapPiece) -> bytes:
    quarter = 60 / piece.piece.quarters_per_minute
    return _annotations(piece, [beat * quarter for beat in range(round(piece.downbeat) + 1)])


def _annotations(piece: AsapPiece, times: list[float]) -> bytes:
    """A beat a line, time twice and what it is; the first says the time signature and the key too."""
    bar = round(piece.piece.bar)
    lines = []
    for index, at in enumerate(times):
        label = f"db,{bar}/4,{piece.key_signature}" if index == 0 else "b" if index % bar else "db"
        lines.append(f"{round(at, 6)}\t{round(at, 6)}\t{label}\n")
    return "".join(lines).encode()


def _table_bytes() -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for one in ASAP_PERFORMANCES:
        row = {
            "composer": one.piece.composer,
            "title": one.piece.title,
            "folder": one.piece.folder,
            "midi_score": f"{one.piece.folder}/{SCORE}",
            "midi_performance": one.midi,
            "performance_annotations": one.annotations,
            "midi_score_annotations": f"{one.piece.folder}/{SCORE_ANNOTATIONS}",
        }
        if one.maestro is not None and one.named:
            row["maestro_midi_performance"] = f"{{maestro}}/{one.maestro.midi_filename}"
            row["maestro_audio_performance"] = f"{{maestro}}/{one.maestro.audio_filename}"
            row["start"] = "0.0"
        writer.writerow(row)
    return out.getvalue().encode()


def _recipe() -> str:
    """Changes with every line of code that decides what is written."""
    return recipe_of(asap_music, corpus, midi, performers, pieces, rated_music, also=Path(__file__).read_text())
