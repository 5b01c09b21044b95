"""A model judged by a whole protocol: trained fold by fold, told by what it says of rows it never saw.

`judge` does it for a model of arrays such as S0; one that trains in its own way hands its predictions to
`judge_predictions`. Two R² are told: `r2` over all held-out rows of a shuffle together, which also asks for the level
of each fold, and `r2_by_fold`, the mean of each fold's own. Both are means over dimensions, then over shuffles. Pairs
are of one passage, held out together (scores of one model are compared, never of two), in all dimensions together. All
is told of all rows and without machine renderings, which every model is trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from typing import Protocol as Shape

from crescendai_assets.evaluation.agreement import ccc, r2
from crescendai_assets.evaluation.arrays import Floats, mean_of_known, numbers
from crescendai_assets.evaluation.bootstrap import (
    DRAWS,
    Difference,
    Drawable,
    Interval,
    MeanOf,
    bootstrap,
    pair_sums,
    paired_bootstrap,
    r2_sums,
)
from crescendai_assets.evaluation.pairs import MARGIN, pair_accuracy
from crescendai_assets.labels.baselines import ALL, PIANISTS
from crescendai_assets.labels.fold_checks import require_sound
from crescendai_assets.labels.protocols import LEAKY, Fold, Protocol
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row
from crescendai_assets.training.hand_dataset import HandDataset

Naming = Callable[[Row], str]

UNITS: Mapping[Protocol, str] = {
    "passage": "passage_group",
    "passage_by_content": "content_group",
    "performer": "performer_group",
    "work": "passage_group",  # three works are too few to draw from
    "published": "passage_group",
}
"""Column of `metadata.jsonl` whose values are drawn for intervals."""


def same_passage(row: Row) -> str:
    """Pairs of the same bars by different performers."""
    return str(row["passage"])


def as_published(row: Row) -> str:
    """Pairs as earlier work on the published folds took them: different bars of a piece by one performer."""
    return f"{row['piece']}_{row['bars']}bars_{row['performer']}"


class Regressor(Shape):
    """A model of arrays."""

    def fit(self, features: Any, labels: Any) -> Any:
        """Learn from features (N, F) and labels (N, D)."""

    def predict(self, features: Any) -> Any:
        """Scores (N, D)."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What a model said of the rows held out.

    Attributes:
        protocol: Of the folds.
        seeds: Shuffles, S of them.
        scores: Shape (S, N, D); NaN where a row was held out in no fold.
        fold: Number of the fold that held a row out, shape (S, N); -1 for none.
    """

    protocol: Protocol
    seeds: tuple[int | None, ...]
    scores: Floats
    fold: Any

    def of_seed(self, seed: int | None) -> OutOfFold:
        """One shuffle alone."""
        place = slice(self.seeds.index(seed), self.seeds.index(seed) + 1)
        return OutOfFold(self.protocol, (seed,), self.scores[place], self.fold[place])


@dataclass(frozen=True, eq=False)
class Judged:
    """Figures over some rows.

    Attributes:
        rows: Which, `all` or `without machine renderings`.
        segments: Rows that were held out.
        r2: Mean over shuffles, with its interval.
        r2_by_fold: See above.
        pairs: Accuracy of pairs, mean over shuffles, with its interval.
        compared: Pairs that count, dimensions apart, in all shuffles.
        ccc: Mean over dimensions and shuffles.
        r2_by_dimension: Mean over shuffles, shape (D,).
        pairs_by_dimension: Mean over shuffles, shape (D,).
        r2_figure: What `r2` is drawn from, for comparison with another model.
        pairs_figure: The same of `pairs`.
    """

    rows: str
    segments: int
    r2: Interval
    r2_by_fold: float
    pairs: Interval
    compared: int
    ccc: float
    r2_by_dimension: Floats
    pairs_by_dimension: Floats
    r2_figure: Drawable
    pairs_figure: Drawable

    def better_than(self, other: Judged, *, draws: int = DRAWS) -> tuple[Difference, Difference]:
        """How much better this is in R² and in pairs, on the same draws.

        Raises:
            ValueError: The two were judged on different rows.
        """
        return (
            paired_bootstrap(self.r2_figure, other.r2_figure, draws=draws),
            paired_bootstrap(self.pairs_figure, other.pairs_figure, draws=draws),
        )


@dataclass(frozen=True, eq=False)
class Judgement:
    """A model judged by a protocol.

    Attributes:
        protocol: Which.
        leaky: Whether it is known to leak: say so wherever a figure of it is shown.
        unit: What was drawn for the intervals.
        everyone: Over all rows.
        pianists: Without machine renderings.
        out_of_fold: What was judged.
    """

    protocol: Protocol
    leaky: bool
    unit: str
    everyone: Judged
    pianists: Judged
    out_of_fold: OutOfFold


def judge(
    make: Callable[[Fold], Regressor],
    dataset: HandDataset,
    folds: Sequence[Fold],
    *,
    pairing: Naming = same_passage,
    margin: float = MARGIN,
    draws: int = DRAWS,
) -> Judgement:
    """Train and judge a model by all folds of one protocol.

    Args:
        make: A new model for a fold.
        dataset: Features and labels.
        folds: Of one protocol; see `labels.folds.read_folds`.
        pairing: Rows of which name are compared.
        margin: Pairs whose labels differ by this or less are ties.
        draws: Of the bootstrap.

    Raises:
        SetupError: A fold leaks though its protocol is not declared leaky, or does not fit the dataset.
        ValueError: A model gives NaN, or another shape than the labels'.
    """
    found = out_of_fold(make, dataset, folds)
    return judge_predictions(found, dataset.rows, dataset.labels, pairing=pairing, margin=margin, draws=draws)


def out_of_fold(make: Callable[[Fold], Regressor], dataset: HandDataset, folds: Sequence[Fold]) -> OutOfFold:
    """Train a model in each fold and ask it about the rows held out; arguments as of `judge`."""
    import numpy as np

    if len({fold.protocol for fold in folds}) != 1:
        raise SetupError("folds of one protocol are wanted; read them with read_folds(files, protocol)")
    seeds = tuple(dict.fromkeys(fold.seed for fold in folds))
    place = {segment: row for row, segment in enumerate(dataset.segments)}
    scores = np.full((len(seeds), *dataset.labels.shape), np.nan)
    number = np.full(scores.shape[:2], -1)
    for count, fold in enumerate(_of_dataset(fold, dataset) for fold in folds):
        require_sound(fold, dataset.rows)
        train, val = ([place[key] for key in keys] for keys in (fold.train, fold.val))
        model = make(fold)
        model.fit(dataset.features[train], dataset.labels[train])
        said = numbers(model.predict(dataset.features[val]), f"scores of fold {fold.name} by {fold.protocol}")
        if said.shape != (len(val), dataset.labels.shape[1]):
            raise ValueError(
                f"fold {fold.name}: scores have the shape {said.shape}, labels {dataset.labels[val].shape}"
            )
        shuffle = seeds.index(fold.seed)
        scores[shuffle, val], number[shuffle, val] = said, count
    return OutOfFold(folds[0].protocol, seeds, scores, number)


def judge_predictions(
    found: OutOfFold,
    rows: Sequence[Row],
    labels: Floats,
    *,
    pairing: Naming = same_passage,
    margin: float = MARGIN,
    draws: int = DRAWS,
) -> Judgement:
    """Judge what a model said of held-out rows; arguments as of `judge`.

    Args:
        found: What it said.
        rows: Rows of `metadata.jsonl`, in the order of the scores.
        labels: Shape (N, D).
        pairing: Rows of which name are compared.
        margin: Pairs whose labels differ by this or less are ties.
        draws: Of the bootstrap.
    """
    import numpy as np

    held_out = (found.fold >= 0).all(0)  # the same rows in every shuffle, so that intervals are of the same groups
    everyone, pianists = (
        _judged(which, np.flatnonzero(chosen), found, rows, labels, pairing, margin, draws)
        for which, chosen in (
            (ALL, held_out),
            (PIANISTS, held_out & np.array([not row["machine"] for row in rows], bool)),
        )
    )
    return Judgement(found.protocol, found.protocol in LEAKY, UNITS[found.protocol], everyone, pianists, found)


def _judged(
    which: str,
    chosen: Any,
    found: OutOfFold,
    rows: Sequence[Row],
    labels: Floats,
    pairing: Naming,
    margin: float,
    draws: int,
) -> Judged:
    import numpy as np

    kept, y = [rows[row] for row in chosen], labels[chosen]
    drawn, names = [row[UNITS[found.protocol]] for row in kept], [pairing(row) for row in kept]
    shuffles = [
        (scores[chosen], fold[chosen], list(zip(fold[chosen].tolist(), names, strict=True)))
        for scores, fold in zip(found.scores, found.fold, strict=True)
    ]
    ordered = [pair_accuracy(scores, y, together, margin=margin) for scores, _, together in shuffles]
    r2_figure = MeanOf(tuple(r2_sums(scores, y, drawn) for scores, _, _ in shuffles))
    pairs_figure = MeanOf(
        tuple(pair_sums(scores, y, together, drawn, margin=margin) for scores, _, together in shuffles)
    )
    in_folds = [
        mean_of_known([mean_of_known(r2(scores[fold == one], y[fold == one])) for one in np.unique(fold)])
        for scores, fold, _ in shuffles
    ]
    return Judged(
        rows=which,
        segments=len(kept),
        r2=bootstrap(r2_figure, draws=draws),
        r2_by_fold=float(np.mean(in_folds)),
        pairs=bootstrap(pairs_figure, draws=draws),
        compared=int(sum(one.compared.sum() for one in ordered)),
        ccc=mean_of_known([ccc(scores, y) for scores, _, _ in shuffles]),
        r2_by_dimension=np.asarray(np.mean([r2(scores, y) for scores, _, _ in shuffles], axis=0)),
        pairs_by_dimension=np.asarray(np.mean([one.per_dimension for one in ordered], axis=0)),
        r2_figure=r2_figure,
        pairs_figure=pairs_figure,
    )


def _of_dataset(fold: Fold, dataset: HandDataset) -> Fold:
    """The fold without the segments that the dataset had to leave out.

    Raises:
        SetupError: Nothing is left on one side.
    """
    gone = dataset.left_out or {}
    train, val = (tuple(key for key in keys if key not in gone) for keys in (fold.train, fold.val))
    if not train or not val:
        raise SetupError(f"fold {fold.name} by {fold.protocol} has no segment with features on one side")
    return replace(fold, train=train, val=val)
