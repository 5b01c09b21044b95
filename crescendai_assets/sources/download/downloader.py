"""The downloader: lists addresses, fetches recordings one by one, and judges what goes wrong on the way.

It puts the parts of this package together; one transfer is in `transfer`, what failures mean in `errors`. Which
recordings to fetch, and the rows they become, is for the tiers.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import no_room, sha256_file
from crescendai_assets.sources.download.client import backoff, open_client
from crescendai_assets.sources.download.errors import (
    ADDRESS,
    REFUSED,
    Blocked,
    Fault,
    FetchError,
    causes,
    classify,
    fetch_error,
    shown,
)
from crescendai_assets.sources.download.js_runtime import NO_JS_RUNTIME, JsRuntime, find_js_runtime
from crescendai_assets.sources.download.listing import Entry, Nested, collected
from crescendai_assets.sources.download.quota import DailyQuota
from crescendai_assets.sources.download.settings import DownloadSettings
from crescendai_assets.sources.download.transfer import (
    TooLargeError,
    Watch,
    clear_waiting,
    refuse_unfit,
    to_working_copy,
    too_large,
    transfer,
    waiting_at,
)
from crescendai_assets.sources.download.web_ids import canonical_url, is_youtube, listing_url, one_line

IN_A_ROW = 3
"""So many refusals of one kind in a row are the site's answer to this machine, not to one recording."""

_HOPS = 5
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True)
class Wanted:
    """A recording to fetch: its id, its address, and where its working copy goes (`.wav` or `.flac`)."""

    recording_id: str
    url: str
    copy: Path


@dataclass(frozen=True)
class Acquired:
    """What one download gave.

    Attributes:
        path: The working copy.
        original_sha256: Of the stream as it was served, which is not kept.
        bytes: Of that stream.
        duration: Decoded length, seconds.
        title: One printable line; empty when the site gives none.
        channel: Or uploader; may be empty.
        upload_date: `YYYYMMDD`; may be empty.
        extractor: yt-dlp's name of the site, `generic` for a file at an address.
        codec: As FFmpeg calls it; may be empty.
        native_ext: Suffix of the stream without its dot.
        webpage_url: Page of the recording.
    """

    path: Path
    original_sha256: str
    bytes: int
    duration: float
    title: str
    channel: str
    upload_date: str
    extractor: str
    codec: str
    native_ext: str
    webpage_url: str


class Downloader:
    """Lists and fetches; one thread uses one.

    Attributes:
        settings: How downloads are made.
        quota_used: Whether the last `fetch_all` ended because the day's downloads were used up.
    """

    def __init__(self, settings: DownloadSettings, quota_file: Path) -> None:
        """Touch neither the disk nor the network.

        Args:
            settings: How downloads are made.
            quota_file: Count of the day's downloads, shared by all runs.
        """
        self.settings, self.quota_used = settings, False
        self._quota = DailyQuota(quota_file, settings.daily_quota)
        self._watch = Watch(settings.max_bytes)

    def listing(self, url: str, max_videos: int | None = None) -> list[Entry]:
        """Every video of a channel, playlist or feed once, in its order; a single video is a list of one.

        A YouTube channel without a tab means its videos; lists inside the list are opened one level deep. A list
        inside that cannot be had is an entry that says why.

        Args:
            url: Its address; that of a YouTube video means the video also when it names a playlist.
            max_videos: Enough, not counting what cannot be fetched.

        Raises:
            RecordingError: It cannot be listed.
            Blocked: The site refuses this machine.
            SetupError: The cookies cannot be read.
        """
        address = _web_address(url, listing_url)
        with self._client(listing=True) as client:
            try:
                entries = self._entries(client, address)
                return collected(entries, address, lambda inner: self._inside(client, inner), max_videos)
            except RecordingError as error:
                if error.error_class == "blocked":
                    raise Blocked(str(error)) from error
                raise

    def fetch(self, url: str, copy: Path, partial: Path, worker: GuardedProcess) -> Acquired:
        """Transfer one recording and decode it to its working copy. It counts for the quota but is not held by it.

        Args:
            url: Its address.
            copy: Where the working copy goes, whole or not at all; `.flac` or `.wav`.
            partial: Folder of transfers that were broken off, which are taken up where they ended.
            worker: Decodes.

        Raises:
            RecordingError: It cannot be fetched or decoded.
            SetupError: The disk is full, or the cookies cannot be read.
        """
        self._quota.count(copy.stem)
        with self._client() as client:
            return self._acquire(client, url, copy, partial, worker)

    def fetch_all(self, wanted: Sequence[Wanted], partial: Path) -> Iterator[tuple[Wanted, Acquired | RecordingError]]:
        """Fetch recordings one after the other, with a pause between them; see `fetch`.

        It ends early, with `quota_used` set, when the day's downloads are used up.

        Yields:
            Each recording with what was acquired or why not, as soon as that is known.

        Raises:
            Blocked: The site refuses this machine; the recording that showed it was yielded, the rest was not tried.
            SetupError: The disk is full, or the cookies cannot be read.
        """
        self.quota_used = False
        if not wanted:
            return
        refusals = _Refusals()
        with self._client() as client, GuardedProcess() as worker:
            for number, one in enumerate(wanted):
                if not self._quota.take(one.recording_id):
                    self.quota_used = True
                    return
                if number:
                    time.sleep(random.uniform(*self.settings.sleep_seconds))
                outcome: Acquired | RecordingError
                try:
                    outcome = self._acquire(client, one.url, one.copy, partial, worker)
                except RecordingError as error:
                    outcome = error
                outcome = refusals.judged(outcome)
                yield one, outcome
                if isinstance(outcome, RecordingError) and outcome.error_class == "blocked":
                    untried = len(wanted) - number - 1
                    raise Blocked(f"stopped, {untried} of {len(wanted)} recordings not tried: {outcome}")

    @cached_property
    def _runtime(self) -> JsRuntime | None:
        return find_js_runtime()

    def _client(self, *, listing: bool = False) -> AbstractContextManager[Any]:
        return open_client(self.settings, self._runtime, hook=self._watch, listing=listing)

    def _entries(self, client: Any, address: str) -> Iterator[Any]:
        """Flat entries of a list, as far as they are asked for; a single video is its own."""
        try:
            from yt_dlp.utils import PlaylistEntries

            result = self._patiently(client, address, process=False)
            for _ in range(_HOPS):
                if result.get("_type") not in ("url", "url_transparent"):
                    break
                result = client.extract_info(result["url"], ie_key=result.get("ie_key"), download=False, process=False)
            if result.get("_type") in ("playlist", "multi_video"):
                yield from (entry for _, entry in PlaylistEntries(client, result).get_requested_items())
            else:
                yield {**result, "_type": "url", "ie_key": None, "url": address}
        except Exception as error:  # noqa: BLE001  what a site makes yt-dlp stumble over costs that site's recording
            self._raise(error, address)

    def _inside(self, client: Any, inner: Nested) -> Iterator[Any]:
        """Flat entries of a list inside a list."""
        return self._entries(client, _web_address(inner.url, listing_url))

    def _acquire(self, client: Any, url: str, copy: Path, partial: Path, worker: GuardedProcess) -> Acquired:
        address = _web_address(url, canonical_url)
        try:
            facts, original, whole = self._transferred(client, address, partial, copy.stem)
            size, sha256 = original.stat().st_size, sha256_file(original)
            seconds, codec = to_working_copy(
                worker, original, copy, shown(address), whole=whole, max_seconds=self.settings.max_seconds
            )
            clear_waiting(partial, copy.stem)
        except RecordingError as error:
            if error.error_class == "permanent":
                clear_waiting(partial, copy.stem)
            raise
        except OSError as error:
            self._raise(error, address, partial)
        page = str(facts.get("webpage_url") or "")
        date = str(facts.get("upload_date") or "")
        return Acquired(
            path=copy,
            original_sha256=sha256,
            bytes=size,
            duration=seconds,
            title=one_line(facts.get("title")),
            channel=one_line(facts.get("channel") or facts.get("uploader")),
            upload_date=date if len(date) == 8 and date.isdecimal() else "",
            extractor=one_line(facts.get("extractor")),
            codec=codec,
            native_ext=original.suffix.removeprefix("."),
            webpage_url=one_line(page, 2000) if page.startswith(("https://", "http://")) else address,
        )

    def _transferred(self, client: Any, address: str, partial: Path, stem: str) -> tuple[dict[str, Any], Path, bool]:
        """What the site says of it, the stream, and whether a fault in the stream is its own."""
        try:
            partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fault = SetupError(f"{partial}: cannot be made ({error.strerror}); it is where transfers wait, see to it")
            raise _disk_fault(error, partial) or fault from error
        try:
            info = self._patiently(client, address)
            refuse_unfit(info, address, self.settings)
            original = waiting_at(partial, stem, info, address)
            facts = client.sanitize_info(info, remove_private_keys=True)
            return facts, original, transfer(client, self._watch, info, original)
        except TooLargeError as error:
            raise too_large(address, self.settings) from error
        except Exception as error:  # noqa: BLE001  as above
            self._raise(error, address, partial)

    def _patiently(self, client: Any, address: str, **options: Any) -> dict[str, Any]:
        """What yt-dlp knows of an address, asked again when the network broke; YouTube's own part does that itself."""
        last = 0 if is_youtube(address) else self.settings.retries
        for attempt in range(last + 1):
            try:
                found = client.extract_info(address, download=False, **options)
            except Exception as error:
                if attempt == last or classify(error, address).kind != "network":
                    raise
                time.sleep(backoff(self.settings, attempt))
                continue
            if isinstance(found, dict):
                return found
            break
        raise Fault("yt-dlp finds nothing there", "retry", ADDRESS).error(address)

    def _raise(self, error: Exception, address: str, partial: Path | None = None) -> NoReturn:
        """Raise what an error of yt-dlp means, which raises anything on what sites make up."""
        if isinstance(error, SetupError):
            raise error
        if isinstance(error, RecordingError):
            if str(error).startswith(shown(address)):
                raise error
            kind = error.kind if isinstance(error, FetchError) else ""
            raise FetchError(f"{shown(address)}: {error}", error.error_class, kind) from error
        if partial and (full := _disk_fault(error, partial)):
            raise full from error
        hint = NO_JS_RUNTIME if is_youtube(address) and self._runtime is None else ""
        raise fetch_error(error, address, hint) from error


class _Refusals:
    """Counts refusals in a row, each of which alone would mean little."""

    def __init__(self) -> None:
        self._kind, self._count = "", 0

    def judged(self, outcome: Acquired | RecordingError) -> Acquired | RecordingError:
        """The outcome itself, or `blocked` in its place when it is one of too many in a row."""
        kind = outcome.kind if isinstance(outcome, FetchError) else ""
        self._count = self._count + 1 if kind == self._kind else 1
        self._kind = kind
        if kind not in ("forbidden", "unavailable") or self._count < IN_A_ROW:
            return outcome
        return FetchError(f"{outcome}. That is {self._count} in a row. {REFUSED}", "blocked", kind)


def _disk_fault(error: Exception, partial: Path) -> SetupError | None:
    """What to do about a full disk or a folder that is not ours, where that is what made a transfer fail."""
    for cause in causes(error):
        # a network may refuse with the same numbers, but names no file
        if isinstance(cause, OSError) and (
            cause.errno in _NO_ROOM or str(cause.filename or "").startswith(str(partial))
        ):
            fault = no_room(cause, partial)
            return fault if isinstance(fault, SetupError) else None
    return None


def _web_address(url: str, spelling: Callable[[str], str]) -> str:
    try:
        return spelling(url)
    except SetupError as error:
        raise FetchError(str(error), "permanent") from error
