"""Chance in training data: drawn from seed, epoch and item, so that a run that goes on after a kill sees the same.

Every dataset that draws something is `Reshuffled`; `EpochSampler` and `make_loader` tell it which epoch it is.
"""

# ruff: noqa: TID253 - datasets are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from crescendai_assets.lake.fingerprints import fingerprint


def generator(*parts: Any) -> np.random.Generator:
    """A generator seeded by the content of JSON values: the same on every machine and in every process."""
    return np.random.default_rng(int(fingerprint(*parts), 16))


class Reshuffled:
    """What draws anew in each epoch.

    The epoch lies in memory that workers of a loader share, so that those which stay alive hear of the next one.
    """

    def __init__(self, seed: int) -> None:
        """Begin at epoch 0."""
        self.seed = seed
        self._epoch: Tensor = torch.zeros((), dtype=torch.long)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # torch says nothing

    @property
    def epoch(self) -> int:
        """From 0."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw as in this epoch; Lightning calls it on samplers."""
        self._epoch.fill_(epoch)

    def chance(self, *parts: Any) -> np.random.Generator:
        """What decides about an item in this epoch."""
        return generator(self.seed, self.epoch, *parts)


class EpochSampler(Reshuffled, Sampler[int]):
    """Every item once an epoch, in another order each time; the dataset is told the epoch."""

    def __init__(self, dataset: Any, *, seed: int = 0, shuffle: bool = True) -> None:
        """Take a dataset; without `shuffle`, as for validation, items keep their order and every epoch is epoch 0."""
        super().__init__(seed)
        self.dataset, self.shuffle = dataset, shuffle

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        if isinstance(self.dataset, Reshuffled):
            self.dataset.set_epoch(self.epoch if self.shuffle else 0)
        order = self.chance("order").permutation(len(self)) if self.shuffle else np.arange(len(self))
        self.set_epoch(self.epoch + 1)  # for loops that say nothing
        return iter(order.tolist())


def make_loader(
    dataset: Dataset[Any],
    batch_size: int,
    *,
    sampler: Sampler[Any] | None = None,
    seed: int = 0,
    shuffle: bool = True,
    collate: Callable[[Any], Any] | None = None,
    workers: int = 0,
    drop_last: bool = False,
) -> DataLoader[Any]:
    """A loader whose batches are the same for the same seed and epoch, however many workers it has.

    Args:
        dataset: Of this package; its `collate` joins items.
        batch_size: Items a batch.
        sampler: Which items, or pairs of them; by default each once an epoch.
        seed: Of the order.
        shuffle: Whether there is any.
        collate: Joins items another way.
        workers: Processes that read ahead; packs are so fast that 0 is most often best.
        drop_last: Leave out a last batch that is not full.
    """
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler or EpochSampler(dataset, seed=seed, shuffle=shuffle),
        collate_fn=collate or getattr(dataset, "collate", None),
        num_workers=workers,
        drop_last=drop_last,
    )
