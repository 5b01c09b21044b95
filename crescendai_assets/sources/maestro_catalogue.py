"""MAESTRO v3's own catalogue: what a row is, and what is refused in one.

MAESTRO v3.0.0 (Hawthorne et al., ICLR 2019; CC BY-NC-SA 4.0): 1,276 recordings of the International
Piano-e-Competition, 198.65 h, ten years. The JSON is column-oriented, `{column: {"0": value, ...}}`; the csv has the
same columns.
Fetching audio belongs to `maestro`, names of works and people to `works` and `performers`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id

YEARS = (2004, 2006, 2008, 2009, 2011, 2013, 2014, 2015, 2017, 2018)
CATALOGUE_NAMES = ("maestro-v3.0.0.json", "maestro-v3.0.0.csv")
SPLITS = ("train", "validation", "test")

_COLUMNS = (
    "canonical_composer",
    "canonical_title",
    "split",
    "year",
    "midi_filename",
    "audio_filename",
    "duration",
)
_FAULTS_SHOWN = 5


@dataclass(frozen=True, order=True)
class Entry:
    """One recording as MAESTRO lists it; `duration` in seconds, file names relative to the dataset's folder."""

    audio_filename: str
    midi_filename: str
    canonical_composer: str
    canonical_title: str
    split: str
    year: int
    duration: float

    @property
    def recording_id(self) -> str:
        """`maestro_<audio path with / and . as _>`."""
        return "maestro_" + self.audio_filename.replace("/", "_").replace(".", "_")


def read_catalogue(data: bytes, name: str) -> list[Entry]:
    """Parse and check MAESTRO's catalogue.

    Args:
        data: Contents of the file.
        name: Its name or address, for messages; one ending in `.csv` is read as csv.

    Returns:
        Entries by audio file name.

    Raises:
        SetupError: It is damaged, a column is missing, or rows are unusable; names file, rows and faults.
    """
    try:
        text = data.decode("utf-8-sig")
        rows = _csv_rows(text, name) if name.endswith(".csv") else _json_rows(json.loads(text), name)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise SetupError(f"{name}: damaged ({error}); fetch it again") from None
    entries: list[Entry] = []
    faults: list[str] = []
    for where, row in rows.items():
        try:
            entries.append(_entry(row))
        except (ValueError, SetupError) as error:
            faults.append(f"row {where}: {error}")
    faults += _doubles(entries)
    if faults:
        more = f" (and {len(faults) - _FAULTS_SHOWN} more)" if len(faults) > _FAULTS_SHOWN else ""
        raise SetupError(f"{name}: " + "; ".join(faults[:_FAULTS_SHOWN]) + more + ". Correct it or fetch it again")
    return sorted(entries)


def catalogue_json(entries: list[Entry]) -> bytes:
    """The catalogue in MAESTRO's column-oriented form, by audio file name."""
    columns = {column: {str(i): getattr(e, column) for i, e in enumerate(entries)} for column in _COLUMNS}
    return json.dumps(columns, ensure_ascii=False, indent=1).encode()


def _json_rows(document: Any, name: str) -> dict[str, dict[str, Any]]:
    if isinstance(document, list):
        raise SetupError(f"{name}: a list of rows, as in MAESTRO v2; version 3 has one object a column: fetch v3.0.0")
    if not isinstance(document, dict) or not all(isinstance(column, dict) for column in document.values()):
        raise SetupError(f"{name}: expected one object a column, {{column: {{row: value}}}}; fetch maestro-v3.0.0.json")
    _require_columns(document, name)
    keys = document["audio_filename"].keys()
    for column in _COLUMNS:
        if document[column].keys() != keys:
            odd = sorted(document[column].keys() ^ keys)[:_FAULTS_SHOWN]
            raise SetupError(f"{name}: column {column} has other rows than audio_filename (such as {', '.join(odd)})")
    return {key: {column: document[column][key] for column in _COLUMNS} for key in keys}


def _csv_rows(text: str, name: str) -> dict[str, dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    _require_columns(dict.fromkeys(reader.fieldnames or ()), name)
    rows: dict[str, dict[str, Any]] = {}
    for row in reader:
        year, duration = row["year"] or "", row["duration"] or ""
        values: dict[str, Any] = {**row, "year": int(year) if re.fullmatch(r"[0-9]{1,9}", year) else year}
        try:
            values["duration"] = float(duration)
        except ValueError:
            values["duration"] = duration  # refused below, with the row named
        rows[f"on line {reader.line_num}"] = values
    return rows


def _require_columns(columns: Mapping[str, Any], name: str) -> None:
    if missing := [c for c in _COLUMNS if c not in columns]:
        raise SetupError(
            f"{name}: column {', '.join(missing)} is missing (there are {', '.join(columns) or 'none'}); "
            "is this maestro-v3.0.0's own file?"
        )


def _entry(row: dict[str, Any]) -> Entry:
    for column in _COLUMNS:
        value = row[column]
        kinds: tuple[type, ...] = (int,) if column == "year" else (int, float) if column == "duration" else (str,)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ValueError(f"{column} is {value!r}, expected {' or '.join(k.__name__ for k in kinds)}")
        if value == "":
            raise ValueError(f"{column} is empty")
    if row["year"] not in YEARS:
        raise ValueError(f"year {row['year']} is not one of MAESTRO's ({', '.join(map(str, YEARS))})")
    if row["split"] not in SPLITS:
        raise ValueError(f"split {row['split']!r} is not one of {', '.join(SPLITS)}")
    if not 0 < row["duration"] < float("inf"):
        raise ValueError(f"duration {row['duration']} s is not a length")
    for column in ("audio_filename", "midi_filename"):
        _check_path(column, row[column])
    entry = Entry(**{column: row[column] for column in _COLUMNS})
    checked_id(entry.recording_id)
    return entry


def _check_path(column: str, text: str) -> None:
    """Refuse whatever could name a file outside the dataset's folder."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or ":" in text.split("/")[0]:
        raise ValueError(f"{column} {text!r} could leave the dataset's folder")


def _doubles(entries: list[Entry]) -> list[str]:
    seen: dict[str, str] = {}
    faults = []
    for entry in entries:
        if other := seen.get(entry.recording_id):
            same = other == entry.audio_filename
            faults.append(
                f"audio_filename {entry.audio_filename!r} stands twice"
                if same
                else f"audio_filename {entry.audio_filename!r} and {other!r} would get the same id"
            )
        seen[entry.recording_id] = entry.audio_filename
    return faults
