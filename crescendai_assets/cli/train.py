"""`crescendai train`: models fold by fold in one process, then their comparison; what a backfill does, without Dagster.

Checkpoints are the assets' own: what is trained here, a run of `checkpoints/<model>` finds done, and the other way
round. Audio of T2, T3 and T4 for a training through MuQ is known to the assets alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crescendai_assets.cli.shown import add_row, print_table
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import open_lake

if TYPE_CHECKING:
    from crescendai_assets.training.settings import FitSettings
    from crescendai_assets.training.t1_plan import T1Place


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--folds",
    multiple=True,
    default=["passage-s0"],
    show_default=True,
    help="Folds whose key begins so; may be repeated.",
)
@click.option("--setting", "given", multiple=True, metavar="NAME=VALUE", help="As in the launchpad: epochs=10.")
@click.option("--root", help="Root of the data; by default $CRESCENDAI_DATA, else ./data.")
@click.option("--set", "embedding_set", envvar="CRESCENDAI_EMBEDDING_SET", default="", help="Set of embeddings.")
def train(
    models: Sequence[str], folds: tuple[str, ...], given: Sequence[str], root: str | None, embedding_set: str
) -> None:
    """Train MODELS (S1 S2 A1 ...) in the folds named, and compare what is finished.

    What is trained already is not trained again; a run that was killed goes on. A fold that cannot be trained is told
    and the next one begun.
    """
    from crescendai_assets.evaluation.report_files import write_comparison
    from crescendai_assets.evaluation.reports import COMPARISONS
    from crescendai_assets.labels.folds import read_folds
    from crescendai_assets.training.checkpoints import partition_key
    from crescendai_assets.training.fit import fit_fold
    from crescendai_assets.training.registry import spec_of

    settings = [_settings(model, given) for model in models]
    tracks = {spec_of(model).track for model in models}
    place = _place(root, embedding_set)
    chosen = [fold for fold in read_folds(place.labels) if partition_key(fold.protocol, fold.name).startswith(folds)]
    if not chosen:
        raise SetupError(
            f"{place.labels.folds}: no fold begins with {' or '.join(folds)}; passage-s0f0, performer-s0 and work do"
        )
    faults: list[str] = []
    for one in settings:
        for fold in chosen:
            try:
                fit_fold(place, fold, one, progress=lambda line: click.echo(line, err=True))
            except SetupError as error:
                faults.append(f"{one.model} of {partition_key(fold.protocol, fold.name)}: {error}")
                click.secho(faults[-1], fg="red", err=True)
    for name, (compared, _) in COMPARISONS.items():
        if compared[0] in tracks:
            _, _, files = write_comparison(place, name)
            _print_rows(files.table)
            click.echo(f"with intervals by dimension and pictures: {files.markdown}")
    if faults:
        raise SetupError(f"{len(faults)} of {len(settings) * len(chosen)} trainings failed:\n" + "\n".join(faults))


def _settings(model: str, given: Sequence[str]) -> FitSettings:
    """Hyper-parameters by name; values as JSON, or words as they are.

    Raises:
        SetupError: There is no such setting, or a value is out of its range.
    """
    from crescendai_assets.training.settings import FitSettings

    known = {field.name for field in fields(FitSettings)} - {"model"}
    values: dict[str, Any] = {}
    for one in given:
        name, found, text = one.partition("=")
        if not found or name not in known:
            raise SetupError(f"--setting {one}: give NAME=VALUE; the names are {', '.join(sorted(known))}")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    try:
        return FitSettings(model, **values)
    except TypeError as error:
        raise SetupError(f"--setting {', '.join(given)}: a value is of the wrong kind ({error})") from error


def _place(root: str | None, embedding_set: str) -> T1Place:
    from crescendai_assets.embeddings.identity import spec_from
    from crescendai_assets.sources.locate import AudioFiles
    from crescendai_assets.sources.percepiano_clips import audio_folder
    from crescendai_assets.training.t1_plan import T1Place

    lake, given = open_lake(root), os.environ.get("PERCEPIANO_DIR", "")
    midi, scores = (
        folder if given and (folder := Path(given).expanduser() / name).is_dir() else None
        for name in ("midi", "score_midi")
    )
    audio = AudioFiles(lake.tier("percepiano"), audio_folder())
    return T1Place.of(lake, scores, embedding_set, midi=midi, audio=audio, encoder=spec_from())


def _print_rows(table: Path) -> None:
    """A comparison's rows over all held-out rows, by protocol; they stand in the csv whole."""
    import csv

    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for header in ("protocol", "model", "folds", "segments", "R2", "pairs"):
        shown.add_column(header)
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["rows"] == "all":
                r2, pairs = (_interval(row, name) for name in ("r2", "pairs"))
                add_row(shown, row["protocol"], row["model"], row["folds"], row["segments"], r2, pairs)
    print_table(shown)


def _interval(row: dict[str, str], name: str) -> str:
    if not row[name]:
        return "n/a"
    value, low, high = (float(row[column]) if row[column] else None for column in (name, f"{name}_low", f"{name}_high"))
    return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")
