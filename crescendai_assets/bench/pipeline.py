"""The embedding pipeline on the processor: decode, forward, write and commit, against the forward pass alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from crescendai_assets.bench.corpus import audio_partition, forget_embeddings, segments_in_memory
from crescendai_assets.bench.measure import Figure, Target, in_fresh_process, interleaved, pair_ratios, seconds
from crescendai_assets.lake.layout import Partition

EXCLUDED = "loading of weights, first forward, making of recordings and their tables"


_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
"""Threads that wait sleep. On a busy machine they would spin on each other's cores, three times the work, and more so
in the bare pass: the pipeline's further threads make OpenMP give spinning up. On an idle machine it costs nothing."""


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Throughput of `embed_partition` as a share of `encode` on the same segments held in memory."""
    recordings, each, pairs = (2, 2, 1) if quick else (8, 6, 3)
    taken = in_fresh_process(times, str(folder), recordings, each, pairs, environment=_PASSIVE)
    ratio, facts = pair_ratios(taken["bare"], taken["pipeline"])
    yield Figure(
        "pipeline.cpu",
        "embedding a partition (decode, forward, write, commit), throughput as a share of the bare forward pass on the "
        "same batches in memory; small random MuQ on CPU",
        ratio,
        Target("at least", 0.95),
        facts={**facts, "segments": recordings * each, "recordings": recordings, "excluded": EXCLUDED},
    )
    ratio, facts = pair_ratios(taken["bare"], taken["pairs"])
    yield Figure(
        "pipeline.pairs",
        "embedding augmented pairs of the same recordings (decode once each, augment, forward, write, commit), "
        "throughput as a share of the same bare forward pass",
        ratio,
        Target("at least", 0.9),
        facts={**facts, "segments": recordings * each, "recordings": recordings, "preset": "recording_conditions"},
    )


def times(folder: str, recordings: int, each: int, pairs: int) -> dict[str, list[float]]:
    """Seconds of pipeline and bare forward pass, by repetition, measured in this process.

    Args:
        folder: To work in.
        recordings: In the partition.
        each: Full segments of each.
        pairs: Repetitions.
    """
    from crescendai_assets.embeddings.identity import EncoderSpec
    from crescendai_assets.embeddings.muq import MuQEncoder
    from crescendai_assets.sample.encoder import write_encoder

    # about half a second a segment on two cores
    checkpoint = write_encoder(Path(folder) / "encoder", depth=4, ffn=256, conv_dim=8)
    encoder = MuQEncoder(EncoderSpec(str(checkpoint), device="cpu"))
    partition = audio_partition(Path(folder) / "data", recordings, each * 30.0)
    segments = segments_in_memory(sorted(partition.audio.glob("*.wav")))
    batches = in_batches(segments, encoder.batch_size)
    warm_up(encoder, batches[0])
    runs = {
        "pipeline": partial(pipeline_seconds, partition, encoder),
        "pairs": partial(pipeline_seconds, partition, encoder, augmented=True),
        "bare": partial(seconds, encode_all, encoder, batches),
    }
    return interleaved(runs, pairs)


def in_batches(segments: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Segments so many at a time."""
    return [segments[i : i + size] for i in range(0, len(segments), size)]


def warm_up(encoder: Any, batch: Sequence[Any]) -> None:
    """Load the weights and encode once; what libraries print meanwhile must not stand among the figures."""
    with redirect_stdout(sys.stderr):
        encoder.encode(batch)


def encode_all(encoder: Any, batches: Sequence[Sequence[Any]]) -> None:
    """The bare forward pass: nothing is read or written, and the device need not wait for what comes next."""
    under_way: Any = None
    for batch in batches:
        fetch = encoder.launch(batch)
        if under_way:
            under_way()
        under_way = fetch
    if under_way:
        under_way()


def pipeline_seconds(partition: Partition, encoder: Any, *, augmented: bool = False) -> float:
    """Embed a partition from nothing; how long that took.

    Args:
        partition: From `corpus.audio_partition`.
        encoder: Its weights already loaded.
        augmented: Make the augmented twins instead.

    Raises:
        RuntimeError: A recording failed, so that the time would mean nothing.
    """
    from crescendai_assets.audio.segments import SegmentRule
    from crescendai_assets.embeddings.augmented import Augmentation
    from crescendai_assets.embeddings.folder import CLEAN
    from crescendai_assets.embeddings.pipeline import embed_partition, plain_cutter
    from crescendai_assets.sources.locate import AudioFiles

    forget_embeddings(partition)
    rule, chosen = SegmentRule(), Augmentation("recording_conditions")
    product, cutter = (chosen.product, chosen.cutter(rule)) if augmented else (CLEAN, plain_cutter(rule))
    audio = AudioFiles(partition.tier)
    started = time.perf_counter()
    report = embed_partition(partition, encoder, audio, rule, product=product, cutter=cutter)
    taken = time.perf_counter() - started
    if report.failures or not report.succeeded:
        raise RuntimeError(report.failures[0].message if report.failures else "nothing was embedded")
    return taken
