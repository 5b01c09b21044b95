"""A performance as arrays: notes and pedals in seconds, and what had to be mended to get there.

Where it comes from is in `midi`. Everything later (tokens, curves, graphs, hand features) starts from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"

PEDAL_DOWN = 64
"""Controller value from which a pedal counts as down, as MIDI has it."""


@dataclass(frozen=True)
class Mended:
    """Notes that were changed or left out, by reason; all 0 for a clean file.

    Attributes:
        zero_length: Given one tick: the key goes up in the tick in which it goes down.
        doubled: Left out: the key goes down twice in one tick; the longest is kept, as loud as the loudest.
        overlapping: Cut where the same key goes down again before it went up.
        overlong: Cut at `midi_score.MAX_NOTE_SECONDS`: a key that was never let go.
        percussion: Left out: notes on the drum channel.
    """

    zero_length: int = 0
    doubled: int = 0
    overlapping: int = 0
    overlong: int = 0
    percussion: int = 0


@dataclass(frozen=True, eq=False)
class Performance:
    """Notes in the order of (onset, pitch), pedals and tempos in the order of time. Times are seconds of playing.

    Attributes:
        pitch: MIDI numbers 0 to 127, shape (N,), N at least 1.
        onset: Seconds, shape (N,), ascending.
        duration: Seconds the key is held, shape (N,), above 0; a key is never down twice at once.
        velocity: 1 to 127, shape (N,).
        track: Index into `programs` by note, shape (N,).
        sustain: Changes of the right pedal, (time, value 0 to 127), shape (P, 2).
        sostenuto: The same of the middle pedal.
        soft: The same of the left pedal.
        tempos: Tempo changes, (time, quarter notes a minute), shape (K, 2), the first at 0.
        programs: MIDI program by track that has notes.
        mended: What was changed.
    """

    pitch: Ints
    onset: Floats
    duration: Floats
    velocity: Ints
    track: Ints
    sustain: Floats
    sostenuto: Floats
    soft: Floats
    tempos: Floats
    programs: tuple[int, ...] = (0,)
    mended: Mended = Mended()

    def __len__(self) -> int:
        return len(self.pitch)

    @property
    def end(self) -> Floats:
        """Seconds at which each key goes up, shape (N,)."""
        return self.onset + self.duration

    @property
    def seconds(self) -> float:
        """From 0 to the last key's end."""
        return float(self.end.max())


def performance(
    pitch: Any,
    onset: Any,
    duration: Any,
    velocity: Any,
    *,
    track: Any = None,
    sustain: Any = (),
    sostenuto: Any = (),
    soft: Any = (),
    tempos: Any = ((0.0, 120.0),),
    programs: tuple[int, ...] = (0,),
    mended: Mended | None = None,
) -> Performance:
    """Make a `Performance` from sequences; notes may be in any order."""
    import numpy as np

    pitch, onset = np.asarray(pitch, np.int64), np.asarray(onset, np.float64)
    order = np.lexsort((pitch, onset))
    tracks = np.zeros(len(pitch), np.int64) if track is None else np.asarray(track, np.int64)
    return Performance(
        pitch=pitch[order],
        onset=onset[order],
        duration=np.asarray(duration, np.float64)[order],
        velocity=np.asarray(velocity, np.int64)[order],
        track=tracks[order],
        sustain=_pairs(sustain),
        sostenuto=_pairs(sostenuto),
        soft=_pairs(soft),
        tempos=_pairs(tempos),
        programs=programs,
        mended=mended or Mended(),
    )


def pedal_at(changes: Floats, times: Floats) -> Floats:
    """A pedal's value at given times, 0 before its first change.

    Args:
        changes: (time, value), shape (P, 2), ascending in time; of several at one time the last counts.
        times: Seconds, shape (T,).

    Returns:
        Values 0 to 127, shape (T,).
    """
    import numpy as np

    values = np.concatenate([[0.0], changes[:, 1]])
    return np.asarray(values[np.searchsorted(changes[:, 0], times, side="right")])


def pedal_spans(changes: Floats, end: float) -> Floats:
    """When a pedal is down, at `PEDAL_DOWN` or more.

    Args:
        changes: As for `pedal_at`.
        end: Seconds; a pedal that is still down is let go there.

    Returns:
        (down, up) seconds, shape (S, 2), ascending, not touching.
    """
    import numpy as np

    # of several changes at one time the last counts
    last = np.append(np.diff(changes[:, 0]) > 0, True) if len(changes) else np.zeros(0, bool)
    time, down = changes[last, 0], changes[last, 1] >= PEDAL_DOWN
    before = np.concatenate([[False], down[:-1]]) if len(down) else down
    starts, ends = time[down & ~before], time[~down & before]
    if len(starts) > len(ends):
        ends = np.append(ends, max(end, starts[-1]))
    spans = np.stack([starts, ends], axis=1)
    return np.asarray(spans[spans[:, 1] > spans[:, 0]])


def _pairs(changes: Any) -> Floats:
    import numpy as np

    return np.asarray(changes, np.float64).reshape(-1, 2)
