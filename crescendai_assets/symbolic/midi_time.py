"""Ticks to seconds by a tempo map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crescendai_assets.symbolic.midi_bytes import Container, MidiError
from crescendai_assets.symbolic.performance import Floats, Ints

_DEFAULT_MICROSECONDS = 500_000
"""A quarter note where no tempo is given: 120 a minute."""


@dataclass(frozen=True, eq=False)
class TempoMap:
    """Stretches of one tempo.

    Attributes:
        ticks: Where each starts, shape (K,), ascending, the first 0.
        starts: The same in seconds.
        seconds_per_tick: Shape (K,).
        ticks_per_quarter: 0 when the file counts SMPTE frames.
    """

    ticks: Ints
    starts: Floats
    seconds_per_tick: Floats
    ticks_per_quarter: int

    def seconds(self, ticks: Any) -> Floats:
        """Time of ticks, same shape."""
        import numpy as np

        if len(self.ticks) == 1:  # most files; much faster for short ones
            return np.asarray(ticks * self.seconds_per_tick[0])
        stretch = np.searchsorted(self.ticks, ticks, side="right") - 1
        return np.asarray(self.starts[stretch] + (ticks - self.ticks[stretch]) * self.seconds_per_tick[stretch])

    def changes(self) -> Floats:
        """(seconds, quarter notes a minute) of each stretch, shape (K, 2); without quarter notes 120."""
        import numpy as np

        if not self.ticks_per_quarter:
            return np.array([[0.0, 120.0]])
        return np.stack([self.starts, 60 / (self.seconds_per_tick * self.ticks_per_quarter)], axis=1)


def tempo_map(container: Container, ticks: Ints, microseconds: Ints) -> TempoMap:
    """Make the map of a file.

    Args:
        container: For the measure of time.
        ticks: Where tempo changes stand, in the file's order, shape (M,).
        microseconds: Of a quarter note from there on, shape (M,).

    Raises:
        MidiError: A quarter note is to take no time.
    """
    import numpy as np

    if container.ticks_per_second:
        return TempoMap(np.zeros(1, np.int64), np.zeros(1), np.array([1 / container.ticks_per_second]), 0)
    if (microseconds <= 0).any():
        raise MidiError("damaged: holds a tempo at which a quarter note takes no time; export it again")
    order = np.argsort(ticks, kind="stable")
    ticks = np.concatenate([[0], ticks[order]]).astype(np.int64)
    microseconds = np.concatenate([[_DEFAULT_MICROSECONDS], microseconds[order]])
    last = np.append(ticks[1:] > ticks[:-1], True)  # of several at one tick the last counts
    ticks, per_tick = ticks[last], microseconds[last] / 1e6 / container.ticks_per_quarter
    starts = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * per_tick[:-1])])
    return TempoMap(ticks, starts, per_tick, container.ticks_per_quarter)
