"""From a recording's row to the audio file to decode, checked to be the one the row describes.

Rows hold paths relative to the source or to the lake, so that tables are the same wherever either lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row


@dataclass(frozen=True)
class AudioFiles:
    """Where audio lies: working copies in the tier's cache, originals read in place under `source`."""

    tier: Tier
    source: Path | None = None

    def path(self, row: Row) -> Path:
        """The audio file of a recording.

        Raises:
            RecordingError: It is gone, or is another file than the one that was listed.
            SetupError: It lies in the source folder, and none is set.
        """
        path = self._expected(row)
        if not path.is_file():
            raise RecordingError(
                f"{path}: the audio is gone, and there is still work to do with it; bring it back"
                + (", or run the recordings asset with `refetch: true`" if row["audio_in"] == "lake" else ""),
                "retry",  # bringing it back changes no fingerprint, so nothing else would try it again
            )
        try:
            unchanged = row["audio_in"] == "lake" or self._unchanged(row, path)
        except OSError as error:
            raise RecordingError(
                f"{path}: cannot be read ({error.strerror}); see to it and run again", "retry"
            ) from error
        if not unchanged:
            raise RecordingError(
                f"{path}: changed since it was listed; materialize the recordings asset again, then this one",
                "retry",
            )
        return path

    def _expected(self, row: Row) -> Path:
        if row["audio_in"] == "lake":
            return self.tier.folder / str(row["audio_path"])
        if self.source is None:
            raise SetupError(
                f"{row['audio_path']}: lies in the source folder, which is not set here; set it as for the recordings"
            )
        return self.source / str(row["audio_path"])

    @staticmethod
    def _unchanged(row: Row, path: Path) -> bool:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (row["bytes"], row["mtime_ns"]):
            return True
        return bool(status.st_size == row["bytes"] and sha256_file(path) == row["sha256"])
