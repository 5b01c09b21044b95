"""Single members of a zip on a web server, transferring only their bytes.

Here: byte ranges over http(s) or of a local file, their retries, and `zipfile` on top of them. Not here:
which members a tier wants and where they go (`sources.maestro`), whole-file downloads (`sources.download`).

fsspec's own HTTP file is not used: its `info` turns every fault into FileNotFoundError, and where a server
ignores ranges its reads may take a whole body for the bytes asked for. `cat_file` makes one exact request,
and aiohttp shows each answer's headers to `_Archive._check` before any of its body is read.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import shutil
import time
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, TYPE_CHECKING

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import temporary_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer
    from aiohttp import ClientResponse

TRIES = 4
BLOCK = 8 * 2**20  # a request's round trip hardly counts, and it is little to repeat or to hold
CHUNK = 2**20
BY_HAND = "download and unpack the archive, then set MAESTRO_DIR to its folder"

_AROUND_NAME = 30 + 2**16 + 24  # most that a local header (with extra field) and a data descriptor can take


@dataclass(frozen=True)
class ZipMember:
    """A file in the archive, as its central directory describes it."""

    name: str
    size: int
    compressed_size: int
    crc32: int


class RemoteZip:
    """A zip read member by member; for one thread at a time, so a thread opens its own."""

    def __init__(
        self,
        url: str,
        *,
        block: int = BLOCK,
        backoff: float = 1.0,
        timeouts: tuple[float, float] = (30.0, 60.0),
    ) -> None:
        """Read the central directory of the archive.

        Args:
            url: http, https or file address, or a local path.
            block: Most bytes one request asks for.
            backoff: Seconds before the second try of a request; each further one waits twice as long.
            timeouts: Seconds to connect, and seconds without a byte. The whole may take hours.

        Raises:
            SetupError: The address cannot be read this way: another scheme, missing or forbidden, not a zip,
                or a server that does not honour byte ranges.
            RecordingError: The server could not be reached or broke off at every try (`retry`).
        """
        self.url = url
        with ExitStack() as stack:
            self._archive = _Archive(url, backoff, timeouts)
            stack.callback(self._archive.disconnect)
            self._archive.connect()
            try:
                self._zip = zipfile.ZipFile(io.BufferedReader(self._archive, block))
            except (zipfile.BadZipFile, NotImplementedError) as error:
                raise SetupError(f"{url}: not a zip that can be read ({error}). Check it, or {BY_HAND}.") from error
            self._stack = stack.pop_all()
        starts = sorted({info.header_offset for info in self._zip.infolist()} | {self._zip.start_dir})
        self._next_start = dict(pairwise(starts))

    def __enter__(self) -> RemoteZip:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def bytes_transferred(self) -> int:
        """Bytes fetched so far, central directory included; not what broken connections threw away."""
        return self._archive.transferred

    def members(self) -> dict[str, ZipMember]:
        """Every file of the archive by its full name; folders are left out."""
        files = [info for info in self._zip.infolist() if not info.is_dir()]
        return {i.filename: ZipMember(i.filename, i.file_size, i.compress_size, i.CRC) for i in files}

    def read(self, name: str) -> bytes:
        """Return a small member whole.

        Raises:
            SetupError: The archive has gone or changed since it was opened.
            RecordingError: No such member, or one that cannot be unpacked (`permanent`); the connection
                failed at every try, or what arrived is damaged (`retry`).
        """
        with self._open(name) as stream:
            return stream.read()

    def copy(self, name: str, target: Path) -> int:
        """Write a member to a file, which appears only once it is whole and its checksum agrees.

        Returns:
            Bytes written.

        Raises:
            SetupError: As for `read`.
            RecordingError: As for `read`.
            OSError: The target cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        part = temporary_name(target)
        try:
            with self._open(name) as stream, part.open("wb") as out:
                shutil.copyfileobj(stream, out, CHUNK)
                out.flush()
                os.fsync(out.fileno())
                size = out.tell()
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return size

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a member with its read-ahead bounded, and turn zip's faults into ours."""
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            near = difflib.get_close_matches(name, self._zip.namelist(), n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "Look its names up with members()."
            raise RecordingError(f"{name}: no such member in {self.url}. {hint}", "permanent") from None
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = f"it is encrypted, or compressed by other means than deflate. To use it, {BY_HAND}"
            raise RecordingError(f"{name} in {self.url}: {fault}.", "permanent")
        # a local header's length is known only once it is read, so the next member bounds the read-ahead;
        # where the archive has gaps, the most that can belong to this one does
        longest = info.header_offset + _AROUND_NAME + len(name.encode()) + info.compress_size
        self._archive.bound(min(self._next_start.get(info.header_offset, longest), longest), name)
        try:
            with self._zip.open(info) as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            fault = f"what arrived is damaged ({str(error) or 'it ends too early'})"
            raise RecordingError(
                f"{name} in {self.url}: {fault}. Run again; if it stays so, {BY_HAND}.", "retry"
            ) from error


class _Archive(io.RawIOBase):
    """The archive's bytes as a file that ends, for reading, at a movable limit; each read is one request."""

    def __init__(self, url: str, backoff: float, timeouts: tuple[float, float]) -> None:
        import aiohttp
        import fsspec

        scheme = url.partition("://")[0].lower() if "://" in url else "file"
        if scheme not in ("http", "https", "file"):
            raise SetupError(f"{url}: '{scheme}' is not one of http, https, file. Give such an address or a path.")
        self._url, self._web, self._backoff = url, scheme != "file", backoff
        self._version: tuple[int, str] | None = None  # size, and ETag or the like
        self._position = self.transferred = 0
        web_options = {
            "headers": {"Accept-Encoding": "identity"},
            "client_kwargs": {
                # aiohttp's default ends every request after 5 minutes, however well it goes
                "timeout": aiohttp.ClientTimeout(total=None, connect=timeouts[0], sock_read=timeouts[1]),
                "trust_env": True,  # proxies
                "raise_for_status": self._check,
            },
        }
        # an instance of its own, because its session is closed with it
        self._files = fsspec.filesystem(scheme, skip_instance_cache=True, **(web_options if self._web else {}))
        self._limit, self._what = 0, "the list of members"

    def connect(self) -> None:
        """Learn the size from a first answer, which also shows what is wrong with the address."""
        self._fetch(0, 1)
        self._limit = self._size

    @property
    def _size(self) -> int:
        return self._version[0] if self._version else 0

    def bound(self, limit: int, what: str) -> None:
        """Let no read pass `limit` from here on; `what` is named when one fails."""
        self._limit, self._what = limit, what

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + (0, self._position, self._size)[whence]
        if position < 0:
            raise OSError("seek before the start")  # zipfile takes it for 'too short to be a zip'
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._limit)
        data = self._fetch(self._position, end) if self._position < end else b""
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def disconnect(self) -> None:
        """End the session. Not done in `close`: that also runs at exit, when fsspec's thread is gone."""
        if self._web:
            from fsspec.asyn import sync

            self._files.close_session(self._files.loop, sync(self._files.loop, self._files.set_session))

    def _fetch(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` on: at least one unless the archive is empty, none past `end`."""
        import aiohttp

        fault, cause = "empty answers", None
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self._backoff * 2 ** (attempt - 1))
            # each further try asks for half: a line that never carries a whole block still gets on
            stop = start + max((end - start) >> attempt, 1)
            try:
                if not self._web:
                    info = self._files.info(self._url)
                    self._keep_version(info["size"], str(info["mtime"]))
                self._asked = start, stop
                data = bytes(self._files.cat_file(self._url, start=start, end=stop))[: stop - start]
            except (FileNotFoundError, IsADirectoryError, PermissionError, ValueError) as error:
                raise self._unusable(f"{type(error).__name__}, {error}. Correct the address") from error
            except (aiohttp.ClientError, OSError) as error:  # timeouts are OSError
                fault, cause = f"{type(error).__name__} {error}".strip(), error
                continue
            self.transferred += len(data)
            if data or not self._size:
                return data
        message = f"{self._what} in {self._url}: gave up after {TRIES} tries ({fault})"
        raise RecordingError(f"{message}. Run again later, or {BY_HAND}.", "retry") from cause

    async def _check(self, response: ClientResponse) -> None:
        """Judge an answer by its headers."""
        part = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
        if response.status == 206 and part and int(part[1]) == self._asked[0] and int(part[2]) < self._asked[1]:
            tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            self._keep_version(int(part[3]), tag)
            return
        response.close()  # before its body comes, which may be the whole archive
        if response.status in (408, 429) or response.status >= 500:
            raise ConnectionError(f"{response.status} {response.reason}")
        if response.status in (200, 206):
            raise self._unusable("the server does not honour byte ranges. Find another address")
        if response.status == 416:
            raise self._unusable("the file is empty, or shrank while it was read. Run again")
        raise self._unusable(f"the server answers {response.status} {response.reason}. Correct the address")

    def _keep_version(self, size: int, tag: str) -> None:
        if self._version not in (None, (size, tag)):
            raise self._unusable("the file changed while it was read. Run again")
        self._version = (size, tag)

    def _unusable(self, fault: str) -> SetupError:
        return SetupError(f"{self._url}: {fault}, or {BY_HAND}.")
