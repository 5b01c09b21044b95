"""The effects of augmentation: each a function of mono samples and numbers, none of which draws what it is given.

Every effect keeps the length and the time of what it hears: what delays the sound is moved back. What is drawn, how
often and in which order is `augmentation`'s matter; pitch and codecs have modules of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.audio.decode import Audio, load_audio
from crescendai_assets.lake.errors import RecordingError, SetupError

if TYPE_CHECKING:
    import numpy as np

SILENT = 1e-6
"""Peak (full scale is 1) below which there is nothing to work on: -120 dB."""

RESPONSE_SECONDS = 4.0
"""How much of a room response is used, from its direct sound on."""

PHONE_HERTZ = 8000.0
"""Where a phone stops hearing."""

_TILT_BASS, _TILT_TREBLE = 300.0, 3000.0

_SUFFIXES = {".wav", ".flac", ".aif", ".aiff", ".ogg", ".opus", ".mp3", ".m4a"}


def reverb(audio: Audio, sample_rate: int, *, room_size: float, wet: float) -> Audio:
    """A room made of comb and all-pass filters (Freeverb).

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        room_size: 0 to 1; .1 decays by 60 dB in 0.7 s, .7 in 1.8 s.
        wet: Share of the room in the mix, 0 to 1; the direct sound has the rest.
    """
    import pedalboard

    # the plug-in doubles its dry level
    return _played([pedalboard.Reverb(room_size=room_size, wet_level=wet, dry_level=(1 - wet) / 2)], audio, sample_rate)


def room_response(audio: Audio, sample_rate: int, *, response: str) -> Audio:
    """The room of a recorded impulse response, at the level the sound had.

    The largest sample of the response is taken for the direct sound and put at time zero.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        response: Path of the recorded response.

    Raises:
        SetupError: The response cannot be used.
    """
    import numpy as np

    kernel = _recording(response, sample_rate)
    direct = int(np.abs(kernel).argmax())
    kernel = kernel[: direct + round(RESPONSE_SECONDS * sample_rate)]
    heard = convolved(audio, kernel, direct)
    return np.asarray(heard * np.float32(_ratio(root_mean_square(audio), root_mean_square(heard))))


def equalizer(
    audio: Audio,
    sample_rate: int,
    *,
    low_hz: float,
    low_db: float,
    mid_hz: float,
    mid_db: float,
    mid_q: float,
    high_hz: float,
    high_db: float,
) -> Audio:
    """Three-band parametric equalizer: low shelf, peak, high shelf.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        low_hz: Corner of the low shelf.
        low_db: Its gain.
        mid_hz: Centre of the peak.
        mid_db: Its gain.
        mid_q: Its centre over its width.
        high_hz: Corner of the high shelf.
        high_db: Its gain.
    """
    import pedalboard

    low, mid, high = (_below_nyquist(hertz, sample_rate) for hertz in (low_hz, mid_hz, high_hz))
    bands = [
        pedalboard.LowShelfFilter(low, low_db),
        pedalboard.PeakFilter(mid, mid_db, mid_q),
        pedalboard.HighShelfFilter(high, high_db),
    ]
    return _played(bands, audio, sample_rate)


def tilt(audio: Audio, sample_rate: int, *, tilt_db: float) -> Audio:
    """Tilt the spectrum around 1 kHz: half below 300 Hz, half above 3 kHz.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        tilt_db: From the bass to the treble; brighter when positive.
    """
    import pedalboard

    bass, treble = (_below_nyquist(hertz, sample_rate) for hertz in (_TILT_BASS, _TILT_TREBLE))
    shelves = [pedalboard.LowShelfFilter(bass, -tilt_db / 2), pedalboard.HighShelfFilter(treble, tilt_db / 2)]
    return _played(shelves, audio, sample_rate)


def compression(audio: Audio, sample_rate: int, *, threshold_db: float, ratio: float) -> Audio:
    """Compress what is loud; attack 1 ms, release 100 ms, no make-up gain.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        threshold_db: Below the segment's own peak, as a recorder sets its level: else a quiet segment would pass
            untouched.
        ratio: How many dB above the threshold become one.
    """
    import numpy as np
    import pedalboard

    peak = np.float32(np.abs(audio).max())
    return np.asarray(_played([pedalboard.Compressor(threshold_db, ratio)], audio / peak, sample_rate) * peak)


def low_pass(audio: Audio, sample_rate: int, *, cutoff_hz: float) -> Audio:
    """A gentle low-pass, 6 dB an octave.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        cutoff_hz: Where it lets half the power through.
    """
    import pedalboard

    return _played([pedalboard.LowpassFilter(_below_nyquist(cutoff_hz, sample_rate))], audio, sample_rate)


def bandwidth(audio: Audio, sample_rate: int, *, cutoff_hz: float) -> Audio:
    """A steep low-pass of linear phase, as resampling leaves it: nothing changes below, nothing remains above.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        cutoff_hz: Middle of a transition 0.3 kHz wide.
    """
    import numpy as np

    half = round(0.0106 * sample_rate)
    times = np.arange(-half, half + 1)
    cutoff = _below_nyquist(cutoff_hz, sample_rate) / sample_rate
    kernel = 2 * cutoff * np.sinc(2 * cutoff * times) * np.blackman(2 * half + 1)
    return convolved(audio, (kernel / kernel.sum()).astype(np.float32), half)


def phone(audio: Audio, sample_rate: int, *, threshold_db: float, ratio: float) -> Audio:
    """A phone in the room: nothing above 8 kHz (12 dB an octave), and its automatic level.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        threshold_db: As for `compression`.
        ratio: As for `compression`.
    """
    import pedalboard

    cutoff = _below_nyquist(PHONE_HERTZ, sample_rate)
    dull = _played([pedalboard.LowpassFilter(cutoff), pedalboard.LowpassFilter(cutoff)], audio, sample_rate)
    return compression(dull, sample_rate, threshold_db=threshold_db, ratio=ratio) if has_sound(dull) else dull


def noise(
    audio: Audio, sample_rate: int, *, snr_db: float, generator: np.random.Generator, recording: str = ""
) -> Audio:
    """Add pink noise, or a recorded one.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        snr_db: RMS of the sound over that of the noise.
        generator: Where the noise, or the place in the recording, comes from.
        recording: Path of recorded noise; repeated where it is too short.

    Raises:
        SetupError: The recording cannot be used.
    """
    import numpy as np

    if recording:
        found = _recording(recording, sample_rate)
        start = int(generator.integers(len(found)))
        added = np.resize(np.roll(found, -start), len(audio))
    else:
        added = pink_noise(len(audio), sample_rate, generator)
    level = _ratio(root_mean_square(audio), root_mean_square(added)) * 10 ** (-snr_db / 20)
    return np.asarray(audio + added * np.float32(level))


def gain(audio: Audio, sample_rate: int, *, gain_db: float) -> Audio:
    """Make louder, or softer when negative.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz; of no consequence here.
        gain_db: By how much.
    """
    import numpy as np

    return np.asarray(audio * np.float32(10 ** (gain_db / 20)))


def pink_noise(n: int, sample_rate: int, generator: np.random.Generator) -> Audio:
    """Gaussian noise whose power falls by 3 dB an octave above 20 Hz, shape (n,); level of no meaning."""
    import numpy as np

    length = _quick_length(n)
    bins = length // 2 + 1
    spectrum = generator.standard_normal(2 * bins, dtype=np.float32).view(np.complex64)
    spectrum *= _pink_weights(bins, sample_rate / length)
    return np.asarray(np.fft.irfft(spectrum, length)[:n], np.float32)


def convolved(audio: Audio, kernel: Audio, origin: int) -> Audio:
    """Convolve by blocks (overlap-add), shape (n,) as the audio's.

    Args:
        audio: Samples, shape (n,).
        kernel: Samples, shape (k,).
        origin: Index in the kernel that means no delay.
    """
    import numpy as np

    n, k = len(audio), len(kernel)
    size = max(4096, 1 << (4 * k - 1).bit_length())
    step = size - k + 1
    count = -(-n // step)
    blocks = np.pad(audio, (0, count * step - n)).reshape(count, step)
    pieces = np.fft.irfft(np.fft.rfft(blocks, size, axis=1) * np.fft.rfft(kernel, size), size, axis=1)
    whole = np.zeros(((count + 1), step), np.float32)
    whole[:-1] = pieces[:, :step]
    whole[1:, : k - 1] += pieces[:, step:]  # what rings on into the next block
    return fitted(whole.reshape(-1)[origin:], n)


def recordings_in(folder: Path, what: str) -> tuple[Path, ...]:
    """Audio files anywhere under a folder, sorted.

    Args:
        folder: Where to look.
        what: What they are, for the message.

    Raises:
        SetupError: There is no such folder, or no audio in it.
    """
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and not p.name.startswith("."))
    if not found:
        fault = "holds no audio files" if folder.is_dir() else "no such folder"
        raise SetupError(f"{folder}: {fault}; put {what} there ({', '.join(sorted(_SUFFIXES))}) or leave it out")
    return tuple(found)


def fitted(audio: Audio, n: int) -> Audio:
    """Cut at the end, or filled with zeros, to shape (n,)."""
    import numpy as np

    return np.asarray(audio[:n] if len(audio) >= n else np.pad(audio, (0, n - len(audio))), np.float32)


def has_sound(audio: Audio) -> bool:
    """Whether there is anything above `SILENT`."""
    import numpy as np

    return len(audio) > 0 and float(np.abs(audio).max()) > SILENT


def root_mean_square(audio: Audio) -> float:
    """Root mean square; unlike a dot product, the same bits however many threads the machine has."""
    import numpy as np

    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0


def _played(plugins: Sequence[Any], audio: Audio, sample_rate: int) -> Audio:
    """Through plug-ins made for this sound alone: they keep state."""
    import numpy as np
    import pedalboard

    return np.asarray(pedalboard.Pedalboard(list(plugins))(np.ascontiguousarray(audio), sample_rate), np.float32)


def _below_nyquist(hertz: float, sample_rate: int) -> float:
    return min(hertz, 0.48 * sample_rate)


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else 0.0


def _quick_length(n: int) -> int:
    """The next length whose only factors are 2, 3 and 5, even: transforms of others are slow."""
    threes_and_fives = [int(3**b * 5**c) for b in range(14) for c in range(10)]
    return min(2 * odd * (1 << max(0, (-(-n // (2 * odd)) - 1).bit_length())) for odd in threes_and_fives)


@functools.lru_cache(maxsize=4)
def _pink_weights(bins: int, spacing: float) -> Audio:
    import numpy as np

    weights: Audio = (1 / np.sqrt(np.maximum(np.arange(bins) * spacing, 20.0))).astype(np.float32)
    weights[0] = 0.0  # no offset
    weights.flags.writeable = False
    return weights


def _recording(path: str, sample_rate: int) -> Audio:
    file = Path(path)
    if not file.is_file():
        raise SetupError(f"{path}: no such recording; give a folder that holds it, or leave it out")
    facts = file.stat()
    return _loaded(path, sample_rate, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=32)
def _loaded(path: str, sample_rate: int, _mtime: int, _size: int) -> Audio:
    try:
        audio, _ = load_audio(path, sample_rate)
    except RecordingError as error:  # the segment is innocent: every other one would fail on it too
        raise SetupError(f"augmentation cannot use a file it was given: {error}") from error
    if not has_sound(audio):
        raise SetupError(f"{path}: holds nothing but silence; take it out of its folder")
    audio.flags.writeable = False
    return audio
