"""A sound like a piano's for tests of augmentation: struck harmonics that ring and decay, at uneven times."""

from __future__ import annotations

import numpy as np

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio


def plucked(seconds: float, sr: int = SAMPLE_RATE, seed: int = 0, level: float = 0.5) -> Audio:
    """Notes, about five a second, shape (n,), peak `level`."""
    chance = np.random.default_rng(seed)
    n = round(seconds * sr)
    out = np.zeros(n + 2 * sr)
    times = np.arange(2 * sr) / sr
    for onset in np.cumsum(chance.uniform(0.08, 0.35, max(1, round(seconds * 6)))):
        start = round((onset - 0.05) * sr)
        if start >= n:
            break
        hertz = 440 * 2 ** (chance.integers(-24, 25) / 12)
        partials = [k for k in range(1, 9) if k * hertz < 0.45 * sr]
        note = sum(np.sin(2 * np.pi * k * hertz * times + k) / k * np.exp(-times * (1.5 + k)) for k in partials)
        out[start : start + len(times)] += chance.uniform(0.2, 1.0) * note * np.minimum(1, times / 0.002)
    out = out[:n]
    return np.asarray(out * level / max(np.abs(out).max(), 1e-9), np.float32)


def impulses(seconds: float, sr: int = SAMPLE_RATE, level: float = 0.9) -> tuple[Audio, list[int]]:
    """Single samples at uneven places, shape (n,), and where."""
    chance = np.random.default_rng(3)
    n = round(seconds * sr)
    places = sorted(int(p) for p in (np.arange(0.1, seconds - 0.1, 0.21) + chance.uniform(0, 0.05)) * sr)
    out = np.zeros(n, np.float32)
    out[places] = level
    return out, places


def sample_lag(clean: Audio, augmented: Audio) -> int:
    """Samples by which the second is late, by cross-correlation of the waveforms."""
    size = 1 << (2 * len(clean)).bit_length()
    product = np.fft.rfft(augmented.astype(float), size) * np.conj(np.fft.rfft(clean.astype(float), size))
    best = int(np.fft.irfft(product, size).argmax())
    return best - size if best > size // 2 else best
