"""Taking a set of embeddings out of a tier, so that another encoder can start over. Segments and audio stay.

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
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.tables import read_rows

_STAGE = "embeddings"


@dataclass(frozen=True)
class Removal:
    """What a reset removes, in this order.

    Attributes:
        tier: The tier, with the embedding set.
        partitions: Keys of the partitions that have embedding tables.
        rows: Rows of those tables.
        tables: Tables, failure ledgers, journals and notes of the last run.
        files: Embeddings, what killed runs left of them, and last `encoder.json`.
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
        """How many of the files are embeddings."""
        return sum(path.suffix == ".pt" for path in self.files)


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


def _find(tier: Tier) -> Removal:
    partitions = _partitions(tier)
    stages = [partition.stage(_STAGE) for partition in partitions]
    tables = [path for s in stages for path in (s.table, s.journal, s.ledger, s.last_run) if path.exists()]
    folders = sorted({f for f in (tier.embeddings(), *(p.embedding_folder for p in partitions)) if f.is_dir()})
    files = [path for folder in folders for path in _files(folder)]
    return Removal(
        tier=tier,
        partitions=tuple(p.key for p, s in zip(partitions, stages, strict=True) if s.table.exists()),
        rows=sum(1 for s in stages for _ in read_rows(s.table)),
        tables=tuple(tables),
        files=tuple(files),
        folders=tuple(folders),
        bytes=sum(path.stat().st_size for path in files),
    )


def _files(folder: Path) -> list[Path]:
    identity = [path for path in (folder / IDENTITY_FILE,) if path.exists()]
    return [*sorted(folder.glob("*.pt")), *sorted(folder.glob(".*.tmp")), *identity]


def _partitions(tier: Tier) -> list[Partition]:
    """Partitions that have embeddings, or segments that a run could embed."""
    found = {p.key: p for stage in ("recordings", "segments", _STAGE) for p in tier.partitions(stage)}
    return [found[key] for key in sorted(found)]


@contextmanager
def _no_run(tier: Tier) -> Iterator[None]:
    """Keep every run of the set from starting; refuse when one is under way."""
    with ExitStack() as locks:
        for partition in _partitions(tier):
            locks.enter_context(locked(partition.stage(_STAGE), _STAGE))
        yield
