"""Judged by whole protocols: only held-out rows count, leaks stop it, what is planted is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crescendai_assets.evaluation.agreement import r2
from crescendai_assets.evaluation.pairs import pair_accuracy
from crescendai_assets.evaluation.protocols import Judgement, as_published, judge, out_of_fold
from crescendai_assets.labels.protocols import Fold, grouped_folds, left_out_folds
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training.hand_dataset import HandDataset
from crescendai_assets_tests.labels.rated import score_of, segments

KEYS = [
    key
    for work, movement in (("D960", "mv2"), ("D960", "mv3"), ("D935", "no.3"))
    for key in score_of(work, movement, ["1", "2", "3", "4", "Score"], range(1, 7))
]


class Line:
    """Least squares, so that a test knows what it must say."""

    def fit(self, features, labels):
        self.weights = np.linalg.lstsq(_with_one(features), labels, rcond=None)[0]
        self.learnt = features

    def predict(self, features):
        assert not set(map(tuple, features.tolist())) & set(map(tuple, self.learnt.tolist()))
        return _with_one(features) @ self.weights


def _with_one(features):
    return np.hstack([features, np.ones((len(features), 1))])


def dataset(noise: float = 0.05) -> HandDataset:
    """Labels that are a line of two of three features, and noise."""
    chance = np.random.default_rng(0)
    rows = segments(KEYS)
    x = chance.normal(size=(len(rows), 3))
    y = 0.5 + 0.1 * x[:, :2] @ chance.normal(size=(2, 19)) + noise * chance.normal(size=(len(rows), 19))
    return HandDataset(tuple(rows), x, ("a", "b", "c"), y)


def folds(protocol: str = "passage", seeds: tuple[int, ...] = (0, 1)) -> list[Fold]:
    return grouped_folds(protocol, segments(KEYS), seeds, 4)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def judged() -> Judgement:
    return judge(lambda fold: Line(), dataset(), folds(), draws=300)


def test_every_row_is_predicted_once_a_shuffle_by_a_model_that_never_saw_it(judged):
    found = judged.out_of_fold
    assert found.seeds == (0, 1)
    assert np.isfinite(found.scores).all()
    assert found.scores.shape == (2, len(KEYS), 19)
    assert [len(np.unique(fold)) for fold in found.fold] == [4, 4]


def test_figures_are_those_of_the_held_out_rows(judged):
    data, found = dataset(), judged.out_of_fold
    passages = [row["passage"] for row in data.rows]
    everyone = judged.everyone
    assert everyone.r2.value == pytest.approx(np.mean([r2(s, data.labels).mean() for s in found.scores]))
    assert everyone.pairs.value == pytest.approx(
        np.mean([pair_accuracy(s, data.labels, passages).overall for s in found.scores])
    )
    by_fold = [
        r2(scores[fold == one], data.labels[fold == one]).mean()
        for scores, fold in zip(found.scores, found.fold, strict=True)
        for one in np.unique(fold)
    ]
    assert everyone.r2_by_fold == pytest.approx(np.mean(by_fold))
    assert everyone.r2_by_dimension.mean() == pytest.approx(everyone.r2.value)
    assert everyone.r2.low < everyone.r2.value < everyone.r2.high
    assert 0.7 < everyone.r2.value < 0.95
    assert 0.8 < everyone.pairs.value < 1


def test_machine_renderings_are_left_out_beside(judged):
    assert (judged.everyone.segments, judged.pianists.segments) == (90, 72)
    assert judged.pianists.compared < judged.everyone.compared
    data = dataset()
    kept = [i for i, row in enumerate(data.rows) if not row["machine"]]
    assert judged.pianists.r2.value == pytest.approx(
        np.mean([r2(s[kept], data.labels[kept]).mean() for s in judged.out_of_fold.scores])
    )


def test_shuffled_labels_are_judged_to_hold_nothing():
    data = dataset()
    shuffled = replace(data, labels=np.random.default_rng(1).permutation(data.labels))
    found = judge(lambda fold: Line(), shuffled, folds(), draws=200).everyone
    assert found.r2.value < 0.05
    assert found.pairs.value == pytest.approx(0.5, abs=0.06)


def test_pairs_are_of_scores_of_one_model_only():
    data = dataset()
    found = judge(lambda fold: Line(), data, folds("performer", (0,)), draws=10)
    fold = found.out_of_fold.fold[0]
    together = [(int(n), row["passage"]) for n, row in zip(fold, data.rows, strict=True)]
    expected = pair_accuracy(found.out_of_fold.scores[0], data.labels, together)
    assert found.everyone.pairs.value == pytest.approx(expected.overall)
    assert found.everyone.compared == expected.compared.sum()
    assert found.unit == "performer_group"


def test_a_work_left_out_is_one_shuffle():
    found = judge(lambda fold: Line(), dataset(), left_out_folds(segments(KEYS)), draws=10)
    assert found.out_of_fold.seeds == (None,)
    assert not found.leaky
    assert found.everyone.segments == 90


def test_a_leak_stops_it_before_training_and_a_leaky_protocol_says_so():
    first, *_ = folds()
    leaky = replace(first, train=(*first.train, first.val[0]))
    trained: list[Fold] = []

    def make(fold: Fold) -> Line:
        trained.append(fold)
        return Line()

    with pytest.raises(SetupError, match="leaks"):
        judge(make, dataset(), [leaky])
    assert not trained
    published = Fold("published", "f0", None, first.train, (*first.val[:-6],))
    found = judge(make, dataset(), [published], pairing=as_published, draws=10)
    assert found.leaky
    assert found.everyone.segments == len(first.val) - 6


def test_published_pairs_are_of_one_performer_and_other_bars():
    (row,) = segments(["Schubert_D960_mv2_8bars_3_05"])
    assert as_published(row) == "Schubert_D960_mv2_8bars_3"


def test_segments_left_out_of_the_data_are_left_out_of_folds_and_unknown_ones_are_not_passed_over():
    data = dataset()
    gone = data.rows[0]["segment_id"]
    less = replace(
        data, rows=data.rows[1:], features=data.features[1:], labels=data.labels[1:], left_out={gone: "no MIDI"}
    )
    assert judge(lambda fold: Line(), less, folds(), draws=10).everyone.segments == 89
    with pytest.raises(SetupError, match="there is no such segment"):
        judge(lambda fold: Line(), replace(less, left_out={}), folds(), draws=10)
    nothing = Fold("passage", "s0f0", 0, tuple(data.segments[1:]), (gone,))
    with pytest.raises(SetupError, match="no segment with features on one side"):
        judge(lambda fold: Line(), less, [nothing])


def test_two_models_are_compared_on_the_same_draws(judged):
    class Noisy(Line):
        def predict(self, features):
            return super().predict(features) + 0.2 * np.random.default_rng(5).normal(size=(len(features), 19))

    other = judge(lambda fold: Noisy(), dataset(), folds(), draws=10)
    in_r2, in_pairs = judged.everyone.better_than(other.everyone)
    assert in_r2.significant
    assert in_pairs.significant
    assert in_r2.value == pytest.approx(judged.everyone.r2.value - other.everyone.r2.value)
    with pytest.raises(ValueError, match="different groups"):
        judged.everyone.better_than(replace_groups(other))


def replace_groups(other: Judgement):
    from crescendai_assets.evaluation.bootstrap import mean_sums

    strange = mean_sums([1.0, 2.0], ["a", "b"])
    return replace(other.everyone, r2_figure=strange, pairs_figure=strange)


def test_one_shuffle_can_be_told_alone(judged):
    alone = judged.out_of_fold.of_seed(1)
    assert alone.seeds == (1,)
    assert np.array_equal(alone.scores[0], judged.out_of_fold.scores[1])


def test_nan_other_shapes_and_mixed_protocols_are_refused():
    class Nan(Line):
        def predict(self, features):
            return np.full((len(features), 19), np.nan)

    class Narrow(Line):
        def predict(self, features):
            return np.zeros((len(features), 3))

    with pytest.raises(ValueError, match=r"scores of fold s0f0 by passage: .* NaN"):
        out_of_fold(lambda fold: Nan(), dataset(), folds())
    with pytest.raises(ValueError, match="fold s0f0: scores have the shape"):
        out_of_fold(lambda fold: Narrow(), dataset(), folds())
    with pytest.raises(SetupError, match="one protocol"):
        out_of_fold(lambda fold: Line(), dataset(), [*folds(), *folds("performer")])
    with pytest.raises(SetupError, match="one protocol"):
        out_of_fold(lambda fold: Line(), dataset(), [])
