"""The sample's video site: a web server on the loopback, reached as a proxy so that its addresses never change.

A downloader that is given `http://127.0.0.1:<port>` as its proxy finds `http://videos.example` there and nothing
else: the real downloader runs with no internet. Asked without a proxy, for a path of its own, the server answers too,
and its pages then lead to itself. What it serves, and which of that is slow or breaks off, stands in the folder's
`site.json`; what is in there is `videos`' business.

Run as `python -m crescendai_assets.sample.site FOLDER [--port PORT] -- COMMAND ...`: serves while the command runs,
with the proxy in its environment (`CRESCENDAI_PROXY`), and exits as it does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from crescendai_assets.lake.errors import SetupError

HOST = "videos.example"
"""Where the site is said to be; names under `.example` are nobody's."""

INDEX = "site.json"
"""Path -> file, type and faults; in the folder that is served."""

PROXY_VARIABLE = "CRESCENDAI_PROXY"

_STEPS = 20  # pieces that a slow answer comes in
_BLOCK = 2**16
_COUNTED = re.compile(r"/(watch|media)/")  # what the switches of faults count: no lists


@dataclass(frozen=True)
class Resource:
    """What is served at one path.

    Attributes:
        file: Where its bytes lie.
        content_type: As the server calls it.
        lasts: Seconds that a whole answer takes; a range takes its share.
        breaks_off_at: Share of the file behind which no answer ever gets; None for a whole one.
    """

    file: Path
    content_type: str
    lasts: float = 0.0
    breaks_off_at: float | None = None


@dataclass
class Request:
    """One request as it was answered.

    Attributes:
        method: `GET`, `HEAD` or `CONNECT`.
        path: Without the host; for what is not on the site, as it was asked for.
        proxied: Whether it was asked for by its whole address, as proxies are.
        range: First and last byte asked for, both included, if a part was.
        status: Of the answer.
        sent: Bytes of the body given to the socket.
    """

    method: str
    path: str
    proxied: bool = False
    range: tuple[int, int] | None = None
    status: int = 0
    sent: int = 0


@dataclass
class Site:
    """A running site: its address, its log, and switches of faults for use while it runs.

    Attributes:
        resources: What it serves, by path.
        proxy: Address to give to a downloader as its proxy.
        requests: What it was asked for, in order.
    """

    resources: Mapping[str, Resource]
    proxy: str = ""
    requests: list[Request] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _until_forbidden: int | None = None
    _failing: int = 0

    def forbid_after(self, n: int) -> None:
        """Answer 403 to every request for a page or media after the next `n` of them.

        yt-dlp makes three for a video: the page, a look at the media, and their transfer.
        """
        with self._lock:
            self._until_forbidden = n

    def fail_times(self, n: int) -> None:
        """Answer 503 to the next `n` requests for a page or media."""
        with self._lock:
            self._failing = n

    def heal(self) -> None:
        """Answer as it should again; what is wrong with single media stays."""
        with self._lock:
            self._until_forbidden, self._failing = None, 0

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.path == path for request in list(self.requests))

    def local(self, path: str) -> str:
        """Address of a path for those who ask without a proxy."""
        return f"{self.proxy}{path}"

    def refusal(self, path: str) -> int:
        """Count a request, and say with which status the switches refuse it; 0 when they do not."""
        if not _COUNTED.match(path):
            return 0
        with self._lock:
            if self._failing:
                self._failing -= 1
                return 503
            if self._until_forbidden is None:
                return 0
            self._until_forbidden -= 1
            return 403 if self._until_forbidden < 0 else 0


@contextmanager
def serve_site(folder: Path, port: int = 0) -> Iterator[Site]:
    """Serve a folder on 127.0.0.1 until the block ends.

    Args:
        folder: Holds `site.json`, as `videos.write_videos` writes it.
        port: 0 takes a free one.

    Raises:
        SetupError: The folder holds no site, or the port is taken.
    """
    site = Site(read_index(folder))
    try:
        httpd = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, site))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise SetupError(f"port {port} of 127.0.0.1: {why}; give another, or 0 for any") from error
    httpd.daemon_threads = True
    site.proxy = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.stopped.set()  # connections that are still open get no more answers
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def read_index(folder: Path) -> dict[str, Resource]:
    """What a folder's `site.json` says is served, by path.

    Raises:
        SetupError: There is none, it is not as it must be, or it names a file outside the folder.
    """
    index = folder / INDEX
    try:
        paths = json.loads(index.read_bytes())["paths"]
        found = {
            path: Resource(folder / one["file"], one["type"], one.get("lasts", 0.0), one.get("breaks_off_at"))
            for path, one in paths.items()
        }
    except FileNotFoundError as error:
        raise SetupError(f"{index}: no such file; write the sample's site with `make demo`") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(f"{index}: not the index of a sample site; remove it and run `make demo`") from error
    root = folder.resolve()
    for path, resource in found.items():
        if not resource.file.resolve().is_relative_to(root):
            raise SetupError(f"{index}: {path} is a file outside {folder}; remove the index and run `make demo`")
    return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open between requests, as on real servers
    disable_nagle_algorithm = True  # headers and body go separately; each would wait 40 ms for the other

    def __init__(self, site: Site, request: Any, client: Any, httpd: Any) -> None:
        self.site = site
        super().__init__(request, client, httpd)

    def handle(self) -> None:
        """Answer until the client leaves, which it may do in the middle of anything."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_CONNECT(self) -> None:
        """Refuse a tunnel, which is how a proxy is asked for https."""
        log = Request(self.command, self.path, proxied=True)
        self.site.requests.append(log)
        self._refuse(log, 502, f"only http://{HOST} is here")

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent; the log is `Site.requests`."""

    def _answer(self) -> None:
        if self.site.stopped.is_set():
            self.close_connection = True
            return
        log = Request(self.command, self.path, proxied=not self.path.startswith("/"))
        self.site.requests.append(log)
        path = self._path()
        if path is None:
            return self._refuse(log, 502, f"only http://{HOST} is here")
        log.path = path
        if status := self.site.refusal(path):
            return self._refuse(log, status)
        resource = self.site.resources.get(path)  # nothing but what the index names, so no path leads out of the folder
        if resource is None or not resource.file.is_file():
            return self._refuse(log, 404)
        self._serve(log, resource)

    def _path(self) -> str | None:
        """The path asked for, without its query; None for an address that is not here."""
        try:
            address = urlsplit(self.path)
        except ValueError:
            return None
        hosts = (HOST, f"{HOST}:80", self.site.proxy.removeprefix("http://"))
        here = self.path.startswith("/") or (address.scheme == "http" and address.netloc.lower() in hosts)
        return unquote(address.path) if here else None

    def _serve(self, log: Request, resource: Resource) -> None:
        content = resource.file.read_bytes()
        if not log.proxied and not resource.content_type.startswith("audio/"):
            content = content.replace(f"http://{HOST}/".encode(), f"{self.site.proxy}/".encode())
        size = len(content)
        asked = re.fullmatch(r"bytes=(?:(\d+)-(\d*)|-(\d+))", self.headers.get("Range", ""))
        first, last = _bounds(asked, size)
        if asked:
            log.range = first, last
            if first >= size or last < first:
                return self._refuse(log, 416, content_range=f"bytes */{size}")
        log.status = 206 if asked else 200
        self.send_response(log.status)
        self.send_header("Content-Type", resource.content_type)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if log.method == "HEAD":
            return
        end = last + 1
        if resource.breaks_off_at is not None and (limit := int(resource.breaks_off_at * size)) < end:
            end, self.close_connection = max(limit, first), True
        share = (end - first) / size if size else 0.0
        self._send(log, content[first:end], resource.lasts * share)

    def _send(self, log: Request, body: bytes, seconds: float) -> None:
        step = max(len(body) // _STEPS, 1) if seconds else _BLOCK
        for start in range(0, len(body), step):
            if seconds and self.site.stopped.wait(seconds / _STEPS):
                self.close_connection = True
                return
            part = body[start : start + step]
            log.sent += len(part)  # before it goes, or the client may look at the log too early
            self.wfile.write(part)

    def _refuse(self, log: Request, status: int, reason: str | None = None, content_range: str = "") -> None:
        log.status = status
        self.send_response(status, reason)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _bounds(asked: re.Match[str] | None, size: int) -> tuple[int, int]:
    """First and last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n`; all without a range."""
    if asked is None:
        return 0, size - 1
    first, last, suffix = asked.groups()
    if suffix is not None:
        return max(size - int(suffix), 0), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


# ------------------------------------------------------------------------------------------------------- as a command


def main(arguments: Sequence[str]) -> int:
    """Serve a folder while a command runs; returns the status to exit with."""
    own, dashes, command = _split(arguments)
    parser = argparse.ArgumentParser(
        prog="python -m crescendai_assets.sample.site",
        usage="%(prog)s FOLDER [--port PORT] -- COMMAND ...",
        description=f"Serve the sample's video site while COMMAND runs, with {PROXY_VARIABLE} in its environment.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds site.json")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0, the default, takes a free one")
    options = parser.parse_args(own)
    if not command:
        parser.error("give the command to run, after --" if dashes else "give -- and the command to run")
    try:
        with serve_site(options.folder, options.port) as site:
            return _run(command, {**os.environ, PROXY_VARIABLE: site.proxy})
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2


def _split(arguments: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return list(arguments), False, []
    at = list(arguments).index("--")
    return list(arguments[:at]), True, list(arguments[at + 1 :])


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end, signals passed on; its status, as shells count it."""
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, frame: object) -> None:
        if child is None:
            sys.exit(128 + number)
        # Ctrl-C reaches every process of the terminal's foreground: a second signal would break off an orderly stop
        if not (number == signal.SIGINT and _in_foreground()):
            child.send_signal(number)

    # handlers of Python's own, which a new program does not inherit: it stops at Ctrl-C even where we would ignore it
    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        child = subprocess.Popen(command, env=dict(environment))
        status = child.wait()
    except OSError as error:
        print(f"{command[0]}: {error.strerror or error}", file=sys.stderr)
        return 127
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    """Whether this process belongs to the foreground of its terminal, if it has one."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
