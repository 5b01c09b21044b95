"""A folder of embeddings against its tables: what there should be, what there is, which of it belongs to nobody.

Making embeddings is `pipeline`'s and `importing`'s work, verdicts are `verify`'s, one file is `store`'s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crescendai_assets.embeddings.identity import EncoderIdentity, read_identity
from crescendai_assets.embeddings.store import embedding_path, write_embedding
from crescendai_assets.lake.fingerprints import digest_lines, fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.stage import StageRun
from crescendai_assets.lake.tables import Row, by_recording, read_rows

if TYPE_CHECKING:
    from torch import Tensor


def wanted_embeddings(partition: Partition, identity: EncoderIdentity) -> dict[str, str]:
    """Recording id -> digest of the ids and fingerprints its embeddings should have."""
    encoder = identity.digest
    return {
        recording_id: digest_lines(f"{row['segment_id']} {segment_fingerprint(row, encoder)}" for row in rows)
        for recording_id, rows in by_recording(read_rows(partition.stage("segments").table))
    }


def committed_embeddings(partition: Partition) -> dict[str, str]:
    """Recording id -> digest of the ids and fingerprints it has; another value when a file is missing."""
    there = files_in(partition.embedding_folder)
    return {
        recording_id: digest_lines(
            f"{row['segment_id']} {row['fingerprint'] if row['segment_id'] + '.pt' in there else 'file missing'}"
            for row in rows
        )
        for recording_id, rows in by_recording(read_rows(partition.stage("embeddings").table))
    }


def segment_fingerprint(row: Row, encoder_digest: str) -> str:
    """What an embedding depends on: the source's bytes, where the segment lies, and the encoder."""
    return fingerprint(row["source_sha256"], row["segment_start"], row["n_valid"], encoder_digest)


def segments_of(partition: Partition, recordings: Collection[str]) -> dict[str, set[str]]:
    """Recording id -> ids of the segments that have an embedding now, for some recordings."""
    groups = by_recording(read_rows(partition.stage("embeddings").table)) if recordings else ()
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
    folder: Path, recording_id: str, embedded: Iterable[tuple[Row, Tensor]], encoder_digest: str
) -> list[Row]:
    """Write the files of a recording and return the rows to commit.

    Args:
        folder: Where the files go.
        recording_id: The recording.
        embedded: Each segment's row with its embedding.
        encoder_digest: Of the identity that made them.

    Raises:
        SetupError: The disk is full.
    """
    rows = []
    for row, embedding in embedded:
        size, sha256 = write_embedding(folder, row["segment_id"], embedding)
        rows.append(
            {
                "segment_id": row["segment_id"],
                "recording_id": recording_id,
                "fingerprint": segment_fingerprint(row, encoder_digest),
                "sha256": sha256,
                "bytes": size,
                "frames": len(embedding),
            }
        )
    return rows


def drop_files(folder: Path, recording_id: str) -> None:
    """Remove the embedding files of one recording."""
    for name in files_in(folder):
        if re.fullmatch(re.escape(recording_id) + r"_seg\d+\.pt", name):
            (folder / name).unlink()


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
        fits = found and (identity is None or found["fingerprint"] == segment_fingerprint(row, identity.digest))
        yield row, found if fits else None


def drop_orphans(partition: Partition) -> None:
    """Remove files that no row names, as a run killed before its commit leaves them."""
    for name in orphans(partition):
        (partition.embedding_folder / name).unlink(missing_ok=True)


def orphans(partition: Partition) -> list[str]:
    """Files that no row names. In a shared folder, what another partition may be writing right now is left to it."""
    tier = partition.tier
    shared = tier.embeddings(partition) == tier.embeddings()
    others = [p for p in tier.partitions("segments") if p.key != partition.key] if shared else []
    there = files_in(partition.embedding_folder)  # before the tables: what is written meanwhile is no orphan
    owned = _names([partition], "embeddings") | _names(others, "embeddings") | _names(others, "segments")
    return sorted(there - owned)


def _names(partitions: list[Partition], asset: str) -> set[str]:
    return {row["segment_id"] + ".pt" for p in partitions for row in read_rows(p.stage(asset).table)}
