"""A small PercePiano on disk: ratings, the rated performances as MIDI and as sound, and their score.

Decides which file holds what. The music is in `rated_music`, the playing in `rated_playing`, what is said about it in
`ratings`, the sound in `synth`.

    total_2rounds.csv    six listeners' answers
    midi/<key>.mid       what was played; the machine's renderings of a repeat are the same bytes, as in the source
    score_midi/<key>.mid the passage as written, even and flat, under the key of performer `Score`
    audio/<key>.wav      24 kHz, mono, 16 bit; all at one gain, since loudness is part of what was rated
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from crescendai_assets.labels import dimensions
from crescendai_assets.sample import midi, performers, pieces, rated_music, rated_playing, ratings, synth
from crescendai_assets.sample.keeping import keep, recipe_of
from crescendai_assets.sample.performers import Performance
from crescendai_assets.sample.rated_music import KEYS, PASSAGES, PLAYED, Passage, parts
from crescendai_assets.sample.rated_playing import LEAD, RING, WRITTEN, Manner, play, play_on, seconds_of
from crescendai_assets.sample.ratings import manners, ratings_csv

RATINGS = "total_2rounds.csv"
SAMPLE_RATE = 24_000

_MARGIN = LEAD + RING  # seconds of a clip beside its bars
_GAIN = 0.9  # the loudest performance peaks a little below full scale


@dataclass(frozen=True)
class RatedSet:
    """What `write_rated_set` left on disk.

    Attributes:
        root: Folder that holds it.
        seconds: Length of each performance, by key.
        written: Files that this call had to write, relative to the root; empty when all was in place.
    """

    root: Path
    seconds: Mapping[str, float]
    written: tuple[str, ...]

    @property
    def ratings(self) -> Path:
        """The raw ratings."""
        return self.root / RATINGS

    def midi(self, key: str) -> Path:
        """What was played."""
        return self.root / "midi" / f"{key}.mid"

    def score(self, key: str) -> Path:
        """The passage as written."""
        return self.root / "score_midi" / f"{_score_key(key)}.mid"

    def audio(self, key: str) -> Path:
        """How it sounded."""
        return self.root / "audio" / f"{key}.wav"


def write_rated_set(root: Path, *, audio: bool = True) -> RatedSet:
    """Make the rated set under `root`; what is in place and whole stays.

    The same bytes come out in any process and folder of one machine.

    Args:
        root: Folder to hold it; made where it is missing.
        audio: Whether to write the sound too, which takes nearly all of the time.
    """
    wanted: dict[str, Callable[[], bytes]] = {}
    for passage in PASSAGES:
        wanted[f"score_midi/{passage.key('Score')}.mid"] = partial(_score_bytes, passage)
    for key in KEYS:
        wanted[f"midi/{key}.mid"] = partial(_midi_bytes, key)
        if audio:
            wanted[f"audio/{key}.wav"] = partial(_wav_bytes, key)
    wanted[RATINGS] = ratings_csv  # last: ratings never speak of files that are not there yet
    written = keep(root, wanted, _recipe())
    synth.forget_tones()
    return RatedSet(root, {key: played(key)[1] for key in KEYS}, written)


@lru_cache(maxsize=len(KEYS))
def played(key: str) -> tuple[Performance, float]:
    """A performance, and its length in seconds with its last chord dying away."""
    passage, performer = PLAYED[KEYS.index(key)]
    return _take(passage, performer, manners().__getitem__)


def _take(passage: Passage, performer: str, how: Callable[[str], Manner]) -> tuple[Performance, float]:
    """16 bars are the two passages inside them, each as it is played alone."""
    if inside := parts(passage):
        (one, first), (other, second) = (_take(part, performer, how) for part in inside)
        return play_on(one, first - _MARGIN, other), first + second - _MARGIN
    key = passage.key(performer)
    machine = performer == "Score"
    return play(passage, how(key), None if machine else key), seconds_of(passage, how(key)) + _MARGIN


def _score_key(key: str) -> str:
    passage, _ = PLAYED[KEYS.index(key)]
    return passage.key("Score")


def _midi_bytes(key: str) -> bytes:
    return midi.midi_bytes(*played(key))


def _score_bytes(passage: Passage) -> bytes:
    written, seconds = _take(passage, "Score", lambda _key: WRITTEN)
    tempo = passage.piece.quarters_per_minute
    return midi.midi_bytes(written, seconds, quarters_per_minute=tempo, beats_a_bar=round(passage.piece.bar))


def _wav_bytes(key: str) -> bytes:
    heard, seconds = played(key)
    sound = _GAIN * synth.synthesise(heard.notes, heard.pedals, SAMPLE_RATE, seconds, channels=1)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.round(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _recipe() -> str:
    """Changes with every line of code that decides what is written."""
    own = Path(__file__).read_text()
    return recipe_of(dimensions, midi, performers, pieces, rated_music, rated_playing, ratings, synth, also=own)
