"""Which clips a step learns from, and which ones epochs are chosen by. Plain lists of places; no tensors.

A ranking within a passage needs several of its performances in one batch, so batches are made of handfuls of one
passage. The part of training that epochs are chosen by is cut along the same groups as the fold itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crescendai_assets.labels.protocols import Fold, Protocol
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row

HANDFUL = 8
"""Performances of one passage that stay together."""

INNER_GROUPS: Mapping[Protocol, str] = {
    "passage": "passage_group",
    "passage_by_content": "content_group",
    "performer": "performer_group",
    "work": "passage_group",  # of the two works left one would be most of it
    "published": "passage_group",
}
"""Column of `metadata.jsonl` along which training is cut once more."""


def inner_split(fold: Fold, rows: Mapping[str, Row], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Segments of a fold's training side to learn from, and those to choose the epoch by.

    Args:
        fold: The split; its validation side is not looked at.
        rows: Rows of `metadata.jsonl` by segment; what is not among them is left out.
        share: Of the rows that are to be chosen by, about.
        seed: Of the choice of groups.

    Raises:
        SetupError: There is but one group.
    """
    import numpy as np

    column = INNER_GROUPS[fold.protocol]
    by_group: dict[str, list[str]] = defaultdict(list)
    for key in fold.train:
        if key in rows:
            by_group[rows[key][column] or rows[key]["passage_group"]].append(key)
    if len(by_group) < 2:
        raise SetupError(
            f"fold {fold.name} by {fold.protocol}: its training side is one group by {column}, so no part of it can be "
            "set aside to choose the epoch by; use another protocol"
        )
    wanted = share * sum(map(len, by_group.values()))
    chosen: list[str] = []
    for group in np.random.default_rng([seed, len(by_group)]).permutation(sorted(by_group)).tolist()[:-1]:
        if len(chosen) >= wanted:
            break
        if not chosen or len(chosen) + len(by_group[group]) <= 2 * wanted:  # one large group may be most of a set
            chosen += by_group[group]
    inner = set(chosen)
    return [key for group in by_group.values() for key in group if key not in inner], sorted(inner)


class PassageBatches:
    """Batches of one epoch after another, each a list of places; the same for the same seed and epoch."""

    def __init__(self, places: Sequence[int], passages: Sequence[str], batch_size: int, seed: int) -> None:
        """Take the rows to learn from.

        Args:
            places: Of the rows.
            passages: The passage of each of them.
            batch_size: Most rows of a batch.
            seed: Of the order.
        """
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.by_passage: dict[str, list[int]] = defaultdict(list)
        for place, passage in zip(places, passages, strict=True):
            self.by_passage[passage].append(place)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next; Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-sum(map(len, self.by_passage.values())) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        import numpy as np

        chance: Any = np.random.default_rng([self.seed, self.epoch])
        handfuls: list[list[int]] = []
        for passage in sorted(self.by_passage):
            rows = chance.permutation(self.by_passage[passage]).tolist()
            handfuls += [rows[start : start + HANDFUL] for start in range(0, len(rows), HANDFUL)]
        order = [place for number in chance.permutation(len(handfuls)).tolist() for place in handfuls[number]]
        return (part.tolist() for part in np.array_split(order, len(self)))  # alike in size: no batch of one row


def in_order(places: Sequence[int], batch_size: int) -> list[list[int]]:
    """The same rows as batches, one after another, for validation and prediction."""
    return [list(places[start : start + batch_size]) for start in range(0, len(places), batch_size)]
