"""Names for what lies on the web: ids and canonical addresses, titles as one printable line.

An id follows from the address alone, never from what a site says of itself. Nothing here touches the network; fetching
is in `downloader`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit, urlunsplit

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id

LONGEST_TITLE = 300

_LONGEST_SLUG = 40
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_NO_IDS = {"videoseries", "live_stream"}  # both have the eleven characters of an id
_BEFORE_ID = {"shorts", "live", "embed", "v", "e"}
_SUFFIX = re.compile(r"\.\w{1,5}$", re.ASCII)
_CHANNEL = re.compile(r"/(?:@[^/]+|(?:channel|c|user)/[^/]+)(?:/featured)?/?")


def video_id(url: str) -> str:
    """The id of what an address leads to: safe as a file name, the same for every spelling of a YouTube address.

    Returns:
        YouTube's own 11 characters; of any other address a slug of the last part of its path and a hash of the whole.

    Raises:
        SetupError: It is no http(s) address.
    """
    parts = _split(url)
    return checked_id(_youtube_id(parts) or _slug_and_hash(parts.path, _normalised(parts)))


def listed_id(text: str) -> str:
    """An id for an entry of a listing whose address, if it has any, is of no use."""
    return checked_id(_slug_and_hash(text.partition("?")[0], text))


def canonical_url(url: str) -> str:
    """One address for one video: `https://www.youtube.com/watch?v=ID`, or else the address without its fragment.

    Raises:
        SetupError: It is no http(s) address.
    """
    parts = _split(url)
    found = _youtube_id(parts)
    # a fragment never reaches the server, but yt-dlp takes orders from one (`#__youtubedl_smuggle=`)
    return f"https://www.youtube.com/watch?v={found}" if found else urlunsplit(parts._replace(fragment=""))


def listing_url(url: str) -> str:
    """The address to list: a YouTube channel named without a tab means its videos, not its shelves.

    Raises:
        SetupError: It is no http(s) address.
    """
    parts = _split(url)
    if _on_youtube(parts) and _CHANNEL.fullmatch(parts.path):
        path = parts.path.rstrip("/").removesuffix("/featured")
        return f"https://www.youtube.com{path}/videos"
    return canonical_url(url)


def is_youtube(url: str) -> bool:
    """Whether an address is one of YouTube's."""
    try:
        return _on_youtube(_split(url))
    except SetupError:
        return False


def youtube_id(url: str) -> str:
    """The 11 characters that a YouTube address holds; empty for any other."""
    try:
        return _youtube_id(_split(url))
    except SetupError:
        return ""


def is_youtube_id(text: str) -> bool:
    """Whether a text has the form of YouTube's ids."""
    return bool(_YOUTUBE_ID.fullmatch(text)) and text not in _NO_IDS


def one_line(text: object, longest: int = LONGEST_TITLE) -> str:
    """Text from elsewhere as one printable line: accents are kept, control and invisible characters are not."""
    composed = unicodedata.normalize("NFC", "" if text is None else str(text))
    spaced = (" " if c.isspace() or unicodedata.category(c) == "Cc" else c for c in composed)
    line = " ".join("".join(c for c in spaced if c == " " or c.isprintable()).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _split(url: str) -> SplitResult:
    shown = one_line(url, 120)
    text = url.strip() if isinstance(url, str) else ""
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):  # urlsplit would drop some silently
        raise SetupError(f"{shown!r}: holds a control character; copy the address again")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SetupError(f"{shown!r}: no address ({error}); copy it again") from error
    if parts.scheme not in ("http", "https"):
        found = f"begins with '{parts.scheme}:'" if parts.scheme else "has no scheme"
        raise SetupError(f"{shown!r}: {found}; give an address that begins with https:// or http://")
    if not host:
        raise SetupError(f"{shown!r}: names no host; copy the address again")
    return parts


def _on_youtube(parts: SplitResult) -> bool:
    host = (parts.hostname or "").removesuffix(".")
    return host == "youtu.be" or any(
        host == h or host.endswith(f".{h}") for h in ("youtube.com", "youtube-nocookie.com")
    )


def _youtube_id(parts: SplitResult) -> str:
    if not _on_youtube(parts):
        return ""
    path = [part for part in parts.path.split("/") if part]
    found = ""
    if parts.hostname == "youtu.be":
        found = path[0] if path else ""
    elif path[:1] == ["watch"]:
        found = parse_qs(parts.query).get("v", [""])[0]
    elif len(path) > 1 and path[0] in _BEFORE_ID:
        found = path[1]
    return found if is_youtube_id(found) else ""


def _normalised(parts: SplitResult) -> str:
    """One spelling of an address: case of scheme and host, the default port, and escapes do not count."""
    default = {"http": 80, "https": 443}[parts.scheme]
    port = f":{parts.port}" if parts.port not in (None, default) else ""
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    escaped = (quote(unquote(text), safe=safe) for text, safe in ((parts.path or "/", "/"), (parts.query, "=&")))
    return "?".join((f"{parts.scheme}://{user}{parts.hostname}{port}{next(escaped)}", next(escaped)))


def _slug_and_hash(path: str, whole: str) -> str:
    last = unquote(path).rstrip("/").rpartition("/")[2]
    plain = unicodedata.normalize("NFKD", _SUFFIX.sub("", last)).encode("ascii", "ignore").decode()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain.lower()))[:_LONGEST_SLUG].strip("-")
    digest = hashlib.blake2b(whole.encode(errors="backslashreplace"), digest_size=5).hexdigest()
    return f"{slug or 'audio'}-{digest}"
