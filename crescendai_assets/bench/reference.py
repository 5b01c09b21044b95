"""The reference model S0 on PercePiano itself, in every protocol, beside the figures it has to reach.

`PERCEPIANO_DIR` is the folder with `total_2rounds.csv`, `midi/` and `score_midi/`; `PERCEPIANO_FOLDS` the file of
published folds. R² is told over all held-out rows of a shuffle, the mean of each fold's own beside it as `r2_by_fold`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crescendai_assets.bench.measure import Figure, Target, seconds
from crescendai_assets.bench.rated import missing, percent, prepared
from crescendai_assets.evaluation.bootstrap import DRAWS
from crescendai_assets.evaluation.protocols import (
    Judgement,
    Naming,
    as_published,
    judge_predictions,
    out_of_fold,
    same_passage,
)
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.folds import write_folds
from crescendai_assets.labels.protocols import SEEDS, Fold, Protocol
from crescendai_assets.models.hand import HandReference, HandSettings
from crescendai_assets.training.hand_dataset import HandDataset, with_relative

_QUICK = HandSettings(trees=20)


@dataclass(frozen=True)
class _Matter:
    """What is judged, and the figures that were told of it before, if any (percent).

    Attributes:
        name: Of the figures.
        what: In words.
        protocol: Which folds.
        r2: Told before: mean over shuffles; None where nothing was.
        pairs: Told before.
        by_seed: (R², pairs) of each shuffle, where they were told.
        relative: With differences from the passage's other performances.
        pairing: Which rows are compared.
    """

    name: str
    what: str
    protocol: Protocol
    r2: float | None
    pairs: float | None
    by_seed: tuple[tuple[float, float], ...] = ()
    relative: bool = False
    pairing: Naming = same_passage


_MATTERS = (
    _Matter("passage", "new music", "passage", 44.4, 72.4, ((42.0, 71.9), (44.6, 72.5), (46.5, 72.7))),
    _Matter(
        "passage_relative",
        "new music, told the passage's other performances too",
        "passage", 46.4, 73.8, ((43.8, 73.3), (46.8, 74.0), (48.6, 74.0)), relative=True,
    ),
    _Matter("passage_by_content", "new music, no take on both sides", "passage_by_content", None, None),
    _Matter("performer", "new pianists", "performer", 49.3, 71.9),
    _Matter("work", "a new work", "work", 19.1, 69.6),
    _Matter("published", "published folds and pairs, leaky", "published", 50.4, 77.1, pairing=as_published),
)  # fmt: skip


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """R² and pairs of each protocol; skipped where the data are not given."""
    given, published = os.environ.get("PERCEPIANO_DIR", ""), os.environ.get("PERCEPIANO_FOLDS", "")
    if lacking := missing(given):
        for matter in _MATTERS:
            yield from (replace(figure, skipped=lacking) for figure in _figures(matter))
        return
    files = LabelFiles(folder / "percepiano_cache")
    dataset, seeds = prepared(files, Path(given)), SEEDS[:1] if quick else SEEDS
    folds = write_folds(files, Path(published) if published else None, seeds=seeds)
    for matter in _MATTERS:
        if not folds.of(matter.protocol):
            yield from (replace(figure, skipped="set PERCEPIANO_FOLDS") for figure in _figures(matter))
            continue
        data = with_relative(dataset) if matter.relative else dataset
        yield from _judged(matter, data, folds.of(matter.protocol), quick=quick)


def _judged(matter: _Matter, data: HandDataset, folds: Sequence[Fold], *, quick: bool) -> Iterator[Figure]:
    settings, draws = (_QUICK, 100) if quick else (HandSettings(), DRAWS)
    held: list[Any] = []

    def train() -> None:
        held.append(out_of_fold(lambda fold: HandReference(replace(settings, seed=fold.seed or 0)), data, folds))

    taken = seconds(train)
    (found,) = held
    facts = {**data.facts, "folds": len(folds), "trees": settings.trees, "seconds": round(taken, 1)}

    def told(which: Any) -> Judgement:
        return judge_predictions(which, data.rows, data.labels, pairing=matter.pairing, draws=draws)

    for seed, (r2, pairs) in zip(found.seeds if matter.by_seed else (), matter.by_seed, strict=False):
        of_seed = replace(
            matter, name=f"{matter.name}_s{seed}", what=f"{matter.what}, split seed {seed}", r2=r2, pairs=pairs
        )
        yield from _figures(of_seed, told(found.of_seed(seed)), {})
    yield from _figures(matter, told(found), facts)


def _figures(matter: _Matter, judged: Judgement | None = None, facts: dict[str, Any] | None = None) -> Iterator[Figure]:
    """R² and pairs, in percent."""
    for kind, bound, what in (
        ("r2", matter.r2, "variance of 19 ratings explained"),
        ("pairs", matter.pairs, "pairs in the right order"),
    ):
        figure = Figure(
            f"reference.{matter.name}.{kind}",
            f"S0, {matter.protocol} folds ({matter.what}): {what}",
            None,
            None if bound is None else Target("at least", bound),
            unit="%",
        )
        if judged is not None:
            value = getattr(judged.everyone, kind).value
            figure = replace(figure, measured=100 * value, facts={**_facts(judged, kind), **(facts or {})})
        yield figure


def _facts(judged: Judgement, kind: str) -> dict[str, Any]:
    found, pianists = judged.everyone, judged.pianists
    interval = getattr(found, kind)
    facts: dict[str, Any] = {
        "low": percent(interval.low),
        "high": percent(interval.high),
        "drawn": judged.unit,
        "without_machine": percent(getattr(pianists, kind).value),
        "held_out": found.segments,
    }
    if kind == "r2":
        facts |= {"r2_by_fold": percent(found.r2_by_fold), "ccc": round(found.ccc, 3)}
    else:
        facts["compared"] = found.compared
    return facts | ({"leaky": True} if judged.leaky else {})
