"""`crescendai catalog`: is what I wrote understood, and whose would each title be? For writing editions, channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crescendai_assets.cli.shown import add_row, print_table
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Partition, open_lake

if TYPE_CHECKING:
    from crescendai_assets.labels.taxonomy import Taxonomy
    from crescendai_assets.sources.channels import Channels
    from crescendai_assets.sources.competitions import Competitions, Edition

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def catalog() -> None:
    """What to collect: editions of competitions, and channels."""


@catalog.command()
@click.argument("folder", required=False, type=_FOLDER)
def check(folder: Path | None) -> None:
    """Read the catalogue as a run would, and say what is wrong with it.

    FOLDER is a catalogue of your own, beside the one that is shipped; by default $CRESCENDAI_CATALOG. The exit status
    is 1 when something in it cannot be used.
    """
    from crescendai_assets.sources.channels import read_channels
    from crescendai_assets.sources.competitions import read_competitions

    folders = _folders(folder)
    competitions, channels, taxonomy = read_competitions(folders), read_channels(folders), _taxonomy(folders)
    _print_editions(competitions, folders[0])
    _print_channels(channels)
    for note in (*competitions.notes, *channels.notes):
        click.echo(note)
    if not isinstance(taxonomy, str):
        _print_taxonomy(taxonomy, folders[0])
    faults = [fault.message for fault in (*competitions.faults, *channels.faults)]
    faults += [taxonomy] if isinstance(taxonomy, str) else []
    for message in faults:
        click.secho(message, fg="red")
    composites = 0 if isinstance(taxonomy, str) else len(taxonomy.composites)
    click.echo(
        f"{len(competitions.editions)} editions, {len(channels.channels)} channels, "
        f"{composites or 'no'} composite{'' if composites == 1 else 's'}, {len(faults) or 'no'} "
        f"fault{'' if len(faults) == 1 else 's'} in {' and '.join(map(str, folders))}"
    )
    if faults:
        raise click.exceptions.Exit(1)


@catalog.command("match")
@click.argument("edition")
@click.option("--title", "titles", multiple=True, help="A title to read; may be given several times.")
@click.option("--root", help="Root of the data; by default $CRESCENDAI_DATA, else ./data.")
@click.option("--catalog", "folder", type=_FOLDER, help="A catalogue of your own; by default $CRESCENDAI_CATALOG.")
def match_titles(edition: str, titles: tuple[str, ...], root: str | None, folder: Path | None) -> None:
    """Say whose each title would be, of which round and piece, or why that cannot be told.

    Without --title, of the titles that the playlist, channel or folder of EDITION lists: as it was asked last.
    """
    from crescendai_assets.sources.competitions import read_competitions

    found = read_competitions(_folders(folder)).edition(edition)
    partition = open_lake(root).tier("competition").partition(edition)
    _print_matches(list(_told(found, partition, titles or tuple(_listed(found, partition)))))


def _folders(folder: Path | None) -> tuple[Path, ...]:
    from crescendai_assets.sources.catalogue_yaml import CATALOGUE_VARIABLE, catalogue_folders

    return catalogue_folders({CATALOGUE_VARIABLE: str(folder)}) if folder else catalogue_folders()


# ---------------------------------------------------------------------------------------------------------------- check


def _print_editions(competitions: Competitions, shipped: Path) -> None:
    from rich.table import Table

    table = Table("edition", "entrants", "rounds", "recordings", "file", box=None, pad_edge=False)
    for key, edition in competitions.editions.items():
        entrants = f"{len(edition.entrants)}" + (" and a page's" if edition.results_page else "")
        file = "shipped" if edition.path.is_relative_to(shipped) else str(edition.path)
        add_row(table, key, entrants, str(len(edition.rounds)), _where(edition), file)
    print_table(table)


def _where(edition: Edition) -> str:
    from crescendai_assets.sources.competitions import LocalFolder

    where = edition.recordings
    return _folder(where.path) if isinstance(where, LocalFolder) else str(where)


def _print_channels(channels: Channels) -> None:
    from rich.table import Table

    table = Table("channel", "category", "recordings", "newest", "lengths", "words", box=None, pad_edge=False)
    for channel in channels.channels:
        where, most = (_folder(channel.folder), "") if channel.folder else (channel.url, str(channel.max_videos))
        lengths = f"{channel.min_seconds / 60:g}-{channel.max_seconds / 60:g} min"
        words = f"one of {len(channel.include)}" if channel.include else ""
        add_row(table, channel.key, channel.category, where, most, lengths, words)
    print_table(table)


def _taxonomy(folders: tuple[Path, ...]) -> Taxonomy | str:
    """The taxonomy, or what is wrong with it."""
    from crescendai_assets.labels.taxonomy import read_taxonomy

    try:
        return read_taxonomy(folders)
    except SetupError as error:
        return str(error)


def _print_taxonomy(taxonomy: Taxonomy, shipped: Path) -> None:
    from rich.table import Table

    table = Table("composite", "low", "high", "dimensions", box=None, pad_edge=False)
    for composite in taxonomy.composites:
        add_row(table, composite.name, composite.low, composite.high, str(len(composite.parts)))
    print_table(table)
    if not taxonomy.path.is_relative_to(shipped):
        click.echo(f"composites are those of {taxonomy.path}, not those shipped")
    for name in taxonomy.forgotten:
        click.echo(f"{taxonomy.path}: {name} is in no composite, nor left out with a reason")


def _folder(path: Path) -> str:
    from crescendai_assets.sources.in_place import audio_files

    return f"{len(audio_files(path))} files in {path}" if path.is_dir() else f"no such folder: {path}"


# ---------------------------------------------------------------------------------------------------------------- match


@dataclass(frozen=True)
class _Told:
    """A title, and what it tells: performer, round and piece, or why nothing."""

    title: str
    performer: str = ""
    round: str = ""
    piece: str = ""
    why_not: str = ""


def _listed(edition: Edition, partition: Partition) -> Iterator[str]:
    """Titles in the order of the list, what cannot be fetched left out."""
    from crescendai_assets.lake.tables import read_rows
    from crescendai_assets.sources.competitions import Listing, LocalFolder
    from crescendai_assets.sources.in_place import audio_files

    if isinstance(edition.recordings, LocalFolder):
        for name in audio_files(edition.recordings.path):
            yield name.rpartition("/")[2].rpartition(".")[0].replace("_", " ")
        return
    if not isinstance(edition.recordings, Listing):
        raise SetupError(f"{edition.path}: recordings are not told by titles; give some with --title to try")
    if not partition.discovered.exists():
        raise SetupError(
            f"{edition.key}: nobody has asked {edition.recordings.url} yet: materialize competition/recordings, or "
            "give titles with --title"
        )
    for row in sorted(read_rows(partition.discovered), key=lambda row: int(row["place"])):
        if not row["unavailable"]:
            yield row["title"]


def _told(edition: Edition, partition: Partition, titles: Iterable[str]) -> Iterator[_Told]:
    from crescendai_assets.sources.competition_recordings import with_kept_page
    from crescendai_assets.sources.matching import Match, Matcher

    edition = with_kept_page(partition, edition)
    matcher = Matcher([entrant.performer for entrant in edition.entrants], edition.rounds, edition.rules)
    for title in titles:
        found = matcher.match(title)
        if isinstance(found, Match):
            yield _Told(title, found.performer, found.round, found.piece)
        else:
            yield _Told(title, why_not=found.reason)


def _print_matches(told: Sequence[_Told]) -> None:
    from rich.table import Table

    table = Table("title", "performer", "round", "piece, or why not", box=None, pad_edge=False)
    for one in told:
        add_row(table, one.title, one.performer, one.round, one.why_not or one.piece)
    print_table(table)
    matched = sum(not one.why_not for one in told)
    click.echo(f"{matched} of {len(told)} titles name a performance")
