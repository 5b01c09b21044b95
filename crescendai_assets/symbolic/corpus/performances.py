"""What each MIDI file of a source holds: read once, refused with a reason, or a row and what tells its music apart.

The arrays kept beside a row (`music`, and the signature of the playing) find the same music and the same performance
over all sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.works import work_id
from crescendai_assets.symbolic.corpus.aligned import AlignedScore, given_scores, score_digest
from crescendai_assets.symbolic.corpus.listing import Listed, Listing, version_of
from crescendai_assets.symbolic.corpus.products import Made, Product, made
from crescendai_assets.symbolic.corpus.schemas import PERFORMANCES
from crescendai_assets.symbolic.corpus.shards import committed_rows, mark, run_product
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
        make_for=lambda ids: given_scores(_read, _scores(listing, ids)),
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
    making = _Making(partition, product, listing, progress)
    return run_product(
        partition,
        product.name,
        product.table,
        make_for=making.make_for,
        wanted=making.wanted,
        path_of=making.path_of,
        describe=making.describe,
        options=options,
        progress=progress,
        facts=product.facts,
    )


def wanted_of(partition: Partition, product: Product, listing: Listing) -> dict[str, str]:
    """Id -> `mark` that a product should have, for the performances that could be read and are still listed."""
    return _Making(partition, product, listing, silent).wanted()


class _Making:
    """One product of one source: what is to be made of which file, by the rows of the performances."""

    def __init__(self, partition: Partition, product: Product, listing: Listing, progress: Progress) -> None:
        self._partition, self._product, self._listing, self._progress = partition, product, listing, progress
        self._fingerprints: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._scores: dict[str, str] = {}  # only of those that have one

    def wanted(self) -> dict[str, str]:
        """Id -> `mark`."""
        of, aligned = self._product.fingerprints(), self._product.make_aligned is not None
        for row in _still_listed(self._partition, self._listing):
            recording_id = row["recording_id"]
            self._fingerprints[recording_id] = of(row["sha256"])
            self._versions[recording_id] = version_of(row["bytes"], row["mtime_ns"])
            if aligned and "aligned_score" in row:
                self._scores[recording_id] = row["aligned_score"]
        return {**self._fingerprints, **{i: mark(self._fingerprints[i], one) for i, one in self._scores.items()}}

    def path_of(self, recording_id: str) -> Path:
        """Its file, when that and the aligned score are as they were when they were read."""
        listed = self._listing.files[recording_id]
        if listed.version != self._versions[recording_id]:  # what would be made of it has no row to stand for it
            raise _changed(f"{listed.path}:")
        if self._product.make_aligned and score_digest(listed.score) != self._scores.get(recording_id):
            raise _changed(f"{listed.path}: its alignment or score")
        return Path(listed.path)

    def make_for(self, ids: Collection[str]) -> Callable[[Path], Made]:
        """What makes it of their files, with the aligned scores of those that have one."""
        scores = _scores(self._listing, ids)
        if self._product.make_aligned is None or not scores:
            return self._product.make
        return given_scores(self._product.make_aligned, scores)

    def describe(self, recording_id: str, one: Made) -> Row:
        """Its row; says aloud that an aligned score was not used."""
        if fault := one.facts.get("voices_fault"):
            self._progress(f"voices estimated: {recording_id}: {fault}")
        of_score = {"voices_of": self._scores.get(recording_id)} if self._product.make_aligned else {}
        return {
            "recording_id": recording_id,
            **one.facts,
            **of_score,
            "fingerprint": self._fingerprints[recording_id],
        }


def _changed(what: str) -> RecordingError:
    return RecordingError(
        f"{what} changed since it was read; materialize symbolic/{NAME} of this source first", "retry"
    )


def _still_listed(partition: Partition, listing: Listing) -> Iterator[Row]:
    rows = read_rows(partition.stage(NAME).table)
    return (row for row in rows if row["recording_id"] in listing.files)


def _fingerprint(listed: Listed) -> str:
    """Not `fingerprint`: over 14,000 files, canonical JSON would take longer than reading the table."""
    said = (listed.file, listed.composer, listed.title, str(listed.performer_id), str(listed.copy_of))
    text = f"{VERSION}\0{listed.version}\0{listed.usable}\0" + "\0".join(said)
    if listed.score:  # not otherwise: nothing changes for what has none
        text += f"\0{listed.score.version}"
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _scores(listing: Listing, ids: Iterable[str]) -> dict[Path, AlignedScore]:
    """The aligned scores of some performances, by the performance's file."""
    return {Path(one.path): one.score for one in map(listing.files.__getitem__, ids) if one.score}


def _read(path: Path, score: AlignedScore | None = None) -> Made:
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
    if score:
        facts["aligned_score"] = score_digest(score)
    playing = signature(read)
    return made({"music": shingles(read), "pitch": playing.pitch, "onset": playing.onset}, facts)


def _facts(rows: Iterable[Row], listing: Listing) -> dict[str, Any]:
    seconds, notes, mended, aligned = 0.0, 0, 0, 0
    works = set()
    for row in rows:
        seconds += row["seconds"]
        notes += row["notes"]
        mended += row["mended"]
        works.add(row["work_id"])
        aligned += "aligned_score" in row
    return {
        "files_listed": len(listing.files),
        **({"listed_and_absent": listing.absent} if listing.absent else {}),
        "hours": round(seconds / 3600, 2),
        "notes": notes,
        "works": len(works - {None}),
        "mended_notes": mended,
        **({"with_aligned_score": aligned} if aligned else {}),
    }
