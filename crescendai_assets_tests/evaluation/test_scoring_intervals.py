"""Intervals hold about as many new ratings as they promise, and say nothing where too little is known."""

from __future__ import annotations

import numpy as np
import pytest

from crescendai_assets.evaluation.scoring_intervals import HeldOut, checked_coverage, cross_conformal, too_few_rows

FOLDS, COLUMNS = 4, 6


def planted(chance: np.random.Generator, rows: int, *, noise: str = "normal") -> tuple[np.ndarray, np.ndarray]:
    """Features, and ratings that follow from them up to noise, in two dimensions."""
    x = chance.normal(size=(rows, COLUMNS))
    if noise == "normal":
        error = chance.normal(size=(rows, 2)) * [0.3, 1.0]
    else:
        error = chance.standard_t(2, size=(rows, 2)) * 0.4
    return x, x @ np.arange(1.0, 1 + 2 * COLUMNS).reshape(COLUMNS, 2) / 10 + error


def ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), x.T @ y))


def covered(seed: int, coverage: float, *, rows: int = 160, noise: str = "normal", shuffles: int = 1) -> np.ndarray:
    """Share of 400 new ratings inside, by dimension."""
    chance = np.random.default_rng(seed)
    x, y = planted(chance, rows, noise=noise)
    new_x, new_y = planted(chance, 400, noise=noise)
    said, held_out = [], []
    for shuffle in range(shuffles):
        fold = chance.permutation(rows) % FOLDS
        for number in range(FOLDS):
            weights = ridge(x[fold != number], y[fold != number])
            said.append(new_x @ weights)
            held_out.append(HeldOut(x[fold == number] @ weights, y[fold == number], shuffle))
    low, high = cross_conformal(np.stack(said), held_out, coverage)
    assert (low <= high).all()
    return np.asarray(((low <= new_y) & (new_y <= high)).mean(0))


@pytest.mark.parametrize("noise", ["normal", "heavy"])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("shuffles", [1, 3])
def test_as_many_new_ratings_lie_inside_as_was_promised(coverage, noise, shuffles):
    found = np.mean([covered(seed, coverage, noise=noise, shuffles=shuffles) for seed in range(20)], axis=0)
    np.testing.assert_allclose(found, coverage, atol=0.035)


def test_a_model_that_learnt_by_heart_still_holds_its_promise_on_new_ratings():
    """What makes the residuals of training useless: as many columns as rows; only held-out ones are looked at."""
    chance = np.random.default_rng(0)
    shares = []
    for _ in range(10):
        x, y = chance.normal(size=(60, 45)), chance.normal(size=(60, 1))
        new_x, new_y = chance.normal(size=(300, 45)), chance.normal(size=(300, 1))
        fold = np.arange(60) % FOLDS
        models = [ridge(x[fold != number], y[fold != number]) for number in range(FOLDS)]
        held_out = [HeldOut(x[fold == one] @ model, y[fold == one]) for one, model in enumerate(models)]
        low, high = cross_conformal(np.stack([new_x @ model for model in models]), held_out, 0.8)
        shares.append(float(((low <= new_y) & (new_y <= high)).mean()))
    assert 0.72 <= np.mean(shares) <= 1.0


def test_the_ends_are_those_of_the_definition():
    held_out = [
        HeldOut(np.zeros((2, 1)), np.array([[1.0], [2.0]])),
        HeldOut(np.zeros((2, 1)), np.array([[3.0], [4.0]])),
    ]
    low, high = cross_conformal(np.array([[[10.0]], [[20.0]]]), held_out, 0.6)
    assert (low.item(), high.item()) == (9.0, 23.0)  # 2nd smallest of 9 8 17 16, 3rd smallest of 11 12 23 24


def test_too_few_rows_for_a_coverage_give_no_end():
    few = [HeldOut(np.zeros((3, 2)), np.ones((3, 2)))]
    low, high = cross_conformal(np.zeros((1, 1, 2)), few, 0.8)
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()


@pytest.mark.parametrize("coverage", [0.5, 0.75, 0.8, 0.9, 0.95, 0.99])
def test_it_is_said_exactly_where_there_is_no_end_and_how_many_rows_would_give_one(coverage):
    ends = {}
    for rows in range(1, 110):
        some = [HeldOut(np.zeros((rows, 2)), np.ones((rows, 2)))]
        low, _ = cross_conformal(np.zeros((1, 1, 2)), some, coverage)
        ends[rows] = bool(np.isfinite(low).all())
        assert (too_few_rows(some, coverage) == ()) == ends[rows]
    fewest = min(rows for rows, there in ends.items() if there)
    if fewest > 1:
        (said,) = too_few_rows([HeldOut(np.zeros((1, 2)), np.ones((1, 2)))], coverage)
        assert f"1 rated performances were held out, and a coverage of {coverage:g} needs {fewest}." in said


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(ValueError, match="coverage"):
        cross_conformal(np.zeros((1, 1, 1)), [HeldOut(np.zeros((9, 1)), np.ones((9, 1)))], coverage)


def test_what_intervals_held_out_is_told_by_fold_and_shows_a_fold_that_is_unlike_the_others():
    chance = np.random.default_rng(0)
    alike = [HeldOut(np.zeros((200, 2)), chance.normal(size=(200, 2)), 0) for _ in range(3)]
    found = checked_coverage([*alike, HeldOut(np.zeros((200, 2)), 5 * chance.normal(size=(200, 2)), 0)], 0.8)
    assert found.shape == (4, 2)
    assert (found[:3] > 0.8).all()
    assert (found[3] < 0.4).all()
    assert np.isnan(checked_coverage(alike[:1], 0.8)).all(), "one fold alone has nothing to be measured by"
