"""The symbolic corpus when there is nothing to do: a whole second run over many files against reading its index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios, seconds
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Lake, Partition
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.symbolic.corpus.listing import Listing, Sources, list_source
from crescendai_assets.symbolic.corpus.pack import write_pack
from crescendai_assets.symbolic.corpus.performances import (
    NAME,
    corpus_tier,
    make_product,
    read_performances,
    wanted_performances,
)
from crescendai_assets.symbolic.corpus.products import Product, products
from crescendai_assets.symbolic.corpus.schemas import PERFORMANCES
from crescendai_assets.symbolic.corpus.shards import shard_of, shard_path

_FILES = 14_000


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Second runs of what reads the files and of what is made of them."""
    count = 500 if quick else _FILES
    sources = Sources(folders={"many": folder / "midi"})
    _write_files(folder / "midi", count)
    partition = corpus_tier(Lake(folder / "lake")).partition("many")
    product = products()["tokens"]
    _commit_all(partition, product, list_source("many", sources))
    read, made = (partition.stage(name).table for name in (NAME, product.name))
    for name, again, tables in (
        (NAME, partial(_read_again, partition, sources), (read,)),
        (product.name, partial(_make_again, partition, product, sources), (read, made)),
    ):
        runs = {"again": partial(seconds, again), "index": partial(seconds, _read_index, *tables)}
        interleaved(runs, 1)
        taken = interleaved(runs, 3 if quick else 7)
        ratio, facts = pair_ratios(taken["again"], taken["index"])
        yield Figure(
            f"corpus.{name}_again",
            f"a whole second run of symbolic/{name} over {count:,} files, times reading its index"
            + (" and that of the performances" if len(tables) > 1 else ""),
            ratio,
            Target("at most", 3),
            facts={**facts, "files": count},
        )


def _read_again(partition: Partition, sources: Sources) -> None:
    _nothing(read_performances(partition, list_source("many", sources)).plan.pending)


def _make_again(partition: Partition, product: Product, sources: Sources) -> None:
    _nothing(make_product(partition, product, list_source("many", sources)).plan.pending)


def _read_index(*tables: Path) -> None:
    for table in tables:
        for _ in read_rows(table):
            pass


def _nothing(pending: tuple[str, ...]) -> None:
    if pending:
        raise RuntimeError(f"{len(pending)} files pending; expected none, so the time means nothing")


def _write_files(folder: Path, count: int) -> None:
    """Files to be listed; what is in them is read by nobody here."""
    for number in range(count):
        path = folder / f"{number // 100:03}" / f"{number:05}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"MThd")


def _commit_all(partition: Partition, product: Product, listing: Listing) -> None:
    """Tables as a first run over these files would have left them."""
    wanted = wanted_performances(listing)
    rows: list[Row] = []
    made: list[Row] = []
    made_of = product.fingerprints()
    for recording_id, one in listing.files.items():
        sha256 = fingerprint(recording_id) * 2
        kept = {"recording_id": recording_id, "shard": shard_of(recording_id), "content": fingerprint(recording_id)}
        rows.append(
            {
                **kept,
                "source": partition.key,
                "file": one.file,
                "composer": "Frédéric Chopin",
                "title": "Étude in C-sharp Minor, Op. 10 No. 4",
                "work_id": "chopin_op-10-4",
                "performer_id": "somebody",
                "copy_of": None,
                "usable": True,
                "notes": 1234,
                "seconds": 123.456,
                "sustain_changes": 321,
                "mended": 0,
                "bytes": int(one.version.split("-")[0]),
                "mtime_ns": int(one.version.split("-")[1]),
                "sha256": sha256,
                "fingerprint": wanted[recording_id],
            }
        )
        made.append({**kept, "tokens": 12_345, "sequences": 7, "fingerprint": made_of(sha256)})
    PERFORMANCES.write(partition.stage(NAME).table, rows)
    product.table.write(partition.stage(product.name).table, made)
    for shard in {row["shard"] for row in rows}:
        for name in (NAME, product.name):
            write_pack(shard_path(partition, name, shard), {})
