from __future__ import annotations

import numpy as np
import pytest

from crescendai_assets.sample.performers import PedalSpan, PlayedNote
from crescendai_assets.sample.synth import (
    fundamental,
    inharmonicity,
    loudness,
    partial_frequencies,
    synthesise,
)

SR = 44_100


def sound(pitch: int, velocity: int = 80, held: float = 4.0, seconds: float = 4.5, pedals=()) -> np.ndarray:
    return synthesise([PlayedNote(0.1, 0.1 + held, pitch, velocity)], pedals, SR, seconds, channels=1)


def spectrum(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and magnitudes, finely sampled."""
    magnitude = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), n=1 << 19))
    return np.fft.rfftfreq(1 << 19, 1 / SR), magnitude


def centroid(audio: np.ndarray) -> float:
    frequencies, magnitude = spectrum(audio)
    return float((frequencies * magnitude**2).sum() / (magnitude**2).sum())


def level(audio: np.ndarray, start: float, width: float = 0.1) -> float:
    """Decibels of a stretch, seconds."""
    part = audio[round(start * SR) : round((start + width) * SR)]
    return float(10 * np.log10(np.mean(part.astype(float) ** 2) + 1e-15))


def peak_near(audio: np.ndarray, expected: float, cents: float = 60) -> tuple[float, float]:
    """The strongest frequency near an expected one, and its level under the strongest of all, decibels."""
    frequencies, magnitude = spectrum(audio)
    near = np.abs(1200 * np.log2(np.maximum(frequencies, 1) / expected)) < cents
    best = np.argmax(np.where(near, magnitude, 0))
    return float(frequencies[best]), float(20 * np.log10(magnitude[best] / magnitude.max()))


@pytest.mark.parametrize("pitch", [38, 48, 60, 69, 76, 88])
def test_a_note_has_its_fundamental_in_tune_and_strong(pitch):
    found, relative = peak_near(sound(pitch)[SR // 5 : 2 * SR], fundamental(pitch))
    assert abs(1200 * np.log2(found / fundamental(pitch))) < 4
    assert relative > -12


@pytest.mark.parametrize(("pitch", "partial"), [(40, 10), (60, 6), (72, 4)])
def test_partials_are_stretched_as_those_of_a_stiff_string(pitch, partial):
    stiffness = inharmonicity(pitch)
    stretched = partial * fundamental(pitch) * np.sqrt((1 + stiffness * partial**2) / (1 + stiffness))
    found, relative = peak_near(sound(pitch, 110)[SR // 5 : 2 * SR], stretched)
    assert found == pytest.approx(stretched, rel=1e-3)
    assert found > partial * fundamental(pitch) * 1.002
    assert relative > -60


def test_the_first_partial_is_there_however_low_the_limit_is_set():
    assert partial_frequencies(108, 1000.0) == pytest.approx([fundamental(108)])
    assert len(partial_frequencies(33, 10_000.0)) == 64


@pytest.mark.parametrize("pitch", [36, 60, 84])
def test_a_louder_velocity_is_louder_and_brighter(pitch):
    sounds = [sound(pitch, velocity)[SR // 10 : SR] for velocity in (30, 55, 80, 105)]
    levels = [np.sqrt(np.mean(one**2)) for one in sounds]
    brightness = [centroid(one) for one in sounds]
    assert np.all(np.diff(levels) > 0)
    assert np.all(np.diff(brightness) > 0)
    assert brightness[-1] > 1.1 * brightness[0]


def test_velocity_covers_the_dynamic_range_it_states():
    assert loudness(127) == pytest.approx(1)
    assert 20 * np.log10(loudness(127) / loudness(1)) == pytest.approx(38)


def test_a_held_note_falls_quickly_then_slowly():
    audio = sound(60, seconds=4.0)
    first = level(audio, 0.2) - level(audio, 0.8)
    later = level(audio, 3.0) - level(audio, 3.6)
    assert first > 4
    assert 0.5 < later < 0.8 * first


def test_high_notes_and_high_partials_die_sooner():
    falls = [level(one, 0.2) - level(one, 1.2) for one in (sound(36), sound(60), sound(84))]
    assert falls == sorted(falls)
    audio = sound(60, 110)
    early, late = audio[SR // 5 : SR], audio[2 * SR : 2 * SR + SR * 4 // 5]
    assert centroid(late) < centroid(early)


def test_a_key_that_is_let_go_falls_silent_unless_the_pedal_holds_it():
    free = sound(60, held=0.5)
    pedalled = sound(60, held=0.5, pedals=[PedalSpan(0.2, 3.0)])
    assert level(free, 2.0) < -110
    assert level(pedalled, 2.0) > -60
    assert level(pedalled, 4.2) < -110


def test_the_highest_strings_have_no_dampers():
    assert level(sound(91, held=0.2), 0.8) > level(sound(88, held=0.2), 0.8) + 20


def test_nothing_sounds_before_its_key_and_what_rings_too_long_is_cut():
    audio = sound(48, seconds=0.5)
    assert not audio[: round(0.1 * SR)].any()
    assert audio[round(0.1 * SR) + 200 :].any()
    assert len(audio) == SR // 2
    assert not synthesise([PlayedNote(2.0, 3.0, 60, 80)], [], SR, 1.0, channels=1).any()


def test_bass_lies_to_the_left_and_treble_to_the_right():
    for pitch, louder in ((36, 0), (96, 1)):
        stereo = synthesise([PlayedNote(0.1, 1.0, pitch, 80)], [], SR, 1.5)
        assert stereo.shape == (round(1.5 * SR), 2)
        assert stereo.dtype == np.float32
        energy = np.sum(stereo.astype(float) ** 2, axis=0)
        assert np.argmax(energy) == louder


def test_the_order_in_which_notes_are_given_does_not_matter():
    notes = [PlayedNote(0.1, 0.6, 60, 70), PlayedNote(0.3, 0.9, 64, 60), PlayedNote(0.1, 0.9, 48, 80)]
    one, other = (synthesise(some, [], SR, 1.5) for some in (notes, notes[::-1]))
    assert np.array_equal(one, other)


def test_an_equal_temperament_is_tuned_to_a_at_440_hz():
    assert fundamental(69) == 440
    assert fundamental(60) == pytest.approx(261.6256, abs=1e-4)
