"""Embeddings that already exist, taken into the lake: a folder of `.pt` files, or one file `{key: tensor}`.

They are checked against the contract and committed like any others. Who made them is given by config, or stays
`imported, unverified`, and is written beside them, so that no other encoder adds to the folder.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.embeddings.folder import (
    clear_way,
    committed_embeddings,
    drop_orphans,
    files_in,
    pruner,
    segments_of,
    wanted_embeddings,
    write_embeddings,
)
from crescendai_assets.embeddings.identity import TEMPORAL_POOL, EncoderIdentity, claim_folder
from crescendai_assets.embeddings.muq import pooled_frames
from crescendai_assets.embeddings.muq_forward import frames_of
from crescendai_assets.embeddings.store import read_embedding, refuse_unfit
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, by_recording, read_rows

if TYPE_CHECKING:
    from torch import Tensor


# what torch.load makes of bytes that are no tensors
_UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError)


def imported_identity(given: Mapping[str, Any]) -> EncoderIdentity:
    """The identity of imported embeddings.

    Args:
        given: Any fields of `EncoderIdentity`; without a checkpoint they count as unverified.

    Raises:
        SetupError: There is no such field, or it cannot hold what is given.
    """
    known: dict[str, Any] = {
        "checkpoint": "imported",
        "revision": "unverified",
        "layers": (),
        "temporal_pool": TEMPORAL_POOL,
        "precision": "unknown",
        "trained": True if "checkpoint" in given else None,
    }
    if odd := set(given) - set(known):
        raise SetupError(f"import_identity has no field {', '.join(sorted(odd))}; there are {', '.join(known)}")
    values = {**known, **given}
    pool, layers = values["temporal_pool"], values["layers"]
    if not isinstance(pool, int) or pool < 1:
        raise SetupError(f"import_identity: temporal_pool is {pool!r}; it must be a number from 1 on")
    if not isinstance(layers, list | tuple) or not all(isinstance(layer, int) for layer in layers):
        raise SetupError(f"import_identity: layers is {layers!r}; give a list of numbers, such as [9, 10, 11, 12]")
    return EncoderIdentity(**{**values, "layers": tuple(values["layers"])})


def import_partition(
    partition: Partition,
    source: Path,
    identity: EncoderIdentity,
    *,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Take a partition's embeddings from `source`; recordings that are not wholly there go to the ledger.

    Args:
        partition: Where; its segments table says what there is.
        source: Folder of `<segment_id>.pt`, or one file `{segment_id: tensor}`.
        identity: Who made them.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The source is neither, or the folder belongs to another encoder.
    """
    tensors = Tensors(source)
    folder = partition.embedding_folder

    def wanted() -> dict[str, str]:
        claim_folder(folder, identity, partition.tier.name)  # under the lock, or a reset could come between
        return wanted_embeddings(partition, identity)

    def row_of(row: Row) -> tuple[Row, Tensor, Row]:
        embedding = _as_stored(tensors.get(row["segment_id"]), row, identity.temporal_pool)
        refuse_unfit(embedding, pooled_frames(row["n_valid"], identity.temporal_pool), row["segment_id"])
        return row, embedding, {}

    def work(run: StageRun) -> None:
        before = segments_of(partition, run.plan.stale)
        for recording_id, rows in by_recording(read_rows(partition.stage("segments").table)):
            if recording_id not in run.plan.pending:
                continue
            try:
                found = [row_of(row) for row in rows]
            except RecordingError as error:
                run.fail(recording_id, error)
                continue
            clear_way(run, folder, recording_id, before, {row["segment_id"] for row in rows})
            committed = write_embeddings(folder, recording_id, found, identity.digest)
            run.commit(recording_id, committed, sum(row["n_valid"] for row in rows) / SAMPLE_RATE)

    return run_stage(
        partition,
        "embeddings",
        EMBEDDINGS,
        wanted=wanted,
        committed=lambda: committed_embeddings(partition),
        work=work,
        options=options,
        progress=progress,
        on_prune=pruner(partition),
        sweep=lambda: drop_orphans(partition),
        facts=lambda: {"imported_from": str(source), "encoder": identity.describe()},
    )


class Tensors:
    """Tensors by key, from a folder or one file (memory-mapped: it may be larger than memory)."""

    def __init__(self, source: Path) -> None:
        self._folder: Path | None = source if source.is_dir() else None
        self._loaded: Mapping[str, Any] = {}
        if self._folder is None:
            self._loaded = _load_mapping(source)

    def names(self) -> list[str]:
        """Keys there are, sorted."""
        if self._folder:
            return sorted(name.removesuffix(".pt") for name in files_in(self._folder))
        return sorted(key for key in self._loaded if isinstance(key, str))

    def content(self, key: str) -> str:
        """SHA-256 of what stands under a key: of its file, or of its values in the one file.

        Raises:
            RecordingError: It cannot be read.
        """
        import torch

        if self._folder:
            path = self._folder / f"{key}.pt"
            try:
                return sha256_file(path)
            except OSError as error:
                raise RecordingError(f"{path}: cannot be read ({error.strerror}); see to it", "retry") from error
        found = self._loaded[key]
        digest = hashlib.sha256(f"{type(found).__name__} {tuple(getattr(found, 'shape', ()))}".encode())
        if isinstance(found, torch.Tensor) and found.layout == torch.strided:
            digest.update(found.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def get(self, key: str) -> Tensor:
        """The tensor under a key.

        Raises:
            RecordingError: There is none, or something else.
        """
        if self._folder:
            path = self._folder / f"{key}.pt"
            found: Any = _read(path) if path.is_file() else None
        else:
            found = self._loaded.get(key)
        if found is None:
            raise RecordingError(
                f"{key}: not among the imported embeddings; import them too and run with `retry_failed: true`",
                "needs_user",
            )
        if not hasattr(found, "shape"):
            raise RecordingError(f"{key}: holds {type(found).__name__}, expected a tensor (frames, 1024)")
        tensor: Tensor = found
        return tensor


def _read(path: Path) -> Any:
    try:
        return read_embedding(path)
    except _UNREADABLE as error:
        raise RecordingError(
            f"{path}: not a tensor that loads with weights_only=True ({type(error).__name__}); write it again"
        ) from error


def _load_mapping(source: Path) -> Mapping[str, Any]:
    import torch

    if not source.is_file():
        raise SetupError(f"import_from is {source}: no such file or folder")
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    except _UNREADABLE as error:
        raise SetupError(f"{source}: not a file of tensors that loads with weights_only=True ({error})") from error
    if not isinstance(loaded, dict):
        raise SetupError(f"{source}: holds {type(loaded).__name__}, expected {{segment_id: tensor}}")
    return loaded


def _as_stored(tensor: Tensor, row: Row, pool: int) -> Tensor:
    """A tensor at MuQ's 25 frames a second is pooled as the contract wants; a pooled one is taken as it is."""
    tensor = tensor.float()
    if pool > 1 and tensor.ndim == 2 and len(tensor) == frames_of(row["n_valid"]):
        rows = len(tensor) // pool
        return tensor[: rows * pool].reshape(rows, pool, -1).mean(1)
    return tensor
