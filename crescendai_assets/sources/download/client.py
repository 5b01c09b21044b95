"""yt-dlp made safe for addresses from anywhere: http(s) only, no plugins, no user's configuration, no other programs.

Here: one client object and its options. What is asked of it is in `downloader`; what its errors mean in
`errors`.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.download.errors import OTHER_SCHEME, FetchError, shown
from crescendai_assets.sources.download.js_runtime import JsRuntime
from crescendai_assets.sources.download.settings import DownloadSettings, browser_cookies
from crescendai_assets.sources.download.web_ids import one_line

LARGEST_PAGE = 64 * 2**20
"""Bytes of a page that is read for metadata; YouTube's largest take a tenth."""

PROTOCOLS = {"http", "https", "m3u8", "m3u8_native", "http_dash_segments"}
"""Ways of transfer that yt-dlp does itself, through its one way to the network; the others start other programs."""

_LONGEST_BACKOFF = 60.0
_COOKIE = re.compile(r"\s*|#.*|(?:[^\t]*\t){4}(?:\d+(?:\.\d+)?)?\t[^\t]*\t[^\t]*")
_BLOCK = 2**20
_PIECE = 2**16

Hook = Callable[[dict[str, Any]], None]


def client_options(
    settings: DownloadSettings, runtime: JsRuntime | None, *, hook: Hook, listing: bool
) -> dict[str, Any]:
    """The options of a client.

    Args:
        settings: How downloads are made.
        runtime: JavaScript runtime, None when there is none.
        hook: Gets yt-dlp's reports of progress.
        listing: Whether it is to list rather than to fetch: a video that cannot be played yet is then no error.
    """
    options: dict[str, Any] = {
        "format": "bestaudio/best",
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "lazy_playlist": True,
        "ignore_no_formats_error": listing,
        # what would start other programs, or write anything but the file that is asked for
        "postprocessors": [],
        "fixup": "never",
        "external_downloader": "native",
        "ffmpeg_location": "/dev/null/ffmpeg",
        "cachedir": False,
        "enable_file_urls": False,
        "usenetrc": False,
        "geo_bypass": False,
        "js_runtimes": {runtime.name: {"path": runtime.path}} if runtime else {},
        # a file with a hole is worse than none
        "skip_unavailable_fragments": False,
        "continuedl": True,
        "updatetime": False,
        # a block that breaks off is lost: yt-dlp would let blocks grow to 4 MB
        "buffersize": _PIECE,
        "noresizebuffer": True,
        "socket_timeout": settings.socket_timeout,
        "sleep_interval_requests": settings.sleep_requests,
        "retries": settings.retries,
        "fragment_retries": settings.retries,
        "extractor_retries": settings.retries,
        "retry_sleep_functions": dict.fromkeys(
            ("http", "fragment", "extractor", "file_access"), lambda n: backoff(settings, n)
        ),
        "progress_hooks": [hook],
        "logger": _Silent(),
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "color": "no_color",
    }
    if settings.proxy:
        options["proxy"] = settings.proxy
    if settings.cookies_file is not None:
        options["cookiefile"] = _cookies(settings)
    if settings.cookies_from_browser:
        options["cookiesfrombrowser"] = browser_cookies(settings.cookies_from_browser)
    return options


def backoff(settings: DownloadSettings, attempt: int) -> float:
    """Seconds to wait after a failed attempt, the first of which is 0."""
    return min(settings.retry_backoff * 2.0 ** min(attempt, 10), _LONGEST_BACKOFF)


@contextmanager
def open_client(
    settings: DownloadSettings, runtime: JsRuntime | None, *, hook: Hook, listing: bool = False
) -> Iterator[Any]:
    """A `YoutubeDL` until the block ends; its arguments are those of `client_options`.

    Raises:
        SetupError: The cookies cannot be read, or yt-dlp lacks a package.
    """
    from yt_dlp.utils import YoutubeDLError

    with _client_class()(client_options(settings, runtime, hook=hook, listing=listing)) as client:
        try:
            _ = client.cookiejar  # read now: they concern every recording
        except (YoutubeDLError, ValueError) as error:
            raise SetupError(_bad_cookies(settings, error)) from None  # the cause may quote a cookie
        yield client


@functools.cache
def _client_class() -> type[Any]:
    """The class is made on first use, since yt-dlp loads only where it is used."""
    import yt_dlp.globals

    # the API loads plugins from the user's folders and from every folder Python imports from, like the command does
    yt_dlp.globals.plugin_dirs.value = []

    class WebClient(yt_dlp.YoutubeDL):  # type: ignore[misc]
        """A `YoutubeDL` whose every request passes one gate."""

        def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
            # yt-dlp tries its handlers in turn, and urllib's follows redirects to ftp:; requests' follows none but http
            kept = [handler for handler in handlers if handler.RH_KEY == "Requests"]
            if not kept:
                raise SetupError("yt-dlp lacks the package requests; install it with `pip install 'yt-dlp[default]'`")
            return super().build_request_director(kept, preferences)

        def urlopen(self, req: Any) -> Any:
            refuse_other_schemes(req if isinstance(req, str) else req.url)
            response = super().urlopen(req)
            if not getattr(self, "transferring", False):
                _limit(response)
            return response

    return WebClient


def refuse_other_schemes(url: str) -> None:
    """Let http and https through.

    Raises:
        FetchError: It is another address, `permanent`.
    """
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        scheme = "?"
    if scheme not in ("http", "https"):
        raise FetchError(
            f"{shown(url)}: leads to an address of another kind ('{scheme}:'). {OTHER_SCHEME}", "permanent"
        )


def _limit(response: Any) -> None:
    """Keep a page that never ends from filling the memory: yt-dlp reads pages whole."""
    read, left = response.read, LARGEST_PAGE

    def read_some(amount: int | None = None) -> bytes:
        nonlocal left
        parts: list[bytes] = []
        while amount is None or amount > 0:
            part = read(_BLOCK if amount is None else min(amount, _BLOCK))
            left -= len(part)
            if left < 0:
                raise FetchError(f"{shown(response.url)}: a page of more than {LARGEST_PAGE >> 20} MiB, no recording")
            parts.append(part)
            amount = amount if amount is None else amount - len(part)
            if not part:
                break
        return b"".join(parts)

    response.read = read_some


def _cookies(settings: DownloadSettings) -> io.StringIO:
    """The file's text; yt-dlp writes cookies back when it closes, which is to change no file of the user's."""
    path = settings.cookies_file
    assert path is not None
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(_bad_cookies(settings, error)) from error
    for number, line in enumerate(text.splitlines(), start=1):
        # yt-dlp would print such a line, which is a secret, and go on
        if not _COOKIE.fullmatch(line.removeprefix("#HttpOnly_")):
            raise SetupError(f"{_bad_cookies(settings)}. Line {number} is the first that is none")
    return io.StringIO(text)


def _bad_cookies(settings: DownloadSettings, error: Exception | None = None) -> str:
    if settings.cookies_from_browser and settings.cookies_file is None:
        return f"cookies of {settings.cookies_from_browser} cannot be read ({one_line(error)}); give a file of cookies"
    return f"{settings.cookies_file}: cannot be read as cookies in Netscape form; export them from the browser again"


class _Silent:
    """yt-dlp's chatter goes nowhere: errors arrive as exceptions."""

    def debug(self, message: str) -> None:
        """Say nothing."""

    def warning(self, message: str) -> None:
        """Say nothing."""

    def error(self, message: str) -> None:
        """Say nothing."""
