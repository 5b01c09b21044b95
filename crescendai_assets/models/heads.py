"""Small networks over frames and vectors, shared by all models: scaling of inputs, pooling, MLP, pairs, adapters.

What stands below them (MuQ, a symbolic encoder) and what trains them is elsewhere.
"""

# ruff: noqa: TID253 - modules and losses are torch; nothing that definitions reach imports this

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """Columns to mean 0 and standard deviation 1, by numbers learnt once by `fit` and stored with the weights.

    Before `fit` nothing is changed.
    """

    mean: Tensor

    def __init__(self, size: int, clip: float | None = 4.0, stored_as: str = "scale") -> None:
        """Columns are not moved yet.

        Args:
            size: Number of columns K.
            clip: Standardised values are cut here, and NaN, which is unknown, becomes 0, the mean; with None values
                are not cut, and NaN stays.
            stored_as: Name of the deviation among the weights.
        """
        super().__init__()
        self.clip, self.stored_as = clip, stored_as
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer(stored_as, torch.ones(size))

    @property
    def deviation(self) -> Tensor:
        """By column, shape (K,); 1 where nothing varies."""
        return self.get_buffer(self.stored_as)

    def fit(self, values: Tensor) -> None:
        """Learn mean and deviation.

        Args:
            values: Rows of training only, shape (..., K); NaN is left out, a column that does not vary is only moved.

        Raises:
            ValueError: The shape is another, or a number is infinite.
        """
        values = torch.as_tensor(values, dtype=torch.float64, device=self.mean.device)
        if values.ndim < 2 or values.shape[-1] != len(self.mean) or not values.numel():
            raise ValueError(f"values have the shape {tuple(values.shape)}; (N, {len(self.mean)}) is wanted, N > 0")
        values = values.reshape(-1, len(self.mean))
        if torch.isinf(values).any():
            raise ValueError("values hold infinite numbers; leave NaN where something is unknown")
        known = ~values.isnan()
        count = known.sum(0).clamp(min=1)
        mean = values.nan_to_num().sum(0) / count
        deviation = ((values - mean).nan_to_num().square().sum(0) / count).sqrt()
        varies = deviation > 1e-6 * mean.abs().clamp(min=1e-3)
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(varies, deviation, torch.ones_like(deviation)))

    def forward(self, values: Tensor) -> Tensor:
        """Standardise values of shape (..., K)."""
        moved = (values.to(self.mean.dtype) - self.mean) / self.deviation
        return moved if self.clip is None else torch.nan_to_num(moved, nan=0.0).clamp(-self.clip, self.clip)


def start_at_mean(last: nn.Linear, labels: Tensor) -> None:
    """Set the bias of a last layer to the mean rating: labels (N, D) in 0 to 1, of training only; NaN is left out."""
    mean = torch.as_tensor(labels, dtype=torch.float32).nanmean(0).nan_to_num(0.5).clamp(0.01, 0.99)
    with torch.no_grad():
        last.bias.copy_(mean.logit())


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
