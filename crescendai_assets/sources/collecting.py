"""Recordings that a catalogue names, brought into the lake: downloaded to working copies, or listed where they lie.

Which recordings a partition should have is worked out by its tier (`competition_recordings`, `youtube`); how one is
transferred is `download`'s work. Here they meet: what is there already, what only changed its labels, what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crescendai_assets.audio.decode import declared_seconds
from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import clear_temporary
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import DISCARDED, DISCOVERED, WORKING_COPY
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.sources.download import Acquired, Downloader, Wanted
from crescendai_assets.sources.download.settings import AUDIO_FORMATS
from crescendai_assets.sources.in_place import hashed, version_of
from crescendai_assets.sources.locate import (
    committed_recordings,
    discarded_copies,
    known_rows,
    rows_held,
    sharing_audio,
    taken_over,
)

_AUDIO_COLUMNS = (
    "duration_seconds",
    "audio_in",
    "audio_path",
    "bytes",
    "sha256",
    "state",
    "discarded_bytes",
    "discarded_at",
    "codec",
    "extractor",
    "upload_date",
    "uploader",
)
"""Columns that follow from the audio and not from the catalogue."""

_READERS = 2


@dataclass(frozen=True)
class Listed:
    """One recording that a partition should have.

    Attributes:
        recording_id: Its id.
        columns: What its row says besides the audio; an empty `title` is filled from the site's.
        url: Where it is downloaded from; empty for one that lies in the partition's folder.
        file: Path below that folder.
    """

    recording_id: str
    columns: Row
    url: str = ""
    file: str = ""


@dataclass(frozen=True)
class Listing:
    """What a partition's source lists, judged by the catalogue.

    Attributes:
        recordings: By id.
        folder: Of recordings that are read in place; None when they are downloaded.
        unusable: Id -> why a listed recording cannot be used until a person decides.
        passed_over: Title -> why it is no recording of this partition: filtered, private, another channel's.
        seconds: Least and most that a recording may last; a listing often does not say how long one is.
    """

    recordings: Mapping[str, Listed]
    folder: Path | None = None
    unusable: Mapping[str, RecordingError] = field(default_factory=dict)
    passed_over: tuple[tuple[str, str], ...] = ()
    seconds: tuple[float, float] = (0.0, math.inf)

    def refuse_unfit(self, one: Listed, seconds: float) -> None:
        """Refuse what turns out too short or too long; a length of 0 is not known.

        Raises:
            RecordingError: It is.
        """
        if seconds and not self.seconds[0] <= seconds <= self.seconds[1]:
            raise RecordingError(
                f"{one.url or one.file}: lasts {seconds:.0f} s, and {self.seconds[0]:g} to {self.seconds[1]:g} s are "
                "asked for; to have it, change min_seconds or max_seconds and run with `retry_failed: true`",
                "needs_user",
            )

    def wanted(self) -> dict[str, str]:
        """Recording id -> fingerprint its row should have."""
        return {i: self.fingerprint(one) for i, one in self.recordings.items()}

    def fingerprint(self, one: Listed, version: Row | None = None) -> str:
        """Of labels and source; for a file also of what tells that it changed, by default as it is now."""
        if version is None:
            version = version_of(self.folder / one.file) if self.folder and one.file else {}
        return fingerprint(one.columns, one.url, one.file, version)


def collect(
    partition: Partition,
    table: Table,
    listing: Listing,
    downloader: Downloader,
    *,
    adopted: Callable[[Collection[str]], Mapping[str, Row]] | None = None,
    released: Callable[[Collection[str]], Collection[str]] | None = None,
    refetch: bool = False,
    unanswered: SetupError | None = None,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Bring the recordings table and the working copies of a partition in step with its listing.

    A recording whose labels alone changed is written again without its audio, also when that was discarded.

    Args:
        partition: Where.
        table: Its recordings table.
        listing: What should be there.
        downloader: Transfers what is at an address.
        adopted: Rows that other partitions hold of these ids, and whose working copies serve here too.
        released: Of the recordings that left the listing, those that another partition took over.
        refetch: Make working copies again that were discarded.
        unanswered: What a site that was asked did not answer, from `told_last`: then labels are corrected, the rest is
            left untried, and it is raised in the end.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The site blocks or did not answer, another process works here, or the disk is full; commits made so
            far stand.
    """
    if options.prune and not listing.recordings and any(read_rows(partition.stage("recordings").table)):
        raise SetupError(
            f"{partition.key}: nothing is listed any more, and pruning would remove all of it; if that is meant, "
            f"remove {partition.folder}"
        )

    def wanted() -> dict[str, str]:
        discarded = set(discarded_copies(partition)) if refetch else set()
        return {i: "discarded" if i in discarded else mark for i, mark in listing.wanted().items()}

    def work(run: StageRun) -> None:
        clear_temporary(partition.audio, "")
        known = known_rows(partition, refetch=refetch)
        pending = [listing.recordings[i] for i in run.plan.pending]
        to_fetch: list[Listed] = []
        with sharing_audio(partition.tier):
            known |= _under_other_ids(known, [one for one in pending if one.recording_id not in known])
            new = [one.recording_id for one in pending if one.recording_id not in known]
            known |= adopted(new) if adopted and new else {}
            for one in pending:
                if not one.url:
                    continue
                if row := _unchanged_audio(partition, one, known.get(one.recording_id)):
                    run.commit(one.recording_id, [_row(listing, one, row)])
                else:
                    to_fetch.append(one)
        _list_in_place(run, listing, [one for one in pending if not one.url], known)
        if unanswered is None:
            _fetch(run, partition, listing, to_fetch, downloader, progress)

    def prunable(recording_id: str) -> None:
        with sharing_audio(partition.tier):
            if not taken_over(partition, [recording_id]):
                drop_copies(partition, recording_id)

    report = run_stage(
        partition,
        "recordings",
        table,
        wanted=wanted,
        committed=lambda: committed_recordings(partition),
        work=work,
        options=options,
        progress=progress,
        unusable=lambda: listing.unusable,
        released=lambda removed: {*(released(removed) if released else ()), *_renamed(partition, removed)},
        on_prune=prunable,
        facts=lambda: _facts(partition, listing),
    )
    if unanswered:
        raise unanswered
    return report


def discover(
    partition: Partition, url: str, max_videos: int | None, downloader: Downloader, progress: Progress = silent
) -> None:
    """Ask the site what a channel or playlist holds, and keep the answer: plans and checks read it from there.

    Raises:
        SetupError: It cannot be read; what was listed before stays.
    """
    progress(f"asking {url} what it holds")
    try:
        entries = downloader.listing(url, max_videos)
    except RecordingError as error:
        raise SetupError(f"the list of recordings cannot be read: {error}") from error
    rows = [{**asdict(entry), "place": place} for place, entry in enumerate(entries)]
    DISCOVERED.write(partition.discovered, rows)
    progress(f"{len(rows)} videos listed")


def told_last(kept: Path, ask: Callable[[], None], progress: Progress) -> SetupError | None:
    """Ask a site; when it does not answer, what it told last still serves to correct labels.

    Args:
        kept: Where its answer is kept.
        ask: Asks, and keeps the answer.
        progress: Gets a line for the log.

    Returns:
        What is to be raised in the end; None when it answered.

    Raises:
        SetupError: It does not answer, and never did.
    """
    try:
        ask()
    except SetupError as error:
        if not kept.exists():
            raise
        progress(f"{error}; labels are corrected by what was told before, nothing is downloaded")
        return error
    return None


def copy_of(partition: Partition, recording_id: str, audio_format: str) -> Path:
    """Where the working copy of a recording lies."""
    return partition.audio / f"{recording_id}.{audio_format}"


def drop_copies(partition: Partition, recording_id: str) -> None:
    """Remove a recording's working copy and what is left of its download."""
    row = rows_held(partition).get(recording_id)
    if row and row["audio_in"] == "lake":  # it may bear the id that the recording had before
        (partition.tier.folder / row["audio_path"]).unlink(missing_ok=True)
    for audio_format in AUDIO_FORMATS:
        copy_of(partition, recording_id, audio_format).unlink(missing_ok=True)
    for path in partition.partial.glob("*"):
        if path.name.split(".")[0] == recording_id:
            path.unlink(missing_ok=True)


def _under_other_ids(known: Mapping[str, Row], new: Iterable[Listed]) -> dict[str, Row]:
    """Rows of recordings that are known under another id: a corrected round or performer makes another."""
    by_video = {(row["video_id"], row["source_url"]): row for row in known.values()}
    found = {one.recording_id: by_video.get((one.columns["video_id"], one.url)) for one in new}
    return {i: row for i, row in found.items() if row is not None}


def _renamed(partition: Partition, removed: Collection[str]) -> set[str]:
    """Of the recordings that left, those whose working copy stands in a row of another id now."""
    held = rows_held(partition)
    paths = {row["audio_path"] for i, row in held.items() if i not in removed}
    return {i for i in removed if i in held and held[i]["audio_path"] in paths}


def _list_in_place(run: StageRun, listing: Listing, files: list[Listed], known: Mapping[str, Row]) -> None:
    """Commit the files of a folder; their headers are read in a process that may crash on one."""
    folder = listing.folder
    if not files:
        return
    if folder is None:
        raise SetupError(f"{files[0].recording_id}: lies in a folder, and the catalogue names none")

    def one_file(worker: GuardedProcess, one: Listed) -> Row:
        audio = hashed(folder, one.file, known.get(one.recording_id))
        seconds = worker.call(declared_seconds, folder / one.file, what=str(folder / one.file))
        listing.refuse_unfit(one, seconds)
        return {"duration_seconds": round(seconds, 3), **audio}

    for one, outcome in guarded_map(one_file, files, _READERS):
        if isinstance(outcome, RecordingError):
            run.fail(one.recording_id, outcome)
        else:
            run.commit(one.recording_id, [_row(listing, one, outcome)])


def _unchanged_audio(partition: Partition, one: Listed, before: Row | None) -> Row | None:
    """The audio columns that stand, when only labels changed or another partition has the very recording."""
    if before is None or before["audio_in"] != "lake" or before["source_url"] != one.url:
        return None
    there = before["state"] == DISCARDED or (partition.tier.folder / before["audio_path"]).is_file()
    return {k: before[k] for k in (*_AUDIO_COLUMNS, "title") if k in before} if there else None


def _fetch(
    run: StageRun,
    partition: Partition,
    listing: Listing,
    to_fetch: list[Listed],
    downloader: Downloader,
    progress: Progress,
) -> None:
    by_id = {one.recording_id: one for one in to_fetch}
    audio_format = downloader.settings.audio_format
    orders = [Wanted(i, one.url, copy_of(partition, i, audio_format)) for i, one in by_id.items()]
    for order, outcome in downloader.fetch_all(orders, partition.partial):
        if not isinstance(outcome, RecordingError):
            try:
                listing.refuse_unfit(by_id[order.recording_id], outcome.duration)
            except RecordingError as error:
                order.copy.unlink(missing_ok=True)
                outcome = error
        if isinstance(outcome, RecordingError):
            run.fail(order.recording_id, outcome)
        else:
            row = _row(listing, by_id[order.recording_id], _audio_columns(partition, outcome))
            run.commit(order.recording_id, [row], outcome.duration)
            for other in {*AUDIO_FORMATS} - {audio_format}:  # of a time when another format was set
                copy_of(partition, order.recording_id, other).unlink(missing_ok=True)
    if downloader.quota_used:
        progress("the daily quota of downloads is used up; the rest waits for another day")


def _audio_columns(partition: Partition, acquired: Acquired) -> Row:
    return {
        "title": acquired.title,
        "duration_seconds": round(acquired.duration, 3),
        "audio_in": "lake",
        "audio_path": acquired.path.relative_to(partition.tier.folder).as_posix(),
        "bytes": acquired.bytes,
        "sha256": acquired.original_sha256,
        "state": WORKING_COPY,
        "codec": acquired.codec,
        "extractor": acquired.extractor,
        "upload_date": acquired.upload_date,
        "uploader": acquired.channel,
    }


def _row(listing: Listing, one: Listed, audio: Row) -> Row:
    """A whole row; the catalogue's title comes before the site's."""
    title = one.columns.get("title") or audio.get("title", "")
    # of a file as it was read: it may have changed since
    mark = listing.fingerprint(one, {} if one.url else {k: audio[k] for k in ("bytes", "mtime_ns")})
    return {
        "recording_id": one.recording_id,
        **audio,
        **one.columns,
        "title": title,
        "source_url": one.url,
        "fingerprint": mark,
    }


def _facts(partition: Partition, listing: Listing) -> dict[str, Any]:
    rows = known_rows(partition).values()
    return {
        "hours_of_audio": round(sum(row["duration_seconds"] for row in rows) / 3600, 3),
        "listed": len(listing.recordings),
        "passed_over": len(listing.passed_over),
        "unusable_until_decided": len(listing.unusable),
        "raw_audio_discarded": sum(row["state"] == DISCARDED for row in rows),
        "working_copies_bytes": sum(_sizes(partition, rows)),
    }


def _sizes(partition: Partition, rows: Iterable[Row]) -> Iterable[int]:
    for row in rows:
        path = partition.tier.folder / row["audio_path"]
        if row["audio_in"] == "lake" and path.is_file():
            yield path.stat().st_size
