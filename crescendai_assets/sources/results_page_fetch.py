"""One bounded request for a page of results, over http and https alone. What it holds is read by `results_page`."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from crescendai_assets.lake.errors import SetupError

MAX_BYTES = 10 * 2**20
TIMEOUT = 30.0

CURE = "Look at the page, correct results_page, or list the results in the file"
"""What to do about a page that cannot be used."""


def fetch_page(url: str, *, timeout: float = TIMEOUT, max_bytes: int = MAX_BYTES) -> bytes:
    """Get a page over http(s), within bounds of time and size.

    Raises:
        SetupError: It cannot be reached, refuses, leads to another scheme (or from https to http), or is too large
            or too slow.
    """
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "crescendai-assets", "Accept": "text/html,*/*;q=0.5"})
    deadline = time.monotonic() + timeout
    body = bytearray()
    try:
        with _opener().open(request, timeout=timeout) as response:
            while block := response.read1(2**16):
                body += block
                if len(body) > max_bytes:
                    raise SetupError(
                        f"{url}: larger than {max_bytes / 2**20:g} MB, which no page of results is. {CURE}"
                    )
                if time.monotonic() > deadline:
                    raise SetupError(f"{url}: did not arrive whole within {timeout:g} s. Run again later")
            announced = response.headers.get("Content-Length") or ""
    except urllib.error.HTTPError as error:
        raise SetupError(f"{url}: the server answers {error.code} ({error.reason}). {CURE}") from None
    except urllib.error.URLError as error:
        raise SetupError(f"{url}: cannot be reached ({error.reason}). Check the address, or run again later") from None
    except (OSError, http.client.HTTPException) as error:
        raise SetupError(f"{url}: the connection failed ({error or type(error).__name__}). Run again later") from None
    if announced.isdecimal() and len(body) < int(announced):  # http.client does not tell
        raise SetupError(f"{url}: broke off after {len(body):,} of {int(announced):,} bytes. Run again later")
    return bytes(body)


def may_lead_to(url: str, target: str) -> bool:
    """Whether a redirect is followed: within http or https, or from http to https."""
    old, new = urlsplit(url).scheme.lower(), urlsplit(target).scheme.lower()
    return (old, new) in {("http", "http"), ("https", "https"), ("http", "https")}


def _opener() -> Any:
    """An opener for http and https alone; urllib's own would follow a redirect to ftp as well."""
    import urllib.error
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not may_lead_to(req.full_url, newurl):
                raise urllib.error.URLError(f"it leads to {newurl}, which is not followed from there")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
