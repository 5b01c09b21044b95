"""Pretraining without ratings on graphs: which notes are joined, for S2 and S2h.

Batches are those of `models.symbolic_graph` and `models.symbolic_hetero`. Notes stand in the order of their onsets, so
that some that follow each other are an excerpt.
"""

# ruff: noqa: TID253 - datasets are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from crescendai_assets.symbolic.graphs import NODE_FEATURES
from crescendai_assets.training.datasets_batches import graph_collate_fn
from crescendai_assets.training.datasets_chance import Reshuffled

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch_geometric.data import Data, HeteroData

MAX_NOTES = 512
"""Notes of an excerpt: about a minute of playing, a few times a rated segment."""

NEAR = 16
"""Half of the pairs that are not joined are so few notes apart: those far apart are told at a glance."""

_ONSET = NODE_FEATURES.index("onset")
_LISTED = 64  # graphs of so few notes have all their pairs looked at


class _Links(Reshuffled):
    """What both forms of graph are asked alike."""

    def __init__(
        self, graphs: Sequence[Any], mask_fraction: float, neg_ratio: float, max_notes: int | None, seed: int
    ) -> None:
        super().__init__(seed)
        if not 0 < mask_fraction < 1:
            raise ValueError(f"mask_fraction is {mask_fraction}; give a share between 0 and 1")
        self.graphs, self.mask_fraction, self.neg_ratio, self.max_notes = graphs, mask_fraction, neg_ratio, max_notes

    def __len__(self) -> int:
        return len(self.graphs)

    def _excerpt(self, x: Tensor, chance: np.random.Generator) -> tuple[Tensor, int, int]:
        """Notes of an excerpt that begins at 0 s, its first note and the one after its last."""
        count = len(x) if self.max_notes is None else min(self.max_notes, len(x))
        first = int(chance.integers(len(x) - count + 1))
        notes = x[first : first + count].float().clone()
        if count and x.shape[1] == len(NODE_FEATURES):
            notes[:, _ONSET] -= notes[0, _ONSET].item()
        return notes, first, first + count

    def _asked(self, edges: NDArray[np.int64], chance: np.random.Generator) -> NDArray[np.int64]:
        """Some of the edges (2, E), no pair of notes twice."""
        pairs = np.sort(edges, axis=0)
        kept = np.unique(pairs, axis=1, return_index=True)[1]
        kept = kept[pairs[0, kept] != pairs[1, kept]]
        count = min(len(kept), max(1, round(self.mask_fraction * len(kept))))
        return edges[:, np.sort(chance.choice(kept, count, replace=False))] if len(kept) else edges[:, :0]


class ScoreGraphPretrainingDataset(_Links, Dataset[dict[str, Any]]):
    """Link prediction: `x` (N, 6), `edge_index` (2, E), `edge_type` (E,), `pos_edges` and `neg_edges` (2, P).

    The model hides what it is asked about. In each epoch other edges are asked about, in another excerpt.
    """

    collate: ClassVar[Any] = staticmethod(graph_collate_fn)

    def __init__(
        self,
        graphs: Sequence[Data],
        mask_fraction: float = 0.15,
        neg_ratio: float = 1.0,
        *,
        max_notes: int | None = MAX_NOTES,
        seed: int = 0,
    ) -> None:
        """Take graphs of `symbolic.graphs.graph`, which may be read lazily.

        Args:
            graphs: With `x`, `edge_index`, and by choice `edge_type`.
            mask_fraction: Share of the joined pairs that is asked about; at least one.
            neg_ratio: Pairs that are not joined, for each that is.
            max_notes: Notes of an excerpt; None for whole graphs.
            seed: Of what is drawn.
        """
        super().__init__(graphs, mask_fraction, neg_ratio, max_notes, seed)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"graph {index} of {len(self)}")
        graph, chance = self.graphs[index], self.chance("links", index % len(self))
        notes, first, last = self._excerpt(graph.x, chance)
        edges, kept = _within(graph.edge_index, first, last)
        positive = self._asked(edges, chance)
        negative = not_joined(len(notes), edges, round(self.neg_ratio * positive.shape[1]), chance)
        item = {"x": notes, **_tensors(edge_index=edges, pos_edges=positive, neg_edges=negative)}
        if getattr(graph, "edge_type", None) is not None:
            item["edge_type"] = graph.edge_type[torch.from_numpy(kept)].long()
        return item


class HeteroPretrainDataset(_Links, Dataset[dict[str, Any]]):
    """The same by type of edge: `x_dict`, `edge_index_dict`, and `pos_edges`, `neg_edges` by type.

    A pair that is not joined is joined in no way at all.
    """

    collate: ClassVar[Any] = staticmethod(graph_collate_fn)

    def __init__(
        self,
        graphs: Sequence[HeteroData],
        mask_fraction: float = 0.15,
        neg_ratio: float = 1.0,
        *,
        max_notes: int | None = MAX_NOTES,
        seed: int = 0,
    ) -> None:
        """Take graphs of `symbolic.graphs.hetero_graph`; arguments as of `ScoreGraphPretrainingDataset`."""
        super().__init__(graphs, mask_fraction, neg_ratio, max_notes, seed)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"graph {index} of {len(self)}")
        graph, chance = self.graphs[index], self.chance("links", index % len(self))
        notes, first, last = self._excerpt(graph["note"].x, chance)
        edges = {kind: _within(pairs, first, last)[0] for kind, pairs in graph.edge_index_dict.items()}
        every = np.concatenate([np.zeros((2, 0), np.int64), *edges.values()], axis=1)
        positive = {kind: self._asked(pairs, chance) for kind, pairs in edges.items()}
        negative = {
            kind: not_joined(len(notes), every, round(self.neg_ratio * pairs.shape[1]), chance)
            for kind, pairs in positive.items()
        }
        fields = {"edge_index_dict": edges, "pos_edges": positive, "neg_edges": negative}
        return {
            "x_dict": {"note": notes},
            **{name: {kind: torch.from_numpy(one) for kind, one in by.items()} for name, by in fields.items()},
        }


def not_joined(notes: int, edges: NDArray[np.int64], count: int, chance: np.random.Generator) -> NDArray[np.int64]:
    """Pairs of notes that no edge joins in either direction, the earlier first, each once, half of them near.

    Args:
        notes: N.
        edges: Shape (2, E).
        count: How many; fewer where there are not so many.
        chance: Decides.

    Returns:
        Shape (2, count).
    """
    low, high = np.sort(edges, axis=0)
    joined = np.unique(low * notes + high)
    if notes <= _LISTED:
        first, second = np.triu_indices(notes, 1)
        free = np.setdiff1d(first * notes + second, joined)
        found = chance.choice(free, min(count, len(free)), replace=False) if len(free) else free
        return np.stack([found // max(notes, 1), found % max(notes, 1)])
    found = np.zeros(0, np.int64)
    for _ in range(8):  # graphs are sparse: one round almost always does
        if len(found) >= count:
            break
        first = chance.integers(notes, size=2 * (count - len(found)) + 16)
        step = np.where(
            np.arange(len(first)) % 2, chance.integers(1, NEAR + 1, len(first)), chance.integers(1, notes, len(first))
        )
        second = first + step
        drawn = (first * notes + second)[second < notes]
        fresh = drawn[~np.isin(drawn, joined) & ~np.isin(drawn, found)]
        found = np.concatenate([found, fresh[np.sort(np.unique(fresh, return_index=True)[1])]])
    found = found[:count]
    return np.stack([found // notes, found % notes])


def _within(edges: Tensor, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges among notes of an excerpt, counted from its first, and which they were."""
    pairs = edges.numpy().astype(np.int64)
    kept = np.flatnonzero(((pairs >= first) & (pairs < last)).all(axis=0))
    return pairs[:, kept] - first, kept


def _tensors(**arrays: NDArray[np.int64]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(one) for name, one in arrays.items()}
