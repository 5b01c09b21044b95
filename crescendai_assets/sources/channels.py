"""Curated channels of piano recordings, from the catalogue: where each is, and which of its titles are wanted.

Here: the form of `channels.yaml` (explained at its head), its checks, and the pure test of a title. Not here: listing
a channel and fetching its videos.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.text import folded, slug
from crescendai_assets.sources.catalogue_fields import CatalogueModel, ListingAddress, Name, PathText, Texts
from crescendai_assets.sources.catalogue_words import did_you_mean
from crescendai_assets.sources.catalogue_yaml import Document, Fault, read_document
from crescendai_assets.sources.download.web_ids import is_youtube

FILE = "channels.yaml"

Category = Literal["recital", "concert", "competition", "conservatory", "label", "maker", "teaching", "other"]
"""What a channel mostly shows; for people, and for comparing tables by it."""

_RESERVED = {"audio", "failures", "journal", "partial"}  # folders of the cache beside the channels' own
_LONGEST_KEY = 100
_TAB = re.compile(r"/(videos|featured|streams|shorts|playlists|about)?/?$")
_NO_SPACES = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")  # scripts that write words without spaces


@dataclass(frozen=True)
class Channel:
    """One channel, or a folder of recordings that stands for one.

    Attributes:
        key: The name as lower-case ASCII with hyphens; the partition's key.
        name: As people know it.
        category: What it mostly shows.
        url: The channel's or playlist's page; empty for a folder.
        folder: A folder of recordings; None for a page.
        max_videos: The most videos that are listed, newest first.
        min_seconds: Shorter videos are left out.
        max_seconds: Longer ones are, too.
        include: When there are any: a title must hold one of these words or phrases.
        exclude: A title must hold none of these.
    """

    key: str
    name: str
    category: Category
    url: str = ""
    folder: Path | None = None
    max_videos: int = 200
    min_seconds: float = 60.0
    max_seconds: float = 3 * 3600.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Channels:
    """The channels in the order of the catalogue, what could not be used, and what replaced what."""

    channels: list[Channel]
    faults: list[Fault]
    notes: list[str]

    def channel(self, key: str) -> Channel:
        """The channel of a key.

        Raises:
            SetupError: There is none; names the nearest, and the faults of the catalogue if there are any.
        """
        by_key = {channel.key: channel for channel in self.channels}
        if found := by_key.get(key):
            return found
        message = f"there is no channel '{key}'.{did_you_mean(key, by_key)} Add it to {FILE} of the catalogue"
        raise SetupError("\n".join([message, *(fault.message for fault in self.faults)]))


def read_channels(folders: Sequence[Path]) -> Channels:
    """Read the channels of the catalogue; a bad entry is a fault and hides no other.

    Args:
        folders: Catalogue folders, as from `catalogue_folders`; one without a `channels.yaml` adds nothing. An entry
            of a later one replaces that of the same name in its place, also while it is faulty (then there is none);
            new ones follow. Defaults of a later one replace earlier ones key by key, for all channels.
    """
    faults: list[Fault] = []
    notes: list[str] = []
    defaults: dict[str, Any] = {}
    entries: dict[str, _Placed] = {}
    for folder in folders:
        path = folder / FILE
        if not path.exists() and not path.is_symlink():
            continue
        try:
            document = read_document(path)
            top = document.read_as(_File)
        except SetupError as error:
            faults.append(Fault(path, str(error)))
            continue
        defaults |= _read_defaults(document, top, faults)
        for key, entry in _read_entries(document, top, faults):
            if before := entries.get(key):
                notes.append(f"{key}: {entry.where} is used, not {before.where}")
            entries[key] = entry
    return Channels(list(_built(entries, _Defaults(**defaults), faults)), faults, notes)


def title_refusal(title: str, duration: float | None, channel: Channel) -> str:
    """Why a video is left out, by what a listing says of it; empty when it is wanted.

    Args:
        title: As listed; whole words count, accents and case do not.
        duration: Seconds; None (or not a number) when not known, which refuses nothing.
        channel: Whose rules hold.
    """
    if duration is not None and duration < channel.min_seconds:
        return f"lasts {duration:g} s, less than {channel.min_seconds:g} s"
    if duration is not None and duration > channel.max_seconds:
        return f"lasts {duration / 3600:.1f} h, more than {channel.max_seconds / 3600:g} h"
    words = _words(title)
    if unwanted := next((phrase for phrase in channel.exclude if _holds(words, phrase)), ""):
        return f"the title says '{unwanted}'"
    if channel.include and not any(_holds(words, phrase) for phrase in channel.include):
        return f"the title says none of {', '.join(repr(phrase) for phrase in channel.include)}"
    return ""


def channel_key(name: str) -> str:
    """A name as lower-case ASCII letters and digits joined by hyphens; empty where it has none of them."""
    return slug(name, _LONGEST_KEY)


def _holds(words: str, phrase: str) -> bool:
    wanted = _words(phrase)
    if _NO_SPACES.search(wanted):
        return wanted in words
    return f" {wanted} " in f" {words} "


@functools.lru_cache(10_000)  # the rules are compared with every title
def _words(text: str) -> str:
    """The words of a text in lower case without accents, one space between them."""
    return " ".join(re.findall(r"[^\W_]+", folded(text)))


def _identity(channel: Channel) -> str:
    """What two spellings of one address share; handles know no case, other paths do."""
    if channel.folder:
        return str(channel.folder)
    parts = urlsplit(channel.url)
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    path = _TAB.sub("", parts.path) if is_youtube(channel.url) else parts.path
    return f"{host}{path.lower() if path.startswith('/@') else path}?{parts.query}"


# ------------------------------------------------------------------------------------------------------ the file's form

_Count = Annotated[int, Field(ge=1, le=100_000)]
_Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class _Rules(CatalogueModel):
    max_videos: _Count | None = None
    min_seconds: _Seconds | None = None
    max_seconds: _Seconds | None = None
    exclude: Texts | None = None


class _Entry(_Rules):
    name: Name
    category: Category
    url: ListingAddress | None = None
    folder: PathText | None = None
    include: Texts = Field(default_factory=list)


class _File(CatalogueModel):
    defaults: Any = None
    channels: list[Any]


@dataclass(frozen=True)
class _Defaults:
    max_videos: int = Channel.max_videos
    min_seconds: float = Channel.min_seconds
    max_seconds: float = Channel.max_seconds
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Placed:
    """A checked entry and where it stands; None for one whose name is known and whose rest is faulty."""

    entry: _Entry | None
    where: str
    path: Path


_Rule = TypeVar("_Rule", bound=_Rules)


def _read_defaults(document: Document, top: _File, faults: list[Fault]) -> dict[str, Any]:
    if top.defaults is None:
        return {}
    try:
        rules = _checked(document, document.read_as(_Rules, ("defaults",)), ("defaults",))
    except SetupError as error:
        faults.append(Fault(document.path, str(error)))
        return {}
    given = rules.model_dump(exclude_none=True)
    return given | ({"exclude": tuple(rules.exclude)} if rules.exclude is not None else {})


def _read_entries(document: Document, top: _File, faults: list[Fault]) -> Iterator[tuple[str, _Placed]]:
    """The entries of a file by key."""
    seen: set[str] = set()
    for number, given in enumerate(top.channels):
        loc = ("channels", number)
        where = document.at(loc)
        name = given.get("name") if isinstance(given, dict) else None
        key = channel_key(name) if isinstance(name, str) else ""
        entry: _Entry | None = None
        try:
            entry = _checked(document, document.read_as(_Entry, loc), loc)
            _check_entry(document, loc, entry, key, seen)
        except SetupError as error:
            faults.append(Fault(document.path, str(error)))
            if not key or key in seen:
                continue
            entry = None
        seen.add(key)
        yield key, _Placed(entry, where, document.path)


def _checked(document: Document, rules: _Rule, loc: tuple[str | int, ...]) -> _Rule:
    """Refuse words that no title can hold."""
    for field in ("include", "exclude"):
        for number, phrase in enumerate(getattr(rules, field, None) or []):
            if not _words(phrase):
                place = (*loc, field, number)
                raise document.refusal([(place, f"'{phrase}' holds no letter or digit to look for; drop it")])
    return rules


def _check_entry(document: Document, loc: tuple[str | int, ...], entry: _Entry, key: str, seen: set[str]) -> None:
    if (entry.url is None) == (entry.folder is None):
        raise document.refusal([(loc, f"'{entry.name}' must have a url or a folder, one of the two")])
    if not key:
        message = f"'{entry.name}' holds no Latin letter or digit to make a key of; write the name in Latin letters"
        raise document.refusal([((*loc, "name"), message)])
    if key in _RESERVED:
        message = f"'{entry.name}' would share the folder '{key}' with other files; give it a longer name"
        raise document.refusal([((*loc, "name"), message)])
    if key in seen:
        message = f"'{entry.name}' gives the key '{key}', which stands above already; give it another name or drop it"
        raise document.refusal([((*loc, "name"), message)])


def _built(entries: dict[str, _Placed], defaults: _Defaults, faults: list[Fault]) -> Iterator[Channel]:
    """The channels with the defaults filled in; what only shows side by side is checked here."""
    addresses: dict[str, str] = {}
    for key, placed in entries.items():
        if placed.entry is None:
            continue
        channel = _channel(key, placed.entry, placed.path, defaults)
        identity = _identity(channel)
        if channel.min_seconds > channel.max_seconds:
            message = (
                f"'{channel.name}' has min_seconds {channel.min_seconds:g} over max_seconds {channel.max_seconds:g}"
            )
            faults.append(Fault(placed.path, f"{placed.where}: {message}; correct one of them"))
        elif identity in addresses:
            cure = f"give it the name '{addresses[identity]}' to replace that one, or drop it"
            faults.append(
                Fault(placed.path, f"{placed.where}: '{channel.name}' is '{addresses[identity]}' again; {cure}")
            )
        else:
            addresses[identity] = channel.name
            yield channel


def _channel(key: str, entry: _Entry, path: Path, defaults: _Defaults) -> Channel:
    """One channel: what its entry says, else the defaults; excluded words add up."""
    channel = Channel(
        key=key,
        name=entry.name,
        category=entry.category,
        url=entry.url or "",
        folder=(path.parent / Path(entry.folder).expanduser()).absolute() if entry.folder else None,
        include=tuple(entry.include),
        exclude=tuple(dict.fromkeys([*defaults.exclude, *(entry.exclude or [])])),
    )
    limits = {
        name: value if (value := getattr(entry, name)) is not None else getattr(defaults, name)
        for name in ("max_videos", "min_seconds", "max_seconds")
    }
    return replace(channel, **limits)
