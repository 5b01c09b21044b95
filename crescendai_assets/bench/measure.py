"""How to measure: runs taken turn by turn, ratios pair by pair, fresh processes, peaks of memory, targets."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")

Sense = Literal["at least", "at most"]

_CHILD = """
import importlib, json, sys
module, name, arguments = json.loads(sys.argv[1])
print(json.dumps(getattr(importlib.import_module(module), name)(*arguments)))
"""


@dataclass(frozen=True)
class Target:
    """What a figure should reach."""

    sense: Sense
    bound: float

    def met_by(self, value: float) -> bool:
        """Whether a figure reaches it."""
        return value >= self.bound if self.sense == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.sense} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the result.

    Attributes:
        name: Matter and figure, as `decode.wav`.
        what: What was measured against what, and what was left out.
        measured: None when it was skipped.
        unit: `x` for a ratio, `MB`, `%`, or `/s`.
        target: None for a figure that is only stated.
        facts: Counts and spread; plain values.
        skipped: Why it was not measured.
    """

    name: str
    what: str
    measured: float | None
    target: Target | None = None
    unit: Literal["x", "MB", "%", "/s"] = "x"
    facts: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None when there is none or nothing was measured."""
        if self.measured is None or self.target is None:
            return None
        return self.target.met_by(self.measured)

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(
            {
                "figure": self.name,
                "what": self.what,
                "measured": None if self.measured is None else round(self.measured, 3),
                "unit": self.unit,
                "target": str(self.target) if self.target else None,
                "met": self.met,
                **({"skipped": self.skipped} if self.skipped else {}),
                **self.facts,
            }
        )


def seconds(work: Callable[..., object], *arguments: Any) -> float:
    """How long something takes."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def interleaved(runs: Mapping[str, Callable[[], T]], repetitions: int) -> dict[str, list[T]]:
    """Take runs turn by turn, each repetition starting with another, so that a slow spell of the machine hits all.

    Args:
        runs: Name -> a function that does it once and returns its figure.
        repetitions: How often each is taken.

    Returns:
        Name -> figures by repetition; those of one repetition belong together.
    """
    names = list(runs)
    figures: dict[str, list[T]] = {name: [] for name in names}
    for repetition in range(repetitions):
        first = repetition % len(names)
        for name in names[first:] + names[:first]:
            figures[name].append(runs[name]())
    return figures


def pair_ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, dict[str, Any]]:
    """Median of the ratios of figures that were measured together, and how far they spread."""
    ratios = sorted(a / b for a, b in zip(above, below, strict=True))
    facts = {"pairs": len(ratios), "least": round(ratios[0], 3), "most": round(ratios[-1], 3)}
    return statistics.median(ratios), facts


def in_fresh_process(
    function: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
) -> Any:
    """Call a module-level function in a new interpreter; arguments and result are plain JSON values."""
    call = json.dumps([function.__module__, function.__name__, arguments])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CHILD, call],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **(environment or {})},
    )
    return json.loads(done.stdout.splitlines()[-1])  # libraries may chat before


def peak_mb(process: int | Literal["self"] = "self") -> float:
    """Most resident memory a process ever had, MB; 0 when it is gone.

    Not `ru_maxrss` where it can be helped: a child's starts with what its parent held when it was spawned.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        if process != "self" or sys.platform == "linux":
            return 0.0
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    found = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(found.split()[1]) * 1024 / 1e6


class WatchedChildren:
    """Watches the children of this process while a block runs: the peak of the largest, MB (Linux; else 0)."""

    _EVERY = 0.05

    def __enter__(self) -> WatchedChildren:
        self.peak_mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._EVERY):
            for children in Path("/proc/self/task").glob("*/children"):
                try:
                    listed = children.read_text().split()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # a thread that has just ended
                self.peak_mb = max([self.peak_mb, *(peak_mb(int(pid)) for pid in listed)])
