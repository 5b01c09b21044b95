"""What a model of sound learns from beside ratings, read: batches of T2, T3 and T4 in each step of the rated clips.

A batch is of names to batches, one a tier, as audio models take it (`models.audio_options`). Which recordings is
planned in `beside`.
"""

# ruff: noqa: TID253 - batches are torch; nothing that definitions reach imports this

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import torch

from crescendai_assets.training.batches import PassageBatches
from crescendai_assets.training.datasets_audio import CompetitionDataset
from crescendai_assets.training.datasets_chance import generator
from crescendai_assets.training.datasets_pairs import CompetitionPairSampler
from crescendai_assets.training.datasets_tiers import competition_rows
from crescendai_assets.training.packing import embeddings_of
from crescendai_assets.training.pretrain_items import Batches, tier_items
from crescendai_assets.training.pretrain_plan import PretrainPlace, PretrainPlan
from crescendai_assets.training.settings import T2

T1 = "percepiano"

CLIPS_A_PAIR = 2
"""A step has one pair of each tier for so many rated clips."""

_LENGTH = 1000
"""Frames of a segment that are used; 30 s have at most 750."""

Place: TypeAlias = tuple[str, Any]
"""Tier, and a place in it: of T2 two places, which are compared."""


def read_beside(place: PretrainPlace, plan: PretrainPlan, seed: int) -> Beside | None:
    """What is learnt from, None where it is nothing.

    Args:
        place: Where the tiers are.
        plan: Which recordings.
        seed: Of the draw of pairs.
    """
    orders = _orders(place, plan, "train")
    pairs = CompetitionPairSampler(orders, seed=seed)
    kinds = tier_items(place, plan, "train", _LENGTH, seed)
    if not len(pairs) and not kinds:
        return None
    return Beside(orders, pairs if len(pairs) else None, Batches(kinds), seed)


def _orders(place: PretrainPlace, plan: PretrainPlan, side: str) -> CompetitionDataset:
    wanted = set(plan.segments_of(side, T2))
    rows = [row for row in competition_rows(place.competition) if row["segment_id"] in wanted] if wanted else []
    return CompetitionDataset(rows, _LENGTH, embeddings=embeddings_of(place.competition) if rows else None)


class Beside:
    """Items of T2, T3 and T4, and which of them come in a step."""

    def __init__(
        self, orders: CompetitionDataset, pairs: CompetitionPairSampler | None, others: Batches, seed: int
    ) -> None:
        """Take T2's rows, what draws its pairs (None for no such pair), batches of the other tiers, and a seed."""
        self.orders, self.pairs, self.others, self.seed = orders, pairs, others, seed

    def batch(self, places: Sequence[Place]) -> dict[str, Any]:
        """By tier."""
        found: dict[str, Any] = {}
        if compared := [self.orders[one] for tier, one in places if tier == T2]:
            found[T2] = self.orders.collate(compared)
        for tier, items in self.others.kinds.items():
            if mine := [items.dataset[one] for name, one in places if name == tier]:
                found[tier] = items.dataset.collate(mine)
        return found

    def steps(self, epoch: int, sizes: Sequence[int]) -> list[list[Place]]:
        """Places of each step of an epoch: so many of each tier. The same for the same seed and epoch.

        What has come once comes again only when all has come.
        """
        steps: list[list[Place]] = [[] for _ in sizes]
        self.others.set_epoch(epoch)
        for tier, items in self.others.kinds.items():
            chance, size = generator(self.seed, epoch, "beside", tier), len(items.names)
            drawn = (place for _ in itertools.count() for place in chance.permutation(size).tolist())
            _deal(steps, sizes, ((tier, place) for place in drawn))
        if self.pairs is not None:
            _deal(steps, sizes, ((T2, pair) for pair in self._pairs(epoch, sum(sizes))))
        return steps

    def name(self, place: Place) -> str:
        """What a place is called."""
        tier, at = place
        if tier != T2:
            return self.others.name(place)
        return " against ".join(str(self.orders.rows[one]["segment_id"]) for one in at)

    def _pairs(self, epoch: int, wanted: int) -> Iterator[tuple[int, int]]:
        assert self.pairs is not None
        rounds = -(-wanted // len(self.pairs))
        for number in range(rounds):  # each with other partners
            self.pairs.set_epoch(epoch * rounds + number)
            yield from self.pairs


def _deal(steps: Sequence[list[Place]], sizes: Sequence[int], drawn: Iterator[Place]) -> None:
    for step, size in zip(steps, sizes, strict=True):
        step += itertools.islice(drawn, size)


class Together(torch.utils.data.Dataset[dict[str, Any]]):
    """Rated clips and what stands beside them: indexed by a list of (tier, place) it gives a batch a tier, by name."""

    def __init__(self, rated: Any, beside: Beside, keys: Sequence[str]) -> None:
        """Take batches of rated clips, indexed by places; the rest; and the clips' names."""
        self.rated, self.beside, self.keys = rated, beside, keys

    def __getitem__(self, places: Sequence[Place]) -> dict[str, Any]:
        clips = [place for tier, place in places if tier == T1]
        return {T1: self.rated[clips], **self.beside.batch(places)}

    def name(self, place: Place) -> str:
        """What a place is called."""
        return self.keys[place[1]] if place[0] == T1 else self.beside.name(place)


class TogetherOrder:
    """An epoch goes through the rated clips once; beside each batch of them come pairs of the other tiers."""

    def __init__(self, rated: PassageBatches, beside: Beside) -> None:
        """Take both."""
        self.rated, self.beside = rated, beside

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next; Lightning calls it."""
        self.rated.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.rated)

    def __iter__(self) -> Iterator[list[Place]]:
        batches = list(self.rated)
        sizes = [max(1, len(batch) // CLIPS_A_PAIR) for batch in batches]
        steps = self.beside.steps(self.rated.epoch, sizes)
        return iter([[*((T1, place) for place in batch), *step] for batch, step in zip(batches, steps, strict=True)])


def order_learnt(model: Any, place: PretrainPlace, plan: PretrainPlan, device: str) -> tuple[int, int]:
    """How a trained model orders T2's performers that were set aside.

    Args:
        model: Of sound.
        place: Where T2 is.
        plan: Which of its recordings are set aside.
        device: On which, as torch calls it.

    Returns:
        Pairs of recordings of one round, each told by the mean over its segments, that are ordered as their jury did;
        and all that it told apart.
    """
    heard = _orders(place, plan, "validation")
    of_recording: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(heard.rows):
        of_recording[row["recording_id"]].append(number)
    rows = [heard.rows[numbers[0]] for numbers in of_recording.values()]
    pairs = list(CompetitionPairSampler(rows, every=True))
    quality = [_quality(model, heard, numbers, device) for numbers in of_recording.values()] if pairs else []
    right = [(quality[a] > quality[b]) == (rows[a]["placement"] < rows[b]["placement"]) for a, b in pairs]
    return sum(right), len(right)


def _quality(model: Any, heard: CompetitionDataset, places: Sequence[int], device: str) -> float:
    batch = heard.collate([heard[place] for place in places])
    with torch.inference_mode():
        z = model.to(device).eval().encode(batch["embeddings"].to(device), batch["mask"].to(device))
        return float(model.quality(z).mean())
