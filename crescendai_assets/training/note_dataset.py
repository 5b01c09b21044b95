"""What the best symbolic model learns from: note features beside the hand features of rated performances.

It stays a `HandDataset` with more columns, so whatever judges S0 judges this as well. Note features are of one
performance and its own score. `with_relative` of `hand_dataset` adds the differences from the passage's other
performances here too, for the variant that may look at them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.symbolic.midi import map_files
from crescendai_assets.symbolic.note_features import extract_with_scores
from crescendai_assets.training.hand_dataset import HandDataset, midi_of_segments, score_path


def with_note_features(dataset: HandDataset, midi: Path, scores: Path, *, workers: int = 2) -> HandDataset:
    """The same with note features as well.

    A segment without a usable score, or whose notes cannot be aligned with it, has NaN for them and stands in
    `without_score`.

    Args:
        dataset: Hand features, as from `hand_dataset`.
        midi: Folder of the segments' MIDI, named as the segments are.
        scores: Folder of the scores' MIDI, named as segments played by `Score`.
        workers: Guarded processes that read MIDI and align.

    Raises:
        SetupError: A folder is not there, or no segment can be aligned with a score.
    """
    import numpy as np

    played, written = midi_of_segments(midi), midi_of_segments(scores)
    score_of = {key: path for key in dataset.segments if key in played and (path := score_path(key, written))}
    by_file = {played[key]: path for key, path in score_of.items()}
    found = dict(map_files(partial(extract_with_scores, by_file), sorted(by_file), workers=workers))
    told = {key: features for key in score_of if isinstance(features := found[played[key]], dict)}
    if not told:
        reasons = "; ".join(sorted({str(error) for error in found.values()})[:3]) or "there are no scores"
        raise SetupError(f"{scores}: no segment can be aligned with its score ({reasons}); use hand features alone")
    names = tuple(next(iter(told.values())))
    values = np.full((len(dataset.rows), len(names)), np.nan)
    for row, key in enumerate(dataset.segments):
        if key in told:
            values[row] = [told[key][name] for name in names]
    return replace(
        dataset,
        features=np.hstack([dataset.features, values]),
        feature_names=(*dataset.feature_names, *names),
        without_score=tuple(key for key in dataset.segments if key in dataset.without_score or key not in told),
    )
