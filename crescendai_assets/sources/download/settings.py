"""How downloads are made: their settings, checked, and the environment they are read from.

What they do is in `downloader` and `client`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crescendai_assets.lake.errors import SetupError

AUDIO_FORMATS = ("wav", "flac")

_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_BROWSER = re.compile(r"(?P<name>[^+:]+)(?:\+(?P<keyring>[^:]+))?(?::(?!:)(?P<profile>.+?))?(?:::(?P<container>.+))?")


@dataclass(frozen=True)
class DownloadSettings:
    """How downloads are made.

    Attributes:
        cookies_file: Cookies in Netscape form, as browsers' extensions export them; only read, never written.
        cookies_from_browser: Whose cookies to take, as yt-dlp names it: `firefox`, `chrome:Profile 1`.
        proxy: Address of a proxy; the environment's own (`https_proxy`) when empty.
        sleep_seconds: Least and most seconds between two downloads; yt-dlp's preset `-t sleep`.
        sleep_requests: Seconds between requests for metadata; from the same preset, never more than between downloads.
        max_bytes: Largest file that is transferred.
        max_seconds: Longest recording that is transferred.
        daily_quota: Most downloads tried in one day (UTC), all partitions together; None for no limit.
        audio_format: Of working copies: `wav` or `flac`.
        retries: Further tries of one transfer that the network broke.
        socket_timeout: Seconds without an answer after which a connection is given up.
        retry_backoff: Seconds before the first of the further tries; each one more waits twice as long.
    """

    cookies_file: Path | None = None
    cookies_from_browser: str = ""
    proxy: str = ""
    sleep_seconds: tuple[float, float] = (10.0, 20.0)
    sleep_requests: float = 0.75
    max_bytes: int = 500_000_000
    max_seconds: float = 4 * 3600.0
    daily_quota: int | None = None
    audio_format: str = "wav"
    retries: int = 3
    socket_timeout: float = 30.0
    retry_backoff: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            SetupError: A setting has no use; it is named.
        """
        if self.cookies_file is not None and not self.cookies_file.is_file():
            raise SetupError(f"cookies_file: {self.cookies_file}: no such file; export the browser's cookies to it")
        if self.cookies_from_browser:
            browser_cookies(self.cookies_from_browser)
        if self.proxy and not _is_proxy(self.proxy):
            raise SetupError(f"proxy: no address that begins with one of {', '.join(f'{p}://' for p in _PROXIES)}")
        if not 0 <= self.sleep_seconds[0] <= self.sleep_seconds[1] < math.inf:
            raise SetupError(f"sleep_seconds: {self.sleep_seconds} is not least and most seconds; give 10-20, or 0")
        if self.audio_format not in AUDIO_FORMATS:
            raise SetupError(f"audio_format: {self.audio_format!r} is not one of {', '.join(AUDIO_FORMATS)}")
        if self.daily_quota is not None and self.daily_quota < 1:
            raise SetupError(f"daily_quota: {self.daily_quota} lets nothing through; give 1 or more, or leave it out")
        for name in ("max_bytes", "max_seconds", "socket_timeout"):
            if not 0 < getattr(self, name) < math.inf:
                raise SetupError(f"{name}: {getattr(self, name)} is not above 0")
        for name in ("sleep_requests", "retries", "retry_backoff"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SetupError(f"{name}: {getattr(self, name)} is below 0")
        object.__setattr__(self, "sleep_requests", min(self.sleep_requests, self.sleep_seconds[0]))


def settings_from(environ: Mapping[str, str] = os.environ, **overrides: Any) -> DownloadSettings:
    """Settings from the environment; `overrides` that are not None come before it.

    Raises:
        SetupError: A variable or an override has no use; it is named.
    """
    chosen: dict[str, Any] = {}
    for variable, (name, read) in _VARIABLES.items():
        text = environ.get(variable, "").strip()
        if not text or overrides.get(name) is not None:
            continue
        try:
            chosen[name] = read(text)
            DownloadSettings(**{name: chosen[name]})
        except ValueError as error:
            raise SetupError(f"{variable} is {text!r}: {error}") from error
        except SetupError as error:
            raise SetupError(f"{variable}: {str(error).partition(': ')[2]}") from error
    return DownloadSettings(**chosen, **{name: value for name, value in overrides.items() if value is not None})


def browser_cookies(text: str) -> tuple[str, str | None, str | None, str | None]:
    """`BROWSER[+KEYRING][:PROFILE][::CONTAINER]` as yt-dlp takes it: browser, profile, keyring, container.

    Raises:
        SetupError: yt-dlp cannot read that browser.
    """
    from yt_dlp.cookies import SUPPORTED_BROWSERS, SUPPORTED_KEYRINGS

    found = _BROWSER.fullmatch(text.strip())
    name = found["name"].strip().lower() if found else text
    keyring = found["keyring"].strip().upper() if found and found["keyring"] else None
    if found is None or name not in SUPPORTED_BROWSERS:
        raise SetupError(f"cookies_from_browser: {name!r} is not one of {', '.join(sorted(SUPPORTED_BROWSERS))}")
    if keyring not in (None, *SUPPORTED_KEYRINGS):
        raise SetupError(f"cookies_from_browser: keyring {keyring!r} is not one of {', '.join(SUPPORTED_KEYRINGS)}")
    return name, found["profile"], keyring, found["container"]


def _is_proxy(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme.lower() in _PROXIES and bool(parts.hostname)
    except ValueError:
        return False


def _seconds(text: str) -> tuple[float, float]:
    least, dash, most = text.partition("-")
    try:
        return float(least), float(most if dash else least)
    except ValueError:
        raise ValueError("give least and most seconds between two downloads, as 10-20, or 0") from None


def _hours(text: str) -> float:
    try:
        return float(text) * 3600
    except ValueError:
        raise ValueError("give hours, such as 4") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("give a whole number") from None


def _megabytes(text: str) -> int:
    try:
        return int(float(text) * 1e6)
    except (ValueError, OverflowError):
        raise ValueError("give a number of megabytes, as 500") from None


_VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "CRESCENDAI_COOKIES": ("cookies_file", lambda text: Path(text).expanduser()),
    "CRESCENDAI_COOKIES_BROWSER": ("cookies_from_browser", str),
    "CRESCENDAI_PROXY": ("proxy", str),
    "CRESCENDAI_DOWNLOAD_SLEEP": ("sleep_seconds", _seconds),
    "CRESCENDAI_DOWNLOAD_QUOTA": ("daily_quota", _whole),
    "CRESCENDAI_AUDIO_FORMAT": ("audio_format", str.lower),
    "CRESCENDAI_DOWNLOAD_MAX_MB": ("max_bytes", _megabytes),
    "CRESCENDAI_DOWNLOAD_MAX_HOURS": ("max_seconds", _hours),
}
