"""`python -m crescendai_assets.bench [--quick] [names]`: JSON lines to stdout, a table of them to stderr at the end."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from crescendai_assets.bench import (
    acquire,
    adapters,
    augment,
    best,
    decode,
    gpu,
    load,
    loader,
    memory,
    midi_corpus,
    pipeline,
    reference,
    resolve,
    symbolic,
    ui,
)
from crescendai_assets.bench.measure import Figure
from crescendai_assets.lake.cores import cores_here

MATTERS: dict[str, Callable[..., Iterator[Figure]]] = {
    "decode": decode.measure,
    "acquire": acquire.measure,
    "augment": augment.measure,
    "load": load.measure,
    "loader": loader.measure,
    "resolve": resolve.measure,
    "memory": memory.measure,
    "pipeline": pipeline.measure,
    "symbolic": symbolic.measure,
    "corpus": midi_corpus.measure,
    "reference": reference.measure,
    "best": best.measure,
    "ui": ui.measure,
    "adapters": adapters.measure,
    "gpu": gpu.measure,
}

_PACKAGES = (
    "crescendai-assets",
    "dagster",
    "torch",
    "muq",
    "numpy",
    "yt-dlp",
    "symusic",
    "miditok",
    "pedalboard",
    "soundfile",
    "soxr",
)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(MATTERS)))
@click.option("--quick", is_flag=True, help="Small sizes, few repetitions: shows that it works, not how fast.")
def main(names: Sequence[str], quick: bool) -> None:
    """Measure what is named, or everything, and print one JSON line a figure, then a table."""
    click.echo(json.dumps({"machine": machine_facts(), "quick": quick}))
    figures = []
    for name in names or MATTERS:
        with tempfile.TemporaryDirectory(prefix="crescendai-bench-") as folder:
            for figure in MATTERS[name](Path(folder), quick=quick):
                click.echo(figure.to_json())
                figures.append(figure)
    Console(stderr=True).print(as_table(figures))


def machine_facts() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores_here(),
        "load_before": round(os.getloadavg()[0], 1),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def as_table(figures: Sequence[Figure]) -> Table:
    """What was measured, what should be reached, and whether it was."""
    table = Table("what", "measured", "target", "met")
    for figure in figures:
        measured = figure.skipped and f"skipped: {figure.skipped}"
        if figure.measured is not None:
            digits = {"x": 2, "MB": 0, "%": 1, "/s": 2}[figure.unit]
            measured = f"{figure.measured:.{digits}f} {figure.unit}"
        met = {True: "[green]yes", False: "[red]no", None: ""}[figure.met]
        table.add_row(figure.what, measured, str(figure.target or ""), met)
    return table


if __name__ == "__main__":
    main()
