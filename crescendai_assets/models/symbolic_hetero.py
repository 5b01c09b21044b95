"""S2h: S2 with weights of its own for each type of edge and direction.

The form with one set for all is `symbolic_graph`; what both share is in `symbolic_notes`.

Hu et al., Heterogeneous graph transformer, arXiv 2003.01332, in spirit: the attention of each relation is
torch-geometric's `TransformerConv`, what a note hears along all relations is summed.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from crescendai_assets.models.objective_parts import Batch
from crescendai_assets.models.symbolic_base import refuse_missing
from crescendai_assets.models.symbolic_links import not_asked
from crescendai_assets.models.symbolic_notes import NoteBlock, NoteEncoder, attention_along
from crescendai_assets.symbolic.edges import EDGE_TYPES

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

NODE = "note"
"""The one type of node."""

Edges: TypeAlias = Mapping[Any, Tensor]
"""(note, type, note), or the type alone, -> pairs of notes, shape (2, E); a type may be missing."""

_STEP_DIM = 16


class HeteroBlock(NoteBlock):
    """Edges are relations by name, each with its edges (2, E) and what they know (E, 16)."""

    def make_attention(self, width: int, heads: int, dropout: float) -> nn.Module:
        """One for each type of edge and direction."""
        names = [f"{name}{way}" for name in EDGE_TYPES for way in ("", "_back")]
        return nn.ModuleDict({name: attention_along(_STEP_DIM, width, heads, dropout) for name in names})

    def hear(self, nodes: Tensor, *edges: Any) -> Tensor:
        """What notes (N, width) hear along all relations."""
        assert isinstance(self.attention, nn.ModuleDict)
        heard = torch.zeros_like(nodes)
        for name, relation in edges[0].items():
            heard = heard + self.attention[name](nodes, *relation)
        return heard


class HeteroGNNSymbolicEncoder(NoteEncoder):
    """S2h. Batches of pretraining: `x_dict`, `edge_index_dict`, `batch`, `pos_edges`, `neg_edges`.

    Pairs that are asked about are (2, E), or a mapping of types of edge to these; then each type is asked by itself.
    Edges that are asked about are hidden from the encoder. In finetuning the fields are `x_dict`, `edge_index_dict` and
    `batch`, see `SymbolicEncoder`; arguments are those of `NoteEncoder`.
    """

    fields: ClassVar[Mapping[str, str]] = {"x_dict": "x_dict", "edge_index_dict": "edge_index_dict", "batch": "batch"}

    block = HeteroBlock
    edge_dim = _STEP_DIM
    relations = len(EDGE_TYPES) + 1  # the last is any type

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
        return self.pooled(nodes, None if batch is None else _of_notes(batch))

    def encode_notes(self, x_dict: Mapping[str, Tensor] | Tensor, edge_index_dict: Edges) -> Tensor:
        """A vector for each note, shape (N, hidden_dim)."""
        known = self.inputs(_of_notes(x_dict))
        relations: dict[str, tuple[Tensor, Tensor]] = {}
        for name, edges in _by_name(edge_index_dict).items():
            steps = self.edge_steps(known[edges[1]] - known[edges[0]])
            back = self.edge_steps(known[edges[0]] - known[edges[1]])
            relations |= {name: (edges, steps), f"{name}_back": (edges.flip(0), back)}
        return self.through_blocks(known, relations)

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
