"""T4: the recordings of a channel: what it lists, what of that is a piano recording, and whose a shared video is.

A video in several channels belongs to the first of them in catalogue order. Which channels there are is `channels`'
business, bringing recordings into the lake is `collecting`'s, and what all channels hold together is `compiled`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import DISCARDED, YOUTUBE_RECORDINGS
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.channels import FILE, Channel, Channels, title_refusal
from crescendai_assets.sources.collecting import Listed, Listing, collect, discover, told_last
from crescendai_assets.sources.download import Downloader
from crescendai_assets.sources.in_place import audio_files, file_id, name_fault
from crescendai_assets.sources.locate import rows_held, taken_over

INHERITED = ("video_id", "title", "channel", "source_url")
"""Columns of a recording that each of its segments carries."""


def collect_channel(
    partition: Partition,
    channels: Channels,
    downloader: Downloader,
    *,
    refetch: bool = False,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Ask the channel what it has, and bring what is new and fits into the lake.

    Args:
        partition: The channel.
        channels: The catalogue's.
        downloader: Reaches the site.
        refetch: Make working copies again that were discarded.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The catalogue does not name the channel, its list cannot be read, the site blocks, or the disk is
            full; commits made so far stand.
    """
    channel = channels.channel(partition.key)
    unanswered: SetupError | None = None
    if channel.url:
        unanswered = told_last(
            partition.discovered,
            lambda: discover(partition, channel.url, channel.max_videos, downloader, progress),
            progress,
        )
    return collect(
        partition,
        YOUTUBE_RECORDINGS,
        plan_channel(partition, channels),
        downloader,
        adopted=lambda ids: _held_by_others(partition, ids),
        released=lambda ids: taken_over(partition, ids),
        refetch=refetch,
        unanswered=unanswered,
        options=options,
        progress=progress,
    )


def plan_channel(partition: Partition, channels: Channels) -> Listing:
    """What the channel should hold, by what it listed last; the site is not asked.

    Raises:
        SetupError: The catalogue does not name the channel, or names a folder that is not there.
    """
    channel = channels.channel(partition.key)
    if channel.folder:
        return _plan_folder(channel, channel.folder)
    before = channels.channels[: channels.channels.index(channel)]
    entries = list(judged(partition, channel))
    held = (row["video_id"] for row in rows_held(partition).values())
    mine = {*(entry["video_id"] for entry, refusal in entries if not refusal), *held}
    claimed = {i: one.name for one in reversed(before) for i in claims(partition.tier, one, mine)}
    recordings: dict[str, Listed] = {}
    passed_over: list[tuple[str, str]] = []
    for entry, refusal in entries:
        video_id = entry["video_id"]
        if not refusal and video_id in claimed:
            refusal = f"belongs to {claimed[video_id]}, which comes first"
        if refusal:
            passed_over.append((entry["title"], refusal))
            continue
        columns = {"video_id": video_id, "title": entry["title"], "channel": channel.name}
        recordings[f"yt_{video_id}"] = Listed(f"yt_{video_id}", columns, url=entry["url"])
    _keep_beyond_window(partition, channel, claimed, recordings)
    return Listing(recordings, passed_over=tuple(passed_over), seconds=(channel.min_seconds, channel.max_seconds))


def _keep_beyond_window(
    partition: Partition, channel: Channel, claimed: Collection[str], recordings: dict[str, Listed]
) -> None:
    """What was taken when it was among the newest stays, while newer videos fill the list that is asked for."""
    listed = {row["video_id"] for row in read_rows(partition.discovered)}
    if len(listed) < channel.max_videos:
        return
    for row in read_rows(partition.stage("recordings").table):
        if row["video_id"] not in listed and row["video_id"] not in claimed and row["source_url"]:
            columns = {"video_id": row["video_id"], "title": row["title"], "channel": channel.name}
            recordings[row["recording_id"]] = Listed(row["recording_id"], columns, url=row["source_url"])


def claims(tier: Tier, channel: Channel, among: Collection[str] | None = None) -> set[str]:
    """Ids of the videos that a channel lists and takes, and of those that it has.

    Args:
        tier: The tier.
        channel: Whose they are.
        among: Only these are asked for, which saves reading the titles of all others.
    """
    if channel.folder:
        return set()  # a folder's recordings are nobody else's
    partition = tier.partition(channel.key)
    has = {row["video_id"] for row in rows_held(partition).values()}
    takes = {entry["video_id"] for entry, refusal in judged(partition, channel, among) if not refusal}
    return takes | (has if among is None else has.intersection(among))


def judged(partition: Partition, channel: Channel, among: Collection[str] | None = None) -> Iterator[tuple[Row, str]]:
    """What the channel listed last, in its own order, each with the reason it is passed over, if there is one."""
    rows = (row for row in read_rows(partition.discovered) if among is None or row["video_id"] in among)
    for entry in sorted(rows, key=lambda row: int(row["place"])):
        yield entry, entry["unavailable"] or title_refusal(entry["title"], entry["duration"], channel)


def _plan_folder(channel: Channel, folder: Path) -> Listing:
    if not folder.is_dir():  # a disk that is not mounted must not look like a channel that took all its videos down
        raise SetupError(f"{FILE}: channel '{channel.name}': folder {folder}: no such folder; correct the path")
    recordings: dict[str, Listed] = {}
    unusable: dict[str, RecordingError] = {}
    passed_over: list[tuple[str, str]] = []
    for name in audio_files(folder):
        if fault := name_fault(name):
            unusable[f"yt_{file_id(channel.key, name)}"] = fault
            continue
        title = name.rpartition("/")[2].rpartition(".")[0].replace("_", " ")
        if refusal := title_refusal(title, None, channel):
            passed_over.append((title, refusal))
            continue
        video_id = file_id(channel.key, name)
        columns = {"video_id": video_id, "title": title, "channel": channel.name}
        recordings[f"yt_{video_id}"] = Listed(f"yt_{video_id}", columns, file=name)
    return Listing(
        recordings,
        folder=folder,
        unusable=unusable,
        passed_over=tuple(passed_over),
        seconds=(channel.min_seconds, channel.max_seconds),
    )


def _held_by_others(partition: Partition, ids: Collection[str]) -> Mapping[str, Row]:
    """Rows of these recordings in other channels, whose working copies lie in the same folder.

    A copy that was discarded there counts as lost: what was done with it was done for the other channel.
    """
    found: dict[str, Row] = {}
    for other in partition.tier.partitions():
        if other.key != partition.key:
            held = rows_held(other)
            found |= {i: row for i, row in held.items() if i in ids and row["state"] != DISCARDED}
    return found
