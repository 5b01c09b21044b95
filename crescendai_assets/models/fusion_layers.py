"""Three ways to join what was heard and what was read: F1 cross-attention, F2 side by side, F3 gates by dimension.

Each maps (B, audio_dim) and (B, symbolic_dim) to (B, fused_dim). The model around them is in `fusion`.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

FusionType: TypeAlias = Literal["cross_attention", "concat", "gated"]


class CrossAttentionFusion(nn.Module):
    """F1: each of the two asks the other.

    A vector is one token, and attention over one token is no attention: so each is first spread over some.
    """

    def __init__(
        self,
        audio_dim: int,
        symbolic_dim: int,
        fused_dim: int,
        num_heads: int = 4,
        num_tokens: int = 8,
        dropout: float = 0.1,
    ) -> None:
        """Size it.

        Args:
            audio_dim: Size of the audio's vector.
            symbolic_dim: Size of the symbolic one.
            fused_dim: Size of what comes out, a multiple of `num_heads`.
            num_heads: Heads of attention.
            num_tokens: Tokens that a vector is spread over.
            dropout: Of the attention.
        """
        super().__init__()
        self.num_tokens, self.fused_dim = num_tokens, fused_dim
        self.spread_audio = nn.Sequential(nn.LayerNorm(audio_dim), nn.Linear(audio_dim, num_tokens * fused_dim))
        self.spread_symbolic = nn.Sequential(
            nn.LayerNorm(symbolic_dim), nn.Linear(symbolic_dim, num_tokens * fused_dim)
        )
        self.audio_asks = nn.MultiheadAttention(fused_dim, num_heads, dropout, batch_first=True)
        self.symbolic_asks = nn.MultiheadAttention(fused_dim, num_heads, dropout, batch_first=True)
        self.norm = nn.LayerNorm(fused_dim)
        self.out = joined(2 * fused_dim, fused_dim, dropout)

    def forward(self, z_audio: Tensor, z_symbolic: Tensor) -> Tensor:
        """Join (B, audio_dim) and (B, symbolic_dim) to (B, fused_dim)."""
        audio = self.spread_audio(z_audio).view(-1, self.num_tokens, self.fused_dim)
        symbolic = self.spread_symbolic(z_symbolic).view(-1, self.num_tokens, self.fused_dim)
        heard, _ = self.audio_asks(audio, symbolic, symbolic, need_weights=False)
        read, _ = self.symbolic_asks(symbolic, audio, audio, need_weights=False)
        both = [self.norm(audio + heard).mean(1), self.norm(symbolic + read).mean(1)]
        return torch.as_tensor(self.out(torch.cat(both, dim=1)))


class ConcatFusion(nn.Module):
    """F2: side by side, through two layers."""

    def __init__(self, audio_dim: int, symbolic_dim: int, fused_dim: int, dropout: float = 0.1) -> None:
        """Size it; arguments as of `CrossAttentionFusion`."""
        super().__init__()
        self.norm_audio, self.norm_symbolic = nn.LayerNorm(audio_dim), nn.LayerNorm(symbolic_dim)
        self.out = joined(audio_dim + symbolic_dim, fused_dim, dropout)

    def forward(self, z_audio: Tensor, z_symbolic: Tensor) -> Tensor:
        """Join (B, audio_dim) and (B, symbolic_dim) to (B, fused_dim)."""
        both = torch.cat([self.norm_audio(z_audio), self.norm_symbolic(z_symbolic)], dim=1)
        return torch.as_tensor(self.out(both))


class GatedFusion(nn.Module):
    r"""F3: for each rated dimension, how much is heard and how much is read.

    The fused vector has a block of numbers for each dimension \( d \): \( g_d\, A_d + (1 - g_d)\, S_d \), with blocks
    \( A, S \) made from the two vectors and gates \( g \) from both together. A head that reads dimension d from its
    block alone, as `FusedPerformanceModel`'s does, makes \( g_d \) the audio's share in that dimension.

    Attributes:
        dimension: Which dimension a number of the fused vector belongs to, shape (fused_dim,).
    """

    dimension: Tensor

    def __init__(
        self, audio_dim: int, symbolic_dim: int, fused_dim: int, num_dims: int = 19, dropout: float = 0.1
    ) -> None:
        """Size it.

        Args:
            audio_dim: Size of the audio's vector.
            symbolic_dim: Size of the symbolic one.
            fused_dim: Size of what comes out, `num_dims` at least.
            num_dims: Rated dimensions.
            dropout: Share of the blocks left out in training.
        """
        super().__init__()
        if fused_dim < num_dims:
            raise ValueError(f"fused_dim is {fused_dim}; {num_dims} dimensions need as many at least")
        self.norm_audio, self.norm_symbolic = nn.LayerNorm(audio_dim), nn.LayerNorm(symbolic_dim)
        self.from_audio = joined(audio_dim, fused_dim, dropout)
        self.from_symbolic = joined(symbolic_dim, fused_dim, dropout)
        self.gates = nn.Linear(audio_dim + symbolic_dim, num_dims)
        nn.init.zeros_(self.gates.weight)  # half of each to begin with
        nn.init.zeros_(self.gates.bias)
        self.register_buffer("dimension", torch.arange(fused_dim) * num_dims // fused_dim, persistent=False)

    def get_gates(self, z_audio: Tensor, z_symbolic: Tensor) -> Tensor:
        """Share of the audio in each dimension, shape (B, num_dims), in 0 to 1."""
        both = torch.cat([self.norm_audio(z_audio), self.norm_symbolic(z_symbolic)], dim=1)
        return torch.sigmoid(self.gates(both))

    def forward(self, z_audio: Tensor, z_symbolic: Tensor) -> Tensor:
        """Join (B, audio_dim) and (B, symbolic_dim) to (B, fused_dim)."""
        gates = self.get_gates(z_audio, z_symbolic)[:, self.dimension]
        heard, read = self.from_audio(self.norm_audio(z_audio)), self.from_symbolic(self.norm_symbolic(z_symbolic))
        return torch.as_tensor(gates * heard + (1 - gates) * read)


class BlockHead(nn.Module):
    """A linear layer that reads each dimension from its own block of the fused vector."""

    mask: Tensor

    def __init__(self, dimension: Tensor, num_dims: int) -> None:
        """Size it; `dimension` (fused_dim,) says which block a number belongs to."""
        super().__init__()
        self.linear = nn.Linear(len(dimension), num_dims)
        self.register_buffer("mask", torch.arange(num_dims)[:, None] == dimension, persistent=False)

    def forward(self, fused: Tensor) -> Tensor:
        """Logits (B, num_dims) of (B, fused_dim)."""
        return functional.linear(fused, self.linear.weight * self.mask, self.linear.bias)


def make_fusion(
    fusion_type: FusionType, audio_dim: int, symbolic_dim: int, fused_dim: int, num_labels: int, dropout: float = 0.1
) -> CrossAttentionFusion | ConcatFusion | GatedFusion:
    """The way to join of that name.

    Raises:
        ValueError: There is none.
    """
    if fusion_type == "cross_attention":
        return CrossAttentionFusion(audio_dim, symbolic_dim, fused_dim, dropout=dropout)
    if fusion_type == "concat":
        return ConcatFusion(audio_dim, symbolic_dim, fused_dim, dropout=dropout)
    if fusion_type == "gated":
        return GatedFusion(audio_dim, symbolic_dim, fused_dim, num_labels, dropout=dropout)
    raise ValueError(f"fusion_type must be cross_attention, concat or gated, not {fusion_type!r}")


def joined(size: int, out: int, dropout: float) -> nn.Sequential:
    """Two layers of `out` units."""
    return nn.Sequential(nn.Linear(size, out), nn.GELU(), nn.Dropout(dropout), nn.Linear(out, out))
