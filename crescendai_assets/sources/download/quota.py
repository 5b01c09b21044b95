"""How many downloads a day: a count that all runs on a machine share and that no kill loses.

One line a download in a file that only grows; the day is UTC's. What a download is, the `downloader` knows.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import no_room
from crescendai_assets.lake.ledger import now_utc
from crescendai_assets.sources.download.web_ids import one_line


class DailyQuota:
    """The count of a day's downloads, and its limit."""

    def __init__(self, path: Path, limit: int | None, now: Callable[[], datetime] = now_utc) -> None:
        """Open nothing yet.

        Args:
            path: File of the count, made when needed.
            limit: Most downloads of a day; None for any number, which are counted all the same.
            now: Tells the time, in UTC.
        """
        self._path, self._limit, self._now = path, limit, now

    def take(self, what: str) -> bool:
        """Count one more download, unless the day's are used up; says whether it may go on.

        Raises:
            SetupError: The file cannot be written.
        """
        return self._append(what, self._limit)

    def count(self, what: str) -> None:
        """Count one more download, whatever the limit.

        Raises:
            SetupError: The file cannot be written.
        """
        self._append(what, None)

    def _append(self, what: str, limit: int | None) -> bool:
        now = self._now()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # two runs must not both take the last one
                file.seek(0)
                seen = file.read()
                today = f"{now:%Y-%m-%d}".encode()
                if limit is not None and sum(line.startswith(today) for line in seen.split(b"\n")) >= limit:
                    return False
                torn = b"" if seen.endswith(b"\n") or not seen else b"\n"  # a kill may have left half a line
                file.write(torn + f"{now.isoformat(timespec='seconds')} {one_line(what)}\n".encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            fault = no_room(error, self._path)
            unusable = SetupError(f"{self._path}: downloads cannot be counted there ({error.strerror}); see to it")
            raise fault if isinstance(fault, SetupError) else unusable from error
        return True
