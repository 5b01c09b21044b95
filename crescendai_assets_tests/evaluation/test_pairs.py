"""Pairs: which there are, which count, and that no model gets more than its due."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crescendai_assets.evaluation.pairs import accuracy_of_pairs, pair_accuracy, pairs_within

GRID = st.integers(0, 20).map(lambda value: value / 20)
LABELS = arrays(np.float64, (9, 3), elements=GRID)
GROUPS = st.lists(st.sampled_from("abc"), min_size=9, max_size=9)


def counted(scores: np.ndarray, labels: np.ndarray, groups: list[str], margin: float) -> tuple[float, int]:
    """The definition, pair by pair."""
    right, count = 0.0, 0
    for (i, j), d in itertools.product(itertools.combinations(range(len(groups)), 2), range(labels.shape[1])):
        if groups[i] == groups[j] and abs(labels[i, d] - labels[j, d]) > margin:
            higher, said = labels[i, d] > labels[j, d], scores[i, d] - scores[j, d]
            right += 0.5 if said == 0 else (said > 0) == higher
            count += 1
    return right, count


def test_pairs_are_those_of_one_group_each_once():
    a, b = pairs_within(["x", "y", "x", "z", "y", "x"])
    assert sorted(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 2), (0, 5), (1, 4), (2, 5)]
    assert all(len(side) == 0 for side in pairs_within([]))
    assert all(len(side) == 0 for side in pairs_within(["a", "b"]))


@settings(max_examples=60, deadline=None)
@given(LABELS, LABELS, GROUPS, st.sampled_from([0.0, 0.075, 0.3]))
def test_it_is_the_definition_spelt_out(scores, labels, groups, margin):
    found = pair_accuracy(scores, labels, groups, margin=margin)
    right, count = counted(scores, labels, groups, margin)
    assert found.compared.sum() == count
    assert found.right.sum() == pytest.approx(right)


@settings(max_examples=60, deadline=None)
@given(LABELS, LABELS, GROUPS)
def test_turned_scores_turn_it_and_scale_does_not_matter(scores, labels, groups):
    found = pair_accuracy(scores, labels, groups).overall
    assert pair_accuracy(-scores, labels, groups).overall == pytest.approx(1 - found, nan_ok=True)
    assert pair_accuracy(scores * 8, labels, groups).overall == pytest.approx(found, nan_ok=True)
    offset = {group: value for value, group in enumerate("abc")}  # a level of a group cancels within it
    level = np.array([[offset[group]] for group in groups], float)
    exact = np.round(scores * 20)
    assert pair_accuracy(exact + level, labels, groups).overall == pair_accuracy(exact, labels, groups).overall or (
        np.isnan(found)
    )


def test_a_pair_the_other_way_round_says_the_same():
    chance = np.random.default_rng(0)
    logits, a, b = chance.normal(size=(50, 4)), chance.uniform(size=(50, 4)), chance.uniform(size=(50, 4))
    one, other = accuracy_of_pairs(logits, a, b), accuracy_of_pairs(-logits, b, a)
    assert one.per_dimension == pytest.approx(other.per_dimension)


def test_labels_right_constant_and_by_chance():
    chance = np.random.default_rng(1)
    labels, groups = chance.uniform(size=(400, 5)), [i % 20 for i in range(400)]
    assert pair_accuracy(labels, labels, groups).overall == 1
    assert pair_accuracy(-labels, labels, groups).overall == 0
    assert pair_accuracy(np.full_like(labels, 0.3), labels, groups).per_dimension == pytest.approx(0.5)
    by_chance = [pair_accuracy(chance.uniform(size=labels.shape), labels, groups).overall for _ in range(20)]
    assert np.mean(by_chance) == pytest.approx(0.5, abs=0.01)


def test_close_labels_are_left_out_and_nothing_left_is_nan(recwarn):
    labels = np.array([[0.5, 0.5], [0.54, 0.9]])
    found = pair_accuracy(labels, labels, ["a", "a"])
    assert found.compared.tolist() == [0, 1]
    assert np.isnan(found.per_dimension[0])
    assert found.overall == 1
    assert np.isnan(pair_accuracy(labels, labels, ["a", "b"]).overall)
    assert np.isnan(pair_accuracy(labels[:0], labels[:0], []).overall)
    assert not recwarn.list


def test_dimensions_weigh_by_the_pairs_that_count():
    labels = np.array([[0.1, 0.1], [0.5, 0.11], [0.9, 0.9]])
    scores = np.array([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]])
    found = pair_accuracy(scores, labels, "aaa")
    assert found.per_dimension.tolist() == [1, 0]
    assert found.overall == 3 / 5


def test_odd_input_is_refused():
    labels = np.zeros((3, 2))
    with pytest.raises(ValueError, match="2 groups for 3 rows"):
        pair_accuracy(labels, labels, ["a", "b"])
    with pytest.raises(ValueError, match="labels: 6 of 6 numbers are NaN"):
        pair_accuracy(labels, labels * np.nan, "aaa")
