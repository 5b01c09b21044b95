"""Tables, numbers and JSON on a terminal, alike for all commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

_PIPED_WIDTH = 150
_NAMED = 6


def print_json(value: Any) -> None:
    """Indented, accents as they are."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def print_table(table: Any) -> None:
    """A rich table, wide where nobody looks at a terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPED_WIDTH)
    console.print(table)


def add_row(table: Any, *cells: str) -> None:
    """A row of plain text, brackets as they are and nothing left out where it is long."""
    from rich.text import Text

    table.add_row(*(Text(cell, overflow="fold") for cell in cells))


def some(names: Sequence[str]) -> str:
    """Names in a line, the first few of many."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int) -> str:
    """Empty for none, so that what is to see stands out."""
    return f"{number:,}" if number else ""


def hours(number: float) -> str:
    """Hours, two digits of small ones."""
    return "" if not number else f"{number:,.1f}" if number >= 1 else f"{number:.2g}"


def size(number: float) -> str:
    """Bytes for people: 1 kB is 1,000 bytes."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= least:
            return f"{number / least:,.1f} {unit}"
    return f"{number:.0f} B" if number else ""


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 1:
        return "<1 s" if seconds else ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 90 else f"{minutes} min"
