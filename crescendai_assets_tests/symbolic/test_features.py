from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.symbolic.features import CHANNELS, curves, extract_continuous_features
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.symbolic import midi_files as mf

PITCH, VELOCITY, DENSITY, PEDAL, INTER_ONSET = range(5)


def plain_curves(read, rate):
    """Frame by frame, as the definitions say."""
    rows = []
    for i in range(int(np.ceil(read.seconds * rate))):
        time = i / rate
        starts = np.floor(read.onset * rate)
        down = [n for n in range(len(read)) if starts[n] <= i < max(np.ceil(read.end[n] * rate), starts[n] + 1)]
        weight = read.velocity[down].sum()
        moments = [t for n, t in enumerate(read.onset) if n == 0 or t - read.onset[n - 1] >= 0.035]
        past = [t for t in moments if t <= time]
        changes = [value for t, value in read.sustain if t <= time]
        rows.append(
            [
                (read.pitch[down] * read.velocity[down]).sum() / weight / 127 if down else 0,
                read.velocity[down].mean() / 127 if down else 0,
                min(sum(time - 1 < t <= time for t in read.onset) / 40, 1),
                changes[-1] / 127 if changes else 0,
                min((past[-1] - past[-2]) / 4, 1) if len(past) > 1 else 1,
            ]
        )
    return np.array(rows)


def test_the_curves_of_two_notes_are_what_their_names_say():
    read = performance([60, 72], [0.0, 0.5], [0.25, 0.5], [100, 50], sustain=[(0.5, 127)])
    found = curves(read, 50)
    assert found.shape == (50, len(CHANNELS))
    assert found.dtype == np.float32
    assert found[:13, PITCH] == pytest.approx(60 / 127)
    assert found[13:25, [PITCH, VELOCITY]].tolist() == [[0, 0]] * 12
    assert found[25:, PITCH] == pytest.approx(72 / 127)
    assert found[25:, VELOCITY] == pytest.approx(50 / 127)
    assert found[[0, 30], DENSITY] == pytest.approx([1 / 40, 2 / 40])
    assert found[[24, 25], PEDAL].tolist() == [0, 1]
    assert found[[0, 24, 25], INTER_ONSET] == pytest.approx([1, 1, 0.125])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([10, 50, 100]))
def test_the_curves_are_those_of_going_through_frame_by_frame(seed, rate):
    read = mf.random_performance(seed, 30, dense=0.5)
    found = curves(read, rate)
    assert np.isfinite(found).all()
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_allclose(found, plain_curves(read, rate), atol=2e-6)


def test_a_note_shorter_than_a_frame_is_heard():
    found = curves(performance([60, 90], [0.0, 0.501], [1.0, 0.001], [64, 64]), 10)
    assert found[5, PITCH] > found[4, PITCH]
    assert found[6, PITCH] == found[4, PITCH]


def test_a_file_is_read_at_the_rate_asked_for(tmp_path):
    path = mf.written(tmp_path, mf.midi(mf.ONE_NOTE))
    assert extract_continuous_features(path).shape == (25, 5)
    assert extract_continuous_features(path, frame_rate=100).shape == (50, 5)
    with pytest.raises(ValueError, match="frame_rate must be 1 or more"):
        extract_continuous_features(path, frame_rate=0)
