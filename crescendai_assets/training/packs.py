"""Embeddings as training reads them, by id: from one array mapped into memory, or from a `.pt` file each.

A pack is `<cache>/muq_packs/embeddings.npy`, the frames of all segments of a tier end to end, and `embeddings.jsonl`
beside it, which says where each begins. How packs are written, and when they are stale, is in `packing`, which also
chooses between the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.embeddings.folder import files_in
from crescendai_assets.embeddings.store import WIDTH, embedding_path, read_embedding
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, Table, read_rows

if TYPE_CHECKING:
    from torch import Tensor

DTYPES = ("float32", "float16")
"""What a pack's numbers may be stored as; they are read as float32."""

_FILLED = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_COLUMNS: dict[str, Any] = {
    "segment_id": _FILLED,
    "start": _COUNT,  # row of the array with its first frame
    "frames": {"type": "integer", "minimum": 1},
    "content": {"type": "string", "pattern": "^[0-9a-f]{64}$"},  # SHA-256 of its `.pt` file
}

PACKED_EMBEDDINGS = Table(
    "packed embeddings", "segment_id", {"type": "object", "required": list(_COLUMNS), "properties": _COLUMNS}
)


@dataclass(frozen=True)
class PackFiles:
    """Where a pack lies; it counts for nothing without its index."""

    array: Path
    index: Path


def pack_files(tier: Tier, asset: str = "embeddings") -> PackFiles:
    """The files of a tier's pack.

    Args:
        tier: The tier, with its embedding set.
        asset: What is packed: `embeddings`, or `augmented_pairs` for their augmented twins.
    """
    folder = tier.folder / f"muq_packs{tier.set_suffix}"
    return PackFiles(folder / f"{asset}.npy", folder / f"{asset}.jsonl")


@dataclass(frozen=True)
class PackOnDisk:
    """What a pack that is there says of itself; empty when none is whole."""

    digest: str = ""
    dtype: str = ""


def pack_on_disk(files: PackFiles) -> PackOnDisk:
    """Content hash and type of a pack."""
    if not (files.array.exists() and files.index.exists()):
        return PackOnDisk()
    rows = list(read_rows(files.index))
    try:
        array = open_array(files.array, "r")
    except SetupError:
        return PackOnDisk()
    if len(array) != sum(row["frames"] for row in rows):
        return PackOnDisk()
    return PackOnDisk(content_digest(array.dtype.name, rows), array.dtype.name)


def content_digest(dtype: str, rows: Iterable[Row]) -> str:
    """Content hash of a pack with such an index."""
    return fingerprint(dtype, PACKED_EMBEDDINGS.digest(rows))


class Embeddings(ABC, Mapping[str, "Tensor"]):
    """Segment id -> its embedding, float32, shape (frames, 1024), read when it is asked for."""

    @abstractmethod
    def __getitem__(self, segment_id: str) -> Tensor: ...

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} segments>"


class EmbeddingPack(Embeddings):
    """An open pack. What it gives are views into the file mapped into memory: change a clone, not them."""

    def __init__(self, files: PackFiles) -> None:
        """Read the index; the array is mapped when it is first used.

        Raises:
            SetupError: There is no pack, or array and index do not belong together.
        """
        if not (files.array.exists() and files.index.exists()):
            raise SetupError(f"{files.array}: no pack; materialize the tier's asset pack")
        self._files = files
        self._places = {row["segment_id"]: (row["start"], row["frames"]) for row in read_rows(files.index)}
        rows, total = len(self._array), sum(frames for _, frames in self._places.values())
        if rows != total:
            raise SetupError(
                f"{files.array}: {rows} frames, its index counts {total}; remove both and materialize the pack again"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"_files": self._files, "_places": self._places}  # another process maps the file itself

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, segment_id: object) -> bool:
        return segment_id in self._places

    def __getitem__(self, segment_id: str) -> Tensor:
        start, frames = self._places[segment_id]
        return self._array[start : start + frames].float()  # float32 stays the view that it is

    @property
    def dtype(self) -> str:
        """As its numbers are stored."""
        return str(self._array.dtype).removeprefix("torch.")

    @cached_property
    def _array(self) -> Tensor:
        import torch

        # private pages: torch warns of memory that must not be written to, and nobody writes to the file
        return torch.from_numpy(open_array(self._files.array, "c"))


class EmbeddingFiles(Embeddings):
    """`.pt` files."""

    def __init__(self, paths: Mapping[str, Path] | Path) -> None:
        """Name them; nothing is read.

        Args:
            paths: Segment -> its file; or a folder of `<segment_id>.pt`, listed only when somebody asks what it holds.
        """
        self._paths = _Folder(paths) if isinstance(paths, Path) else paths

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __contains__(self, segment_id: object) -> bool:
        return segment_id in self._paths

    def __getitem__(self, segment_id: str) -> Tensor:
        path = self._paths[segment_id]
        try:
            return read_embedding(path)
        except FileNotFoundError:
            raise SetupError(f"{path}: no such file; materialize the embeddings of {segment_id} again") from None


class _Folder(Mapping[str, Path]):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _ids(self) -> dict[str, None]:
        return dict.fromkeys(sorted(name.removesuffix(".pt") for name in files_in(self._folder)))

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __contains__(self, segment_id: object) -> bool:
        return segment_id in self._ids

    def __getitem__(self, segment_id: str) -> Path:
        return embedding_path(self._folder, segment_id)


def open_array(path: Path, mode: Any) -> Any:
    """Map a pack's array into memory, shape (frames, 1024).

    Raises:
        SetupError: It is no such array.
    """
    import numpy as np

    try:
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise SetupError(
            f"{path}: cannot be read ({error}); remove it and materialize the tier's asset pack again"
        ) from error
    if found.dtype.name not in DTYPES or found.ndim != 2 or found.shape[1] != WIDTH:
        raise SetupError(
            f"{path}: {found.dtype} of shape {found.shape}, expected (frames, {WIDTH}) of {' or '.join(DTYPES)}; "
            "remove it and materialize the tier's asset pack again"
        )
    return found


def index_rows(sizes: Iterable[tuple[str, int, str]]) -> list[Row]:
    """Rows of an index, end to end in the order of ids, from (id, frames, content)."""
    rows: list[Row] = []
    start = 0
    for segment_id, frames, content in sorted(sizes):
        rows.append({"segment_id": segment_id, "start": start, "frames": frames, "content": content})
        start += frames
    return rows
