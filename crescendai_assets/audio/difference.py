"""What augmentation did to a segment, measured: whether it is still in time, how much changed, how loud it is now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crescendai_assets.audio.decode import Audio
from crescendai_assets.audio.effects import SILENT, root_mean_square

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_DB = 120.0
"""Bound of every ratio, either way, so that silence and equality stay numbers that JSON knows."""

_FRAMES_PER_SECOND = 1000
_SMOOTHED = 21  # frames
_LONGEST_LAG = 1.0  # seconds


@dataclass(frozen=True)
class Difference:
    """Measured between a clean and an augmented segment.

    Attributes:
        lag_seconds: By how much the augmented one is late, from their onsets, within a second either way; 0 when
            there are none to compare.
        similarity: Correlation of their onsets at that lag, at most 1.
        snr_db: The clean sound over what is not the clean sound at any level: noise, echo, another pitch. A change of
            level alone leaves 120.
        level_db: RMS of the augmented over the clean.
        peak: Largest absolute sample of the augmented; full scale is 1.
    """

    lag_seconds: float
    similarity: float
    snr_db: float
    level_db: float
    peak: float


def compare(clean: Audio, augmented: Audio, sample_rate: int) -> Difference:
    """Measure what an augmentation did.

    Args:
        clean: Mono samples, shape (n,).
        augmented: Of the same shape.
        sample_rate: Hz.

    Raises:
        ValueError: The shapes differ.
    """
    import numpy as np

    if clean.shape != augmented.shape or clean.ndim != 1:
        raise ValueError(f"segments to compare must be mono and equally long, not {clean.shape} and {augmented.shape}")
    before, after = root_mean_square(clean), root_mean_square(augmented)
    # how much of the clean one is in the augmented, by least squares
    product = float(np.multiply(clean, augmented, dtype=np.float64).mean()) if len(clean) else 0.0
    shared = product / before**2 if before > SILENT else 0.0
    strange = root_mean_square(augmented - np.float32(shared) * clean)
    lag, similarity = _lag(_onsets(clean, sample_rate), _onsets(augmented, sample_rate))
    return Difference(
        lag_seconds=lag / _FRAMES_PER_SECOND,
        similarity=similarity,
        snr_db=_decibels(abs(shared) * before, strange),
        level_db=_decibels(after, before),
        peak=float(np.abs(augmented).max(initial=0.0)),
    )


def _onsets(audio: Audio, sample_rate: int) -> NDArray[np.float64]:
    """How fast the loudness rises, a thousand times a second, mean removed.

    On a scale that is nearly logarithmic above a tenth of the RMS, so that soft attacks count and noise does not; over
    windows of 21 ms, so that the waveform of a low tone does not either, and a pitch shift's few ms do not matter.
    """
    import numpy as np

    count = len(audio) * _FRAMES_PER_SECOND // sample_rate
    bounds = np.arange(count + 1) * sample_rate // _FRAMES_PER_SECOND
    if count <= 2 * _SMOOTHED:
        return np.zeros(0)
    energy = np.add.reduceat(np.square(audio[: bounds[-1]], dtype=np.float64), bounds[:-1]) / np.diff(bounds)
    window = np.hanning(_SMOOTHED + 2)[1:-1]
    loudness = np.sqrt(np.convolve(energy, window / window.sum(), mode="same"))
    floor = 0.1 * math.sqrt(energy.mean())
    if floor < SILENT:
        return np.zeros(count - 1)
    rises = np.maximum(np.diff(np.log(loudness + floor)), 0)
    return np.asarray(rises - rises.mean())


def _lag(clean: NDArray[np.float64], augmented: NDArray[np.float64]) -> tuple[float, float]:
    """Frames by which the second is late, between frames by a parabola, and the correlation there."""
    import numpy as np

    norm = math.sqrt(float(np.square(clean).sum()) * float(np.square(augmented).sum()))
    if norm == 0:
        return 0.0, 0.0
    size = 1 << (2 * len(clean) - 1).bit_length()
    product = np.fft.rfft(augmented, size) * np.conj(np.fft.rfft(clean, size))
    reach = min(round(_LONGEST_LAG * _FRAMES_PER_SECOND), len(clean) // 2)
    circular = np.fft.irfft(product, size)
    correlation = np.concatenate([circular[-reach:], circular[: reach + 1]]) / norm
    best = int(correlation[1:-1].argmax()) + 1
    left, top, right = correlation[best - 1 : best + 2]
    bend = left - 2 * top + right
    between = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return best - reach + float(between), float(top)


def _decibels(above: float, below: float) -> float:
    if above == below:
        return 0.0
    if above == 0 or below == 0:
        return math.copysign(MOST_DB, above - below)
    return max(-MOST_DB, min(MOST_DB, 20 * math.log10(above / below)))
