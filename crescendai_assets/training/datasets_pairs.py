"""Which performances may be compared: partners by group, and the sampler of ranked pairs.

What a comparison is made of is the datasets' concern, in `datasets_audio`.
"""

# ruff: noqa: TID253 - samplers are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from torch.utils.data import Sampler

from crescendai_assets.training.datasets_chance import Reshuffled

if TYPE_CHECKING:
    from numpy.typing import NDArray

Column: TypeAlias = Sequence[Hashable]
"""A value by item, None where it is not known."""

_UNKNOWN = -1


class Partners:
    """Items that may stand beside each other: of one group, and unlike or alike in what is known of them."""

    def __init__(self, groups: Column, *, unlike: Sequence[Column] = (), alike: Sequence[Column] = ()) -> None:
        """Sort items by group.

        Args:
            groups: Group of each item; None for an item that is compared with nothing.
            unlike: Two items differ in each of these, where it is known of both.
            alike: Two items agree in each of these, where it is known of both.
        """
        self._unlike, self._alike = [_codes(one) for one in unlike], [_codes(one) for one in alike]
        self._group = _codes(groups)
        order = np.argsort(self._group, kind="stable")
        known = order[self._group[order] != _UNKNOWN]
        cuts = np.flatnonzero(np.diff(self._group[known])) + 1
        self._members = {int(self._group[one[0]]): one for one in np.split(known, cuts) if len(one)}
        self.anchors = np.array([i for i in range(len(groups)) if len(self.of(i))], np.int64)

    def of(self, item: int) -> NDArray[np.int64]:
        """Items that may stand beside this one, ascending."""
        if self._group[item] == _UNKNOWN:
            return np.zeros(0, np.int64)
        members = self._members[int(self._group[item])]
        fits = members != item
        for codes in self._unlike:
            theirs = codes[members]
            fits &= (theirs != codes[item]) | (theirs == _UNKNOWN)
        for codes in self._alike:
            if codes[item] != _UNKNOWN:
                theirs = codes[members]
                fits &= (theirs == codes[item]) | (theirs == _UNKNOWN)
        return np.asarray(members[fits])

    def every_pair(self) -> NDArray[np.int64]:
        """Each pair once, the lower item first, shape (P, 2)."""
        found = [np.zeros((0, 2), np.int64)]
        for item in self.anchors:
            others = self.of(int(item))
            others = others[others > item]
            found.append(np.stack([np.full_like(others, item), others], axis=1))
        return np.concatenate(found)

    def draw(self, item: int, chance: np.random.Generator) -> int:
        """One of the partners of an anchor."""
        others = self.of(item)
        return int(others[chance.integers(len(others))])


class CompetitionPairSampler(Reshuffled, Sampler[tuple[int, int]]):
    """Pairs of rows, as indices for `CompetitionDataset`, that a jury or raters have compared.

    Rows with a `passage` (T1) are paired within it. Others (T2) are paired within one edition of one competition, and
    within one round unless `cross_round`; both placements are known and differ. Never two rows of one performer, nor
    of two splits, where these are known.
    """

    def __init__(self, rows: Any, *, cross_round: bool = False, every: bool = False, seed: int = 0) -> None:
        """Sort rows into what is comparable.

        Args:
            rows: Mappings, or a dataset that has them as `rows`.
            cross_round: Compare across rounds of an edition; noisier, since repertoire and days differ.
            every: Each pair there is once, in order, for validation. Otherwise each row once an epoch, in another
                order and with another partner each time.
            seed: Of the draw.
        """
        super().__init__(seed)
        self.cross_round, self.every = cross_round, every
        given: Sequence[Mapping[str, Any]] = getattr(rows, "rows", rows)
        self._partners = Partners(
            [_group(row, cross_round) for row in given],
            unlike=[[_performer(row) for row in given], [_rank(row) for row in given]],
            alike=[[row.get("split") for row in given]],
        )
        self._pairs = self._partners.every_pair() if every else None

    def __len__(self) -> int:
        return len(self._partners.anchors) if self._pairs is None else len(self._pairs)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if self._pairs is not None:
            yield from ((int(a), int(b)) for a, b in self._pairs)
            return
        chance = self.chance("pairs")
        self.set_epoch(self.epoch + 1)  # for loops that say nothing
        for item in chance.permutation(self._partners.anchors).tolist():
            yield item, self._partners.draw(item, chance)


def placement_of(row: Mapping[str, Any]) -> float:
    """A row's placement, NaN where it is not known."""
    value = row.get("placement")
    return math.nan if value is None else float(value)


def _group(row: Mapping[str, Any], cross_round: bool) -> Hashable:
    if (passage := row.get("passage")) is not None:
        return ("passage", passage)
    if math.isnan(placement_of(row)):
        return None
    edition = (row.get("competition"), row.get("edition"))
    return ("edition", *edition) if cross_round else ("round", *edition, row.get("round"))


def _performer(row: Mapping[str, Any]) -> Hashable:
    # of a passage's performers the group is known: both renderings of a score are one machine
    found: Hashable = row.get("performer_group", row.get("performer"))
    return found


def _rank(row: Mapping[str, Any]) -> Hashable:
    return None if row.get("passage") is not None else placement_of(row)


def _codes(column: Column) -> NDArray[np.int64]:
    """Whole numbers by value, in order of appearance; -1 where it is not known."""
    numbers: dict[Hashable, int] = {}
    return np.array([_UNKNOWN if one is None else numbers.setdefault(one, len(numbers)) for one in column], np.int64)
