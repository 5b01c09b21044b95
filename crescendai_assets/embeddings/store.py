"""Embedding files: one `.pt` a segment, the same bytes for the same values, loadable with `weights_only=True`."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import MAX_ID_BYTES, checked_id, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 1024


def embedding_path(folder: Path, segment_id: str) -> Path:
    """The file of one segment's embedding."""
    return folder / f"{checked_id(segment_id, MAX_ID_BYTES + len('_seg00000'))}.pt"


def to_bytes(embedding: Tensor) -> bytes:
    """Serialise an embedding.

    A clone goes through a buffer: `torch.save` would store a slice with its whole batch, and a path's name inside.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(embedding.detach().to("cpu", torch.float32).clone(memory_format=torch.contiguous_format), buffer)
    return buffer.getvalue()


def write_embedding(folder: Path, segment_id: str, embedding: Tensor) -> tuple[int, str]:
    """Write one embedding atomically; returns the file's bytes and SHA-256.

    Raises:
        SetupError: The disk is full.
    """
    data = to_bytes(embedding)
    write_atomic(embedding_path(folder, segment_id), data)
    return len(data), hashlib.sha256(data).hexdigest()


def read_embedding(path: Path) -> Tensor:
    """Read one embedding, float32, shape (frames, 1024)."""
    import torch

    embedding: Tensor = torch.load(path, map_location="cpu", weights_only=True)
    return embedding


def refuse_unfit(embedding: Tensor, frames: int, segment_id: str) -> None:
    """Check one embedding against the file contract.

    Raises:
        RecordingError: It has another shape than (frames, 1024), or a value that is not finite.
    """
    if tuple(embedding.shape) != (frames, WIDTH):
        raise RecordingError(f"{segment_id}: embedding of shape {tuple(embedding.shape)}, expected ({frames}, {WIDTH})")
    if not bool(embedding.isfinite().all()):
        raise RecordingError(
            f"{segment_id}: embedding holds values that are not finite; look at the audio of this segment"
        )
