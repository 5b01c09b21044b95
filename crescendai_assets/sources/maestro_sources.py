"""Where MAESTRO's audio is: a folder in its layout, read in place, or the official zip over HTTP(S).

Of the zip only the members of the wanted year are transferred, each decoded once to a working copy. What rows are made
of it is decided in `maestro`.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from crescendai_assets.audio.decode import make_working_copy
from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import clear_temporary, no_room, sha256_file, temporary_name
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import DISCARDED, WORKING_COPY
from crescendai_assets.lake.stage import Progress
from crescendai_assets.lake.tables import Row
from crescendai_assets.sources.in_place import hashed, version_of
from crescendai_assets.sources.maestro_catalogue import CATALOGUE_NAMES, Entry, read_catalogue
from crescendai_assets.sources.maestro_midi import MidiArchive, MidiReport, midi_in_place
from crescendai_assets.sources.remote_zip import RemoteZip, ZipMember

_HASHERS = 2
_GIVE_UP_AFTER = 3
_COPIERS = 2


class MaestroSource(Protocol):
    """Where MAESTRO is."""

    @property
    def folder(self) -> Path | None:
        """Folder that audio is read from in place; None when it is fetched."""

    def entries(self) -> list[Entry]:
        """The catalogue."""

    def version(self, entry: Entry) -> dict[str, Any]:
        """What tells whether the audio of an entry changed, without reading it; empty when it is not there."""

    def fetch(self, entries: list[Entry], partition: Partition, known: dict[str, Row]) -> Iterator[Fetched]:
        """Make the audio of entries ready; yields each with its row's audio columns, or the failure."""

    def midi(self, partition: Partition, progress: Progress) -> MidiReport:
        """Make the MIDI of the recordings in the table ready, as far as there is any."""


Fetched = tuple[Entry, "Row | RecordingError"]


@dataclass(frozen=True)
class FolderSource:
    """A folder in MAESTRO's layout, read in place."""

    root: Path

    @property
    def folder(self) -> Path:
        """The folder itself."""
        return self.root

    def entries(self) -> list[Entry]:
        """The catalogue in the folder.

        Raises:
            SetupError: There is none, or it is damaged.
        """
        for name in CATALOGUE_NAMES:
            if (path := self.root / name).is_file():
                return read_catalogue(path.read_bytes(), str(path))
        raise SetupError(
            f"{self.root}: holds no {' or '.join(CATALOGUE_NAMES)}; point MAESTRO_DIR at MAESTRO's own folder"
        )

    def version(self, entry: Entry) -> dict[str, Any]:
        """Size and time of the last change."""
        return version_of(self.root / entry.audio_filename)

    def fetch(self, entries: list[Entry], partition: Partition, known: dict[str, Row]) -> Iterator[Fetched]:
        """Hash what is new or touched; nothing is copied."""

        def one(entry: Entry) -> Row | RecordingError:
            try:
                return hashed(self.root, entry.audio_filename, known.get(entry.recording_id))
            except RecordingError as error:
                return error

        with ThreadPoolExecutor(_HASHERS) as pool:
            yield from zip(entries, pool.map(one, entries), strict=True)

    def midi(self, partition: Partition, progress: Progress) -> MidiReport:
        """Count it; it is read in place."""
        return midi_in_place(partition, self.root)


@dataclass(frozen=True)
class ZipSource:
    """The official archive, or one of its form, at an address."""

    url: str

    @property
    def folder(self) -> None:
        """Nothing is read in place."""
        return

    def entries(self) -> list[Entry]:
        """The catalogue inside the archive.

        Raises:
            SetupError: It cannot be reached, is no zip, or holds no catalogue.
        """
        with RemoteZip(self.url) as archive:
            for name in CATALOGUE_NAMES:
                if member := self._members.get(name):
                    return read_catalogue(archive.read(member.name), f"{self.url}:{name}")
        raise SetupError(f"{self.url}: holds no {' or '.join(CATALOGUE_NAMES)}; is it MAESTRO v3's archive?")

    def version(self, entry: Entry) -> dict[str, Any]:
        """Size and checksum from the archive's directory."""
        member = self._members.get(entry.audio_filename)
        return {"bytes": member.size, "crc32": member.crc32} if member else {}

    def fetch(self, entries: list[Entry], partition: Partition, known: dict[str, Row]) -> Iterator[Fetched]:
        """Transfer members one by one, decode each to its working copy and drop the original at once.

        Raises:
            SetupError: The server failed several recordings in a row; the rest stays untried.
        """
        clear_temporary(partition.audio, "")
        archives: queue.SimpleQueue[RemoteZip] = queue.SimpleQueue()

        def one(worker: GuardedProcess, entry: Entry) -> Row:
            archive = archives.get()  # a RemoteZip serves one thread at a time
            try:
                return self._one(archive, worker, entry, partition, known)
            finally:
                archives.put(archive)

        in_a_row = 0
        with ExitStack() as opened:
            for _ in range(_COPIERS):
                archives.put(opened.enter_context(RemoteZip(self.url)))
            for entry, outcome in guarded_map(one, entries, _COPIERS):
                yield entry, outcome
                in_a_row = in_a_row + 1 if isinstance(outcome, RecordingError) and outcome.error_class == "retry" else 0
                if in_a_row == _GIVE_UP_AFTER:
                    raise SetupError(
                        f"{in_a_row} recordings in a row could not be fetched, the last: {outcome}. Run again later"
                    )

    def midi(self, partition: Partition, progress: Progress) -> MidiReport:
        """Transfer what is missing; what cannot be had is said and tried again by the next run."""
        return MidiArchive(self.url, self._members).fetch(partition, progress)

    def _one(
        self,
        archive: RemoteZip,
        worker: GuardedProcess,
        entry: Entry,
        partition: Partition,
        known: dict[str, Row],
    ) -> Row:
        version = self.version(entry)
        if not version:
            raise RecordingError(f"{self.url}: holds no {entry.audio_filename}; it cannot be fetched from there")
        copy = partition.audio / f"{entry.recording_id}.wav"
        row = {
            "audio_in": "lake",
            "audio_path": copy.relative_to(partition.tier.folder).as_posix(),
            "state": WORKING_COPY,
            **version,
        }
        before = known.get(entry.recording_id)
        there = before and (copy.is_file() or before["state"] == DISCARDED)
        if before and there and all(before.get(k) == v for k, v in version.items()):
            # only a title or a name changed
            return {**row, "sha256": before["sha256"], "state": before["state"]}
        partition.audio.mkdir(parents=True, exist_ok=True)
        original = temporary_name(partition.audio / f"{entry.recording_id}{Path(entry.audio_filename).suffix}")
        try:
            archive.copy(self._members[entry.audio_filename].name, original)
            sha256 = sha256_file(original)
            worker.call(make_working_copy, original, copy, what=f"{self.url}:{entry.audio_filename}")
        except OSError as error:
            raise no_room(error, copy) from error
        finally:
            original.unlink(missing_ok=True)
        return {**row, "sha256": sha256}

    @cached_property
    def _members(self) -> dict[str, ZipMember]:
        """Members by their name below the archive's top folder, if it has one."""
        with RemoteZip(self.url) as archive:
            members = archive.members()
        top = next((n.removesuffix(c) for n in members for c in CATALOGUE_NAMES if n.endswith(c)), "")
        return {name.removeprefix(top): member for name, member in members.items()}


def maestro_source(
    folder: str = "", archive: str = "", environ: Mapping[str, str] = os.environ
) -> FolderSource | ZipSource | None:
    """The source that is set: a folder (`$MAESTRO_DIR`) before an archive (`$MAESTRO_ZIP`), None when neither is.

    Raises:
        SetupError: The folder does not exist.
    """
    if folder := folder or environ.get("MAESTRO_DIR", ""):
        root = Path(folder).expanduser().absolute()
        if not root.is_dir():
            raise SetupError(f"MAESTRO_DIR is {folder}: no such folder")
        return FolderSource(root)
    archive = archive or environ.get("MAESTRO_ZIP", "")
    return ZipSource(archive) if archive else None
