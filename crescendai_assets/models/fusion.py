"""Fusion: what an audio and a symbolic encoder make of one performance, joined and judged.

Ways to join are in `fusion_layers`; here is the model around them. Encoders are frozen by default: what fusion
learns is told apart from what they learn.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from crescendai_assets.models.fusion_layers import (
    BlockHead,
    ConcatFusion,
    CrossAttentionFusion,
    FusionType,
    GatedFusion,
    joined,
    make_fusion,
)
from crescendai_assets.models.losses import AMBIGUOUS
from crescendai_assets.models.objective_parts import Batch
from crescendai_assets.models.scoring_module import ScoringModule

__all__ = [
    "ConcatFusion",
    "CrossAttentionFusion",
    "FusedPerformanceModel",
    "FusionType",
    "GatedFusion",
    "make_fusion",
]

FUSED_DIM = 512


class FusedPerformanceModel(ScoringModule):
    """Two encoders, one of the three ways to join what they make, and a head.

    Encoders may be None where their vectors are at hand. Batches are those of `ScoringModule` and hold `z_audio` and
    `z_symbolic`, with conditioning on the score `z_audio`, `z_performance_midi` and `z_score_midi`.
    """

    def __init__(
        self,
        audio_encoder: nn.Module | None = None,
        symbolic_encoder: nn.Module | None = None,
        fusion_type: FusionType = "cross_attention",
        num_labels: int = 19,
        audio_dim: int = 512,
        symbolic_dim: int = 512,
        use_score_conditioning: bool = False,
        freeze_encoders: bool = True,
        fused_dim: int = FUSED_DIM,
        dropout: float = 0.1,
        learning_rate: float = 3e-4,
        weight_decay: float = 0.01,
        warmup_steps: int = 100,
        l_rank: float = 1.0,
        l_squared: float = 60.0,
        ambiguous_threshold: float = AMBIGUOUS,
    ) -> None:
        """Put it together.

        Args:
            audio_encoder: Gives `z_audio`, see `encode_audio`.
            symbolic_encoder: Gives `z_symbolic`, see `encode_symbolic`.
            fusion_type: `cross_attention`, `concat` or `gated`.
            num_labels: D.
            audio_dim: Size of `z_audio`.
            symbolic_dim: Size of the symbolic vectors.
            use_score_conditioning: Whether the score's vector stands beside the performance's.
            freeze_encoders: Whether encoders stay as they are: no gradient, and always as in evaluation.
            fused_dim: Size of the joined vector.
            dropout: Share left out in training.
            learning_rate: Highest of the run.
            weight_decay: Of weights, not of biases and norms.
            warmup_steps: Over which the learning rate rises.
            l_rank: Weight of ranking beside regression.
            l_squared: Weight of squared error added to `losses.regression_loss`; see `symbolic_base.Options`.
            ambiguous_threshold: Pairs whose labels differ by this or less are not ranked.

        Raises:
            ValueError: There is no such way to join.
        """
        super().__init__(
            l_rank=l_rank,
            l_squared=l_squared,
            ambiguous_threshold=ambiguous_threshold,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
        )
        self.save_hyperparameters(ignore=["audio_encoder", "symbolic_encoder"])
        self.audio_encoder, self.symbolic_encoder = audio_encoder, symbolic_encoder
        self.freeze_encoders, self.use_score_conditioning = freeze_encoders, use_score_conditioning
        self.fusion = make_fusion(fusion_type, audio_dim, symbolic_dim, fused_dim, num_labels, dropout)
        self.over_score = joined(3 * symbolic_dim, symbolic_dim, dropout) if use_score_conditioning else None
        self.without_score = nn.Parameter(torch.zeros(symbolic_dim)) if use_score_conditioning else None
        last: nn.Module = nn.Linear(fused_dim, num_labels)
        if isinstance(self.fusion, GatedFusion):
            last = BlockHead(self.fusion.dimension, num_labels)
        self.head = nn.Sequential(nn.GELU(), nn.Dropout(dropout), last)
        if freeze_encoders:
            for encoder in self._encoders():
                encoder.requires_grad_(False)
        self.train(self.training)

    def forward(
        self,
        z_audio: Tensor,
        z_symbolic: Tensor | None = None,
        z_score_midi: Tensor | None = None,
        *,
        z_performance_midi: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Judge performances.

        Args:
            z_audio: Shape (B, audio_dim).
            z_symbolic: Of the performance, shape (B, symbolic_dim).
            z_score_midi: Of the score of the same bars, likewise; with conditioning only. A row that begins with NaN
                has no score, and a learnt vector stands in its place.
            z_performance_midi: Another name for `z_symbolic`.

        Returns:
            `z_fused` (B, fused_dim), `logits` (B, D), and `scores` (B, D) in 0 to 1.

        Raises:
            ValueError: A vector is missing, or there is one too many.
        """
        played = z_symbolic if z_performance_midi is None else z_performance_midi
        if played is None or (z_symbolic is not None and z_performance_midi is not None):
            raise ValueError("give the performance's vector once, as z_symbolic or as z_performance_midi")
        if (self.over_score is None) != (z_score_midi is None):
            wanted = "needs" if z_score_midi is None else "takes no"
            raise ValueError(f"the model {wanted} z_score_midi; use_score_conditioning decides")
        if self.over_score is not None and self.without_score is not None and z_score_midi is not None:
            known, score = ~z_score_midi[:, :1].isnan(), z_score_midi.nan_to_num()
            heard = self.over_score(torch.cat([played, score, played - score], dim=1))
            played = played + torch.where(known, heard, self.without_score)
        fused = self.fusion(z_audio, played)
        logits = self.head(fused)
        return {"z_fused": fused, "logits": logits, "scores": logits.sigmoid()}

    def encode_audio(self, *inputs: Any, **named: Any) -> Tensor:
        """What the audio encoder makes of its inputs, shape (B, audio_dim)."""
        return self._encoded(self.audio_encoder, "audio", inputs, named)

    def encode_symbolic(self, *inputs: Any, **named: Any) -> Tensor:
        """What the symbolic encoder makes of its inputs, a performance's or a score's, shape (B, symbolic_dim)."""
        return self._encoded(self.symbolic_encoder, "symbolic", inputs, named)

    def train(self, mode: bool = True) -> Self:
        """As any module, but frozen encoders stay in evaluation: their dropout and running means rest."""
        super().train(mode)
        if self.freeze_encoders:
            for encoder in self._encoders():
                encoder.eval()
        return self

    def logits_of(self, batch: Batch, suffix: str) -> Tensor:
        """Logits (B, D) of one side of a batch."""
        names = ("z_audio", "z_symbolic", "z_performance_midi", "z_score_midi")
        given = {name: batch[f"{name}{suffix}"] for name in names if f"{name}{suffix}" in batch}
        played = given.get("z_symbolic", given.get("z_performance_midi"))
        if self.over_score is not None and played is not None:
            given.setdefault("z_score_midi", torch.full_like(played, torch.nan))
        logits: Tensor = self(**given)["logits"]
        return logits

    def _encoders(self) -> list[nn.Module]:
        both = (self.audio_encoder, self.symbolic_encoder)
        return [encoder for encoder in both if encoder is not None]

    def _encoded(self, encoder: nn.Module | None, name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
        if encoder is None:
            raise ValueError(f"the model was made without its {name} encoder")
        encode = encoder if name == "symbolic" else getattr(encoder, "encode", encoder)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_encoders):
            found = encode(*inputs, **named)
        if isinstance(found, Mapping):
            found = found[f"z_{name}"]
        return torch.as_tensor(found)
