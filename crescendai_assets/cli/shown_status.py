"""What `crescendai status` prints of a tier: a line an asset and partition, then what to know besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crescendai_assets.cli.shown import counted, duration, hours, print_table, size, some

if TYPE_CHECKING:
    from crescendai_assets.status.model import PartitionStatus, StageStatus, TierStatus

_COLUMNS: dict[str, Callable[[StageStatus], str]] = {
    "rows": lambda s: counted(s.rows),
    "done": lambda s: counted(s.done),
    "new": lambda s: counted(s.new),
    "stale": lambda s: counted(s.stale),
    "failed": lambda s: ", ".join(f"{n} {kind}" for kind, n in s.failed.items()),
    "removed": lambda s: counted(s.removed),
    "hours": lambda s: hours(s.hours),
    "disk": lambda s: size(s.bytes_on_disk),
    "+rows": lambda s: counted(s.rows_to_come),
    "+hours": lambda s: hours(s.hours_to_come),
    "+disk": lambda s: size(s.bytes_to_come),
    "+time": lambda s: "?" if s.seconds_to_come is None else duration(s.seconds_to_come),
}


def print_status(tier: TierStatus, folder: Path) -> None:
    """Print how a tier stands; `folder` is its cache."""
    if not (tier.partitions or tier.waiting or tier.notes):
        where = ", and no source is set; `crescendai doctor` says how to set one" if tier.tier == "maestro" else ""
        click.echo(f"{tier.tier}: nothing in {folder}{where}")
        return
    click.secho(f"{tier.tier}: {folder}", bold=True)
    if tier.partitions:
        _print_stages(tier.partitions)
    click.echo("\n".join([*_totals(tier.partitions), *_remarks(tier), ""]))


def _print_stages(partitions: Sequence[PartitionStatus]) -> None:
    """The table; columns in which nothing stands are left out."""
    from rich.table import Table

    lines = [(p.partition if i == 0 else "", stage) for p in partitions for i, stage in enumerate(p.stages)]
    columns = {header: [show(stage) for _, stage in lines] for header, show in _COLUMNS.items()}
    shown = {header: cells for header, cells in columns.items() if any(cells) or header in ("done", "new")}
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("asset")
    for header in shown:
        table.add_column(header, justify="left" if header == "failed" else "right", no_wrap=header != "failed")
    for i, (key, stage) in enumerate(lines):
        table.add_row(key, stage.stage, *(cells[i] for cells in shown.values()))
    print_table(table)


def _totals(partitions: Sequence[PartitionStatus]) -> Iterator[str]:
    """What is still to come, asset by asset."""
    if not partitions:
        return
    coming = [stage for partition in partitions for stage in partition.stages if stage.rows_to_come]
    yield ""
    if coming:
        yield "done, new, stale, removed: recordings. +: still to come until every asset is done."
    else:
        yield "Nothing is left to do, as far as the tables and the source tell."
    for name in dict.fromkeys(stage.stage for stage in coming):
        yield _total(name, [stage for stage in coming if stage.stage == name])


def _total(name: str, stages: Sequence[StageStatus]) -> str:
    heard = hours(sum(stage.hours_to_come for stage in stages)) or "0"
    parts = [f"{counted(sum(stage.rows_to_come for stage in stages))} rows", f"{heard} h of audio"]
    if disk := sum(stage.bytes_to_come for stage in stages):
        parts.append(f"{size(disk)} on disk")
    if transfer := sum(stage.bytes_to_transfer for stage in stages):
        parts.append(f"at most {size(transfer)} to transfer")
    times = [stage.seconds_to_come for stage in stages if stage.seconds_to_come is not None]
    if times:
        parts.append(duration(sum(times)))
    basis = next((stage.estimate for stage in stages if stage.estimate), "")
    return f"{name} to come: {', '.join(parts)}" + (f" (time {basis})" if basis else "")


def _remarks(tier: TierStatus) -> Iterator[str]:
    """What a reader should know besides; what holds for several partitions is said once."""
    partitions = tier.partitions
    if any(stage.failed for partition in partitions for stage in partition.stages):
        yield "failed: why, and when each is tried again, stands in <partition>/failures/<asset>.jsonl"
    for encoder in dict.fromkeys(partition.encoder for partition in partitions if partition.encoder):
        yield f"encoder: {encoder}"
    notes: dict[str, list[str]] = {}
    for partition in partitions:
        for note in partition.notes:
            notes.setdefault(note, []).append(partition.partition)
    for note, keys in notes.items():
        yield note if len(keys) == len(partitions) > 1 else f"{some(keys)}: {note}"
    for why, waiting in tier.waiting.items():
        yield f"{some(waiting)}: {why}"
    yield from tier.notes
