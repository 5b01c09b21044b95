"""The sample corpus on disk: a miniature MAESTRO v3 in its own layout, file names and table.

Decides who plays what when, sets levels and writes files. The music stands in `pieces`, the playing in
`performers`, the sound in `synth`. Two recordings are faulty on purpose, because real collections are: one
holds a long silence, one was cut off while its header still declares the full length.
"""

from __future__ import annotations

import functools
import io
import json
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crescendai_assets.sample import midi, performers, pieces, synth
from crescendai_assets.sample.keeping import keep, recipe_of
from crescendai_assets.sample.performers import PERFORMERS, Performance, perform
from crescendai_assets.sample.pieces import PIECES

TABLE = "maestro-v3.0.0.json"
_PEAK = 10 ** (-2.0 / 20)  # every recording peaks at -2 dBFS
_FADE = 0.8  # seconds in which the sound is faded out before a silence
_WAV_HEADER = 44

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class SampleRecording:
    """One recording of the sample, as the table states it, and what is wrong with it.

    Attributes:
        audio_filename: Relative to the root, as in MAESTRO's table.
        midi_filename: The same of its MIDI file.
        composer: As in the table.
        title: The spelling that this recording uses.
        work: Slug of the piece; recordings of one work share it whatever their spelling.
        performer: Name of the imagined pianist.
        split: A work and a performer each stay within one split.
        year: Edition of the competition.
        seconds: Length that the table states.
        sample_rate: Hz.
        channels: 1 or 2.
        silence: Start and end of a digital silence, seconds.
        cut_at: Where the sound data really end, seconds; None for a whole file.
    """

    audio_filename: str
    midi_filename: str
    composer: str
    title: str
    work: str
    performer: str
    split: Split
    year: int
    seconds: float
    sample_rate: int
    channels: int
    silence: tuple[float, float] | None = None
    cut_at: float | None = None


@dataclass(frozen=True)
class SampleCorpus:
    """What `write_maestro` left on disk.

    Attributes:
        root: Folder that holds the table and one folder a year.
        recordings: In the order of the table.
        written: Files that this call had to write, relative to the root; empty when all was in place.
    """

    root: Path
    recordings: tuple[SampleRecording, ...]
    written: tuple[str, ...]

    @property
    def years(self) -> tuple[int, ...]:
        """The years there are recordings of, ascending."""
        return tuple(sorted({one.year for one in self.recordings}))

    @property
    def seconds(self) -> float:
        """Length of all recordings as the table states it, the truncated one in full."""
        return sum(one.seconds for one in self.recordings)

    @property
    def truncated(self) -> SampleRecording:
        """The recording whose file ends before its header says."""
        return next(one for one in self.recordings if one.cut_at is not None)

    @property
    def silent(self) -> SampleRecording:
        """The recording with a 30 s segment of digital silence."""
        return next(one for one in self.recordings if one.silence is not None)


def _recording(
    year: int,
    stem: str,
    performer: str,
    work: str,
    split: Split,
    seconds: float,
    *,
    spelling: int = 0,
    silence: tuple[float, float] | None = None,
    cut_at: float | None = None,
) -> SampleRecording:
    piece = next(one for one in PIECES if one.slug == work)
    sample_rate, channels = _HALLS[year]
    return SampleRecording(
        f"{year}/{stem}.wav",
        f"{year}/{stem}.midi",
        piece.composer,
        piece.titles[spelling],
        work,
        performer,
        split,
        year,
        round(seconds * sample_rate) / sample_rate,
        sample_rate,
        channels,
        silence,
        cut_at,
    )


_HALLS = {2004: (44_100, 2), 2011: (44_100, 1), 2018: (48_000, 2)}  # sample rate and channels of each edition

# File names are spelled as each edition spells them, contestant number included, but none is MAESTRO's own.
_ALL = (
    _recording(
        2004,
        "MIDI-Unprocessed_XP_31_R1_2004_01-02_ORIG_MID--AUDIO_31_R1_2004_01_Track01_wav",
        "Ilse Marten",
        "bach-bwv846",
        "train",
        34.65,
    ),
    _recording(
        2004,
        "MIDI-Unprocessed_XP_31_R1_2004_01-02_ORIG_MID--AUDIO_31_R1_2004_02_Track02_wav",
        "Ilse Marten",
        "beethoven-op27-2",
        "train",
        41.32,
    ),
    _recording(
        2004,
        "MIDI-Unprocessed_SMF_34_R1_2004_01_ORIG_MID--AUDIO_34_R1_2004_03_Track03_wav",
        "Tomas Ferreira",
        "petzold-anh114",
        "validation",
        18.44,
    ),
    _recording(
        2011,
        "MIDI-Unprocessed_31_R1_2011_MID--AUDIO_R1-D1_21_Track21_wav",
        "Noor Haddad",
        "bach-bwv846",
        "train",
        36.27,
        spelling=1,
    ),
    _recording(
        2011,
        "MIDI-Unprocessed_31_R2_2011_MID--AUDIO_R2-D1_22_Track22_wav",
        "Noor Haddad",
        "beethoven-op27-2",
        "train",
        70.8,
        spelling=1,
        silence=(28.5, 61.0),
    ),
    _recording(
        2011,
        "MIDI-Unprocessed_33_R1_2011_MID--AUDIO_R1-D2_24_Track24_wav",
        "Pavel Dorn",
        "petzold-anh114",
        "validation",
        22.19,
    ),
    _recording(
        2011,
        "MIDI-Unprocessed_35_R1_2011_MID--AUDIO_R1-D3_27_Track27_wav",
        "Aiko Lind",
        "beethoven-woo59",
        "test",
        26.53,
    ),
    _recording(
        2018,
        "MIDI-Unprocessed_Recital31-33_MID--AUDIO_31_R1_2018_wav--1",
        "Juno Park",
        "bach-bwv846",
        "train",
        40.0,
        cut_at=20.5,
    ),
    _recording(
        2018,
        "MIDI-Unprocessed_Recital31-33_MID--AUDIO_31_R1_2018_wav--2",
        "Juno Park",
        "mozart-k331",
        "train",
        32.7,
    ),
    _recording(
        2018,
        "MIDI-Unprocessed_Recital31-33_MID--AUDIO_31_R1_2018_wav--3",
        "Juno Park",
        "beethoven-op27-2",
        "train",
        35.9,
    ),
    _recording(
        2018,
        "MIDI-Unprocessed_Recital31-33_MID--AUDIO_33_R1_2018_wav--2",
        "Bruno Castel",
        "beethoven-woo59",
        "test",
        24.08,
    ),
)

RECORDINGS: tuple[SampleRecording, ...] = tuple(sorted(_ALL, key=lambda one: (one.composer, one.title, one.year)))
"""The sample's programme, in the order of MAESTRO's table: by composer and title."""


def write_maestro(root: Path) -> SampleCorpus:
    """Make the sample corpus under `root`, in MAESTRO v3's own layout.

    The same bytes come out in any process and folder of one machine. A file that is in place is left alone,
    one that is missing or was changed is made again, and no file is ever seen half written.

    Args:
        root: Folder to hold `maestro-v3.0.0.json` and one folder a year; made where it is missing.

    Returns:
        What is now under `root`, with the faults that were put in on purpose.
    """
    wanted: dict[str, Callable[[], bytes]] = {}
    for one in RECORDINGS:
        wanted[one.audio_filename] = functools.partial(_wav_bytes, one)
        wanted[one.midi_filename] = functools.partial(_midi_bytes, one)
    wanted[TABLE] = _table_bytes  # last: a table never names files that are not there yet

    written = keep(root, wanted, _recipe())
    synth.forget_tones()
    return SampleCorpus(root, RECORDINGS, written)


def played(recording: SampleRecording) -> Performance:
    """What was played in a recording, from its first second to its last.

    A recording with a silence holds two performances of the piece, one on each side of it.
    """
    piece = next(one for one in PIECES if one.slug == recording.work)
    performer = PERFORMERS[recording.performer]
    if recording.silence is None:
        return perform(piece, performer, recording.seconds)
    start, end = recording.silence
    return perform(piece, performer, start).followed_by(perform(piece, performer, recording.seconds - end).shifted(end))


def _midi_bytes(recording: SampleRecording) -> bytes:
    return midi.midi_bytes(played(recording), recording.seconds)


def _wav_bytes(recording: SampleRecording) -> bytes:
    """A 16-bit WAV file, cut off where the recording says so."""
    heard = played(recording)
    sr = recording.sample_rate
    audio = synth.synthesise(heard.notes, heard.pedals, sr, recording.seconds, channels=recording.channels)
    if recording.silence is not None:
        _silence(audio, *recording.silence, sr)
    audio *= np.float32(_PEAK / np.abs(audio).max())
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(recording.channels)
        out.setsampwidth(2)
        out.setframerate(sr)
        out.writeframes(np.round(audio * 32767).astype("<i2").tobytes())
    whole = buffer.getvalue()
    if recording.cut_at is None:
        return whole
    return whole[: _WAV_HEADER + round(recording.cut_at * sr) * 2 * recording.channels]


def _silence(audio: NDArray[np.float32], start: float, end: float, sr: int) -> None:
    """Fade out and leave nothing but zeros from `start` to `end`, seconds, in place."""
    a, b, fade = round(start * sr), round(end * sr), round(_FADE * sr)
    ramp = np.linspace(1, 0, fade, dtype=np.float32)
    audio[a - fade : a] *= ramp if audio.ndim == 1 else ramp[:, None]
    audio[a:b] = 0


def _table_bytes() -> bytes:
    """MAESTRO v3's table: column by column, each a mapping from the row's number as text."""
    columns: dict[str, Callable[[SampleRecording], str | int | float]] = {
        "canonical_composer": lambda one: one.composer,
        "canonical_title": lambda one: one.title,
        "split": lambda one: one.split,
        "year": lambda one: one.year,
        "midi_filename": lambda one: one.midi_filename,
        "audio_filename": lambda one: one.audio_filename,
        "duration": lambda one: round(one.seconds, 9),
    }
    table = {name: {str(i): value(one) for i, one in enumerate(RECORDINGS)} for name, value in columns.items()}
    return json.dumps(table, indent=4, ensure_ascii=False).encode()


def _recipe() -> str:
    """Changes with every line of code that decides what is written."""
    return recipe_of(midi, performers, pieces, synth, also=Path(__file__).read_text())
