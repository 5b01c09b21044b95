r"""Edges between the notes of a performance, as arrays; what torch-geometric makes of them is in `graphs`.

Times are taken in whole microseconds, so that every definition is exact. Note \( i \) goes down at \( o_i \) and up at
\( e_i \), \( \tau \) is the tolerance. The key's own time counts, not the pedal's. Edges lead from \( i \) to \( j \):

- `onset`: together. \( |o_i - o_j| \le \tau \), both ways.
- `during`: \( j \) begins while \( i \) is held. \( o_i + \tau < o_j < e_i - \tau \).
- `consecutive` and `silence`: \( j \) is among the next to begin once \( i \) ends. With
  \( t_i = \min \{ o_k : o_k \ge e_i - \tau,\ o_k > o_i + \tau \} \), \( t_i \le o_j \le t_i + \tau \).
  It is `silence` when every note that began before \( t_i \) ended before \( t_i - \tau \), so that no key was
  down; else `consecutive`.
- `harmonic`: of the pairs of `onset` and `during`, those an octave, a fifth or fourth, a third or sixth apart, or as
  much and some octaves.
- `voice`: \( j \) is among the next of the same voice. With \( t_i = \min \{ o_k : v_k = v_i,\ o_k > o_i + \tau \} \),
  \( v_j = v_i \) and \( t_i \le o_j \le t_i + \tau \). Only where voices are known.

Each pair has exactly one of the four temporal types or none, and every note but the last has one that leads on.
"""

from __future__ import annotations

from typing import Any

from crescendai_assets.symbolic.moments import TOGETHER_SECONDS
from crescendai_assets.symbolic.performance import Ints, Performance

TOLERANCE_SECONDS = TOGETHER_SECONDS
"""Onsets so near count as one, and an end so near an onset as legato."""

EDGE_TYPES = ("onset", "consecutive", "during", "silence", "harmonic", "voice")
"""Names of the types; the place here is the number in `edge_type`."""

CONSONANT = (0, 3, 4, 5, 7, 8, 9)
"""Intervals modulo 12 that make a `harmonic` edge."""

MAX_EDGES = 20_000_000
"""More than any music has; a file that makes more is not music and would only take the memory."""


class TooManyEdgesError(ValueError):
    """A performance with so many notes at once that its graph would not fit."""


def note_edges(read: Performance, voice: Any = None, tolerance: float = TOLERANCE_SECONDS) -> dict[str, Ints]:
    """Edges of all types.

    Args:
        read: A performance of N notes.
        voice: Whole numbers by note, shape (N,); None when voices are not known, then there are no `voice` edges.
        tolerance: Seconds.

    Returns:
        Type -> pairs (from, to), shape (2, E), sorted; one entry for each of `EDGE_TYPES`.

    Raises:
        TooManyEdgesError: More than `MAX_EDGES` of one type.
    """
    import numpy as np

    onset, end, within = _micro(read.onset), _micro(read.end), int(_micro(tolerance))
    together = np.searchsorted(onset, onset + within, side="right")  # the first note that is not with this one
    ending = np.searchsorted(onset, end - within, side="left")  # the first that does not begin while it is held
    each = np.arange(len(onset))

    forward = _ranges(each + 1, together)
    same = np.concatenate([forward, forward[::-1]], axis=1)
    during = _ranges(together, ending)
    following, across = _following(onset, end, np.maximum(together, ending), within)
    sounding = np.concatenate([same, during], axis=1)
    interval = np.abs(read.pitch[sounding[0]] - read.pitch[sounding[1]]) % 12
    found = {
        "onset": same,
        "consecutive": following[:, ~across],
        "during": during,
        "silence": following[:, across],
        "harmonic": sounding[:, np.isin(interval, CONSONANT)],
        "voice": np.zeros((2, 0), np.int64) if voice is None else _voice_edges(onset, voice, within),
    }
    return {name: _sorted(found[name]) for name in EDGE_TYPES}


def _following(onset: Ints, end: Ints, first: Ints, within: int) -> tuple[Ints, Any]:
    """Pairs of a note and the next to begin after it, and which of them a silence parts."""
    import numpy as np

    inside = first < len(onset)
    start = onset[np.minimum(first, len(onset) - 1)]
    last = np.where(inside, np.searchsorted(onset, start + within, side="right"), first)
    ended = np.maximum.accumulate(end)[np.minimum(first, len(onset)) - 1]  # first is at least 1: the note itself
    pairs = _ranges(first, last)
    return pairs, (ended < start - within)[pairs[0]]


def _voice_edges(onset: Ints, voice: Any, within: int) -> Ints:
    import numpy as np

    if len(voice) != len(onset):
        raise ValueError(f"{len(voice)} voices for {len(onset)} notes; give one number for each note")
    number = np.unique(np.asarray(voice), return_inverse=True)[1]
    lane = number * (onset[-1] + 2 * within + 2)  # one voice after the other on one line, too far apart to meet
    order = np.argsort(lane + onset, kind="stable")
    place = (lane + onset)[order]
    first = np.searchsorted(place, place + within, side="right")
    inside = first < len(place)
    start = place[np.minimum(first, len(place) - 1)]
    inside &= number[order][np.minimum(first, len(place) - 1)] == number[order]
    last = np.where(inside, np.searchsorted(place, start + within, side="right"), first)
    return np.asarray(order[_ranges(first, last)])


def _ranges(first: Ints, last: Ints) -> Ints:
    """Pairs of each note i with all from first[i] up to, not with, last[i]; shape (2, E)."""
    import numpy as np

    count = np.maximum(last - first, 0)
    total = int(count.sum())
    if total > MAX_EDGES:
        raise TooManyEdgesError(
            f"{total} pairs among {len(first)} notes, more than {MAX_EDGES}; too many keys down at once"
        )
    source = np.repeat(np.arange(len(first)), count)
    position = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([source, position + first[source]])


def _sorted(pairs: Ints) -> Ints:
    import numpy as np

    return np.ascontiguousarray(pairs[:, np.lexsort((pairs[1], pairs[0]))])


def _micro(seconds: Any) -> Any:
    import numpy as np

    return np.rint(np.asarray(seconds) * 1e6).astype(np.int64)
