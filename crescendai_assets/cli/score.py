"""`crescendai score`: how would listeners rate this performance, how sure is that, and a page to look at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crescendai_assets.cli.shown import add_row, print_json, print_table
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import open_lake

if TYPE_CHECKING:
    from crescendai_assets.evaluation.scoring import Asked, ScoreSheet

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--midi", type=_FILE, help="MIDI of the same performance, where FILE is its sound.")
@click.option("--score", "score_file", type=_FILE, help="The score of the same bars, MIDI or MusicXML.")
@click.option("--model", default="", help="Key of the model; by default the best one that takes what is given.")
@click.option("--protocol", default="passage", show_default=True, help="Folds whose models are asked.")
@click.option("--seed", default=0, show_default=True, help="Of their training.")
@click.option("--coverage", default=0.8, show_default=True, help="Share of ratings that intervals are to hold.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The page; by default FILE.report.html.")
@click.option("--root", help="Root of the data; by default $CRESCENDAI_DATA, else ./data.")
@click.option(
    "--set",
    "embedding_set",
    envvar="CRESCENDAI_EMBEDDING_SET",
    default="",
    help="Set of embeddings that models of sound were trained over.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def score(
    file: Path,
    midi: Path | None,
    score_file: Path | None,
    model: str,
    protocol: str,
    seed: int,
    coverage: float,
    out: Path | None,
    root: str | None,
    embedding_set: str,
    as_json: bool,
) -> None:
    """Score the performance in FILE, sound or MIDI, and write a page about it.

    All finished folds of one model are asked. Intervals come from the ratings that these folds never saw. The encoder
    of models of sound has to be the one that they were trained over.
    """
    from crescendai_assets.embeddings.identity import spec_from
    from crescendai_assets.evaluation.scoring import Asked, score_performance
    from crescendai_assets.evaluation.scoring_page import score_page
    from crescendai_assets.lake.files import write_atomic
    from crescendai_assets.training.one_performance import is_midi
    from crescendai_assets.training.t1_plan import T1Place

    if is_midi(file) and midi is not None:
        raise SetupError(f"{file} is MIDI already; give --midi beside a recording only")
    audio, notes = (None, file) if is_midi(file) else (file, midi)
    asked = Asked(audio, notes, score_file, model, protocol, seed, coverage)
    page = out or file.with_name(f"{file.name}.report.html")
    _refuse_overwriting(page, asked)
    place = T1Place.of(open_lake(root), embedding_set=embedding_set)
    with redirect_stdout(sys.stderr):  # libraries print while they load weights; --json is for programs
        sheet = score_performance(place, asked, spec_from(), progress=lambda line: click.echo(line, err=True))
    write_atomic(page, score_page(sheet).encode())
    if as_json:
        print_json(_as_json(sheet, page))
    else:
        _print_sheet(sheet, page)


def _refuse_overwriting(page: Path, asked: Asked) -> None:
    for path in asked.given.values():
        if path is not None and page.exists() and page.samefile(path):
            raise SetupError(f"--out {page} is one of the files that are read; name another one")


def _print_sheet(sheet: ScoreSheet, page: Path) -> None:
    from rich.table import Table

    for line in sheet.banners:
        click.secho(line, fg="red", bold=True)
    table = Table(box=None, pad_edge=False)
    for header in ("dimension", "1", "7"):
        table.add_column(header)
    for header in ("rating", f"{sheet.asked.coverage:.0%} interval", "score", "percentile"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in sheet.rows():
        add_row(table, *_cells(row))
    print_table(table)
    click.echo(_summary(sheet))
    for line in sheet.remarks:
        click.echo(f"- {line}")
    click.echo(f"page: {page}")


def _cells(row: dict[str, object]) -> Sequence[str]:
    dimension = str(row["dimension"])
    low, high = str(row["low_pole"]), str(row["high_pole"])
    aspect = dimension.removesuffix(f"_{low}_{high}").replace("_", " ")
    return (
        aspect,
        low.replace("_", " "),
        high.replace("_", " "),
        f"{row['rating']:.1f}",
        f"{row['rating_low']:.1f} to {row['rating_high']:.1f}",
        f"{row['score']:.2f}",
        f"{row['percentile']:.0f}",
    )


def _summary(sheet: ScoreSheet) -> str:
    ensemble = sheet.ensemble
    leaky = ", a leaky protocol" if ensemble.leaky else ""
    folds = f"{len(ensemble.members)} folds by {ensemble.protocol}{leaky}"
    held_out = f"held out: R2 {ensemble.r2:.3f}, pairs {ensemble.pairs:.1%}"
    lines = [f"{ensemble.spec.key} ({ensemble.spec.title}), {folds}; {held_out}"]
    if ensemble.encoder[0]:
        lines.append(f"encoder: {ensemble.encoder[0]}")
    return "\n".join(lines)


def _as_json(sheet: ScoreSheet, page: Path) -> dict[str, object]:
    ensemble = sheet.ensemble
    return {
        "file": str(sheet.asked.audio or sheet.asked.midi),
        "model": ensemble.spec.key,
        "protocol": ensemble.protocol,
        "leaky": ensemble.leaky,
        "folds": [member.fold.name for member in ensemble.members],
        "held_out": {"r2": ensemble.r2, "pairs": ensemble.pairs},
        "encoder": ensemble.encoder[0],
        "coverage": sheet.asked.coverage,
        "warnings": list(sheet.banners),
        "remarks": list(sheet.remarks),
        "dimensions": sheet.rows(),
        "parts": [
            {"start": round(start, 3), "stop": round(stop, 3), "scores": _numbers(scores)}
            for (start, stop), scores in zip(sheet.spans, sheet.parts.tolist(), strict=True)
        ],
        "page": str(page),
    }


def _numbers(scores: Sequence[float]) -> list[float | None]:
    """JSON has no NaN."""
    return [None if value != value else round(value, 4) for value in scores]
