"""The best symbolic model on PercePiano itself: what issue and README tell of it, on exactly S0's folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crescendai_assets.evaluation.protocols import Judgement, judge
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.folds import read_folds
from crescendai_assets.models.hand import HandReference, HandSettings
from crescendai_assets.models.stack import EnsembleSettings, SymbolicEnsemble
from crescendai_assets.training.hand_dataset import HandDataset, hand_dataset
from crescendai_assets.training.note_dataset import with_note_features
from crescendai_assets_tests.percepiano_lake import PERCEPIANO, real_labels
from crescendai_assets_tests.shared_data import needs_shared

pytestmark = [needs_shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> LabelFiles:
    return real_labels(tmp_path_factory.mktemp("percepiano"))


@pytest.fixture(scope="module")
def hand(files: LabelFiles) -> HandDataset:
    return hand_dataset(files, PERCEPIANO / "midi", PERCEPIANO / "score_midi")


@pytest.fixture(scope="module")
def notes(hand: HandDataset) -> HandDataset:
    return with_note_features(hand, PERCEPIANO / "midi", PERCEPIANO / "score_midi")


def best(files: LabelFiles, notes: HandDataset, **more) -> Judgement:
    def make(fold):
        settings = EnsembleSettings()
        return SymbolicEnsemble(
            notes.feature_names, replace(settings, hand=replace(settings.hand, seed=fold.seed or 0))
        )

    return judge(make, notes, read_folds(files, "passage"), **more)


def test_all_segments_but_one_are_aligned_with_their_score(notes: HandDataset):
    assert notes.facts == {"segments": 1202, "features": 3012, "without_score": 1, "left_out": 0}
    (odd,) = notes.without_score
    assert odd == "Beethoven_WoO80_var25_8bars_19_14"  # 79 of its 143 notes are not in the score
    for row, segment in enumerate(notes.segments):
        assert np.isnan(notes.features[row]).any() == (segment == odd)


def test_new_music_is_judged_better_than_by_s0(files: LabelFiles, hand: HandDataset, notes: HandDataset):
    found = best(files, notes)
    assert (found.leaky, found.out_of_fold.seeds) == (False, (0, 1, 2))
    assert found.everyone.r2.value >= 0.535  # told: .549
    assert found.everyone.pairs.value >= 0.76  # told: .765
    s0 = judge(lambda fold: HandReference(HandSettings(seed=fold.seed or 0)), hand, read_folds(files, "passage"))
    in_r2, in_pairs = found.everyone.better_than(s0.everyone)
    assert in_r2.low > 0.02
    assert in_pairs.low > 0


def test_ratings_of_other_segments_teach_nothing(files: LabelFiles, notes: HandDataset):
    shuffled = replace(notes, labels=np.random.default_rng(0).permutation(notes.labels))
    found = best(files, shuffled, draws=0).everyone
    assert found.r2.value < 0.01
    assert found.pairs.value == pytest.approx(0.5, abs=0.03)
