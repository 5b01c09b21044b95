"""ATEPP's folder: who plays what in which MIDI file, as its metadata say.

ATEPP 1.2 (Zhang et al., ISMIR 2022; CC BY 4.0): 11,674 performances by 49 pianists of 1,595 movements by 25 composers,
transcribed from recordings. The folder holds `ATEPP-metadata-1.2.csv` and the MIDI files at the paths it names. The
MIDI is not read here, nor is it decided here which works are rated (`labels.evaluation_works`).
"""

from __future__ import annotations

import csv
import errno
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id

LEFT_OUT_QUALITIES = frozenset({"corrupted", "low quality", "background noise"})
"""Qualities left out of training, as ATEPP's README suggests: transcriptions confirmed to be corrupted (47 files),
likely to be (1,211), and made with audible noise (1,326). `applause`, `high quality` (of a live recording) and rows
without a remark stay."""

_COLUMNS = ("artist", "track", "composer", "composition_id", "score_path", "midi_path", "quality", "perf_id")
_NEEDED = ("artist", "track", "composer", "midi_path", "perf_id")
_NAME = re.compile(r"ATEPP-metadata-(\d+(?:\.\d+)*)\.csv")
_FAULTS_SHOWN = 5


@dataclass(frozen=True, order=True)
class AteppPerformance:
    """One row whose MIDI file is there; paths are relative to the folder, spelled as they are on disk.

    Attributes:
        performance_id: `atepp_<perf_id>`.
        composer: `Franz Schubert`.
        title: The track's title, as the record's publisher spells it.
        composition_id: The same for all performances of a movement.
        performer: `Sviatoslav Richter`.
        midi_path: `<composer>/<composition>/<movement>/<perf_id>.mid`.
        quality: ATEPP's remark, see `LEFT_OUT_QUALITIES`; mostly empty.
        score_path: A MusicXML score, where one is named and there.
    """

    performance_id: str
    composer: str
    title: str
    composition_id: str
    performer: str
    midi_path: str
    quality: str
    score_path: str | None

    @property
    def folder_title(self) -> str:
        """Composition and movement as the path has them: ATEPP's own spelling, corrected where tracks were wrong."""
        return "/".join(PurePosixPath(self.midi_path).parts[1:-1])

    @property
    def is_usable(self) -> bool:
        """Whether ATEPP's authors take the transcription to be good enough to learn from."""
        return self.quality not in LEFT_OUT_QUALITIES


@dataclass(frozen=True)
class AteppFolder:
    """What was read.

    Attributes:
        metadata: The csv.
        performances: By id.
        absent: Ids of the rows whose MIDI file is not there.
    """

    metadata: Path
    performances: tuple[AteppPerformance, ...]
    absent: tuple[str, ...]


def read_atepp(folder: Path) -> AteppFolder:
    """Read the newest metadata in a folder, and look which MIDI files are there.

    Raises:
        SetupError: There is no such folder or no metadata, a column is missing, or rows cannot be used; says which.
    """
    metadata = _newest(folder)
    faults: list[str] = []
    performances: dict[str, AteppPerformance] = {}
    absent: set[str] = set()
    for line, row in _rows(metadata):
        try:
            performance_id = checked_id(f"atepp_{_checked(row)['perf_id']}")
            if performance_id in performances or performance_id in absent:
                raise ValueError(f"perf_id {row['perf_id']!r} stands twice")
            midi = _on_disk(folder, row["midi_path"])
            score = _on_disk(folder, row["score_path"]) if row["score_path"] else None
        except (ValueError, SetupError) as error:
            faults.append(f"line {line}: {error}")
            continue
        if midi is None:
            absent.add(performance_id)
        else:
            performances[performance_id] = _performance(performance_id, row, midi, score)
    if faults:
        more = f" (and {len(faults) - _FAULTS_SHOWN} more)" if len(faults) > _FAULTS_SHOWN else ""
        raise SetupError(f"{metadata}: " + "; ".join(faults[:_FAULTS_SHOWN]) + more + ". Correct it or fetch it again")
    return AteppFolder(metadata, tuple(sorted(performances.values())), tuple(sorted(absent)))


def _newest(folder: Path) -> Path:
    if not folder.is_dir():
        raise SetupError(f"{folder}: no such folder; set ATEPP_DIR to where ATEPP was unpacked")
    versions = {}
    for path in folder.iterdir():
        if found := _NAME.fullmatch(path.name):
            versions[tuple(int(part) for part in found[1].split("."))] = path
    if not versions:
        raise SetupError(
            f"{folder}: holds no ATEPP-metadata-<version>.csv; set ATEPP_DIR to the folder that ATEPP was unpacked to, "
            "with the metadata of version 1.2 in it"
        )
    return versions[max(versions)]


def _rows(metadata: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows, with the line each ends on and the columns that are used."""
    try:
        text = metadata.read_bytes().decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if missing := [column for column in _COLUMNS if column not in (reader.fieldnames or ())]:
            raise SetupError(
                f"{metadata}: column {', '.join(missing)} is missing (there are "
                f"{', '.join(reader.fieldnames or ()) or 'none'}); fetch ATEPP-metadata-1.2.csv, which has them"
            )
        return [(reader.line_num, {c: (row[c] or "").strip() for c in _COLUMNS}) for row in reader]
    except OSError as error:
        raise SetupError(f"{metadata}: cannot be read ({error.strerror or error}); see to it and run again") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SetupError(f"{metadata}: damaged ({error}); fetch it again") from None


def _checked(row: dict[str, str]) -> dict[str, str]:
    for column in _NEEDED:
        if not row[column]:
            raise ValueError(f"{column} is empty")
    for column in ("midi_path", "score_path"):
        path = PurePosixPath(row[column])
        if path.is_absolute() or ".." in path.parts or "\0" in row[column]:
            raise ValueError(f"{column} {row[column]!r} could leave the folder")
    return row


def _on_disk(folder: Path, path: str) -> str | None:
    """The path as it is spelled on disk, where unpacking may have taken accents apart or put them together; or None."""
    for form in (None, "NFC", "NFD"):
        spelled = path if form is None else unicodedata.normalize(form, path)
        try:
            if (folder / spelled).is_file():
                return spelled
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # such a file cannot be there
                raise ValueError(f"{spelled} cannot be looked for ({error.strerror}); see to the folder") from None
    return None


def _performance(performance_id: str, row: dict[str, str], midi: str, score: str | None) -> AteppPerformance:
    return AteppPerformance(
        performance_id=performance_id,
        composer=row["composer"],
        title=row["track"],
        composition_id=row["composition_id"],
        performer=row["artist"],
        midi_path=midi,
        quality=row["quality"],
        score_path=score,
    )
