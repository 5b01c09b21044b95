"""The `crescendai` command: look at the machine and at the data, clear embeddings, cite. Dagster does the work itself.

Only asking and showing is done here; what is shown is worked out in the rooms below. Each command imports what it
needs when it runs, so that `doctor` works where half the packages are broken.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import CACHES, open_lake

if TYPE_CHECKING:
    from crescendai_assets.doctor import Finding
    from crescendai_assets.embeddings.reset import Removal
    from crescendai_assets.embeddings.status import PartitionStatus, StageStatus

_COLOURS = {"ok": "green", "warn": "yellow", "missing": "red"}
_PIPED_WIDTH = 150


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Tell bad news as a message; what else is raised is a bug and shows its trace."""
        try:
            return super().invoke(ctx)
        except (SetupError, RecordingError) as error:
            raise click.ClickException(str(error)) from error


_root = click.option("--root", help="Root of the data; by default $CRESCENDAI_DATA, else ./data.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_set = click.option(
    "--set",
    "embedding_set",
    envvar="CRESCENDAI_EMBEDDING_SET",
    default="",
    help="Which set of embeddings; by default $CRESCENDAI_EMBEDDING_SET, else the one without a name.",
)
_tier = click.Choice(list(CACHES))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crescendai-assets", prog_name="crescendai")
def main() -> None:
    """Piano recordings to models that judge a performance."""


@main.command()
@_root
@click.option("--online", is_flag=True, help="Ask the hub for the encoder where this machine has none.")
@_json
def doctor(root: str | None, online: bool, as_json: bool) -> None:
    """Say what is missing or mismatched on this machine, and what to do.

    The exit status is 1 when something is missing.
    """
    from crescendai_assets.doctor import Finding, diagnose

    findings: list[Finding] = []
    try:
        folder = open_lake(root).root
    except SetupError as error:
        findings.append(Finding("data root", "missing", str(error), "Set CRESCENDAI_DATA to a local folder."))
        folder = Path.cwd()
    findings += diagnose(folder, environ=os.environ, online=online)
    if as_json:
        _print_json([asdict(finding) for finding in findings])
    else:
        _print_findings(findings)
    if any(finding.status == "missing" for finding in findings):
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("tier", required=False, type=_tier)
@_root
@_set
@_json
def status(tier: str | None, root: str | None, embedding_set: str, as_json: bool) -> None:
    """Show what is done, failed and still to come, by tier and partition, and what the rest will cost.

    Nothing is decoded, downloaded or written. Before anything is materialized, the figures follow from the catalogue
    of the source that is set (MAESTRO_DIR or MAESTRO_ZIP).
    """
    from crescendai_assets.embeddings.identity import spec_from
    from crescendai_assets.embeddings.status import TIERS

    if tier and tier not in TIERS:
        raise SetupError(f"tier {tier} is not part of this version yet; there is {', '.join(TIERS)}")
    lake, spec = open_lake(root), spec_from()
    tiers = {name: TIERS[name](lake.tier(name, embedding_set), spec) for name in ([tier] if tier else TIERS)}
    if as_json:
        _print_json({"root": str(lake.root), "partitions": [asdict(p) for found in tiers.values() for p in found]})
        return
    for name, found in tiers.items():
        folder = lake.tier(name, embedding_set).folder
        if found:
            _print_status(f"{name}: {folder}", found)
        else:
            click.echo(f"{name}: nothing in {folder}, and no source is set; `crescendai doctor` says how to set one")


@main.group()
def embeddings() -> None:
    """Sets of embeddings."""


@embeddings.command("reset")
@click.argument("tier", type=_tier)
@_root
@_set
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset_embeddings(tier: str, root: str | None, embedding_set: str, yes: bool) -> None:
    """Remove a tier's embeddings, so that another encoder can make them.

    Segments and audio stay. Says what will be removed and asks first; refuses while a run is writing.
    """
    from crescendai_assets.embeddings.reset import plan_reset, reset

    found = open_lake(root).tier(tier, embedding_set)
    planned = plan_reset(found)
    if not planned.tables and not planned.files:
        click.echo(f"Nothing to remove: {found.embeddings()} and the tables beside it hold no embeddings.")
        return
    _print_removal(planned)
    if not yes:
        click.confirm("Remove all of it?", abort=True)
    removed = reset(found)
    click.echo(
        f"Removed {removed.embeddings:,} embeddings, {_bytes(removed.bytes)}. Materialize {tier}/embeddings to make "
        "them again, then what is compiled from them."
    )


@main.command()
@click.option("--licences", is_flag=True, help="Print the licences as a table instead.")
def cite(licences: bool) -> None:
    """Print BibTeX, or the licence, of every source used: data, weights, software, papers."""
    from crescendai_assets.sources.citations import bibtex, licence_table, read_sources

    sources = read_sources()
    click.echo(licence_table(sources) if licences else bibtex(sources), nl=False)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def _print_findings(findings: Sequence[Finding]) -> None:
    try:
        import rich  # noqa: F401
    except ImportError:  # it may be what the doctor has to tell
        for finding in findings:
            click.echo(f"{finding.status:8} {finding.name}: {finding.found}  {finding.advice}".rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("", "what", "found, and what to do", box=None, pad_edge=False)
    for finding in findings:
        colour = _COLOURS[finding.status]
        found = Text(finding.found)
        if finding.advice:
            found.append(f"\n-> {finding.advice}", style=colour)
        table.add_row(Text(finding.status, style=colour), Text(finding.name), found)
    _print_table(table)


def _print_status(title: str, partitions: Sequence[PartitionStatus]) -> None:
    """A line an asset and partition; columns in which nothing stands are left out."""
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
    click.secho(title, bold=True)
    _print_table(table)
    click.echo("\n".join(_footnotes(partitions)))


_COLUMNS: dict[str, Callable[[StageStatus], str]] = {
    "rows": lambda s: _count(s.rows),
    "done": lambda s: _count(s.done),
    "new": lambda s: _count(s.new),
    "stale": lambda s: _count(s.stale),
    "failed": lambda s: ", ".join(f"{n} {kind}" for kind, n in s.failed.items()),
    "removed": lambda s: _count(s.removed),
    "hours": lambda s: _hours(s.hours),
    "disk": lambda s: _bytes(s.bytes_on_disk),
    "+rows": lambda s: _count(s.rows_to_come),
    "+hours": lambda s: _hours(s.hours_to_come),
    "+disk": lambda s: _bytes(s.bytes_to_come),
    "+time": lambda s: "?" if s.seconds_to_come is None else _duration(s.seconds_to_come),
}


def _footnotes(partitions: Sequence[PartitionStatus]) -> Iterator[str]:
    stages = [stage for partition in partitions for stage in partition.stages]
    coming = [stage for stage in stages if stage.rows_to_come]
    if coming:
        yield ""
        yield "done, new, stale, removed: recordings. +: still to come until every asset is done."
    else:
        yield "\nNothing is left to do, as far as the tables and the source tell."
    for name in dict.fromkeys(stage.stage for stage in coming):
        of_stage = [stage for stage in coming if stage.stage == name]
        hours = _hours(sum(stage.hours_to_come for stage in of_stage)) or "0"
        parts = [f"{_count(sum(stage.rows_to_come for stage in of_stage))} rows", f"{hours} h of audio"]
        if disk := sum(stage.bytes_to_come for stage in of_stage):
            parts.append(f"{_bytes(disk)} on disk")
        if transfer := sum(stage.bytes_to_transfer for stage in of_stage):
            parts.append(f"at most {_bytes(transfer)} to transfer")
        times = [stage.seconds_to_come for stage in of_stage if stage.seconds_to_come is not None]
        if times:
            parts.append(_duration(sum(times)))
        basis = next((stage.estimate for stage in of_stage if stage.estimate), "")
        yield f"{name} to come: {', '.join(parts)}" + (f" (time {basis})" if basis else "")
    if any(stage.failed for stage in stages):
        yield "failed: why, and when each is tried again, stands in <partition>/failures/<asset>.jsonl"
    for encoder in dict.fromkeys(partition.encoder for partition in partitions if partition.encoder):
        yield f"encoder: {encoder}"
    notes: dict[str, list[str]] = {}
    for partition in partitions:
        for note in partition.notes:
            notes.setdefault(note, []).append(partition.partition)
    for note, keys in notes.items():
        yield note if len(keys) == len(partitions) else f"{', '.join(keys)}: {note}"


def _print_removal(planned: Removal) -> None:
    years = ", ".join(planned.partitions) or "no partition"
    click.echo("\n".join(f"{folder}/" for folder in planned.folders))
    click.echo(
        f"  {planned.embeddings:,} embeddings and {len(planned.files) - planned.embeddings} files beside them, "
        f"{_bytes(planned.bytes) or '0 B'}\n"
        f"  {planned.rows:,} rows of {len(planned.partitions)} partitions ({years}), with ledgers and journals: "
        f"{len(planned.tables)} files"
    )


def _print_table(table: Any) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPED_WIDTH)
    console.print(table)


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _hours(hours: float) -> str:
    return "" if not hours else f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"


def _bytes(number: float) -> str:
    """Bytes for people: 1 kB is 1,000 bytes."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:.0f} B" if number else ""


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "<1 s" if seconds else ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 90 else f"{minutes} min"
