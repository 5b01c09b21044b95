"""Hand features: a few dozen numbers that say how a passage was played, for models that need no GPU.

81 of a performance alone; as many again as differences from the same features of its score, played by a machine as
written: the piece drops out of those and what the pianist did remains. The reference model S0 is trained on both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.symbolic.hand_dynamics import dynamics, register
from crescendai_assets.symbolic.hand_pedal import pedalling
from crescendai_assets.symbolic.hand_timing import articulation, timing
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.moments import moments
from crescendai_assets.symbolic.performance import Performance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
"""Raise it when a feature is added or computed differently: it is part of every fingerprint of hand features."""

OVER_SCORE = "_over_score"
"""Ends the name of a difference from the score."""


def named_hand_features(read: Performance) -> dict[str, float]:
    """All hand features of a performance by name, finite; what stands before its first note does not count."""
    chords = moments(read)
    return {
        **dynamics(read, chords),
        **register(read, chords),
        **timing(read, chords),
        **articulation(read, chords),
        **pedalling(read, chords),
    }


def extract_hand_features(midi_path: str | Path, score_path: str | Path | None = None) -> dict[str, float]:
    """Hand features of a file, and with a score the differences from the score's under `<name>_over_score`.

    Args:
        midi_path: The performance.
        score_path: MIDI of the score of the same passage.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: One of them cannot be used; see `read_midi`.
    """
    own = named_hand_features(read_midi(midi_path))
    if score_path is None:
        return own
    return own | over_score(own, named_hand_features(read_midi(score_path)))


def over_score(own: dict[str, float], score: dict[str, float]) -> dict[str, float]:
    """Differences from the score's features, `<name>_over_score`."""
    return {f"{name}{OVER_SCORE}": own[name] - score[name] for name in own}


def as_matrix(rows: list[dict[str, float]]) -> tuple[NDArray[np.float32], list[str]]:
    """Features of several performances as an array, shape (performances, features), and the names of its columns."""
    import numpy as np

    names: list[str] = list(rows[0]) if rows else []
    values: Any = np.array([[row[name] for name in names] for row in rows], np.float32)
    return values, names
