"""What models said of rows held out, laid side by side: the same shuffles, and the rows that all were asked about.

Who leaves hard rows out, or folds, must not win by it. What is told of it is in `reports`, which model scores a new
performance in `scoring_choice`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crescendai_assets.evaluation.comparison import Judges
from crescendai_assets.evaluation.protocols import Judgement, OutOfFold, judge_predictions
from crescendai_assets.labels.protocols import Fold, Protocol
from crescendai_assets.training.checkpoints import FitReport


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model said of one fold.

    Attributes:
        fold: Which.
        report: Of the checkpoint.
        scores: Of the rows held out, by segment.
    """

    fold: Fold
    report: FitReport
    scores: Mapping[str, Sequence[float]]


def held_out_scores(protocol: Protocol, scored: Sequence[Scored], folds: Sequence[Fold], judges: Judges) -> OutOfFold:
    """Scores of whole shuffles; where none is whole, of the one with most of its folds."""
    import numpy as np

    number = {fold.name: place for place, fold in enumerate(folds)}
    wanted = {seed: sum(fold.seed == seed for fold in folds) for seed in dict.fromkeys(fold.seed for fold in folds)}
    there = {seed: [one for one in scored if one.fold.seed == seed] for seed in wanted}
    whole = [seed for seed in wanted if len(there[seed]) == wanted[seed]]
    seeds = whole or [max(wanted, key=lambda seed: len(there[seed]))]
    row_of = {row["segment_id"]: place for place, row in enumerate(judges.rows)}
    scores = np.full((len(seeds), *judges.labels.shape), np.nan)
    fold_of = np.full(scores.shape[:2], -1)
    for shuffle, seed in enumerate(seeds):
        for one in there[seed]:
            places = [row_of[key] for key in one.scores]
            scores[shuffle, places] = list(one.scores.values())
            fold_of[shuffle, places] = number[one.fold.name]
    return OutOfFold(protocol, tuple(seeds), scores, fold_of)


def side_by_side(able: Mapping[str, OutOfFold]) -> dict[str, OutOfFold]:
    """What models said in shuffles that all have, of the rows that all were asked about; empty without such shuffles.

    Args:
        able: By name; at least one.
    """
    import numpy as np

    seeds = [seed for seed in next(iter(able.values())).seeds if all(seed in one.seeds for one in able.values())]
    if not seeds:
        return {}
    found = {name: _of_seeds(one, seeds) for name, one in able.items()}
    both = np.logical_and.reduce([one.fold >= 0 for one in found.values()])
    return {name: replace(one, fold=np.where(both, one.fold, -1)) for name, one in found.items()}


def shared_rows(found: Mapping[str, OutOfFold]) -> int:
    """How many rows they are judged on, of models that were laid side by side."""
    return int((next(iter(found.values())).fold >= 0).all(0).sum()) if found else 0


def judged(found: OutOfFold, judges: Judges, draws: int) -> Judgement:
    """Its figures."""
    return judge_predictions(found, judges.rows, judges.labels, draws=draws)


def _of_seeds(found: OutOfFold, seeds: Sequence[int | None]) -> OutOfFold:
    places = [found.seeds.index(seed) for seed in seeds]
    return replace(found, seeds=tuple(seeds), scores=found.scores[places], fold=found.fold[places])
