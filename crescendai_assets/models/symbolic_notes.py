"""What the two forms of S2 share: notes through attention over edges, in blocks, to one vector a performance.

A form says what an edge knows (`make_edges`), how a note hears along edges (`NoteBlock.hear`), and what a batch holds.
One set of weights for all types of edge is `symbolic_graph`, one for each `symbolic_hetero`; links that pretraining
asks about are in `symbolic_links`.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch_geometric.nn import TransformerConv

from crescendai_assets.models.heads import Standardise
from crescendai_assets.models.symbolic_base import Options, Stage, SymbolicEncoder
from crescendai_assets.models.symbolic_layers import StatisticsPool
from crescendai_assets.models.symbolic_links import LinkPredictor


class NoteBlock(nn.Module, ABC):
    """Attention over edges and a feed-forward layer for each note, each after a norm and around a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """Size it; `heads` divide `width`."""
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention: nn.Module = self.make_attention(width, heads, dropout)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def make_attention(self, width: int, heads: int, dropout: float) -> nn.Module:
        """What `hear` goes through."""

    @abstractmethod
    def hear(self, nodes: Tensor, *edges: Any) -> Tensor:
        """What notes (N, width) hear along edges, shape (N, width)."""

    def forward(self, nodes: Tensor, *edges: Any) -> Tensor:
        """Notes (N, width) along edges, which are told as `hear` takes them."""
        nodes = nodes + self.dropout(self.hear(self.before_attention(nodes), *edges))
        return torch.as_tensor(nodes + self.dropout(self.feed_forward(nodes)))


class NoteEncoder(SymbolicEncoder):
    """S2 but for its edges.

    Attributes:
        block: One step that a note's word goes.
        edge_dim: Numbers that an edge knows.
        relations: Kinds of links that pretraining asks about.
    """

    small_sizes: ClassVar[Mapping[str, Any]] = {"hidden_dim": 128, "num_layers": 2, "num_heads": 4}
    block: ClassVar[type[NoteBlock]]
    edge_dim: ClassVar[int]
    relations: ClassVar[int] = 1

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
            node_features: Numbers that a note has; six are `symbolic.graphs.NODE_FEATURES`.
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
        self.notes = nn.Sequential(nn.Linear(node_features, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, hidden_dim))
        self.make_edges(node_features)
        dropout = self.options["dropout"]
        self.blocks = nn.ModuleList([self.block(hidden_dim, num_heads, dropout) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(hidden_dim)
        self.pool = StatisticsPool(hidden_dim, hidden_dim, num_heads)
        self.links = LinkPredictor(hidden_dim, self.relations)

    def make_edges(self, node_features: int) -> None:
        """Layers of what an edge knows: how its two notes differ."""
        self.edge_steps = nn.Linear(node_features, self.edge_dim)

    def fit_inputs(self, nodes: Tensor) -> None:
        """Learn the node features' mean and deviation from notes of training, shape (N, node_features)."""
        self.inputs.fit(nodes)

    def through_blocks(self, known: Tensor, *edges: Any) -> Tensor:
        """Standardised notes (N, node_features) to a vector each, shape (N, hidden_dim)."""
        nodes = self.notes(known)
        for block in self.blocks:
            nodes = block(nodes, *edges)
        return torch.as_tensor(self.norm(nodes))

    def pooled(self, nodes: Tensor, batch: Tensor | None) -> Tensor:
        """Notes (N, H) to one vector a graph, shape (B, H); `batch` (N,) says which graph, None all of one."""
        if batch is None:
            batch = torch.zeros(len(nodes), dtype=torch.long, device=nodes.device)
        return torch.as_tensor(self.pool(nodes, batch, int(batch.max()) + 1))


def attention_along(edge_dim: int, width: int, heads: int, dropout: float) -> nn.Module:
    """Attention of notes (N, width) along edges (2, E) that know (E, edge_dim) numbers; `heads` divide `width`."""
    found: nn.Module = TransformerConv(
        width, width // heads, heads=heads, edge_dim=edge_dim, dropout=dropout, root_weight=False
    )
    return found
