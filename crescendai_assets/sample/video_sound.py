"""Sound of the sample's videos: a performance, encoded the way sites on the web serve audio."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crescendai_assets.sample.performers import PERFORMERS, perform
from crescendai_assets.sample.pieces import PIECES
from crescendai_assets.sample.synth import FloatArray, synthesise

Kind = Literal["m4a", "webm", "mp3"]

TYPES: dict[str, str] = {"m4a": "audio/mp4", "webm": "audio/webm", "mp3": "audio/mpeg"}
"""What a server calls a file of each kind."""

_PEAK = 10 ** (-2.0 / 20)  # as the rest of the corpus
_BITS_A_CHANNEL = 64_000
# format, encoder, sample rate (Opus knows 48 kHz and its divisors), and the encoder's options
_ENCODERS: dict[Kind, tuple[str, str, int, dict[str, str]]] = {
    "m4a": ("ipod", "aac", 44_100, {}),
    "webm": ("webm", "libopus", 48_000, {}),
    "mp3": ("mp3", "libmp3lame", 44_100, {"compression_level": "9"}),  # the least effort: three times faster
}


@dataclass(frozen=True)
class Sound:
    """What is heard in a video.

    Attributes:
        performer: Whose manner of playing, a name of `PERFORMERS`.
        work: Slug of the piece.
        seconds: Length.
        kind: Container and codec: AAC in m4a, Opus in webm, or mp3.
        channels: 1 or 2.
    """

    performer: str
    work: str
    seconds: float
    kind: Kind
    channels: int = 1


def encoded(sound: Sound) -> bytes:
    """The file that a site serves; the same bytes in any process of one machine."""
    form, codec, rate, options = _ENCODERS[sound.kind]
    return _encode(_played(sound, rate), rate, form, codec, options)


def picture() -> bytes:
    """A small grey PNG: what a site may serve where it promises audio."""
    rows = b"".join(b"\0" + bytes([128] * 32) for _ in range(32))
    header = struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def _played(sound: Sound, rate: int) -> FloatArray:
    """Samples, shape (channels, n)."""
    piece = next(one for one in PIECES if one.slug == sound.work)
    heard = perform(piece, PERFORMERS[sound.performer], sound.seconds)
    audio = synthesise(heard.notes, heard.pedals, rate, sound.seconds, channels=sound.channels)
    audio *= np.float32(_PEAK / np.abs(audio).max())
    return np.ascontiguousarray(audio.T).reshape(sound.channels, -1)


def _encode(audio: FloatArray, rate: int, form: str, codec: str, options: dict[str, str]) -> bytes:
    import av

    layout = "stereo" if len(audio) == 2 else "mono"
    buffer = io.BytesIO()
    # bitexact: no dates, versions or random ids, which would make every file another one
    with av.open(buffer, "w", format=form, options={"fflags": "+bitexact"}) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options=options)
        stream.bit_rate = _BITS_A_CHANNEL * len(audio)
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    return buffer.getvalue()
