"""What models take of rated clips, as fields of a batch: tokens, graphs, curves, stored embeddings, vectors.

Each kind holds one thing a clip and pads what a batch needs. Which clips there are, and where their files lie, is
decided in `t1_data`; which model takes what, in `registry`.
"""

# ruff: noqa: TID253 - batches are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from crescendai_assets.symbolic.corpus.pack import Arrays
from crescendai_assets.symbolic.corpus.products import score_graph, windows


class Inputs(Protocol):
    """Something of every clip."""

    def fields(self, places: Sequence[int]) -> dict[str, Tensor]:
        """Fields of a batch of these clips, by their places."""

    def sample(self, places: Sequence[int]) -> Tensor:
        """Numbers to learn means and deviations of columns from, shape (n, columns)."""


class TokenInputs:
    """`input_ids` and `mask`, shape (B, T): the first window of a clip, cut at so many tokens."""

    def __init__(self, arrays: Sequence[Arrays], longest: int) -> None:
        """Take what the corpus has of each clip."""
        sequences = [windows(one)[0] for one in arrays]
        self.sequences = [torch.tensor(one[:longest]) for one in sequences]
        self.cut = sum(len(one) > longest for one in sequences)

    def fields(self, places: Sequence[int]) -> dict[str, Tensor]:
        """See the class."""
        ids, mask = padded([self.sequences[place] for place in places])
        return {"input_ids": ids, "mask": mask}

    def sample(self, places: Sequence[int]) -> Tensor:
        """Tokens have no columns."""
        return torch.zeros(0, 0)


class GraphInputs:
    """`x`, `edge_index`, `batch`, `edge_type`: the graphs of a batch as one."""

    def __init__(self, arrays: Sequence[Arrays]) -> None:
        """Take what the corpus has of each clip."""
        self.graphs = [score_graph(one) for one in arrays]

    def fields(self, places: Sequence[int]) -> dict[str, Tensor]:
        """See the class."""
        from crescendai_assets.models.symbolic import graph_fields

        return graph_fields([self.graphs[place] for place in places])

    def sample(self, places: Sequence[int]) -> Tensor:
        """Notes, shape (n, 6)."""
        return torch.cat([self.graphs[place].x for place in places])


class CurveInputs:
    """`features` (B, T, 5) and `mask` (B, T)."""

    def __init__(self, arrays: Sequence[Arrays], longest: int) -> None:
        """Take what the corpus has of each clip."""
        self.curves = [torch.tensor(one["curves"][:longest]) for one in arrays]
        self.cut = sum(len(one["curves"]) > longest for one in arrays)

    def fields(self, places: Sequence[int]) -> dict[str, Tensor]:
        """See the class."""
        features, mask = padded([self.curves[place] for place in places])
        return {"features": features, "mask": mask}

    def sample(self, places: Sequence[int]) -> Tensor:
        """Frames, shape (n, 5)."""
        return torch.cat([self.curves[place] for place in places])


class EmbeddingInputs:
    """`embeddings` (B, T, 1024) and `mask` (B, T); read when asked for."""

    def __init__(self, embeddings: Mapping[str, Tensor], segments: Sequence[str]) -> None:
        """Take embeddings by segment, and the segment of each place."""
        self.embeddings, self.segments = embeddings, list(segments)

    def fields(self, places: Sequence[int]) -> dict[str, Tensor]:
        """See the class."""
        embeddings, mask = padded([self.embeddings[self.segments[place]] for place in places])
        return {"embeddings": embeddings, "mask": mask}

    def sample(self, places: Sequence[int]) -> Tensor:
        """Frames of at most 300 clips, spread evenly, shape (n, 1024)."""
        chosen = places[:: max(1, len(places) // 300)]
        return torch.cat([self.embeddings[self.segments[place]] for place in chosen])


class VectorInputs:
    """Vectors by the name of their field, shape (N, size) each."""

    def __init__(self, **vectors: Tensor) -> None:
        """Take them."""
        self.vectors: Mapping[str, Tensor] = vectors

    def fields(self, places: Sequence[int]) -> dict[str, Tensor]:
        """See the class."""
        return {name: values[list(places)] for name, values in self.vectors.items()}

    def sample(self, places: Sequence[int]) -> Tensor:
        """They are on one scale already."""
        return torch.zeros(0, 0)


def padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows of different lengths as one tensor, zeros after them, shape (B, T, ...), and where something is (B, T)."""
    lengths = torch.tensor([len(row) for row in rows])
    joined = pad_sequence(list(rows), batch_first=True)
    return joined, torch.arange(joined.shape[1]) < lengths[:, None]


class T1Batches(torch.utils.data.Dataset[dict[str, Any]]):
    """Rated clips as batches: indexed by a list of places, it gives the batch of these."""

    def __init__(
        self, inputs: Inputs, labels: Tensor, weights: Tensor, pieces: Tensor, conditions: Tensor | None
    ) -> None:
        """Take columns of N rows: labels (N, D), weights (N,), pieces (N,), conditions (N, K)."""
        self.inputs, self.labels, self.weights, self.pieces = inputs, labels, weights, pieces
        self.conditions = conditions

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, places: Sequence[int]) -> dict[str, Any]:
        chosen = list(places)
        batch: dict[str, Any] = {
            **self.inputs.fields(chosen),
            "labels": self.labels[chosen],
            "weights": self.weights[chosen],
            "piece_ids": self.pieces[chosen],
        }
        if self.conditions is not None:
            batch["conditions"] = self.conditions[chosen]
        return batch
