"""S2: a performance as a graph of notes (`symbolic.graphs`) through attention over edges; pretrained to predict links.

Edges lead from earlier to later notes, so each is also walked backwards, as a type of its own. What an edge knows is
its type and how its two notes differ. The form with weights by type of edge is in `symbolic_hetero`, what both share
in `symbolic_notes`.

Shi et al., Masked label prediction: unified message passing model, arXiv 2009.03509, as torch-geometric has it.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from crescendai_assets.models.objective_parts import Batch
from crescendai_assets.models.symbolic_base import refuse_missing
from crescendai_assets.models.symbolic_links import not_asked
from crescendai_assets.models.symbolic_notes import NoteBlock, NoteEncoder, attention_along
from crescendai_assets.symbolic.edges import EDGE_TYPES

if TYPE_CHECKING:
    from torch_geometric.data import Data

EDGE_DIM = 32
"""Numbers that an edge knows; an edge costs more memory than a note, so they are few."""

UNTYPED = len(EDGE_TYPES)
"""Type of edges whose type is not told."""


class GraphBlock(NoteBlock):
    """Edges are (2, E), and what they know (E, 32)."""

    def make_attention(self, width: int, heads: int, dropout: float) -> nn.Module:
        """One for all edges."""
        return attention_along(EDGE_DIM, width, heads, dropout)

    def hear(self, nodes: Tensor, *edges: Any) -> Tensor:
        """What notes (N, width) hear along edges."""
        return torch.as_tensor(self.attention(nodes, *edges))


class GNNSymbolicEncoder(NoteEncoder):
    """S2. Batches of pretraining: `x`, `edge_index`, `batch`, `pos_edges` and `neg_edges` (2, E), perhaps `edge_type`.

    Edges that are asked about, those of `pos_edges` in either direction, are hidden from the encoder.
    In finetuning the fields are `x`, `edge_index`, `batch` and perhaps `edge_type`, see `SymbolicEncoder`; arguments
    are those of `NoteEncoder`.
    """

    fields: ClassVar[Mapping[str, str]] = {"x": "x", "edge_index": "edge_index", "batch": "batch"}
    optional_fields: ClassVar[Mapping[str, str]] = {"edge_type": "edge_type"}

    block = GraphBlock
    edge_dim = EDGE_DIM

    def make_edges(self, node_features: int) -> None:
        """An edge also knows its type and direction."""
        self.edge_types = nn.Embedding(2 * (UNTYPED + 1), EDGE_DIM)
        super().make_edges(node_features)

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
        return self.pooled(self.encode_notes(x, edge_index, edge_type), batch)

    def encode_notes(self, x: Tensor, edge_index: Tensor, edge_type: Tensor | None = None) -> Tensor:
        """A vector for each note, shape (N, hidden_dim)."""
        known = self.inputs(x)
        if edge_type is None:
            edge_type = torch.full_like(edge_index[0], UNTYPED)
        both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        types = torch.cat([edge_type, edge_type + UNTYPED + 1])
        edge_attr = self.edge_types(types) + self.edge_steps(known[both[1]] - known[both[0]])
        return self.through_blocks(known, both, edge_attr)

    def pretrain_loss(self, batch: Batch) -> Tensor:
        """Cross entropy of joined and not joined pairs of notes."""
        refuse_missing(batch, ("x", "edge_index", "pos_edges", "neg_edges"), self.stage)
        edges, positive, edge_type = batch["edge_index"], batch["pos_edges"], batch.get("edge_type")
        shown = not_asked(edges, positive, len(batch["x"]))
        nodes = self.encode_notes(batch["x"], edges[:, shown], None if edge_type is None else edge_type[shown])
        return self.links.loss(nodes, positive, batch["neg_edges"])


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
