"""Files that are whole or absent: safe names, atomic writes, content hashes.

What is inside a file is no concern of this module; tables are in `tables`, paths in `layout`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from functools import lru_cache
from pathlib import Path

from crescendai_assets.lake.errors import SetupError

MAX_ID_BYTES = 200  # a file name holds 255 bytes; the rest is for `_seg000`, `.pt` and a temporary suffix

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.ENOTDIR}


def checked_id(text: str, longest: int = MAX_ID_BYTES) -> str:
    """Return `text` when it is safe as a file name inside one folder.

    Raises:
        SetupError: It is empty, longer than so many bytes, starts with a dot, or holds a separator, a control character
            or half a character.
    """
    if not text or text != text.strip():
        raise SetupError(f"id {text!r} is empty or padded with spaces; ids become file names: give it another")
    if text.startswith(".") or any(c in "/\\" or ord(c) < 32 or ord(c) == 127 for c in text):
        raise SetupError(
            f"id {text!r} could leave its folder (it starts with a dot, or holds a separator or control character); "
            "rename the recording"
        )
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise SetupError(f"id {text!r} holds half a character and cannot be written as UTF-8; rename the recording")
    if len(text.encode()) > longest:
        raise SetupError(f"id {text[:60]!r}... is longer than {longest} bytes; rename the recording")
    return text


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before: temporary name, fsync, rename.

    Raises:
        SetupError: The disk is full or read-only; no half file stays behind.
    """
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise no_room(error, path) from error


def temporary_name(path: Path) -> Path:
    """A name beside `path` that no other process or thread uses and no reader takes for a result."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident():x}.tmp")


def no_room(error: OSError, path: Path) -> Exception:
    """The error to raise in place of `error`: what to do when the disk is full or the path not ours, else `error`."""
    if error.errno in _NOT_OURS:
        return SetupError(f"{path}: cannot be written ({error.strerror}); correct its permissions, or CRESCENDAI_DATA")
    if error.errno not in _NO_ROOM:
        return error
    return SetupError(
        f"{path}: {os.strerror(error.errno or 0)} ({free_space(path)}). "
        "What was committed is safe: make room and run again, it goes on from there"
    )


def free_space(path: Path) -> str:
    """Free space of the disk that holds `path`, for a message."""
    folder = next((p for p in [path, *path.parents] if p.is_dir()), Path("/"))
    return f"{shutil.disk_usage(folder).free / 1e9:.1f} GB free"


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_state(path: Path) -> tuple[int, ...]:
    """What tells a file from another one that stood there: size, times, inode; empty where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    # the last one: a copy may keep its size and time of writing, and be laid into the same inode
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


def sha256_once(path: Path) -> str:
    """As `sha256_file`; a process hashes a file again only when it has changed since."""
    return _hashed(path, file_state(path))


@lru_cache(maxsize=4096)
def _hashed(path: Path, _state: tuple[int, ...]) -> str:
    return sha256_file(path)


def clear_temporary(folder: Path, suffix: str) -> int:
    """Remove temporary files that killed runs left for targets ending in `suffix`; returns how many.

    Files of processes that still live on this machine are left to them.
    """
    removed = 0
    for path in folder.glob(f".*{suffix}.*.tmp"):
        owner = path.name.rsplit(".", 2)[1].split("-")[0]
        if not (owner.isdigit() and _alive(int(owner))):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
