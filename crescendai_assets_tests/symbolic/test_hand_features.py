from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crescendai_assets.symbolic.hand_features import (
    OVER_SCORE,
    as_matrix,
    extract_hand_features,
    named_hand_features,
)
from crescendai_assets.symbolic.moments import moments
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic import midi_files as mf


def scale(*, held=0.2, every=0.25, velocity=80, sustain=()):
    steps = np.arange(16)
    return performance(60 + steps, steps * every, np.full(16, held), np.broadcast_to(velocity, 16), sustain=sustain)


def of(read):
    return named_hand_features(read)


def test_there_are_81_of_a_performance_and_as_many_over_its_score(tmp_path):
    path = mf.save_performance(mf.random_performance(1), tmp_path / "a.mid")
    score = mf.save_performance(scale(), tmp_path / "b.mid")
    alone, both = extract_hand_features(path), extract_hand_features(path, score)
    assert len(alone) == 81
    assert len(both) == 162
    assert both["velocity_mean" + OVER_SCORE] == pytest.approx(alone["velocity_mean"] - 80)
    assert {name: both[name] for name in alone} == alone
    over_itself = extract_hand_features(path, path)
    assert all(value == 0 for name, value in over_itself.items() if name.endswith(OVER_SCORE))


def test_they_say_how_loud():
    quiet, loud = of(scale(velocity=40)), of(scale(velocity=90))
    assert (quiet["velocity_mean"], loud["velocity_q50"]) == (40, 90)
    growing = of(scale(velocity=np.arange(20, 100, 5)))
    assert growing["velocity_slope"] == pytest.approx(75)
    assert growing["velocity_range"] == pytest.approx(67.5)
    assert growing["velocity_by_pitch"] == pytest.approx(1)
    assert loud["velocity_deviation"] == loud["velocity_slope"] == loud["velocity_moves"] == 0


def test_they_say_how_fast_and_how_evenly():
    fast, slow = of(scale(every=0.25)), of(scale(every=0.5))
    assert slow["inter_onset_q50"] - fast["inter_onset_q50"] == pytest.approx(np.log(2))
    assert slow["inter_onset_step_mean"] == pytest.approx(0, abs=1e-9)
    read = scale()
    swung = dataclasses.replace(read, onset=read.onset + np.tile([0, 0.08], 8))
    assert of(swung)["inter_onset_step_mean"] > 0.5


def test_they_say_how_long_notes_are_held_for_the_time_they_have():
    short, long = of(scale(held=0.125)), of(scale(held=0.25))
    assert short["articulation_q50"] == pytest.approx(np.log(0.5))
    assert long["articulation_top_mean"] == pytest.approx(0, abs=1e-9)


def test_they_say_what_the_pedal_does():
    changes = [(t, value) for bar in range(4) for t, value in ((bar, 127), (bar + 0.5, 0))]
    dry, wet = of(scale()), of(scale(sustain=changes))
    assert dry["pedal_down"] == dry["pedal_changes"] == dry["sounding_over_held"] == 0
    assert wet["pedal_down"] == pytest.approx(0.5, abs=0.03)
    assert wet["pedal_changes"] == pytest.approx(4 / 3.95, abs=0.01)
    assert wet["pedal_lasting"] == pytest.approx(np.log(0.5))
    assert wet["sounding_mean"] > dry["sounding_mean"]
    assert of(scale(sustain=[(0, 50)]))["pedal_half"] == 1


def test_a_chord_is_one_moment_and_its_top_and_bass_are_known():
    read = performance([72, 60, 64, 67], [0.0, 0.01, 0.02, 0.5], [0.4] * 4, [90, 50, 60, 70])
    found = moments(read)
    assert found.size.tolist() == [3, 1]
    assert len(moments(performance([60, 61], [0.0, 0.035], [1, 1], [64, 64])).size) == 2
    assert found.spread == pytest.approx([0.02, 0])
    assert read.pitch[found.top].tolist() == [72, 67]
    assert read.pitch[found.bottom].tolist() == [60, 67]
    features = of(read)
    assert features["chord_spread_mean"] == pytest.approx(0.02)
    assert features["velocity_top_over_bass"] == pytest.approx((90 + 70) / 2 - (50 + 70) / 2)


def test_what_stands_before_the_first_note_does_not_count():
    read = scale(sustain=[(0, 127), (1.1, 0)])
    later = dataclasses.replace(read, onset=read.onset + 8, sustain=read.sustain + np.array([8, 0]))
    for name, value in of(read).items():
        assert of(later)[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("notes", [1, 2, 3])
def test_a_few_notes_give_finite_numbers(notes):
    read = performance([60] * notes, np.arange(notes) * 0.5, [0.1] * notes, [70] * notes)
    assert np.isfinite(list(of(read).values())).all()


def test_a_matrix_has_one_column_a_feature_in_the_order_of_the_names():
    rows = [of(scale(velocity=v)) for v in (30, 60)]
    values, names = as_matrix(rows)
    assert values.shape == (2, 81)
    assert values[:, names.index("velocity_mean")].tolist() == [30, 60]


@needs_shared
def test_real_passages_and_their_scores_give_finite_numbers():
    folder = DATA / "percepiano"
    rows = []
    for path in sorted((folder / "midi").glob("*.mid"))[::40]:
        passage, _, segment = path.stem.strip().rsplit("_", 2)
        rows.append(extract_hand_features(path, folder / "score_midi" / f"{passage}_Score_{segment}.mid"))
    values, _ = as_matrix(rows)
    assert values.shape == (31, 162)
    assert np.isfinite(values).all()
