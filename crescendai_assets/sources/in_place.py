"""Recordings that are read where they lie, in a folder of the user's: what tells that one changed, and its hash.

Nothing is copied and nothing below the folder is ever written or removed. Finding the file again when it is decoded is
`locate`'s work.
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.schemas import IN_PLACE
from crescendai_assets.lake.tables import Row
from crescendai_assets.lake.text import slug

AUDIO_SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".mp3", ".m4a", ".mp4", ".aac", ".ogg", ".opus", ".webm", ".mkv")
"""What counts as a recording in a folder without a catalogue."""


def version_of(path: Path) -> dict[str, Any]:
    """Size and time of the last change; empty when there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return {}
    if not stat.S_ISREG(status.st_mode):
        return {}
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def hashed(root: Path, name: str, before: Row | None) -> Row:
    """The audio columns of a file's row; it is read only when it is new or was touched since `before`.

    Args:
        root: The folder.
        name: Path below it, with `/`.
        before: The row that stands for it now.

    Raises:
        RecordingError: There is no such file, or it cannot be read.
    """
    path = root / name
    version = version_of(path)
    if not version:
        raise RecordingError(f"{path}: no such file; complete the folder, or leave the recording out", "needs_user")
    untouched = before and all(before.get(k) == v for k, v in version.items())
    try:
        sha256 = before["sha256"] if before and untouched else sha256_file(path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}); see to it and run again", "retry") from error
    return {"audio_in": "source", "audio_path": name, "state": IN_PLACE, "sha256": sha256, **version}


def audio_files(root: Path) -> list[str]:
    """Paths below a folder that look like recordings, sorted, with `/`; hidden files and folders are passed over."""
    found = (p.relative_to(root) for p in root.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
    return sorted(p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts))


def name_fault(name: str) -> RecordingError | None:
    """Why a file cannot be listed: tables are UTF-8, and on some file systems names need not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="backslashreplace").decode()
        return RecordingError(f"{shown}: its name is not UTF-8; rename the file", "needs_user")
    return None


def file_id(owner: str, name: str) -> str:
    """An id for a file of a folder: its name for people, and a hash of owner and path that no other file shares."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    digest = hashlib.blake2b(f"{owner}/{name}".encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    return "-".join(filter(None, (slug(stem, 40), digest)))
