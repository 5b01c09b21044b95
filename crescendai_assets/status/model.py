"""What `crescendai status` tells: of a stage, a partition, a tier; and what has to be known of a source to tell it.

Shapes only. Plans are made in `partition`, what a tier's source lists is found in `tiers`, how fast work
goes in `speed`; showing the answer is the command line's work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from crescendai_assets.embeddings.folder import CLEAN, Product
from crescendai_assets.lake.tables import Row


@dataclass(frozen=True)
class StageStatus:
    """How one asset stands in one partition.

    `done`, `new`, `stale` and `removed` count recordings and are the asset's own plan: what materializing it now would
    find. `*_to_come` count on until the whole tier is done, so they include what the assets before it still have to
    deliver. A failure that is due again counts in `new` or `stale`, too.

    Attributes:
        stage: Name of the asset.
        rows: Rows in its table.
        done: Up to date.
        new: Never done.
        stale: Done from another source or with other settings.
        failed: Recordings in the failure ledger by error class.
        removed: Done, and no longer in the source.
        hours: Hours of audio that the rows cover.
        bytes_on_disk: Of the files beside the table: working copies, or embeddings.
        rows_to_come: Rows still to make, new or again.
        hours_to_come: Hours of audio still to work through.
        bytes_to_come: What they will add to the disk.
        bytes_to_transfer: What is fetched for it at most, one recording at a time, where that is known.
        seconds_to_come: Estimated time; None when there is nothing to estimate by.
        estimate: What the time is estimated by.
    """

    stage: str
    rows: int
    done: int
    new: int
    stale: int
    failed: Mapping[str, int]
    removed: int
    hours: float
    bytes_on_disk: int
    rows_to_come: int
    hours_to_come: float
    bytes_to_come: int
    bytes_to_transfer: int
    seconds_to_come: float | None
    estimate: str


@dataclass(frozen=True)
class PartitionStatus:
    """How one partition stands.

    Attributes:
        tier: Its tier.
        partition: Its key.
        encoder: Which encoder made its embeddings, empty when there are none.
        stages: One for each asset, in their order.
        notes: What a reader should know besides.
    """

    tier: str
    partition: str
    encoder: str
    stages: tuple[StageStatus, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TierStatus:
    """How a tier stands.

    Attributes:
        tier: Its name.
        partitions: Those that have tables or whose recordings are listed, by key.
        waiting: Why there is nothing to plan yet -> keys of the partitions that wait for it.
        notes: What a reader should know besides, such as faults of the catalogue.
    """

    tier: str
    partitions: tuple[PartitionStatus, ...]
    waiting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Course:
    """What follows from the recordings of a tier.

    Attributes:
        inherited: Columns that a segment takes from its recording.
        products: What is embedded of the segments.
    """

    inherited: tuple[str, ...]
    products: tuple[Product, ...] = (CLEAN,)

    @property
    def stages(self) -> tuple[str, ...]:
        """Its assets, in their order."""
        return ("recordings", "segments", *(product.asset for product in self.products))


@dataclass(frozen=True)
class SourceView:
    """What the source of a partition lists, as far as catalogue and disk tell.

    Attributes:
        wanted: Recording id -> fingerprint its row should have.
        seconds: Recording id -> length, where it is known before the recording is here.
        changed: Whether the audio of a listed row may be another than it was; another title alone does not count.
        assumed: Length of a recording of which none is known, and by what.
        fetched: Whether recordings become working copies.
        transfer: Recording id -> bytes that are fetched for it at most.
        here: Recordings whose working copy another partition has made already.
        absent: Recordings whose audio is not in the source.
        forgets: Whether failures of what was never done and is not listed now leave the ledger at the next run.
        notes: What a reader should know besides.
    """

    wanted: Mapping[str, str]
    seconds: Mapping[str, float]
    changed: Callable[[str, Row], bool]
    assumed: tuple[float, str] = (0.0, "")
    fetched: bool = False
    transfer: Mapping[str, int] = field(default_factory=dict)
    here: Collection[str] = ()
    absent: Collection[str] = ()
    forgets: bool = False
    notes: tuple[str, ...] = ()
