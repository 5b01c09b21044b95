"""A lossy codec there and back, in memory, of the same length and at the same time.

The decoders drop what the encoders put before the sound (MP3: 1,105 samples, Opus: 312 at 48 kHz) by what the packets
say; a test holds them to it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from crescendai_assets.audio.decode import Audio
from crescendai_assets.audio.effects import fitted
from crescendai_assets.lake.errors import SetupError

if TYPE_CHECKING:
    from av import Packet
    from av.audio.codeccontext import AudioCodecContext

MP3_KBPS = (64, 80, 96, 112, 128, 160)
"""Rates that MP3 has both at 24 and at 48 kHz; 160 is the most at 24."""

_ENCODERS = {"mp3": ("libmp3lame", "fltp", "9"), "opus": ("libopus", "flt", "0")}
"""Codec -> encoder, sample format, effort: the least, three times faster than the default for MP3, twice for Opus."""

_DECODERS = {"mp3": "mp3float", "opus": "opus"}
_TAIL = 4096


def codec(audio: Audio, sample_rate: int, *, codec: str, kbps: float) -> Audio:
    """Encode and decode again (FFmpeg, by PyAV).

    Both work at 24 kHz, or at 48 kHz for sounds above that; other rates are converted on the way.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        codec: `mp3` or `opus`.
        kbps: Bit rate, kbit/s; of `MP3_KBPS` for MP3, constant; 6 to 256 for Opus, on average.

    Raises:
        SetupError: This build of PyAV lacks the encoder or decoder.
    """
    import numpy as np

    rate = 24_000 if sample_rate <= 24_000 else 48_000
    # above full scale Opus distorts; the tail pushes the last samples out of encoder and decoder
    scale = np.float32(max(1.0, float(np.abs(audio).max(initial=0.0))))
    sound = np.pad(_resampled(audio / scale, sample_rate, rate), (0, _TAIL))
    decoded, decoded_rate = _decoded(codec, *_encoded(codec, sound, rate, round(kbps * 1000)))
    if codec == "opus" and sample_rate == rate == 24_000:
        back = decoded[::2]  # Opus is always decoded at 48 kHz, but encoded at 24 it holds nothing above 12
    else:
        back = _resampled(decoded, decoded_rate, sample_rate)
    return np.asarray(fitted(back, len(audio)) * scale)


def _encoded(codec: str, audio: Audio, rate: int, bit_rate: int) -> tuple[list[Packet], bytes | None]:
    """Packets, and what a decoder must be told."""
    import av

    name, sample_format, effort = _ENCODERS[codec]
    encoder = _context(name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", sample_format
    encoder.bit_rate, encoder.time_base = bit_rate, Fraction(1, rate)
    encoder.options = {"compression_level": effort}
    encoder.open()
    frame = av.AudioFrame.from_ndarray(audio[None], format=sample_format, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return [*encoder.encode(frame), *encoder.encode(None)], encoder.extradata


def _decoded(codec: str, packets: list[Packet], extradata: bytes | None) -> tuple[Audio, int]:
    """Samples and their rate."""
    import numpy as np

    decoder = _context(_DECODERS[codec], "r")
    decoder.layout = "mono"
    if extradata:
        decoder.extradata = extradata
    frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    # a plane may be longer than its samples; to_ndarray, which copies each, takes twice as long
    planes: list[tuple[Any, int]] = [(frame.planes[0], frame.samples) for frame in frames]
    pieces = [np.frombuffer(plane, np.float32, samples) for plane, samples in planes]
    return np.concatenate(pieces), frames[0].sample_rate


def _context(name: str, mode: str) -> AudioCodecContext | Any:
    import av
    from av.codec.codec import UnknownCodecError

    try:
        return av.CodecContext.create(name, mode)
    except UnknownCodecError as error:
        raise SetupError(
            f"augmentation by codec: this build of PyAV has no {name}; "
            "install the wheel (pip install --force-reinstall --only-binary=av av), or use another preset"
        ) from error


def _resampled(audio: Audio, rate: int, target: int) -> Audio:
    import numpy as np
    import soxr

    return audio if rate == target else np.asarray(soxr.resample(audio, rate, target, quality="HQ"), np.float32)
