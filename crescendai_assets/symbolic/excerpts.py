"""Parts of a performance, and the bars of its score that were played in them.

A long piece is cut so that what was trained on short passages can be asked about each part. Cutting into equal parts
knows nothing of phrases; passages that music was cut into by people are in `labels.passages`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crescendai_assets.symbolic.alignment import Alignment, alignment
from crescendai_assets.symbolic.performance import Floats, Performance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEIGHBOURS = 9
"""Matched notes whose median says where in the score a moment is; a wrong match or two does not move it."""


def excerpt(read: Performance, start: float, stop: float) -> Performance:
    """The notes that begin in [start, stop), as a performance of its own that begins at 0.

    They last as long as they did. Pedals and tempo stand at the beginning as they stood there.

    Raises:
        ValueError: No note begins there.
    """
    import numpy as np

    kept = np.flatnonzero((read.onset >= start) & (read.onset < stop))
    if not len(kept):
        raise ValueError(f"no note begins between {start:.2f} s and {stop:.2f} s")
    return replace(
        read,
        pitch=read.pitch[kept],
        onset=read.onset[kept] - start,
        duration=read.duration[kept],
        velocity=read.velocity[kept],
        track=read.track[kept],
        sustain=_changes(read.sustain, start, stop),
        sostenuto=_changes(read.sostenuto, start, stop),
        soft=_changes(read.soft, start, stop),
        tempos=_changes(read.tempos, start, stop),
    )


def score_bounds(read: Performance, score: Performance, aligned: Alignment, moments: Floats) -> Floats:
    """Where in a score's own time some moments of a performance are, ascending.

    Args:
        read: The performance.
        score: The score.
        aligned: Of the two; at least one note is matched.
        moments: Seconds of playing, shape (M,), ascending.

    Returns:
        Seconds of the score, shape (M,).
    """
    import numpy as np
    from scipy.ndimage import median_filter

    played, place = aligned.matched.T
    written = np.maximum.accumulate(median_filter(score.onset[place], min(_NEIGHBOURS, len(place)), mode="nearest"))
    return np.asarray(np.interp(moments, read.onset[played], written))


def aligned_excerpt(
    read: Performance, score: Performance, aligned: Alignment, played: tuple[float, float], bars: tuple[float, float]
) -> tuple[Performance, Performance, Alignment]:
    """Parts of performance and score, and the alignment of what is in both.

    Args:
        read: The performance.
        score: The score.
        aligned: Of the two.
        played: Beginning and end in the performance, seconds.
        bars: The same in the score's own time.

    Raises:
        ValueError: One of the parts has no note.
    """
    import numpy as np

    ours = _numbered(read.onset, played)
    theirs = _numbered(score.onset, bars)
    pairs = np.stack([ours[aligned.matched[:, 0]], theirs[aligned.matched[:, 1]]], axis=1)
    part, written = excerpt(read, *played), excerpt(score, *bars)
    return part, written, alignment(map(tuple, pairs[(pairs >= 0).all(1)].tolist()), len(part), len(written))


def _numbered(onset: Floats, bounds: tuple[float, float]) -> NDArray[np.int64]:
    """Number of each note within the part, -1 outside of it."""
    import numpy as np

    inside = (onset >= bounds[0]) & (onset < bounds[1])
    return np.where(inside, np.cumsum(inside) - 1, -1)


def _changes(changes: Floats, start: float, stop: float) -> Floats:
    """What changes in a part, after what held when it began."""
    import numpy as np

    time = changes[:, 0]
    before = changes[time <= start][-1:].copy()
    before[:, 0] = 0.0
    within = changes[(time > start) & (time < stop)] - np.array([start, 0.0])
    return np.concatenate([before, within])
