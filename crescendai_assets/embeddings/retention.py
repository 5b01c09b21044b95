"""Letting go of working audio: only of recordings that are cut and embedded, and only of copies the lake made itself.

Whether the partition is sound is for its checks to say, before. A row says `done, raw discarded` before its file goes,
so that a run killed in between leaves a file to be removed by the next, never a row that promises one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.folder import Product, committed_embeddings, wanted_embeddings
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.lake.journal import locked, open_journal
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.ledger import now_utc
from crescendai_assets.lake.schemas import DISCARDED
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.sources.locate import sharing_audio, taken_over
from crescendai_assets.sources.segmenting import committed_segments, wanted_segments


@dataclass(frozen=True)
class DiscardReport:
    """What was let go.

    Attributes:
        discarded: Recordings whose working copy was removed now.
        bytes: What they took.
        before: Recordings whose copy was gone already.
        kept: Recording -> why its copy stays.
        in_place: Recordings read from a folder of the user's, which is never touched.
    """

    discarded: tuple[str, ...]
    bytes: int
    before: int
    kept: Mapping[str, str]
    in_place: int


def discard_raw_audio(
    partition: Partition,
    table: Table,
    inherited: tuple[str, ...],
    rule: SegmentRule,
    products: Sequence[Product],
    *,
    progress: Progress = silent,
) -> DiscardReport:
    """Remove the working copies of recordings with which there is nothing left to do.

    Args:
        partition: Where.
        table: Its recordings table.
        inherited: Columns that its segments take from a recording.
        rule: How recordings are cut.
        products: Embeddings that have to be there.
        progress: Gets a line for each recording.

    Raises:
        SetupError: A run is at work on this partition.
    """
    discarded: list[str] = []
    kept: dict[str, str] = {}
    freed = before = in_place = 0
    files = partition.stage("recordings")
    with _nobody_at_work(partition, products), open_journal(files, table, "recordings") as journal:
        # under the lock and after its fold: what a run fetched a moment ago is not cut yet
        unfinished = _unfinished(partition, inherited, rule, products)
        rows = list(read_rows(files.table))
        theirs = taken_over(partition, [row["recording_id"] for row in rows])
        for row in rows:
            recording_id, copy = row["recording_id"], partition.tier.folder / row["audio_path"]
            if row["audio_in"] != "lake":
                in_place += 1
            elif recording_id in theirs:
                kept[recording_id] = "another partition holds it, too: materialize recordings, and one lets it go"
            elif row["state"] == DISCARDED:
                copy.unlink(missing_ok=True)  # left by a run that was killed before it came to it
                before += 1
            elif recording_id in unfinished:
                kept[recording_id] = unfinished[recording_id]
            else:
                size = copy.stat().st_size if copy.is_file() else 0
                journal.commit(recording_id, [_discarded(row, size)])
                copy.unlink(missing_ok=True)
                progress(f"{recording_id}: {size / 1e6:.1f} MB removed")
                discarded.append(recording_id)
                freed += size
    return DiscardReport(tuple(discarded), freed, before, kept, in_place)


@contextmanager
def _nobody_at_work(partition: Partition, products: Sequence[Product]) -> Iterator[None]:
    """Keep runs that need the audio from starting, in this partition and in those that share its folder."""
    with ExitStack() as locks:
        for stage in ("segments", *(product.asset for product in products)):
            locks.enter_context(locked(partition.stage(stage), stage))
        locks.enter_context(sharing_audio(partition.tier))
        yield


def _discarded(row: Row, size: int) -> Row:
    return {**row, "state": DISCARDED, "discarded_bytes": size, "discarded_at": now_utc().isoformat(timespec="seconds")}


def _unfinished(
    partition: Partition, inherited: tuple[str, ...], rule: SegmentRule, products: Sequence[Product]
) -> dict[str, str]:
    """Recording -> what is still to be done with its sound."""
    wanted, cut = wanted_segments(partition, inherited, rule), committed_segments(partition, inherited)
    unfinished = {i: "not cut as it is listed now" for i, mark in wanted.items() if cut.get(i) != mark}
    for product in products:
        name = product.folder(partition).name
        identity = read_identity(product.folder(partition))
        if identity is None:
            unfinished |= dict.fromkeys(wanted.keys() - unfinished.keys(), f"nothing is in {name}")
            continue
        embedded = committed_embeddings(partition, product)
        for recording_id, mark in wanted_embeddings(partition, identity, product).items():
            if embedded.get(recording_id) != mark:
                unfinished.setdefault(recording_id, f"not embedded in {name} as it is cut now")
    return unfinished
