"""What an edition or a channel lists, as far as catalogue and disk tell; the site is not asked."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import DISCARDED
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.channels import Channel, Channels
from crescendai_assets.sources.collecting import Listed, Listing
from crescendai_assets.sources.competition_recordings import plan_edition
from crescendai_assets.sources.competitions import Edition, NoneYet
from crescendai_assets.sources.competitions import Listing as Titles
from crescendai_assets.sources.in_place import version_of
from crescendai_assets.sources.youtube import plan_channel
from crescendai_assets.status.model import SourceView


def edition_view(partition: Partition, edition: Edition) -> SourceView | str:
    """What an edition lists, or why that cannot be told."""
    if isinstance(edition.recordings, NoneYet) and not partition.stage("recordings").table.exists():
        return "recordings: none yet; say in its file of the catalogue where they are"
    if isinstance(edition.recordings, Titles) and not partition.discovered.exists():
        return "not asked yet: materialize competition/recordings"
    try:
        return _view(partition, plan_edition(partition, edition), {})
    except SetupError as error:
        return str(error)


def channel_view(
    partition: Partition, channel: Channel, channels: Channels, rows: Mapping[str, Row]
) -> SourceView | str:
    """What a channel lists, or why that cannot be told.

    Args:
        partition: Its own.
        channel: From the catalogue.
        channels: All of them: a video belongs to the first that lists it.
        rows: Recordings of all channels: what one has fetched another takes over.
    """
    if channel.url and not partition.discovered.exists():
        return "not asked yet: materialize youtube/recordings"
    try:
        return _view(partition, plan_channel(partition, channels), rows)
    except SetupError as error:
        return str(error)


def with_lengths_assumed(
    views: Mapping[str, SourceView | str], rows: Mapping[str, Row], otherwise: float
) -> dict[str, SourceView | str]:
    """Unknown lengths as the median of those that are known, `otherwise` (seconds) when none is."""
    known = [float(row["duration_seconds"]) for row in rows.values()]
    known += [seconds for view in views.values() if isinstance(view, SourceView) for seconds in view.seconds.values()]
    assumed = (otherwise, "no length is known yet")
    if known:
        assumed = (statistics.median(known), f"the median of {len(known)} that are known")
    return {key: view if isinstance(view, str) else replace(view, assumed=assumed) for key, view in views.items()}


def _view(partition: Partition, listing: Listing, fetched: Mapping[str, Row]) -> SourceView:
    listed, tier = listing.recordings, partition.tier
    durations = {row["video_id"]: row.get("duration") for row in read_rows(partition.discovered)}
    told = {i: durations.get(one.columns["video_id"]) for i, one in listed.items()}
    # a copy that another channel has discarded is fetched again: what was done with it was done there
    here = {i for i in listed.keys() & fetched.keys() if _same_file(tier, listed[i], fetched[i])}
    return SourceView(
        wanted=listing.wanted(),
        seconds={
            **{i: float(seconds) for i, seconds in told.items() if seconds},
            **{i: float(fetched[i]["duration_seconds"]) for i in here},
        },
        changed=_judge_of(tier, listing),
        fetched=listing.folder is None,
        here=here,
        forgets=True,
        notes=tuple(_undecided(tier, listing)),
    )


def _undecided(tier: Tier, listing: Listing) -> Iterator[str]:
    if listing.unusable:
        tried = "; `crescendai catalog match` shows how titles are read" if tier.name == "competition" else ""
        yield f"{len(listing.unusable)} listed recordings wait for a person to decide, why the ledger says{tried}"


def _judge_of(tier: Tier, listing: Listing) -> Callable[[str, Row], bool]:
    """Tells whether the audio of a row is fetched or read again."""

    def changed(recording_id: str, row: Row) -> bool:
        one = listing.recordings[recording_id]
        if one.url or listing.folder is None:
            let_go = row["state"] == DISCARDED and row["source_url"] == one.url
            return not (let_go or _same_file(tier, one, row))
        version = version_of(listing.folder / one.file)
        return row["audio_in"] == "lake" or any(row.get(column) != value for column, value in version.items())

    return changed


def _same_file(tier: Tier, one: Listed, row: Row) -> bool:
    """Whether a row's working copy is there, and is what would be fetched."""
    of_it = row["audio_in"] == "lake" and row["source_url"] == one.url
    return bool(of_it and (tier.folder / row["audio_path"]).is_file())
