"""Writing a tier's embeddings as one array: what the pack has to hold, writing it, and whether it still holds it.

Frames are copied file by file, so memory does not grow with the tier. The array is written under a temporary name and
takes its place only when it is whole; without its index, which goes first and comes last, it counts for nothing.
Reading is in `packs`.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from crescendai_assets.embeddings.clips import embedded_clips
from crescendai_assets.embeddings.folder import CLEAN, Product, embedded_segments
from crescendai_assets.embeddings.identity import EncoderIdentity, read_identity
from crescendai_assets.embeddings.store import WIDTH, embedding_path
from crescendai_assets.embeddings.verify import spread
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import clear_temporary, no_room, temporary_name
from crescendai_assets.lake.journal import locked
from crescendai_assets.lake.layout import CACHES, UNPARTITIONED, Partition, StageFiles, Tier
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.training.packs import (
    DTYPES,
    PACKED_EMBEDDINGS,
    EmbeddingFiles,
    EmbeddingPack,
    Embeddings,
    content_digest,
    index_rows,
    open_array,
    pack_files,
    pack_on_disk,
)

AUGMENTED = Product("augmented_pairs", AUGMENTED_PAIRS)
"""What of it is stale is `youtube/augmented_pairs`' to say: here its rows are taken as they are."""

PRODUCTS: Mapping[str, tuple[Product, ...]] = {
    tier: (CLEAN, AUGMENTED) if tier == "youtube" else (CLEAN,) for tier in CACHES
}
"""Tier -> what of it is packed, each in an array of its own."""

_EVERY = 2_000


@dataclass(frozen=True)
class PlannedPack:
    """What a pack has to hold.

    Attributes:
        tier: Of which tier, and which set of its embeddings.
        product: Which embeddings.
        dtype: As its numbers are stored.
        rows: Rows of its index.
        folders: Segment -> folder of its file.
        encoder: Who made them, for people; empty when nothing says so.
    """

    tier: Tier
    product: Product
    dtype: str
    rows: list[Row] = field(repr=False)
    folders: Mapping[str, Path] = field(repr=False)
    encoder: str

    @property
    def digest(self) -> str:
        """Content hash."""
        return content_digest(self.dtype, self.rows)

    @property
    def frames(self) -> int:
        """Rows of the array."""
        return sum(row["frames"] for row in self.rows)


def plan_pack(tier: Tier, product: Product = CLEAN, dtype: str = "float32") -> PlannedPack:
    """What the pack of a tier has to hold: all partitions' embeddings that are of their segments as they are cut now.

    Raises:
        SetupError: There is no such type, partitions were embedded by different encoders, or an id stands in two.
    """
    if dtype not in DTYPES:
        raise SetupError(f"dtype is {dtype!r}; give {' or '.join(DTYPES)}")
    folders: dict[str, Path] = {}
    found: list[tuple[str, int, str]] = []
    for partition in tier.partitions(product.asset):
        folder = product.folder(partition)
        for row in embedded_in(partition, product):
            if row["segment_id"] in folders:
                raise SetupError(
                    f"{row['segment_id']} is embedded in two partitions of {tier.name}; materialize the older one again"
                )
            folders[row["segment_id"]] = folder
            found.append((row["segment_id"], row["frames"], row["sha256"]))
    return PlannedPack(tier, product, dtype, index_rows(found), folders, _encoder(tier, product))


def embedded_in(partition: Partition, product: Product) -> Iterator[Row]:
    """Rows of a partition's embeddings that are of its segments as they are cut now."""
    if product.asset == CLEAN.asset and partition.tier.name in UNPARTITIONED:
        segments = [{"segment_id": row["segment_id"]} for row in CLEAN.rows(partition)]
        yield from (made for _, made in embedded_clips(partition, segments) if made)
    elif product.asset == CLEAN.asset:
        yield from (made for _, made in embedded_segments(partition) if made)
    else:
        segments_now = {row["segment_id"] for row in read_rows(partition.stage("segments").table)}
        yield from (row for row in product.rows(partition) if row["segment_id"] in segments_now)


def write_pack(planned: PlannedPack, *, progress: Progress = silent) -> bool:
    """Write a pack and its index; nothing when they are as planned already.

    Returns:
        Whether it was written.

    Raises:
        SetupError: A file is not there or not as recorded, another run writes the pack, or the disk is full.
    """
    tier, product = planned.tier, planned.product
    files = pack_files(tier, product.asset)
    with locked(_stage(planned), "pack"):
        clear_temporary(files.array.parent, files.array.name)
        if pack_on_disk(files).digest == planned.digest:
            return False
        temporary = temporary_name(files.array)
        try:
            with temporary.open("wb") as file:
                _write(planned, file, progress)
                file.flush()
                os.fsync(file.fileno())
            files.index.unlink(missing_ok=True)  # a kill from here on leaves no index, so nothing half true
            temporary.replace(files.array)
        except OSError as error:
            raise no_room(error, files.array) from error
        finally:
            temporary.unlink(missing_ok=True)
        PACKED_EMBEDDINGS.write(files.index, planned.rows)
    return True


def embeddings_of(tier: Tier, asset: str = "embeddings", *, packed: bool | None = None) -> Embeddings:
    """The embeddings of a tier for training, from its pack if that is current, else from files.

    Args:
        tier: The tier, with its embedding set.
        asset: `embeddings` or `augmented_pairs`.
        packed: True asks for the pack, False for files.

    Raises:
        SetupError: The pack that is asked for is not there or not current.
    """
    fault = "" if packed is False else state_of(tier, asset)
    if packed is not False and not fault:
        return EmbeddingPack(pack_files(tier, asset))
    if packed:
        raise SetupError(fault)
    if fault and pack_files(tier, asset).array.exists():
        warnings.warn(f"{fault}; `.pt` files are read instead, which is slower", stacklevel=2)
    folders = plan_pack(tier, _product(tier, asset)).folders
    return EmbeddingFiles(
        {segment_id: embedding_path(folders[segment_id], segment_id) for segment_id in sorted(folders)}
    )


def state_of(tier: Tier, asset: str = "embeddings") -> str:
    """What is wrong with a tier's pack, in words; empty when it is current, whatever its type."""
    product, files = _product(tier, asset), pack_files(tier, asset)
    there = pack_on_disk(files)
    if there.digest and there.digest == plan_pack(tier, product, there.dtype).digest:
        return ""
    fault = "the embeddings have changed since it was packed" if there.digest else "no pack"
    return f"{files.array}: {fault}; materialize {tier.name}/pack"


def check_pack(planned: PlannedPack, *, deep: bool = False) -> Outcome:
    """Packing again would change nothing, and the array holds what the files do.

    Args:
        planned: What it has to hold.
        deep: Compare the contents of all segments, not of a sample.
    """
    import numpy as np

    name = planned.product.asset
    faults: list[Row] = []
    read: list[Row] = []
    if pack_on_disk(pack_files(planned.tier, name)).digest != planned.digest:
        faults.append({"id": name, "fault": "the embeddings have changed since they were packed"})
    elif planned.rows:
        array = open_array(pack_files(planned.tier, name).array, "r")
        read = planned.rows if deep else spread(planned.rows)
        for row in read:
            stored = array[row["start"] : row["start"] + row["frames"]]
            try:
                same = np.array_equal(stored, _embedding(planned, row))
            except SetupError as error:
                faults.append({"id": row["segment_id"], "fault": str(error)})
                continue
            if not same:
                faults.append(
                    {"id": row["segment_id"], "fault": "the pack holds something else than its file: remove the pack"}
                )
    facts = {f"{name}_segments": len(planned.rows), f"{name}_contents_read": len(read), "deep": deep}
    return outcome(faults, f"{name}: packing again would change nothing", "faults: materialize it again", facts)


def pack_facts(planned: PlannedPack) -> dict[str, Any]:
    """Counts of a pack that is there."""
    size = pack_files(planned.tier, planned.product.asset).array.stat().st_size
    encoder = {"encoder": planned.encoder} if planned.encoder else {}
    return {"segments": len(planned.rows), "frames": planned.frames, "megabytes": round(size / 1e6, 1), **encoder}


def _product(tier: Tier, asset: str) -> Product:
    for one in PRODUCTS[tier.name]:
        if one.asset == asset:
            return one
    raise SetupError(f"{tier.name} has no {asset!r}; it has {', '.join(one.asset for one in PRODUCTS[tier.name])}")


def _write(planned: PlannedPack, file: BinaryIO, progress: Progress) -> None:
    import numpy as np

    header = {"descr": np.dtype(planned.dtype).newbyteorder("<").str, "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, {**header, "shape": (planned.frames, WIDTH)})
    for number, row in enumerate(planned.rows, start=1):
        file.write(_embedding(planned, row).data)
        if number % _EVERY == 0:
            progress(f"{planned.product.asset}: {number} of {len(planned.rows)} segments packed")


def _embedding(planned: PlannedPack, row: Row) -> Any:
    """One embedding as the pack stores it, shape (frames, 1024), from its file.

    Raises:
        SetupError: The file is not there, not as recorded, or does not fit the type.
    """
    import numpy as np
    import torch

    path = embedding_path(planned.folders[row["segment_id"]], row["segment_id"])
    cure = f"remove it and materialize {planned.tier.name}/{planned.product.asset} again"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SetupError(f"{path}: is gone; materialize {planned.tier.name}/{planned.product.asset} again") from None
    if hashlib.sha256(data).hexdigest() != row["content"]:
        raise SetupError(f"{path}: its contents are not those recorded; {cure}")
    # numpy from here on: torch calls its threads for each of these, which takes ten times as long
    embedding = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True).contiguous().numpy()
    if embedding.shape != (row["frames"], WIDTH):
        raise SetupError(f"{path}: shape {embedding.shape}, its row says ({row['frames']}, {WIDTH}); {cure}")
    with np.errstate(over="ignore"):  # told below
        stored = embedding.astype(np.dtype(planned.dtype).newbyteorder("<"), copy=False)
    if not np.isfinite(stored).all():
        fits = bool(np.isfinite(embedding).all())
        fault = f"too large for {planned.dtype}; pack as float32" if fits else f"no numbers; {cure}"
        raise SetupError(f"{path}: holds values that are {fault}")
    return stored


def _encoder(tier: Tier, product: Product) -> str:
    """The encoder of all partitions; a tier's clean embeddings count too, since pairs are of one encoder.

    Raises:
        SetupError: There are several. Precision may differ: it moves embeddings by less than a pack of float16 does.
    """
    found: dict[str, tuple[Path, EncoderIdentity]] = {}
    for one in {CLEAN.asset: CLEAN, product.asset: product}.values():
        for partition in tier.partitions(one.asset):
            folder = one.folder(partition)
            if (identity := read_identity(folder)) and next(iter(one.rows(partition)), None):
                found.setdefault(replace(identity, precision="").digest, (folder, identity))
    if len(found) > 1:
        (first, a), (second, b) = list(found.values())[:2]
        raise SetupError(
            f"{first} is of {a.describe()}, {second} of {b.describe()}: embeddings of two encoders make no pack; "
            f"embed one of them again after `crescendai embeddings reset {tier.name}`, or choose a set by "
            "CRESCENDAI_EMBEDDING_SET"
        )
    return next((identity.describe() for _, identity in found.values()), "")


def _stage(planned: PlannedPack) -> StageFiles:
    """Only its lock is used."""
    files = pack_files(planned.tier, planned.product.asset)
    lock = files.array.with_name(f".{files.array.stem}.lock")
    return StageFiles(table=files.index, journal=lock, ledger=lock, lock=lock, last_run=lock)
