"""Performances with a planted signal, and each symbolic encoder in a size for tests with batches of its fields."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from crescendai_assets.models.symbolic import (
    ContinuousSymbolicEncoder,
    GNNSymbolicEncoder,
    HeteroGNNSymbolicEncoder,
    SymbolicEncoder,
    TransformerSymbolicEncoder,
    graph_fields,
    hetero_fields,
)
from crescendai_assets.models.symbolic_transformer import NOT_MASKED
from crescendai_assets.symbolic.features import curves
from crescendai_assets.symbolic.graphs import graph, hetero_graph
from crescendai_assets.symbolic.performance import Performance, performance
from crescendai_assets.symbolic.tokenizer import PianoTokenizer

LABELS = 3
"""Dimensions of the examples: loudness, and two that are drawn by lot."""

TOKENIZER = PianoTokenizer()
MASKED = 0.15


def played(loudness: float, seed: int, notes: int = 24) -> Performance:
    """A piece of a few bars; `loudness` in 0 to 1 moves its velocities, all else is the seed's."""
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.choice([0.0, 0.12, 0.25], notes, p=[0.25, 0.4, 0.35]))
    velocity = np.clip(45 + 50 * loudness + rng.normal(0, 8, notes), 1, 127).round()
    pedal = [(time, 127.0 * (place % 2)) for place, time in enumerate(np.arange(0, onset[-1], 0.5))]
    pitch = 40 + rng.choice(45, notes, replace=False)
    return performance(pitch, onset, rng.uniform(0.1, 0.5, notes), velocity, sustain=pedal)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in one order: the same numbers in every run, and no threads that fight over small matrices."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def planted(count: int, seed: int) -> tuple[tuple[Performance, ...], torch.Tensor]:
    """Performances and their labels (count, 3): dimension 0 is how loud they are, the others mean nothing."""
    labels = np.random.default_rng(seed).uniform(0.1, 0.9, (count, LABELS))
    made = tuple(played(float(row[0]), 1000 * seed + place) for place, row in enumerate(labels))
    return made, torch.tensor(labels, dtype=torch.float32)


@dataclass(frozen=True)
class Family:
    """One encoder: how it is made small, and its batches from performances."""

    name: str
    make: Callable[..., SymbolicEncoder]
    fields: Callable[[Sequence[Performance]], dict[str, Any]]
    pretrain: Callable[[Sequence[Performance]], dict[str, Any]]

    def arguments(self, performances: Sequence[Performance]) -> dict[str, Any]:
        """What `forward` takes."""
        made = self.make()
        names = {**made.fields, **made.optional_fields}
        return {names[field]: value for field, value in self.fields(performances).items()}


def transformer(**changes: Any) -> TransformerSymbolicEncoder:
    sizes: dict[str, Any] = {"d_model": 32, "nhead": 2, "num_layers": 1, "hidden_dim": 32, "num_labels": LABELS}
    return TransformerSymbolicEncoder(TOKENIZER.vocab_size, **{**sizes, **changes})


def gnn(**changes: Any) -> GNNSymbolicEncoder:
    return GNNSymbolicEncoder(**{"hidden_dim": 32, "num_layers": 2, "num_heads": 2, "num_labels": LABELS, **changes})


def hetero(**changes: Any) -> HeteroGNNSymbolicEncoder:
    sizes: dict[str, Any] = {"hidden_dim": 32, "num_layers": 1, "num_heads": 2, "num_labels": LABELS}
    return HeteroGNNSymbolicEncoder(**{**sizes, **changes})


def continuous(**changes: Any) -> ContinuousSymbolicEncoder:
    sizes: dict[str, Any] = {"d_model": 32, "nhead": 2, "num_layers": 1, "hidden_dim": 32, "num_labels": LABELS}
    return ContinuousSymbolicEncoder(**{**sizes, "kernels": (3, 9, 27), "codebook_entries": 16, **changes})


@cache
def tokens_of(read: Performance) -> torch.Tensor:
    return torch.tensor(TOKENIZER.encode_performance(read)[0])


def token_fields(performances: Sequence[Performance]) -> dict[str, Any]:
    sequences = [tokens_of(read) for read in performances]
    ids = pad_sequence(sequences, batch_first=True, padding_value=TOKENIZER.pad_token_id)
    return {"input_ids": ids, "mask": ids != TOKENIZER.pad_token_id}


def masked_tokens(performances: Sequence[Performance]) -> dict[str, Any]:
    fields = token_fields(performances)
    hidden = (torch.rand(fields["input_ids"].shape) < MASKED) & fields["mask"]
    return {
        "input_ids": fields["input_ids"].masked_fill(hidden, TOKENIZER.mask_token_id),
        "labels": fields["input_ids"].masked_fill(~hidden, NOT_MASKED),
        "attention_mask": fields["mask"],
    }


graph_of, hetero_graph_of = cache(graph), cache(hetero_graph)


def note_fields(performances: Sequence[Performance]) -> dict[str, Any]:
    return graph_fields([graph_of(read) for read in performances])


def links(performances: Sequence[Performance]) -> dict[str, Any]:
    fields = note_fields(performances)
    return {**fields, **asked_links(fields["edge_index"], fields["batch"])}


def asked_links(edges: torch.Tensor, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    """A third of the edges, and as many pairs of one graph that are none."""
    positive = edges[:, torch.rand(edges.shape[1]) < 0.3]
    drawn = torch.randint(len(batch), (2, 8 * positive.shape[1]))
    known = edges[0] * len(batch) + edges[1]
    none = (batch[drawn[0]] == batch[drawn[1]]) & ~torch.isin(drawn[0] * len(batch) + drawn[1], known)
    return {"pos_edges": positive, "neg_edges": drawn[:, none][:, : positive.shape[1]]}


def typed_fields(performances: Sequence[Performance]) -> dict[str, Any]:
    return hetero_fields([hetero_graph_of(read) for read in performances])


def typed_links(performances: Sequence[Performance]) -> dict[str, Any]:
    fields = typed_fields(performances)
    asked = {kind: asked_links(edges, fields["batch"]) for kind, edges in fields["edge_index_dict"].items()}
    return {
        **fields,
        "pos_edges": {kind: pairs["pos_edges"] for kind, pairs in asked.items()},
        "neg_edges": {kind: pairs["neg_edges"] for kind, pairs in asked.items()},
    }


curves_of = cache(curves)


def curve_fields(performances: Sequence[Performance]) -> dict[str, Any]:
    drawn = [torch.from_numpy(curves_of(read)) for read in performances]
    lengths = torch.tensor([len(one) for one in drawn])
    features = pad_sequence(drawn, batch_first=True)
    return {"features": features, "mask": torch.arange(features.shape[1]) < lengths[:, None]}


def masked_curves(performances: Sequence[Performance]) -> dict[str, Any]:
    fields = curve_fields(performances)
    starts = torch.rand(fields["mask"].shape) < 0.03
    hidden = torch.stack([starts.roll(step, dims=1) for step in range(10)]).any(0) & fields["mask"]
    masked = fields["features"].masked_fill(hidden.unsqueeze(-1), 0.0)
    return {**fields, "masked_features": masked, "masked_positions": hidden}


FAMILIES = (
    Family("transformer", transformer, token_fields, masked_tokens),
    Family("gnn", gnn, note_fields, links),
    Family("hetero", hetero, typed_fields, typed_links),
    Family("continuous", continuous, curve_fields, masked_curves),
)


def fit_inputs(model: SymbolicEncoder, family: Family, performances: Sequence[Performance]) -> None:
    """Scale the columns of notes and curves by those of some performances; tokens have none."""
    fields = family.fields(performances)
    if isinstance(model, GNNSymbolicEncoder):
        model.fit_inputs(fields["x"])
    elif isinstance(model, HeteroGNNSymbolicEncoder):
        model.fit_inputs(fields["x_dict"]["note"])
    elif isinstance(model, ContinuousSymbolicEncoder):
        model.fit_inputs(fields["features"][fields["mask"]])


def rows(family: Family, performances: Sequence[Performance], labels: torch.Tensor) -> dict[str, Any]:
    """A batch of single performances, all of one piece."""
    return {**family.fields(performances), "labels": labels, "piece_ids": torch.zeros(len(labels))}


def pairs(family: Family, performances: Sequence[Performance], labels: torch.Tensor) -> dict[str, Any]:
    """A batch of pairs: the first half against the second."""
    half = len(performances) // 2
    batch: dict[str, Any] = {}
    for side, part in (("_a", slice(half)), ("_b", slice(half, None))):
        fields = rows(family, performances[part], labels[part])
        batch |= {f"{name}{side}": value for name, value in fields.items()}
    return batch


def train(model: SymbolicEncoder, make: Callable[[], dict[str, Any]], steps: int, rate: float = 3e-3) -> list[float]:
    """Losses of some steps, each on a batch of its own."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = model.training_step(make(), step)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def accuracy(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of pairs that one dimension's scores order as its labels do."""
    first, second = torch.triu_indices(len(scores), len(scores), offset=1)
    return float(((scores[first] > scores[second]) == (labels[first] > labels[second])).float().mean())
