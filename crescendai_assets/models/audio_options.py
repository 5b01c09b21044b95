"""What audio models are told: options that all of them take, and what a batch holds.

A batch is a mapping of one of three kinds, told by its fields, or a mapping of names (one a tier) to such batches, the
parts of which are meaned, rankings added. B rows, D dimensions; masks say which frames (B, T), or samples (B, n), are
there.

- pairs: `embeddings_a/b`; by choice `mask_a/b`, `labels_a/b` (B, D) for regression and ranking, `weights_a/b` (B,),
  `placement_a/b` (B,) for ranking of the whole (1 is best, NaN unknown), `piece_ids_a/b` (B,) for contrast. All pairs
  that are given are ranked: which performances may be compared is the sampler's choice.
- rows: `embeddings`, `labels` (B, D); by choice `mask`, `weights`, `piece_ids`: all pairs of one piece are ranked.
- views: `embeddings_clean`, `embeddings_augmented`; by choice `mask`, or `mask_clean` and `mask_augmented`, and
  `piece_ids`: z and scores are to be the same.

Dimensions of PercePiano are bipolar, so a placement says nothing of their sum: the whole has a head of its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from crescendai_assets.embeddings.identity import LAYERS, TEMPORAL_POOL

if TYPE_CHECKING:
    from crescendai_assets.models.losses import ObjectiveWeights


@dataclass(frozen=True)
class AudioOptions:
    """What every audio model takes besides its sizes, by name.

    Attributes:
        layers: MuQ's hidden states to average, counted from 1 (with a backbone).
        temporal_pool: MuQ's frames averaged into one (with a backbone).
        dropout: Share of hidden units left out in training.
        learning_rate: Highest of the run.
        weight_decay: Of weights, not of biases and norms.
        warmup_steps: Over which the learning rate rises.
        l_rank: Weight of ranking beside regression.
        l_con: Weight of contrast.
        l_inv: Weight of invariance.
        same_piece: In the contrast of pairs, whether performances of one piece are each other's `positive`, or only
            the two of a pair are and others of their piece are `masked`.
        temperature: Of the contrast.
        ambiguous_threshold: Pairs whose labels differ by this or less are not ranked.
    """

    layers: tuple[int, ...] = LAYERS
    temporal_pool: int = TEMPORAL_POOL
    dropout: float = 0.1
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    warmup_steps: int = 100
    l_rank: float = 1.0
    l_con: float = 0.1
    l_inv: float = 0.1
    same_piece: Any = "positive"
    temperature: float = 0.1
    ambiguous_threshold: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what no model can be trained by."""
        if self.same_piece not in ("positive", "masked"):
            raise ValueError(f"same_piece is {self.same_piece!r}; give positive or masked")
        object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def weights(self) -> ObjectiveWeights:
        """Of the objective's parts."""
        from crescendai_assets.models.losses import ObjectiveWeights

        return ObjectiveWeights(self.l_rank, self.l_con, self.l_inv)

    def plain(self) -> dict[str, Any]:
        """Values as they go into a checkpoint."""
        return {**asdict(self), "layers": list(self.layers)}
