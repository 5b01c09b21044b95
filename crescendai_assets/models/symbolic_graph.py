"""S2: a performance as a graph of notes (`symbolic.graphs`) through attention over edges; pretrained to predict links.

Edges lead from earlier to later notes, so each is also walked backwards, as a type of its own. What an edge knows is
its type and how its two notes differ. The form with weights by type of edge is in `symbolic_hetero`.

Shi et al., Masked label prediction: unified message passing model, arXiv 2009.03509, as torch-geometric has it.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

import torch
from torch import Tensor, nn
from torch_geometric.nn import TransformerConv

from crescendai_assets.models.symbolic_base import Options, Stage, SymbolicEncoder, refuse_missing
from crescendai_assets.models.symbolic_layers import Standardise, StatisticsPool
from crescendai_assets.models.symbolic_links import LinkPredictor, not_asked
from crescendai_assets.models.symbolic_rating import Batch
from crescendai_assets.symbolic.edges import EDGE_TYPES

if TYPE_CHECKING:
    from torch_geometric.data import Data

SMALL: Mapping[str, Any] = {"hidden_dim": 128, "num_layers": 2, "num_heads": 4}
"""Sizes that train a fold in minutes on two cores."""

EDGE_DIM = 32
"""Numbers that an edge knows; an edge costs more memory than a note, so they are few."""

UNTYPED = len(EDGE_TYPES)
"""Type of edges whose type is not told."""


class GraphBlock(nn.Module):
    """Attention over edges and a feed-forward layer for each note, each after a norm and around a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """Size it; `heads` divide `width`."""
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = TransformerConv(
            width, width // heads, heads=heads, edge_dim=EDGE_DIM, dropout=dropout, root_weight=False
        )
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Notes (N, width) along edges (2, E) that know `edge_attr` (E, 32)."""
        heard = self.attention(self.before_attention(nodes), edge_index, edge_attr)
        nodes = nodes + self.dropout(heard)
        return torch.as_tensor(nodes + self.dropout(self.feed_forward(nodes)))


class GNNSymbolicEncoder(SymbolicEncoder):
    """S2. Batches of pretraining: `x`, `edge_index`, `batch`, `pos_edges` and `neg_edges` (2, E), perhaps `edge_type`.

    Edges that are asked about, those of `pos_edges` in either direction, are hidden from the encoder.
    In finetuning the fields are `x`, `edge_index`, `batch` and perhaps `edge_type`, see `SymbolicEncoder`.
    """

    fields: ClassVar[Mapping[str, str]] = {"x": "x", "edge_index": "edge_index", "batch": "batch"}
    optional_fields: ClassVar[Mapping[str, str]] = {"edge_type": "edge_type"}

    def __init__(
        self,
        node_features: int = 6,
        hidden_dim: int = 512,
        num_layers: int = 4,
        num_labels: int = 19,
        stage: Stage = "pretrain",
        num_heads: int = 8,
        **options: Unpack[Options],
    ) -> None:
        """Size it.

        Args:
            node_features: Columns of `x`; six are `symbolic.graphs.NODE_FEATURES`.
            hidden_dim: H, of notes and of `z_symbolic`.
            num_layers: Steps that a note's word can go.
            num_labels: D.
            stage: What a training step does.
            num_heads: Heads of attention, which divide `hidden_dim`.
            **options: See `Options`.
        """
        super().__init__(hidden_dim, num_labels, stage, **options)
        self.save_hyperparameters()
        self.inputs = Standardise(node_features)
        self.notes = _note_layers(node_features, hidden_dim)
        self.edge_types = nn.Embedding(2 * (UNTYPED + 1), EDGE_DIM)
        self.edge_steps = nn.Linear(node_features, EDGE_DIM)
        dropout = self.options["dropout"]
        self.blocks = nn.ModuleList([GraphBlock(hidden_dim, num_heads, dropout) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(hidden_dim)
        self.pool = StatisticsPool(hidden_dim, hidden_dim, num_heads)
        self.links = LinkPredictor(hidden_dim)

    @classmethod
    def small(cls, **changes: Any) -> Self:
        """An encoder that trains a fold in minutes on two cores."""
        return cls(**{**SMALL, **changes})

    def fit_inputs(self, nodes: Tensor) -> None:
        """Learn the node features' mean and deviation from notes of training, shape (N, node_features)."""
        self.inputs.fit(nodes)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor | None = None,
        edge_type: Tensor | None = None,
        conditions: Tensor | None = None,
        score: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Judge performances.

        Args:
            x: Notes of all graphs, shape (N, node_features).
            edge_index: Pairs of notes, shape (2, E).
            batch: Which graph a note belongs to, shape (N,); all to one by default.
            edge_type: Place in `EDGE_TYPES` of each edge, shape (E,); not told by default.
            conditions: Shape (B, K), NaN where unknown.
            score: The same four of the scores of the same bars.

        Returns:
            `z_symbolic` (B, H), `logits` (B, D), and `scores` (B, D) in 0 to 1.
        """
        return self.judge(self.encode(x, edge_index, batch, edge_type), conditions, score)

    def encode(
        self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, edge_type: Tensor | None = None
    ) -> Tensor:
        """Graphs to vectors, shape (B, H); arguments as of `forward`."""
        return pool_graphs(self.pool, self.encode_notes(x, edge_index, edge_type), batch)

    def encode_notes(self, x: Tensor, edge_index: Tensor, edge_type: Tensor | None = None) -> Tensor:
        """A vector for each note, shape (N, hidden_dim)."""
        known = self.inputs(x)
        if edge_type is None:
            edge_type = torch.full_like(edge_index[0], UNTYPED)
        both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        types = torch.cat([edge_type, edge_type + UNTYPED + 1])
        edge_attr = self.edge_types(types) + self.edge_steps(known[both[1]] - known[both[0]])
        nodes = self.notes(known)
        for block in self.blocks:
            nodes = block(nodes, both, edge_attr)
        return torch.as_tensor(self.norm(nodes))

    def pretrain_loss(self, batch: Batch) -> Tensor:
        """Cross entropy of joined and not joined pairs of notes."""
        refuse_missing(batch, ("x", "edge_index", "pos_edges", "neg_edges"), self.stage)
        edges, positive, edge_type = batch["edge_index"], batch["pos_edges"], batch.get("edge_type")
        shown = not_asked(edges, positive, len(batch["x"]))
        nodes = self.encode_notes(batch["x"], edges[:, shown], None if edge_type is None else edge_type[shown])
        return self.links.loss(nodes, positive, batch["neg_edges"])


def pool_graphs(pool: StatisticsPool, nodes: Tensor, batch: Tensor | None) -> Tensor:
    """Notes (N, width) to one vector a graph, shape (B, H); `batch` (N,) says which graph, None all of one."""
    if batch is None:
        batch = torch.zeros(len(nodes), dtype=torch.long, device=nodes.device)
    return torch.as_tensor(pool(nodes, batch, int(batch.max()) + 1))


def graph_fields(graphs: Sequence[Data], suffix: str = "") -> dict[str, Tensor]:
    """Graphs of `symbolic.graphs.graph` as the fields of a batch, their names ending in `suffix`."""
    from torch_geometric.data import Batch as Joined

    joined = Joined.from_data_list(list(graphs))
    fields: dict[str, Tensor] = {
        "x": joined.x,
        "edge_index": joined.edge_index,
        "batch": joined.batch,
        "edge_type": joined.edge_type,
    }
    return {f"{name}{suffix}": value for name, value in fields.items()}


def _note_layers(node_features: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(node_features, width), nn.GELU(), nn.Linear(width, width))
