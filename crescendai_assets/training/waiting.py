"""How long training waits for its batches, by epoch: what a loader costs that cannot keep up with the device.

It hears of steps and of fetches as a profiler of Lightning's. What a loader can give alone is measured by
`bench.loader`.
"""

# ruff: noqa: TID253 - a profiler of Lightning's; nothing that definitions reach imports this

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.profilers import Profiler

_EPOCH, _STEP = "run_training_epoch", "run_training_batch"
_FETCH = ".train_dataloader_next"


class Waiting(Profiler):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """Time from when the next batch is asked for until its step begins, it having come and gone to the device.

    On a GPU time is taken by marks in its queue: where the GPU is still at work on earlier steps, it has not waited,
    however long the process did. The first batch of an epoch counts too, validation does not.
    """

    def __init__(self, *, on_gpu: bool) -> None:
        """Say whose time counts."""
        super().__init__()
        self._mark: Callable[[], Any] = _mark_of_gpu if on_gpu else time.perf_counter
        self._between = _between_on_gpu if on_gpu else _between
        self._asked: Any = None
        self._over: Any = None
        self._waits: list[tuple[Any, Any]] = []

    def start(self, action_name: str) -> None:
        """Something begins."""
        if action_name == _STEP and self._asked is not None:
            self._waits.append((self._asked, self._mark()))
            self._asked = None
        elif (action_name == _EPOCH or action_name.endswith(_FETCH)) and self._asked is None:
            self._asked = self._mark()

    def stop(self, action_name: str) -> None:
        """Something is over."""
        if action_name == _STEP:
            self._over = self._mark()

    def share(self) -> float:
        """Share of the epoch's time that was waiting, 0 to 1; the next epoch begins."""
        waited = total = 0.0
        if self._waits and self._over is not None:
            waited = sum(self._between(asked, came) for asked, came in self._waits)
            total = self._between(self._waits[0][0], self._over)
        self._asked, self._over, self._waits = None, None, []
        return waited / total if total > 0 else 0.0


def _between(first: float, second: float) -> float:
    return second - first


def _mark_of_gpu() -> Any:
    mark: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    mark.record()
    return mark


def _between_on_gpu(first: Any, second: Any) -> float:
    second.synchronize()
    return float(first.elapsed_time(second)) / 1000
