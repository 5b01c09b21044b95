"""What a model of sound learns from beside ratings, read: batches of T2, T3 and T4 in each step of the rated clips.

A batch is of names to batches, one a tier, as audio models take it (`models.audio_options`). Which recordings is
planned in `beside`.
"""

# ruff: noqa: TID253 - batches are torch; nothing that definitions reach imports this

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.muq import SEGMENT_SAMPLES
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Tier
from crescendai_assets.training.batches import PassageBatches, in_order
from crescendai_assets.training.beside_sound import SegmentSound, refuse_silent
from crescendai_assets.training.datasets_audio import CompetitionDataset
from crescendai_assets.training.datasets_chance import generator
from crescendai_assets.training.datasets_pairs import CompetitionPairSampler
from crescendai_assets.training.ordinal import competition_rows
from crescendai_assets.training.packing import AUGMENTED, embeddings_of
from crescendai_assets.training.pretrain_items import Batches, tier_items
from crescendai_assets.training.pretrain_plan import SIDES, PretrainPlace, PretrainPlan
from crescendai_assets.training.settings import T2, FitSettings
from crescendai_assets.training.t1_plan import T1Place, TierAudio

T1 = "percepiano"

CLIPS_A_PAIR = 2
"""A step has one pair of each tier for so many rated clips."""

_FRAMES = 1000
"""Frames of a segment that are used; 30 s have at most 750."""

Place: TypeAlias = tuple[str, Any]
"""Tier, and a place in it: of T2 two places, which are compared."""


@dataclass(frozen=True)
class Tiers:
    """Where the tiers are, and how they are heard.

    Attributes:
        place: Of the tiers.
        audio: Where their audio is, for a model that hears it through MuQ; None: stored embeddings are heard.
    """

    place: PretrainPlace
    audio: TierAudio | None = None

    @staticmethod
    def of(place: T1Place, settings: FitSettings) -> Tiers:
        """Of the lake that rated clips lie in.

        Raises:
            SetupError: Audio is to be heard, and nobody says where it is.
        """
        if settings.use_pretrained_muq and place.beside is None:
            raise SetupError(
                f"{settings.model}: nobody said where the audio of {', '.join(settings.tiers)} is, which is heard "
                f"through MuQ; materialize checkpoints/{settings.model}, which knows, or set tiers to none (tiers=[])"
            )
        return Tiers(PretrainPlace.beside(place), place.beside if settings.use_pretrained_muq else None)

    @property
    def length(self) -> int:
        """Frames, or samples, of a segment that are used."""
        return SEGMENT_SAMPLES if self.audio else _FRAMES

    def refuse_silent(self, plan: PretrainPlan) -> None:
        """Look, before the first step, whether the audio that is to be heard is there.

        Raises:
            SetupError: Some is not.
        """
        if self.audio is None:
            return
        tiers = {row["of"] for row in plan.used}
        both = {tier: [key for side in SIDES for key in plan.segments_of(side, tier)] for tier in sorted(tiers)}
        refuse_silent({tier: (SegmentSound(self.place.tier(tier), self.audio), keys) for tier, keys in both.items()})

    def heard(self, tier: Tier, asset: str) -> Mapping[str, Tensor]:
        """What is heard of a tier's segments, read when it is asked for."""
        if self.audio is None:
            return embeddings_of(tier, asset)
        return SegmentSound(tier, self.audio, twins=asset == AUGMENTED.asset)


def read_beside(tiers: Tiers, plan: PretrainPlan, seed: int) -> Beside | None:
    """What is learnt from, None where it is nothing.

    Args:
        tiers: Where it is.
        plan: Which recordings.
        seed: Of the draw of pairs.
    """
    orders = _orders(tiers, plan, "train")
    pairs = CompetitionPairSampler(orders, seed=seed)
    kinds = tier_items(tiers.place, plan, "train", tiers.length, seed, tiers.heard)
    if not len(pairs) and not kinds:
        return None
    return Beside(orders, pairs if len(pairs) else None, Batches(kinds), seed)


def _orders(tiers: Tiers, plan: PretrainPlan, side: str) -> CompetitionDataset:
    tier, wanted = tiers.place.competition, set(plan.segments_of(side, T2))
    rows = [row for row in competition_rows(tier) if row["segment_id"] in wanted] if wanted else []
    return CompetitionDataset(rows, tiers.length, embeddings=tiers.heard(tier, CLEAN.asset) if rows else None)


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

        Epochs go on where the last one ended: what has come once comes again only when all has come.
        """
        steps: list[list[Place]] = [[] for _ in sizes]
        begin = epoch * sum(sizes)
        self.others.set_epoch(epoch)
        for tier, items in self.others.kinds.items():
            drawn = self._rounds(len(items.names), begin, partial(self._permuted, tier, len(items.names)))
            _deal(steps, sizes, ((tier, place) for place in drawn))
        if self.pairs is not None:
            drawn = self._rounds(len(self.pairs), begin, self._paired)
            _deal(steps, sizes, ((T2, pair) for pair in drawn))
        return steps

    @staticmethod
    def _rounds(size: int, begin: int, one: Callable[[int], Iterable[Any]]) -> Iterator[Any]:
        """Round after round through `size` items, from the `begin`-th on."""
        for number in itertools.count(begin // size):
            yield from itertools.islice(one(number), begin % size if number == begin // size else 0, None)

    def _permuted(self, tier: str, size: int, number: int) -> list[int]:
        order: list[int] = generator(self.seed, number, "beside", tier).permutation(size).tolist()
        return order

    def _paired(self, number: int) -> Iterator[tuple[int, int]]:
        assert self.pairs is not None
        self.pairs.set_epoch(number)  # with other partners than in the last round
        return iter(self.pairs)

    def name(self, place: Place) -> str:
        """What a place is called."""
        tier, at = place
        if tier != T2:
            return self.others.name(place)
        return " against ".join(str(self.orders.rows[one]["segment_id"]) for one in at)


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


def order_learnt(model: Any, tiers: Tiers, plan: PretrainPlan, device: str, batch_size: int) -> tuple[float, int]:
    """How a trained model orders T2's performers that were set aside.

    Args:
        model: Of sound.
        tiers: Where T2 is.
        plan: Which of its recordings are set aside.
        device: On which, as torch calls it.
        batch_size: Segments that are heard at once.

    Returns:
        Pairs of performers of one round, each told by the mean over what they played in it, that are ordered as their
        jury did, a tie counting half; and all that it told apart.

    Raises:
        SetupError: The model gives no number.
    """
    heard = _orders(tiers, plan, "validation")
    entries: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(heard.rows):
        entries[row["competition"], row["edition"], row["round"], row["performer_group"]].append(number)
    rows = [heard.rows[numbers[0]] for numbers in entries.values()]
    pairs = list(CompetitionPairSampler(rows, every=True))
    if not pairs:
        return 0.0, 0
    model = model.to(device).eval()
    quality = [_quality(model, heard, numbers, device, batch_size) for numbers in entries.values()]
    signs = [np.sign(quality[a] - quality[b]) * np.sign(rows[b]["placement"] - rows[a]["placement"]) for a, b in pairs]
    return float(np.mean(signs) / 2 + 0.5) * len(pairs), len(pairs)


def _quality(model: Any, heard: CompetitionDataset, places: Sequence[int], device: str, batch_size: int) -> float:
    found: list[Tensor] = []
    with torch.inference_mode():
        for chosen in in_order(places, batch_size):
            batch = heard.collate([heard[place] for place in chosen])
            z = model.encode(batch["embeddings"].to(device), batch["mask"].to(device))
            found.append(model.quality(z).float().cpu())
    mean = float(torch.cat(found).mean())
    if not math.isfinite(mean):
        raise SetupError(f"{heard.rows[places[0]]['recording_id']}: the trained model makes {mean} of it; train again")
    return mean
