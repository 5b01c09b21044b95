"""S0 learns what is there and nothing else, predicts as scikit-learn's own parts do, and survives the disk."""

from __future__ import annotations

import io
import pickle
import warnings

import numpy as np
import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.models.hand import HandReference, HandSettings

FEW = HandSettings(trees=25)


def planted(rows: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of which three matter, and labels of two dimensions."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(rows, 9)) * [1, 10, 0.1, 1, 1, 1, 1, 1, 0] + 3
    y = np.stack([np.tanh(x[:, 0] - 3) + (x[:, 1] - 3) / 20, 3 * (x[:, 2] - 3)], axis=1)
    return x, 0.5 + 0.1 * y + chance.normal(0, 0.01, y.shape)


def explained(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(1 - ((labels - predicted) ** 2).sum(0) / ((labels - labels.mean(0)) ** 2).sum(0))


def test_it_is_the_mean_of_scikit_learns_trees_and_kernel_ridge():
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.preprocessing import StandardScaler

    x, y = planted()
    new, weights = planted(seed=1)[0], np.tile([0.5, 1.5], len(x) // 2)
    scaler, mean = StandardScaler().fit(x), np.average(y, axis=0, weights=weights)
    train, ask = (np.clip(scaler.transform(values), -4, 4) for values in (x, new))
    ridge = KernelRidge(kernel="rbf", alpha=0.3, gamma=0.25 / 9).fit(train, y - mean, sample_weight=weights)
    trees = ExtraTreesRegressor(25, min_samples_leaf=2, max_features=0.3, random_state=0)
    trees.fit(x, y, sample_weight=weights)
    expected = (ridge.predict(ask) + mean + trees.predict(new)) / 2
    assert HandReference(FEW).fit(x, y, weights).predict(new) == pytest.approx(expected, abs=1e-7)


def test_planted_structure_is_found_and_shuffled_labels_are_not():
    x, y = planted()
    new, truth = planted(seed=1)
    assert explained(HandReference(FEW).fit(x, y).predict(new), truth).min() > 0.6
    shuffled = np.random.default_rng(3).permutation(y)
    assert explained(HandReference(FEW).fit(x, shuffled).predict(new), truth).max() < 0.05


def test_the_same_seed_gives_the_same_model_whatever_the_workers():
    x, y = planted()
    one, two = (HandReference(HandSettings(trees=25, workers=n)).fit(x, y).predict(x) for n in (1, 2))
    assert np.array_equal(one, two)
    other = HandReference(HandSettings(trees=25, seed=1)).fit(x, y).predict(x)
    assert not np.array_equal(one, other)


def test_rows_asked_one_by_one_say_what_they_say_together():
    x, y = planted(600)
    model = HandReference(FEW).fit(x[:100], y[:100])
    together = model.predict(x)
    assert np.concatenate([model.predict(x[i : i + 1]) for i in range(0, 600, 50)]) == pytest.approx(together[::50])
    assert model.predict(x[:0]).shape == (0, 2)


def test_what_is_unknown_is_taken_as_the_mean_and_a_column_of_nothing_changes_nothing():
    x, y = planted()
    model = HandReference(FEW).fit(x, y)
    holes = x.copy()
    holes[:, 4] = np.nan
    filled = x.copy()
    filled[:, 4] = x[:, 4].mean()
    assert model.predict(holes) == pytest.approx(model.predict(filled), abs=1e-12)
    blind = HandReference(FEW).fit(np.hstack([x, np.full((len(x), 1), np.nan)]), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(blind.predict(np.hstack([x, np.full((len(x), 1), 7.0)]))).all()


def test_a_heavy_row_is_met_more_closely():
    x, y = planted()
    y[0] += 0.3
    weights = np.where(np.arange(len(x)) == 0, 50.0, 1.0)
    light, heavy = (HandReference(FEW).fit(x, y, w).predict(x[:1]) for w in (None, weights))
    assert (np.abs(heavy - y[0]) < np.abs(light - y[0])).all()


def test_a_stored_model_predicts_bit_for_bit_and_keeps_its_names(tmp_path):
    x, y = planted()
    names = [f"f{i}" for i in range(9)]
    model = HandReference(FEW).fit(x, y, feature_names=names)
    model.save(tmp_path / "s0.npz")
    again = HandReference.load(tmp_path / "s0.npz")
    assert np.array_equal(model.predict(x), again.predict(x))
    assert (again.feature_names, again.settings) == (tuple(names), FEW)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a stored model ran code",)


def test_no_file_runs_code_and_each_that_is_no_model_is_named(tmp_path):
    x, y = planted(40)
    HandReference(FEW).fit(x, y).save(tmp_path / "good.npz")
    out = io.BytesIO()
    np.savez(out, about=np.array([Trap()], dtype=object))
    good = (tmp_path / "good.npz").read_bytes()
    for name, data in {
        "trap.npz": out.getvalue(),
        "pickle.npz": pickle.dumps([Trap()]),
        "half.npz": good[: len(good) // 2],
        "text.npz": b"hello",
        "empty.npz": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SetupError, match=name):
            HandReference.load(tmp_path / name)
    with pytest.raises(SetupError, match="train it first"):
        HandReference.load(tmp_path / "none.npz")


def test_what_cannot_be_learnt_from_is_refused():
    x, y = planted(20)
    bad = y.copy()
    bad[3, 1] = np.nan
    for arguments, said in (
        ((x, y[:-1]), "make no rows"),
        ((x[:1], y[:1]), "make no rows"),
        ((x, bad), "labels hold NaN"),
        ((np.where(x == x[0, 0], np.inf, x), y), "infinite"),
        ((x, y, np.zeros(20)), "numbers above 0"),
        ((x, y, np.ones(3)), "numbers above 0"),
    ):
        with pytest.raises(ValueError, match=said):
            HandReference(FEW).fit(*arguments)
    model = HandReference(FEW).fit(x, y)
    with pytest.raises(ValueError, match=r"the model wants \(N, 9\)"):
        model.predict(x[:, :8])
    with pytest.raises(RuntimeError, match="call fit first"):
        HandReference().predict(x)
