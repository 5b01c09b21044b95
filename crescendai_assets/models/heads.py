"""Small trainable networks over frames and vectors, shared by all models: pooling, MLP, pairs, adapters.

What stands below them (MuQ, a symbolic encoder) and what trains them is elsewhere.
"""

# ruff: noqa: TID253 - modules and losses are torch; nothing that definitions reach imports this

from __future__ import annotations

import torch
from torch import Tensor, nn


class FeatureScale(nn.Module):
    """Features minus a mean, divided by a spread, both fixed numbers of the training set; (0, 1) until they are set.

    MuQ's features have large constant offsets beside which the differences between performances are small.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))

    @torch.no_grad()
    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Take mean and spread of training frames, x (B, T, C), of those that mask (B, T) says are there."""
        frames = x.reshape(-1, x.shape[-1]) if mask is None else x[mask.bool()]
        self.mean.copy_(frames.float().mean(0))
        self.spread.copy_(frames.float().std(0, correction=0).clamp_min(1e-3))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, scaled."""
        return (x - self.mean) / self.spread


class AttentionPooling(nn.Module):
    """Weighted mean over frames, the weights a softmax of scores that a small network gives each frame.

    Ilse et al., Attention-based deep multiple instance learning, ICML 2018. It starts as the plain mean.
    """

    def __init__(self, dim: int, hidden: int = 128) -> None:
        super().__init__()
        self.look = nn.Linear(dim, hidden)
        self.score = nn.Linear(hidden, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool frames.

        Args:
            x: Shape (B, T, C); what the mask leaves out may hold anything, NaN too.
            mask: Which frames are there, shape (B, T); None for all.

        Returns:
            Shape (B, C); zeros for a row without frames.
        """
        there = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask.bool()
        x = x.masked_fill(~there[..., None], 0.0)
        scores = self.score(torch.tanh(self.look(x))).squeeze(-1).float()
        shares = scores.masked_fill(~there, torch.finfo(scores.dtype).min).softmax(1) * there
        return torch.einsum("bt,btc->bc", shares.to(x.dtype), x)


class TwoLayerMLP(nn.Module):
    """Layer norm, linear, GELU, dropout, linear. What stands between the two layers is a row's representation z."""

    def __init__(self, dim: int, hidden: int, out: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout))
        self.second = nn.Linear(hidden, out)

    def represent(self, x: Tensor) -> Tensor:
        """z, shape (B, H), of x (B, C)."""
        z: Tensor = self.first(x)
        return z

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, out), of x (B, C)."""
        out: Tensor = self.second(self.represent(x))
        return out


class PairwiseHead(nn.Module):
    """Which of two is higher: the difference of their scores times a learned positive scale.

    Antisymmetric by construction, and never at odds with the scores. The scale lets a pair be certain while scores
    stay within the narrow range of the labels.
    """

    def __init__(self, scale: float = 4.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def forward(self, scores_a: Tensor, scores_b: Tensor) -> Tensor:
        """Logits above 0 where a is higher; scores and logits of shape (B, D)."""
        return self.log_scale.exp() * (scores_a - scores_b)


class LowRankAdapter(nn.Module):
    """x + α/r up(GELU(down(x))) through r values a frame; at first it changes nothing.

    Houlsby et al., Parameter-efficient transfer learning for NLP, ICML 2019, scaled as LoRA (Hu et al., ICLR 2022).
    """

    def __init__(self, dim: int, rank: int = 16, alpha: float = 32.0) -> None:
        super().__init__()
        self.down = nn.Linear(dim, rank, bias=False)
        self.up = nn.Linear(rank, dim, bias=False)
        self.scale = alpha / rank
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape (..., C)."""
        out: Tensor = x + self.scale * self.up(nn.functional.gelu(self.down(x)))
        return out


class ResidualBlock(nn.Module):
    """x + a two-layer network of its norm; at first it changes nothing, so a frozen one stands for no block at all."""

    def __init__(self, dim: int, hidden: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.inner = TwoLayerMLP(dim, hidden, dim, dropout)
        nn.init.zeros_(self.inner.second.weight)
        nn.init.zeros_(self.inner.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape (..., C)."""
        out: Tensor = x + self.inner(x)
        return out
