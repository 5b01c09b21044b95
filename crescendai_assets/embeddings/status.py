"""How a tier stands and what finishing it takes: planned from tables and catalogue, before any of it is spent.

The plans are the assets' own; no audio is decoded, no weights are loaded and nothing is written or downloaded.
A tier joins by one function in `TIERS`. Showing the answer is the command line's work.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.doctor.encoder import check_checkpoint
from crescendai_assets.embeddings.folder import committed_embeddings, files_in, wanted_embeddings
from crescendai_assets.embeddings.identity import EncoderIdentity, EncoderSpec, identify, read_identity
from crescendai_assets.embeddings.muq import pooled_frames
from crescendai_assets.embeddings.store import WIDTH
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.journal import read_last_run, unfolded
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.ledger import Failure, now_utc
from crescendai_assets.lake.resolve import Plan, resolve
from crescendai_assets.lake.tables import Row, by_recording, read_rows
from crescendai_assets.sources.locate import committed_recordings
from crescendai_assets.sources.maestro import (
    INHERITED,
    Listing,
    MaestroSource,
    maestro_source,
)
from crescendai_assets.sources.maestro_catalogue import Entry
from crescendai_assets.sources.performers import read_performers
from crescendai_assets.sources.segmenting import committed_segments, wanted_segments

STAGES = ("recordings", "segments", "embeddings")

ASSUMED_CPU, ASSUMED_GPU = 8.5 / 30, 0.05 / 30
"""Seconds that MuQ-large takes for a second of audio: measured on 2 CPU cores, assumed for a GPU."""
ASSUMED_DECODE = 1 / 500
"""Seconds that cutting takes for a second of audio in two processes; assumed."""

_COPY_BYTES = 2 * SAMPLE_RATE  # a second of a 16-bit working copy: 173 MB an hour
_RULE = SegmentRule()


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
        bytes_to_transfer: What is fetched for it at most, one recording at a time.
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
class Speed:
    """Seconds of work for a second of audio, None when not known, and how that is known."""

    ratio: float | None
    basis: str


def maestro_status(
    tier: Tier, source: MaestroSource | None, spec: EncoderSpec, *, performers: Path | None = None, note: str = ""
) -> list[PartitionStatus]:
    """Every year that the source lists or that has tables, by year.

    Args:
        tier: The tier, with the embedding set to look at.
        source: Folder or archive; None takes the recordings as they were listed last.
        spec: The encoder of the settings, for folders that have none yet.
        performers: The csv that the recordings asset is run with.
        note: Added to each partition's notes.

    Raises:
        SetupError: The catalogue, the csv or a table is damaged, or the source is out of reach.
    """
    names = read_performers(performers) if performers else {}
    years: dict[str, dict[str, Entry]] = {}
    for entry in source.entries() if source else ():
        years.setdefault(str(entry.year), {})[entry.recording_id] = entry
    keys = {partition.key for stage in STAGES for partition in tier.partitions(stage)}
    speeds = {stage: _speed(tier, stage, spec) for stage in STAGES}
    notes = [note] if note else []
    if not source and not note:
        notes.append("no source is set: recordings are taken as they were listed last")
    return [
        _maestro_year(
            tier.partition(key), Listing(source, years.get(key, {}), names) if source else None, spec, speeds, notes
        )
        for key in sorted(keys | years.keys())
    ]


def _maestro_from_settings(tier: Tier, spec: EncoderSpec) -> list[PartitionStatus]:
    """With the source of the environment; a tier that has tables is shown without one that is out of reach."""
    csv = os.environ.get("MAESTRO_PERFORMERS")
    performers = Path(csv).expanduser() if csv else None
    try:
        return maestro_status(tier, maestro_source(), spec, performers=performers)
    except (SetupError, RecordingError) as error:
        if not tier.partitions():
            raise
        note = f"the source cannot be read, recordings are taken as they were listed last: {error}"
        return maestro_status(tier, None, spec, performers=performers, note=note)


TIERS: Mapping[str, Callable[[Tier, EncoderSpec], list[PartitionStatus]]] = {"maestro": _maestro_from_settings}
"""Tier -> its status by the settings of the environment."""


@dataclass(frozen=True)
class _Look:
    """One stage as it stands, with what a run under way or a killed one has committed and not folded yet."""

    plan: Plan
    failures: Mapping[str, Failure]
    rows: Mapping[str, list[Row]]
    unfolded: int

    @property
    def all_rows(self) -> Iterator[Row]:
        return (row for rows in self.rows.values() for row in rows)


def _look(
    partition: Partition,
    stage: str,
    wanted: Callable[[], Mapping[str, str]],
    committed: Callable[[], Mapping[str, str]],
) -> _Look:
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
    return _Look(resolve(want, have, failures, now=now_utc()), failures, rows, len(commits))


def _maestro_year(
    year: Partition, listing: Listing | None, spec: EncoderSpec, speeds: Mapping[str, Speed], notes: list[str]
) -> PartitionStatus:
    listed = _look(
        year,
        "recordings",
        listing.wanted if listing else lambda: committed_recordings(year),
        lambda: committed_recordings(year),
    )
    cut = _look(
        year,
        "segments",
        lambda: wanted_segments(year, INHERITED, _RULE),
        lambda: committed_segments(year, INHERITED),
    )
    identity = _identity(year, spec)
    embedded = _look(year, "embeddings", lambda: _wanted_embeddings(year, identity), lambda: committed_embeddings(year))

    seconds = {i: float(rows[0]["duration_seconds"]) for i, rows in listed.rows.items()}
    seconds |= {i: entry.duration for i, entry in listing.entries.items()} if listing else {}
    to_list = listed.plan.pending
    to_cut = _to_cut(seconds, listed, cut, _changed(listed, listing))
    lengths = {
        i: [stop - start for start, stop in _RULE.bounds(round(seconds[i] * SAMPLE_RATE))]
        if i in to_cut
        else [int(row["n_valid"]) for row in cut.rows[i]]
        for i in to_cut | cut.rows.keys()
    }
    settled = {*embedded.plan.done, *embedded.plan.waiting} - to_cut
    to_embed = lengths.keys() - settled

    fetched = listing is not None and listing.source.folder is None
    versions = [listing.source.version(listing.entries[i]) for i in to_list] if listing and fetched else []
    there = files_in(year.embedding_folder)
    made = {i: sum(r["bytes"] for r in rows if r["segment_id"] + ".pt" in there) for i, rows in embedded.rows.items()}
    pool = identity.temporal_pool if identity else spec.temporal_pool
    size = sum(4 * WIDTH * pooled_frames(n, pool) for i in to_embed for n in lengths[i])
    return PartitionStatus(
        tier=year.tier.name,
        partition=year.key,
        encoder=identity.describe() if identity and embedded.rows else "",
        stages=(
            _stage(
                "recordings",
                listed,
                speeds,
                audio=sum(float(row["duration_seconds"]) for row in listed.all_rows),
                rows_to_come=len(to_list),
                audio_to_come=sum(seconds[i] for i in to_list),
                on_disk=sum(path.stat().st_size for path in year.audio.glob("*.wav")),
                to_come=round(sum(seconds[i] for i in listed.plan.new) * _COPY_BYTES) if fetched else 0,
                to_transfer=sum(version.get("bytes", 0) for version in versions),
            ),
            _stage(
                "segments",
                cut,
                speeds,
                audio=_audio_seconds(row["n_valid"] for row in cut.all_rows),
                rows_to_come=sum(len(lengths[i]) for i in to_cut),
                audio_to_come=sum(seconds[i] for i in to_cut),
            ),
            _stage(
                "embeddings",
                embedded,
                speeds,
                audio=_audio_seconds(n for i in embedded.rows.keys() & lengths.keys() - to_embed for n in lengths[i]),
                rows_to_come=sum(len(lengths[i]) for i in to_embed),
                audio_to_come=_audio_seconds(n for i in to_embed for n in lengths[i]),
                on_disk=sum(made.values()),
                to_come=max(0, size - sum(made.get(i, 0) for i in to_embed)),
            ),
        ),
        notes=(*notes, *_notes(listed, cut, embedded), *_absent(listing, to_list)),
    )


def _notes(*looks: _Look) -> Iterator[str]:
    for stage, look in zip(STAGES, looks, strict=True):
        if look.unfolded:
            yield f"{stage}: {look.unfolded} recordings were committed by a run that goes on or was killed"


def _absent(listing: Listing | None, to_list: Collection[str]) -> Iterator[str]:
    absent = sum(not listing.source.version(listing.entries[i]) for i in to_list) if listing else 0
    if absent:
        yield f"{absent} recordings are in the catalogue, but their audio is not in the source"


def _changed(listed: _Look, listing: Listing | None) -> set[str]:
    """Recordings whose audio may be another than when they were listed; a corrected title alone does not count.

    A file that was only touched counts, since its hash alone would tell, and that is for the run to take.
    """
    if listing is None:
        return set()
    versions = {i: listing.source.version(listing.entries[i]) for i in listed.plan.stale}
    return {i for i, version in versions.items() if any(listed.rows[i][0].get(k) != v for k, v in version.items())}


def _to_cut(ids: Collection[str], listed: _Look, cut: _Look, changed: set[str]) -> set[str]:
    """Recordings that are decoded before the tier is done; one that only changes its labels is not."""
    failed = {*listed.plan.waiting, *cut.plan.waiting} - changed

    def cut_again(recording_id: str) -> bool:
        if not (recording_id in cut.rows and recording_id in listed.rows):
            return False  # a run under way is removing it
        segment, recording = cut.rows[recording_id][0], listed.rows[recording_id][0]
        relabelled = any(segment.get(column) != recording.get(column) for column in INHERITED)
        return bool(segment["source_sha256"] != recording["sha256"] or not relabelled)

    again = changed | {i for i in cut.plan.stale if cut_again(i)}
    return {i for i in ids if i in again or (i not in cut.rows and i not in failed)}


def _identity(partition: Partition, spec: EncoderSpec) -> EncoderIdentity | None:
    """The folder's encoder; where rows are left without one, that of the settings if it is on this machine."""
    found = read_identity(partition.embedding_folder)
    if found or not any(read_rows(partition.stage("embeddings").table)):
        return found
    return identify(spec) if check_checkpoint(spec.checkpoint, spec.revision).status == "ok" else None


def _wanted_embeddings(partition: Partition, identity: EncoderIdentity | None) -> Mapping[str, str]:
    """With no encoder to compare with, a recording that has rows counts as done."""
    if identity:
        return wanted_embeddings(partition, identity)
    have = committed_embeddings(partition)
    ids = {row["recording_id"] for row in read_rows(partition.stage("segments").table)}
    return {recording_id: have.get(recording_id, "none yet") for recording_id in ids}


def _stage(
    stage: str,
    look: _Look,
    speeds: Mapping[str, Speed],
    *,
    audio: float,
    rows_to_come: int,
    audio_to_come: float,
    on_disk: int = 0,
    to_come: int = 0,
    to_transfer: int = 0,
) -> StageStatus:
    speed, plan = speeds[stage], look.plan
    still = 0.0 if not audio_to_come else None if speed.ratio is None else speed.ratio * audio_to_come
    return StageStatus(
        stage=stage,
        rows=sum(map(len, look.rows.values())),
        done=len(plan.done),
        new=len(plan.new),
        stale=len(plan.stale),
        failed=dict(sorted(Counter(failure.error_class for failure in look.failures.values()).items())),
        removed=len(plan.removed),
        hours=audio / 3600,
        bytes_on_disk=on_disk,
        rows_to_come=rows_to_come,
        hours_to_come=audio_to_come / 3600,
        bytes_to_come=to_come,
        bytes_to_transfer=to_transfer,
        seconds_to_come=still,
        estimate=speed.basis if audio_to_come else "",
    )


def _speed(tier: Tier, stage: str, spec: EncoderSpec) -> Speed:
    """By the last run of the stage in any partition; else what is assumed of it."""
    device = spec.device.partition(":")[0]
    runs: list[tuple[int, str, Mapping[str, Any]]] = []
    for partition in tier.partitions(stage):
        files = partition.stage(stage)
        run = read_last_run(files)
        if not run or not run["audio_seconds"] or "imported_from" in run:
            continue
        if device == "auto" or str(run.get("device", device)).startswith(device):
            runs.append((files.last_run.stat().st_mtime_ns, partition.key, run))
    if runs:
        _, key, last = max(runs, key=lambda run: run[:2])
        ratio = last["seconds"] / last["audio_seconds"]
        where = f" on {last['device']}" if "device" in last else ""
        speed = f"{1 / ratio:,.0f}" if ratio < 0.01 else f"{1 / ratio:.3g}"
        return Speed(ratio, f"measured: {speed} times real time{where} in the last run ({key})")
    if stage == "recordings":
        return Speed(None, "not known before the first run: it depends on the disk or the network")
    if stage == "segments":
        return Speed(ASSUMED_DECODE, f"assumed: {1 / ASSUMED_DECODE:.0f} times real time")
    if device == "cpu" or (device == "auto" and shutil.which("nvidia-smi") is None):
        return Speed(ASSUMED_CPU, "assumed: 8.5 s for a segment of 30 s, MuQ-large on 2 CPU cores")
    return Speed(ASSUMED_GPU, "assumed: 0.05 s for a segment of 30 s, MuQ-large on a GPU")


def _audio_seconds(samples: Iterator[int]) -> float:
    return sum(samples) / SAMPLE_RATE
