"""The rated set: what listeners say can be told from the keys, and the sound is of what was played."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.labels.dimensions import NAMES
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.names import inner_passages, parse_name
from crescendai_assets.labels.percepiano import read_labels, write_labels
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.sample.pieces import PIECES
from crescendai_assets.sample.rated_music import KEYS, PASSAGES, PERFORMERS, WORKS, halves
from crescendai_assets.sample.rated_playing import LEAD, RING, Manner, play
from crescendai_assets.sample.rated_set import RatedSet, write_rated_set
from crescendai_assets.sample.ratings import PLANTED_DIMENSIONS, SHUFFLED_DIMENSION, manners, truth
from crescendai_assets.symbolic.hand_features import extract_hand_features
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets_tests.sample.notes import digests, later_by

TOLD_BY = {
    "loudness": "velocity_mean",
    "range": "velocity_deviation",
    "pace": "notes_per_second_over_score",
    "pedal": "pedal_down",
    "articulation": "articulation_mean",
}
"""Habit -> the hand feature that tells it."""


def sound(rated: RatedSet, key: str) -> np.ndarray:
    """Samples from -1 to 1."""
    with wave.open(str(rated.audio(key)), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


@pytest.fixture(scope="module")
def features(rated: RatedSet) -> dict[str, dict[str, float]]:
    return {key: extract_hand_features(rated.midi(key), rated.score(key)) for key in KEYS}


@pytest.fixture(scope="module")
def means(rated: RatedSet, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Listeners' means, shape (performances, 19)."""
    files = LabelFiles(tmp_path_factory.mktemp("labels"))
    write_ratings(files, rated.ratings)
    write_labels(files)
    labels = read_labels(files)
    return np.array([labels[key] for key in KEYS])


# ---------------------------------------------------------------- names and files


def test_names_are_read_as_percepianos_are_and_no_work_is_in_the_samples_maestro():
    names = [parse_name(key) for key in KEYS]
    assert [name.key for name in names] == list(KEYS)
    assert len(set(KEYS)) == len(PASSAGES) * len(PERFORMERS)
    assert {f"{name.composer}_{name.work}" for name in names} == set(WORKS)
    assert not {passage.piece.slug for passage in PASSAGES} & {piece.slug for piece in PIECES}
    assert sum(name.is_machine for name in names) == len(PASSAGES)


def test_the_passages_inside_16_bars_are_those_that_names_say():
    passages = {parse_name(passage.key("1")).passage for passage in PASSAGES}
    for whole, *parts in halves():
        inside = inner_passages(parse_name(PASSAGES[whole].key("1")), passages)
        assert inside == [parse_name(PASSAGES[part].key("1")).passage for part in parts]


def test_every_performance_has_midi_and_sound_and_its_passage_a_score(rated):
    assert {path.stem for path in (rated.root / "midi").iterdir()} == set(KEYS)
    assert {path.stem for path in (rated.root / "audio").iterdir()} == set(KEYS)
    scores = {path.stem for path in (rated.root / "score_midi").iterdir()}
    assert scores == {passage.key("Score") for passage in PASSAGES}
    assert {rated.score(key).stem for key in KEYS} == scores


# ---------------------------------------------------------------- what can be heard


@pytest.mark.parametrize(("dimension", "habit"), PLANTED_DIMENSIONS.items())
def test_listeners_means_follow_the_habit_that_was_planted(features, means, dimension, habit):
    told = np.array([features[key][TOLD_BY[habit]] for key in KEYS]) * (-1 if habit == "pace" else 1)
    column = NAMES.index(dimension)
    assert np.corrcoef(told, truth()[:, column])[0, 1] > 0.88
    assert np.corrcoef(told, means[:, column])[0, 1] > 0.8


def test_the_shuffled_dimension_follows_no_habit(features, means):
    column = means[:, NAMES.index(SHUFFLED_DIMENSION)]
    for feature in TOLD_BY.values():
        assert abs(np.corrcoef([features[key][feature] for key in KEYS], column)[0, 1]) < 0.25


def test_a_performance_is_played_as_loud_as_wide_and_as_slow_as_asked():
    passage, how = PASSAGES[0], Manner(loudness=60, range=9, pace=1.5, pedal=0.6, articulation=0.7)
    heard = play(passage, how, "somebody")
    velocities = np.array([note.velocity for note in heard.notes])
    assert velocities.mean() == pytest.approx(60, abs=0.2)
    assert velocities.std() == pytest.approx(9, abs=0.2)
    bars = passage.quarters * 60 / passage.piece.quarters_per_minute * 1.5
    assert sum(span.up - span.down for span in heard.pedals) == pytest.approx(0.6 * bars, rel=0.02)
    assert play(passage, how, "somebody") == heard != play(passage, how, "somebody else")


def test_a_score_is_even_flat_and_without_pedal(rated):
    for passage in PASSAGES:
        read = read_midi(rated.score(passage.key("1")))
        assert set(read.velocity.tolist()) == {64}
        assert len(read.sustain) == 0
        assert sorted(read.pitch.tolist()) == sorted(note.pitch for note in passage.notes)
        grid = np.array(sorted(note.onset for note in passage.notes)) * 60 / passage.piece.quarters_per_minute
        assert read.onset - read.onset[0] == pytest.approx(grid, abs=2e-3)


# ---------------------------------------------------------------- 16 bars, and repeats


def test_16_bars_are_note_for_note_the_two_passages_inside_them(rated):
    for whole, *parts in halves():
        for performer in PERFORMERS:
            long, one, other = (read_midi(rated.midi(PASSAGES[i].key(performer))) for i in (whole, *parts))
            assert len(long) == len(one) + len(other)
            for part, some in ((one, slice(len(one))), (other, slice(len(one), None))):
                least, most = later_by(long, part, some)
                assert most - least < 2.5e-3


def test_a_machine_plays_a_repeat_in_the_same_bytes_and_a_pianist_does_not(rated):
    repeats = [key for key in KEYS if key.startswith("Schubert_D780_no.5") and key.endswith("_01")]
    assert len(repeats) == len(PERFORMERS)
    for key in repeats:
        same = rated.midi(key).read_bytes() == rated.midi(key.removesuffix("1") + "2").read_bytes()
        assert same == parse_name(key).is_machine
    groups = Counter(hashlib.sha256(rated.midi(key).read_bytes()).digest() for key in KEYS)
    assert sorted(groups.values())[-3:] == [1, 2, 2]


# ---------------------------------------------------------------- sound


def test_the_sound_is_as_long_as_the_midi_and_holds_music_throughout(rated):
    for key in KEYS:
        heard = sound(rated, key)
        assert len(heard) / 24_000 == pytest.approx(rated.seconds[key], abs=1e-4)
        read = read_midi(rated.midi(key))
        assert read.seconds < rated.seconds[key]
        assert read.onset[-1] < rated.seconds[key] - RING
        assert np.abs(heard).max() < 0.999
        by_second = heard[: len(heard) // 24_000 * 24_000].reshape(-1, 24_000)
        assert np.sqrt((by_second**2).mean(axis=1)).min() > 0.005
        assert not heard[: round(LEAD / 2 * 24_000)].any()


def test_loudness_is_heard_since_no_clip_is_levelled(rated):
    """Within passages: how loud one sounds beside another depends on its register and on how many notes it has."""
    loudness = np.array([manners()[key].loudness for key in KEYS]).reshape(len(PASSAGES), -1)
    levels = np.array([20 * np.log10(np.sqrt((sound(rated, key) ** 2).mean())) for key in KEYS]).reshape(loudness.shape)
    one, other = (values - values.mean(axis=1, keepdims=True) for values in (loudness, levels))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.75
    assert np.ptp(levels) > 6


def test_clips_are_short_but_for_one_that_an_encoder_cannot_take_at_once(rated):
    lengths = sorted(rated.seconds.values())
    assert lengths[0] > 4
    assert sum(seconds > 30 for seconds in lengths) == 1
    assert lengths[-1] > 30.5
    assert np.median(lengths) < 8
    assert sum(lengths) < 580


# ---------------------------------------------------------------- made once, made the same


def test_a_second_write_changes_nothing_and_without_sound_only_sound_is_missing(rated, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in rated.root.rglob("*")}
    assert write_rated_set(rated.root).written == ()
    assert {path: path.stat().st_mtime_ns for path in rated.root.rglob("*")} == before
    quiet = digests(write_rated_set(tmp_path / "quiet", audio=False).root)
    whole = digests(rated.root)
    assert {name for name in whole if name not in quiet} == {f"audio/{key}.wav" for key in KEYS}
    assert all(whole[name] == content for name, content in quiet.items() if name != ".sample.json")


def test_another_process_makes_the_same_bytes(rated, tmp_path):
    code = (
        "import sys, pathlib; from crescendai_assets.sample.rated_set import write_rated_set;"
        "write_rated_set(pathlib.Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], check=True, env=environment)
    assert digests(tmp_path / "other") == digests(rated.root)
