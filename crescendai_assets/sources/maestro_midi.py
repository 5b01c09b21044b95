"""MIDI of MAESTRO's recordings: where each lies, and fetching those that an archive holds.

Every recording comes with the MIDI that its piano recorded, about 45 kB. In a folder it is read in place; from an
archive it is copied to `<year>/midi/`. A recording without is none the worse: what needs MIDI says how many there were.
Audio and rows are `maestro`'s.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import clear_temporary, no_room
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.remote_zip import RemoteZip, ZipMember

_GIVE_UP_AFTER = 3


def midi_of(partition: Partition, source_folder: Path | None) -> dict[str, Path]:
    """Where the MIDI of a year's recordings can be read.

    Args:
        partition: The year.
        source_folder: The folder in MAESTRO's layout, None when there is none.

    Returns:
        Recording id -> file, only of those that have one.
    """
    found: dict[str, Path] = {}
    for row in _rows(partition):
        places = [kept_midi(partition, str(row["recording_id"]))]
        if source_folder is not None and row["midi_filename"]:
            places.insert(0, source_folder / str(row["midi_filename"]))
        if there := next((path for path in places if path.is_file()), None):
            found[str(row["recording_id"])] = there
    return found


def kept_midi(partition: Partition, recording_id: str) -> Path:
    """Where the copy of an archive's MIDI is kept, whether it is there or not."""
    return partition.folder / "midi" / f"{recording_id}.midi"


@dataclass(frozen=True)
class MidiReport:
    """MIDI of a year after a run.

    Attributes:
        files: Recordings that have MIDI.
        without: Recordings that have none.
        fetched: Files that this run copied from the archive.
        fault: Why the first of those that could not be fetched could not, empty when all could.
    """

    files: int
    without: int
    fetched: int = 0
    fault: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """For the asset's page."""
        return {
            "midi_files": self.files,
            "without_midi": self.without,
            **({"midi_fetched": self.fetched} if self.fetched else {}),
            **({"midi_not_fetched": self.fault} if self.fault else {}),
        }


@dataclass(frozen=True)
class MidiArchive:
    """The MIDI members of an archive.

    Attributes:
        url: Of the archive.
        members: By their name below the archive's top folder, as `midi_filename` has it.
    """

    url: str
    members: Mapping[str, ZipMember] = field(repr=False)

    def fetch(self, partition: Partition, progress: Progress = silent) -> MidiReport:
        """Copy what the archive holds for the recordings in the table and is not there yet, or is another by now.

        Raises:
            SetupError: The archive changed while it was read, or the disk is full; what was copied stays.
        """
        wanted = {
            str(row["recording_id"]): self.members[row["midi_filename"]]
            for row in _rows(partition)
            if row["midi_filename"] in self.members
        }
        missing = {i: member for i, member in wanted.items() if not _is_copy(kept_midi(partition, i), member)}
        fetched, fault = 0, ""
        if missing:
            progress(f"{len(missing)} MIDI files to fetch")
            clear_temporary(kept_midi(partition, "any").parent, "")
            fetched, fault = self._copy(missing, partition)
        return _report(partition, None, fetched, fault)

    def _copy(self, missing: Mapping[str, ZipMember], partition: Partition) -> tuple[int, str]:
        """Copy members by recording id; how many were copied, and why the first that was not was not."""
        fetched = in_a_row = 0
        fault = ""
        try:
            with RemoteZip(self.url) as archive:
                for recording_id, member in missing.items():
                    target = kept_midi(partition, recording_id)
                    try:
                        archive.copy(member.name, target)
                    except RecordingError as error:
                        fault = fault or str(error)
                        in_a_row = in_a_row + 1 if error.error_class == "retry" else 0
                        if in_a_row == _GIVE_UP_AFTER:
                            break
                    except OSError as error:
                        raise no_room(error, target) from error
                    else:
                        fetched, in_a_row = fetched + 1, 0
        except RecordingError as error:  # the archive went out of reach since its list was read
            fault = fault or str(error)
        return fetched, fault


def midi_in_place(partition: Partition, folder: Path) -> MidiReport:
    """Count the MIDI that lies in a folder in MAESTRO's layout, for the recordings in the table."""
    return _report(partition, folder)


def _report(partition: Partition, folder: Path | None, fetched: int = 0, fault: str = "") -> MidiReport:
    files = len(midi_of(partition, folder))
    return MidiReport(files, sum(1 for _ in _rows(partition)) - files, fetched, fault)


def _is_copy(path: Path, member: ZipMember) -> bool:
    try:
        return path.stat().st_size == member.size and zlib.crc32(path.read_bytes()) == member.crc32
    except OSError:
        return False


def _rows(partition: Partition) -> list[Row]:
    return list(read_rows(partition.stage("recordings").table))
