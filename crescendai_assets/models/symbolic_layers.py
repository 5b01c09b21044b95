"""Layers that the symbolic encoders share: attention blocks with rotary positions, pooling by item.

None of them looks across items of a batch, so that neither padding nor company changes what an item becomes. Heads and
losses are in `symbolic_head`.

Su et al., RoFormer: enhanced transformer with rotary position embedding, arXiv 2104.09864. Okabe, Koshinaka & Shinoda,
Attentive statistics pooling for deep speaker embedding, arXiv 1803.10963.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

Rotation: TypeAlias = tuple[Tensor, Tensor]
"""Cosines and sines by position, each of shape (T, head size / 2)."""

_ROTARY_BASE = 10_000.0


class AttentionBlock(nn.Module):
    """Self-attention with rotary positions and a feed-forward layer, each after a norm and around a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        """Size it.

        Args:
            width: Of the stream, a multiple of twice the heads.
            heads: Number of heads.
            dropout: Share of what each of the two layers adds that is left out in training.
        """
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"a width of {width} does not divide into {heads} heads of an even size")
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, rotation: Rotation) -> Tensor:
        """Attend.

        Args:
            x: Shape (B, T, width).
            mask: True where there is something, shape (B, T); an item needs one position at least.
            rotation: Of T positions, from `rotation`.
        """
        batch, length, width = x.shape
        shape = (batch, length, 3, self.heads, width // self.heads)
        query, key, value = self.query_key_value(self.before_attention(x)).view(shape).permute(2, 0, 3, 1, 4)
        query, key = _rotated(query, rotation), _rotated(key, rotation)
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        x = x + self.dropout(self.out(seen.transpose(1, 2).reshape(batch, length, width)))
        return torch.as_tensor(x + self.dropout(self.feed_forward(x)))


class AttentionStack(nn.Module):
    """Attention blocks one after the other, with a norm at the end."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float = 0.1) -> None:
        """Size it; see `AttentionBlock`."""
        super().__init__()
        self.head_size = width // heads
        self.blocks = nn.ModuleList([AttentionBlock(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Contextual vectors, shape (B, T, width), of x of that shape; `mask` (B, T) is True where there is something.

        What comes out where the mask is False means nothing.
        """
        mask = mask | ~mask.any(dim=1, keepdim=True)  # attention over nothing would be NaN; pooling leaves it out
        turned = rotation(x.shape[1], self.head_size, x)
        for block in self.blocks:
            x = block(x, mask, turned)
        return torch.as_tensor(self.norm(x))


def rotation(length: int, head_size: int, like: Tensor) -> Rotation:
    """Angles of rotary positions 0 to length - 1, on the device and in the type of `like`."""
    steps = torch.arange(0, head_size, 2, device=like.device, dtype=torch.float32)
    speed = _ROTARY_BASE ** (-steps / head_size)
    angle = torch.arange(length, device=like.device, dtype=torch.float32)[:, None] * speed
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def _rotated(x: Tensor, rotation: Rotation) -> Tensor:
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


class StatisticsPool(nn.Module):
    r"""Vectors of an item to one: attention-weighted mean, mean and standard deviation, joined and mapped.

    With heads \( h \) that each look at their share of the columns,
    \( a_h = \sum_i \mathrm{softmax}_i(w_h x_i) x_{i,h} \).
    """

    def __init__(self, width: int, hidden_dim: int, heads: int = 4) -> None:
        """Size it; `heads` divide `width`, the size of what comes in; `hidden_dim` is the size of what goes out."""
        super().__init__()
        self.heads = heads
        self.weigh = nn.Linear(width, heads)
        self.out = nn.Linear(3 * width, hidden_dim)

    def forward(self, x: Tensor, item: Tensor, items: int) -> Tensor:
        """Pool.

        Args:
            x: All vectors of all items, shape (N, width).
            item: Which item each belongs to, shape (N,), in any order.
            items: Number of items B; one without vectors is pooled as zeros.

        Returns:
            Shape (B, hidden_dim).
        """
        weights = _softmax_by_item(self.weigh(x), item, items)
        by_head = x.view(len(x), self.heads, -1) * weights.unsqueeze(-1)
        weighted = sum_by_item(by_head.flatten(1), item, items)
        count = torch.bincount(item, minlength=items).clamp(min=1).unsqueeze(1)
        mean = sum_by_item(x, item, items) / count
        spread = sum_by_item((x - mean[item]).square(), item, items) / count
        return torch.as_tensor(self.out(torch.cat([weighted, mean, (spread + 1e-6).sqrt()], dim=1)))


def pool_sequence(pool: StatisticsPool, x: Tensor, mask: Tensor) -> Tensor:
    """Pool x of shape (B, T, width) over the positions where `mask` (B, T) is True; shape (B, hidden_dim)."""
    item = torch.arange(len(x), device=x.device).unsqueeze(1).expand_as(mask)
    return torch.as_tensor(pool(x[mask], item[mask], len(x)))


def sum_by_item(x: Tensor, item: Tensor, items: int) -> Tensor:
    """Sums of x (N, width) by item, shape (items, width)."""
    return torch.zeros(items, x.shape[1], dtype=x.dtype, device=x.device).index_add(0, item, x)


def _softmax_by_item(logits: Tensor, item: Tensor, items: int) -> Tensor:
    """Softmax of each column of (N, heads) among the rows of an item."""
    index = item.unsqueeze(1).expand_as(logits)
    highest = torch.full((items, logits.shape[1]), -torch.inf, dtype=logits.dtype, device=logits.device)
    highest = highest.scatter_reduce(0, index, logits.detach(), "amax")
    raised = (logits - highest[item]).exp()
    return raised / sum_by_item(raised, item, items)[item]
