"""Scores of the rated clips as their models listen to them: what the corpus's products make of the scores' MIDI.

All 261 of PercePiano take two seconds, so nothing is kept. Which clip has which score is decided in `t1_plan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.corpus.pack import Arrays
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.symbolic.hand_features import extract_hand_features
from crescendai_assets.symbolic.midi import map_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def score_arrays(product: str, scores: Mapping[str, Path]) -> dict[str, Arrays]:
    """Segment -> arrays of its score; segments of one score share them, those whose score cannot be read are left out.

    Args:
        product: Name.
        scores: Segment -> MIDI of its score.
    """
    found = _made(products()[product].make, scores)
    return {key: found[path].arrays for key, path in scores.items() if path in found}


def score_hand_features(scores: Mapping[str, Path]) -> dict[str, NDArray[np.float64]]:
    """Segment -> hand features of its score, shape (81,); those whose score cannot be read are left out."""
    import numpy as np

    found = {
        path: np.array(list(one.values()), np.float64) for path, one in _made(extract_hand_features, scores).items()
    }
    return {key: found[path] for key, path in scores.items() if path in found}


def one_a_score(keys: Sequence[str], scores: Mapping[str, Any]) -> dict[str, str]:
    """Segment -> the segment that stands for its score: the first of those that share it."""
    first: dict[int, str] = {}
    return {key: first.setdefault(id(scores[key]), key) for key in keys if key in scores}


def _made(make: Any, scores: Mapping[str, Path]) -> dict[Path, Any]:
    wanted = sorted(set(scores.values()))
    done = map_files(make, wanted, workers=2) if wanted else iter(())
    return {path: one for path, one in done if not isinstance(one, RecordingError)}
