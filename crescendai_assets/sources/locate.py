"""From a recording's row to the audio file to decode, checked to be the one the row describes; what rows are there.

Rows hold paths relative to the source or to the lake, so that tables are the same wherever either lies.
"""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.journal import unfolded
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import DISCARDED, WORKING_COPY
from crescendai_assets.lake.tables import Row, read_rows


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


def committed_recordings(partition: Partition) -> dict[str, str]:
    """Recording id -> fingerprint its row has."""
    return {row["recording_id"]: row["fingerprint"] for row in read_rows(partition.stage("recordings").table)}


def known_rows(partition: Partition, *, refetch: bool = False) -> dict[str, Row]:
    """Rows by recording id; with `refetch`, discarded working copies count as lost, so that they are made again."""
    rows = {row["recording_id"]: row for row in read_rows(partition.stage("recordings").table)}
    if refetch:
        rows |= {i: {**row, "state": WORKING_COPY} for i, row in rows.items() if row["state"] == DISCARDED}
    return rows


def rows_held(partition: Partition) -> dict[str, Row]:
    """Rows by recording id, with what a run under way has committed and not folded into the table yet."""
    rows = known_rows(partition)
    for recording_id, lately in unfolded(partition.stage("recordings"))[0].items():
        rows.pop(recording_id, None)
        rows |= {row["recording_id"]: row for row in lately}
    return rows


def taken_over(partition: Partition, recordings: Collection[str]) -> set[str]:
    """Which of a partition's former recordings another partition of the tier holds now."""
    others = (p for p in partition.tier.partitions() if p.key != partition.key)
    return set(recordings) & {i for p in others for i in rows_held(p)}


def superseded(partition: Partition, recordings: Collection[str]) -> set[str]:
    """Which of a partition's former recordings stand under another id now: a corrected round or performer is in it."""
    videos = {f"_{row['video_id']}" for row in read_rows(partition.stage("recordings").table) if row.get("video_id")}
    return {i for i in recordings if any(i.endswith(video) for video in videos)} if videos else set()


@contextmanager
def sharing_audio(tier: Tier) -> Iterator[None]:
    """Keep other partitions from taking over or removing copies of a shared folder meanwhile; waits its turn."""
    path = tier.folder / "journal" / "audio.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def discarded_copies(partition: Partition) -> list[str]:
    """Recordings whose working copy was made and has been removed since; what is done with them stays done."""
    rows = read_rows(partition.stage("recordings").table)
    return [
        row["recording_id"]
        for row in rows
        if row["audio_in"] == "lake" and not (partition.tier.folder / row["audio_path"]).is_file()
    ]
