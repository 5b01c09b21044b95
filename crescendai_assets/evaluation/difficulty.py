"""How hard works are to play, from a CSV that a user gives: do scores follow it?

The file is UTF-8 with a header; columns `work` and `level` are read, others are left alone:

    work,level
    D960,9
    Schubert_D935_no.3,8

`work` is an id as segments' names have it: a work (`D960`), a composer and a work (`Schubert_D960`), or a piece
(`Schubert_D935_no.3`), which goes before its work. `level` is a whole number from 0 to 11, higher is harder, as the 11
levels of PSyllabus (Ramoneda et al., Can audio reveal music performance difficulty? Insights from the Piano Syllabus
dataset, 2025), whether they are counted from 0 or from 1. Works that nobody rated here do no harm.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.evaluation.arrays import Floats, mean_of_known
from crescendai_assets.evaluation.metrics import MetricsSuite
from crescendai_assets.evaluation.protocols import OutOfFold
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row

VARIABLE = "CRESCENDAI_DIFFICULTY"

HIGHEST = 11

_WHOLE = re.compile(r"[0-9]{1,2}(\.0)?", re.ASCII)


@dataclass(frozen=True, eq=False)
class Difficulty:
    """Levels of the rated rows.

    Attributes:
        levels: Of each row, NaN where its work has none; shape (N,).
        missing: Why there is nothing to correlate with; empty where there is.
        works: How many different works or pieces the levels are of.
    """

    levels: Floats
    missing: str = ""
    works: int = 0


def difficulty_csv(path: str = "", environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file given, else `$CRESCENDAI_DIFFICULTY`; None where none is."""
    text = path or environ.get(VARIABLE, "")
    return Path(text).expanduser() if text else None


def read_levels(path: Path) -> dict[str, int]:
    """Work, in small letters, -> level.

    Raises:
        SetupError: It cannot be read, a column is missing, or a line is at fault; names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SetupError(
            f"{path}: cannot be read ({error.strerror or error}); give a csv of work,level, or unset {VARIABLE}"
        ) from None
    except UnicodeDecodeError:
        raise SetupError(f"{path}: not UTF-8; save it as UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    levels: dict[str, int] = {}
    try:
        if missing := [name for name in ("work", "level") if name not in (reader.fieldnames or ())]:
            raise SetupError(f"{path}, line 1: column {missing[0]} is missing; the first line is to be work,level")
        for row in reader:
            work, level = ((row[name] or "").strip() for name in ("work", "level"))
            levels[_new(work, levels, f"{path}, line {reader.line_num}")] = _level(
                level, work, f"{path}, line {reader.line_num}"
            )
    except csv.Error as error:
        raise SetupError(f"{path}, line {reader.line_num}: not csv ({error}); correct it") from None
    if not levels:
        raise SetupError(f"{path}: holds no work; give lines of work,level, or unset {VARIABLE}")
    return levels


def difficulty_of(rows: Sequence[Row], path: Path | None) -> Difficulty:
    """Levels of rated rows.

    Args:
        rows: Of `metadata.jsonl`, N.
        path: The csv, None where none is given.

    Raises:
        SetupError: As of `read_levels`.
    """
    import numpy as np

    if path is None:
        return Difficulty(np.full(len(rows), np.nan), f"no levels of works are given ({VARIABLE})")
    levels = read_levels(path)
    names = [next((name for name in _names(row) if name in levels), None) for row in rows]
    found = np.array([np.nan if name is None else levels[name] for name in names], np.float64)
    used = {name for name in names if name is not None}
    missing = ""
    if not used:
        missing = f"{path.name} names none of the rated works ({', '.join(sorted({row['work'] for row in rows}))})"
    elif len({levels[name] for name in used}) < 2:
        missing = f"{path.name} gives the rated works one level, {levels[next(iter(used))]}"
    return Difficulty(found, missing, len(used))


def difficulty_rho(found: OutOfFold, difficulty: Difficulty) -> float:
    """Spearman's ρ of the mean score of held-out rows with their works' level, mean over shuffles; NaN if not known."""
    import numpy as np

    suite, each = MetricsSuite(), []
    for scores, fold in zip(found.scores, found.fold, strict=True):
        there = (fold >= 0) & ~np.isnan(difficulty.levels)
        if there.any():
            each.append(suite.difficulty_correlation(scores[there], difficulty.levels[there])["overall_rho"])
    return mean_of_known(each)


def _names(row: Row) -> list[str]:
    """What the csv may call a row's work, the most particular first."""
    return [name.casefold() for name in (row["piece"], f"{row['composer']}_{row['work']}", row["work"])]


def _new(work: str, levels: Mapping[str, int], where: str) -> str:
    if not work:
        raise SetupError(f"{where}: work is blank; give its id, as D960")
    if work.casefold() in levels:
        raise SetupError(f"{where}: {work} stands twice; keep one line")
    return work.casefold()


def _level(text: str, work: str, where: str) -> int:
    if not _WHOLE.fullmatch(text) or float(text) > HIGHEST:
        raise SetupError(f"{where}: level of {work} is {text[:40]!r}, expected a whole number from 0 to {HIGHEST}")
    return int(float(text))
