"""How long a stage takes for a second of audio: as its last run did; before the first, by what is assumed of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.lake.journal import read_last_run
from crescendai_assets.lake.layout import Tier

ASSUMED_CPU, ASSUMED_GPU = 8.5 / 30, 0.05 / 30
"""Seconds that MuQ-large takes for a second of audio: measured on 2 CPU cores, assumed for a GPU."""
ASSUMED_DECODE = 1 / 500
"""Seconds that cutting takes for a second of audio in two processes; assumed."""
ASSUMED_AUGMENTING = 1 / 100
"""Seconds that augmenting takes for a second of audio, on top of encoding it; assumed."""


@dataclass(frozen=True)
class Speed:
    """Seconds of work for a second of audio, None when not known, and how that is known."""

    ratio: float | None
    basis: str


def speed_of(tier: Tier, stage: str, spec: EncoderSpec) -> Speed:
    """By the last run of the stage in any partition; else what is assumed of it.

    Args:
        tier: The tier, with the embedding set to look at.
        stage: Name of the asset.
        spec: The encoder of the settings: a run on another device says nothing.
    """
    return _measured(tier, stage, spec) or _assumed(tier, stage, spec)


def _measured(tier: Tier, stage: str, spec: EncoderSpec) -> Speed | None:
    device = spec.device.partition(":")[0]
    runs: list[tuple[int, str, Mapping[str, Any]]] = []
    for partition in tier.partitions(stage):
        files = partition.stage(stage)
        run = read_last_run(files)
        if not run or not run["audio_seconds"] or "imported_from" in run:
            continue
        if device == "auto" or str(run.get("device", device)).startswith(device):
            runs.append((files.last_run.stat().st_mtime_ns, partition.key, run))
    if not runs:
        return None
    _, key, last = max(runs, key=lambda run: run[:2])
    ratio = last["seconds"] / last["audio_seconds"]
    where = f" on {last['device']}" if "device" in last else ""
    speed = f"{1 / ratio:,.0f}" if ratio < 0.01 else f"{1 / ratio:.3g}"
    return Speed(ratio, f"measured: {speed} times real time{where} in the last run ({key or tier.name})")


def _assumed(tier: Tier, stage: str, spec: EncoderSpec) -> Speed:
    if stage == "recordings":
        return Speed(None, "not known before the first run: it depends on the disk or the network")
    if stage == "segments":
        return Speed(ASSUMED_DECODE, f"assumed: {1 / ASSUMED_DECODE:.0f} times real time")
    if stage == "augmented_pairs":
        clean = speed_of(tier, "embeddings", spec)
        basis = f"as embeddings, which are {clean.basis}; augmenting assumed: {1 / ASSUMED_AUGMENTING:.0f} times"
        return Speed((clean.ratio or 0.0) + ASSUMED_AUGMENTING, basis)
    if spec.device == "cpu" or (spec.device == "auto" and shutil.which("nvidia-smi") is None):
        return Speed(ASSUMED_CPU, "assumed: 8.5 s for a segment of 30 s, MuQ-large on 2 CPU cores")
    return Speed(ASSUMED_GPU, "assumed: 0.05 s for a segment of 30 s, MuQ-large on a GPU")
