"""S3: curves of a performance (`symbolic.features`) through convolutions of several widths and a Transformer.

Pretrained as wav2vec 2.0: of frames that are masked, the code of what was there is told from codes of other masked
frames of the same performance; see `symbolic_codebook`. Which frames are masked is the dataset's choice.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from crescendai_assets.models.heads import Standardise
from crescendai_assets.models.objective_parts import Batch
from crescendai_assets.models.symbolic_base import Options, Stage, SymbolicEncoder, refuse_missing
from crescendai_assets.models.symbolic_codebook import GumbelCodebook, contrastive_loss
from crescendai_assets.models.symbolic_layers import AttentionStack, StatisticsPool, pool_sequence

DIVERSITY_WEIGHT = 0.1
"""α of the codebook's use in the loss, as published."""


class MultiScaleFrontEnd(nn.Module):
    """Convolutions of several widths side by side, then one over all of them; 4 frames become one."""

    stride = 4

    def __init__(self, channels: int, width: int, kernels: Sequence[int]) -> None:
        """Size it; kernels are odd, in frames, and share `width` among them."""
        super().__init__()
        if any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"kernels must be odd, not {tuple(kernels)}")
        share = [width // len(kernels) + (place < width % len(kernels)) for place in range(len(kernels))]
        self.scales = nn.ModuleList(
            [
                nn.Conv1d(channels, out, kernel, stride=2, padding=kernel // 2)
                for out, kernel in zip(share, kernels, strict=True)
            ]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.join = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.activation = nn.GELU()

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve.

        Args:
            x: Shape (B, T, channels).
            mask: True where there is a frame, shape (B, T).

        Returns:
            Vectors, shape (B, T / 4 rounded up, width), 0 where there are none, and their mask.
        """
        seen = (x * mask.unsqueeze(-1)).transpose(1, 2)  # zeros beyond the end are what a convolution pads with
        wide = torch.cat([scale(seen) for scale in self.scales], dim=1).transpose(1, 2)
        mask = mask[:, ::2]
        wide = self.activation(self.norms[0](wide)) * mask.unsqueeze(-1)
        joined = self.join(wide.transpose(1, 2)).transpose(1, 2)
        mask = mask[:, ::2]
        return self.activation(self.norms[1](joined)) * mask.unsqueeze(-1), mask


class ContinuousSymbolicEncoder(SymbolicEncoder):
    """S3. Batches of pretraining, with (B, T) frames of C channels.

    `features` (B, T, C), `mask` (B, T), `masked_features` (B, T, C) and `masked_positions` (B, T), True where masked.
    In finetuning the fields are `features` and `mask`, see `SymbolicEncoder`.
    """

    fields: ClassVar[Mapping[str, str]] = {"features": "x", "mask": "mask"}
    small_sizes: ClassVar[Mapping[str, Any]] = {
        "d_model": 128,
        "nhead": 4,
        "num_layers": 2,
        "hidden_dim": 128,
        "codebook_entries": 32,
        "max_frames": 6000,
    }

    def __init__(
        self,
        input_channels: int = 5,
        hidden_dim: int = 512,
        num_labels: int = 19,
        d_model: int = 512,
        nhead: int = 8,
        num_layers: int = 6,
        stage: Stage = "pretrain",
        kernels: Sequence[int] = (3, 9, 27, 81),
        max_frames: int = 15_000,
        codebook_groups: int = 2,
        codebook_entries: int = 320,
        **options: Unpack[Options],
    ) -> None:
        """Size it.

        Args:
            input_channels: C.
            hidden_dim: H, size of `z_symbolic`.
            num_labels: D.
            d_model: Width of the convolutions and of the Transformer.
            nhead: Heads of attention, which divide the width into parts of an even size.
            num_layers: Blocks.
            stage: What a training step does.
            kernels: Widths of the convolutions in frames, odd: 60 ms to 1.6 s at 50 frames a second.
            max_frames: What is beyond is left out, with a warning; 5 minutes at 50 frames a second.
            codebook_groups: Of pretraining.
            codebook_entries: Of each group.
            **options: See `Options`.
        """
        super().__init__(hidden_dim, num_labels, stage, **options)
        self.save_hyperparameters()
        self.max_frames = max_frames
        self.inputs = Standardise(input_channels)
        self.front_end = MultiScaleFrontEnd(input_channels, d_model, kernels)
        self.transformer = AttentionStack(d_model, nhead, num_layers, self.options["dropout"])
        self.pool = StatisticsPool(d_model, hidden_dim, nhead)
        self.masked = nn.Parameter(torch.randn(d_model) * 0.1)
        self.codebook = GumbelCodebook(d_model, codebook_groups, codebook_entries, d_model)
        self.guess = nn.Linear(d_model, d_model)

    def fit_inputs(self, frames: Tensor) -> None:
        """Learn the channels' mean and deviation from frames of training, shape (N, C)."""
        self.inputs.fit(frames)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        conditions: Tensor | None = None,
        score: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Judge performances.

        Args:
            x: Curves, shape (B, T, C).
            mask: True or 1 where there is a frame, shape (B, T); everywhere by default.
            conditions: Shape (B, K), NaN where unknown.
            score: `x` and `mask` of the score of the same bars, played as written.

        Returns:
            `z_symbolic` (B, H), `logits` (B, D), and `scores` (B, D) in 0 to 1.
        """
        return self.judge(self.encode(x, mask), conditions, score)

    def encode(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Curves to a vector, shape (B, H); arguments as of `forward`."""
        hidden, mask = self._convolved(x, mask)
        return pool_sequence(self.pool, self.transformer(hidden, mask), mask)

    def pretrain_loss(self, batch: Batch) -> Tensor:
        """Contrastive loss of masked frames, and use of the codebook; 0 where nothing is masked."""
        refuse_missing(batch, ("features", "mask", "masked_features", "masked_positions"), self.stage)
        clean, mask = self._convolved(batch["features"], batch["mask"])
        hidden, _ = self._convolved(batch["masked_features"], batch["mask"])
        guessed = self._any_in_stride(batch["masked_positions"]) & mask
        if not guessed.any():
            return (clean.sum() + hidden.sum()) * 0.0
        context = self.transformer(torch.where(guessed.unsqueeze(-1), self.masked, hidden), mask)
        targets, unused = self.codebook(clean[guessed])
        item = torch.arange(len(mask), device=mask.device).unsqueeze(1).expand_as(mask)[guessed]
        told = contrastive_loss(self.guess(context[guessed]), targets, item)
        return torch.as_tensor(told + DIVERSITY_WEIGHT * unused)

    def _convolved(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        known = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask.bool()
        if known[:, self.max_frames :].any():
            warnings.warn(f"curves of up to {x.shape[1]} frames are cut at max_frames={self.max_frames}", stacklevel=4)
        hidden, known = self.front_end(self.inputs(x[:, : self.max_frames]), known[:, : self.max_frames])
        return hidden, known

    def _any_in_stride(self, positions: Tensor) -> Tensor:
        """True where one of the frames that became one was masked, shape (B, T / 4 rounded up)."""
        positions = positions[:, : self.max_frames].float().unsqueeze(1)
        stride = self.front_end.stride
        pooled: Tensor = nn.functional.max_pool1d(positions, stride, ceil_mode=True)
        return pooled.squeeze(1) > 0
