"""MAESTRO v3 as a tier: one row a recording of a year, and the MIDI beside it.

Where its audio is and how it is made ready is `maestro_sources`'. Segments, mapping and checks live elsewhere, MIDI in
`maestro_midi`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import MAESTRO_RECORDINGS
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.locate import committed_recordings, discarded_copies, known_rows
from crescendai_assets.sources.maestro_catalogue import CATALOGUE_NAMES, Entry, catalogue_json
from crescendai_assets.sources.maestro_midi import kept_midi
from crescendai_assets.sources.maestro_sources import MaestroSource
from crescendai_assets.sources.performers import contestant, performer_id, read_performers
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
