"""What each MIDI file of a source holds: read once, refused with a reason, or a row and what tells its music apart.

The arrays kept beside a row (`music`, and the signature of the playing) find the same music and the same performance
over all sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.works import work_id
from crescendai_assets.symbolic.corpus.listing import Listed, Listing, version_of
from crescendai_assets.symbolic.corpus.products import Made, Product, made
from crescendai_assets.symbolic.corpus.schemas import PERFORMANCES
from crescendai_assets.symbolic.corpus.shards import committed_rows, run_product
from crescendai_assets.symbolic.likeness import shingles
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.signatures import signature

NAME = "performances"

VERSION = 1
"""Raise it when what is read from a file changes."""


def corpus_tier(lake: Lake) -> Tier:
    """Where the corpus lies; its partitions are the sources."""
    return Tier("symbolic", lake.root / "pretrain_cache")


def wanted_performances(listing: Listing) -> dict[str, str]:
    """Id -> fingerprint of its row: the file's version, and what its source says of it."""
    return {recording_id: _fingerprint(one) for recording_id, one in listing.files.items()}


def committed_performances(partition: Partition) -> dict[str, str]:
    """Id -> fingerprint that its row has."""
    return committed_rows(partition, NAME)


def read_performances(
    partition: Partition, listing: Listing, *, options: Options = Options(), progress: Progress = silent
) -> StageReport:
    """Read what is new or was touched in a source.

    Raises:
        SetupError: Another process works here, or the disk is full.
    """

    def describe(recording_id: str, one: Made) -> Row:
        listed = listing.files[recording_id]
        work = work_id(listed.composer, listed.title) if listed.composer and listed.title else None
        return {
            "recording_id": recording_id,
            "source": partition.key,
            "file": listed.file,
            "composer": listed.composer,
            "title": listed.title,
            "work_id": work,
            "performer_id": listed.performer_id,
            "copy_of": listed.copy_of,
            "usable": listed.usable,
            **one.facts,
            "fingerprint": _fingerprint(listed),
        }

    return run_product(
        partition,
        NAME,
        PERFORMANCES,
        make=_read,
        wanted=lambda: wanted_performances(listing),
        path_of=lambda recording_id: Path(listing.files[recording_id].path),
        describe=describe,
        options=options,
        progress=progress,
        unusable=lambda: listing.unusable,
        facts=lambda rows: _facts(rows, listing),
    )


def make_product(
    partition: Partition,
    product: Product,
    listing: Listing,
    *,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Make a product of every performance of a source.

    Raises:
        SetupError: Another process works here, or the disk is full.
    """
    fingerprints: dict[str, str] = {}
    read: dict[str, str] = {}

    def wanted() -> dict[str, str]:
        of = product.fingerprints()
        for row in _still_listed(partition, listing):
            fingerprints[row["recording_id"]] = of(row["sha256"])
            read[row["recording_id"]] = version_of(row["bytes"], row["mtime_ns"])
        return fingerprints

    def path_of(recording_id: str) -> Path:
        listed = listing.files[recording_id]
        if listed.version != read[recording_id]:  # what would be made of it has no row to stand for it
            raise RecordingError(
                f"{listed.path}: changed since it was read; materialize symbolic/{NAME} of this source first", "retry"
            )
        return Path(listed.path)

    def describe(recording_id: str, one: Made) -> Row:
        return {"recording_id": recording_id, **one.facts, "fingerprint": fingerprints[recording_id]}

    return run_product(
        partition,
        product.name,
        product.table,
        make=product.make,
        wanted=wanted,
        path_of=path_of,
        describe=describe,
        options=options,
        progress=progress,
        facts=lambda rows: {product.unit: sum(row[product.unit] for row in rows)},
    )


def wanted_of(partition: Partition, product: Product, listing: Listing) -> dict[str, str]:
    """Id -> fingerprint that a product should have, for the performances that could be read and are still listed."""
    of = product.fingerprints()
    return {row["recording_id"]: of(row["sha256"]) for row in _still_listed(partition, listing)}


def _still_listed(partition: Partition, listing: Listing) -> Iterator[Row]:
    rows = read_rows(partition.stage(NAME).table)
    return (row for row in rows if row["recording_id"] in listing.files)


def _fingerprint(listed: Listed) -> str:
    """Not `fingerprint`: over 14,000 files, canonical JSON would take longer than reading the table."""
    said = (listed.file, listed.composer, listed.title, str(listed.performer_id), str(listed.copy_of))
    text = f"{VERSION}\0{listed.version}\0{listed.usable}\0" + "\0".join(said)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _read(path: Path) -> Made:
    status = path.stat() if path.is_file() else None
    if status is None:
        raise RecordingError(f"{path}: no such file; complete the folder, or leave it out", "needs_user")
    read = read_midi(path)
    mended = read.mended
    facts: dict[str, Any] = {
        "notes": len(read),
        "seconds": round(read.seconds, 3),
        "sustain_changes": len(read.sustain),
        "mended": mended.zero_length + mended.doubled + mended.overlapping + mended.overlong + mended.percussion,
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": sha256_file(path),
    }
    playing = signature(read)
    return made({"music": shingles(read), "pitch": playing.pitch, "onset": playing.onset}, facts)


def _facts(rows: Iterable[Row], listing: Listing) -> dict[str, Any]:
    seconds, notes, mended = 0.0, 0, 0
    works = set()
    for row in rows:
        seconds += row["seconds"]
        notes += row["notes"]
        mended += row["mended"]
        works.add(row["work_id"])
    return {
        "files_listed": len(listing.files),
        **({"listed_and_absent": listing.absent} if listing.absent else {}),
        "hours": round(seconds / 3600, 2),
        "notes": notes,
        "works": len(works - {None}),
        "mended_notes": mended,
    }
