"""Note features stand beside the hand features of the same segment; what cannot be aligned is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.bench.symbolic import write_playing
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.symbolic.note_features import OF_CONTEXTS, extract_note_features
from crescendai_assets.training.hand_dataset import HandDataset, hand_dataset, with_relative
from crescendai_assets.training.note_dataset import with_note_features
from crescendai_assets_tests.labels.rated import score_of, tier

KEYS = [*score_of("D960", "mv2", ["1", "Score"], [1, 2]), "Schubert_D960_mv3_8bars_1_01"]
SCORE = "Schubert_D960_mv2_8bars_Score_{}.mid"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[HandDataset, Path, Path]:
    """Passage 1 is played as its score is, the score of passage 2 is other music, mv3 has none."""
    root = tmp_path_factory.mktemp("rated")
    midi, scores = root / "midi", root / "scores"
    midi.mkdir()
    scores.mkdir()
    for key in KEYS:
        write_playing(midi / f"{key}.mid", 6, seed=1 if key.endswith("mv2_8bars_1_01") else 2)
    write_playing(scores / SCORE.format("01"), 6, seed=1)
    (scores / SCORE.format("02")).write_bytes(b"no")
    files: LabelFiles = tier(root, KEYS)
    return hand_dataset(files, midi, scores), midi, scores


@pytest.fixture(scope="module")
def found(source) -> HandDataset:
    return with_note_features(*source, workers=1)


def test_columns_are_added_and_rows_are_of_their_segment(source, found):
    hand, midi, scores = source
    assert (found.rows, found.feature_names[:162]) == (hand.rows, hand.feature_names)
    assert np.array_equal(found.features[:, :162], hand.features, equal_nan=True)
    key = "Schubert_D960_mv2_8bars_1_01"
    expected = extract_note_features(midi / f"{key}.mid", scores / SCORE.format("01"))
    assert found.feature_names[162:] == tuple(expected)
    assert found.features[found.segments.index(key), 162:] == pytest.approx(list(expected.values()))


def test_what_cannot_be_aligned_has_nan_and_is_counted(found):
    lacking = {key for key in KEYS if key.endswith("_02") or "mv3" in key}
    assert lacking <= set(found.without_score)
    for row, key in enumerate(found.segments):
        assert np.isnan(found.features[row, 162:]).all() == (key in found.without_score)


def test_differences_from_the_passages_others_are_had_as_for_hand_features(found):
    added = with_relative(found).feature_names[162 + 2850 :]
    assert len(added) == 81 + 2850
    assert sum(name.startswith(OF_CONTEXTS) for name in added) == 2400


def test_scores_of_no_use_are_an_error_of_setup(source, tmp_path):
    hand, midi, scores = source
    with pytest.raises(SetupError, match="no such folder"):
        with_note_features(hand, midi, tmp_path / "nowhere")
    with pytest.raises(SetupError, match="there are no scores"):
        with_note_features(hand, midi, tmp_path)
    shutil.copy(scores / SCORE.format("02"), tmp_path)
    with pytest.raises(SetupError, match="no segment can be aligned"):
        with_note_features(hand, midi, tmp_path)
