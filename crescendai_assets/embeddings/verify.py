"""Verdicts on embeddings: each segment has one, each file is as recorded, finite and of the contract's shape."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from crescendai_assets.embeddings.folder import CLEAN, Product, orphans
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.embeddings.muq import pooled_frames
from crescendai_assets.embeddings.store import embedding_path, read_embedding, refuse_unfit
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome

SAMPLED = 16
"""Files whose contents are read unless all are asked for."""


def check_files(partition: Partition, product: Product = CLEAN, *, deep: bool = False) -> Outcome:
    """Files of a partition against its table: none missing or astray, sizes as recorded, contents of a sample.

    Args:
        partition: Where.
        product: Which embeddings.
        deep: Read the contents of all files, not of a sample.
    """
    folder = product.folder(partition)
    rows = list(product.rows(partition))
    faults = [fault for row in rows if (fault := _size_fault(folder, row))]
    astray = orphans(partition, product)
    faults += [{"id": name, "fault": "a file that no row of any partition names"} for name in astray]
    read = rows if deep else spread(rows)
    for row in read:
        path = embedding_path(folder, row["segment_id"])
        if path.exists() and sha256_file(path) != row["sha256"]:
            faults.append({"id": row["segment_id"], "fault": "contents are not those recorded"})
    facts = {"files": len(rows), "contents_read": len(read), "deep": deep}
    return outcome(faults, f"{len(rows)} files as recorded, {len(read)} read", "files are not as recorded", facts)


def check_finite_and_shaped(partition: Partition, product: Product = CLEAN, *, deep: bool = False) -> Outcome:
    """Embeddings are float32 (frames, 1024), finite, and as long as their segment says; a sample, or all."""
    identity = read_identity(product.folder(partition))
    lengths = {row["segment_id"]: row["n_valid"] for row in read_rows(partition.stage("segments").table)}
    rows = list(product.rows(partition))
    read = rows if deep else spread(rows)
    faults: list[Row] = []
    for row in read:
        path = embedding_path(product.folder(partition), row["segment_id"])
        length = None if row.get("imported") else lengths.get(row["segment_id"])  # nothing says how long those are
        if not path.exists() or (length is None and not row.get("imported")):
            continue  # told by check_files and check_one_per_segment
        embedding = read_embedding(path)
        expected = pooled_frames(length, identity.temporal_pool) if identity and length else row["frames"]
        try:
            refuse_unfit(embedding, expected, row["segment_id"])
        except RecordingError as error:
            faults.append({"id": row["segment_id"], "fault": str(error)})
        if str(embedding.dtype) != "torch.float32":
            faults.append({"id": row["segment_id"], "fault": f"dtype {embedding.dtype}, expected float32"})
    return outcome(
        faults,
        f"{len(read)} of {len(rows)} embeddings finite and shaped",
        "unfit embeddings",
        {"read": len(read)},
    )


def check_one_per_segment(partition: Partition, product: Product = CLEAN) -> Outcome:
    """Each segment has exactly one embedding and each embedding a segment; failed recordings are only counted."""
    failed = read_failures(partition.stage(product.asset).ledger)
    made = list(product.rows(partition))
    embedded, marks = (
        Counter(row["segment_id"] for row in made),
        {row["segment_id"]: row["fingerprint"] for row in made},
    )
    identity = read_identity(product.folder(partition))
    segments: set[str] = set()
    faults: list[Row] = []
    others: list[Row] = []
    missing = 0
    for row in read_rows(partition.stage("segments").table):
        segments.add(row["segment_id"])
        mark = marks.get(row["segment_id"])
        if mark and identity and mark != product.fingerprint(row, identity.digest):
            others.append({"id": row["segment_id"], "fault": "its embedding is of another cut, sound or encoder"})
        if not embedded[row["segment_id"]]:
            missing += 1
            if row["recording_id"] not in failed:
                faults.append({"id": row["segment_id"], "fault": "no embedding"})
    faults += others
    faults += [{"id": i, "fault": f"{n} embeddings"} for i, n in embedded.items() if n > 1]
    faults += [{"id": i, "fault": "embedding without a segment"} for i in embedded.keys() - segments]
    facts = {"segments": len(segments), "embeddings": embedded.total(), "of_failed_recordings": missing}
    return outcome(
        faults,
        f"{len(segments) - missing} segments, one embedding each",
        "segments without exactly one",
        facts,
    )


def spread(rows: list[Row], count: int = SAMPLED) -> list[Row]:
    """Rows at even distances, the same each time."""
    return rows[:: max(1, len(rows) // count)][:count]


def _size_fault(folder: Path, row: Row) -> Row | None:
    path = embedding_path(folder, row["segment_id"])
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return {"id": row["segment_id"], "fault": "file missing"}
    if size != row["bytes"]:
        return {"id": row["segment_id"], "fault": f"{size} bytes, recorded {row['bytes']}"}
    return None
