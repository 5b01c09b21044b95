"""The embedding pipeline on a GPU, with an encoder of MuQ-large's size and random weights.

Against the forward pass alone, and against the plain loop that most people would write first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from crescendai_assets.bench.corpus import audio_partition, segments_in_memory
from crescendai_assets.bench.measure import (
    Figure,
    Target,
    WatchedChildren,
    in_fresh_process,
    interleaved,
    pair_ratios,
    peak_mb,
    seconds,
)
from crescendai_assets.bench.pipeline import EXCLUDED, encode_all, in_batches, pipeline_seconds, warm_up

_EACH = 8
"""Segments a recording."""
_DISTINCT = 8
"""Recordings that are files of their own; the others are links to them, and the bare pass repeats their batches."""
_BARE_SECONDS = 20.0
"""How long the bare pass should take, so that starting up does not count."""
_MOST_RECORDINGS = 160

_BARE = Figure(
    "gpu.bare",
    "embedding a partition with a MuQ-large sized encoder (random weights, bf16), throughput as a share of the bare "
    "forward pass on the same batches in memory",
    None,
    Target("at least", 0.9),
)
_PLAIN = Figure(
    "gpu.plain",
    "the same, times faster than the plain loop (decode, one fp32 forward a segment, torch.save)",
    None,
    Target("at least", 5),
)
_GPU_MEMORY = Figure("gpu.memory", "most GPU memory held while embedding, weights included", None, unit="MB")
_HOST_MEMORY = Figure(
    "gpu.host_memory",
    "most host memory of the run's own process while embedding; of its largest decoder in decoder_mb",
    None,
    unit="MB",
)


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Throughput against bare forward and plain loop, and peak memory; skipped where there is no CUDA device."""
    import torch

    if not torch.cuda.is_available():
        for figure in (_BARE, _PLAIN, _GPU_MEMORY, _HOST_MEMORY):
            yield replace(figure, skipped="no CUDA device")
        return

    from crescendai_assets.sample.encoder import LARGE, write_encoder

    checkpoint = write_encoder(folder / "encoder", **LARGE)
    encoder, exact = _encoder(checkpoint, "bf16"), _encoder(checkpoint, "fp32")
    first = audio_partition(folder / "first", _DISTINCT, _EACH * 30.0)
    paths = sorted(first.audio.glob("*.wav"))
    batches = in_batches(segments_in_memory(paths), encoder.batch_size)
    warm_up(encoder, batches[0])
    warm_up(exact, batches[0][:1])
    once = seconds(encode_all, encoder, batches)
    repeats = 1 if quick else max(1, min(_MOST_RECORDINGS // _DISTINCT, round(_BARE_SECONDS / once)))

    partition = audio_partition(folder / "data", repeats * _DISTINCT, _EACH * 30.0, distinct=_DISTINCT)
    plain_folder = folder / "plain"
    plain_folder.mkdir()
    taken = interleaved(
        {
            "pipeline": partial(pipeline_seconds, partition, encoder),
            "bare": partial(seconds, encode_all, encoder, batches * repeats),
            "plain": partial(seconds, _plain_loop, paths, exact, plain_folder),
        },
        1 if quick else 3,
    )
    counts = {"segments": repeats * _DISTINCT * _EACH, "batch": encoder.batch_size, "excluded": EXCLUDED}
    ratio, facts = pair_ratios(taken["bare"], taken["pipeline"])
    yield replace(_BARE, measured=ratio, facts={**facts, **counts})
    # the plain loop takes long: it does part of the segments, and its time is scaled up
    ratio, facts = pair_ratios([repeats * t for t in taken["plain"]], taken["pipeline"])
    yield replace(_PLAIN, measured=ratio, facts={**facts, **counts, "plain_segments": _DISTINCT * _EACH})

    del encoder, exact
    torch.cuda.empty_cache()
    peaks = in_fresh_process(peaks_of_run, str(folder / "data"), str(checkpoint))
    yield replace(_GPU_MEMORY, measured=peaks["gpu_mb"], facts=counts)
    yield replace(_HOST_MEMORY, measured=peaks["host_mb"], facts={**counts, "decoder_mb": round(peaks["decoder_mb"])})


def peaks_of_run(root: str, checkpoint: str) -> dict[str, float]:
    """Embed a partition in this process and say how much memory that took at most, MB."""
    import torch

    from crescendai_assets.bench.corpus import YEAR
    from crescendai_assets.lake.layout import open_lake

    encoder = _encoder(Path(checkpoint), "bf16")
    with WatchedChildren() as children:
        pipeline_seconds(open_lake(root).tier("maestro").partition(YEAR), encoder)
    return {
        "gpu_mb": torch.cuda.max_memory_reserved() / 1e6,
        "host_mb": peak_mb(),
        "decoder_mb": children.peak_mb,
    }


def _encoder(checkpoint: Path, precision: Any) -> Any:
    from crescendai_assets.embeddings.identity import EncoderSpec
    from crescendai_assets.embeddings.muq import MuQEncoder

    return MuQEncoder(EncoderSpec(str(checkpoint), precision=precision, device="cuda"))


def _plain_loop(paths: Sequence[Path], encoder: Any, folder: Path) -> None:
    import torch

    from crescendai_assets.audio.decode import load_audio
    from crescendai_assets.audio.segments import SegmentRule

    for path in paths:
        audio, _ = load_audio(path)
        for index, (start, stop) in enumerate(SegmentRule().bounds(len(audio))):
            (embedding,) = encoder.encode([audio[start:stop]])
            torch.save(embedding, folder / f"{path.stem}_seg{index:03d}.pt")
