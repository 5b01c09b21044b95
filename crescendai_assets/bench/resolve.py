"""Planning when there is nothing to do: how a plan over many committed segments compares with parsing its tables."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crescendai_assets.bench.corpus import NO_ENCODER, YEAR, committed_partition
from crescendai_assets.bench.measure import (
    Figure,
    Target,
    in_fresh_process,
    interleaved,
    pair_ratios,
    peak_mb,
    seconds,
)
from crescendai_assets.lake.layout import Partition, open_lake

_PER_RECORDING = 50_000 / 1_300  # MAESTRO's recordings are long
_SMALL, _MIDDLE, _LARGE = 5_000, 50_000, 500_000

_LINEAR = 1.25
"""Growth steeper than this share of the rows' is no longer called linear: caches and the disk take their part."""


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """A nothing-to-do plan against parsing the same tables, its memory, and how it grows."""
    sizes = (_SMALL,) if quick else (_SMALL, _MIDDLE, _LARGE)
    partitions = {n: committed_partition(folder / str(n), n, round(n / _PER_RECORDING)) for n in sizes}
    size = _SMALL if quick else _MIDDLE
    runs = {
        "plan": partial(seconds, plan_nothing, partitions[size]),
        "parse": partial(seconds, _parse, partitions[size]),
    }
    interleaved(runs, 1)
    taken = interleaved(runs, 3 if quick else 7)
    ratio, facts = pair_ratios(taken["plan"], taken["parse"])
    counts = {"segments": size, "recordings": round(size / _PER_RECORDING)}
    yield Figure(
        "resolve.time",
        f"nothing-to-do plan over {size:,} committed segments, times parsing the same two tables",
        ratio,
        Target("at most", 3),
        facts={**facts, **counts},
    )
    yield Figure(
        "resolve.memory",
        f"most memory of a fresh process that makes the plan over {size:,} committed segments",
        in_fresh_process(peak_of_plan, str(folder / str(size))),
        Target("at most", 300),
        unit="MB",
        facts=counts,
    )
    if not quick:
        yield from _growth(partitions)


def plan_nothing(partition: Partition) -> None:
    """What a run with nothing to do does before it says so.

    Raises:
        RuntimeError: There was something to do, so that the time would mean nothing.
    """
    from crescendai_assets.embeddings.folder import committed_embeddings, wanted_embeddings
    from crescendai_assets.lake.ledger import now_utc
    from crescendai_assets.lake.resolve import resolve

    plan = resolve(wanted_embeddings(partition, NO_ENCODER), committed_embeddings(partition), {}, now=now_utc())
    if plan.pending or not plan.done:
        raise RuntimeError(f"{len(plan.pending)} recordings pending, {len(plan.done)} done; expected all done")


def peak_of_plan(root: str) -> float:
    """Make the plan in this process and say how much memory that took at most, MB."""
    plan_nothing(open_lake(root).tier("maestro").partition(YEAR))
    return peak_mb()


def _growth(partitions: dict[int, Partition]) -> Iterator[Figure]:
    sizes = sorted(partitions)
    taken = interleaved({str(n): partial(seconds, plan_nothing, partitions[n]) for n in sizes}, 3)
    for small, large in itertools.pairwise(sizes):
        ratio, facts = pair_ratios(taken[str(large)], taken[str(small)])
        yield Figure(
            f"resolve.growth_{large // 1000}k",
            f"the plan over {large:,} segments, times that over {small:,}: {large // small} where growth is linear",
            ratio,
            Target("at most", _LINEAR * large / small),
            facts=facts,
        )


def _parse(partition: Partition) -> None:
    for asset in ("segments", "embeddings"):
        with partition.stage(asset).table.open(encoding="utf-8") as table:
            for line in table:
                json.loads(line)
