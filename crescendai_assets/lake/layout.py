"""Every path of the file contract, in one place.

A `Lake` is a root folder, a `Tier` one cache in it, a `Partition` one edition, year or channel of a tier, and
`StageFiles` the four files that one asset owns in its partition. Only names are made here; nothing is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id

CACHES = {
    "percepiano": "percepiano_cache",
    "competition": "competition_cache",
    "maestro": "maestro_cache",
    "youtube": "youtube_piano_cache",
}
"""Tier -> folder of its cache under the root."""

COMPOSITE_LABELS = "composite_labels"
"""Folder of labels in a teacher's words, beside the caches."""

UNPARTITIONED = {"percepiano"}
"""Tiers that are one partition, whose key is empty and whose folder is the cache itself."""

SHARED_EMBEDDINGS = {"percepiano", "maestro", "youtube"}
"""Tiers whose embeddings lie in one folder for all partitions; a competition edition has its own."""

SHARED_AUDIO = {"youtube"}
"""Tiers whose working copies lie in one folder for all partitions: a video may move from one channel to another."""

_TABLES = {"recordings": "recordings.jsonl", "segments": "metadata.jsonl"}

_CLIPS = {"recordings": "clips", "segments": "clips"}
"""A tier without partitions is rated clips: each is recording and segment in one, and has one row for both."""

_OF_A_SET = {"embeddings", "augmented_pairs", "ordinal", "ordinal_across_rounds"}
"""Assets that follow from embeddings, so that each named set of them has its own."""


@dataclass(frozen=True)
class StageFiles:
    """The files one asset owns in its partition: what it made, what is under way, what failed, who writes."""

    table: Path
    journal: Path
    ledger: Path
    lock: Path
    last_run: Path


@dataclass(frozen=True)
class Partition:
    """One edition, year or channel of a tier; of a tier without partitions the whole, under an empty key."""

    tier: Tier
    key: str

    @property
    def folder(self) -> Path:
        """Where the partition's tables lie."""
        return self.tier.folder / self.key

    @property
    def audio(self) -> Path:
        """Working copies of recordings whose source is not read in place."""
        return (self.tier.folder if self.tier.name in SHARED_AUDIO else self.folder) / "audio"

    @property
    def partial(self) -> Path:
        """Downloads under way; a killed one goes on from there."""
        return self.folder / "partial"

    @property
    def discovered(self) -> Path:
        """What the source listed when it was asked last."""
        return self.folder / "discovered.jsonl"

    @property
    def embedding_folder(self) -> Path:
        """Folder of the `.pt` files."""
        return self.tier.embeddings(self)

    @property
    def augmented_folder(self) -> Path:
        """Folder of the `.pt` files of augmented segments, of the same names as the clean ones."""
        return self.tier.embeddings(self, augmented=True)

    def stage(self, asset: str) -> StageFiles:
        """The files of one asset, such as `recordings`, `segments` or `embeddings`."""
        if self.tier.name in UNPARTITIONED:
            asset = _CLIPS.get(asset, asset)
        if asset in _OF_A_SET:
            asset += self.tier.set_suffix
        return StageFiles(
            table=self.folder / _TABLES.get(asset, f"{asset}.jsonl"),
            journal=self.folder / "journal" / f"{asset}.jsonl",
            ledger=self.folder / "failures" / f"{asset}.jsonl",
            lock=self.folder / "journal" / f"{asset}.lock",
            last_run=self.folder / "journal" / f"{asset}.last_run.json",
        )


@dataclass(frozen=True)
class Tier:
    """One tier's cache. `embedding_set` names another set of embeddings beside the default one."""

    name: str
    folder: Path
    embedding_set: str = ""

    @property
    def set_suffix(self) -> str:
        """What a named embedding set adds to its folder and table."""
        return f"-{checked_id(self.embedding_set)}" if self.embedding_set else ""

    @property
    def recordings(self) -> Path:
        """Recordings of all partitions, compiled."""
        return self.folder / "recordings.jsonl"

    @property
    def metadata(self) -> Path:
        """Segments of all partitions, compiled."""
        return self.folder / "metadata.jsonl"

    @property
    def contrastive_mapping(self) -> Path:
        """`{work_id: [segment_id, ...]}`."""
        return self.folder / f"contrastive_mapping{self.set_suffix}.json"

    @property
    def contrastive_recordings(self) -> Path:
        """Recordings behind the mapping, with performer and split."""
        return self.folder / f"contrastive_recordings{self.set_suffix}.jsonl"

    def partition(self, key: str = "") -> Partition:
        """The partition of that key, whether it exists or not; of an unpartitioned tier the whole of it.

        Raises:
            SetupError: The key is no name of a folder, or the tier has no partitions.
        """
        if self.name not in UNPARTITIONED:
            return Partition(self, checked_id(key))
        if key:
            raise SetupError(f"{self.name} has no partitions, so there is no {key!r}; leave the partition out")
        return Partition(self, "")

    def partitions(self, asset: str = "recordings") -> list[Partition]:
        """The partitions whose table of `asset` exists, by key."""
        if not self.folder.is_dir():
            return []
        if self.name in UNPARTITIONED:
            return [self.partition()] if self.partition().stage(asset).table.exists() else []
        keys = sorted(p.name for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith((".", "muq_")))
        return [p for p in map(self.partition, keys) if p.stage(asset).table.exists()]

    def embeddings(self, partition: Partition | None = None, *, augmented: bool = False) -> Path:
        """Folder of the `.pt` files, of the tier or (competitions) of one edition."""
        name = "muq_embeddings" + ("_augmented" if augmented else "") + self.set_suffix
        if self.name in SHARED_EMBEDDINGS or partition is None:
            return self.folder / name
        return partition.folder / name


@dataclass(frozen=True)
class Lake:
    """The root of all data (`$CRESCENDAI_DATA`)."""

    root: Path

    def tier(self, name: str, embedding_set: str = "") -> Tier:
        """One tier's cache.

        Raises:
            SetupError: There is no such tier.
        """
        if name not in CACHES:
            raise SetupError(f"there is no tier {name!r}; the tiers are {', '.join(CACHES)}")
        return Tier(name, self.root / CACHES[name], embedding_set)


def open_lake(root: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Lake:
    """The lake at `root`, by default at `$CRESCENDAI_DATA`, else `./data`.

    Raises:
        SetupError: The root is an address; work needs a local folder.
    """
    text = str(root or environ.get("CRESCENDAI_DATA") or "data")
    if "://" in text:
        raise SetupError(f"CRESCENDAI_DATA is {text}: work needs a local folder; publish to an address from there")
    return Lake(Path(text).expanduser().absolute())
