"""One transfer: is it fit, where its bytes wait, and the working copy they become.

The file names here follow from the recording's id and a digest, never from a title. Lists, quotas and pauses are in
`downloader`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crescendai_assets.audio.decode import make_working_copy
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.sources.download.client import PROTOCOLS, refuse_other_schemes
from crescendai_assets.sources.download.errors import ADDRESS, LATER, NOT_OVER, Fault
from crescendai_assets.sources.download.settings import DownloadSettings

_LIMITS = "Take it out of the list, or raise {} and run with `retry_failed: true`"
_NOT_YET = {
    "is_live": "is live now",
    "post_live": "was live a moment ago and is not ready yet",
    "is_upcoming": "is yet to come",
}


class TooLargeError(Exception):
    """The server sends, or means to send, more bytes than are wanted."""


class Watch:
    """Follows a transfer by yt-dlp's reports of progress, and stops one that grows too large.

    Attributes:
        total: Bytes the server announced; None when it announced nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        """Allow so many bytes."""
        self._max_bytes = max_bytes
        self.total: int | None = None

    def __call__(self, status: Mapping[str, Any]) -> None:
        """Take one report.

        Raises:
            TooLargeError: There are more bytes than allowed, or there will be.
        """
        if status.get("status") != "downloading":  # at the end the total is what came, announced or not
            return
        self.total = status.get("total_bytes")
        if max(self.total or 0, status.get("downloaded_bytes") or 0) > self._max_bytes:
            raise TooLargeError


def refuse_unfit(info: Mapping[str, Any], address: str, settings: DownloadSettings) -> None:
    """Refuse by what the site says, before anything is transferred.

    Args:
        info: yt-dlp's information on one recording, its format chosen.
        address: For messages.
        settings: The limits.

    Raises:
        FetchError: It is a list, live or to come, too long, too large, or served by other means than http(s).
    """
    if info.get("_type", "video") != "video":
        raise Fault("is a list and not one recording", "permanent", "Name one of its recordings").error(address)
    if not_yet := _NOT_YET.get(str(info.get("live_status"))):
        raise Fault(not_yet, "retry", NOT_OVER).error(address)
    seconds, size = info.get("duration") or 0, info.get("filesize") or 0
    if seconds > settings.max_seconds:
        what = f"is {seconds / 3600:.1f} h long, more than {settings.max_seconds / 3600:g} h"
        raise Fault(what, "permanent", _LIMITS.format("CRESCENDAI_DOWNLOAD_MAX_HOURS")).error(address)
    if size > settings.max_bytes:
        raise too_large(address, settings)
    refuse_other_schemes(str(info.get("url", "")))
    if info.get("protocol") not in PROTOCOLS:
        what = f"is served by {info.get('protocol')}, which is not read"
        raise Fault(what, "permanent", ADDRESS).error(address)


def too_large(address: str, settings: DownloadSettings) -> RecordingError:
    """The error for more bytes than are wanted."""
    what = f"has more than {settings.max_bytes / 1e6:g} MB"
    return Fault(what, "permanent", _LIMITS.format("CRESCENDAI_DOWNLOAD_MAX_MB")).error(address)


def waiting_at(partial: Path, stem: str, info: Mapping[str, Any], address: str) -> Path:
    """Where the bytes of a transfer wait: the same for the same stream at every run, another for another stream.

    A partial file is taken up only by the transfer it belongs to: appended to another stream's it would be noise.
    """
    marks = [address, *(info.get(key) for key in ("extractor", "format_id", "ext", "acodec", "filesize", "timestamp"))]
    digest = hashlib.blake2b(json.dumps(marks, default=str).encode(), digest_size=5).hexdigest()
    suffix = str(info.get("ext", ""))
    return partial / f"{stem}.{digest}.{suffix if re.fullmatch('[a-z0-9]{1,8}', suffix) else 'media'}"


def clear_waiting(partial: Path, stem: str) -> None:
    """Remove everything that waits for a recording: whole, partial, in fragments, of whatever stream."""
    mine = re.compile(rf"{re.escape(stem)}\.[0-9a-f]{{10}}\..*", re.DOTALL)
    for path in partial.iterdir():
        if mine.fullmatch(path.name):
            path.unlink(missing_ok=True)


def transfer(client: Any, watch: Watch, info: dict[str, Any], original: Path) -> bool:
    """Bring a stream to `original`, going on from what waits beside it.

    Returns:
        Whether a fault in it is the stream's own: it came in one piece, and as long as the server said.

    Raises:
        TooLargeError: It has more bytes than are wanted.
        Exception: Whatever yt-dlp raises.
    """
    part = original.with_name(f"{original.name}.part")
    begun = original.exists() or part.exists()
    watch.total, client.transferring = None, True
    try:
        done = _brought(client, info, original, part)
    finally:
        client.transferring = False
    if not done or not original.is_file():
        raise ConnectionError("the transfer broke off")
    return watch.total is not None and not begun


def _brought(client: Any, info: dict[str, Any], original: Path, part: Path) -> bool:
    from yt_dlp.networking.exceptions import HTTPError

    try:
        return bool(client.dl(str(original), info)[0])
    except HTTPError as error:
        if error.status != 416 or not part.exists():
            raise
        # nothing follows what waits: it is whole, or another file's. yt-dlp means to begin anew here, but it asks
        # with the very same range again
        if error.response.headers.get("Content-Range") == f"bytes */{part.stat().st_size}":
            part.replace(original)
            return True
        part.unlink()
        return bool(client.dl(str(original), info)[0])


def to_working_copy(
    worker: GuardedProcess, original: Path, copy: Path, address: str, *, whole: bool, max_seconds: float
) -> tuple[float, str]:
    """Decode a stream to its working copy.

    Args:
        worker: Decodes.
        original: The stream.
        copy: Where to.
        address: For messages.
        whole: Whether what is wrong with the stream is its own fault; else another transfer may be better.
        max_seconds: Longest that is decoded.

    Returns:
        Decoded seconds, and the name of the codec.

    Raises:
        RecordingError: It cannot be decoded. The stream is gone then, unless decoding it again may help.
        SetupError: The disk is full.
    """
    try:
        seconds, codec = worker.call(copied, original, copy, max_seconds, what=str(original))
    except RecordingError as error:
        message = str(error).replace(str(original), address)
        if error.error_class != "permanent":  # the process was killed or overran its time
            raise RecordingError(message, error.error_class) from error
        original.unlink(missing_ok=True)
        if whole:
            raise RecordingError(f"{message}. {ADDRESS}") from error
        raise RecordingError(f"{message}. What arrived may be damaged. {LATER}", "retry") from error
    return float(seconds), str(codec)


def copied(original: Path, copy: Path, max_seconds: float) -> tuple[float, str]:
    """Make the working copy; returns decoded seconds and the codec. For a guarded process.

    Raises:
        RecordingError: It cannot be decoded.
        SetupError: The disk is full.
    """
    codec = _codec(original)
    return make_working_copy(original, copy, max_seconds), codec


def _codec(path: Path) -> str:
    import av

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            return str(container.streams.audio[0].codec_context.codec.canonical_name)
    except (av.FFmpegError, IndexError, ValueError, AttributeError):
        return ""  # what only libsndfile reads
