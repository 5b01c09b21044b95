"""Continuous features: a performance as curves in time, one frame every 20 ms, for encoders without tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.moments import moments
from crescendai_assets.symbolic.performance import Performance, pedal_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Curves: TypeAlias = "NDArray[np.float32]"

FRAME_RATE = 50
"""Frames a second."""

CHANNELS = ("pitch", "velocity", "density", "pedal", "inter_onset")
"""Columns of the curves, in their order; see `curves` for what each is."""

VERSION = 1
"""Raise it when a channel changes: it is part of every fingerprint of curves."""

_DENSITY_SECONDS = 1.0
_MOST_NOTES = 40.0
_LONGEST_SECONDS = 4.0


def extract_continuous_features(midi_path: str | Path, frame_rate: int = FRAME_RATE) -> Curves:
    """Curves of a MIDI file; see `curves`.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: It cannot be used; see `read_midi`.
    """
    return curves(read_midi(midi_path), frame_rate)


def curves(read: Performance, frame_rate: int = FRAME_RATE) -> Curves:
    r"""Five curves, each in 0 to 1, sampled at \( t_i = i / \text{rate} \) from 0 to the last key's end.

    - `pitch`: mean MIDI number of the keys that are down, each weighted by its velocity, over 127; 0 without any.
    - `velocity`: mean velocity of the keys that are down, over 127; 0 without any.
    - `density`: notes begun in the second that ends at the frame, over 40; 1 from there on.
    - `pedal`: value of the sustain pedal over 127.
    - `inter_onset`: seconds between the two latest moments (notes within 35 ms are one), over 4; 1 from there on and
      before the second moment.

    A key shorter than a frame is down for the frame it begins in, so no note is lost.

    Args:
        read: A performance of N notes.
        frame_rate: Frames a second.

    Returns:
        Float32, shape (T, 5), T the length in frames rounded up.
    """
    import numpy as np

    if frame_rate < 1:
        raise ValueError(f"frame_rate must be 1 or more, not {frame_rate}")
    count = max(int(np.ceil(read.seconds * frame_rate)), 1)
    times = np.arange(count) / frame_rate
    velocity, pitch = read.velocity.astype(float), read.pitch.astype(float)
    first = np.floor(read.onset * frame_rate).astype(int)
    after = np.ceil(read.end * frame_rate).astype(int)

    def while_down(values: Any) -> Any:
        # what comes at a key's first frame goes after its last: the running sum is what is down now
        change = np.bincount(first, values, count + 1) - np.bincount(after, values, count + 1)
        return np.cumsum(change)[:count]

    keys, weight = while_down(np.ones(len(read))), while_down(velocity)
    some = np.maximum(keys.round(), 1)
    down = keys.round() > 0
    return np.stack(
        [
            np.where(down, while_down(pitch * velocity) / np.where(down, weight, 1), 0) / 127,
            np.where(down, weight / some, 0) / 127,
            np.minimum(_begun(read.onset, times) / _MOST_NOTES, 1),
            pedal_at(read.sustain, times) / 127,
            np.minimum(_latest_interval(moments(read).onset + read.onset[0], times) / _LONGEST_SECONDS, 1),
        ],
        axis=1,
    ).astype(np.float32)


def _begun(onset: Any, times: Any) -> Any:
    """Notes begun in the last second, by time."""
    import numpy as np

    return np.searchsorted(onset, times, "right") - np.searchsorted(onset, times - _DENSITY_SECONDS, "right")


def _latest_interval(moment: Any, times: Any) -> Any:
    """Seconds between the two latest moments, by time."""
    import numpy as np

    intervals = np.concatenate([[_LONGEST_SECONDS] * 2, np.diff(moment)])
    return intervals[np.searchsorted(moment, times, "right")]
