"""Which passages must not be torn apart: groups of them for splits that keep whatever sounds alike on one side.

By names and bytes (`passage_groups`): where a piece was cut into 16-bar passages as well as 8-bar ones, they are taken
to follow one grid: 16-bar passage k covers the 8-bar ones 2k-1 and 2k, and these two go together whether or not the
long one was rated. And the same MIDI file under several names joins what the names say: repeats in a score sound the
same from a machine. In PercePiano that makes 58 of 99 passages, then 46. (Joining only where a long passage was rated
gives 71, then 55; the coarser grid also keeps the two halves of a period together.)

By content as well (`content_groups`): the grid does not hold in much of D 960, whose third long passage of movement ii
is 8 bars long, so that from the fourth on k holds 2k-2 and 2k-1. Of its pairs of segments with the same take 85 stand
in different ones of the 46 groups. Joining what shares a take leaves 36.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from crescendai_assets.labels.names import LONG, SHORT, SegmentName
from crescendai_assets.lake.groups import joined


def passage_groups(names: Sequence[SegmentName], identical: Iterable[Sequence[str]] = ()) -> dict[str, str]:
    """The group of each passage, named after the first passage in it.

    Args:
        names: All segments; which lengths a piece has follows from them.
        identical: Segments whose MIDI files have the same bytes, by key.
    """
    gridded = {name.piece for name in names if name.bars == LONG} & {name.piece for name in names if name.bars == SHORT}
    passage_of = {name.key: name.passage for name in names}
    cells: dict[object, set[str]] = defaultdict(set)
    for name in names:
        cells[_cell(name, gridded)].add(name.passage)
    together = [*cells.values(), *({passage_of[key] for key in keys if key in passage_of} for keys in identical)]
    return joined(together)


def content_groups(groups: Mapping[str, str], same_take: Iterable[Collection[str]]) -> dict[str, str]:
    """Groups joined where their passages share a take: the group of each passage, named after the first one in it.

    Args:
        groups: The group of each passage, from `passage_groups`.
        same_take: Passages of segments that hold the same performance, in whole or in part.
    """
    return joined([*({passage, group} for passage, group in groups.items()), *same_take])


def identical_segments(hashes: Mapping[str, str]) -> list[list[str]]:
    """Segments that share a hash, each group and all groups in order; none for a hash that stands alone."""
    same: dict[str, list[str]] = defaultdict(list)
    for key, digest in sorted(hashes.items()):
        same[digest].append(key)
    return sorted(keys for keys in same.values() if len(keys) > 1)


def _cell(name: SegmentName, gridded: set[str]) -> object:
    """What a passage shares with those that cover the same place of the grid; its own name where there is no grid."""
    if name.piece not in gridded or name.bars not in (LONG, SHORT):
        return name.passage
    return name.piece, name.number if name.bars == LONG else (name.number + 1) // 2
