"""All channels together: recordings and segments in one table each, the same sound told from another, leftovers named.

One channel's recordings are `youtube`'s. A recording that sounds like an earlier one stays, marked `duplicate_of`, so
that a sampler can leave it out; nothing is removed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crescendai_assets.lake.compiled import CompileReport, rows_of_all
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import YOUTUBE_RECORDINGS, YOUTUBE_SEGMENTS
from crescendai_assets.lake.tables import Row, by_recording, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.sources.channels import Channel

_SHOWN = 50


@dataclass(frozen=True)
class PlannedChannels:
    """What the compiled tables have to be.

    Attributes:
        recordings: All recordings, with `pcm_hash` (null until they are cut) and `duplicate_of` (an id or null).
        segments: All segments, with `duplicate_of`.
        partitions: Channels that are there, in catalogue order.
    """

    recordings: list[Row]
    segments: list[Row]
    partitions: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(YOUTUBE_RECORDINGS.digest(self.recordings), YOUTUBE_SEGMENTS.digest(self.segments))


def plan_channels(tier: Tier, channels: Sequence[Channel]) -> PlannedChannels:
    """What the tables have to be, from the channels that exist; of two channels with one id the earlier has it."""
    partitions = _in_order(tier, channels)
    recordings: dict[str, Row] = {}
    segments: dict[str, list[Row]] = {}
    first_with: dict[str, str] = {}
    for partition in partitions:
        cut = dict(by_recording(read_rows(partition.stage("segments").table)))
        for row in read_rows(partition.stage("recordings").table):
            recording_id = row["recording_id"]
            if recording_id in recordings:
                continue  # the later channel lets it go at its next run
            rows = cut.get(recording_id, [])
            sound = rows[0]["pcm_hash"] if rows else None
            first = first_with.setdefault(sound, recording_id) if sound else recording_id
            duplicate_of = None if first == recording_id else first
            recordings[recording_id] = {**row, "pcm_hash": sound, "duplicate_of": duplicate_of}
            segments[recording_id] = [{**one, "duplicate_of": duplicate_of} for one in rows]
    return PlannedChannels(
        recordings=[recordings[i] for i in sorted(recordings)],
        segments=sorted((row for rows in segments.values() for row in rows), key=lambda row: str(row["segment_id"])),
        partitions=tuple(p.key for p in partitions),
    )


def compile_channels(tier: Tier, channels: Sequence[Channel]) -> CompileReport:
    """Write `recordings.jsonl`, `metadata.jsonl` and the `channels.yaml` they were made by."""
    planned = plan_channels(tier, channels)
    YOUTUBE_SEGMENTS.write(tier.metadata, planned.segments)
    YOUTUBE_RECORDINGS.write(tier.recordings, planned.recordings)
    write_atomic(tier.folder / "channels.yaml", _as_yaml(channels))
    doubles = [row for row in planned.recordings if row["duplicate_of"]]
    leftovers = orphaned_files(tier)
    return CompileReport(
        rows=len(planned.segments),
        digest=planned.digest,
        partitions=planned.partitions,
        facts={
            "recordings": len(planned.recordings),
            "duplicates_by_sound": len(doubles),
            "such_as": ", ".join(f"{row['recording_id']} = {row['duplicate_of']}" for row in doubles[:10]) or "none",
            "not_cut_yet": sum(row["pcm_hash"] is None for row in planned.recordings),
            "orphaned_files": len(leftovers),
            "orphans": ", ".join(leftovers[:_SHOWN]) or "none",
            "hours_of_audio": round(sum(r["segment_end"] - r["segment_start"] for r in planned.segments) / 3600, 3),
        },
    )


def digest_on_disk(tier: Tier) -> str:
    """Content hash of the tables as they are."""
    recordings, segments = read_rows(tier.recordings), read_rows(tier.metadata)
    return fingerprint(YOUTUBE_RECORDINGS.digest(recordings), YOUTUBE_SEGMENTS.digest(segments))


def orphaned_files(tier: Tier) -> list[str]:
    """Working copies that no row of any channel names, as a killed run or a removed table leaves them."""
    owned = {row["audio_path"] for row in rows_of_all(tier, "recordings")}
    audio = tier.folder / "audio"
    there = (f"audio/{p.name}" for p in audio.iterdir() if p.is_file()) if audio.is_dir() else ()
    return sorted(name for name in there if name not in owned and not name.startswith("audio/."))


def check_owners(tier: Tier) -> Outcome:
    """Each recording stands in one channel only, and duplicates point at one that is none itself."""
    owners: dict[str, list[str]] = {}
    for partition in tier.partitions():
        for row in read_rows(partition.stage("recordings").table):
            owners.setdefault(row["recording_id"], []).append(partition.key)
    faults: list[Row] = [
        {
            "id": i,
            "fault": f"stands in {', '.join(keys)}: materialize the later one again, and it lets it go; a channel that "
            "left the catalogue keeps it until its folder is removed",
        }
        for i, keys in owners.items()
        if len(keys) > 1
    ]
    rows = {row["recording_id"]: row for row in read_rows(tier.recordings)}
    faults += [
        {"id": i, "fault": f"is marked a duplicate of {row['duplicate_of']}, which is none of the originals"}
        for i, row in rows.items()
        if row["duplicate_of"] and (row["duplicate_of"] not in rows or rows[row["duplicate_of"]]["duplicate_of"])
    ]
    facts = {"recordings": len(rows), "duplicates": sum(bool(row["duplicate_of"]) for row in rows.values())}
    return outcome(faults, f"{len(rows)} recordings, one owner each", "recordings without one clear owner", facts)


def _in_order(tier: Tier, channels: Sequence[Channel]) -> list[Partition]:
    """Channels that have recordings: those of the catalogue in its order, then those it no longer names."""
    there = {p.key: p for p in tier.partitions()}
    known = [channel.key for channel in channels if channel.key in there]
    return [there[key] for key in (*known, *sorted(there.keys() - set(known)))]


def _as_yaml(channels: Sequence[Channel]) -> bytes:
    import yaml

    return yaml.safe_dump({"channels": list(_plain(channels))}, allow_unicode=True, sort_keys=False, width=120).encode()


def _plain(channels: Sequence[Channel]) -> Iterator[dict[str, Any]]:
    for channel in channels:
        where = {"folder": channel.folder.name} if channel.folder else {"url": channel.url}
        yield {"key": channel.key, "name": channel.name, "category": channel.category, **where}
