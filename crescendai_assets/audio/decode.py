"""Any audio file to mono float32 at one rate, of exact length, and back to WAV or FLAC.

The fast way is to read at the native rate, downmix, then resample once (soxr HQ): some 18 times faster than a reader
that resamples as it reads. What libsndfile cannot read goes through PyAV (FFmpeg). Decoders are C code fed with files
from anywhere: run this in a guarded process (`guarded`) when a crash must not take the caller down.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import write_atomic

if TYPE_CHECKING:
    import numpy as np
    import soundfile
    from numpy.typing import NDArray

SAMPLE_RATE = 24_000
"""Hz; MuQ takes nothing else."""

MAX_SECONDS = 4 * 3600.0
"""Longest recording that is decoded: a header may ask for any amount of memory."""

TRUNCATION_SECONDS, TRUNCATION_SHARE = 1.0, 0.02
"""A file that decodes to less than it declares by more than both is truncated. Codec padding stays below either."""

_BLOCK_SECONDS = 30
_AROUND = 1
"""Seconds on either side of a stretch that its resampler hears as well."""

_NO_HEADER = {"aac", "ac3", "eac3", "mp3"}

_LISTS = {"concat", "dash", "hls", "imf", "rtsp", "sdp"}
"""FFmpeg's names of formats that hold no sound of their own but the addresses of other files."""

Audio: TypeAlias = "NDArray[np.float32]"


@dataclass(frozen=True)
class Decoded:
    """A decoded recording.

    Attributes:
        audio: Mono samples, float32, shape (n,).
        sample_rate: Of `audio`, Hz.
        native_rate: Of the file, Hz.
        channels: Of the file.
        declared_seconds: What the file's own header promises, None when it does not say.
    """

    audio: Audio
    sample_rate: int
    native_rate: int
    channels: int
    declared_seconds: float | None

    @property
    def seconds(self) -> float:
        """Decoded length."""
        return len(self.audio) / self.sample_rate


def load_audio(path: str | Path, target_sr: int = SAMPLE_RATE) -> tuple[Audio, int]:
    """Read a file as mono float32.

    Args:
        path: Any file libsndfile or FFmpeg can read.
        target_sr: Rate to resample to, Hz.

    Returns:
        The samples, shape (n,), n exactly the native length times the ratio of rates, rounded; and `target_sr`.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: It cannot be decoded, is truncated, too long, or holds values that are not finite.
    """
    decoded = decode(path, target_sr)
    return decoded.audio, decoded.sample_rate


def decode(
    path: str | Path,
    target_sr: int = SAMPLE_RATE,
    *,
    max_seconds: float = MAX_SECONDS,
) -> Decoded:
    """Like `load_audio`, with what the header said beside what was there.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: As for `load_audio`.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such audio file")
    try:
        with path.open("rb") as opened, soundfile.SoundFile(opened.fileno(), closefd=False) as file:
            mono, native_rate, channels, declared = _read_sndfile(path, file, max_seconds)
    except soundfile.LibsndfileError as error:
        mono, native_rate, channels, declared = _read_ffmpeg(path, max_seconds, error.error_string)
    _refuse_unusable(path, mono, native_rate, declared)
    audio = _resample(mono, native_rate, target_sr)
    return Decoded(audio, target_sr, native_rate, channels, declared)


def decode_stretch(path: str | Path, start: int, stop: int) -> Audio:
    """Samples of a recording between two places, without reading the rest of it where libsndfile reads the file.

    Args:
        path: Any file that `decode` reads.
        start: First sample, at `SAMPLE_RATE`.
        stop: The one after the last.

    Returns:
        Mono float32, shape (stop - start,): of a file at `SAMPLE_RATE` what `decode` gives, of another one, or of a
        codec that loses something, the same but for the last digits.

    Raises:
        RecordingError: It cannot be decoded, or ends before `stop`.
    """
    import soundfile

    path = Path(path)
    try:
        with path.open("rb") as opened, soundfile.SoundFile(opened.fileno(), closefd=False) as file:
            audio = _stretch(file, start, stop)
    except soundfile.LibsndfileError:
        audio = decode(path).audio[start:stop]
    if len(audio) < stop - start:
        raise RecordingError(
            f"{path}: ends before {stop / SAMPLE_RATE:.1f} s, though it was cut there; fetch it again", "retry"
        )
    _refuse_unusable(path, audio, SAMPLE_RATE, None)
    return audio


def _stretch(file: soundfile.SoundFile, start: int, stop: int) -> Audio:
    rate = file.samplerate
    # from a place that is a whole sample at both rates, so that resampling keeps the grid of a whole recording's
    step = 2 * SAMPLE_RATE // math.gcd(SAMPLE_RATE, rate)  # twice, or half a sample would be rounded away
    first = max(0, (start - _AROUND * SAMPLE_RATE) // step * step) if rate != SAMPLE_RATE else start
    last = stop + (_AROUND * SAMPLE_RATE if rate != SAMPLE_RATE else 0)
    file.seek(min(first * rate // SAMPLE_RATE, file.frames))
    block = file.read(-(-(last - first) * rate // SAMPLE_RATE), dtype="float32", always_2d=True)
    return _resample(_downmix(block.T), rate, SAMPLE_RATE)[start - first : stop - first]


def save_audio(audio: Audio, path: str | Path, sr: int = SAMPLE_RATE, *, subtype: str = "FLOAT") -> None:
    """Write mono samples as WAV or, where the name ends in `.flac`, as FLAC, atomically, making the folders above.

    Args:
        audio: Float32 samples, shape (n,).
        path: Where to.
        sr: Rate, Hz.
        subtype: Of WAV: `FLOAT` keeps float32; `PCM_16` is what working copies use, half the size. FLAC, which knows
            no floats, is always `PCM_16`.

    Raises:
        SetupError: The disk is full.
    """
    import numpy as np
    import soundfile

    # through memory: libsndfile would answer a full disk with a failed assertion
    path, buffer = Path(path), io.BytesIO()
    kind, subtype = ("FLAC", "PCM_16") if path.suffix.lower() == ".flac" else ("WAV", subtype)
    soundfile.write(buffer, np.asarray(audio, np.float32), sr, subtype=subtype, format=kind)
    write_atomic(path, buffer.getvalue())


def make_working_copy(original: Path, copy: Path, max_seconds: float = MAX_SECONDS) -> float:
    """Decode to 24 kHz mono 16 bit: as WAV about 173 MB an hour, as FLAC (by the suffix of `copy`) about half.

    Returns:
        Decoded length, seconds.

    Raises:
        RecordingError: It cannot be decoded or is longer than `max_seconds`; no copy is left.
        SetupError: The disk is full.
    """
    decoded = decode(original, max_seconds=max_seconds)
    save_audio(decoded.audio, copy, SAMPLE_RATE, subtype="PCM_16")
    return decoded.seconds


def declared_seconds(path: Path) -> float:
    """What a file's header says of its length, without decoding it; 0 when it does not say or cannot be read."""
    import av
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError:
        pass
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            return float(_ffmpeg_seconds(container, container.streams.audio[0]) or 0.0)
    except (av.FFmpegError, EOFError, ValueError, IndexError):
        return 0.0  # whether it can be used is told when it is cut


def _read_sndfile(path: Path, file: soundfile.SoundFile, max_seconds: float) -> tuple[Audio, int, int, float | None]:
    """Mono samples at the native rate, rate, channels, declared seconds; in blocks, as headers lie about length."""
    import numpy as np

    rate, channels = file.samplerate, file.channels
    blocks: list[Audio] = []
    room = int(max_seconds * rate)
    while len(block := file.read(_BLOCK_SECONDS * rate, dtype="float32", always_2d=True)):
        room -= len(block)
        if room < 0:
            raise _too_long(path, max_seconds)
        blocks.append(_downmix(block.T))
    mono = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    declared: float | None = file.frames / rate
    if file.format in {"WAV", "WAVEX"}:
        # libsndfile shortens a WAV's length to the bytes that are there, so a cut file looks whole; pedalboard does not
        declared = _riff_seconds(path)
    return mono, rate, channels, declared


def _riff_seconds(path: Path) -> float | None:
    from pedalboard.io import AudioFile

    with path.open("rb") as opened:
        if opened.read(8)[4:] == b"\xff" * 4:  # written to a pipe, where nobody can come back to fill in the length
            return None
    try:
        with AudioFile(str(path)) as file:
            return float(file.frames / file.samplerate)
    except ValueError:  # a RIFF that only libsndfile reads, such as GSM 6.10
        return None


def _read_ffmpeg(path: Path, max_seconds: float, refusal: str) -> tuple[Audio, int, int, float | None]:
    import av
    import numpy as np
    from av.audio.resampler import AudioResampler

    blocks: list[Audio] = []
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if container.format.name in _LISTS:  # a file from the web must not bring in what else lies on this machine
                raise RecordingError(f"{path}: is a list of other files, not a recording; offer the recording itself")
            if not container.streams.audio:
                raise RecordingError(f"{path}: holds no audio; offer a recording, or take the file out")
            stream = container.streams.audio[0]
            # planar float at the stream's own rate and layout: the downmix below is the same for every decoder
            to_float = AudioResampler(format="fltp", rate=stream.rate)
            room = int(max_seconds * stream.rate)
            for packet in container.decode(stream):
                for frame in to_float.resample(packet):
                    room -= frame.samples
                    if room < 0:
                        raise _too_long(path, max_seconds)
                    blocks.append(_downmix(np.asarray(frame.to_ndarray(), np.float32)))
            last = to_float.resample(None)
            blocks.extend(_downmix(np.asarray(frame.to_ndarray(), np.float32)) for frame in last)
            rate, channels, declared = stream.rate, stream.channels, _ffmpeg_seconds(container, stream)
    except (av.FFmpegError, EOFError, ValueError, IndexError) as error:
        got = f" after {sum(map(len, blocks)) / stream.rate:.1f} s" if blocks else ""
        raise RecordingError(
            f"{path}: cannot be decoded{got} (libsndfile: {refusal.rstrip('.')}; FFmpeg: {type(error).__name__}). "
            "Fetch it again or convert it to WAV"
        ) from error
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32), rate, channels, declared


def _ffmpeg_seconds(container: Any, stream: Any) -> float | None:
    import av

    if container.format.name in _NO_HEADER:
        return None  # FFmpeg guesses from the first frames' bit rate
    if stream.duration:  # of a video the sound may be shorter than the picture
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _downmix(block: NDArray[np.float32]) -> Audio:
    """Mean over channels, shape (channels, n) -> (n,); the sum of two is several times faster than `mean`."""
    import numpy as np

    if len(block) == 1:
        return np.ascontiguousarray(block[0])
    if len(block) == 2:
        return np.asarray((block[0] + block[1]) * np.float32(0.5))
    return np.asarray(block.mean(axis=0, dtype=np.float32))


def _resample(mono: Audio, native_rate: int, target_sr: int) -> Audio:
    import numpy as np
    import soxr

    if native_rate == target_sr or len(mono) == 0:
        return mono
    wanted = round(len(mono) * target_sr / native_rate)
    audio = soxr.resample(mono, native_rate, target_sr, quality="HQ")
    # resamplers round the length each in their own way; segment bounds need one that depends on the input alone
    if len(audio) >= wanted:
        return np.asarray(audio[:wanted], np.float32)
    return np.asarray(np.pad(audio, (0, wanted - len(audio))), np.float32)


def _refuse_unusable(path: Path, mono: Audio, rate: int, declared: float | None) -> None:
    import numpy as np

    if len(mono) == 0:
        raise RecordingError(f"{path}: decodes to no samples at all; fetch it again")
    if not np.isfinite(mono).all():
        raise RecordingError(f"{path}: holds samples that are not finite numbers; write it again from its source")
    missing = (declared or 0.0) - len(mono) / rate
    if declared and missing > max(TRUNCATION_SECONDS, TRUNCATION_SHARE * declared):
        raise RecordingError(
            f"{path}: truncated: its header declares {declared:.1f} s, {len(mono) / rate:.1f} s are there. "
            "Fetch it again"
        )


def _too_long(path: Path, max_seconds: float) -> RecordingError:
    return RecordingError(f"{path}: decodes to more than {max_seconds / 3600:g} h; cut it, or raise the cap")
