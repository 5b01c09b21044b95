"""A small additive piano: from keys and pedals in seconds to sound.

Sound only: what is played belongs to `performers`, levels and files to `corpus`. It is built to be recognised
as a piano and to be quick; it is no physical model (no sympathetic resonance, no una corda).

A decaying sinusoid sampled at n is the real part of z^n for one complex z, and z^(aM + b) = (z^M)^a z^b: so
all partials of a tone are summed by one matrix product, without a sine per sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crescendai_assets.sample.performers import PedalSpan, PlayedNote, content_seed

FloatArray = NDArray[np.float32]

_LONGEST = 6.0  # seconds a tone is followed; what is left of a bass string then is 20 dB down and faded out
_BLOCK = 512  # M above
_STRIKE = 1 / 8  # where the hammer meets the string, as a share of its length
_DYNAMIC_RANGE_DB = 38.0  # from velocity 1 to 127
_SOFT, _HARD = 20, 120  # velocities of the two tones that all others are mixed from
_UNDAMPED_FROM = 90  # the highest strings have no dampers
# (milliseconds left, milliseconds right, gain): each echo doubles the reflections of those before it
_ECHOES = (
    (13.1, 11.3, 0.26),
    (23.9, 26.3, 0.22),
    (41.3, 38.9, 0.18),
    (67.1, 71.9, 0.15),
    (113.0, 107.7, 0.11),
)


def fundamental(pitch: int) -> float:
    """Frequency of the first partial in Hz, equal temperament with A4 at 440."""
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def inharmonicity(pitch: int) -> float:
    """Coefficient B of a string's stiffness, for a grand piano.

    One straight line in log B for the bass bridge and one for the treble, added, a shape proposed by Rigaud,
    David and Daudet (JASA 133, 2013). The constants are rounded to give about 5e-4 at A0, 3e-4 at middle C
    and 2.6e-2 at C8.
    """
    return float(np.exp(-5.8 - 0.085 * pitch) + np.exp(-13.6 + 0.092 * pitch))


def partial_frequencies(pitch: int, highest: float) -> NDArray[np.float64]:
    """Frequencies of a stiff string, `f_n = n f0 sqrt(1 + B n^2)` (Fletcher, JASA 36, 1964).

    f0 is chosen such that the first partial, not f0, is in tune.

    Args:
        pitch: MIDI number.
        highest: Partials above this are left out, Hz.

    Returns:
        Hz, shape (N,) with N from 1 to 64.
    """
    stiffness = inharmonicity(pitch)
    n = np.arange(1, 65)
    f0 = fundamental(pitch) / np.sqrt(1 + stiffness)
    frequencies = n * f0 * np.sqrt(1 + stiffness * n**2)
    return np.asarray(frequencies[(frequencies < highest) | (n == 1)])


def loudness(velocity: float) -> float:
    """Amplitude of a velocity, 1 at 127: the square law `(m v + b)^2` of Dannenberg (ICMC 2006)."""
    ratio = 10 ** (_DYNAMIC_RANGE_DB / 20)
    b = 127 / (126 * np.sqrt(ratio)) - 1 / 126
    m = (1 - b) / 127
    return float((m * velocity + b) ** 2)


def synthesise(
    notes: Sequence[PlayedNote],
    pedals: Sequence[PedalSpan],
    sr: int,
    seconds: float,
    *,
    channels: int = 2,
) -> FloatArray:
    """Play notes and pedals on the piano.

    Args:
        notes: Keys, times in seconds; their order does not matter.
        pedals: Spans of the sustain pedal, seconds, not overlapping.
        sr: Sample rate, Hz.
        seconds: Length of the result; what rings longer is cut off.
        channels: 2 spreads the keyboard from left to right, 1 is the middle of it.

    Returns:
        Float32, shape (round(seconds * sr), 2), or (round(seconds * sr),) for one channel. One loud note
        peaks at about 0.5 and nothing is limited: the caller sets the level.
    """
    length = round(seconds * sr)
    mixed = np.zeros((channels, length), dtype=np.float32)
    ordered = sorted(notes)
    ends = _sounding_ends(ordered, sorted(pedals))
    for note, end in zip(ordered, ends, strict=True):
        start = round(note.onset * sr)
        if not 0 <= start < length:
            continue
        sound = _sounding(note, end - note.onset, sr)[: length - start]
        for channel, gain in enumerate(_pan(note.pitch, channels)):
            mixed[channel, start : start + len(sound)] += gain * sound
    for channel in range(channels):
        _room(mixed[channel], channel, sr)
    return np.ascontiguousarray(mixed.T) if channels > 1 else mixed[0]


def forget_tones() -> None:
    """Free the tones kept for reuse, some 100 MB after a whole corpus."""
    _tones.cache_clear()


def _sounding_ends(notes: Sequence[PlayedNote], pedals: Sequence[PedalSpan]) -> list[float]:
    """When each string is damped, seconds: key up, or pedal up where it was held, or the next stroke."""
    following: dict[int, float] = {}
    ends = [0.0] * len(notes)
    for i in range(len(notes) - 1, -1, -1):
        note = notes[i]
        end = next((p.up for p in pedals if p.down <= note.offset < p.up), note.offset)
        if note.pitch >= _UNDAMPED_FROM:
            end = note.onset + _LONGEST
        ends[i] = min(end, following.get(note.pitch, end))
        following[note.pitch] = note.onset
    return ends


def _sounding(note: PlayedNote, held: float, sr: int) -> FloatArray:
    """The sound of one key, from its stroke until it is damped; shape (n,)."""
    soft, hard = _tones(note.pitch, sr)
    brightness = float(np.clip((note.velocity - _SOFT) / (_HARD - _SOFT), 0, 1))
    # thick strings take longer to damp
    damping = 0.035 + 0.10 * float(np.clip((72 - note.pitch) / 48, 0, 1))
    free, fade = round(max(held, 0.03) * sr), round(6 * damping * sr)
    n = min(free + fade, len(soft))
    sound = (loudness(note.velocity) * (1 - brightness)) * soft[:n] + (loudness(note.velocity) * brightness) * hard[:n]
    if n > free:
        t = np.arange(n - free, dtype=np.float32)
        sound[free:] *= np.exp(-t / np.float32(damping * sr)) * (1 - t / np.float32(fade))
    return np.asarray(sound, dtype=np.float32)


@lru_cache(maxsize=192)
def _tones(pitch: int, sr: int) -> tuple[FloatArray, FloatArray]:
    """The two tones of a key that all its velocities are mixed from, softest and loudest; shape (n,) each.

    Both have the same partials in the same phase, so that a mixture of them is a tone of medium brightness.
    """
    frequencies = partial_frequencies(pitch, min(0.45 * sr, 10_000.0))
    chance = np.random.default_rng(content_seed("tone", str(pitch)))
    prompt, after = _decay_rates(pitch, frequencies)
    seconds = float(np.clip(7.5 / after[0], 1.0, _LONGEST))
    # the strings of a key are not quite in unison: the aftersound beats against the prompt sound
    beating = chance.uniform(0.05, 0.35, len(frequencies))
    phases = chance.uniform(0, 2 * np.pi, len(frequencies))
    both = np.concatenate([frequencies, frequencies + beating])
    decays = np.concatenate([prompt, after])
    share = np.concatenate([np.full(len(frequencies), 0.78), np.full(len(frequencies), 0.22)])
    basis = _basis(both, decays, seconds, sr)
    rotation = np.exp(1j * np.concatenate([phases, phases]))
    noise = _hammer_noise(chance, pitch, sr)

    made = []
    for softness in (0.0, 1.0):
        weights = np.concatenate([_spectrum(pitch, frequencies, softness)] * 2) * share * rotation
        tone = _sum_of_partials(basis, weights)
        # equal velocities are about equally loud all over the keyboard
        tone *= 0.16 / float(np.sqrt(np.mean(np.square(tone[: round(0.25 * sr)]))) + 1e-9)
        tone[: len(noise)] += noise * np.float32(0.10 + 0.10 * softness)
        rise = round((0.004 - 0.0025 * softness) * sr)
        tone[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise, dtype=np.float32) / rise)
        fade = round(0.1 * sr)
        tone[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        made.append(tone.astype(np.float32))
    return made[0], made[1]


def _decay_rates(pitch: int, frequencies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates in 1/s of the prompt sound and the aftersound of each partial; shape (N,) each.

    A piano tone falls quickly, then slowly, because its strings pull the bridge together and then against
    each other (Weinreich, JASA 62, 1977). Losses grow with frequency.
    """
    slow = 0.32 * 2 ** ((pitch - 60) / 13) + 0.35 * (frequencies / 1000) ** 1.3
    return 3.0 * slow, slow


def _spectrum(pitch: int, frequencies: NDArray[np.float64], hardness: float) -> NDArray[np.float64]:
    """Amplitude of each partial, shape (N,), for a felt between soft (0) and hard (1).

    A string cannot sound the partials that have a node where it is struck, a soft felt damps high ones, and
    the soundboard radiates little below 100 Hz.
    """
    n = np.arange(1, len(frequencies) + 1)
    strike = np.abs(np.sin(np.pi * n * _STRIKE)) + 0.05
    cutoff = (350 + 2600 * hardness) * 2 ** ((pitch - 60) / 30)
    felt = np.exp(-(frequencies - frequencies[0]) / cutoff)
    board = frequencies**2 / (frequencies**2 + 90.0**2)
    return np.asarray(strike * felt * board / n**0.4)


def _basis(
    frequencies: NDArray[np.float64], decays: NDArray[np.float64], seconds: float, sr: int
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Powers of each partial's z, coarse of shape (A, N) and fine of shape (N, M)."""
    exponent = (-decays + 2j * np.pi * frequencies) / sr
    coarse = np.exp(np.outer(np.arange(int(seconds * sr) // _BLOCK + 1) * _BLOCK, exponent))
    fine = np.exp(np.outer(exponent, np.arange(_BLOCK)))
    return coarse.astype(np.complex64), fine.astype(np.complex64)


def _sum_of_partials(
    basis: tuple[NDArray[np.complex64], NDArray[np.complex64]], weights: NDArray[np.complex128]
) -> FloatArray:
    """Real part of the weighted sum over partials, shape (A * M,): one product of real matrices."""
    coarse, fine = basis
    weighted = coarse * weights.astype(np.complex64)
    left = np.concatenate([weighted.real, -weighted.imag], axis=1)
    right = np.concatenate([fine.real, fine.imag], axis=0)
    return np.asarray(left @ right, dtype=np.float32).reshape(-1)


def _hammer_noise(chance: np.random.Generator, pitch: int, sr: int) -> FloatArray:
    """The knock of key and hammer: a short, dull burst of noise, brighter for high keys; shape (n,)."""
    n = round(0.08 * sr)
    white = chance.standard_normal(n + 64)
    width = int(np.clip(28 - (pitch - 36) // 3, 8, 32))
    dull = np.convolve(white, np.hanning(width) / np.sqrt(width), mode="same")[:n]
    burst = dull * np.exp(-np.arange(n) / (0.014 * sr))
    return np.asarray(burst / (np.abs(burst).max() + 1e-9), dtype=np.float32)


def _pan(pitch: int, channels: int) -> tuple[float, ...]:
    """Gain per channel: bass to the left and treble to the right, at equal power."""
    if channels == 1:
        return (1.0,)
    angle = np.pi / 4 * (1 + 0.5 * float(np.clip((pitch - 60) / 36, -1, 1)))
    return float(np.sqrt(2) * np.cos(angle)), float(np.sqrt(2) * np.sin(angle))


def _room(signal: FloatArray, channel: int, sr: int) -> None:
    """Add a small room to one channel, in place; shape (n,)."""
    for *delays, gain in _ECHOES:
        late = round(delays[channel] * sr / 1000)
        signal[late:] += np.float32(gain) * signal[:-late].copy()
