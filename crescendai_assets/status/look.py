"""One stage of one partition as it stands on disk, and what its asset would find to do now.

The plans are the assets' own; no audio is decoded, no weights are loaded and nothing is written or downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.doctor.encoder import check_checkpoint
from crescendai_assets.embeddings.folder import Product, committed_embeddings, wanted_embeddings
from crescendai_assets.embeddings.identity import EncoderIdentity, EncoderSpec, identify, read_identity
from crescendai_assets.lake.journal import unfolded
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.ledger import Failure, now_utc
from crescendai_assets.lake.resolve import Plan, resolve
from crescendai_assets.lake.tables import Row, by_recording, read_rows
from crescendai_assets.sources.locate import committed_recordings
from crescendai_assets.sources.segmenting import committed_segments, wanted_segments
from crescendai_assets.status.model import SourceView

RULE = SegmentRule()
"""How recordings are cut, unless a deployment says otherwise."""


@dataclass(frozen=True)
class Look:
    """One stage as it stands, with what a run under way or a killed one has committed and not folded yet.

    Attributes:
        plan: What its asset would find to do.
        failures: Its ledger.
        rows: Recording id -> its rows.
        unfolded: Recordings that stand in the journal only.
    """

    plan: Plan
    failures: Mapping[str, Failure]
    rows: Mapping[str, list[Row]]
    unfolded: int

    @property
    def all_rows(self) -> Iterator[Row]:
        """Its rows, whatever the recording."""
        return (row for rows in self.rows.values() for row in rows)


def look_at_recordings(partition: Partition, source: SourceView | None) -> Look:
    """Recordings against their source; None takes them as they were listed last."""

    def committed() -> Mapping[str, str]:
        return committed_recordings(partition)

    if source is None:
        return look_at(partition, "recordings", committed, committed, forgets=True)
    return look_at(partition, "recordings", lambda: source.wanted, committed, forgets=source.forgets)


def look_at_segments(partition: Partition, inherited: tuple[str, ...]) -> Look:
    """Segments against recordings."""
    return look_at(
        partition,
        "segments",
        lambda: wanted_segments(partition, inherited, RULE),
        lambda: committed_segments(partition, inherited),
    )


def look_at_product(partition: Partition, product: Product, identity: EncoderIdentity | None) -> Look:
    """Embeddings against segments; with no encoder to compare with, a recording that has rows counts as done."""

    def wanted() -> Mapping[str, str]:
        if identity:
            return wanted_embeddings(partition, identity, product)
        have = committed_embeddings(partition, product)
        ids = {row["recording_id"] for row in read_rows(partition.stage("segments").table)}
        return {recording_id: have.get(recording_id, "none yet") for recording_id in ids}

    return look_at(partition, product.asset, wanted, lambda: committed_embeddings(partition, product))


def identity_of(partition: Partition, product: Product, spec: EncoderSpec) -> EncoderIdentity | None:
    """The folder's encoder; where rows are left without one, that of the settings if it is on this machine."""
    found = read_identity(product.folder(partition))
    if found or not any(product.rows(partition)):
        return found
    return identify(spec) if check_checkpoint(spec.checkpoint, spec.revision).status == "ok" else None


def look_at(
    partition: Partition,
    stage: str,
    wanted: Callable[[], Mapping[str, str]],
    committed: Callable[[], Mapping[str, str]],
    *,
    forgets: bool = False,
) -> Look:
    """Plan a stage; one that `forgets` leaves out failures of what was never done and is not listed now."""
    files = partition.stage(stage)
    commits, failures = unfolded(files)  # before the table: what is folded in between is seen twice, not never
    want, have = wanted(), dict(committed())
    rows = dict(by_recording(read_rows(files.table)))
    for recording_id, lately in commits.items():
        rows.pop(recording_id, None)
        have.pop(recording_id, None)
        if lately:
            rows[recording_id] = lately
            have[recording_id] = want.get(recording_id, "")  # it was committed as wanted a moment ago
    counted = {i: failure for i, failure in failures.items() if not forgets or i in want or i in have}
    return Look(resolve(want, have, counted, now=now_utc()), failures, rows, len(commits))
