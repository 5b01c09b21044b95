"""`make demo`: the whole way on the sample corpus, through Dagster, in a root of its own.

The user's data and history are never touched: sample data, instance and encoder lie under the folder given.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crescendai_assets.sample.asap import write_asap
from crescendai_assets.sample.corpus import write_maestro
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sample.loose import write_loose_midi
from crescendai_assets.sample.rated_set import write_rated_set
from crescendai_assets.sample.site import serve_site
from crescendai_assets.sample.videos import CHANNELS, EDITION, write_videos

if TYPE_CHECKING:
    from crescendai_assets.defs.run import Done

_INSTANCE_SETTINGS = "dagster.yaml"

_FOLDS = ("passage-s0f0", "passage-s0f1", "passage-s0f2", "passage-s0f3")
"""Folds that the demo trains: one whole shuffle."""

_TRAINING = {"epochs": 3, "patience": 3}
"""Enough to show that models learn; what they reach means nothing here."""
_DEGRADED = 6  # clips, each by 13 effects: two passages, some ten seconds
_LEVELS = {"K265": 6, "WoO83": 4, "D780": 5}  # of the sample's works, to show the column
_LOOSE = "loose"  # name of the source that is a folder of MIDI without a table


def prepare(root: Path) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Write corpus, encoder and instance settings; what is there already is kept.

    Returns:
        The environment that points at them, and the partition keys of each tier that the corpus has.
    """
    corpus = write_maestro(root / "maestro")
    videos = write_videos(root / "videos")
    encoder = write_encoder(root / "encoder")
    environment = {
        "DAGSTER_HOME": str(root),
        "CRESCENDAI_DATA": str(root / "data"),
        "CRESCENDAI_CATALOG": str(videos.catalog),
        "CRESCENDAI_DOWNLOAD_SLEEP": "0",
        "CRESCENDAI_PUBLISH": str(root / "published"),
        "MAESTRO_DIR": str(corpus.root),
        "PERCEPIANO_DIR": str(write_rated_set(root / "percepiano").root),
        "ASAP_DIR": str(write_asap(root / "asap").root),
        "CRESCENDAI_MIDI_FOLDERS": f"{_LOOSE}={write_loose_midi(root / _LOOSE).root}",
        "CRESCENDAI_MUQ_CHECKPOINT": str(encoder),
        "CRESCENDAI_DEVICE": "cpu",
        "CRESCENDAI_DIFFICULTY": str(_write_levels(root / "levels.csv")),
        "CRESCENDAI_ROBUSTNESS_SEGMENTS": str(_DEGRADED),
    }
    settings = Path(_INSTANCE_SETTINGS)
    if settings.is_file():
        shutil.copyfile(settings, root / _INSTANCE_SETTINGS)
    else:  # installed without the repository: Dagster's own defaults serve
        (root / _INSTANCE_SETTINGS).touch()
    (root / "env").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()))
    keys = {
        "maestro": tuple(str(year) for year in corpus.years),
        "competition": (EDITION,),
        "youtube": tuple(channel.key for channel in CHANNELS),
        "symbolic": ("asap", _LOOSE, "maestro", "percepiano"),
        "checkpoints": _FOLDS,
    }
    return environment, keys


def _write_levels(path: Path) -> Path:
    """How hard the sample's works are, as a user gives it."""
    path.write_text("work,level\n" + "".join(f"{work},{level}\n" for work, level in _LEVELS.items()))
    return path


def run(root: Path) -> int:
    """Materialize and check everything; returns the process's exit status."""
    started = time.monotonic()
    print(f"Sample corpus and untrained encoder -> {root}", flush=True)
    environment, keys = prepare(root)
    os.environ.update(environment)
    with serve_site(root / "videos") as site:  # the web that the real yt-dlp sees, on this machine
        os.environ["CRESCENDAI_PROXY"] = site.proxy
        done = _materialize_all(keys)
    _print_table(done)
    _print_comparisons(root / "data" / "reports")
    bad = _report(done)
    print(f"\n{time.monotonic() - started:.0f} s in all.")
    print(f"Tables and embeddings: {root / 'data'}   Published, without audio: {root / 'published'}")
    print("Look at it in the UI:  make ui DEMO=1   then open http://localhost:3000/assets")
    return bad


def _materialize_all(keys: Mapping[str, tuple[str, ...]]) -> list[tuple[Done, float]]:
    from crescendai_assets.defs.assembly import build_definitions
    from crescendai_assets.defs.run import in_order, materialize, own_instance, run_job

    defs = build_definitions()
    plan = [
        (asset, key)
        for asset, partitioned in in_order(defs)
        for key in (keys[asset.split("/")[0]] if partitioned else [None])
    ]
    done: list[tuple[Done, float]] = []
    with own_instance() as instance:
        run_job(defs, instance, "register_partitions")
        for number, (asset, key) in enumerate(plan, start=1):
            started = time.monotonic()
            print(f"[{number:2}/{len(plan)}] {asset} {key or ''}".rstrip(), flush=True)
            config = _TRAINING if asset.startswith(("checkpoints/", "pretrained/")) else None
            (one,) = materialize(defs, instance, [asset], key, config=config, say=_say)
            done.append((one, time.monotonic() - started))
            if asset == "percepiano/folds":
                run_job(defs, instance, "register_partitions")  # the folds are partitions from now on
    return done


def _say(line: str) -> None:
    print(f"        {line}", flush=True)


def _print_table(done: list[tuple[Done, float]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What was made")
    table.add_column("asset")
    table.add_column("partition")
    for name in ("rows", "new", "skipped", "failed", "checks", "seconds"):
        table.add_column(name, justify="right")
    for one, seconds in done:
        seen = one.metadata
        # a compiled table counts its rows, an asset by recording those of its partition
        rows = seen.get("dagster/partition_row_count", seen.get("dagster/row_count", "-"))
        by_recording = "new" in seen
        checks = f"{sum(one.checks.values())}/{len(one.checks)}"
        cells = (
            rows,
            seen["succeeded"] if by_recording else "-",
            seen["skipped_up_to_date"] if by_recording else "-",
            seen["failed"] + seen["failed_before_and_waiting"] if by_recording else "-",
        )
        table.add_row(one.asset, one.partition, *map(str, cells), checks, f"{seconds:.1f}")
    Console(width=max(100, shutil.get_terminal_size().columns)).print(table)


def _print_comparisons(folder: Path) -> None:
    """The tables of the reports over all rows; they stand there whole, with pictures."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(width=max(150, shutil.get_terminal_size().columns))
    for report in sorted(folder.glob("*.md")):
        title = "\n## passage\n" if report.stem == "robustness" else "### All\n"
        _, found, rest = report.read_text(encoding="utf-8").partition(title)
        if found:
            console.print(Markdown(f"**{report.stem.replace('_', ' ')}** ({report})\n\n{rest.partition('###')[0]}"))


def _report(done: list[tuple[Done, float]]) -> int:
    """Say what came of it; 1 when an asset failed or a check did not pass."""
    faults = [f"{one.asset} {one.partition}: {one.error}" for one, _ in done if not one.succeeded]
    faults += [
        f"{one.asset} {one.partition}: check {name} did not pass"
        for one, _ in done
        for name, passed in one.checks.items()
        if not passed
    ]
    for fault in faults:
        print(f"FAILED  {fault}")
    counts = ("succeeded", "sent", "newly_trained", "newly_embedded", "newly_scored")
    made = sum(int(one.metadata.get(name, 0)) for one, _ in done for name in counts)
    again = sum(one.metadata.get("failed", 0) for one, _ in done)
    if not faults and not made:
        tried = f" {again} recording(s) that had failed were tried again and failed again." if again else ""
        print(f"Nothing was done: everything was up to date.{tried}")
    elif not faults:
        print("Everything was made, all checks passed.")
    if not faults:
        print("Recordings that could not be used are no fault of a run: they stand in failures/, with the reason.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1] if len(sys.argv) > 1 else "demo").absolute()))
