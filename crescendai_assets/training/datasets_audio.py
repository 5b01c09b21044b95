"""Performances as stored embeddings: rows with placements or ratings, pairs of one piece, clean and augmented twins.

Batches are those of `models.audio_options`, joined by `multi_task_collate_fn`. Where the embeddings come from is
`packs`' business, what a lake's tiers give `datasets_tiers`'.
"""

# ruff: noqa: TID253 - datasets are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from crescendai_assets.embeddings.store import WIDTH, read_embedding
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training.datasets_batches import Item, multi_task_collate_fn
from crescendai_assets.training.datasets_chance import Reshuffled
from crescendai_assets.training.datasets_pairs import Partners, placement_of
from crescendai_assets.training.packs import EmbeddingFiles, Embeddings

MAX_FRAMES = 1000
"""Frames of a performance that are used, from its beginning; a segment of 30 s has at most 750."""

EMBEDDINGS = "muq_embeddings"
"""Folder of a tier's cache with its `.pt` files."""

_SEGMENT = re.compile(r"_seg\d+$")


class CompetitionDataset(Dataset[dict[str, Any]]):
    """Performances by row; an index gives one, a pair of indices (as `CompetitionPairSampler` draws) a comparison.

    Items hold `embeddings` (T, 1024), `ids`, and what rows have of: `placement` (1 is best, NaN not known), `labels`
    (D,), `weights`, and `piece_ids` of a `passage`. Comparisons hold each of these twice, with `_a` and `_b`.
    """

    collate: ClassVar[Any] = staticmethod(multi_task_collate_fn)

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any]],
        max_frames: int = MAX_FRAMES,
        *,
        embeddings: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Take rows; embeddings are read when they are asked for.

        Args:
            rows: With `recording_id`, `placement` or `labels`, and `embeddings`: a tensor (T, 1024) or the path of a
                `.pt` file. Rows without it have theirs in `embeddings`, under `segment_id` or else `recording_id`.
            max_frames: Frames that are used of each.
            embeddings: Id -> embedding.

        Raises:
            ValueError: Some rows have what others lack, so that they make no batch.
        """
        self.rows, self.max_frames, self._embeddings = list(rows), max_frames, embeddings
        self._given = [
            name for name in ("placement", "labels", "weights", "passage") if any(name in r for r in self.rows)
        ]
        for row in self.rows:
            if lacking := [name for name in self._given if name not in row]:
                raise ValueError(
                    f"row {_id(row)} has no {lacking[0]}, others have; give each tier a dataset of its own"
                )
        passages = sorted({row["passage"] for row in self.rows}) if "passage" in self._given else []
        self._numbers = {passage: number for number, passage in enumerate(passages)}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        if not isinstance(index, tuple):
            return self._one(index)
        sides = zip("ab", map(self._one, index), strict=True)
        return {f"{name}_{side}": value for side, item in sides for name, value in item.items()}

    def _one(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        item: dict[str, Any] = {"embeddings": self._read(row)[: self.max_frames], "ids": _id(row)}
        if "placement" in self._given:
            item["placement"] = torch.tensor(placement_of(row))
        if "labels" in self._given:
            item["labels"] = torch.as_tensor(row["labels"], dtype=torch.float32)
        if "weights" in self._given:
            item["weights"] = torch.tensor(float(row["weights"]))
        if "passage" in self._given:
            item["piece_ids"] = torch.tensor(self._numbers[row["passage"]])
        return item

    def _read(self, row: Mapping[str, Any]) -> Tensor:
        given = row.get("embeddings")
        if isinstance(given, str | Path):
            given = read_embedding(Path(given))
        elif given is None and self._embeddings is not None:
            given = self._embeddings[_id(row)]
        return _checked(given, _id(row))


class PairedPerformanceDataset(Reshuffled, Dataset[dict[str, Any]]):
    """Two performances of one piece: T1 with their ratings, T3 as positives of a contrast.

    Never two of one performer, one recording, or two splits, where these are known. Items hold `embeddings_a/b`
    (T, 1024), `ids_a/b`, `piece_ids_a/b`, and where they are given `labels_a/b` (D,) and `weights_a/b`.
    """

    collate: ClassVar[Any] = staticmethod(multi_task_collate_fn)

    def __init__(
        self,
        cache_dir: Path | str,
        labels: Mapping[str, Any] | None,
        piece_to_keys: Mapping[str, Sequence[str]],
        keys: Iterable[str],
        performers: Mapping[str, str] | None = None,
        splits: Mapping[str, str] | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        embeddings: Mapping[str, Tensor] | None = None,
        every: bool | None = None,
        max_frames: int = MAX_FRAMES,
        seed: int = 0,
    ) -> None:
        """Find the pairs; embeddings are read when they are asked for.

        Args:
            cache_dir: A tier's cache, whose `muq_embeddings/` holds the `.pt` files.
            labels: Key -> ratings; empty or None where there are none (T3). With labels only keys that have one count.
            piece_to_keys: Piece (T1: passage) -> its keys.
            keys: Those that may be used, such as one side of a split.
            performers: Key -> performer; without an entry, or as None, not known.
            splits: Key -> split; likewise.
            weights: Key -> weight of its ratings.
            embeddings: Key -> embedding, as of a pack; instead of the files.
            every: Every pair is an item (the default with labels), or every key with a partner, whom it is given anew
                in each epoch (the default without: pairs are many).
            max_frames: Frames that are used of each.
            seed: Of the draw of partners.
        """
        super().__init__(seed)
        self.labels, self.weights, self.max_frames = dict(labels or {}), weights, max_frames
        self.embeddings = EmbeddingFiles(Path(cache_dir) / EMBEDDINGS) if embeddings is None else embeddings
        piece_of = {key: piece for piece, some in piece_to_keys.items() for key in some}
        usable = set(keys) & piece_of.keys()
        self.keys = sorted(usable & self.labels.keys() if self.labels else usable)
        self.piece_ids = {piece: number for number, piece in enumerate(sorted(piece_to_keys))}
        self._pieces = [self.piece_ids[piece_of[key]] for key in self.keys]
        self._partners = Partners(
            self._pieces,
            unlike=[[_SEGMENT.sub("", key) for key in self.keys], [(performers or {}).get(key) for key in self.keys]],
            alike=[[(splits or {}).get(key) for key in self.keys]],
        )
        self._pairs = self._partners.every_pair() if (bool(self.labels) if every is None else every) else None

    def __len__(self) -> int:
        return len(self._partners.anchors) if self._pairs is None else len(self._pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"pair {index} of {len(self)}")
        pair = self._drawn(index) if self._pairs is None else self._pairs[index].tolist()
        sides = zip("ab", pair, strict=True)
        return {f"{name}_{side}": value for side, place in sides for name, value in self._one(place).items()}

    def pair(self, index: int) -> tuple[str, str]:
        """Keys of an item in this epoch."""
        a, b = self._drawn(index) if self._pairs is None else self._pairs[index].tolist()
        return self.keys[a], self.keys[b]

    def _drawn(self, index: int) -> tuple[int, int]:
        anchor = int(self._partners.anchors[index])
        return anchor, self._partners.draw(anchor, self.chance(self.keys[anchor]))

    def _one(self, place: int) -> Item:
        key = self.keys[place]
        item: dict[str, Any] = {
            "embeddings": _checked(self.embeddings[key], key)[: self.max_frames],
            "ids": key,
            "piece_ids": torch.tensor(self._pieces[place]),
        }
        if self.labels:
            item["labels"] = torch.as_tensor(np.asarray(self.labels[key]), dtype=torch.float32)
        if self.weights is not None:
            item["weights"] = torch.tensor(float(self.weights[key]))
        return item


class AugmentedEmbeddingDataset(Dataset[dict[str, Any]]):
    """A segment as it sounds and as another room, microphone or codec would have it.

    Items hold `embeddings_clean` and `embeddings_augmented` (T, 1024) of one id, `ids`, and perhaps `piece_ids`.
    """

    collate: ClassVar[Any] = staticmethod(multi_task_collate_fn)

    def __init__(
        self,
        clean: Mapping[str, Tensor] | Path,
        augmented: Mapping[str, Tensor] | Path,
        ids: Iterable[str] | None = None,
        *,
        pieces: Mapping[str, str] | None = None,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        """Find the twins.

        Args:
            clean: Id -> embedding, or a folder of `.pt` files.
            augmented: The same.
            ids: Those that may be used; None for all. Only those in both count.
            pieces: Id -> piece: performances of one piece are no negatives of each other.
            max_frames: Frames that are used of each.
        """
        self.clean, self.augmented = (_opened(one) for one in (clean, augmented))
        wanted = self.clean if ids is None else set(ids)
        self.ids = sorted(one for one in wanted if one in self.clean and one in self.augmented)
        self.max_frames, self._pieces = max_frames, pieces
        self._numbers = {piece: number for number, piece in enumerate(sorted(set((pieces or {}).values())))}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        key = self.ids[index]
        item: dict[str, Any] = {
            "embeddings_clean": _checked(self.clean[key], key)[: self.max_frames],
            "embeddings_augmented": _checked(self.augmented[key], key)[: self.max_frames],
            "ids": key,
        }
        if self._pieces is not None:  # below 0: of a piece that is not known, and so nobody's negative
            item["piece_ids"] = torch.tensor(self._numbers[self._pieces[key]] if key in self._pieces else -1)
        return item


def _opened(given: Mapping[str, Tensor] | Path) -> Mapping[str, Tensor]:
    return EmbeddingFiles(given) if isinstance(given, Path) else given


def _id(row: Mapping[str, Any]) -> str:
    return str(row.get("segment_id", row["recording_id"]) if "recording_id" in row else row["segment_id"])


def _checked(embedding: Any, name: str) -> Tensor:
    """The embedding, if it can be one; or samples, for a model that hears these through MuQ.

    Raises:
        SetupError: It is none.
    """
    sound = isinstance(embedding, Tensor) and embedding.ndim == 1 and len(embedding) > WIDTH  # not one pooled vector
    if not isinstance(embedding, Tensor) or not (sound or embedding.ndim == 2) or not len(embedding):
        found = f"shape {tuple(embedding.shape)}" if isinstance(embedding, Tensor) else type(embedding).__name__
        raise SetupError(
            f"{name}: embedding is {found}; expected a tensor (frames, 1024) or of samples, a path, or a pack"
        )
    return embedding.float()


__all__ = ["AugmentedEmbeddingDataset", "CompetitionDataset", "Embeddings", "PairedPerformanceDataset"]
