"""What a pretraining learns from, read: items of the corpus's packs and of the tiers' embeddings, in batches.

Which recordings is planned in `pretrain_plan`; what an item is, and what is hidden of it, is the datasets' to say.
"""

# ruff: noqa: TID253 - batches are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.corpus.products import hetero_graph, products, score_graph
from crescendai_assets.symbolic.tokenizer import PianoTokenizer
from crescendai_assets.training.compiling import compiled_path, index_path
from crescendai_assets.training.datasets_audio import AugmentedEmbeddingDataset
from crescendai_assets.training.datasets_chance import Reshuffled, generator
from crescendai_assets.training.datasets_corpus import PackedItems, TokenWindows
from crescendai_assets.training.datasets_graphs import HeteroPretrainDataset, ScoreGraphPretrainingDataset
from crescendai_assets.training.datasets_symbolic import ContinuousPretrainDataset, MIDIPretrainingDataset
from crescendai_assets.training.datasets_tiers import contrastive_pairs
from crescendai_assets.training.loop import Course
from crescendai_assets.training.packing import embeddings_of
from crescendai_assets.training.pretrain_plan import PretrainPlace, PretrainPlan
from crescendai_assets.training.pretrain_settings import PRODUCTS, PretrainSettings
from crescendai_assets.training.settings import T3, T4

LOOKED_AT = 200
"""Items that means and deviations of what a model hears are taken from."""


@dataclass(frozen=True, eq=False)
class Items:
    """Items of one kind.

    Attributes:
        dataset: Of this package: items by place, and `collate`.
        names: The recording or segment of each place.
    """

    dataset: Any
    names: Sequence[str]


class Batches(torch.utils.data.Dataset[dict[str, Any]]):
    """Items of kinds as batches: indexed by a list of (kind, place) it gives these, by kind where there are several."""

    def __init__(self, kinds: Mapping[str, Items]) -> None:
        """Take them."""
        self.kinds = kinds

    def __getitem__(self, places: Sequence[tuple[str, int]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind, items in self.kinds.items():
            if mine := [place for name, place in places if name == kind]:
                found[kind] = items.dataset.collate([items.dataset[place] for place in mine])
        return found if len(self.kinds) > 1 else next(iter(found.values()))

    def name(self, place: tuple[str, int]) -> str:
        """What a place is called."""
        kind, number = place
        return self.kinds[kind].names[number]

    def set_epoch(self, epoch: int) -> None:
        """Show and hide other parts than in other epochs."""
        for items in self.kinds.values():
            if isinstance(items.dataset, Reshuffled):
                items.dataset.set_epoch(epoch)


class EpochOrder:
    """Batches of one epoch after another, each a list of (kind, place); the same for the same seed and epoch.

    The kind with most items is gone through once; of each other one a step gets as many, so that it may come round
    more than once.
    """

    def __init__(self, batches: Batches, batch_size: int, seed: int) -> None:
        """Take what is gone through, `batch_size` items of each kind a step."""
        self.batches, self.batch_size, self.seed, self.epoch = batches, batch_size, seed, 0
        self.sizes = {kind: len(items.names) for kind, items in batches.kinds.items()}

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next; Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-max(self.sizes.values()) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[str, int]]]:
        self.batches.set_epoch(self.epoch)
        steps: list[list[tuple[str, int]]] = [[] for _ in range(len(self))]
        for kind, size in self.sizes.items():
            chance = generator(self.seed, self.epoch, "order", kind)
            wanted = max(size, len(self) * min(self.batch_size, size)) if size < max(self.sizes.values()) else size
            rounds = [chance.permutation(size) for _ in range(-(-wanted // size))]
            for step, part in zip(steps, np.array_split(np.concatenate(rounds)[:wanted], len(self)), strict=True):
                step += [(kind, place) for place in part.tolist()]
        return iter(steps)


def read_sides(place: PretrainPlace, plan: PretrainPlan, settings: PretrainSettings) -> dict[str, Batches]:
    """Both sides of a plan: `train` and `validation`.

    Raises:
        SetupError: A pack is damaged.
    """
    sides: dict[str, Batches] = {}
    for side in ("train", "validation"):
        if settings.model in PRODUCTS:
            kinds = {PRODUCTS[settings.model]: _of_corpus(place, plan.recordings(side), settings)}
        else:
            kinds = tier_items(place, plan, side, settings.items_length, settings.seed)
        sides[side] = Batches(kinds)
    return sides


def courses(sides: Mapping[str, Batches], settings: PretrainSettings) -> Callable[[int], Course]:
    """Size of a batch -> what an epoch goes through."""

    def course(batch_size: int) -> Course:
        order = EpochOrder(sides["train"], batch_size, settings.seed)
        turns = list(EpochOrder(sides["validation"], batch_size, 0))  # mixed, so that a contrast has negatives
        return Course(sides["train"], order, sides["validation"], turns, sides["train"].name)

    return course


def sample(batches: Batches) -> Tensor:
    """Numbers to learn means and deviations of columns from, shape (n, columns); empty of tokens."""
    found: list[Tensor] = []
    for items in batches.kinds.values():
        for number in np.unique(np.linspace(0, len(items.names) - 1, LOOKED_AT).astype(int)).tolist():
            item = items.dataset[number]
            if "x" in item:
                found.append(item["x"])
            elif "x_dict" in item:
                found.append(item["x_dict"]["note"])
            elif "features" in item:
                found.append(item["features"][item["mask"]])
            else:
                found += [item[name] for name in ("embeddings_a", "embeddings_clean") if name in item]
    return torch.cat(found) if found else torch.zeros(0, 0)


def _of_corpus(place: PretrainPlace, recordings: Sequence[str], settings: PretrainSettings) -> Items:
    product = products()[PRODUCTS[settings.model]]
    path = compiled_path(place.corpus, product)
    place_of = {row["recording_id"]: row["place"] for row in read_rows(index_path(place.corpus, product))}
    ids = sorted(recordings, key=lambda one: int(place_of[one]))
    return _ITEMS[product.name](path, np.array([place_of[one] for one in ids], np.int64), ids, settings)


def _token_items(path: Path, places: Any, ids: Sequence[str], settings: PretrainSettings) -> Items:
    windows, length = TokenWindows(path, places), settings.items_length
    of_lengths = windows.pack.offsets["lengths"]
    of_window = np.repeat(ids, of_lengths[places + 1] - of_lengths[places])
    tokens = Excerpts(windows, [len(one) for one in windows], length)
    vocabulary = PianoTokenizer().vocab_size
    masked = MIDIPretrainingDataset(tokens, length, settings.share, vocabulary, seed=settings.seed)
    return Items(masked, of_window[tokens.of].tolist())


def _graph_items(
    make: Any, dataset: Any, path: Path, places: Any, ids: Sequence[str], settings: PretrainSettings
) -> Items:
    graphs, length = PackedItems(path, places, make), settings.items_length
    starts = graphs.pack.offsets["x"]
    parts = Excerpts(graphs, starts[places + 1] - starts[places], length)
    linked = dataset(parts, settings.share, max_notes=length, seed=settings.seed)
    return Items(linked, np.array(ids)[parts.of].tolist())


def _curve_items(path: Path, places: Any, ids: Sequence[str], settings: PretrainSettings) -> Items:
    curves = PackedItems(path, places, _curves)
    starts = curves.pack.offsets["curves"]
    lengths = (starts[places + 1] - starts[places]).tolist()
    masked = ContinuousPretrainDataset(
        curves, settings.items_length, settings.share, lengths=lengths, seed=settings.seed
    )
    return Items(masked, [ids[performance] for performance, *_ in masked.parts])


_ITEMS: Mapping[str, Callable[[Path, Any, Sequence[str], PretrainSettings], Items]] = {
    "tokens": _token_items,
    "score_graphs": partial(_graph_items, score_graph, ScoreGraphPretrainingDataset),
    "hetero_graphs": partial(_graph_items, hetero_graph, HeteroPretrainDataset),
    "features": _curve_items,
}
"""Product of the corpus -> its pack, places in it and their recordings as items."""


def tier_items(
    place: PretrainPlace,
    plan: PretrainPlan,
    side: str,
    length: int,
    seed: int,
    heard: Callable[[Tier, str], Mapping[str, Tensor]] = embeddings_of,
) -> dict[str, Items]:
    """T3's pairs and T4's twins of one side of a plan, by tier; without a tier that has none.

    Args:
        place: Where the tiers are.
        plan: Which recordings.
        side: `train` or `validation`.
        length: Frames that are used of a segment.
        seed: Of the draw of partners.
        heard: A tier, and `embeddings` or `augmented_pairs` -> what is heard of its segments.
    """
    kinds: dict[str, Items] = {}
    wanted = {tier: plan.segments_of(side, tier) for tier in (T3, T4)}
    if wanted[T3]:
        all_of_it = heard(place.maestro, "embeddings")
        pairs = contrastive_pairs(place.maestro, embeddings=Only(all_of_it, wanted[T3]), seed=seed)
        pairs.max_frames = length
        kinds[T3] = Items(pairs, [pairs.pair(number)[0] for number in range(len(pairs))])
    if wanted[T4]:
        clean, twins = (Only(heard(place.youtube, name), wanted[T4]) for name in ("embeddings", "augmented_pairs"))
        pieces = {key: key.rpartition("_seg")[0] for key in wanted[T4]}  # of one recording: no negatives of each other
        both = AugmentedEmbeddingDataset(clean, twins, pieces=pieces, max_frames=length)
        kinds[T4] = Items(both, both.ids)
    return {kind: items for kind, items in kinds.items() if items.names}


class Excerpts(Sequence[Any]):
    """Items as often as they hold an excerpt of a length: an epoch of random excerpts shows about all there is."""

    def __init__(self, items: Sequence[Any], sizes: Any, length: int) -> None:
        """Take items, the size of each, and the length of an excerpt."""
        self.items = items
        self.of = np.repeat(np.arange(len(items)), np.maximum(1, np.asarray(sizes) // length))

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: Any) -> Any:
        return self.items[int(self.of[index])]


class Only(Mapping[str, Tensor]):
    """Some of the embeddings of a tier."""

    def __init__(self, embeddings: Mapping[str, Tensor], keys: Sequence[str]) -> None:
        """Take all of them, and which."""
        self._embeddings, self._keys = embeddings, dict.fromkeys(sorted(keys))

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._keys:
            raise KeyError(key)
        return self._embeddings[key]

    def __contains__(self, key: object) -> bool:
        return key in self._keys  # asked of every segment: reading them to tell would read the tier

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)


def _curves(arrays: Mapping[str, Any]) -> Any:
    return arrays["curves"]
