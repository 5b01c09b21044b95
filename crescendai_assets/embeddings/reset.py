"""Taking a set of embeddings out of a tier, so that another encoder can start over. Segments and audio stay.

Augmented embeddings go along with the clean ones: a pair of two encoders means nothing. Tables compiled from embeddings
(the order of an edition, the mapping of a year) stay as they are until their assets are materialized again.

Rows go before files and `encoder.json` last: a reset that is killed leaves files that no row names and that still say
whose they are, so the next run with the same encoder makes them again and another encoder is refused until a second
reset.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.embeddings.identity import IDENTITY_FILE
from crescendai_assets.lake.journal import locked
from crescendai_assets.lake.layout import Partition, StageFiles, Tier
from crescendai_assets.lake.tables import read_rows

_ASSETS = {"youtube": ("embeddings", "augmented_pairs")}
"""Tier -> its assets that hold embeddings, where these are not just the clean ones."""


@dataclass(frozen=True)
class Removal:
    """What a reset removes, in this order.

    Attributes:
        tier: The tier, with the embedding set.
        partitions: Keys of the partitions that have embedding tables.
        rows: Rows of those tables.
        tables: Tables, failure ledgers, journals and notes of the last run.
        files: Embeddings, what killed runs left of them, and last `encoder.json`, folder by folder.
        folders: Folders of embeddings, removed when nothing else is in them.
        bytes: Size of the files.
    """

    tier: Tier
    partitions: tuple[str, ...]
    rows: int
    tables: tuple[Path, ...]
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    bytes: int

    @property
    def embeddings(self) -> int:
        """How many of the files are embeddings, clean or augmented."""
        return sum(path.suffix == ".pt" for path in self.files)

    @property
    def assets(self) -> tuple[str, ...]:
        """What to materialize to have them again."""
        return _assets(self.tier)


def plan_reset(tier: Tier) -> Removal:
    """What `reset` would remove now.

    Raises:
        SetupError: A run is writing embeddings of this set.
    """
    with _no_run(tier):
        return _find(tier)


def reset(tier: Tier) -> Removal:
    """Remove a set's embeddings, tables, failure ledgers, journals and identity, and say what was removed.

    Raises:
        SetupError: A run is writing embeddings of this set; nothing was removed.
    """
    with _no_run(tier):
        removal = _find(tier)
        for path in (*removal.tables, *removal.files):
            path.unlink(missing_ok=True)
        for folder in removal.folders:
            with suppress(OSError):  # something else lies there, and is not ours to remove
                folder.rmdir()
    return removal


def _assets(tier: Tier) -> tuple[str, ...]:
    return _ASSETS.get(tier.name, ("embeddings",))


def _find(tier: Tier) -> Removal:
    partitions = _partitions(tier)
    stages = [(partition.key, files) for partition in partitions for files in _stages(partition)]
    tables = [path for _, s in stages for path in (s.table, s.journal, s.ledger, s.last_run) if path.exists()]
    folders = [folder for folder in _folders(tier, partitions) if folder.is_dir()]
    files = [path for folder in folders for path in _files(folder)]
    return Removal(
        tier=tier,
        partitions=tuple(dict.fromkeys(key for key, s in stages if s.table.exists())),
        rows=sum(1 for _, s in stages for _ in read_rows(s.table)),
        tables=tuple(tables),
        files=tuple(files),
        folders=tuple(folders),
        bytes=sum(path.stat().st_size for path in files),
    )


def _stages(partition: Partition) -> list[StageFiles]:
    return [partition.stage(asset) for asset in _assets(partition.tier)]


def _folders(tier: Tier, partitions: list[Partition]) -> list[Path]:
    """Where embeddings may lie, each once: of the tier, of partitions that have their own, augmented ones."""
    clean = {tier.embeddings(), *(partition.embedding_folder for partition in partitions)}
    augmented = {tier.embeddings(augmented=True), *(partition.augmented_folder for partition in partitions)}
    return [*sorted(clean), *sorted(augmented)]


def _files(folder: Path) -> list[Path]:
    identity = [path for path in (folder / IDENTITY_FILE,) if path.exists()]
    return [*sorted(folder.glob("*.pt")), *sorted(folder.glob(".*.tmp")), *identity]


def _partitions(tier: Tier) -> list[Partition]:
    """Partitions that have embeddings, or segments that a run could embed."""
    found = {p.key: p for asset in ("recordings", "segments", *_assets(tier)) for p in tier.partitions(asset)}
    return [found[key] for key in sorted(found)]


@contextmanager
def _no_run(tier: Tier) -> Iterator[None]:
    """Keep every run of the set from starting; refuse when one is under way."""
    with ExitStack() as locks:
        for partition in _partitions(tier):
            for asset in _assets(tier):
                locks.enter_context(locked(partition.stage(asset), asset))
        yield
