"""Row tables: JSON lines, one object a line, UTF-8, sorted by id, checked against a one-line JSON Schema.

Beside them documents, which are one JSON value a file.

Tables are read as streams, because a tier may hold half a million rows and a plan needs only a few fields of each.
Which tables there are and what their columns mean stands in `schemas`.
"""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import canonical_row, digest_lines

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """What a table holds: the column that identifies a row and the JSON Schema of one row.

    `volatile` columns (times, attempts) are stored and shown but do not count as content.
    """

    name: str
    id_field: str
    schema: Mapping[str, Any]
    volatile: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def _validate(self) -> Any:
        import fastjsonschema

        return fastjsonschema.compile(dict(self.schema), use_default=False)

    def fault(self, row: Mapping[str, Any]) -> str | None:
        """What is wrong with a row, or None."""
        import fastjsonschema

        try:
            self._validate(row)
        except fastjsonschema.JsonSchemaException as error:
            return str(error.message)
        return None

    def digest(self, rows: Iterable[Row]) -> str:
        """Content hash of rows in their order, volatile columns left out."""
        return digest_lines(canonical_row({k: v for k, v in row.items() if k not in self.volatile}) for row in rows)

    def head(self, path: Path, count: int) -> list[Row]:
        """The first rows of a table on disk."""
        return list(itertools.islice(read_rows(path), count))

    def write(self, path: Path, rows: Iterable[Row]) -> int:
        """Write rows sorted by id, atomically; returns how many.

        Raises:
            SetupError: A row breaks the schema or an id stands twice; the file stays as it was.
        """
        # checked before sorted: a row may lack the very column
        encoded = [(self.encoded(path, row), row[self.id_field]) for row in rows]
        lines = sorted(((row_id, line) for line, row_id in encoded), key=operator.itemgetter(0))
        for (before, _), (row_id, _) in itertools.pairwise(lines):
            if before == row_id:
                raise SetupError(f"{path}: {self.id_field} {row_id!r} stands twice")
        write_atomic(path, b"".join(line for _, line in lines))
        return len(lines)

    def encoded(self, path: Path, row: Row) -> bytes:
        """A row as it is stored.

        Raises:
            SetupError: It breaks the schema, or holds what JSON in UTF-8 cannot.
        """
        if fault := self.fault(row):
            raise SetupError(f"{path}: row {row.get(self.id_field)!r}: {fault}")
        try:
            return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode()
        except ValueError as error:
            raise SetupError(
                f"{path}: row {row[self.id_field]!r}: holds a number that is not finite, or half a character"
            ) from error


def read_rows(path: Path) -> Iterator[Row]:
    """Stream the rows of a table; none when it does not exist.

    Raises:
        SetupError: A line is no JSON object; names the file and the line.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line.decode())
            except json.JSONDecodeError as error:
                raise SetupError(
                    f"{path}, line {number}: not JSON ({error.msg}); restore the file or remove it"
                ) from None
            except UnicodeDecodeError:
                raise SetupError(f"{path}, line {number}: not UTF-8; restore the file or remove it") from None
            if not isinstance(row, dict):
                raise SetupError(f"{path}, line {number}: expected an object, found {type(row).__name__}")
            yield row


def read_document(path: Path, asset: str) -> Any:
    """What an asset wrote as one JSON value.

    Args:
        path: The file.
        asset: Who writes it, as `percepiano/folds`.

    Raises:
        SetupError: There is none, or it is cut.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SetupError(f"{path}: not there; materialize {asset} first") from None
    except ValueError as error:  # no UTF-8 either
        raise SetupError(f"{path}: not JSON ({error}); materialize {asset} again") from None


def by_recording(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Group rows of a sorted table by `recording_id`, holding one recording at a time.

    Raises:
        SetupError: The rows of a recording do not stand together, so the table is not sorted.
    """
    seen: set[str] = set()
    for recording_id, group in itertools.groupby(rows, key=operator.itemgetter("recording_id")):
        if recording_id in seen:
            raise SetupError(f"the rows of recording {recording_id!r} do not stand together; the table is not sorted")
        seen.add(recording_id)
        yield recording_id, list(group)
