"""From what an encoder made of a performance to scores; the same for all symbolic encoders.

What else is known of a performance comes in here: `conditions`, a vector beside the music (hand features, differences
from the score's), and the score itself, encoded by the same encoder. Both become part of `z_symbolic`, so that fusion
has them too. The training loop around it is in `symbolic_base`.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

import torch
from torch import Tensor, nn

from crescendai_assets.models.heads import Standardise, start_at_mean


class ScoreHead(nn.Module):
    r"""Two-layer head; \( z = \mathrm{norm}(z_p + f(c) + g(z_p, z_s, z_p - z_s)) \), scores are \( \sigma(h(z)) \)."""

    def __init__(
        self,
        hidden_dim: int,
        num_labels: int,
        *,
        conditions_dim: int = 0,
        use_score: bool = False,
        dropout: float = 0.1,
    ) -> None:
        """Size it.

        Args:
            hidden_dim: H, of what the encoder gives.
            num_labels: D.
            conditions_dim: K; 0 takes no conditions.
            use_score: Whether a score's encoding may come in.
            dropout: Share of hidden units left out in training.
        """
        super().__init__()
        self.conditions = Standardise(conditions_dim) if conditions_dim else None
        self.from_conditions = _two_layers(conditions_dim, hidden_dim, dropout) if conditions_dim else None
        self.from_score = _two_layers(3 * hidden_dim, hidden_dim, dropout) if use_score else None
        self.without_score = nn.Parameter(torch.zeros(hidden_dim)) if use_score else None
        self.norm = nn.LayerNorm(hidden_dim)
        self.out = _two_layers(hidden_dim, num_labels, dropout, inside=hidden_dim)

    def fit_conditions(self, values: Tensor) -> None:
        """Learn the conditions' mean and deviation from the rows of training, shape (N, K)."""
        if self.conditions is None:
            raise ValueError("the model takes no conditions; make it with conditions_dim")
        self.conditions.fit(values)

    def start_at(self, labels: Tensor) -> None:
        """Begin from the mean rating: set the last bias to it. `labels` (N, D), of training only; NaN is left out."""
        last = self.out[-1]
        assert isinstance(last, nn.Linear)
        start_at_mean(last, labels)

    def forward(
        self,
        z: Tensor,
        conditions: Tensor | None = None,
        z_score: Tensor | None = None,
        has_score: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Join and score.

        Args:
            z: The performance, shape (B, H).
            conditions: Shape (B, K), NaN where unknown; None is all unknown.
            z_score: The score of the same bars, shape (B, H); None where no row has one.
            has_score: Which rows have one, shape (B,); None for all. The others get a learnt vector in its place.

        Returns:
            `z_symbolic` (B, H) and logits (B, D).

        Raises:
            ValueError: Conditions or a score for a model that was made without.
        """
        joined = z
        if self.from_conditions is not None and self.conditions is not None:
            known = z.new_full((len(z), len(self.conditions.mean)), torch.nan) if conditions is None else conditions
            joined = joined + self.from_conditions(self.conditions(known))
        elif conditions is not None:
            raise ValueError("the model takes no conditions; make it with conditions_dim")
        if self.from_score is not None and self.without_score is not None:
            told = self.without_score.expand_as(z)
            if z_score is not None:
                heard = self.from_score(torch.cat([z, z_score, z - z_score], dim=1))
                told = heard if has_score is None else torch.where(has_score[:, None], heard, told)
            joined = joined + told
        elif z_score is not None:
            raise ValueError("the model takes no score; make it with use_score=True")
        joined = self.norm(joined)
        return joined, self.out(joined)


def _two_layers(size: int, out: int, dropout: float, inside: int | None = None) -> nn.Sequential:
    inside = inside or out
    return nn.Sequential(nn.Linear(size, inside), nn.GELU(), nn.Dropout(dropout), nn.Linear(inside, out))
