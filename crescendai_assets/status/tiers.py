"""How each tier stands: what its source lists, by the settings of the environment, and what follows from that.

A tier joins by one function in `TIERS`. It says what each partition's source lists (`SourceView`) and what follows
(`Course`); counting is `partition`'s work. Sites are never asked: what they listed last is on disk.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from crescendai_assets.embeddings.augmented import Augmentation, augmentation_from
from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.labels.clips import key_of, rated_keys
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row
from crescendai_assets.sources import competition_recordings, maestro, youtube
from crescendai_assets.sources.catalogue_yaml import catalogue_folders
from crescendai_assets.sources.channels import Channels, read_channels
from crescendai_assets.sources.competitions import Competitions, read_competitions
from crescendai_assets.sources.locate import known_rows
from crescendai_assets.sources.maestro_catalogue import Entry
from crescendai_assets.sources.maestro_sources import MaestroSource, maestro_source
from crescendai_assets.sources.percepiano_clips import ClipListing, audio_folder, list_clips
from crescendai_assets.sources.performers import read_performers
from crescendai_assets.status.clips import clips_status
from crescendai_assets.status.model import Course, PartitionStatus, SourceView, TierStatus
from crescendai_assets.status.partition import partition_status
from crescendai_assets.status.speed import speed_of
from crescendai_assets.status.web import channel_view, edition_view, with_lengths_assumed

ASSUMED_PERFORMANCE, ASSUMED_VIDEO = 1800.0, 600.0
"""Seconds of a recording while no length of the tier is known: a round of a competition, a video of a channel."""

MAESTRO = Course(maestro.INHERITED)
COMPETITION = Course(competition_recordings.INHERITED)


# --------------------------------------------------------------------------------------------------------- tier by tier


def maestro_status(
    tier: Tier, source: MaestroSource | None, spec: EncoderSpec, *, performers: Path | None = None
) -> TierStatus:
    """Every year that the source lists or that has tables.

    Args:
        tier: The tier, with the embedding set to look at.
        source: Folder or archive; None takes the recordings as they were listed last.
        spec: The encoder of the settings, for folders that have none yet.
        performers: The csv that the recordings asset is run with.

    Raises:
        SetupError: The catalogue, the csv or a table is damaged, or the source is out of reach.
    """
    if source is None:
        return tier_status(tier, MAESTRO, spec, {}, otherwise="no source is set")
    names = read_performers(performers) if performers else {}
    years: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in source.entries():
        years[str(entry.year)][entry.recording_id] = entry
    views = {year: _year_view(maestro.Listing(source, entries, names)) for year, entries in years.items()}
    empty = _year_view(maestro.Listing(source, {}, names))
    return tier_status(tier, MAESTRO, spec, {**{p.key: empty for p in tier.partitions()}, **views})


def competition_status(tier: Tier, competitions: Competitions, spec: EncoderSpec) -> TierStatus:
    """Every edition of the catalogue, and those that have tables.

    Args:
        tier: The tier, with the embedding set to look at.
        competitions: The catalogue's.
        spec: The encoder of the settings, for folders that have none yet.

    Raises:
        SetupError: A table is damaged.
    """
    rows = _all_rows(tier)
    views = {key: edition_view(tier.partition(key), edition) for key, edition in competitions.editions.items()}
    for fault in competitions.faults:
        views.setdefault(fault.path.stem, fault.message)
    return tier_status(tier, COMPETITION, spec, with_lengths_assumed(views, rows, ASSUMED_PERFORMANCE))


def youtube_status(
    tier: Tier, channels: Channels, spec: EncoderSpec, course: Course, notes: Iterable[str] = ()
) -> TierStatus:
    """Every channel of the catalogue, and those that have tables.

    Args:
        tier: The tier, with the embedding set to look at.
        channels: The catalogue's.
        spec: The encoder of the settings, for folders that have none yet.
        course: What follows, as from `youtube_course`.
        notes: Come before its own.

    Raises:
        SetupError: A table is damaged.
    """
    rows = _all_rows(tier)
    views = {one.key: channel_view(tier.partition(one.key), one, channels, rows) for one in channels.channels}
    faults = [fault.message for fault in channels.faults]
    return tier_status(tier, course, spec, with_lengths_assumed(views, rows, ASSUMED_VIDEO), notes=(*notes, *faults))


def youtube_course(augmentation: Augmentation | None) -> Course:
    """Segments are embedded as they are and, when it is known how, augmented."""
    return Course(youtube.INHERITED, (CLEAN, augmentation.product) if augmentation else (CLEAN,))


def tier_status(
    tier: Tier,
    course: Course,
    spec: EncoderSpec,
    sources: Mapping[str, SourceView | str],
    *,
    otherwise: str = "not in the catalogue",
    notes: Iterable[str] = (),
) -> TierStatus:
    """Every partition that a source lists or that has tables.

    Args:
        tier: The tier, with the embedding set to look at.
        course: What follows from its recordings.
        spec: The encoder of the settings.
        sources: Partition -> what its source lists, or why that cannot be told.
        otherwise: Why of the partitions that no source names.
        notes: What a reader should know besides.

    Raises:
        SetupError: A table is damaged.
    """
    tables = {partition.key for stage in course.stages for partition in tier.partitions(stage)}
    speeds = {stage: speed_of(tier, stage, spec) for stage in course.stages}
    found: list[PartitionStatus] = []
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    for key in sorted(tables | sources.keys()):
        source = sources.get(key, otherwise)
        if isinstance(source, SourceView):
            found.append(partition_status(tier.partition(key), source, course, spec, speeds))
        elif key in tables:
            note = f"recordings are taken as they were listed last: {source}"
            found.append(partition_status(tier.partition(key), None, course, spec, speeds, (note,)))
        else:
            waiting[source].append(key)
    return TierStatus(tier.name, tuple(found), {why: tuple(keys) for why, keys in waiting.items()}, tuple(notes))


def _year_view(listing: maestro.Listing) -> SourceView:
    source, entries = listing.source, listing.entries
    versions = {i: source.version(entry) for i, entry in entries.items()}
    fetched = source.folder is None

    def changed(recording_id: str, row: Row) -> bool:
        """A file that was only touched counts: its hash alone would tell, and that is for the run to take."""
        return any(row.get(column) != value for column, value in versions[recording_id].items())

    return SourceView(
        wanted=listing.wanted(),
        seconds={i: entry.duration for i, entry in entries.items()},
        changed=changed,
        fetched=fetched,
        transfer={i: version.get("bytes", 0) for i, version in versions.items()} if fetched else {},
        absent=[i for i, version in versions.items() if not version],
    )


def _all_rows(tier: Tier) -> dict[str, Row]:
    return {i: row for partition in tier.partitions() for i, row in known_rows(partition).items()}


# ---------------------------------------------------------------------------------------------------------- by settings


def _maestro(tier: Tier, spec: EncoderSpec) -> TierStatus:
    csv = os.environ.get("MAESTRO_PERFORMERS")
    performers = Path(csv).expanduser() if csv else None
    return _or_as_listed_last(
        tier, MAESTRO, spec, lambda: maestro_status(tier, maestro_source(), spec, performers=performers)
    )


def _competition(tier: Tier, spec: EncoderSpec) -> TierStatus:
    def look() -> TierStatus:
        return competition_status(tier, read_competitions(catalogue_folders()), spec)

    return _or_as_listed_last(tier, COMPETITION, spec, look)


def _youtube(tier: Tier, spec: EncoderSpec) -> TierStatus:
    notes: tuple[str, ...] = ()
    try:
        course = youtube_course(augmentation_from())
    except SetupError as error:
        course, notes = youtube_course(None), (f"augmented_pairs are left out: {error}",)

    def look() -> TierStatus:
        return youtube_status(tier, read_channels(catalogue_folders()), spec, course, notes)

    return _or_as_listed_last(tier, course, spec, look)


def _or_as_listed_last(tier: Tier, course: Course, spec: EncoderSpec, look: Callable[[], TierStatus]) -> TierStatus:
    """A tier that has tables is shown without a source that is out of reach."""
    try:
        return look()
    except (SetupError, RecordingError) as error:
        if not tier.partitions():
            raise
        return tier_status(tier, course, spec, {}, otherwise=f"the source cannot be read: {error}")


def _percepiano(tier: Tier, spec: EncoderSpec) -> TierStatus:
    files, folder = LabelFiles(tier.folder), audio_folder()
    if files.labels.exists():
        rated = rated_keys(files)
        return clips_status(tier, list_clips(folder, rated, key_of), len(rated), spec)
    found = clips_status(tier, ClipListing(None), 0, spec)
    why = "nothing is rated yet: materialize percepiano/labels"
    return replace(found, notes=(why,)) if folder or found.partitions else found


TIERS: Mapping[str, Callable[[Tier, EncoderSpec], TierStatus]] = {
    "percepiano": _percepiano,
    "competition": _competition,
    "maestro": _maestro,
    "youtube": _youtube,
}
"""Tier -> its status by the settings of the environment."""
