"""MAESTRO v3 as a tier: where its audio is, and one row a recording of a year.

Two sources: a folder in MAESTRO's layout, read in place, and the official zip over HTTP(S), of which only the members
of the wanted year are transferred, each decoded once to a working copy. Segments, mapping and checks live elsewhere,
MIDI in `maestro_midi`.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from crescendai_assets.audio.decode import make_working_copy
from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import clear_temporary, no_room, sha256_file, temporary_name, write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import DISCARDED, MAESTRO_RECORDINGS, WORKING_COPY
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.in_place import hashed, version_of
from crescendai_assets.sources.locate import committed_recordings, discarded_copies, known_rows
from crescendai_assets.sources.maestro_catalogue import CATALOGUE_NAMES, Entry, catalogue_json, read_catalogue
from crescendai_assets.sources.maestro_midi import MidiArchive, MidiReport, kept_midi, midi_in_place
from crescendai_assets.sources.performers import contestant, performer_id, read_performers
from crescendai_assets.sources.remote_zip import RemoteZip, ZipMember
from crescendai_assets.sources.works import work_id

INHERITED = (
    "audio_filename",
    "canonical_title",
    "canonical_composer",
    "work_id",
    "performer_id",
    "split",
    "duration_seconds",
)
"""Columns of a recording that each of its segments carries."""

_VERSION = ("bytes", "mtime_ns", "crc32")
"""What a source's `version` may say of an entry."""

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


def collect_year(
    partition: Partition,
    source: MaestroSource,
    *,
    performers: Path | None = None,
    refetch: bool = False,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """List the recordings of a year, fetching what the source does not hold ready; then the MIDI beside them.

    Args:
        partition: The year.
        source: Folder or archive.
        performers: A csv `audio_filename,performer` that overrides the contestant numbers in file names.
        refetch: Make working copies again that were discarded.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The catalogue or the csv is unusable, the source out of reach, or the disk full.
    """
    listing = list_year(partition, source, performers)

    def wanted() -> dict[str, str]:
        discarded = set(discarded_copies(partition)) if refetch else set()
        return {i: "discarded" if i in discarded else mark for i, mark in listing.wanted().items()}

    def work(run: StageRun) -> None:
        known = known_rows(partition, refetch=refetch)
        pending = [listing.entries[i] for i in run.plan.pending]
        for entry, outcome in source.fetch(pending, partition, known):
            if isinstance(outcome, RecordingError):
                run.fail(entry.recording_id, outcome)
            else:
                run.commit(entry.recording_id, [listing.row(entry, outcome)], entry.duration)

    def drop_copy(recording_id: str) -> None:
        (partition.audio / f"{recording_id}.wav").unlink(missing_ok=True)
        kept_midi(partition, recording_id).unlink(missing_ok=True)

    report = run_stage(
        partition,
        "recordings",
        MAESTRO_RECORDINGS,
        wanted=wanted,
        committed=lambda: committed_recordings(partition),
        work=work,
        options=options,
        progress=progress,
        on_prune=drop_copy,
        facts=lambda: _facts(partition, source),
    )
    # after the recordings, and when there was nothing to do too: MIDI missing from an earlier run is fetched now
    return replace(report, facts={**report.facts, **source.midi(partition, progress).facts})


@dataclass(frozen=True)
class Listing:
    """What a source lists for a year, and the performers' names given beside it."""

    source: MaestroSource
    entries: Mapping[str, Entry]
    names: Mapping[str, str]

    def wanted(self) -> dict[str, str]:
        """Recording id -> fingerprint its row should have: labels, and what tells that the audio changed."""
        return {i: fingerprint(self._columns(e), self.source.version(e)) for i, e in self.entries.items()}

    def row(self, entry: Entry, audio: Row) -> Row:
        """The row of a recording whose audio is ready."""
        columns = self._columns(entry)
        # as it was when it was read, not as it is by now
        mark = fingerprint(columns, {name: audio[name] for name in _VERSION if name in audio})
        return {"recording_id": entry.recording_id, **columns, **audio, "fingerprint": mark}

    def _columns(self, entry: Entry) -> Row:
        """A row's columns that follow from the catalogue and the csv of performers."""
        values = asdict(entry)
        name = self.names.get(entry.audio_filename)
        return {
            **{k: v for k, v in values.items() if k != "duration"},
            "duration_seconds": values["duration"],
            "work_id": work_id(entry.canonical_composer, entry.canonical_title),
            "performer_id": performer_id(name) if name else contestant(entry.audio_filename, entry.year),
            "performer_from": "csv" if name else "file name",
        }


def list_year(partition: Partition, source: MaestroSource, performers: Path | None = None) -> Listing:
    """Read the catalogue, and the csv of performers when there is one, for one year.

    Raises:
        SetupError: Either is unusable, or the source out of reach.
    """
    entries = {e.recording_id: e for e in source.entries() if str(e.year) == partition.key}
    return Listing(source, entries, read_performers(performers) if performers else {})


def publish_catalogue(tier: Tier, source: MaestroSource) -> None:
    """Keep the source's catalogue beside the tables, in MAESTRO's own form."""
    write_atomic(tier.folder / CATALOGUE_NAMES[0], catalogue_json(source.entries()))


def _facts(partition: Partition, source: MaestroSource) -> dict[str, Any]:
    rows = list(read_rows(partition.stage("recordings").table))
    return {
        "source": str(getattr(source, "url", source.folder)),
        "hours_of_audio": round(sum(r["duration_seconds"] for r in rows) / 3600, 3),
        "works": len({r["work_id"] for r in rows}),
        "performers": len({r["performer_id"] for r in rows}),
        "performers_from_csv": sum(r["performer_from"] == "csv" for r in rows),
        "raw_audio_discarded": len(discarded_copies(partition)),
    }
