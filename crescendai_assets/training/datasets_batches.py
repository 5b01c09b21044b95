"""Items of datasets to the batches that models take. Which fields there are is the models' to say."""

# ruff: noqa: TID253 - batches are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Item: TypeAlias = Mapping[str, Any]

_FRAMES = "embeddings"


def multi_task_collate_fn(items: Sequence[Item]) -> dict[str, Any]:
    """A batch of items of one kind; batches of several tiers go to a model by name, one loader a tier.

    `embeddings*` of shape (T, 1024), or samples (T,), are padded with zeros to the longest of the batch, (B, T_max,
    1024), all of them to the same so that both sides of a pair go through a model at once; `mask*` (B, T_max) is True
    where frames are.
    Tensors of one shape are stacked, numbers become a tensor, other things a list.

    Raises:
        ValueError: There are no items, or they have different fields.
    """
    names = _fields(items)
    longest = max((len(item[name]) for item in items for name in names if name.startswith(_FRAMES)), default=0)
    batch: dict[str, Any] = {}
    for name in names:
        values = [item[name] for item in items]
        if name.startswith(_FRAMES):
            batch[name], batch[f"mask{name.removeprefix(_FRAMES)}"] = padded(values, longest)
        else:
            batch[name] = _joined(values)
    return batch


def trimmed_collate_fn(items: Sequence[Item]) -> dict[str, Any]:
    """A batch of sequences that were padded to one length, cut to the longest there is.

    `attention_mask` or `mask` (T,) of the items says how long each is.
    """
    batch = {name: _joined([item[name] for item in items]) for name in _fields(items)}
    mask = batch["attention_mask" if "attention_mask" in batch else "mask"]
    longest = int(mask.sum(1).max())
    return {name: one[:, :longest] if isinstance(one, Tensor) else one for name, one in batch.items()}


def graph_collate_fn(items: Sequence[Item]) -> dict[str, Any]:
    """Graphs side by side as one: notes of all, edges counted on, `batch` (N,) saying which graph a note is of.

    Fields that hold pairs of notes are `edge_index`, `pos_edges`, `neg_edges`, and of typed graphs mappings of these.
    """
    names = _fields(items)
    notes = [item["x_dict"]["note"] if "x_dict" in names else item["x"] for item in items]
    sizes = torch.tensor([len(one) for one in notes])
    starts = torch.cumsum(sizes, 0) - sizes
    batch: dict[str, Any] = {"batch": torch.repeat_interleave(torch.arange(len(items)), sizes)}
    for name in names:
        values = [item[name] for item in items]
        if name == "x_dict":
            batch[name] = {"note": torch.cat(notes)}
        elif isinstance(values[0], Mapping):
            batch[name] = {kind: _side_by_side([one[kind] for one in values], starts) for kind in values[0]}
        elif name in ("edge_index", "pos_edges", "neg_edges"):
            batch[name] = _side_by_side(values, starts)
        else:
            batch[name] = torch.cat(values) if isinstance(values[0], Tensor) else list(values)
    return batch


def padded(frames: Sequence[Tensor], length: int) -> tuple[Tensor, Tensor]:
    """Frames of several performances as one tensor.

    Args:
        frames: Float32, shape (T_i, C) each; or samples (T_i,).
        length: T, at least the longest.

    Returns:
        Shape (B, T, C) or (B, T), 0 where there are none, and the mask (B, T).
    """
    lengths = torch.tensor([len(one) for one in frames])
    # numpy copies pages of a mapped file several times faster than torch does, which calls its threads each time
    out = np.empty((len(frames), length, *frames[0].shape[1:]), np.float32)
    for place, one in enumerate(frames):
        out[place, : len(one)] = one.numpy()
        out[place, len(one) :] = 0
    return torch.from_numpy(out), torch.arange(length) < lengths[:, None]


def _fields(items: Sequence[Item]) -> list[str]:
    if not items:
        raise ValueError("a batch of no items")
    names = list(items[0])
    for item in items:
        if item.keys() != items[0].keys():
            unlike = ", ".join(sorted(set(names) ^ set(item)))
            raise ValueError(f"items of a batch have different fields ({unlike}); give each tier a loader of its own")
    return names


def _joined(values: Sequence[Any]) -> Any:
    if isinstance(values[0], Tensor):
        return torch.stack(list(values))
    return torch.tensor(values) if isinstance(values[0], int | float) else list(values)


def _side_by_side(pairs: Sequence[Tensor], starts: Tensor) -> Tensor:
    return torch.cat([one + start for one, start in zip(pairs, starts, strict=True)], dim=1)
