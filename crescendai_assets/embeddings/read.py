"""Reading a tier for a notebook: its segments as a table, its embeddings as an array that reads when asked."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from crescendai_assets.embeddings.clips import embedded_clips
from crescendai_assets.embeddings.folder import CLEAN, embedded_segments
from crescendai_assets.embeddings.store import WIDTH, embedding_path, read_embedding
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import UNPARTITIONED, Partition, open_lake
from crescendai_assets.lake.tables import Row, read_rows

if TYPE_CHECKING:
    import pandas as pd

Embedding = NDArray[np.float32]


class EmbeddingArray(Sequence[Embedding]):
    """Embeddings of many segments; an index reads one, a slice or list of indices gives another lazy array."""

    def __init__(self, paths: Sequence[Path], frames: Sequence[int] | NDArray[np.int64]) -> None:
        """Take files and their frame counts, in order."""
        self._paths, self.frames = list(paths), np.asarray(frames, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> Embedding: ...
    @overload
    def __getitem__(self, index: slice) -> EmbeddingArray: ...
    @overload
    def __getitem__(self, index: Iterable[int]) -> EmbeddingArray: ...
    def __getitem__(self, index: int | slice | Iterable[int]) -> Embedding | EmbeddingArray:
        if isinstance(index, slice):
            return EmbeddingArray(self._paths[index], self.frames[index])
        if isinstance(index, Iterable):
            chosen = np.asarray(list(index))
            places = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(int)
            return EmbeddingArray([self._paths[i] for i in places], self.frames[places])
        return np.asarray(read_embedding(self._paths[operator.index(index)]))

    def __iter__(self) -> Iterator[Embedding]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} embeddings of (frames, {WIDTH}), {int(self.frames.sum())} frames, read when asked for>"

    def pooled(self) -> Embedding:
        """Mean over time of each, shape (len, 1024); reads every file."""
        return np.stack([one.mean(axis=0) for one in self]) if len(self) else np.zeros((0, WIDTH), np.float32)


class Loaded(NamedTuple):
    """A table with one row a segment, and the embeddings in the same order."""

    table: pd.DataFrame
    embeddings: EmbeddingArray


def load_tier(
    tier: str, partition: str | None = None, *, root: str | Path | None = None, embedding_set: str = ""
) -> Loaded:
    """See `crescendai_assets.load`."""
    import pandas as pd

    found = open_lake(root).tier(tier, embedding_set)
    partitions = [found.partition(partition)] if partition else found.partitions("embeddings")
    rows, paths = [], []
    for one in partitions:
        for row in _embedded(one):
            rows.append(row)
            paths.append(embedding_path(one.embedding_folder, row["segment_id"]))
    if not rows:
        raise SetupError(
            f"nothing of {tier}{f' {partition}' if partition else ''} is embedded under {found.folder}; "
            f"materialize {tier}/embeddings, or set CRESCENDAI_DATA to where it is"
        )
    return Loaded(pd.DataFrame(rows), EmbeddingArray(paths, [row["frames"] for row in rows]))


def _embedded(partition: Partition) -> Iterator[Row]:
    if partition.tier.name in UNPARTITIONED:  # rows of the names; where these were not made yet, bare ids
        segments = list(read_rows(partition.tier.metadata))
        named = segments or [{"segment_id": row["segment_id"]} for row in CLEAN.rows(partition)]
        found, where = embedded_clips(partition, named), {}
    else:
        found, where = embedded_segments(partition), {"partition": partition.key}
    for row, made in found:
        if made:
            yield {**row, **where, "frames": made["frames"], "embedding_sha256": made["sha256"]}
