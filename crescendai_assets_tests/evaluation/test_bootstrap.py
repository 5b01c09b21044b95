"""Intervals: as scipy's, as wide as they should be, by groups; two models on the same draws."""

from __future__ import annotations

import numpy as np
import pytest

from crescendai_assets.evaluation.agreement import r2
from crescendai_assets.evaluation.bootstrap import (
    Difference,
    MeanOf,
    bootstrap,
    mean_sums,
    pair_sums,
    paired_bootstrap,
    r2_sums,
)
from crescendai_assets.evaluation.pairs import pair_accuracy

GROUPS = np.repeat(np.arange(30), 8)


def made(noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    labels = np.random.default_rng(99).uniform(size=(240, 4))
    return labels + noise * chance.normal(size=labels.shape), labels


def drawn_by_hand(counts: np.ndarray) -> np.ndarray:
    """Rows of a draw, groups as often as they were drawn."""
    return np.concatenate([np.flatnonzero(group == GROUPS) for group, n in enumerate(counts) for _ in range(n)])


def test_the_whole_is_the_figure_itself():
    p, y = made()
    assert bootstrap(r2_sums(p, y, GROUPS), draws=1).value == pytest.approx(r2(p, y).mean())
    assert bootstrap(pair_sums(p, y, GROUPS, GROUPS), draws=1).value == pytest.approx(
        pair_accuracy(p, y, GROUPS.tolist()).overall
    )
    assert bootstrap(mean_sums(y, GROUPS), draws=1).value == pytest.approx(y.mean())


def test_a_draw_is_the_figure_of_its_rows():
    p, y = made()
    chance = np.random.default_rng(1)
    counts = chance.multinomial(30, np.full(30, 1 / 30), size=5)
    names = r2_sums(p, y, GROUPS).groups
    in_order = counts[:, [int(name) for name in names]].astype(float)
    by_sums, by_pairs = r2_sums(p, y, GROUPS).of(in_order), pair_sums(p, y, GROUPS, GROUPS).of(in_order)
    for draw in range(5):
        rows = drawn_by_hand(counts[draw])
        assert by_sums[draw] == pytest.approx(r2(p[rows], y[rows]).mean())
        # a group drawn twice is two groups: its copies are not compared with each other
        copies = np.repeat(np.arange(len(rows) // 8), 8)
        assert by_pairs[draw] == pytest.approx(pair_accuracy(p[rows], y[rows], copies.tolist()).overall)


def test_pairs_between_groups_count_as_often_as_both_are_drawn():
    p, y = made()
    passage = np.tile(np.arange(8), 30)  # each passage played by 30 pianists, who are drawn
    figure = pair_sums(p, y, passage, GROUPS)
    assert bootstrap(figure, draws=1).value == pytest.approx(pair_accuracy(p, y, passage.tolist()).overall)
    counts = np.zeros((1, 30))
    places = {name: i for i, name in enumerate(figure.groups)}
    counts[0, [places["3"], places["11"]]] = 2, 1
    rows = np.isin(GROUPS, [3, 11])
    assert figure.of(counts)[0] == pytest.approx(pair_accuracy(p[rows], y[rows], passage[rows].tolist()).overall)


def test_the_interval_of_a_mean_is_scipys():
    from scipy import stats

    values = np.random.default_rng(2).normal(size=60)
    ours = bootstrap(mean_sums(values, range(60)), draws=10_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile").confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_it_covers_the_truth_as_often_as_it_says():
    chance = np.random.default_rng(3)
    covered = 0
    for seed in range(300):
        effects = chance.normal(size=40)
        values = np.repeat(effects, 5) + 0.1 * chance.normal(size=200)
        found = bootstrap(mean_sums(values, np.repeat(np.arange(40), 5)), draws=300, seed=seed)
        covered += found.low < 0 < found.high
    assert 0.89 < covered / 300 < 0.98
    by_row = bootstrap(mean_sums(values, range(200)), draws=300)
    assert found.high - found.low > 1.7 * (by_row.high - by_row.low)  # rows of a group are no independent evidence


def test_the_seed_decides_and_no_draws_give_no_interval():
    p, y = made()
    figure = r2_sums(p, y, GROUPS)
    assert bootstrap(figure, seed=5) == bootstrap(figure, seed=5) != bootstrap(figure, seed=6)
    none = bootstrap(figure, draws=0)
    assert np.isfinite(none.value)
    assert np.isnan([none.low, none.high]).all()


def test_a_better_model_is_told_from_a_worse_one_and_not_from_its_like():
    (good, y), (bad, _), (like, _) = made(0.1), made(0.4, 1), made(0.1, 2)
    better = paired_bootstrap(r2_sums(good, y, GROUPS), r2_sums(bad, y, GROUPS))
    assert better.significant
    assert better.share_above == 1
    assert better.value == pytest.approx((r2(good, y) - r2(bad, y)).mean())
    worse = paired_bootstrap(r2_sums(bad, y, GROUPS), r2_sums(good, y, GROUPS))
    assert (worse.value, worse.low, worse.high) == pytest.approx((-better.value, -better.high, -better.low))
    assert not paired_bootstrap(pair_sums(good, y, GROUPS, GROUPS), pair_sums(like, y, GROUPS, GROUPS)).significant
    itself = paired_bootstrap(r2_sums(good, y, GROUPS), r2_sums(good, y, GROUPS))
    assert (itself.value, itself.low, itself.high, itself.share_above) == (0, 0, 0, 0.5)


def test_pairing_removes_what_is_hard_for_both():
    chance = np.random.default_rng(4)
    hard = np.repeat(chance.normal(size=30), 8)
    a, b = hard + 0.1 + 0.05 * chance.normal(size=240), hard + 0.05 * chance.normal(size=240)
    paired = paired_bootstrap(mean_sums(a, GROUPS), mean_sums(b, GROUPS))
    alone = bootstrap(mean_sums(a, GROUPS))
    assert paired.significant
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)


def test_shuffles_are_averaged_draw_by_draw():
    parts = tuple(r2_sums(*made(0.1, seed), GROUPS) for seed in range(3))
    together = bootstrap(MeanOf(parts))
    assert together.value == pytest.approx(np.mean([bootstrap(part, draws=1).value for part in parts]))


def test_models_of_different_rows_are_not_compared():
    p, y = made()
    with pytest.raises(ValueError, match="different groups"):
        paired_bootstrap(r2_sums(p, y, GROUPS), r2_sums(p[:80], y[:80], GROUPS[:80]))
    with pytest.raises(ValueError, match="3 groups for 240 rows"):
        r2_sums(p, y, "abc")


def test_nothing_and_nothing_that_varies_are_nan(recwarn):
    p, y = made()
    for found in (
        bootstrap(r2_sums(p[:0], y[:0], [])),
        bootstrap(pair_sums(p, y, range(240), GROUPS)),
        bootstrap(r2_sums(p, np.full_like(y, 0.1), GROUPS)),
        paired_bootstrap(r2_sums(p[:0], y[:0], []), r2_sums(p[:0], y[:0], [])),
    ):
        assert np.isnan([found.value, found.low, found.high]).all()
    assert not recwarn.list
    assert not Difference(np.nan, np.nan, np.nan).significant


def test_one_group_gives_no_interval_and_no_significant_difference():
    chance = np.random.default_rng(0)
    one, two = (mean_sums(chance.random(20), ["g"] * 20) for _ in range(2))
    found = bootstrap(one)
    assert np.isnan([found.low, found.high]).all()
    assert str(found).endswith("[n/a]")
    assert not paired_bootstrap(one, two).significant
