"""What models take of rated clips, as fields of a batch: tokens, graphs, curves, stored embeddings, sound, vectors.

Each kind holds one thing a clip and pads what a batch needs. Which clips there are, and where their files lie, is
decided in `t1_data`; which model takes what, in `registry`.
"""

# ruff: noqa: TID253 - batches are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from crescendai_assets.symbolic.corpus.pack import Arrays
from crescendai_assets.symbolic.corpus.products import hetero_graph, score_graph, windows
from crescendai_assets.training.t1_sound import ClipSound


class Inputs(Protocol):
    """Something of every clip."""

    def fields(self, places: Sequence[int]) -> dict[str, Any]:
        """Fields of a batch of these clips, by their places: tensors, and of typed graphs mappings of tensors."""

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


class HeteroGraphInputs:
    """`x_dict`, `edge_index_dict`, `batch`: the same with edges by type."""

    def __init__(self, arrays: Sequence[Arrays]) -> None:
        """Take what the corpus has of each clip."""
        self.graphs = [hetero_graph(one) for one in arrays]

    def fields(self, places: Sequence[int]) -> dict[str, Any]:
        """See the class."""
        from crescendai_assets.models.symbolic import hetero_fields

        return hetero_fields([self.graphs[place] for place in places])

    def sample(self, places: Sequence[int]) -> Tensor:
        """Notes, shape (n, 6)."""
        return torch.cat([self.graphs[place]["note"].x for place in places])


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


class ScoredInputs:
    """Fields of performances, and those of their scores with `score_` before their names; `score_of_row` (B,).

    A score stands in a batch once, however many of its performances there are; `score_of_row` is -1 for none.
    """

    scored = True

    def __init__(self, performances: Inputs, scores: Inputs, of_row: Sequence[int]) -> None:
        """Take both, and the place of each performance's score, -1 where it has none."""
        self.performances, self.scores, self.of_row = performances, scores, list(of_row)

    def fields(self, places: Sequence[int]) -> dict[str, Any]:
        """See the class; without the scores' where no clip of the batch has one."""
        fields, wanted = self.performances.fields(places), [self.of_row[place] for place in places]
        there = sorted(set(wanted) - {-1})
        if not there:
            return fields
        of_batch = {score: number for number, score in enumerate(there)}
        written = {f"score_{name}": value for name, value in self.scores.fields(there).items()}
        return {**fields, **written, "score_of_row": torch.tensor([of_batch.get(score, -1) for score in wanted])}

    def sample(self, places: Sequence[int]) -> Tensor:
        """Of the performances."""
        return self.performances.sample(places)


def with_scores(
    read: Callable[[Sequence[Arrays]], Inputs], arrays: Sequence[Arrays], scores: Sequence[Arrays | None]
) -> ScoredInputs:
    """Performances beside their scores.

    Args:
        read: What the corpus has of clips -> what a model takes of them.
        arrays: Of each clip.
        scores: Of each clip's score, None where it has none; clips of one score hold the same object.
    """
    different = {id(one): one for one in scores if one is not None}
    place = {which: number for number, which in enumerate(different)}
    of_row = [place.get(id(one), -1) for one in scores]
    return ScoredInputs(read(arrays), read(list(different.values())), of_row)


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


class AudioInputs:
    """`embeddings` and `mask` as a MuQ takes them: its stem's kept output (B, T, width), or audio (B, n) at 24 kHz."""

    def __init__(self, sound: ClipSound, segments: Sequence[str], *, stems: bool, device: str = "cpu") -> None:
        """Take the sound, the segment of each place, whether the stem's output was kept, and where MuQ may work."""
        self.sound, self.segments, self.stems, self.device = sound, list(segments), stems, device
        self.encoder = sound.encoder

    def fields(self, places: Sequence[int]) -> dict[str, Tensor]:
        """See the class."""
        read = self.sound.stem if self.stems else self.sound.audio
        values, mask = padded([torch.from_numpy(read(self.segments[place])) for place in places])
        return {"embeddings": values, "mask": mask}

    def sample(self, places: Sequence[int]) -> Tensor:
        """What MuQ makes of it is not known here; see `frames_through`."""
        return torch.zeros(0, 0)


@torch.no_grad()
def frames_through(backbone: Any, inputs: Any, places: Sequence[int]) -> Tensor:
    """What a backbone makes of at most 32 clips of `AudioInputs`, spread evenly: frames, shape (n, width)."""
    backbone.to(inputs.device)
    found = []
    for place in places[:: max(1, len(places) // 32)][:32]:
        fields = {name: value.to(inputs.device) for name, value in inputs.fields([place]).items()}
        frames, there = backbone(fields["embeddings"], fields["mask"])
        found.append(frames[there].cpu())
    backbone.to("cpu")
    return torch.cat(found)


class VectorInputs:
    """Vectors by the name of their field, shape (N, size) each."""

    def __init__(self, **vectors: Tensor) -> None:
        """Take them."""
        self.vectors: Mapping[str, Tensor] = vectors
        self.scored = "z_score_midi" in vectors

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
