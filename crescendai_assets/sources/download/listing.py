"""What a channel, a playlist or a feed lists, as entries: pure parsing of yt-dlp's flat entries.

Asking for them is in `downloader`; an entry's id follows from its address (`web_ids`), never from the list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urljoin

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.sources.download.web_ids import (
    canonical_url,
    is_youtube,
    is_youtube_id,
    listed_id,
    one_line,
    video_id,
    youtube_id,
)

_LISTS = {"playlist", "multi_video", "compat_list"}
_LIST_EXTRACTORS = {"YoutubeTab", "YoutubePlaylist"}
_NOT_YET = {"is_live": "live", "post_live": "live", "is_upcoming": "upcoming"}
_PLACEHOLDERS = {
    "[private video]": "private",
    "[deleted video]": "deleted",
    "private video": "private",
    "deleted video": "deleted",
}


@dataclass(frozen=True)
class Entry:
    """One video of a listing.

    Attributes:
        video_id: From its address; safe as a file name.
        url: Canonical address.
        title: One printable line, as the listing says; may be empty.
        duration: Seconds, as the listing says.
        unavailable: Why it cannot be fetched (`private`, `deleted`, `live`, `upcoming`, or a sentence); empty when
            nothing speaks against it.
    """

    video_id: str
    url: str
    title: str
    duration: float | None
    unavailable: str = ""


@dataclass(frozen=True)
class Nested:
    """A list inside a list: a tab of a channel, a playlist of a shelf."""

    url: str
    title: str
    entries: tuple[Any, ...] = ()


Expand: TypeAlias = Callable[[Nested], Iterable[Any]]


def flat_entry(raw: object, base: str) -> Entry | Nested | None:
    """Read one flat entry.

    Args:
        raw: As yt-dlp lists it; anything else is no entry.
        base: Address of the list, against which addresses inside it are read.

    Returns:
        A video, or a list inside the list; None for what has neither address nor id.
    """
    if not isinstance(raw, Mapping):
        return None
    title, address = one_line(raw.get("title")), _address(raw, base)
    if _is_list(raw, address):
        inside = raw.get("entries")
        entries = tuple(inside) if isinstance(inside, list | tuple) else ()
        return Nested(address, title, entries) if address or entries else None
    if not address:
        return None
    duration = _seconds(raw.get("duration"))
    unavailable = _unavailable(raw, title, duration)
    try:
        return Entry(video_id(address), canonical_url(address), title, duration, unavailable)
    except SetupError:
        reason = unavailable or "its address is not one of http or https"
        return Entry(listed_id(address), one_line(address), title, duration, reason)


def collected(raws: Iterable[Any], base: str, expand: Expand, most: int | None = None) -> list[Entry]:
    """Every video of a list once, in its order, with those of lists one level inside.

    Args:
        raws: Flat entries; no more are asked for than are needed.
        base: Address of the list.
        expand: Gives the flat entries of a list inside the list.
        most: Enough, counted without what cannot be fetched; None for all.
    """
    found: dict[str, Entry] = {}

    def enough() -> bool:
        return most is not None and sum(not entry.unavailable for entry in found.values()) >= most

    def take(raws: Iterable[Any], base: str, *, deeper: bool) -> None:
        if enough():
            return
        for raw in raws:
            entry = flat_entry(raw, base)
            if isinstance(entry, Entry):
                found.setdefault(entry.video_id, entry)
            elif entry is not None and deeper:
                open_up(entry)
            if enough():
                return

    def open_up(inner: Nested) -> None:
        try:
            take(inner.entries or expand(inner), inner.url or base, deeper=False)
        except RecordingError as error:
            if error.error_class in ("retry", "blocked"):
                raise
            lost = Entry(_id_of(inner.url), inner.url, inner.title, None, str(error))  # seen, though never fetched
            found.setdefault(lost.video_id, lost)

    take(raws, base, deeper=True)
    return list(found.values())


def _address(raw: Mapping[str, Any], base: str) -> str:
    """The address an entry leads to; of one that only has YouTube's id, the video's own."""
    flat = str(raw.get("_type", "")).startswith("url")
    # in an entry that is no reference, `url` is the media itself: signed, and gone tomorrow
    keys = ("url", "webpage_url", "original_url") if flat else ("webpage_url", "original_url", "url")
    for key in keys:
        address = raw.get(key)
        if isinstance(address, str) and address.strip():
            try:
                return urljoin(base, address.strip())
            except ValueError:
                return address
    found = raw.get("id")
    on_youtube = raw.get("ie_key") == "Youtube" or (not raw.get("ie_key") and is_youtube(base))
    if isinstance(found, str) and found and on_youtube and raw.get("_type") not in _LISTS:
        return f"https://www.youtube.com/watch?v={found}" if is_youtube_id(found) else f"youtube:{one_line(found, 60)}"
    return ""


def _is_list(raw: Mapping[str, Any], address: str) -> bool:
    if raw.get("_type") in _LISTS or raw.get("ie_key") in _LIST_EXTRACTORS:
        return True
    return is_youtube(address) and not youtube_id(address)


def _unavailable(raw: Mapping[str, Any], title: str, duration: float | None) -> str:
    if not_yet := _NOT_YET.get(str(raw.get("live_status"))):
        return not_yet
    if raw.get("availability") == "private":
        return "private"
    placeholder = _PLACEHOLDERS.get(title.lower(), "")
    # a pianist may call a film "Deleted video"; then it has a length
    return placeholder if placeholder and duration is None else ""


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def _id_of(address: str) -> str:
    try:
        return video_id(address)
    except SetupError:
        return listed_id(address)
