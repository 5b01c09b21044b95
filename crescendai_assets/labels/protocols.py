"""Which segments a model is trained on and which it is judged by, in five protocols.

- `passage`: new music. Passages that hang together (`passage_groups`) stay on one side; 4 folds, three times with
  another shuffle, since the shuffle alone moves R² by some .045. Pianists are heard on both sides. Groups are those
  that figures have been told on; in much of D 960 they separate a 16-bar take from 8 bars of the same take.
- `passage_by_content`: the same with groups joined wherever their MIDI shares a take, so that nothing held out was
  heard in training. Only where MIDI is at hand. Not comparable with figures of `passage`: beside the leak, its groups
  are larger (one of PercePiano's 36 holds 39 % of the segments), so folds differ more and some train on a third.
- `performer`: new pianists. All that one performer plays of a work stays on one side; likewise 4 folds, three times.
  Passages are heard on both sides. A number in one work is not known to be the same pianist in another.
- `work`: a new work. Each work in turn is left out.
- `published`: folds that earlier figures were published on; declared leaky, for comparison with those figures alone.

All rows are used, machine renderings too (they were rated like the others); `fold_sizes` also counts without them.
There is no third part to choose a model by: take it from `train`, along the same groups.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row

Protocol = Literal["passage", "passage_by_content", "performer", "work", "published"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
LEAKY: frozenset[Protocol] = frozenset({"published"})
"""Protocols that are known to leak and say so; training on another one stops at a leak."""

SEEDS = (0, 1, 2)
FOLDS = 4

GROUPED_BY: Mapping[Protocol, str] = {
    "passage": "passages joined by bars and by identical MIDI",
    "passage_by_content": "passages joined by bars, by identical MIDI and by shared takes",
    "performer": "work and performer, renderings of a score being one performer",
    "work": "work",
    "published": "piece and performer (as published; shares passages between train and val)",
}
"""What stays on one side, in words."""

GROUP_COLUMNS: Mapping[Protocol, str] = {
    "passage": "passage_group",
    "passage_by_content": "content_group",
    "performer": "performer_group",
    "work": "work",
}
"""The same as a column of `metadata.jsonl`, for taking a part of `train` to choose a model by."""


@dataclass(frozen=True)
class Fold:
    """One split.

    Attributes:
        protocol: Which kind.
        name: `s<seed>f<number>`, the work left out, or `f<number>`.
        seed: Of the shuffle; None where nothing is shuffled.
        train: Segments to learn from, in order.
        val: Segments held out, in order.
    """

    protocol: Protocol
    name: str
    seed: int | None
    train: tuple[str, ...]
    val: tuple[str, ...]


def grouped_folds(protocol: Protocol, rows: Sequence[Row], seeds: Sequence[int], n_folds: int) -> list[Fold]:
    """Folds that keep rows of one group together, as `sklearn.model_selection.GroupKFold(n, shuffle=True)` makes them.

    Groups in order are permuted and cut into parts of equally many groups, so parts differ in rows.

    Raises:
        SetupError: There are fewer groups than folds.
    """
    import numpy as np

    column = GROUP_COLUMNS[protocol]
    groups = sorted({row[column] for row in rows})
    if len(groups) < n_folds:
        raise SetupError(f"{len(groups)} groups ({GROUPED_BY[protocol]}) make no {n_folds} folds; ask for fewer folds")
    folds: list[Fold] = []
    for seed in seeds:
        shuffled = np.random.RandomState(seed).permutation(np.array(groups))
        parts = [set(part.tolist()) for part in np.array_split(shuffled, n_folds)]
        folds += [
            split_off(protocol, f"s{seed}f{i}", seed, rows, [row["segment_id"] for row in rows if row[column] in part])
            for i, part in enumerate(parts)
        ]
    return folds


def left_out_folds(rows: Sequence[Row]) -> list[Fold]:
    """A fold a work: it is held out, the others are learnt from. None where there is but one work."""
    works = sorted({row["work"] for row in rows})
    if len(works) < 2:
        return []
    return [
        split_off("work", work, None, rows, [row["segment_id"] for row in rows if row["work"] == work])
        for work in works
    ]


def split_off(protocol: Protocol, name: str, seed: int | None, rows: Sequence[Row], val: Collection[str]) -> Fold:
    """The fold that holds out some segments and learns from all others."""
    held_out = set(val)
    train = tuple(row["segment_id"] for row in rows if row["segment_id"] not in held_out)
    return Fold(protocol, name, seed, train, tuple(row["segment_id"] for row in rows if row["segment_id"] in held_out))
