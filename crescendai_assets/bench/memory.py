"""Memory of an embedding run: whether it depends on how many recordings there are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crescendai_assets.bench.corpus import YEAR, audio_partition
from crescendai_assets.bench.measure import (
    Figure,
    Target,
    WatchedChildren,
    in_fresh_process,
    interleaved,
    pair_ratios,
    peak_mb,
)
from crescendai_assets.bench.pipeline import pipeline_seconds
from crescendai_assets.lake.layout import open_lake

_SECONDS = 31.0
_DISTINCT = 2

Peaks = dict[str, float]


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Peak memory of embedding many recordings against that of embedding few, each in a fresh process."""
    from crescendai_assets.sample.encoder import write_encoder

    few, many = (2, 8) if quick else (20, 200)
    checkpoint = write_encoder(folder / "encoder", depth=1, ffn=16, conv_dim=2)
    runs = {}
    for name, count in (("few", few), ("many", many)):
        audio_partition(folder / name, count, _SECONDS, rate=24_000, channels=1, distinct=_DISTINCT)
        runs[name] = partial(_peaks_in_fresh_process, folder / name, checkpoint)
    taken = interleaved(runs, 1 if quick else 2)
    for peak, whose in (("run", "the run's own process"), ("decoder", "its largest decoder process")):
        ratio, facts = pair_ratios([p[peak] for p in taken["many"]], [p[peak] for p in taken["few"]])
        yield Figure(
            f"memory.{peak}",
            f"most memory of {whose} while embedding {many} recordings, times that with {few}",
            ratio,
            Target("at most", 1.1),
            facts={**facts, "recordings": [few, many], "peak_mb": [round(taken[n][0][peak]) for n in taken]},
        )


def peaks_of_run(root: str, checkpoint: str) -> Peaks:
    """Embed a partition in this process and say how much memory that took at most, MB."""
    from crescendai_assets.embeddings.identity import EncoderSpec
    from crescendai_assets.embeddings.muq import MuQEncoder

    encoder = MuQEncoder(EncoderSpec(checkpoint, device="cpu"))
    with WatchedChildren() as children:
        pipeline_seconds(open_lake(root).tier("maestro").partition(YEAR), encoder)
    return {"run": peak_mb(), "decoder": children.peak_mb}


def _peaks_in_fresh_process(root: Path, checkpoint: Path) -> Peaks:
    peaks: Peaks = in_fresh_process(peaks_of_run, str(root), str(checkpoint))
    return peaks
