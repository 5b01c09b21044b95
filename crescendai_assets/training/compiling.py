"""Shards of all sources -> one pack a product, of the performances that may be used for pretraining.

Nothing is held in memory: arrays are laid out in files mapped into it, and `torch.save` writes from there. Which
performances may be used is decided in `corpus_roles`.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import no_room, temporary_name
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.symbolic.corpus.pack import Pack, document, offsets, read_pack
from crescendai_assets.symbolic.corpus.performances import NAME
from crescendai_assets.symbolic.corpus.products import Product
from crescendai_assets.symbolic.corpus.schemas import PACKED
from crescendai_assets.symbolic.corpus.shards import shard_path

USED = ("train", "validation")
"""Roles that are compiled."""


@dataclass(frozen=True)
class PlannedPack:
    """What a compiled file has to hold.

    Attributes:
        product: What it is made of.
        rows: Rows of its index, by id: place in the pack, role, hash of the content.
        shards: (source, shard) -> ids taken from it, in the order of the pack.
        not_made: Performances that may be used and have none of this product as they are now: not yet, or it failed.
    """

    product: Product
    rows: list[Row]
    shards: Mapping[tuple[str, str], list[str]]
    not_made: int

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(self.product.name, PACKED.digest(self.rows))


def plan_pack(tier: Tier, product: Product, roles: Mapping[str, str]) -> PlannedPack:
    """What the compiled file of a product has to hold.

    Args:
        tier: The corpus.
        product: Which.
        roles: Id -> role, of the performances that may be used.
    """
    shards: dict[tuple[str, str], list[str]] = defaultdict(list)
    content: dict[str, str] = {}
    of = product.fingerprints()
    for partition in tier.partitions(product.name):
        files = {row["recording_id"]: row for row in read_rows(partition.stage(NAME).table)}
        for row in read_rows(partition.stage(product.name).table):
            file = files.get(row["recording_id"]) if row["recording_id"] in roles else None
            # roles are of the file as it is now: what was made of another, or in another way, may be anything
            if file and row["fingerprint"] == of(file["sha256"]) and _voiced(row, file):
                shards[partition.key, row["shard"]].append(row["recording_id"])
                content[row["recording_id"]] = row["content"]
    in_order = {place: shards[place] for place in sorted(shards)}
    ids = [recording_id for some in in_order.values() for recording_id in some]
    rows = [{"recording_id": i, "place": place, "role": roles[i], "content": content[i]} for place, i in enumerate(ids)]
    rows.sort(key=lambda row: str(row["recording_id"]))
    return PlannedPack(product, rows, in_order, len(roles) - len(ids))


def _voiced(row: Row, file: Row) -> bool:
    """Whether a graph has its voices from the aligned score as that is now; other products have none."""
    return "voices" not in row or row.get("voices_of") == file.get("aligned_score")


def compiled_path(tier: Tier, product: Product) -> Path:
    """The pack of all sources."""
    return tier.folder / product.compiled


def index_path(tier: Tier, product: Product) -> Path:
    """Its index: place and role by performance."""
    path = compiled_path(tier, product)
    return path.with_name(path.stem + "_index.jsonl")


def write_pack_of_all(tier: Tier, planned: PlannedPack) -> bool:
    """Write the pack and its index; nothing when they are as planned already.

    Returns:
        Whether it was written.

    Raises:
        SetupError: A shard does not hold what its row says, or the disk is full.
    """
    path, index = compiled_path(tier, planned.product), index_path(tier, planned.product)
    if digest_on_disk(tier, planned.product) == planned.digest:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    index.unlink(missing_ok=True)  # without it the pack counts for nothing, so a kill leaves no half truth
    _clear(path)
    _write(tier, planned, path)
    PACKED.write(index, planned.rows)
    return True


def digest_on_disk(tier: Tier, product: Product) -> str:
    """Content hash of what is there, empty when there is nothing whole."""
    path, index = compiled_path(tier, product), index_path(tier, product)
    if not (path.exists() and index.exists()):
        return ""
    digest = fingerprint(product.name, PACKED.digest(read_rows(index)))
    return digest if read_pack(path).facts.get("digest") == digest else ""


def check_packs(tier: Tier, planned: Sequence[PlannedPack]) -> Outcome:
    """Compiling again would change nothing."""
    faults: list[Row] = [
        {"id": one.product.compiled, "fault": "the sources have changed since it was compiled"}
        for one in planned
        if digest_on_disk(tier, one.product) != one.digest
    ]
    facts = {one.product.compiled: len(one.rows) for one in planned}
    return outcome(faults, "compiling again would change nothing", "faults: compile it again", facts)


def _write(tier: Tier, planned: PlannedPack, path: Path) -> None:
    import torch

    ids = [recording_id for some in planned.shards.values() for recording_id in some]
    lengths, shapes = _sizes(tier, planned)
    starts = {name: offsets(some) for name, some in lengths.items()}
    laid = {name: path.with_name(f".{path.name}.{os.getpid()}-{name}.laid") for name in shapes}
    temporary = temporary_name(path)
    try:
        arrays = {name: _mapped(laid[name], int(starts[name][-1]), *shapes[name]) for name in shapes}
        done = 0
        for pack, places in _packs(tier, planned):
            for place in places:
                for name, one in pack[place].items():
                    arrays[name][starts[name][done] : starts[name][done + 1]] = torch.from_numpy(one.copy())
                done += 1
        facts = {"digest": planned.digest, "product": planned.product.name}
        with temporary.open("wb") as file:
            torch.save(document(ids, arrays, starts, facts), file)
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise no_room(error, path) from error
    except RuntimeError as error:  # torch closes its archive after the disk refused, and complains of that
        if not isinstance(error.__context__, OSError):
            raise
        raise no_room(error.__context__, path) from error
    finally:
        temporary.unlink(missing_ok=True)
        for left in laid.values():
            left.unlink(missing_ok=True)


def _sizes(tier: Tier, planned: PlannedPack) -> tuple[dict[str, list[int]], dict[str, tuple[Any, tuple[int, ...]]]]:
    """Length of each performance's arrays, and the type and further axes of each."""
    lengths: dict[str, list[int]] = defaultdict(list)
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {}
    for pack, places in _packs(tier, planned):
        for name, one in pack.arrays.items():
            shapes.setdefault(name, (one.dtype, one.shape[1:]))
            size = pack.offsets[name]
            lengths[name] += [int(size[place + 1] - size[place]) for place in places]
    return lengths, shapes


def _packs(tier: Tier, planned: PlannedPack) -> Iterator[tuple[Pack, list[int]]]:
    """Each shard with the places of what is taken from it."""
    for (source, shard), ids in planned.shards.items():
        path = shard_path(tier.partition(source), planned.product.name, shard)
        pack = read_pack(path)
        place_of = {recording_id: place for place, recording_id in enumerate(pack.ids)}
        if lost := [i for i in ids if i not in place_of]:
            raise SetupError(
                f"{path}: does not hold {lost[0]}; materialize symbolic/{planned.product.name} of {source} again"
            )
        yield pack, [place_of[i] for i in ids]


def _mapped(path: Path, length: int, dtype: Any, further: tuple[int, ...]) -> Any:
    """A tensor that lives in a file."""
    import numpy as np
    import torch

    kind = torch.from_numpy(np.zeros(0, dtype)).dtype
    size = length * math.prod(further)
    if size:
        _reserve(path, size * np.dtype(dtype).itemsize)
    flat = torch.from_file(str(path), shared=True, size=size, dtype=kind) if size else torch.zeros(0, dtype=kind)
    return flat.reshape(length, *further)


def _reserve(path: Path, size: int) -> None:
    """Take the room on disk now: where it is missing, writing to the mapped file would end the process (SIGBUS)."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, size)


def _clear(path: Path) -> None:
    """Remove what killed runs left."""
    for left in (*path.parent.glob(f".{path.name}.*.laid"), *path.parent.glob(f".{path.name}.*.tmp")):
        left.unlink(missing_ok=True)
