"""Whether two MIDI files hold the same music, whoever plays it and however fast.

A performance is taken as its notes in the order of their moments, without times: every `NOTES` that follow each other,
sorted by pitch, are a shingle (Broder, "On the resemblance and containment of documents", 1997; for piano music with
pitches in place of words as in Arzt, Böck and Widmer, "Fast identification of piece and score position via symbolic
fingerprinting", ISMIR 2012). Tempo, dynamics and pedal leave a shingle as it is, and so does the order in a chord; a
repeat adds none; a wrong note spoils `NOTES` of them and an ornament a few more. The same music transposed is other
music here.

Here: the measure and its decisions. Which recordings are compared, and what follows, is the callers' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.lake.groups import joined
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.moments import moments
from crescendai_assets.symbolic.performance import Performance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shingles: TypeAlias = "NDArray[np.uint64]"

NOTES = 6
"""Notes of a shingle. Fewer meet by chance in other music of the key, more survive fewer wrong notes."""

SAME_MUSIC = 0.08
"""Containment from which two files hold the same music.

The geometric mean of the nearest other music and the farthest same music, .015 and .53, in every other folder of the 22
of ASAP at hand; in the rest .017 and .40, over all .029 and .40: each of the 7,750 pairs is decided rightly. Of pairs
of a whole performance and 30 s of another, no same music is missed in 7,100, and 4 of 147,900 with other music are
taken for the same. Where both are spoilt by 5 % of notes wrong, 5 % missing and 5 % added, none is missed; at 7 %, 3 %
are.
"""

HOLDS = 0.15
"""Share of a passage's shingles from which a file holds it: a passage is short, and chance counts for more.

PercePiano's passages, of 8 bars and about 100 shingles, come to .21 or more in other performances of their piece, and
to .13 at most in pieces of ASAP, none of which holds them.
"""

FEWEST = 8
"""Shingles that have to agree in any case, or all of a file that has fewer: little agrees by chance with much."""

_PITCH_BITS = 7


def shingles(read: Performance) -> Shingles:
    """The shingles of a performance: sorted, each once, shape (S,); none of fewer than `NOTES` notes.

    A shingle is its pitches themselves, 7 bits each, so it is the same in every process and on every machine, and no
    two kinds of shingle share a number.
    """
    import numpy as np

    if len(read) < NOTES:
        return np.zeros(0, np.uint64)
    in_order = read.pitch[np.lexsort((read.pitch, moments(read).of_note))]  # a chord from low to high
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(in_order, NOTES), axis=1).astype(np.uint64)
    shifts = np.arange(NOTES, dtype=np.uint64) * np.uint64(_PITCH_BITS)
    packed: Shingles = np.unique((windows << shifts).sum(axis=1, dtype=np.uint64))
    return packed


def shingles_of_file(path: Path) -> Shingles:
    """`shingles` of a MIDI file, for `symbolic.midi.map_files`.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: It cannot be used.
    """
    return shingles(read_midi(path))


def containment(a: Shingles, b: Shingles) -> float:
    """Share of the smaller set that the larger holds, 0 to 1; 0 where one is empty. A part comes to 1 in its whole."""
    return _shared(a, b) / max(1, min(len(a), len(b)))


def share_held(piece: Shingles, excerpt: Shingles) -> float:
    """Share of an excerpt's shingles that a piece holds, 0 to 1; 0 of an empty one."""
    return _shared(piece, excerpt) / max(1, len(excerpt))


def same_music(a: Shingles, b: Shingles) -> bool:
    """Whether two files hold the same music, or one a part of the other; see `SAME_MUSIC`."""
    return bool(_enough(_shared(a, b), min(len(a), len(b)), SAME_MUSIC))


def holds(piece: Shingles, excerpt: Shingles) -> bool:
    """Whether a file holds this passage, of 8 bars or some 15 seconds; see `HOLDS`."""
    return bool(_enough(_shared(piece, excerpt), len(excerpt), HOLDS))


def groups_of_same_music(shingles_by_id: Mapping[str, Shingles]) -> list[list[str]]:
    """Files joined wherever two hold the same music, even when the ends of a chain do not.

    A file that holds two movements joins them: this is how splits keep music apart. Each file is compared with all
    later ones at once, by an index of which files hold each shingle.

    Args:
        shingles_by_id: The files' shingles, by any id.

    Returns:
        Groups, those of one file too, by their lowest id; ids within a group ascending.
    """
    import numpy as np

    ids = sorted(shingles_by_id)
    index = _Index([shingles_by_id[i] for i in ids])
    lowest = joined([file, *np.flatnonzero(index.same_music(file)).tolist()] for file in range(len(ids)))
    groups: dict[int, list[str]] = {}
    for file, name in enumerate(ids):
        groups.setdefault(lowest[file], []).append(name)
    return list(groups.values())


class _Index:
    """Which files hold each shingle: all shingles of all files in order, those of one shingle by file."""

    def __init__(self, sets: list[Shingles]) -> None:
        import numpy as np

        self._sizes = np.array([len(one) for one in sets], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)])
        values = np.concatenate([np.zeros(0, np.uint64), *sets])
        order = np.argsort(values, kind="stable")  # so that a shingle's files ascend
        self._files = np.repeat(np.arange(len(sets), dtype=np.int32), self._sizes)[order]
        last = np.append(values[order][1:] != values[order][:-1], True) if len(values) else np.zeros(0, bool)
        ends = np.flatnonzero(last) + 1
        place = np.empty(len(values), np.int64)
        place[order] = np.arange(len(values))
        # of each shingle of each file: where later files that hold it stand
        self._from = place + 1
        self._to = ends[np.searchsorted(ends, place, side="right")]

    def same_music(self, file: int) -> NDArray[np.bool_]:
        """Which later files hold the same music as one, shape (files,)."""
        import numpy as np

        mine = slice(self._starts[file], self._starts[file + 1])
        first, counts = self._from[mine], self._to[mine] - self._from[mine]
        # the ranges first[i] to first[i] + counts[i], one after the other
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        shared = np.bincount(self._files[np.repeat(first, counts) + within], minlength=len(self._sizes))
        return np.asarray(_enough(shared, np.minimum(self._sizes, self._sizes[file]), SAME_MUSIC), bool)


def _shared(a: Shingles, b: Shingles) -> int:
    import numpy as np

    return len(np.intersect1d(a, b, assume_unique=True))


def _enough(shared: Any, of: Any, threshold: float) -> Any:
    """Whether so many shingles in common, of so many that could be, tell; numbers or arrays of them."""
    import numpy as np

    return (shared > 0) & (shared >= threshold * of) & (shared >= np.minimum(of, FEWEST))
