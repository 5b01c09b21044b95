"""The `crescendai` command: look at machine, catalogue and data, clear embeddings, score a performance, cite.

Dagster does the work itself. Only asking and showing is done here; what is shown is worked out in the rooms below. Each
command imports what it needs when it runs, so that `doctor` works where half the packages are broken.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crescendai_assets.cli.catalogue import catalog
from crescendai_assets.cli.score import score
from crescendai_assets.cli.shown import print_json, print_table, size, some
from crescendai_assets.cli.shown_status import print_status
from crescendai_assets.cli.train import train
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import CACHES, open_lake

if TYPE_CHECKING:
    from crescendai_assets.doctor import Finding
    from crescendai_assets.embeddings.reset import Removal

_COLOURS = {"ok": "green", "warn": "yellow", "missing": "red"}


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
        print_json([asdict(finding) for finding in findings])
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

    Nothing is decoded, downloaded or written. Before anything is materialized, the figures follow from the catalogue:
    of the source that is set (MAESTRO_DIR or MAESTRO_ZIP), of competitions and channels, of the folder of rated clips.
    """
    from crescendai_assets.embeddings.identity import spec_from
    from crescendai_assets.status.model import TierStatus
    from crescendai_assets.status.tiers import TIERS

    lake, spec = open_lake(root), spec_from()
    found: dict[str, TierStatus] = {}
    faults: dict[str, str] = {}
    for name in [tier] if tier else TIERS:
        try:
            found[name] = TIERS[name](lake.tier(name, embedding_set), spec)
        except (SetupError, RecordingError) as error:  # one tier's source hides no other tier
            faults[name] = str(error)
    if as_json:
        partitions = [asdict(partition) for one in found.values() for partition in one.partitions]
        waiting = {name: one.waiting for name, one in found.items()}
        notes = {name: one.notes for name, one in found.items()}
        print_json({"root": str(lake.root), "partitions": partitions, "waiting": waiting, "notes": notes})
    else:
        for name, one in found.items():
            print_status(one, lake.tier(name, embedding_set).folder)
    if faults:
        raise SetupError("\n".join(f"{name}: {fault}" for name, fault in faults.items()))


@main.group()
def embeddings() -> None:
    """Sets of embeddings."""


@embeddings.command("reset")
@click.argument("tier", type=_tier)
@_root
@_set
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset_embeddings(tier: str, root: str | None, embedding_set: str, yes: bool) -> None:
    """Remove a tier's embeddings, augmented ones too, so that another encoder can make them.

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
        f"Removed {removed.embeddings:,} embeddings, {size(removed.bytes)}. Materialize "
        f"{' and '.join(f'{tier}/{asset}' for asset in removed.assets)} to make them again, then what is compiled from "
        "them."
    )


main.add_command(catalog)
main.add_command(score)
main.add_command(train)


@main.command()
@click.option("--licences", is_flag=True, help="Print the licences as a table instead.")
def cite(licences: bool) -> None:
    """Print BibTeX, or the licence, of every source used: data, weights, software, papers."""
    from crescendai_assets.sources.citations import bibtex, licence_table, read_sources

    sources = read_sources()
    click.echo(licence_table(sources) if licences else bibtex(sources), nl=False)


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
    print_table(table)


def _print_removal(planned: Removal) -> None:
    keys = some(planned.partitions) or "no partition"
    click.echo("\n".join(f"{folder}/" for folder in planned.folders))
    click.echo(
        f"  {planned.embeddings:,} embeddings and {len(planned.files) - planned.embeddings} files beside them, "
        f"{size(planned.bytes) or '0 B'}\n"
        f"  {planned.rows:,} rows of {len(planned.partitions)} partitions ({keys}), with ledgers and journals: "
        f"{len(planned.tables)} files"
    )
