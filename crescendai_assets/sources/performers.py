"""Who plays a MAESTRO recording, from its file name or from a table a user gives.

Here: the contestant's number in a file name, a reader for a csv of names, and ids made of names. Not here:
which work is played (`works.py`) and MAESTRO's own metadata (`maestro.py`), which name no performer.
"""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.text import folded

# The most telling first. 2004 to 2009 and 2013 on put the number behind AUDIO, and that one is right where
# two differ ("SMF_17_R1_2004...AUDIO_20_R2" is contestant 20). 2011 numbers audio by day and track, and only
# the first part of the name knows the contestant. 2017 has a slot of the schedule instead.
_NUMBERS = (
    re.compile(r"audio(?:-from_mp3)?_(\d{1,3})_r\d", re.IGNORECASE),
    re.compile(r"_piano(\d{1,3})_", re.IGNORECASE),
    re.compile(r"unprocessed_(\d{1,3})_r\d", re.IGNORECASE),
)


def contestant(audio_filename: str, year: int) -> str:
    """Read the performer's id out of the name of a MAESTRO file.

    Measured against the names in a third party's `maestro-v3.0.0_performer.csv`: all 1,276 file names hold a
    number. 230 ids stand for 204 people, of whom 31 have several: 14 return in another year, 12 have several
    slots in 2017. Of 153 pairs by one performer under one exact title it misses 41 (under one work id, 50 of
    162) and joins two performers in none. Of these 41, 37 look like slips of that table, which gives 13
    recordings a name other than the rest of their contestant's (7 ids), mostly of another who played the
    same title that year: three contestants' D. 958 of 2004, for one. The other 4 are people who return.

    Args:
        audio_filename: As in the metadata, with or without the folder of the year.
        year: The edition; contestants are counted anew in each.

    Returns:
        Year and number without the round, such as `2017-c057`; where the name holds no number, an id of this
        file alone such as `2017-file-1f2e3d4c5b`, so that two unknowns never pass for one person.
    """
    name = audio_filename.replace("\\", "/").rpartition("/")[2]
    for pattern in _NUMBERS:
        if found := pattern.search(name):
            return f"{year}-c{int(found[1]):03d}"
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    return f"{year}-file-{digest}"


def read_performers(path: Path) -> dict[str, str]:
    """Read a table of who plays what, which overrides `contestant`.

    Args:
        path: A csv with a header and the columns `audio_filename,performer`; others are allowed.

    Returns:
        Performer by audio file name. A row without a performer is as good as absent.

    Raises:
        SetupError: The file cannot be read, lacks a column, or names two performers for one file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SetupError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SetupError(f"{path}, line {line}: not UTF-8. Save the table again as CSV UTF-8.") from error
    rows = csv.DictReader(text.splitlines(keepends=True), strict=True)
    performers: dict[str, str] = {}
    try:
        columns = [column.strip() for column in rows.fieldnames or ()]
        missing = [column for column in ("audio_filename", "performer") if column not in columns]
        if missing:
            raise SetupError(
                f"{path}, line 1: no column {' and '.join(missing)} among {', '.join(columns) or 'none'}. "
                "Start the file with a header such as 'audio_filename,performer'."
            )
        rows.fieldnames = columns
        for row in rows:
            file, performer = (_clean(row[column]) for column in ("audio_filename", "performer"))
            if not performer:
                continue
            if not file:
                raise SetupError(
                    f"{path}, line {rows.line_num}: {performer!r} has no audio_filename. Fill it or drop the row."
                )
            if performers.setdefault(file, performer) != performer:
                raise SetupError(
                    f"{path}, line {rows.line_num}: {file!r} is by {performer!r} here and by "
                    f"{performers[file]!r} above. Keep one of the two lines."
                )
    except csv.Error as error:
        raise SetupError(f"{path}, line {rows.reader.line_num}: not a csv ({error}). Quote it properly.") from error
    return performers


def performer_id(name: str) -> str:
    """Make an id of a name in which the order of its parts and its accents do not count.

    Args:
        name: As written; "Jia Ran", "Ran Jia" and "RAN, Jia" are one.

    Returns:
        The parts sorted, in lower-case ASCII joined by "-", such as `jia-ran`. A letter with no Latin base
        stands as its code point, so that names in other scripts stay apart; a name without any letter or
        digit gives an id of its own.
    """
    plain = re.sub(r"['’`]", "", folded(name))
    spelled = "".join(c if c.isascii() else f"u{ord(c):x}" if c.isalnum() else " " for c in plain)
    words = sorted(re.findall(r"[a-z0-9]+", spelled))
    if not words:
        return f"unnamed-{hashlib.blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=5).hexdigest()}"
    slug = "-".join(words)
    if len(slug) <= 100:
        return slug
    return f"{slug[:89].rstrip('-')}-{hashlib.blake2b(slug.encode(), digest_size=5).hexdigest()}"


def _clean(value: str | None) -> str:
    return " ".join((value or "").split())
