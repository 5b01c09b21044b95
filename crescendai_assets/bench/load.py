"""Loading the definitions: what Dagster waits for each time it opens the project."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios

_IMPORT = "import time; started = time.perf_counter(); import {}; print(time.perf_counter() - started)"


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Time to import the definitions against that to import Dagster, each in a fresh process."""
    runs = {
        "definitions": partial(_import_seconds, "crescendai_assets.definitions"),
        "dagster": partial(_import_seconds, "dagster"),
    }
    interleaved(runs, 1)  # file cache, byte code
    taken = interleaved(runs, 1 if quick else 9)
    ratio, facts = pair_ratios(taken["definitions"], taken["dagster"])
    yield Figure(
        "load.definitions",
        "importing crescendai_assets.definitions in a fresh process, times importing dagster",
        ratio,
        Target("at most", 1.5),
        facts=facts,
    )


def _import_seconds(module: str) -> float:
    command = [sys.executable, "-W", "ignore", "-c", _IMPORT.format(module)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
