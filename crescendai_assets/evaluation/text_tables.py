"""How tables of a report are written down: figures in words, lines as markdown, rows as csv.

What the columns are is each report's own to say; the table that names a winner is `table`'s.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from crescendai_assets.lake.tables import Row


def number(value: float | None, digits: int = 3) -> str:
    """A figure for people; `n/a` where there is none."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def plain(value: object) -> str:
    """A value for machines: six digits of a float, nothing for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def csv_table(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows as csv, lines ending in a line feed on every system; what a row lacks stays empty."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Cells as a table in markdown; the first line is the header."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    rows.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join(rows)
