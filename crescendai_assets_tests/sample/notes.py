"""Comparing what two MIDI files hold, and folders byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from crescendai_assets.symbolic.performance import Performance

EVERY = slice(None)


def by_key(read: Performance, some: slice = EVERY) -> np.ndarray:
    """Pitch, velocity and onset, key by key: rounding to ticks may swap the notes of a chord; shape (3, n)."""
    notes = np.stack([read.pitch[some], read.velocity[some], read.onset[some]])
    return np.asarray(notes[:, np.lexsort((notes[2], notes[0]))])


def later_by(read: Performance, other: Performance, some: slice = EVERY) -> tuple[float, float]:
    """The least and the most by which the same notes come later than in another file, seconds.

    Args:
        read: A performance.
        other: Another one; not the same keys as hard as in `some` of the first fails.
        some: Notes of the first to compare.
    """
    one, two = by_key(read, some), by_key(other)
    assert one[:2].tolist() == two[:2].tolist()
    late = one[2] - two[2]
    return float(late.min()), float(late.max())


def digests(root: Path) -> dict[str, str]:
    """Hash of every file, by its path below the folder."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
