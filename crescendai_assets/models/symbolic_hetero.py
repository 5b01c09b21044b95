"""S2 with weights of its own for each type of edge and direction; `symbolic_graph` has the form with one set for all.

Hu et al., Heterogeneous graph transformer, arXiv 2003.01332, in spirit: the attention of each relation is
torch-geometric's `TransformerConv`, what a note hears along all relations is summed.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, Unpack

import torch
from torch import Tensor, nn
from torch_geometric.nn import TransformerConv

from crescendai_assets.models.symbolic_base import Options, Stage, SymbolicEncoder, refuse_missing
from crescendai_assets.models.symbolic_graph import SMALL, pool_graphs
from crescendai_assets.models.symbolic_layers import Standardise, StatisticsPool
from crescendai_assets.models.symbolic_links import LinkPredictor, not_asked
from crescendai_assets.models.symbolic_rating import Batch
from crescendai_assets.symbolic.edges import EDGE_TYPES

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

NODE = "note"
"""The one type of node."""

Edges: TypeAlias = Mapping[Any, Tensor]
"""(note, type, note), or the type alone, -> pairs of notes, shape (2, E); a type may be missing."""

_STEP_DIM = 16


class HeteroBlock(nn.Module):
    """As `symbolic_graph.GraphBlock`, with attention by type of edge and direction."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """Size it; `heads` divide `width`."""
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = nn.ModuleDict(
            {
                f"{name}{way}": TransformerConv(
                    width, width // heads, heads=heads, edge_dim=_STEP_DIM, dropout=dropout, root_weight=False
                )
                for name in EDGE_TYPES
                for way in ("", "_back")
            }
        )
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, relations: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
        """Notes (N, width) along relations, each with its edges (2, E) and what they know (E, 16)."""
        ready = self.before_attention(nodes)
        heard = torch.zeros_like(nodes)
        for name, (edges, steps) in relations.items():
            heard = heard + self.attention[name](ready, edges, steps)
        nodes = nodes + self.dropout(heard)
        return torch.as_tensor(nodes + self.dropout(self.feed_forward(nodes)))


class HeteroGNNSymbolicEncoder(SymbolicEncoder):
    """S2, heterogeneous. Batches of pretraining: `x_dict`, `edge_index_dict`, `batch`, `pos_edges`, `neg_edges`.

    Pairs that are asked about are (2, E), or a mapping of types of edge to these; then each type is asked by itself.
    Edges that are asked about are hidden from the encoder. In finetuning the fields are `x_dict`, `edge_index_dict` and
    `batch`, see `SymbolicEncoder`.
    """

    fields: ClassVar[Mapping[str, str]] = {"x_dict": "x_dict", "edge_index_dict": "edge_index_dict", "batch": "batch"}

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
        """Size it; arguments as of `GNNSymbolicEncoder`."""
        super().__init__(hidden_dim, num_labels, stage, **options)
        self.save_hyperparameters()
        self.inputs = Standardise(node_features)
        self.notes = nn.Sequential(nn.Linear(node_features, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, hidden_dim))
        self.edge_steps = nn.Linear(node_features, _STEP_DIM)
        dropout = self.options["dropout"]
        self.blocks = nn.ModuleList([HeteroBlock(hidden_dim, num_heads, dropout) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(hidden_dim)
        self.pool = StatisticsPool(hidden_dim, hidden_dim, num_heads)
        self.links = LinkPredictor(hidden_dim, relations=len(EDGE_TYPES) + 1)  # the last is any type

    @classmethod
    def small(cls, **changes: Any) -> Self:
        """An encoder that trains a fold in minutes on two cores."""
        return cls(**{**SMALL, **changes})

    def fit_inputs(self, nodes: Tensor) -> None:
        """Learn the node features' mean and deviation from notes of training, shape (N, node_features)."""
        self.inputs.fit(nodes)

    def forward(
        self,
        x_dict: Mapping[str, Tensor] | Tensor,
        edge_index_dict: Edges,
        batch: Mapping[str, Tensor] | Tensor | None = None,
        conditions: Tensor | None = None,
        score: Mapping[str, Any] | None = None,
    ) -> dict[str, Tensor]:
        """Judge performances.

        Args:
            x_dict: Notes of all graphs, shape (N, node_features), as they are or under `note`.
            edge_index_dict: Pairs of notes by type of edge.
            batch: Which graph a note belongs to, shape (N,), as it is or under `note`; all to one by default.
            conditions: Shape (B, K), NaN where unknown.
            score: The first three of the scores of the same bars.

        Returns:
            `z_symbolic` (B, H), `logits` (B, D), and `scores` (B, D) in 0 to 1.
        """
        return self.judge(self.encode(x_dict, edge_index_dict, batch), conditions, score)

    def encode(
        self,
        x_dict: Mapping[str, Tensor] | Tensor,
        edge_index_dict: Edges,
        batch: Mapping[str, Tensor] | Tensor | None = None,
    ) -> Tensor:
        """Graphs to vectors, shape (B, H); arguments as of `forward`."""
        nodes = self.encode_notes(x_dict, edge_index_dict)
        return pool_graphs(self.pool, nodes, None if batch is None else _of_notes(batch))

    def encode_notes(self, x_dict: Mapping[str, Tensor] | Tensor, edge_index_dict: Edges) -> Tensor:
        """A vector for each note, shape (N, hidden_dim)."""
        known = self.inputs(_of_notes(x_dict))
        relations: dict[str, tuple[Tensor, Tensor]] = {}
        for name, edges in _by_name(edge_index_dict).items():
            steps = self.edge_steps(known[edges[1]] - known[edges[0]])
            back = self.edge_steps(known[edges[0]] - known[edges[1]])
            relations |= {name: (edges, steps), f"{name}_back": (edges.flip(0), back)}
        nodes = self.notes(known)
        for block in self.blocks:
            nodes = block(nodes, relations)
        return torch.as_tensor(self.norm(nodes))

    def pretrain_loss(self, batch: Batch) -> Tensor:
        """Cross entropy of joined and not joined pairs of notes, averaged over the types asked about."""
        refuse_missing(batch, ("x_dict", "edge_index_dict", "pos_edges", "neg_edges"), self.stage)
        edges, count = _by_name(batch["edge_index_dict"]), len(_of_notes(batch["x_dict"]))
        positive, negative = batch["pos_edges"], batch["neg_edges"]
        if isinstance(positive, Tensor):
            shown = {name: pairs[:, not_asked(pairs, positive, count)] for name, pairs in edges.items()}
            nodes = self.encode_notes(batch["x_dict"], shown)
            return self.links.loss(nodes, positive, negative, relation=len(EDGE_TYPES))
        asked, wrong = _by_name(positive), _by_name(negative)
        nothing = torch.zeros(2, 0, dtype=torch.long, device=self.device)
        everything = torch.cat([nothing, *asked.values()], dim=1)
        # a pair may be joined in two ways: neither is shown where one is asked about
        shown = {name: pairs[:, not_asked(pairs, everything, count)] for name, pairs in edges.items()}
        nodes = self.encode_notes(batch["x_dict"], shown)
        losses = [
            self.links.loss(nodes, asked.get(name, nothing), wrong.get(name, nothing), EDGE_TYPES.index(name))
            for name in sorted(asked.keys() | wrong.keys())
        ]
        return torch.stack([nodes.sum() * 0.0, *losses]).sum() / max(len(losses), 1)


def hetero_fields(graphs: Sequence[HeteroData], suffix: str = "") -> dict[str, Any]:
    """Graphs of `symbolic.graphs.hetero_graph` as the fields of a batch, their names ending in `suffix`."""
    from torch_geometric.data import Batch as Joined

    joined = Joined.from_data_list(list(graphs))
    fields: dict[str, Any] = {
        "x_dict": joined.x_dict,
        "edge_index_dict": joined.edge_index_dict,
        "batch": joined[NODE].batch,
    }
    return {f"{name}{suffix}": value for name, value in fields.items()}


def _of_notes(values: Mapping[str, Tensor] | Tensor) -> Tensor:
    return values if isinstance(values, Tensor) else values[NODE]


def _by_name(edges: Edges) -> dict[str, Tensor]:
    """Pairs by type of edge alone, those that have any, in the order of `EDGE_TYPES`.

    Raises:
        ValueError: A type is not known.
    """
    named = {key if isinstance(key, str) else key[1]: pairs for key, pairs in edges.items()}
    if unknown := named.keys() - set(EDGE_TYPES):
        raise ValueError(f"edges of type {sorted(unknown)[0]!r}; only {', '.join(EDGE_TYPES)} are known")
    return {name: named[name] for name in EDGE_TYPES if name in named and named[name].shape[1]}
