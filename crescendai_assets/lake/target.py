"""An address anywhere that fsspec reaches: small files by paths below it, every fault of it in words.

A fault of the address is one of three: what is asked for is absent, which is an answer; it may pass, and is tried
again; or a person has to mend it. What the files mean is no concern of this module.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake

TRIES = 4

_HOPELESS = (PermissionError, IsADirectoryError, NotADirectoryError, NotImplementedError)

T = TypeVar("T")


class UnreachableError(SetupError):
    """The address failed at every try, in a way that may pass."""


class Target:
    """The folder at an address; what fails is a SetupError, of the class UnreachableError where it may pass."""

    def __init__(self, fs: Any, base: str, shown: str, backoff: float) -> None:
        from fsspec import AbstractFileSystem

        self.shown = shown  # without user and password
        self._fs, self._base, self._backoff = fs, base.rstrip("/"), backoff
        # object stores do not rename; they show an object only once its upload is complete
        self._renames = type(fs).mv is not AbstractFileSystem.mv

    def read(self, path: str) -> bytes | None:
        """Contents of a file, None when there is none."""
        return self._tried(path, lambda: bytes(self._fs.cat_file(self._full(path))), may_be_absent=True)

    def lost(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """Of files that should be there, those that are not or have another size: path -> what is wrong."""
        self._fs.invalidate_cache()
        found: dict[str, int | None] = {}
        for folder in sorted({path.rpartition("/")[0] for path in sizes}):
            infos = self._tried(folder, partial(self._fs.ls, self._full(folder), detail=True), may_be_absent=True)
            found |= {f"{folder}/{info['name'].rpartition('/')[2]}": info.get("size") for info in infos or []}
        return {
            path: f"{found[path]} bytes, {size} were sent" if path in found else "listed, but not there"
            for path, size in sizes.items()
            if found.get(path, -1) not in {None, size}  # None: the address does not tell
        }

    def write(self, path: str, data: bytes) -> None:
        """Write a file so that readers see all of it or what was there before."""
        full = self._full(path)

        def write() -> None:
            if not self._renames:
                self._fs.pipe_file(full, data)
                return
            self._fs.makedirs(full.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(f"{full}.part", data)  # a killed run's half is written over when the file is sent again
            self._fs.mv(f"{full}.part", full)

        self._tried(path, write)

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        self._tried(path, partial(self._fs.rm_file, self._full(path)), may_be_absent=True)

    def _full(self, path: str) -> str:
        return f"{self._base}/{path}"

    def _tried(self, path: str, call: Callable[[], T], *, may_be_absent: bool = False) -> T | None:
        for attempt in range(1, TRIES + 1):
            try:
                return call()
            except Exception as error:  # each package behind fsspec has errors of its own
                if may_be_absent and isinstance(error, FileNotFoundError):
                    return None
                told = f"{self.shown}: {path}: {type(error).__name__}: {error}"
                if isinstance(error, _HOPELESS):
                    raise SetupError(f"{told}; check the address, and your permissions there") from error
                if attempt == TRIES:
                    raise UnreachableError(
                        f"{told} ({TRIES} tries); check address and credentials, or publish again when it answers"
                    ) from error
            time.sleep(self._backoff * 2 ** (attempt - 1))
        raise AssertionError  # the last try returns or raises


def open_target(address: str, lake: Lake, backoff: float) -> Target:
    """Resolve an address that a lake is to be published to.

    Raises:
        SetupError: There is none, nothing here can reach it, or it lies in the lake.
    """
    import fsspec
    from fsspec.implementations.local import LocalFileSystem
    from fsspec.registry import known_implementations

    address = address.strip()
    if not address:
        raise SetupError("no address to publish to: set CRESCENDAI_PUBLISH to a folder or to any address of fsspec")
    shown = re.sub(r"://[^/@]*@", "://", address)
    try:
        fs, base = fsspec.url_to_fs(address)
    except ImportError as error:
        scheme = address.partition("://")[0]
        package = known_implementations.get(scheme, {}).get("class", "").partition(".")[0]
        hint = f"; run `pip install {package}`" if package not in {"", "fsspec"} else ""
        raise SetupError(f"{shown}: a package is missing for {scheme}:// ({error}){hint}") from error
    except Exception as error:  # some packages connect at once, with errors of their own
        raise SetupError(
            f"{shown}: cannot be used ({type(error).__name__}: {error}); give a folder, or an address that fsspec "
            "knows, such as s3://bucket/folder or sftp://host/folder, and see that this process has its credentials"
        ) from error
    if not base.strip("/"):
        raise SetupError(f"{shown}: names no folder; publish to a folder of its own, such as {shown.rstrip('/')}/name")
    if isinstance(fs, LocalFileSystem) and Path(base).resolve().is_relative_to(lake.root.resolve()):
        raise SetupError(f"{shown}: lies in the lake itself ({lake.root}); publish to a folder outside it")
    return Target(fs, base, shown, backoff)
