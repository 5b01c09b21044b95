"""Every loss against its definition in plain loops; what is missing takes no part, in values and in gradients."""

# ruff: noqa: TID253 - nothing starts up faster for a test that imports torch later

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.evaluation.agreement import ccc
from crescendai_assets.models import losses

pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")

CASES = st.tuples(st.integers(2, 9), st.integers(1, 4), st.integers(0, 10_000))


def made(rows, dimensions, seed, *, missing=0.2):
    """Scores with a gradient, labels with ties and holes, groups, weights."""
    chance = torch.Generator().manual_seed(seed)
    scores = torch.randn(rows, dimensions, generator=chance, dtype=torch.float64).requires_grad_()
    labels = torch.rand(rows, dimensions, generator=chance, dtype=torch.float64).mul(12).round() / 12
    labels[torch.rand(rows, dimensions, generator=chance) < missing] = torch.nan
    groups = torch.randint(0, 3, (rows,), generator=chance)
    weights = torch.rand(rows, generator=chance, dtype=torch.float64) + 0.1
    return scores, labels, groups, weights


def every_loss(scores, labels, groups, weights):
    half = len(scores) // 2
    a, b = slice(0, half), slice(half, 2 * half)
    return {
        "pairs": losses.pairwise_ranking_loss(scores[a] - scores[b], labels[a], labels[b]),
        "groups": losses.group_ranking_loss(scores, labels, groups, weights=weights),
        "list_mle": losses.list_mle_loss(scores, labels, groups, weights=weights),
        "mse": losses.mse_loss(scores, labels, weights=weights),
        "ccc": losses.ccc_loss(scores, labels, weights=weights),
        "info_nce": losses.info_nce_loss(scores, scores.flip(0), groups, groups.flip(0)),
        "positive": losses.info_nce_loss(scores[a], scores, groups[a], groups, same_piece="positive"),
        "invariance": losses.invariance_loss(scores, scores.detach() + 1),
    }


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_losses_and_their_gradients_are_finite_whatever_is_missing(case):
    scores, *rest = made(*case)
    for name, loss in every_loss(scores, *rest).items():
        assert loss.ndim == 0
        assert float(loss.detach()) >= 0
        (gradient,) = torch.autograd.grad(loss, scores, allow_unused=True, retain_graph=True)
        assert gradient is not None, f"{name} has no graph"
        assert bool(gradient.isfinite().all()), name


@settings(max_examples=40, deadline=None)
@given(CASES, st.randoms())
def test_the_order_of_rows_does_not_matter(case, chance):
    scores, labels, groups, weights = made(*case)
    order = list(range(len(scores)))
    chance.shuffle(order)
    alone = ("groups", "list_mle", "mse", "ccc", "invariance")
    before = every_loss(scores, labels, groups, weights)
    after = every_loss(scores[order], labels[order], groups[order], weights[order])
    for name in alone:
        assert float(after[name].detach()) == pytest.approx(float(before[name].detach()), abs=1e-9), name
    for same in ("masked", "positive"):
        one = losses.info_nce_loss(scores, scores * 2 + 1, groups, same_piece=same)
        other = losses.info_nce_loss(scores[order], scores[order] * 2 + 1, groups[order], same_piece=same)
        assert float(one.detach()) == pytest.approx(float(other.detach()), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_ranking_is_the_same_whichever_of_a_pair_comes_first(case):
    scores, labels, *_ = made(*case)
    x, a, b = scores - scores.flip(0), labels, labels.flip(0)
    assert float(losses.pairwise_ranking_loss(x, a, b)) == pytest.approx(
        float(losses.pairwise_ranking_loss(-x, b, a)), abs=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_ranking_within_groups_is_the_weighted_mean_over_pairs_that_differ(case):
    scores, labels, groups, weights = made(*case)
    total = norm = 0.0
    for i, j in itertools.combinations(range(len(scores)), 2):
        for d in range(scores.shape[1]):
            apart = float(labels[i, d] - labels[j, d])
            if groups[i] == groups[j] and abs(apart) > 0.05:  # False for NaN
                w = math.sqrt(float(weights[i] * weights[j]))
                total += w * math.log1p(math.exp(-math.copysign(1, apart) * float(scores[i, d] - scores[j, d])))
                norm += w
    found = float(losses.group_ranking_loss(scores, labels, groups, weights=weights))
    assert found == pytest.approx(total / norm if norm else 0.0)


def test_ties_within_the_threshold_and_missing_labels_are_no_pairs():
    x = torch.tensor([[2.0], [2.0], [2.0]], requires_grad=True)
    a, b = torch.tensor([[0.5], [0.5], [0.5]]), torch.tensor([[0.54], [torch.nan], [0.4]])
    loss = losses.pairwise_ranking_loss(x, a, b)
    assert float(loss) == pytest.approx(math.log1p(math.exp(-2)))
    loss.backward()
    assert x.grad is not None
    assert x.grad.ravel().tolist()[:2] == [0.0, 0.0]
    assert float(losses.pairwise_ranking_loss(x, a, b, ambiguous_threshold=0.01)) > float(loss)


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_list_mle_is_the_likelihood_of_the_order_drawn_one_after_the_other(case):
    scores, labels, groups, weights = made(*case)
    total = norm = 0.0
    for group in range(3):
        for d in range(scores.shape[1]):
            rows = [i for i in range(len(scores)) if groups[i] == group and not math.isnan(labels[i, d])]
            if len({float(labels[i, d]) for i in rows}) < 2:
                continue
            for i in rows:
                rest = sum(math.exp(scores[j, d]) for j in rows if labels[j, d] <= labels[i, d])
                total += float(weights[i]) * (math.log(rest) - float(scores[i, d]))
                norm += float(weights[i])
    found = float(losses.list_mle_loss(scores, labels, groups, weights=weights))
    assert found == pytest.approx(total / norm if norm else 0.0)


def test_list_mle_without_ties_is_that_of_the_paper_and_best_for_the_right_order():
    labels = torch.tensor([[0.1], [0.9], [0.4], [0.6]])
    group = torch.zeros(4, dtype=torch.long)
    right, wrong = 10 * labels, -10 * labels
    by_rank = right[labels.ravel().argsort(descending=True)].ravel()
    plain = sum(float(by_rank[i:].logsumexp(0) - by_rank[i]) for i in range(4)) / 4
    assert float(losses.list_mle_loss(right, labels, group)) == pytest.approx(plain, rel=1e-5)
    assert float(losses.list_mle_loss(wrong, labels, group)) > plain + 1


def test_concordance_is_that_of_the_evaluation_and_weights_are_repeated_rows():
    scores, labels, *_ = made(40, 3, 1, missing=0.0)
    assert float(losses.ccc_loss(scores, labels)) == pytest.approx(1 - ccc(scores.detach(), labels).mean())
    times = torch.randint(1, 4, (40,))
    repeated = [torch.repeat_interleave(one, times, dim=0) for one in (scores, labels)]
    assert float(losses.ccc_loss(scores, labels, weights=times)) == pytest.approx(float(losses.ccc_loss(*repeated)))
    assert float(losses.mse_loss(scores, labels, weights=times)) == pytest.approx(float(losses.mse_loss(*repeated)))


def test_missing_labels_are_rows_left_out():
    scores, labels, *_ = made(30, 1, 2, missing=0.4)
    there = labels.isfinite().ravel()
    assert 5 < int(there.sum()) < 30
    for loss in (losses.ccc_loss, losses.mse_loss, losses.regression_loss):
        assert float(loss(scores, labels)) == pytest.approx(float(loss(scores[there], labels[there])))


def test_concordance_is_0_for_what_is_right_and_1_for_a_constant():
    labels = torch.rand(20, 2)
    assert float(losses.ccc_loss(labels, labels)) == pytest.approx(0, abs=1e-6)
    constant = torch.full((20, 2), 0.3, requires_grad=True)
    loss = losses.ccc_loss(constant, labels)
    assert float(loss) == pytest.approx(1)
    loss.backward()
    assert constant.grad is not None
    assert bool(constant.grad.isfinite().all())


@settings(max_examples=40, deadline=None)
@given(CASES, st.sampled_from(["masked", "positive"]))
def test_info_nce_is_its_definition_in_loops(case, same_piece):
    z_a, _, pieces, _ = made(*case)
    z_b = made(case[0], case[1], case[2] + 1)[0]
    cosine = [[float(torch.cosine_similarity(a, b, dim=0)) / 0.1 for b in z_b] for a in z_a]

    def one_way(s):
        each = []
        for i in range(len(s)):
            others = [n for n in range(len(s)) if pieces[n] != pieces[i]]
            mine = [i] if same_piece == "masked" else [p for p in range(len(s)) if pieces[p] == pieces[i]]
            if others and mine:
                negatives = sum(math.exp(s[i][n]) for n in others)
                parts = [-math.log(math.exp(s[i][p]) / (math.exp(s[i][p]) + negatives)) for p in mine]
                each.append(sum(parts) / len(parts))
        return sum(each) / len(each) if each else 0.0

    expected = (one_way(cosine) + one_way([list(column) for column in zip(*cosine, strict=True)])) / 2
    found = losses.info_nce_loss(z_a, z_b, pieces, same_piece=same_piece)
    assert float(found.detach()) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_info_nce_is_not_rounded_by_mixed_precision():
    z_a, z_b = torch.randn(2, 8, 64, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = losses.info_nce_loss(z_a, z_b)
    assert torch.equal(mixed, losses.info_nce_loss(z_a, z_b))


def test_false_negatives_are_masked_and_unknown_pieces_are_nobodys_negatives():
    z = torch.eye(4)
    apart = float(losses.info_nce_loss(z, z))
    assert float(losses.info_nce_loss(z, z, torch.tensor([0, 0, 1, 1]))) < apart  # two negatives instead of three
    assert float(losses.info_nce_loss(z, z, torch.tensor([0, 0, 0, 0]))) == 0.0
    assert float(losses.info_nce_loss(z, z, torch.tensor([0, -1, -1, -1]))) == 0.0
    one_known = losses.info_nce_loss(z, z, torch.tensor([0, 1, -1, -1]))
    assert float(one_known) == pytest.approx(math.log1p(math.exp(-10)), rel=1e-3)


def test_the_two_of_a_pair_are_never_each_others_negatives_whatever_pieces_are_told():
    z = torch.eye(2)
    same = losses.info_nce_loss(z, z, torch.tensor([0, 1]), torch.tensor([0, 1]))
    other = losses.info_nce_loss(z, z, torch.tensor([0, 1]), torch.tensor([2, 3]))
    assert float(other) == pytest.approx(float(same))


def test_what_is_positive_is_chosen():
    pieces = torch.tensor([0, 0, 1, 1])
    by_piece = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]])
    by_view = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    positive = {name: float(losses.info_nce_loss(z, z, pieces, same_piece="positive")) for name, z in
                {"piece": by_piece, "view": by_view}.items()}  # fmt: skip
    masked = {name: float(losses.info_nce_loss(z, z, pieces)) for name, z in
              {"piece": by_piece, "view": by_view}.items()}  # fmt: skip
    assert positive["piece"] < 0.01 < 1 < positive["view"]
    assert masked["piece"] == pytest.approx(masked["view"])
    with pytest.raises(ValueError, match="3 rows against 4"):
        losses.info_nce_loss(torch.eye(4)[:3], torch.eye(4))


def test_nothing_to_compare_is_a_loss_of_0_with_a_graph():
    scores = torch.randn(3, 2, requires_grad=True)
    nothing, groups = torch.full((3, 2), torch.nan), torch.arange(3)
    for loss in (
        losses.pairwise_ranking_loss(scores, nothing, nothing),
        losses.group_ranking_loss(scores, torch.rand(3, 2), groups),
        losses.list_mle_loss(scores, torch.rand(3, 2), groups),
        losses.regression_loss(scores, nothing),
        losses.info_nce_loss(scores[:1], scores[:1]),
        losses.pairwise_ranking_loss(scores[:0], nothing[:0], nothing[:0]),
    ):
        assert float(loss) == 0.0
        (gradient,) = torch.autograd.grad(loss, scores, retain_graph=True)
        assert not gradient.any()


def test_more_raters_count_for_more_but_less_and_less():
    w = losses.rater_weights(torch.tensor([0, 1, 4, 5, 16, 17]))
    assert float(w[0]) == 0.0
    assert float(w[1:].mean()) == pytest.approx(1)
    assert bool((w.diff() > 0).all())
    assert float(w[3] - w[2]) > 3 * float(w[5] - w[4])
    assert float(w[2] / w[1]) == pytest.approx((4 * 0.25 / 1.75) / 0.25)
    assert not losses.rater_weights(torch.zeros(3)).any()


def test_the_objective_is_the_weighted_sum_of_the_parts_that_are_there():
    parts = [torch.tensor(float(value)) for value in (1, 2, 3, 4)]
    weights = losses.ObjectiveWeights(l_rank=0.5, l_con=0.1, l_inv=2.0)
    assert float(losses.objective(*parts, weights=weights)) == pytest.approx(1 + 1 + 0.3 + 8)
    assert float(losses.objective(contrastive=parts[2], weights=weights)) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no parts"):
        losses.objective()
    with pytest.raises(ValueError, match=r"l_con is -1"):
        losses.ObjectiveWeights(l_con=-1)
