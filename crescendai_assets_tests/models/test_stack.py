"""The ensemble finds what is planted, in summaries and in contexts, nothing in chance, and survives the disk."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.models.hand import HandReference, HandSettings
from crescendai_assets.models.stack import EnsembleSettings, SymbolicEnsemble, _relevance
from crescendai_assets.symbolic.note_features import OF_CONTEXTS

FEW = EnsembleSettings(hand=HandSettings(trees=20))
NAMES = (*(f"summary_{i}" for i in range(8)), *(f"{OF_CONTEXTS}{i}" for i in range(40)))


def planted(rows: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One dimension is in a summary, one in two contexts, one is chance."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(rows, len(NAMES))) * 3 + 1
    y = np.stack([np.tanh(x[:, 1] / 3), (x[:, 10] + x[:, 20]) / 5, chance.normal(size=rows)], axis=1)
    return x, 0.5 + 0.1 * y + chance.normal(0, 0.005, y.shape)


def explained(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(1 - ((labels - predicted) ** 2).sum(0) / ((labels - labels.mean(0)) ** 2).sum(0))


def test_planted_signal_is_found_and_shuffled_labels_are_not():
    x, y = planted()
    new, truth = planted(seed=1)
    found = explained(SymbolicEnsemble(NAMES, FEW).fit(x, y).predict(new), truth)
    assert found[0] > 0.7
    assert found[1] > 0.4  # the half that sees summaries only cannot know
    assert found[2] < 0.05
    shuffled = np.random.default_rng(3).permutation(y)
    assert explained(SymbolicEnsemble(NAMES, FEW).fit(x, shuffled).predict(new), truth).max() < 0.05


def test_half_is_the_hand_reference_on_summaries_and_half_sklearns_kernel_ridge_when_relevance_is_not_asked():
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.preprocessing import StandardScaler

    x, y = planted(80)
    new, _ = planted(30, seed=1)
    settings = replace(FEW, relevance=0.0)
    scaler = StandardScaler().fit(x)
    weights = np.repeat([1 / 8, 1 / 40], [8, 40]) / 2
    a, b = (np.clip(scaler.transform(values), -4, 4) * np.sqrt(weights) for values in (x, new))
    ridge = KernelRidge(kernel="rbf", alpha=0.3, gamma=0.25).fit(a, y - y.mean(0))
    hand = HandReference(FEW.hand).fit(x[:, :8], y).predict(new[:, :8])
    expected = (ridge.predict(b) + y.mean(0) + hand) / 2
    assert SymbolicEnsemble(NAMES, settings).fit(x, y).predict(new) == pytest.approx(expected, abs=1e-6)


def test_a_column_weighs_by_its_correlation_and_kinds_weigh_alike():
    x, y = planted(400)
    x = (x - x.mean(0)) / x.std(0)
    of_contexts = np.array([name.startswith(OF_CONTEXTS) for name in NAMES])
    weights = _relevance(x, y, of_contexts, 1.0)
    assert weights.sum(0) == pytest.approx(1)
    assert weights[:, 0].argmax() == 1
    assert set(np.argsort(weights[:, 1])[-2:]) == {10, 20}
    even = _relevance(x, y, of_contexts, 0.0)
    assert even[~of_contexts].sum(0) == pytest.approx(0.5)
    x[:, 5] = 0
    assert _relevance(x, y, of_contexts, 1.0)[5].tolist() == [0, 0, 0]
    assert np.isfinite(_relevance(x, np.ones((400, 1)), of_contexts, 1.0)).all()


def test_what_is_unknown_is_taken_as_the_mean():
    x, y = planted(60)
    model = SymbolicEnsemble(NAMES, FEW).fit(x, y)
    holes, filled = x.copy(), x.copy()
    holes[:, [2, 30]] = np.nan
    filled[:, [2, 30]] = x[:, [2, 30]].mean(0)
    assert model.predict(holes) == pytest.approx(model.predict(filled), abs=1e-6)
    assert model.predict(x[:0]).shape == (0, 3)


def test_it_does_without_contexts():
    x, y = planted(60)
    assert np.isfinite(SymbolicEnsemble(NAMES[:8], FEW).fit(x[:, :8], y).predict(x[:, :8])).all()


def test_a_stored_model_predicts_bit_for_bit(tmp_path):
    x, y = planted(60)
    model = SymbolicEnsemble(NAMES, FEW).fit(x, y)
    model.save(tmp_path / "best.npz")
    again = SymbolicEnsemble.load(tmp_path / "best.npz")
    assert np.array_equal(model.predict(x), again.predict(x))
    assert (again.feature_names, again.settings) == (NAMES, FEW)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a stored model ran code",)


def test_no_file_runs_code_and_each_that_is_no_model_is_named(tmp_path):
    x, y = planted(40)
    HandReference(FEW.hand).fit(x, y).save(tmp_path / "s0.npz")
    SymbolicEnsemble(NAMES, FEW).fit(x, y).save(tmp_path / "good")
    out = io.BytesIO()
    np.savez(out, about=np.array([Trap()], dtype=object))
    good = (tmp_path / "good").read_bytes()
    for name, data in {"trap.npz": out.getvalue(), "half.npz": good[: len(good) // 2], "empty.npz": b""}.items():
        (tmp_path / name).write_bytes(data)
    for name in ("trap.npz", "half.npz", "empty.npz", "s0.npz"):
        with pytest.raises(SetupError, match=name):
            SymbolicEnsemble.load(tmp_path / name)
    with pytest.raises(SetupError, match="train it first"):
        SymbolicEnsemble.load(tmp_path / "none.npz")


def test_what_cannot_be_learnt_from_is_refused():
    x, y = planted(20)
    with pytest.raises(ValueError, match="make no rows"):
        SymbolicEnsemble(NAMES, FEW).fit(x, y[:-1])
    with pytest.raises(ValueError, match=r"the model wants \(N, 48\)"):
        SymbolicEnsemble(NAMES, FEW).fit(x[:, 1:], y)
    with pytest.raises(ValueError, match="infinite"):
        SymbolicEnsemble(NAMES, FEW).fit(np.where(x == x[0, 0], np.inf, x), y)
    with pytest.raises(RuntimeError, match="call fit first"):
        SymbolicEnsemble(NAMES).predict(x)
