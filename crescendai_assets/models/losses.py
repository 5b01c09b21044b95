"""What models are trained towards: ranking, regression, contrast, invariance, and their weighted sum.

Pure functions of tensors. Labels may hold NaN: a missing label takes no part, in values and in gradients. Where nothing
is left to compare a loss is 0 and still has a graph, so that a batch without pairs is a step like any other.
How good a model is, is measured in `evaluation`.

Weights are one a row, shape (N,), or one a row and dimension, shape (N, D); a loss is a weighted mean.
"""

# ruff: noqa: TID253 - modules and losses are torch; nothing that definitions reach imports this

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

AMBIGUOUS = 0.05
"""Labels no further apart than this are ties, as in `evaluation.pairs`; on the scale of labels (rating / 7)."""

SINGLE_RATER_RELIABILITY = 0.25
"""Of PercePiano's labels: how well one rater alone tells performances apart."""

SQUARED = 10.0
"""Brings the squared error of ratings, some .01, to the size of 1 - CCC."""

SamePiece = Literal["positive", "masked"]


@dataclass(frozen=True)
class ObjectiveWeights:
    """The weights of L = regression + l_rank ranking + l_con contrastive + l_inv invariance.

    Attributes:
        l_rank: Of the ranking of T1 and T2.
        l_con: Of the contrast of T3; small, since it pulls performers of one piece together.
        l_inv: Of the invariance of T4.
    """

    l_rank: float = 1.0
    l_con: float = 0.1
    l_inv: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what would turn an objective round."""
        for name in ("l_rank", "l_con", "l_inv"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; a weight of the objective is 0 or more")


DEFAULT_WEIGHTS = ObjectiveWeights()


def objective(
    regression: Tensor | None = None,
    ranking: Tensor | None = None,
    contrastive: Tensor | None = None,
    invariance: Tensor | None = None,
    *,
    weights: ObjectiveWeights = DEFAULT_WEIGHTS,
) -> Tensor:
    """L = regression + l_rank ranking + l_con contrastive + l_inv invariance; a part that is None is left out.

    Raises:
        ValueError: There is no part at all.
    """
    factors = (1.0, weights.l_rank, weights.l_con, weights.l_inv)
    parts = (regression, ranking, contrastive, invariance)
    given = [factor * part for factor, part in zip(factors, parts, strict=True) if part is not None]
    if not given:
        raise ValueError("an objective of no parts: give regression, ranking, contrastive or invariance")
    return torch.stack(given).sum()


def rater_weights(raters: Tensor, *, single: float = SINGLE_RATER_RELIABILITY) -> Tensor:
    """Weights of labels that are means over raters: their reliability, divided by its mean.

    n raters of reliability r each have together n r / (1 + (n - 1) r) (Spearman-Brown), so that the fourth rater
    counts for more than the seventeenth.

    Args:
        raters: How many rated each row, shape (N,); 0 gives weight 0.
        single: Reliability of one rater.

    Returns:
        Shape (N,), mean 1 over rows that anybody rated.
    """
    count = raters.float()
    reliability = count * single / (1 + (count - 1) * single)
    rated = count > 0
    reliability = torch.where(rated, reliability, torch.zeros_like(reliability))
    return reliability * rated.sum() / reliability.sum().clamp_min(1e-12)


def pairwise_ranking_loss(
    logits: Tensor,
    labels_a: Tensor,
    labels_b: Tensor,
    *,
    weights: Tensor | None = None,
    ambiguous_threshold: float = AMBIGUOUS,
) -> Tensor:
    """Logistic loss of given pairs, log(1 + exp(-s x)) with s the sign of the difference of labels.

    Burges et al., Learning to rank using gradient descent, ICML 2005. The same whichever of a pair comes first.

    Args:
        logits: Score of a minus score of b, shape (P, D).
        labels_a: Shape (P, D); NaN is a missing label.
        labels_b: Shape (P, D).
        weights: Of the pairs, shape (P,) or (P, D).
        ambiguous_threshold: Pairs whose labels differ by this or less are ties and left out.

    Returns:
        Weighted mean over pairs and dimensions that count; 0 where none does.
    """
    apart = labels_a - labels_b
    counts = apart.abs() > ambiguous_threshold  # False for NaN
    loss = F.softplus(-torch.sign(torch.nan_to_num(apart)) * logits)
    return _weighted_mean(loss, counts, weights)


def group_ranking_loss(
    scores: Tensor,
    labels: Tensor,
    groups: Tensor,
    *,
    weights: Tensor | None = None,
    ambiguous_threshold: float = AMBIGUOUS,
) -> Tensor:
    """`pairwise_ranking_loss` of all pairs of rows within groups, each pair once.

    Args:
        scores: Shape (N, D).
        labels: Shape (N, D); NaN is a missing label.
        groups: Group of each row, shape (N,); only rows of one group are compared.
        weights: Of the rows, shape (N,) or (N, D); a pair has the geometric mean of its two.
        ambiguous_threshold: Pairs whose labels differ by this or less are ties and left out.
    """
    same = torch.triu(groups[:, None] == groups[None, :], diagonal=1)
    a, b = same.nonzero(as_tuple=True)
    of_pairs = None if weights is None else pair_weights(weights[a], weights[b])
    return pairwise_ranking_loss(
        scores[a] - scores[b], labels[a], labels[b], weights=of_pairs, ambiguous_threshold=ambiguous_threshold
    )


def pair_weights(weights_a: Tensor, weights_b: Tensor) -> Tensor:
    """Weight of a pair: the geometric mean of its rows' weights, so that one unrated row silences it."""
    return (weights_a * weights_b).sqrt()


def list_mle_loss(scores: Tensor, labels: Tensor, groups: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """ListMLE: the negative log-likelihood of the labels' order within each group under Plackett-Luce.

    For each row i: log Σ_{j: y_j <= y_i} exp(s_j) - s_i over the rows j of its group. Xia et al., Listwise approach to
    learning to rank, ICML 2008. Rows of equal labels share one sum (Breslow), so the order of rows is nothing.

    Args:
        scores: Shape (N, D).
        labels: Shape (N, D), higher comes first; NaN is a missing label.
        groups: Group of each row, shape (N,).
        weights: Of the rows, shape (N,) or (N, D).

    Returns:
        Weighted mean over the rows of groups in which some labels differ; 0 where there are none.
    """
    known = labels.isfinite()
    y = torch.nan_to_num(labels)
    listed = (groups[:, None] == groups[None, :])[..., None] & known[:, None] & known[None, :]  # (N, N, D)
    below = listed & (y[None, :] <= y[:, None])
    differs = (listed & (y[None, :] != y[:, None])).any(1)
    least = torch.finfo(scores.dtype).min
    rest = scores[None, :].expand(below.shape).masked_fill(~below, least).logsumexp(1)
    return _weighted_mean(rest - scores, known & differs, weights)


def mse_loss(predictions: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Mean squared error over labels that are there.

    Args:
        predictions: Shape (N, D).
        targets: Shape (N, D); NaN is a missing label.
        weights: Shape (N,) or (N, D).
    """
    known = targets.isfinite()
    return _weighted_mean((predictions - torch.nan_to_num(targets)) ** 2, known, weights)


def ccc_loss(predictions: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """1 - concordance, meaned over dimensions: 0 for perfect predictions, 1 for constant ones, at most 2.

    2 cov / (var p + var y + (mean p - mean y)²) with weighted 1/N moments. Lin, Biometrics 45, 1989.

    Args:
        predictions: Shape (N, D).
        targets: Shape (N, D); NaN is a missing label.
        weights: Shape (N,) or (N, D).

    Returns:
        Mean over the dimensions with two or more labels that are not all alike; 0 where there are none.
    """
    known = targets.isfinite()
    w = known * _shaped(weights, predictions)
    share = w / w.sum(0).clamp_min(1e-12)
    y = torch.nan_to_num(targets)
    mean_p, mean_y = (share * predictions).sum(0), (share * y).sum(0)
    p0, y0 = predictions - mean_p, y - mean_y
    shared = (share * p0 * y0).sum(0)
    spread_y = (share * y0**2).sum(0)
    apart = (share * p0**2).sum(0) + spread_y + (mean_p - mean_y) ** 2
    counts = ((w > 0).sum(0) > 1) & (spread_y > 1e-12)
    return _weighted_mean(1 - 2 * shared / torch.where(counts, apart, torch.ones_like(apart)), counts, None)


def regression_loss(predictions: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """`ccc_loss` + 10 `mse_loss`.

    Ranking leaves the scale free and concordance anchors it; that is blind where labels hardly differ, as in a small
    batch, and the squared error is not.
    """
    return ccc_loss(predictions, targets, weights=weights) + SQUARED * mse_loss(predictions, targets, weights=weights)


def info_nce_loss(
    z_a: Tensor,
    z_b: Tensor,
    pieces_a: Tensor | None = None,
    pieces_b: Tensor | None = None,
    *,
    same_piece: SamePiece = "masked",
    temperature: float = 0.1,
) -> Tensor:
    """InfoNCE over cosines, both ways: a row of a finds its positives among b's rows, and a row of b among a's.

    For each positive p of row i, -log(exp(s_ip) / (exp(s_ip) + Σ_negatives exp(s_in))), meaned over its positives.
    van den Oord et al., arXiv 1807.03748. What is the positive decides what is learned:

    - `masked`: row i of b alone (two views of one performance); other rows of its piece are taken out, since as
      negatives they would be false ones. Performers of a piece are told apart by nothing here.
    - `positive`: every row of b of the same piece. Performers of a piece are pulled together.

    Negatives are always the rows of other pieces.

    Args:
        z_a: Shape (N, H), of 32 bits or more: autocast is off here.
        z_b: Shape (M, H), of the same type; with `masked`, M is N.
        pieces_a: Piece of each row of a, shape (N,), below 0 where it is not known: such a row is nobody's negative.
            Without pieces each row is a piece of its own.
        pieces_b: Shape (M,); by default as `pieces_a`.
        same_piece: See above.
        temperature: Divides the cosines.

    Returns:
        Mean over rows with a positive and a negative; 0 where there are none.

    Raises:
        ValueError: Rows do not pair up though they must.
    """
    if len(z_a) != len(z_b) and (same_piece == "masked" or pieces_b is None):
        raise ValueError(f"{len(z_a)} rows against {len(z_b)}: without pieces of both, row i of one belongs to row i")
    rows = torch.arange(len(z_a), device=z_a.device)
    a = rows if pieces_a is None else pieces_a
    b = a if pieces_b is None else pieces_b
    same = (a[:, None] == b[None, :]) & (a >= 0)[:, None]
    negative = (a[:, None] != b[None, :]) & (a >= 0)[:, None] & (b >= 0)[None, :]
    if same_piece == "masked":
        same = torch.eye(len(z_a), dtype=torch.bool, device=z_a.device)
        negative = negative & ~same
    with torch.autocast(z_a.device.type, enabled=False):  # a product in 16 bits, divided by a small temperature
        cosines = F.normalize(z_a, dim=-1) @ F.normalize(z_b, dim=-1).T / temperature
    return (_one_way(cosines, same, negative) + _one_way(cosines.T, same.T, negative.T)) / 2


def invariance_loss(clean: Tensor, augmented: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Mean squared difference of what a model makes of a recording and of its augmented copy, shape (N, D) each."""
    return _weighted_mean((clean - augmented) ** 2, torch.ones_like(clean, dtype=torch.bool), weights)


def _one_way(cosines: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    others = cosines.masked_fill(~negative, torch.finfo(cosines.dtype).min).logsumexp(1, keepdim=True)
    each = F.softplus(others - cosines)  # -log of the softmax over one positive and all negatives
    loss = torch.where(positive, each, torch.zeros_like(each)).sum(1) / positive.sum(1).clamp_min(1)
    return _weighted_mean(loss, positive.any(1) & negative.any(1), None)


def _shaped(weights: Tensor | None, like: Tensor) -> Tensor:
    if weights is None:
        return torch.ones_like(like)
    spread = weights[:, None] if weights.ndim == 1 and like.ndim == 2 else weights
    return torch.nan_to_num(spread.to(like)).expand_as(like)


def _weighted_mean(loss: Tensor, counts: Tensor, weights: Tensor | None) -> Tensor:
    """Mean where `counts`; the loss is finite elsewhere too, so that what does not count has a gradient of 0."""
    w = counts * _shaped(weights, loss)
    return (w * loss).sum() / w.sum().clamp_min(1e-12)
