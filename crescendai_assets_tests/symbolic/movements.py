"""Recordings of made-up movements, for tests of what tells music apart."""

from __future__ import annotations

import numpy as np

from crescendai_assets.symbolic.performance import performance


def played_by(*pieces, seed=0, notes=240):
    """Pieces of music, told by number, one after the other; the seed says at what tempo, and which notes are wrong."""
    chance = np.random.default_rng(seed)
    pitch = np.concatenate([np.random.default_rng([piece, notes]).integers(45, 80, notes) for piece in pieces])
    pitch[chance.random(len(pitch)) < 0.03] += 1
    onset = np.arange(len(pitch)) * (0.1 + 0.05 * chance.random())
    return performance(pitch, onset, np.full(len(pitch), 0.08), chance.integers(30, 100, len(pitch)))
