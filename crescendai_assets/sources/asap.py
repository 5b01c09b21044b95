"""A folder in ASAP's layout (Foscarin et al. 2020, ISMIR), or (n)ASAP's, which has note alignments as well.

Which performances there are and which files belong to each, from `metadata.csv`; nothing else is opened. What is made
of the files belongs to `symbolic` and `labels`. Licence of the data: CC BY-NC-SA 4.0.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id

TABLE = "metadata.csv"
SOURCE_VARIABLE = "ASAP_DIR"

_REQUIRED = ("composer", "title", "midi_score", "midi_performance")
_MAESTRO = "{maestro}/"
_IN_MAESTRO = re.compile(r"(?<=\d\d)M$")


@dataclass(frozen=True)
class AsapPerformance:
    """A performance whose MIDI file is there.

    Attributes:
        performance_id: `asap_<path with / and . as _>`.
        composer: As in the table.
        title: As in the table; with the composer it names a piece.
        performer_id: Surname and year of the competition, as `Shi05`; the `M` of files that MAESTRO has too is left
            out. One person has one id a competition.
        midi: The performance.
        score: The score as MIDI, None where the file is absent.
        xml: The score as MusicXML, None where the file is absent.
        note_alignment: (n)ASAP's alignment with the MusicXML, None where the file is absent.
        maestro_midi: The same performance in MAESTRO, as its catalogue has it, None where it is not in it.
        audio: Recording of the performance, None where the file is absent.
        annotations: Its beats, None where the file is absent.
        score_annotations: The beats of the score's MIDI file, None where the file is absent.
    """

    performance_id: str
    composer: str
    title: str
    performer_id: str
    midi: Path
    score: Path | None = None
    xml: Path | None = None
    note_alignment: Path | None = None
    maestro_midi: str | None = None
    audio: Path | None = None
    annotations: Path | None = None
    score_annotations: Path | None = None

    @property
    def aligned_score(self) -> tuple[Path, Path] | None:
        """MusicXML and the alignment with it: either alone says nothing."""
        return (self.xml, self.note_alignment) if self.xml and self.note_alignment else None


@dataclass(frozen=True)
class AsapListing:
    """What a folder has.

    Attributes:
        performances: In the order of the table.
        absent: Rows of the table whose performance is not there.
    """

    performances: tuple[AsapPerformance, ...]
    absent: int


def asap_folder(folder: str = "", environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder to read: the one given, else `$ASAP_DIR`; None when neither is set."""
    text = folder or environ.get(SOURCE_VARIABLE, "")
    return Path(text).expanduser() if text else None


def read_asap(folder: Path) -> AsapListing:
    """Read the table of a folder and look which of its files are there.

    Args:
        folder: Holds `metadata.csv` and a folder a composer.

    Raises:
        SetupError: There is no table, or it cannot be read as one; names the line.
    """
    table = folder / TABLE
    reader = csv.DictReader(io.StringIO(_text(table), newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise SetupError(f"{table}, line {reader.line_num}: {error}; fetch {TABLE} from the dataset again") from error
    if missing := [name for name in _REQUIRED if name not in (reader.fieldnames or ())]:
        raise SetupError(
            f"{table}: has no column {missing[0]!r}; it is not ASAP's table: fetch metadata.csv from the dataset again"
        )
    found: dict[str, AsapPerformance] = {}
    absent = 0
    for number, row in rows:
        where = f"{table}, line {number}"
        one = _performance(folder, row, where)
        if one is None:
            absent += 1
        elif one.performance_id in found:
            raise SetupError(f"{where}: {one.midi} and {found[one.performance_id].midi} get the same id; rename one")
        else:
            found[one.performance_id] = one
    return AsapListing(tuple(found.values()), absent)


def _text(table: Path) -> str:
    try:
        return table.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SetupError(
            f"{table}: cannot be read ({error.strerror or error}); set {SOURCE_VARIABLE} to the folder of the dataset "
            f"that holds {TABLE}"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SetupError(f"{table}, line {line}: not UTF-8; fetch {TABLE} from the dataset again") from error


def _performance(folder: Path, row: Mapping[str, str | None], where: str) -> AsapPerformance | None:
    """One row of the table, None when its performance is absent."""
    name = row.get("midi_performance") or ""
    if not name:
        raise SetupError(f"{where}: names no midi_performance; correct or remove the line")
    midi = _file(folder, row, "midi_performance", where)
    if midi is None:
        return None
    stem = PurePosixPath(name).stem
    beside = midi.with_name(f"{stem}_note_alignments") / "note_alignment.tsv"
    alignment = _file(folder, row, "note_alignments", where) or (beside if beside.is_file() else None)
    return AsapPerformance(
        performance_id=checked_id("asap_" + name.replace("/", "_").replace(".", "_")),
        composer=row.get("composer") or "",
        title=row.get("title") or "",
        performer_id=_IN_MAESTRO.sub("", stem),
        midi=midi,
        score=_file(folder, row, "midi_score", where),
        xml=_file(folder, row, "xml_score", where),
        note_alignment=alignment,
        maestro_midi=(row.get("maestro_midi_performance") or "").removeprefix(_MAESTRO) or None,
        audio=_file(folder, row, "audio_performance", where),
        annotations=_file(folder, row, "performance_annotations", where),
        score_annotations=_file(folder, row, "midi_score_annotations", where),
    )


def _file(folder: Path, row: Mapping[str, str | None], column: str, where: str) -> Path | None:
    """The file a column names, None when it names none or none is there."""
    name = row.get(column) or ""
    if not name:
        return None
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise SetupError(f"{where}: {column} {name!r} could leave the dataset's folder; correct the line")
    found = folder / path
    return found if found.is_file() else None
