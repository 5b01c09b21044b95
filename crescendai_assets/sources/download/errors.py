"""What a failed download means: its error class, in words that say what to do.

A pure judgement of yt-dlp's exceptions and messages. Counting failures in a row, and stopping, is the `downloader`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from crescendai_assets.lake.errors import ErrorClass, RecordingError, SetupError
from crescendai_assets.sources.download.web_ids import is_youtube, one_line

Kind = Literal["", "network", "forbidden", "unavailable"]
"""What more is known: `network` may pass in seconds; `forbidden` and `unavailable`, when they come in a row, are how a
site refuses a machine without saying so."""


class FetchError(RecordingError):
    """A recording that could not be fetched."""

    def __init__(self, message: str, error_class: ErrorClass = "permanent", kind: Kind = "") -> None:
        """Keep the kind, by which failures in a row are recognised."""
        super().__init__(message, error_class)
        self.kind: Kind = kind


class Blocked(SetupError):  # noqa: N818  a state of the site, not a fault of anybody's
    """The site refuses this machine for now: what was not tried yet would fail too, and make it worse."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one download.

    Attributes:
        what: In a few words, as the site or yt-dlp says it.
        error_class: When it is tried again.
        cure: What to do.
        kind: What more is known.
    """

    what: str
    error_class: ErrorClass
    cure: str
    kind: Kind = ""

    def error(self, url: str) -> FetchError:
        """The error to raise for an address."""
        return FetchError(f"{shown(url)}: {self.what}. {self.cure}", self.error_class, self.kind)


GONE = "It is not to be had any more: take it out of the list, or give another address"
ADDRESS = "Correct the address, or take it out of the list"
OTHER_SCHEME = "Only http and https are followed: give the recording's own address"
LATER = "It is tried again by a later run"
NOT_OVER = "It is fetched by a later run, once it is over"
COOKIES = (
    "Give the cookies of a browser that is signed in and may play it (CRESCENDAI_COOKIES or "
    "CRESCENDAI_COOKIES_BROWSER), then retry it; or take it out of the list"
)
ABROAD = "Give a proxy in a country where it plays (CRESCENDAI_PROXY), then retry it; or take it out of the list"
REFUSED = (
    "The site refuses this machine for now: wait some hours, then go on slower (CRESCENDAI_DOWNLOAD_SLEEP), with the "
    "cookies of a signed-in browser (CRESCENDAI_COOKIES), or from another network"
)

_RULES: tuple[tuple[str, ErrorClass, str, Kind], ...] = (
    # the order decides: "sign in to confirm you're not a bot" is no question of signing in
    (r"not a bot|captcha|too many requests|ip is likely being blocked|unusual traffic", "blocked", REFUSED, ""),
    (r"^premieres?\b|live event|will begin (?:in|shortly)|not currently live", "retry", NOT_OVER, ""),
    (r"this content isn['’]t available", "retry", LATER, "unavailable"),
    (r"confirm your age|age[- ]restricted|age verification|inappropriate for some users", "needs_user", COOKIES, ""),
    (r"private (?:video|playlist)|(?:video|playlist|content) is private|granted access", "permanent", GONE, ""),
    (r"in(?: or from)? your (?:country|region|location)|from your location|geo[- ]restrict", "needs_user", ABROAD, ""),
    (
        r"members?[- ]only|channel's members|join this channel|\bpremium\b|payment|purchase|\brent(?:al)?\b",
        "needs_user",
        COOKIES,
        "",
    ),
    (r"\bsign in|\blog(?:ged)? ?in\b|registered users|authenticat|cookies", "needs_user", COOKIES, ""),
    (r"not a valid url|unsupported url|is not an? (?:valid )?(?:url|address)", "permanent", ADDRESS, ""),
    (
        r"removed|terminated|no longer (?:available|exists)|copyright|do(?:es)?(?: not|n['’]t) exist|deleted|violat|"
        r"\bdrm\b|does not have a \w+ tab|unviewable|video unavailable",
        "permanent",
        GONE,
        "",
    ),
)

_SILENT = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PREFIX = re.compile(r"^\s*(?:ERROR:\s*)?(?:\[download\] Got error:\s*)?(?:\[[\w:+-]{1,60}\]\s+(?:\S+:\s)?)?")
_ADVICE = re.compile(
    r"\s*[;.,]?\s*(?:\(?caused by <|please report this issue|confirm you are on the latest|use --|also see\s|"
    r"you might want to use a vpn|it is recommended to use `-t|try again with\s+--|see\s+https?://\S*yt-dlp).*",
    re.IGNORECASE | re.DOTALL,
)


def classify(error: BaseException, url: str = "") -> Fault:
    """Judge one of yt-dlp's exceptions.

    Args:
        error: As it was raised; the exceptions it was made from are looked at too.
        url: What was to be fetched.

    Returns:
        The fault; an error that nobody knows is tried again.
    """
    chain = list(causes(error))
    names = {cls.__name__ for one in chain for cls in type(one).__mro__}
    what = _words(chain)
    if "InvalidSchema" in names or "MissingSchema" in names:
        return Fault(f"leads to an address of another kind ({what})", "permanent", OTHER_SCHEME)
    if "CookieLoadError" in names:
        return Fault("its cookies cannot be read", "needs_user", COOKIES)
    if "UnsupportedError" in names:
        return Fault("holds no recording that yt-dlp can find", "permanent", ADDRESS)
    if status := _status(chain):
        return _by_status(status, what, youtube=is_youtube(url))
    if "GeoRestrictedError" in names:
        return Fault(what, "needs_user", ABROAD)
    if "UserNotLive" in names:
        return Fault(what, "retry", NOT_OVER)
    for pattern, error_class, cure, kind in _RULES:
        if re.search(pattern, what, re.IGNORECASE):
            return Fault(what, error_class, cure, kind)
    if "ffmpeg could not be found" in what:  # a sealed stream; it is kept from looking for that program
        return Fault("is sealed, or sent in a form that is not read", "permanent", ADDRESS)
    if "requested format is not available" in what.lower() and not is_youtube(url):
        return Fault("holds no audio", "permanent", ADDRESS)
    if names & {"TransportError", "ContentTooShortError", "TimeoutError", "ConnectionError"}:
        return Fault(what, "retry", LATER, "network")
    return Fault(what, "retry", LATER)


def fetch_error(error: BaseException, url: str, hint: str = "") -> FetchError:
    """The error to raise for an address in place of yt-dlp's; `hint` is added where nothing better is known."""
    fault = classify(error, url)
    if hint and fault.error_class == "retry" and not fault.kind:
        fault = replace(fault, cure=f"{fault.cure}. {hint}")
    return fault.error(url)


def shown(url: str) -> str:
    """An address for a message: in one line, not too long, without a password."""
    return re.sub(r"://[^/@\s]*@", "://", one_line(url, 200))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those it was made from, nearest first: yt-dlp keeps them in several places."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        info = getattr(one, "exc_info", None)
        held = info[1] if isinstance(info, tuple) and len(info) == 3 else None
        waiting += [getattr(one, "cause", None), one.__cause__, held, one.__context__]


def _words(chain: list[BaseException]) -> str:
    """What is wrong, without the colours, names and advice that yt-dlp adds for people at its own command line."""
    said = next((str(one.orig_msg) for one in chain if hasattr(one, "orig_msg")), str(chain[0]) if chain else "")
    text = _PREFIX.sub("", _SILENT.sub("", said))
    line = re.sub(r"://[^/@\s]*@", "://", one_line(_ADVICE.sub("", text), 300)).rstrip(" .;,")
    return line or (type(chain[0]).__name__ if chain else "unknown error")


def _status(chain: list[BaseException]) -> int:
    """The HTTP status that a server refused with, 0 when none did."""
    for one in chain:
        status = getattr(one, "status", None)
        if isinstance(status, int):
            return status
        if found := re.search(r"HTTP Error (\d{3})\b", str(one)):
            return int(found[1])
    return 0


def _by_status(status: int, what: str, *, youtube: bool) -> Fault:
    if status == 429:
        return Fault(what, "blocked", REFUSED)
    if status in (404, 410):
        return Fault(what, "permanent", ADDRESS)
    if status in (401, 402, 407):
        return Fault(what, "needs_user", COOKIES)
    if status == 451:
        return Fault(what, "needs_user", ABROAD)
    if status == 403:
        return Fault(what, "retry", LATER, "forbidden")
    if status in (408, 416, 425) or status >= 500:
        return Fault(what, "retry", LATER, "network")
    # YouTube answers 400 to requests of an outdated yt-dlp, which says nothing of the video
    return Fault(what, "permanent", ADDRESS) if 400 <= status < 500 and not youtube else Fault(what, "retry", LATER)
