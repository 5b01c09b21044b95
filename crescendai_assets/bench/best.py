"""The best symbolic model on PercePiano itself, beside S0 on the same folds and the same draws.

Data are given as for `reference`. For each protocol: R² and pairs, and how much they are over S0's: the figure of a
difference is the lower end of its 95 % interval, which has to be above 0, with the difference itself among the facts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crescendai_assets.bench.measure import Figure, Target, seconds
from crescendai_assets.bench.rated import MIDI, SCORES, missing, percent, prepared
from crescendai_assets.evaluation.bootstrap import DRAWS, Difference
from crescendai_assets.evaluation.protocols import (
    Judgement,
    Naming,
    Regressor,
    as_published,
    judge,
    same_passage,
)
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.folds import plan_folds, write_folds
from crescendai_assets.labels.protocols import SEEDS, Fold, Protocol
from crescendai_assets.models.hand import HandReference, HandSettings
from crescendai_assets.models.stack import EnsembleSettings, SymbolicEnsemble
from crescendai_assets.training.hand_dataset import HandDataset, with_relative
from crescendai_assets.training.note_dataset import with_note_features

_KINDS = {"r2": "variance of 19 ratings explained", "pairs": "pairs in the right order"}


@dataclass(frozen=True)
class _Matter:
    """What is judged.

    Attributes:
        name: Of the figures.
        what: In words.
        protocol: Which folds.
        targets: Of (R², pairs), in percent.
        relative: Whether it may look at the passage's other performances.
        pairing: Which rows are compared.
        fresh: Whether by the shuffles of `_FRESH_SEEDS`.
    """

    name: str
    what: str
    protocol: Protocol
    targets: tuple[float, float] | None = None
    relative: bool = False
    pairing: Naming = same_passage
    fresh: bool = False


_FRESH_SEEDS = (3, 4, 5)
"""Shuffles that nobody looked at while the best model was chosen: what they say was not chosen for."""

_MATTERS = (
    _Matter("passage", "new music", "passage", (50.0, 75.5)),
    _Matter("passage_fresh", "new music, shuffles that no choice was made by", "passage", (50.0, 75.5), fresh=True),
    _Matter("passage_relative", "new music, told the passage's other performances too", "passage", relative=True),
    _Matter("passage_by_content", "new music, no take in common", "passage_by_content"),
    _Matter("performer", "new pianists", "performer"),
    _Matter("work", "a new work", "work"),
    _Matter("published", "published folds and pairs, leaky", "published", (54.0, 80.0), pairing=as_published),
)


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """R² and pairs of each protocol and how much over S0; skipped where the data are not given."""
    given, published = os.environ.get("PERCEPIANO_DIR", ""), os.environ.get("PERCEPIANO_FOLDS", "")
    if lacking := missing(given):
        for matter in _MATTERS:
            yield from (replace(figure, skipped=lacking) for figure in _figures(matter))
        return
    files, source = LabelFiles(folder / "percepiano_cache"), Path(given)
    hand = prepared(files, source)
    notes = with_note_features(hand, source / MIDI, source / SCORES)
    seeds = SEEDS[:1] if quick else SEEDS
    folds = write_folds(files, Path(published) if published else None, seeds=seeds)
    fresh = plan_folds(files, seeds=_FRESH_SEEDS[: len(seeds)])
    for matter in _MATTERS:
        of_protocol = (fresh if matter.fresh else folds).of(matter.protocol)
        if not of_protocol:
            yield from (replace(figure, skipped="set PERCEPIANO_FOLDS") for figure in _figures(matter))
            continue
        yield from _judged(matter, hand, notes, of_protocol, quick=quick)


def _judged(
    matter: _Matter, hand: HandDataset, notes: HandDataset, folds: Sequence[Fold], *, quick: bool
) -> Iterator[Figure]:
    if matter.relative:
        hand, notes = with_relative(hand), with_relative(notes)
    of_s0 = HandSettings(trees=20) if quick else HandSettings()
    of_best = EnsembleSettings()
    if quick:
        of_best = replace(of_best, hand=replace(of_best.hand, trees=20))
    told: dict[str, Any] = {"pairing": matter.pairing, "draws": 100 if quick else DRAWS}
    held: list[Judgement] = []

    def best(fold: Fold) -> Regressor:
        return SymbolicEnsemble(notes.feature_names, replace(of_best, hand=replace(of_best.hand, seed=fold.seed or 0)))

    taken = seconds(lambda: held.append(judge(best, notes, folds, **told)))
    reference = judge(lambda fold: HandReference(replace(of_s0, seed=fold.seed or 0)), hand, folds, **told)
    (judged,) = held
    facts = {**notes.facts, "folds": len(folds), "seconds": round(taken, 1)}
    yield from _figures(matter, judged, reference, draws=told["draws"], facts=facts)


def _figures(
    matter: _Matter,
    judged: Judgement | None = None,
    reference: Judgement | None = None,
    *,
    draws: int = 0,
    facts: dict[str, Any] | None = None,
) -> Iterator[Figure]:
    """Both kinds, each followed by how much it is over S0's; in percent."""
    over: dict[str, Difference] = {}
    if judged and reference:
        over = dict(zip(_KINDS, judged.everyone.better_than(reference.everyone, draws=draws), strict=True))
    for place, (kind, what) in enumerate(_KINDS.items()):
        name, said = f"best.{matter.name}.{kind}", f"best symbolic, {matter.protocol} folds ({matter.what}): {what}"
        target = None if matter.targets is None else Target("at least", matter.targets[place])
        figure = Figure(name, said, None, target, unit="%")
        lower = Figure(f"{name}_over_s0", f"{said}, over S0, lower end", None, Target("at least", 0), unit="%")
        if judged and reference:
            value = getattr(judged.everyone, kind)
            figure = replace(figure, measured=100 * value.value, facts={**_facts(judged, kind), **(facts or {})})
            lower = replace(
                lower,
                measured=100 * over[kind].low,
                facts={
                    "s0": percent(getattr(reference.everyone, kind).value),
                    "difference": percent(over[kind].value),
                    "low": percent(over[kind].low),
                    "high": percent(over[kind].high),
                },
            )
        yield figure
        yield lower


def _facts(judged: Judgement, kind: str) -> dict[str, Any]:
    found = judged.everyone
    interval = getattr(found, kind)
    return {
        "low": percent(interval.low),
        "high": percent(interval.high),
        "drawn": judged.unit,
        "without_machine": percent(getattr(judged.pianists, kind).value),
        "held_out": found.segments,
        "shuffles": len(judged.out_of_fold.seeds),
    } | ({"leaky": True} if judged.leaky else {})
