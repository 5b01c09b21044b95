from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from crescendai_assets.audio.pictures import (
    duration_histogram,
    log_mel,
    mel_picture,
    spectra_picture,
)
from crescendai_assets.lake.figures import MAX_BYTES
from crescendai_assets_tests.builders import noise, tone

BANDS = 96


def mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def picture(data):
    assert data.startswith(b"\x89PNG")
    assert len(data) <= MAX_BYTES == 40_000
    image = Image.open(io.BytesIO(data))
    image.load()
    return np.asarray(image.convert("L"), float)


@pytest.mark.parametrize("hertz", [110, 440, 1000, 3000, 8000])
def test_a_pure_tone_peaks_at_the_band_of_its_frequency(hertz):
    bands = log_mel(tone(2.0, hertz=hertz))
    assert bands.shape[0] == BANDS
    centres = np.linspace(0, mel(12_000), BANDS + 2)[1:-1]
    expected = np.abs(centres - mel(hertz)).argmin()
    middle = bands[:, 5:-5].mean(axis=1)
    assert abs(int(middle.argmax()) - expected) <= 1
    assert middle.max() - np.median(middle) > 40


def test_frames_follow_time():
    audio = np.concatenate([np.zeros(24_000, np.float32), tone(1.0)])
    bands = log_mel(audio)
    assert bands.shape[1] == pytest.approx(2 * 24_000 / 600, abs=2)
    half = bands.shape[1] // 2
    assert bands[:, : half - 3].max() < -70
    assert bands[:, half + 3 : -3].max() > 0


@pytest.mark.parametrize("audio", [noise(30.0, level=0.3), tone(30.0), np.zeros(720_000, np.float32), tone(0.05)])
def test_any_segment_makes_a_picture_under_the_limit(audio):
    assert picture(mel_picture(audio, "Étude Op. 10 No. 5")).shape[0] > 150


def test_the_busiest_sound_stays_under_the_limit():
    bursts = noise(30.0, level=0.3) * np.repeat(np.random.default_rng(1).random(3000), 240)
    picture(mel_picture(bursts.astype(np.float32), "x" * 60))


def test_a_tone_is_seen_as_a_bright_line_in_the_dark():
    shown = picture(mel_picture(tone(5.0, hertz=1000), ""))
    inner = shown[20:-40, 80:-20]
    rows = inner.mean(axis=1)
    assert rows.max() > 120
    assert np.median(rows) < 60


@pytest.mark.parametrize("seconds", [[], [30.0], [10.0, 500.0, 3000.0], list(range(60, 2000))])
def test_any_number_of_durations_makes_a_histogram(seconds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture(duration_histogram(seconds, "recordings"))


def test_pictures_of_the_same_thing_are_the_same():
    assert mel_picture(tone(1.0), "a") == mel_picture(tone(1.0), "a")


@pytest.mark.parametrize("sr", [8_000, 24_000, 44_100])
def test_a_tone_peaks_at_its_band_at_any_rate(sr):
    bands = log_mel(tone(2.0, sr, hertz=1000), sr)
    centres = np.linspace(0, mel(sr / 2), BANDS + 2)[1:-1]
    assert abs(int(bands[:, 5:-5].mean(axis=1).argmax()) - np.abs(centres - mel(1000)).argmin()) <= 1


@pytest.mark.parametrize(("sr", "seconds"), [(8_000, 0.05), (24_000, 30.0), (48_000, 10.0)])
def test_two_segments_make_a_picture_under_the_limit(sr, seconds):
    clean, hiss = tone(seconds, sr), noise(seconds, sr, level=0.3)
    assert picture(spectra_picture(clean, hiss, sr, "recording_conditions: reverb, noise, gain")).shape[0] > 250
    picture(spectra_picture(np.zeros_like(clean), np.zeros_like(clean), sr, ""))


def test_the_busiest_two_segments_stay_under_the_limit():
    bursts = noise(30.0, level=0.3) * np.repeat(np.random.default_rng(1).random(3000), 240).astype(np.float32)
    picture(spectra_picture(bursts, bursts[::-1], 24_000, "x" * 60))


def test_clean_stands_above_augmented_on_one_scale():
    shown = picture(spectra_picture(noise(5.0, level=0.3), np.zeros(120_000, np.float32), 24_000, ""))
    clean, augmented = shown[30:120, 80:350], shown[175:245, 80:350]
    assert clean.mean() > augmented.mean() + 60
