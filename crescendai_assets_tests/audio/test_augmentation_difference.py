from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.audio import augment_segment, compare, load_audio
from crescendai_assets.audio.augmentation import EFFECTS, PRESETS
from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets_tests.audio.plucked import plucked
from crescendai_assets_tests.builders import noise, tone
from crescendai_assets_tests.shared_data import DATA, needs_shared

SOUND = plucked(6.0, seed=8)
CHAINS = [*PRESETS, *(f"single:{effect}" for effect in EFFECTS if effect != "room_response")]


def late(audio, samples):
    """Moved by whole samples, zeros coming in."""
    out = np.zeros_like(audio)
    if samples >= 0:
        out[samples:] = audio[: len(audio) - samples]
    else:
        out[:samples] = audio[-samples:]
    return out


@settings(max_examples=40)
@given(st.integers(-20_000, 20_000), st.sampled_from([0.01, 1.0]))
def test_a_planted_lag_is_found_to_a_tenth_of_a_millisecond(samples, level):
    found = compare(SOUND, late(SOUND, samples) * np.float32(level), SAMPLE_RATE)
    assert found.lag_seconds == pytest.approx(samples / SAMPLE_RATE, abs=2e-4)
    assert found.similarity > 0.5


@pytest.mark.parametrize("preset", CHAINS)
@pytest.mark.parametrize("samples", [0, 89, -1105, 4080])
def test_a_lag_planted_in_an_augmented_segment_is_found(preset, samples):
    for number in range(3):
        out, _ = augment_segment(SOUND, SAMPLE_RATE, f"x_seg{number:03d}", preset)
        found = compare(SOUND, late(out, samples), SAMPLE_RATE)
        assert found.lag_seconds == pytest.approx(samples / SAMPLE_RATE, abs=2e-3)


@pytest.mark.parametrize("sr", [8_000, 22_050, 44_100])
def test_lags_are_found_at_any_rate(sr):
    sound = plucked(5.0, sr)
    assert compare(sound, late(sound, sr // 10), sr).lag_seconds == pytest.approx(0.1, abs=2e-4)


def test_a_sound_is_no_different_from_itself():
    found = compare(SOUND, SOUND, SAMPLE_RATE)
    assert abs(found.lag_seconds) < 1e-9
    assert found.similarity == pytest.approx(1)
    assert found.snr_db == 120
    assert found.level_db == 0
    assert found.peak == np.abs(SOUND).max()


def test_a_change_of_level_is_no_other_difference():
    found = compare(SOUND, SOUND * np.float32(0.5), SAMPLE_RATE)
    assert found.level_db == pytest.approx(-6.02, abs=0.01)
    assert found.snr_db > 110
    assert compare(SOUND, -SOUND, SAMPLE_RATE).snr_db > 110


def test_noise_is_measured_as_it_was_added():
    hiss = noise(6.0, level=1.0)
    level = np.sqrt(np.mean(SOUND**2)) / 10 / hiss.std()
    found = compare(SOUND, (SOUND + level * hiss).astype(np.float32), SAMPLE_RATE)
    assert found.snr_db == pytest.approx(20, abs=0.1)


def test_another_sound_shares_nothing():
    found = compare(SOUND, noise(6.0), SAMPLE_RATE)
    assert found.snr_db < -20
    assert found.similarity < 0.3


@pytest.mark.parametrize("n", [0, 1, 5, 24, 100, 500, 2400, 6000])
def test_the_shortest_and_the_stillest_are_measured_without_fault(n):
    for clean in (SOUND[9000 : 9000 + n], np.zeros(n, np.float32), tone(1.0)[:n]):
        for other in (clean, np.zeros(n, np.float32), noise(1.0)[:n]):
            found = asdict(compare(clean, other, SAMPLE_RATE))
            assert all(np.isfinite(value) for value in found.values())
            json.dumps(found, allow_nan=False)
            assert abs(found["lag_seconds"]) <= 1.001
            assert found["similarity"] <= 1.0001


def test_silence_has_no_lag():
    found = compare(SOUND, np.zeros_like(SOUND), SAMPLE_RATE)
    assert (found.lag_seconds, found.similarity, found.level_db) == (0, 0, -120)
    both = compare(np.zeros_like(SOUND), np.zeros_like(SOUND), SAMPLE_RATE)
    assert (both.lag_seconds, both.snr_db, both.level_db) == (0, 0, 0)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="equally long"):
        compare(SOUND, SOUND[:-1], SAMPLE_RATE)


@needs_shared
@pytest.mark.parametrize("preset", PRESETS)
def test_real_piano_stays_in_time(preset):
    path = sorted((DATA / "maestro_mini").rglob("*.wav"))[0]
    audio = load_audio(path)[0][240_000:600_000]
    for number in range(6):
        out, _ = augment_segment(audio, SAMPLE_RATE, f"real_seg{number:03d}", preset)
        found = compare(audio, out, SAMPLE_RATE)
        assert abs(found.lag_seconds) < 2e-3
        assert found.similarity > 0.3
