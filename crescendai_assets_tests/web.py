"""A web server on the loopback that serves a folder, keeps a log, and fails when told to.

Here: what tests of downloads need from the other side of the wire. Not here: anything a particular source
expects on it; tests put their own files into the folder.
"""

from __future__ import annotations

import mimetypes
import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHUNK = 2**14


@dataclass
class Request:
    """One request as it was served; `sent` counts bytes of its body given to the socket."""

    method: str
    path: str
    range: tuple[int, int] | None
    """First and last byte asked for, both included."""
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class Server:
    """The log of a running server, and the switches of its faults; both may be used while it runs.

    A fault with a count is spent by each request it hits and is over when the count reaches 0.
    """

    folder: Path
    address: str = ""
    requests: list[Request] = field(default_factory=list)

    status: int | None = None
    """Answer everything with this status, 404 for example."""
    ranges_off: bool = False
    """Answer a range with the whole body and 200, as servers that do not know ranges do."""
    drop_after: int | None = None
    """Break the connection after so many bytes of a longer body, ..."""
    drop_times: int = 0
    """... so many times."""
    announce_length: bool = True
    """Without it a dropped body looks like a complete one: no length, ended by closing."""
    longest: int | None = None
    """Answer a longer range with only its first so many bytes, which HTTP allows."""
    unavailable: int = 0
    """Answer 503 so many times."""
    stall_times: int = 0
    """Accept the request and then say nothing, so many times."""
    shift: int = 0
    """Answer a range with bytes that begin so much later, and say so."""
    open_ended: bool = False
    """Answer a range with all that follows its start, and say so."""
    refuse_after: int = 0
    """Answer `status` only after so many requests."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Path -> address to go to instead, whatever its scheme."""
    types: dict[str, str] = field(default_factory=dict)
    """Path -> content type, where it is another than the name says."""
    slow: float = 0.0
    """Seconds to wait before each piece of 16 kB."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, name: str) -> str:
        """Return the address of a file in the folder."""
        return f"{self.address}/{quote(name)}"

    @property
    def sent_bytes(self) -> int:
        """Bytes of bodies sent, all paths together."""
        return sum(self.sent().values())

    def sent(self) -> dict[str, int]:
        """Bytes of bodies sent, per path."""
        totals: dict[str, int] = {}
        for request in list(self.requests):
            totals[request.path] = totals.get(request.path, 0) + request.sent
        return totals

    def ranges(self, path: str | None = None) -> list[tuple[int, int]]:
        """First and last byte of every range asked for, in order."""
        return [r.range for r in list(self.requests) if r.range and path in (None, r.path)]

    def spend(self, fault: str) -> bool:
        """Say whether a counted fault strikes now, and count it down."""
        with self._lock:
            left = getattr(self, fault)
            setattr(self, fault, max(left - 1, 0))
        return bool(left)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open between requests, as on real servers
    disable_nagle_algorithm = True  # headers and body go separately; each would wait 40 ms for the other

    def __init__(self, server: Server, request: socket.socket, client: object, httpd: object) -> None:
        self.state = server
        # a small buffer, so that bytes counted as sent are bytes the other side has nearly all taken
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        super().__init__(request, client, httpd)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client has gone, as it may
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent; the log is `Server.requests`."""

    def _serve(self, *, body: bool) -> None:
        state = self.state
        # a proxy is asked for a whole address; no file has a name with NUL
        path = unquote(urlsplit(self.path).path).lstrip("/").replace("\0", "?")
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        file = (state.folder / path).resolve()
        exists = file.is_file() and file.is_relative_to(state.folder.resolve())
        size = file.stat().st_size if exists else 0
        first, last = _bounds(asked, size)
        log = Request(self.command, path, (first, last) if asked else None, dict(self.headers))
        state.requests.append(log)
        if state.spend("stall_times"):
            state.stopped.wait()
            self.close_connection = True
            return
        if state.spend("unavailable"):
            return self._refuse(log, 503)
        if path in state.redirects:
            return self._refuse(log, 302, {"Location": state.redirects[path]})
        refusal = state.status if len(state.requests) > state.refuse_after else None
        if refusal is not None or not exists:
            return self._refuse(log, refusal or 404)
        if not asked or state.ranges_off:
            log.status, first, last = 200, 0, size - 1
        elif first >= size or last < first:
            return self._refuse(log, 416, {"Content-Range": f"bytes */{size}"})
        else:
            log.status, first = 206, first + state.shift
            last = (
                size - 1
                if state.open_ended
                else min(last, size - 1, first + state.longest - 1 if state.longest else last)
            )
        length = last - first + 1
        drop = state.drop_after is not None and length > state.drop_after and body and state.spend("drop_times")
        self.send_response(log.status)
        kind = state.types.get(path) or mimetypes.guess_type(path)[0] or "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("ETag", f'"{file.stat().st_mtime_ns:x}-{size:x}"')
        if not state.ranges_off:
            self.send_header("Accept-Ranges", "bytes")
        if log.status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        if state.announce_length:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self._send(log, file, first, state.drop_after or 0 if drop else length)
        if drop:
            self.close_connection = True

    def _send(self, log: Request, file: Path, first: int, count: int) -> None:
        with file.open("rb") as stream:
            stream.seek(first)
            try:
                while log.sent < count and not self.state.stopped.is_set():
                    self.state.stopped.wait(self.state.slow)
                    data = stream.read(min(_CHUNK, count - log.sent))
                    log.sent += len(data)  # before it goes, or the client may look at the log too early
                    self.wfile.write(data)
            except ConnectionError:  # the client has gone, as it may
                log.sent -= len(data)
                self.close_connection = True

    def _refuse(self, log: Request, status: int, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        log.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _bounds(asked: re.Match[str] | None, size: int) -> tuple[int, int]:
    """First and last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n`."""
    first, last = asked.groups() if asked else ("0", "")
    if not first:
        return max(size - int(last or 0), 0), size - 1
    return int(first), int(last) if last else size - 1


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve a folder on a free port of 127.0.0.1 until the block ends."""
    state = Server(folder)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, state))
    httpd.daemon_threads = True
    state.address = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.stopped.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()
