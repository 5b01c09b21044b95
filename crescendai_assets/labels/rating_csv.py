"""PercePiano's file of raw ratings (`total_2rounds.csv`), line by line: what a row says, and what is wrong with it.

A row is one listener's 19 answers to one segment. An answer of 1 to 7 counts; a blank and 0 mean that there is none; a
value above 7 spoils its row, as in the source's own means. Free text (a 20th question, a message) is not read.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crescendai_assets.labels.dimensions import DIMENSIONS, POINTS
from crescendai_assets.labels.names import parse_name
from crescendai_assets.lake.errors import SetupError

Verdict = Literal["above the scale", "no answer", "odd"]
"""Why a row is not used: an answer above 7, all answers missing, or it cannot be read."""

_PLAIN = ("user", "dataID", "filename")
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{0,6})?", re.ASCII)


@dataclass(frozen=True)
class Answers:
    """One usable row.

    Attributes:
        line: Where its record ends in the file.
        user: The listener.
        data_id: The submission; the same one may stand twice.
        segment_id: What was heard.
        values: 1 to 7 by dimension, None for no answer.
    """

    line: int
    user: str
    data_id: str
    segment_id: str
    values: tuple[int | None, ...]


@dataclass(frozen=True)
class Refused:
    """A row that is not used, with the line its record ends on and the fault in words."""

    line: int
    filename: str
    verdict: Verdict
    fault: str


def read_answers(path: Path) -> Iterator[Answers | Refused]:
    """Each record of the file in its order.

    Raises:
        SetupError: There is no such file, it is not UTF-8 or csv, or a column is missing; names the line where it can.
    """
    reader = csv.reader(io.StringIO(_text_of(path), newline=""))
    try:
        header = next(reader, [])
        places = _places(path, header)
        for record in reader:
            if record:
                yield _read(record, len(header), places, reader.line_num)
    except csv.Error as error:
        raise SetupError(f"{path}, line {reader.line_num}: not csv ({error}); fetch total_2rounds.csv again") from None


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(
            f"{path}: cannot be read ({error.strerror or error}); give PercePiano's total_2rounds.csv"
        ) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SetupError(f"{path}, line {line}: not UTF-8; fetch total_2rounds.csv again, unchanged") from None
    if (nul := text.find("\0")) >= 0:
        line = text.count("\n", 0, nul) + 1
        raise SetupError(f"{path}, line {line}: holds a zero byte; fetch total_2rounds.csv again")
    return text


def _places(path: Path, header: list[str]) -> Mapping[str, int]:
    """Column -> its place."""
    wanted = [*_PLAIN, *(dimension.question for dimension in DIMENSIONS)]
    counts = Counter(header)
    if missing := [column for column in wanted if not counts[column]]:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise SetupError(
            f"{path}, line 1: column {', '.join(missing[:3])}{more} is missing; give PercePiano's total_2rounds.csv"
        )
    if twice := [column for column in wanted if counts[column] > 1]:
        raise SetupError(f"{path}, line 1: column {twice[0]} stands twice; fetch total_2rounds.csv again")
    return {column: header.index(column) for column in wanted}


def _read(record: list[str], columns: int, places: Mapping[str, int], line: int) -> Answers | Refused:
    filename = record[places["filename"]] if len(record) > places["filename"] else ""
    try:
        if len(record) != columns:
            raise ValueError(f"{len(record)} columns, expected {columns}")
        user, data_id = record[places["user"]].strip(), record[places["dataID"]].strip()
        if not user or not data_id:
            raise ValueError("user or dataID is blank")
        segment_id = parse_name(filename).key
        given = [_answer(record[places[d.question]], d.question) for d in DIMENSIONS]
    except ValueError as error:
        return Refused(line, filename, "odd", str(error))
    if above := next(((d, v) for d, v in zip(DIMENSIONS, given, strict=True) if v > POINTS), None):
        return Refused(line, filename, "above the scale", f"{above[0].question} is {above[1]}, above {POINTS}")
    if not any(given):
        return Refused(line, filename, "no answer", "all answers are blank or 0")
    return Answers(line, user, data_id, segment_id, tuple(value or None for value in given))


def _answer(text: str, question: str) -> int:
    """The answer; 0 for none.

    Raises:
        ValueError: It is no whole number from 0 up.
    """
    if not (text := text.strip()):
        return 0
    value = float(text) if _NUMBER.fullmatch(text) else -1.0
    if value < 0 or value != int(value):
        raise ValueError(f"{question} is {text[:40]!r}, expected a whole number from 1 to {POINTS}, 0 or nothing")
    return int(value)
