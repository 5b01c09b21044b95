"""What users know by name: MetricsSuite, robustness, and a report of any kind of model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crescendai_assets.evaluation import MetricsSuite, compute_robustness_metrics


def made(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(4)
    labels = chance.uniform(1 / 7, 1, (rows, 19))
    return labels + 0.1 * chance.normal(size=labels.shape), labels


def test_pairwise_accuracy_leaves_out_what_is_too_close_to_call():
    import torch

    a = torch.tensor([[0.9, 0.50], [0.2, 0.8], [0.6, 0.1]])
    b = torch.tensor([[0.1, 0.52], [0.7, 0.3], [0.1, 0.5]])
    logits = torch.tensor([[2.0, -1.0], [1.0, 1.0], [0.5, -2.0]])
    found = MetricsSuite().pairwise_accuracy(logits, a, b)
    assert found["per_dimension"] == pytest.approx([2 / 3, 1])
    assert found["overall"] == pytest.approx(4 / 5)
    assert found["compared"] == 5
    wide = MetricsSuite(ambiguous_threshold=0.45).pairwise_accuracy(logits, a, b)
    assert wide["compared"] == 4


def test_r2_is_the_mean_over_dimensions():
    import torch
    from sklearn.metrics import r2_score

    p, y = made()
    assert MetricsSuite().regression_r2(p, y) == pytest.approx(r2_score(y, p))
    assert MetricsSuite().regression_r2(torch.tensor(y), torch.tensor(y)) == 1
    y[:, 3] = 0.4
    rest = np.delete(np.arange(19), 3)
    assert MetricsSuite().regression_r2(p, y) == pytest.approx(r2_score(y[:, rest], p[:, rest]))


def test_difficulty_is_a_rank_correlation():
    import torch
    from scipy.stats import spearmanr

    p, _ = made()
    levels = np.random.default_rng(5).integers(1, 9, 60)
    found = MetricsSuite().difficulty_correlation(torch.tensor(p), levels)
    assert found["overall_rho"] == pytest.approx(spearmanr(p.mean(1), levels).statistic)
    assert found["per_dimension"] == pytest.approx([spearmanr(p[:, d], levels).statistic for d in range(19)])
    assert np.isnan(MetricsSuite().difficulty_correlation(p, np.ones(60))["overall_rho"])
    with pytest.raises(ValueError, match="59 difficulties for 60 rows"):
        MetricsSuite().difficulty_correlation(p, levels[:-1])


def test_robustness_of_the_same_of_a_drop_and_of_noise():
    import torch

    p, _ = made()
    same = compute_robustness_metrics(p, p)
    assert same == pytest.approx({"pearson_r": 1, "score_drop_pct": 0})
    dropped = compute_robustness_metrics(torch.tensor(p), torch.tensor(0.8 * p))
    assert dropped == pytest.approx({"pearson_r": 1, "score_drop_pct": 20})
    assert compute_robustness_metrics(p, 1.1 * p)["score_drop_pct"] == pytest.approx(-10)
    noise = np.random.default_rng(6).uniform(size=p.shape)
    assert abs(compute_robustness_metrics(p, noise)["pearson_r"]) < 0.1


def test_a_level_of_each_dimension_does_not_pass_for_robustness():
    chance = np.random.default_rng(7)
    level = np.linspace(0, 5, 19)
    found = compute_robustness_metrics(level + chance.normal(size=(80, 19)), level + chance.normal(size=(80, 19)))
    assert abs(found["pearson_r"]) < 0.15  # all numbers in one heap would give .7


def test_a_dimension_that_degrading_makes_constant_has_lost_its_correlation():
    p, _ = made()
    half = np.where(np.arange(19) < 10, 0.5, p)
    assert compute_robustness_metrics(p, half)["pearson_r"] == pytest.approx(9 / 19)
    assert compute_robustness_metrics(p, np.full_like(p, 0.5))["pearson_r"] == 0


def test_robustness_of_odd_input():
    assert np.isnan(compute_robustness_metrics([], [])["pearson_r"])
    assert np.isnan(compute_robustness_metrics([0.5, 0.5], [0.5, 0.5])["pearson_r"])
    assert compute_robustness_metrics([1, 2, 3], [1, 2, 3])["pearson_r"] == pytest.approx(1)
    with pytest.raises(ValueError, match="shapes differ"):
        compute_robustness_metrics([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="augmented: 1 of 2"):
        compute_robustness_metrics([1, 2], [1, np.nan])


def loud_module():
    """Says what it is told; louder while training, so that evaluation mode shows."""
    import torch

    class Scores(torch.nn.Module):
        def predict_scores(self, x, mask):
            assert not torch.is_grad_enabled()
            return x * mask + (5 if self.training else 0)

    return Scores().train()


class Arrays:
    def predict(self, features):
        return features


def test_a_report_of_a_torch_module_of_a_regressor_and_of_a_function_are_the_same():
    import torch

    p, y = made()
    more = {"labels": y, "groups": [i % 6 for i in range(60)]}
    module = loud_module()
    tensor = torch.tensor(p)
    reports = [
        MetricsSuite().full_report(module, {"inputs": (tensor, torch.ones(60, 1)), **more}),
        MetricsSuite().full_report(module, {"inputs": {"mask": torch.ones(60, 1), "x": tensor}, **more}),
        MetricsSuite().full_report(Arrays(), {"inputs": p, **more}),
        MetricsSuite().full_report(lambda x: x, {"inputs": p, **more}),
    ]
    assert module.training
    assert all(report == reports[0] for report in reports)
    assert json.loads(json.dumps(reports[0])) == reports[0]
    assert reports[0]["n"] == 60
    assert 0.7 < reports[0]["regression_r2"] < 0.9
    assert 0.8 < reports[0]["pairwise"]["overall"] < 1
    assert reports[0]["difficulty"] is None
    assert reports[0]["robustness"] is None


def test_a_report_tells_difficulty_and_robustness_where_it_can():
    p, y = made()
    report = MetricsSuite().full_report(
        Arrays(), {"inputs": p, "labels": y, "difficulties": y.mean(1), "augmented_inputs": 0.5 * p}
    )
    assert report["pairwise"] is None
    assert report["difficulty"]["overall_rho"] > 0.5
    assert report["robustness"] == pytest.approx({"pearson_r": 1, "score_drop_pct": 50})


def test_a_model_that_says_nan_is_refused():
    _, y = made()
    with pytest.raises(ValueError, match="scores: 1140 of 1140 numbers are NaN"):
        MetricsSuite().full_report(lambda x: x * np.nan, {"inputs": y, "labels": y})
