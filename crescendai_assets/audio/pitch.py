"""Another pitch at the same speed, for shifts of up to a semitone or so.

Pedalboard's `PitchShift` (Rubber Band, the faster engine) was measured and not taken: that near to its own pitch it
moves the treble only. By 10 cents, tones of 220 and 440 Hz come out at 220 and 440 Hz; by 50, piano below 200 Hz stays
where it was under upper partials that move. The finer engine (`time_stretch`) is right, but blurs attacks. So the sound
is resampled here, which moves every partial alike, and its time made good by splices: where it repeats itself best, a
few milliseconds are played twice or left out, under a cross-fade. Mel spectra of piano-like notes differ from those of
the same notes made at the new pitch by 0.55 dB at 10 cents and 0.64 at 50 (`PitchShift`: 0.74 and 0.82), at some ten
times the speed. What it cannot move are fundamentals below 70 Hz: their period is longer than a splice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crescendai_assets.audio.decode import Audio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHORTEST, _LONGEST = 0.002, 0.014
"""What a splice may play twice or leave out, seconds."""

_FADE = 0.016
"""Length of a cross-fade, seconds."""

_OUT_OF_TIME = (0.001, 0.0045)
"""A splice is made somewhere while the sound is between these out of time, seconds."""

_PLACES = 9
"""Places that are compared for each splice."""

_UNEVEN = 4000.0
"""How much correlation a splice must gain, per square second, to land nearer to or farther from time than it left."""


def pitch_shift(audio: Audio, sample_rate: int, *, semitones: float) -> Audio:
    """Move the pitch, not the time.

    On average the sound stays in time; here and there it is early or late, as a rule by less than 5 ms, now and then by
    up to 10.

    Args:
        audio: Mono samples, shape (n,).
        sample_rate: Hz.
        semitones: Up, or down when negative.
    """
    import numpy as np
    import soxr

    ratio = 2.0 ** (semitones / 12)
    shifted = soxr.resample(audio, sample_rate * ratio, sample_rate, quality="HQ")
    if not len(shifted):
        return audio
    margin = round(2 * (_LONGEST + _FADE) * sample_rate) + abs(len(audio) - len(shifted)) + 1
    mirrored = np.pad(shifted, margin, mode="symmetric")  # what splices at the ends reach for
    return _retimed(np.asarray(mirrored, np.float32), margin, len(audio), ratio, sample_rate)


def _retimed(sound: Audio, margin: int, n: int, ratio: float, sample_rate: int) -> Audio:
    """Play a sound `ratio` times slower without changing its pitch, shape (n,).

    Args:
        sound: What is read from, with a margin on both sides.
        margin: Samples of each.
        n: Samples wanted.
        ratio: Near 1.
        sample_rate: Hz.
    """
    import numpy as np

    out = np.empty(n, np.float32)
    length = round(_FADE * sample_rate)
    fade = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    drift = 1 - 1 / ratio  # how far reading runs ahead of time in a sample; below 0 it falls behind
    floor = 1e-6 * float(np.square(sound, dtype=np.float64).mean()) * length + 1e-20
    written, read = 0, margin
    while places := _places(written, (read - margin) - written / ratio, drift, n - length, sample_rate):
        splices = [_best_jump(sound, read + at - written, off, length, floor, sample_rate) for at, off in places]
        best = max(range(len(places)), key=lambda i: splices[i][0])
        at, jump = places[best][0], splices[best][1]
        head = read + at - written
        out[written:at] = sound[read:head]
        left, joined = sound[head : head + length], sound[head + jump : head + jump + length]
        out[at : at + length] = left + (joined - left) * fade
        written, read = at + length, head + jump + length
    out[written:] = sound[read : read + n - written]
    return out


def _places(written: int, ahead: float, drift: float, last: int, sample_rate: int) -> list[tuple[int, float]]:
    """Where in the output the next splice may begin, and by how many samples reading is ahead of time there."""
    if drift == 0:
        return []
    way = 1 if drift > 0 else -1
    least, most = (seconds * sample_rate for seconds in _OUT_OF_TIME)
    first = max(least, way * ahead)
    places = []
    for number in range(_PLACES):
        off = first + (most - least) * number / (_PLACES - 1)
        at = written + int((off - way * ahead) / abs(drift))
        if at <= last:
            places.append((at, way * off))
    return places


def _best_jump(sound: Audio, head: int, ahead: float, length: int, floor: float, sample_rate: int) -> tuple[float, int]:
    """How good the best splice at a place is, and by how many samples it jumps, back when reading is ahead of time.

    Good is a high correlation of what is faded out with what is faded in, and to land about as far on the other side
    of time. In silence anything correlates.
    """
    import numpy as np

    shortest, longest = round(_SHORTEST * sample_rate), round(_LONGEST * sample_rate)
    jumps = np.arange(-longest, -shortest + 1) if ahead > 0 else np.arange(shortest, longest + 1)
    left = sound[head : head + length]
    around = sound[head + jumps[0] : head + jumps[-1] + length]
    energy = _running_energy(around, length) * float(np.square(left, dtype=np.float64).sum())
    alike = (np.correlate(around, left, "valid") + floor) / (np.sqrt(energy) + floor)
    score = alike - _UNEVEN * ((2 * ahead + jumps) / sample_rate) ** 2
    best = int(score.argmax())
    return float(score[best]), int(jumps[best])


def _running_energy(audio: Audio, length: int) -> NDArray[np.float64]:
    """Sum of squares over every window of a length."""
    import numpy as np

    sums = np.cumsum(np.square(audio, dtype=np.float64))
    sums = np.concatenate([[0.0], sums])
    return np.asarray(np.maximum(sums[length:] - sums[:-length], 0.0))
