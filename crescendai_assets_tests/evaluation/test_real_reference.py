"""S0 on PercePiano itself: at least what was told of it, on exactly these folds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.evaluation.protocols import Judgement, as_published, judge
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.folds import read_folds
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.models.hand import HandReference, HandSettings
from crescendai_assets.training.hand_dataset import HandDataset, hand_dataset, with_relative
from crescendai_assets_tests.percepiano_lake import PERCEPIANO, real_labels
from crescendai_assets_tests.shared_data import needs_shared

pytestmark = needs_shared


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> LabelFiles:
    return real_labels(tmp_path_factory.mktemp("percepiano"))


@pytest.fixture(scope="module")
def dataset(files: LabelFiles) -> HandDataset:
    return hand_dataset(files, PERCEPIANO / "midi", PERCEPIANO / "score_midi")


def judged(files: LabelFiles, dataset: HandDataset, protocol, **more) -> Judgement:
    return judge(
        lambda fold: HandReference(HandSettings(seed=fold.seed or 0)), dataset, read_folds(files, protocol), **more
    )


def test_all_1202_segments_have_features_and_a_score(dataset: HandDataset):
    assert dataset.facts == {"segments": 1202, "features": 162, "without_score": 0, "left_out": 0}
    assert np.isfinite(dataset.features).all()


def test_published_pairs_are_those_of_the_published_mapping(files: LabelFiles):
    ours: dict[str, set[str]] = {}
    for row in read_passages(files):
        ours.setdefault(as_published(row), set()).add(row["segment_id"])
    published = json.loads((PERCEPIANO / "published_piece_mapping.json").read_text())
    assert len(published) == 61
    for group, keys in published.items():
        assert set(keys) <= ours[group]


@pytest.mark.slow
def test_new_music_at_least_as_told_with_the_score_alone_and_with_the_passages_others(
    files: LabelFiles, dataset: HandDataset
):
    found = judged(files, dataset, "passage")
    assert (found.leaky, found.out_of_fold.seeds) == (False, (0, 1, 2))
    assert found.everyone.r2.value >= 0.444
    assert found.everyone.r2_by_fold >= 0.444
    assert found.everyone.pairs.value >= 0.724
    assert found.everyone.r2.value == pytest.approx(0.503, abs=0.005)
    assert found.everyone.pairs.value == pytest.approx(0.751, abs=0.003)
    assert found.pianists.r2.value < found.everyone.r2.value
    relative = judged(files, with_relative(dataset), "passage")
    assert relative.everyone.r2.value >= 0.464
    assert relative.everyone.pairs.value >= 0.738
    in_r2, in_pairs = relative.everyone.better_than(found.everyone)
    assert in_r2.value > 0
    assert in_pairs.significant


@pytest.mark.slow
def test_new_music_is_harder_where_no_take_is_on_both_sides(files: LabelFiles, dataset: HandDataset):
    found = judged(files, dataset, "passage_by_content", draws=300)
    assert (found.leaky, found.unit, found.everyone.segments) == (False, "content_group", 1202)
    assert found.everyone.r2.value == pytest.approx(0.379, abs=0.01)
    assert found.everyone.pairs.value == pytest.approx(0.732, abs=0.005)
    assert found.pianists.r2.value == pytest.approx(0.309, abs=0.01)
    assert found.pianists.pairs.value == pytest.approx(0.696, abs=0.005)


@pytest.mark.slow
def test_ratings_of_other_segments_teach_nothing(files: LabelFiles, dataset: HandDataset):
    shuffled = replace(dataset, labels=np.random.default_rng(0).permutation(dataset.labels))
    found = judged(files, shuffled, "passage", draws=0).everyone
    assert found.r2.value < 0.01
    assert found.pairs.value == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_published_folds_are_flagged_and_flatter(files: LabelFiles, dataset: HandDataset):
    found = judged(files, dataset, "published", pairing=as_published)
    assert found.leaky
    assert found.everyone.segments == 964
    assert found.everyone.r2.value >= 0.54
    assert found.everyone.pairs.value >= 0.771
    strict = judged(files, dataset, "work").everyone
    assert strict.r2.value < 0.25  # a new work is another matter


def test_a_stored_reference_says_the_same(dataset: HandDataset, tmp_path: Path):
    model = HandReference(HandSettings(trees=30)).fit(
        dataset.features[:300], dataset.labels[:300], feature_names=dataset.feature_names
    )
    model.save(tmp_path / "s0.npz")
    again = HandReference.load(tmp_path / "s0.npz")
    assert again.feature_names == dataset.feature_names
    assert np.array_equal(again.predict(dataset.features), model.predict(dataset.features))
