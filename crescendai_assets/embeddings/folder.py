"""A folder of embeddings against its tables: what there should be, what there is, which of it belongs to nobody.

Making embeddings is `pipeline`'s and `importing`'s work, verdicts are `verify`'s, one file is `store`'s.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crescendai_assets.embeddings.identity import EncoderIdentity, read_identity
from crescendai_assets.embeddings.store import embedding_path, write_embedding
from crescendai_assets.lake.fingerprints import digest_lines, fingerprint
from crescendai_assets.lake.layout import UNPARTITIONED, Partition
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.stage import StageRun
from crescendai_assets.lake.tables import Row, Table, by_recording, read_rows

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Product:
    """A folder of embeddings in a partition, and the asset that fills it.

    Attributes:
        asset: `embeddings` (of the sound as it is) or `augmented_pairs` (of the same segments, augmented).
        table: Its table.
        recipe: What is done to the sound before it is encoded; empty for nothing.
    """

    asset: str
    table: Table
    recipe: str = ""

    def folder(self, partition: Partition) -> Path:
        """Where its files lie."""
        return partition.augmented_folder if self.asset == "augmented_pairs" else partition.embedding_folder

    def rows(self, partition: Partition) -> Iterator[Row]:
        """Its rows in a partition."""
        return read_rows(partition.stage(self.asset).table)

    def fingerprint(self, row: Row, encoder_digest: str) -> str:
        """What the embedding of a segment depends on: the source's bytes, where it lies, the recipe, the encoder."""
        parts = (row["source_sha256"], row["segment_start"], row["n_valid"], encoder_digest)
        return fingerprint(*parts, self.recipe) if self.recipe else fingerprint(*parts)


CLEAN = Product("embeddings", EMBEDDINGS)


def wanted_embeddings(partition: Partition, identity: EncoderIdentity, product: Product = CLEAN) -> dict[str, str]:
    """Recording id -> digest of the ids and fingerprints its embeddings should have."""
    encoder = identity.digest
    wanted = {
        recording_id: digest_lines(f"{row['segment_id']} {product.fingerprint(row, encoder)}" for row in rows)
        for recording_id, rows in by_recording(read_rows(partition.stage("segments").table))
    }
    return wanted | imported_clips(partition)


def imported_clips(partition: Partition) -> dict[str, str]:
    """Rated clip -> digest of the embedding it was imported with; only another import can make it stale."""
    if partition.tier.name not in UNPARTITIONED:
        return {}
    rows = (row for row in CLEAN.rows(partition) if row.get("imported"))
    return {row["recording_id"]: digest_lines([f"{row['segment_id']} {row['fingerprint']}"]) for row in rows}


def committed_embeddings(partition: Partition, product: Product = CLEAN) -> dict[str, str]:
    """Recording id -> digest of the ids and fingerprints it has; another value when a file is missing."""
    there = files_in(product.folder(partition))
    return {
        recording_id: digest_lines(
            f"{row['segment_id']} {row['fingerprint'] if row['segment_id'] + '.pt' in there else 'file missing'}"
            for row in rows
        )
        for recording_id, rows in by_recording(product.rows(partition))
    }


def segments_of(partition: Partition, recordings: Collection[str], product: Product = CLEAN) -> dict[str, set[str]]:
    """Recording id -> ids of the segments that have an embedding now, for some recordings."""
    groups = by_recording(product.rows(partition)) if recordings else ()
    return {i: {row["segment_id"] for row in rows} for i, rows in groups if i in recordings}


def clear_way(run: StageRun, folder: Path, recording_id: str, before: Mapping[str, set[str]], wanted: set[str]) -> None:
    """Prepare a stale recording for its new files: those it has no use for go first, then the rows of the old ones.

    Args:
        run: The run.
        folder: Of the files.
        recording_id: The recording.
        before: From `segments_of`.
        wanted: Ids of the segments it will have.
    """
    if recording_id in before:
        for segment_id in before[recording_id] - wanted:
            embedding_path(folder, segment_id).unlink(missing_ok=True)
        run.forget(recording_id)


def write_embeddings(
    folder: Path,
    recording_id: str,
    embedded: Iterable[tuple[Row, Tensor, Row]],
    encoder_digest: str,
    product: Product = CLEAN,
) -> list[Row]:
    """Write the files of a recording and return the rows to commit.

    Args:
        folder: Where the files go.
        recording_id: The recording.
        embedded: Each segment's row with its embedding, and what else its new row says.
        encoder_digest: Of the identity that made them.
        product: Which embeddings they are.

    Raises:
        SetupError: The disk is full.
    """
    rows = []
    for row, embedding, more in embedded:
        size, sha256 = write_embedding(folder, row["segment_id"], embedding)
        rows.append(
            {
                "segment_id": row["segment_id"],
                "recording_id": recording_id,
                "fingerprint": product.fingerprint(row, encoder_digest),
                "sha256": sha256,
                "bytes": size,
                "frames": len(embedding),
                **more,
            }
        )
    return rows


def pruner(partition: Partition, product: Product = CLEAN) -> Callable[[str], None]:
    """Removes the files of a recording, unless another partition of a shared folder has taken it over."""
    folder = product.folder(partition)

    @functools.cache  # read once, and only when something is removed
    def removable() -> set[str]:
        return files_in(folder) - _names(_others(partition), product.asset)

    def drop(recording_id: str) -> None:
        for name in removable():
            if re.fullmatch(re.escape(recording_id) + r"(_seg\d+)?\.pt", name):
                (folder / name).unlink(missing_ok=True)

    return drop


def files_in(folder: Path) -> set[str]:
    """Names of the embedding files of a folder."""
    if not folder.is_dir():
        return set()
    return {entry.name for entry in os.scandir(folder) if entry.name.endswith(".pt") and not entry.name.startswith(".")}


def embedded_segments(partition: Partition) -> Iterator[tuple[Row, Row | None]]:
    """Each segment's row with its embedding's, None where it has none as it is cut now.

    An embedding of other bounds or another sound may bear the id of a segment that was cut again since.
    """
    made = {row["segment_id"]: row for row in read_rows(partition.stage("embeddings").table)}
    identity = read_identity(partition.embedding_folder)
    for row in read_rows(partition.stage("segments").table):
        found = made.get(row["segment_id"])
        fits = found and (identity is None or found["fingerprint"] == CLEAN.fingerprint(row, identity.digest))
        yield row, found if fits else None


def drop_orphans(partition: Partition, product: Product = CLEAN) -> None:
    """Remove files that no row names, as a run killed before its commit leaves them."""
    for name in orphans(partition, product):
        (product.folder(partition) / name).unlink(missing_ok=True)


def orphans(partition: Partition, product: Product = CLEAN) -> list[str]:
    """Files that no row names. In a shared folder, what another partition may be writing right now is left to it."""
    others = _others(partition)
    there = files_in(product.folder(partition))  # before the tables: what is written meanwhile is no orphan
    owned = _names([partition], product.asset) | _names(others, product.asset) | _names(others, "segments")
    return sorted(there - owned)


def _others(partition: Partition) -> list[Partition]:
    """The partitions whose files lie in the same folder."""
    tier = partition.tier
    shared = tier.embeddings(partition) == tier.embeddings()
    return [p for p in tier.partitions("segments") if p.key != partition.key] if shared else []


def _names(partitions: list[Partition], asset: str) -> set[str]:
    return {row["segment_id"] + ".pt" for p in partitions for row in read_rows(p.stage(asset).table)}
