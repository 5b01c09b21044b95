"""Training A1 through a MuQ-large sized encoder with random weights: from audio, and from the kept output of its stem.

On a GPU where there is one, else on the CPU with a smaller batch. The bare step is measured: no loader, no validation.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.bench.measure import Figure, in_fresh_process, interleaved, pair_ratios, peak_mb
from crescendai_assets.sample.encoder import LARGE, write_encoder

if TYPE_CHECKING:
    from torch import Tensor

_PER_PIECE = 4
"""Clips of one piece in a batch, which are ranked."""


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Steps a second from the stem's kept output, how many times those from audio, and the memory of both."""
    import torch

    gpu = torch.cuda.is_available()
    device, clips, steps = ("cuda", 16, 20) if gpu else ("cpu", 2, 1)
    checkpoint = write_encoder(folder / "encoder", **({} if quick else LARGE))
    runs: dict[str, Callable[[], Any]] = {
        heard: partial(in_fresh_process, steps_of, str(checkpoint), heard, device, clips, steps)
        for heard in ("stem", "audio")
    }
    taken = interleaved(runs, 3 if gpu and not quick else 1)
    rates = {heard: [run["steps_a_second"] for run in taken[heard]] for heard in runs}
    memory = {heard: max(run["mb"] for run in taken[heard]) for heard in runs}
    where = f"{torch.cuda.get_device_name()}, bf16" if gpu else f"CPU, {torch.get_num_threads()} threads"
    muq = "a small MuQ" if quick else "a MuQ as large as the published one"
    what = f"batches of {clips} clips of 30 s; on {where}"
    facts = {"clips": clips, "steps": steps}
    ratio, spread = pair_ratios(rates["stem"], rates["audio"])
    yield Figure(
        "adapters.steps",
        f"steps of A1 (rank 16 on the attention of the last four layers of {muq}) from the stem's kept output, {what}",
        statistics.median(rates["stem"]),
        unit="/s",
        facts={**facts, "from_audio": [round(one, 3) for one in rates["audio"]]},
    )
    yield Figure("adapters.stem", f"the same, times as many steps as from audio, {what}", ratio, facts=facts | spread)
    kind = "GPU" if gpu else "process"
    yield Figure(
        "adapters.memory",
        f"most memory of the {kind} in these steps; from audio in audio_mb",
        memory["stem"],
        unit="MB",
        facts={**facts, "audio_mb": round(memory["audio"])},
    )


def steps_of(checkpoint: str, heard: str, device: str, clips: int, steps: int) -> dict[str, float]:
    """Train A1 for some steps in this process; how many a second, and how much memory that took at most, MB.

    Args:
        checkpoint: Of the encoder.
        heard: What a batch holds, `audio` or `stem`.
        device: As torch calls it.
        clips: A batch.
        steps: That are timed, after one that is not.
    """
    import torch

    from crescendai_assets.embeddings.muq import SEGMENT_SAMPLES
    from crescendai_assets.embeddings.muq_forward import frames_of
    from crescendai_assets.models.audio import MuQLoRAModel

    torch.manual_seed(0)
    model: Any = MuQLoRAModel(use_pretrained_muq=True, muq=checkpoint).to(device).train()
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-4)
    sound = 0.1 * torch.randn(clips, SEGMENT_SAMPLES)
    stem = torch.randn(clips, frames_of(SEGMENT_SAMPLES), model.backbone.width).half()
    batch = {
        "embeddings": sound if heard == "audio" else stem,
        "labels": torch.rand(clips, 19),
        "piece_ids": torch.arange(clips) // _PER_PIECE,
    }

    def step() -> float:
        moved: dict[str, Tensor] = {name: value.to(device) for name, value in batch.items()}
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu"):
            loss = model.training_step(moved, 0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss)  # waits for the device

    step()
    started = time.perf_counter()
    for _ in range(steps):
        step()
    taken = time.perf_counter() - started
    mb = peak_mb() if device == "cpu" else torch.cuda.max_memory_reserved() / 1e6
    return {"steps_a_second": steps / taken, "mb": mb}
