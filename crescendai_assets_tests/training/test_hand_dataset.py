"""Features beside labels: the right file for each segment, the right score, nothing of a label in a feature."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.bench.symbolic import write_playing
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.passages import write_passages
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.symbolic.hand_features import OVER_SCORE, extract_hand_features
from crescendai_assets.training.hand_dataset import OVER_OTHERS, hand_dataset, over_others, score_path, with_relative
from crescendai_assets_tests.labels.rated import score_of, tier

KEYS = [*score_of("D960", "mv2", ["1", "2", "Score"], [1, 2]), "Schubert_D960_mv3_8bars_1_01"]
SCORE = "Schubert_D960_mv2_8bars_{}_{}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelFiles, Path, Path]:
    """A tier, its MIDI (one name starts with a space, as in the source) and the scores of mv2."""
    root = tmp_path_factory.mktemp("rated")
    midi, scores = root / "midi", root / "scores"
    midi.mkdir()
    scores.mkdir()
    for number, key in enumerate(KEYS):
        write_playing(midi / f"{' ' if number == 0 else ''}{key}.mid", 6, seed=number)
    write_playing(scores / (SCORE.format("Score", "01") + ".mid"), 6, seed=50)
    write_playing(scores / (SCORE.format("Score2", "01") + ".mid"), 6, seed=51)
    write_playing(scores / (SCORE.format("Score2", "02") + ".mid"), 6, seed=52)
    (scores / "beethoven_woo80_score2.mid").write_bytes(b"another thing")
    return tier(root, KEYS), midi, scores


def test_rows_features_and_labels_are_of_the_same_segment(source):
    files, midi, scores = source
    found = hand_dataset(files, midi, scores)
    assert found.segments == tuple(sorted(KEYS))
    labels = json.loads(files.labels.read_text())
    for row, key in enumerate(found.segments):
        assert found.labels[row].tolist() == labels[key]
        path = next(p for p in midi.iterdir() if p.stem.strip() == key)
        own = extract_hand_features(path)
        assert found.features[row, :81] == pytest.approx([own[name] for name in found.feature_names[:81]])


def test_differences_are_from_the_score_of_the_same_bars(source):
    files, midi, scores = source
    found = hand_dataset(files, midi, scores)
    columns = [i for i, name in enumerate(found.feature_names) if name.endswith(OVER_SCORE)]
    assert len(columns) * 2 == len(found.feature_names) == 162
    for key, score in ((SCORE.format("2", "01"), "Score_01"), (SCORE.format("2", "02"), "Score2_02")):
        rendering, number = score.split("_")
        path = scores / (SCORE.format(rendering, number) + ".mid")
        expected = extract_hand_features(midi / f"{key}.mid", path)
        row = found.segments.index(key)
        for column in columns:
            assert found.features[row, column] == pytest.approx(expected[found.feature_names[column]])


def test_what_has_no_score_keeps_its_own_features_and_is_counted(source):
    files, midi, scores = source
    found = hand_dataset(files, midi, scores)
    assert found.without_score == ("Schubert_D960_mv3_8bars_1_01",)
    row = found.segments.index(found.without_score[0])
    assert np.isfinite(found.features[row, :81]).all()
    assert np.isnan(found.features[row, 81:]).all()
    assert found.facts == {"segments": 7, "features": 162, "without_score": 1, "left_out": 0}
    assert len(hand_dataset(files, midi).without_score) == 7


def test_the_labels_leave_no_trace_in_the_features(source, tmp_path):
    files, midi, scores = source
    shutil.copytree(files.folder, tmp_path / "other")
    other = LabelFiles(tmp_path / "other")
    labels = json.loads(files.labels.read_text())
    other.labels.write_text(json.dumps({key: [0.5] * 19 for key in labels}))
    one, two = (with_relative(hand_dataset(which, midi, scores)) for which in (files, other))
    assert np.array_equal(one.features, two.features, equal_nan=True)
    assert not np.array_equal(one.labels, two.labels)


def test_what_cannot_be_read_or_is_missing_is_left_out_with_its_reason(source, tmp_path):
    files, midi, scores = source
    shutil.copytree(midi, tmp_path / "midi")
    (tmp_path / "midi" / f"{SCORE.format('1', '02')}.mid").unlink()
    (tmp_path / "midi" / f"{SCORE.format('2', '01')}.mid").write_bytes(b"MThd but no more")
    found = hand_dataset(files, tmp_path / "midi", scores)
    assert len(found.segments) == 5
    assert found.left_out is not None
    assert found.left_out[SCORE.format("1", "02")] == "no MIDI file of that name"
    assert SCORE.format("2", "01") in found.left_out[SCORE.format("2", "01")]


def test_a_broken_score_leaves_its_passage_without_one(source, tmp_path):
    files, midi, scores = source
    shutil.copytree(scores, tmp_path / "scores")
    (tmp_path / "scores" / (SCORE.format("Score", "01") + ".mid")).write_bytes(b"no")
    found = hand_dataset(files, midi, tmp_path / "scores")
    of_passage = {SCORE.format(performer, "01") for performer in ("1", "2", "Score")}
    assert set(found.without_score) == {*of_passage, "Schubert_D960_mv3_8bars_1_01"}


def test_folders_without_anything_of_use_are_named(source, tmp_path):
    files, midi, scores = source
    with pytest.raises(SetupError, match="no such folder"):
        hand_dataset(files, tmp_path / "nowhere", scores)
    with pytest.raises(SetupError, match="no segment has both a label and usable MIDI"):
        hand_dataset(files, tmp_path, scores)
    shutil.copytree(midi, tmp_path / "midi")
    shutil.copy(midi / f"{KEYS[1]}.mid", tmp_path / "midi" / f" {KEYS[1]}.mid")
    with pytest.raises(SetupError, match="are both of"):
        hand_dataset(files, tmp_path / "midi", scores)
    with pytest.raises(SetupError, match="materialize percepiano/labels first"):
        hand_dataset(LabelFiles(tmp_path / "empty"), midi, scores)


def test_the_score_is_the_first_rendering_there_is():
    scores = {name: Path(name) for name in ("A_b_c_8bars_Score_1", "A_b_c_8bars_Score2_1", "A_b_c_8bars_Score2_2")}
    assert score_path("A_b_c_8bars_7_1", scores) == Path("A_b_c_8bars_Score_1")
    assert score_path("A_b_c_8bars_Score2_1", scores) == Path("A_b_c_8bars_Score_1")
    assert score_path("A_b_c_8bars_7_2", scores) == Path("A_b_c_8bars_Score2_2")
    assert score_path("A_b_c_8bars_7_3", scores) is None
    assert score_path("A_b_c_16bars_7_1", scores) is None


def test_differences_from_the_others_leave_the_row_itself_out():
    values = np.array([[1.0], [3.0], [8.0], [5.0]])
    found = over_others(values, ["a", "a", "a", "b"])
    assert found[:3, 0].tolist() == [1 - 5.5, 3 - 4.5, 8 - 2]
    assert np.isnan(found[3, 0])
    moved = values.copy()
    moved[3] += 100  # another passage has no say
    assert np.array_equal(over_others(moved, ["a", "a", "a", "b"])[:3], found[:3])
    assert over_others(values[:0], []).shape == (0, 1)


def test_relative_features_are_of_own_ones_within_the_passage(source):
    files, midi, scores = source
    found = with_relative(hand_dataset(files, midi, scores))
    assert found.features.shape == (7, 243)
    assert sum(name.endswith(OVER_OTHERS) for name in found.feature_names) == 81
    of_passage = [i for i, row in enumerate(found.rows) if row["passage"].endswith("mv2_8bars_01")]
    column, relative = 0, 162
    first, others = of_passage[0], of_passage[1:]
    assert found.feature_names[relative] == found.feature_names[column] + OVER_OTHERS
    assert found.features[first, relative] == pytest.approx(
        found.features[first, column] - found.features[others, column].mean()
    )
    assert np.isnan(found.features[found.segments.index("Schubert_D960_mv3_8bars_1_01"), relative:]).all()


def test_rows_are_those_of_the_segments_table(source, tmp_path):
    files, midi, scores = source
    shutil.copytree(files.folder, tmp_path / "cache")
    again = LabelFiles(tmp_path / "cache")
    write_passages(again, midi)
    assert [row["midi_sha256"] is not None for row in hand_dataset(again, midi, scores).rows] == [True] * 7
