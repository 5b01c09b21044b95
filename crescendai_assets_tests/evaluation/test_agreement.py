"""Each figure against scipy, scikit-learn or its definition spelt out; what says nothing is NaN."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crescendai_assets.evaluation.agreement import ccc, kendall, pearson, r2, spearman
from crescendai_assets.evaluation.calibration import calibration, calibration_bins

SIZES = [(2, 1), (3, 19), (40, 1), (250, 19)]


def made(rows: int, dimensions: int, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(rows * 100 + dimensions)
    y = chance.uniform(1 / 7, 1, (rows, dimensions))
    p = 0.5 * y + 0.2 * chance.normal(size=y.shape)
    return (np.round(p, 1), np.round(y, 1)) if ties else (p, y)


@pytest.mark.parametrize("size", SIZES)
def test_r2_is_scikit_learns(size):
    from sklearn.metrics import r2_score

    p, y = made(*size)
    assert r2(p, y) == pytest.approx(r2_score(y, p, multioutput="raw_values"))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", SIZES[1:])
def test_correlations_are_scipys(size, ties):
    from scipy import stats

    p, y = made(*size, ties=ties)
    by_hand = {
        pearson: lambda a, b: stats.pearsonr(a, b).statistic,
        spearman: lambda a, b: stats.spearmanr(a, b).statistic,
    }
    for ours, theirs in by_hand.items():
        expected = [theirs(p[:, d], y[:, d]) for d in range(size[1]) if np.ptp(p[:, d]) and np.ptp(y[:, d])]
        found = ours(p, y)
        assert found[~np.isnan(found)] == pytest.approx(expected)


def test_kendall_is_tau_b_counted_pair_by_pair():
    p, y = made(40, 3, ties=True)
    for d, found in enumerate(kendall(p, y)):
        a, b = p[:, d], y[:, d]
        signs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in itertools.combinations(range(40), 2)]
        agree = sum(s * t for s, t in signs)
        assert found == pytest.approx(agree / np.sqrt(sum(s != 0 for s, _ in signs) * sum(t != 0 for _, t in signs)))


def test_concordance_is_lins_by_its_definition():
    p, y = made(250, 19)
    for d, found in enumerate(ccc(p, y)):
        a, b = p[:, d], y[:, d]
        shared = np.cov(a, b, bias=True)[0, 1]
        assert found == pytest.approx(2 * shared / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))


def test_concordance_is_never_above_pearsons_and_falls_with_a_shift():
    p, y = made(250, 19)
    assert (np.abs(ccc(p, y)) <= np.abs(pearson(p, y)) + 1e-12).all()
    assert ccc(y, y) == pytest.approx(1)
    assert (ccc(y + 0.2, y) < 0.9).all()
    assert r2(y + 0.2, y).max() < 0.5
    assert spearman(y + 0.2, y) == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (12, 2), elements=st.floats(-5, 5, width=32)), st.floats(0.5, 3), st.floats(-3, 3))
def test_ranks_do_not_care_for_scale_and_turn_with_the_sign(values, scale, shift):
    a, b = values[:, 0], values[:, 1]
    for figure in (spearman, kendall):
        found = figure(a, b)
        assert figure(b, a) == pytest.approx(found, nan_ok=True)
        assert figure(-a, b) == pytest.approx(-found, nan_ok=True)
        grown = a * np.float64(2) ** round(scale)  # exact, so that ties stay ties
        assert figure(grown, b) == pytest.approx(found, nan_ok=True)
    assert pearson(a * scale + shift, b) == pytest.approx(pearson(a, b), abs=1e-4, nan_ok=True)


@pytest.mark.parametrize("figure", [r2, ccc, pearson, spearman, kendall])
def test_what_says_nothing_is_nan_and_warns_of_nothing(figure, recwarn):
    p, y = made(20, 3)
    y[:, 1] = 0.1  # constant, and its mean is not exactly itself
    assert figure(p, y)[1] == pytest.approx(0 if figure is ccc else np.nan, nan_ok=True)
    assert np.isfinite(figure(p, y)[[0, 2]]).all()
    assert np.isnan(figure(np.full((20, 1), 0.3), np.full((20, 1), 0.1))).all()
    for few in (0, 1):
        assert np.isnan(figure(p[:few], y[:few])).all()
    assert not recwarn.list


def test_a_constant_prediction_explains_nothing():
    _, y = made(40, 2)
    constant = np.broadcast_to(y.mean(0), y.shape)
    assert r2(constant, y) == pytest.approx(0)
    assert ccc(constant, y) == pytest.approx(0)
    assert np.isnan(spearman(constant, y)).all()


@pytest.mark.parametrize("figure", [r2, ccc, pearson, spearman, kendall, calibration])
def test_nan_is_refused_with_its_place_and_shapes_have_to_agree(figure):
    p, y = made(20, 3)
    p[4, 2] = np.nan
    with pytest.raises(ValueError, match=r"1 of 60 numbers are NaN or infinite, the first at \[4, 2\]"):
        figure(p, y)
    with pytest.raises(ValueError, match="shapes differ"):
        figure(p[:, :2], y)
    with pytest.raises(ValueError, match="rows and dimensions"):
        figure(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)))


def test_tensors_of_any_precision_are_taken():
    import torch

    p, y = made(40, 3)
    expected = r2(p, y)
    assert r2(torch.tensor(p, requires_grad=True), torch.tensor(y)) == pytest.approx(expected)
    assert r2(torch.tensor(p, dtype=torch.bfloat16), torch.tensor(y, dtype=torch.float32)) == pytest.approx(
        expected, abs=0.05
    )


def test_calibration_is_the_line_of_labels_on_predictions():
    from scipy.stats import linregress

    p, y = made(250, 3)
    found = calibration(p, y)
    for d in range(3):
        line = linregress(p[:, d], y[:, d])
        assert (found.slope[d], found.intercept[d]) == pytest.approx((line.slope, line.intercept))


def test_calibration_error_is_0_where_right_and_the_shift_where_shifted():
    _, y = made(250, 3)
    assert calibration(y, y).expected_error == pytest.approx(0)
    assert calibration(y, y).slope == pytest.approx(1)
    assert calibration(y + 0.1, y).expected_error == pytest.approx(0.1)
    wide = calibration(0.5 + 2 * (y - 0.5), y)
    assert wide.slope == pytest.approx(0.5)
    assert wide.expected_error.min() > 0.05


def test_calibration_of_constant_and_of_nothing(recwarn):
    _, y = made(40, 2)
    flat = calibration(np.full_like(y, 0.6), y)
    assert np.isnan(flat.slope).all()
    assert flat.expected_error == pytest.approx(np.abs(0.6 - y.mean(0)))
    assert np.isnan(calibration(y[:0], y[:0]).expected_error).all()
    assert calibration_bins(y[:0], y[:0])[0].shape == (0,)
    assert not recwarn.list


def test_bins_hold_all_numbers_in_about_equal_parts_and_in_order():
    p, y = made(250, 3)
    said, was, size = calibration_bins(p, y)
    assert size.sum() == 750
    assert size.min() > 60
    assert (np.diff(said) > 0).all()
    assert (said * size).sum() == pytest.approx(p.sum())
    assert (was * size).sum() == pytest.approx(y.sum())
