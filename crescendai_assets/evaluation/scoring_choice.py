"""Which model scores a new performance: the best of those that can take what there is of it.

Models are told apart as in the comparison reports, on the rows held out that all of them were asked about. What they
are is in `scoring_models`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crescendai_assets.evaluation.comparison import Judges
from crescendai_assets.evaluation.protocols import OutOfFold
from crescendai_assets.evaluation.scoring_models import Ensemble, Wanted, ensembles_of
from crescendai_assets.evaluation.side_by_side import judged, shared_rows, side_by_side
from crescendai_assets.evaluation.table import pick_winner
from crescendai_assets.labels.protocols import PROTOCOLS, Protocol
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training.registry import MODELS, spec_of
from crescendai_assets.training.t1_plan import T1Place


@dataclass(frozen=True, eq=False)
class Choice:
    """The model that scores, and what else was to be had.

    Attributes:
        ensemble: The model.
        passed_over: Better or unusable ones, and why they were not taken.
        others: Those that could be asked instead; empty where the model was asked for.
        unheard: Why the score that was given is not used; empty where it is, or none was given.
    """

    ensemble: Ensemble
    passed_over: tuple[str, ...] = ()
    others: tuple[Ensemble, ...] = ()
    unheard: str = ""

    def without_score(self, judges: Judges) -> Choice | None:
        """The best of the others that need no score; None where there is none."""
        able = [one for one in self.others if "score" not in one.needs]
        if not able:
            return None
        first, best = self.ensemble, _best(able, judges)
        (_, pairs), _ = _on_same_rows([first, best], judges)
        why = f"{first.spec.key} is better on rows held out (pairs {pairs:.1%}) and needs a score that fits"
        rest = tuple(one for one in able if one is not best)
        return replace(self, ensemble=best, passed_over=(why, *self.passed_over), others=rest)


def choose(place: T1Place, judges: Judges, given: Wanted, *, model: str = "", protocol: str, seed: int) -> Choice:
    """The model asked for; without a wish the one with the best pairs held out of those that take what is given.

    Pairs are of the rows that all of these were asked about.

    Args:
        place: Where checkpoints are, and how robust they were found to be.
        judges: Labels and folds.
        given: What there is of the performance.
        model: Key; empty for the best.
        protocol: Of the folds.
        seed: Of the trainings.

    Raises:
        SetupError: There is no such model or protocol, nothing usable is trained, or what it needs is not given.
    """
    if model:
        spec_of(model)
    if protocol not in judges.folds:
        there = ", ".join(judges.folds) or "none: materialize percepiano/folds first"
        raise SetupError(f"there are no folds by {protocol!r}; there are {there} (of {', '.join(PROTOCOLS)})")
    keys = [model] if model else list(MODELS)
    able, refused = ensembles_of(place, keys, judges, judges.folds[_known(protocol)], seed)
    if not able:
        raise SetupError(_nothing_trained(place.root, keys, protocol, seed, refused))
    takes = [one for one in able if not one.lacks(given)]
    if not takes:
        lacking = "; ".join(f"{one.spec.key} needs {_named(one.lacks(given))}" for one in able)
        why = "".join(f"\n{one}" for one in refused)
        raise SetupError(
            f"no trained model can take what is given: {lacking}. Give it, or train one that does without{why}"
        )
    chosen = _best(takes, judges)
    over = []
    for one in able:
        if one is not chosen and (why := _why_not(one, given)):
            its, ours = (pairs for _, pairs in _on_same_rows([one, chosen], judges))
            over += [f"{one.spec.key} is better on rows held out (pairs {its:.1%}) and {why}"] if its > ours else []
    return Choice(chosen, (*over, *refused), tuple(one for one in takes if one is not chosen))


def _best(takes: Sequence[Ensemble], judges: Judges) -> Ensemble:
    """By pairs held out; a vetoed one or one without a whole shuffle only where there is no other."""
    held = [one for one in takes if not one.vetoed] or takes
    whole = [one for one in held if one.whole] or held
    told = zip(whole, _on_same_rows(whole, judges), strict=True)
    best = pick_winner([replace(one.figures, r2=r2, pairwise=pairs, score_drop_pct=None) for one, (r2, pairs) in told])
    return next((one for one in whole if one.spec.key == best), whole[0])


def _on_same_rows(ensembles: Sequence[Ensemble], judges: Judges) -> list[tuple[float, float]]:
    """R² and pairs of each on the rows that all were asked about; on its own where these rows are none or no pairs."""
    fair = side_by_side({one.spec.key: one.said for one in ensembles})
    own = [(one.r2, one.pairs) for one in ensembles]
    if not shared_rows(fair):
        return own
    same = [_on(one, fair[one.spec.key], judges) for one in ensembles]
    return own if any(math.isnan(pairs) for _, pairs in same) else same


def _on(one: Ensemble, some: OutOfFold, judges: Judges) -> tuple[float, float]:
    import numpy as np

    if np.array_equal(some.fold, one.said.fold):  # all that it said
        return one.r2, one.pairs
    figures = judged(some, judges, 0).everyone
    return figures.r2.value, figures.pairs.value


def _why_not(one: Ensemble, given: Wanted) -> str:
    if lacking := one.lacks(given):
        return f"needs {_named(lacking)}"
    return f"is vetoed: {one.fall}" if one.vetoed else ""


def _known(protocol: str) -> Protocol:
    return next(one for one in PROTOCOLS if one == protocol)


def _nothing_trained(root: Path, keys: Sequence[str], protocol: str, seed: int, refused: Sequence[str]) -> str:
    what = f"checkpoints/{keys[0]}" if len(keys) == 1 else "checkpoints/S4 (MIDI and score), S0 (MIDI) or A0 (sound)"
    why = f" ({'; '.join(refused[:2])})" if refused else ""
    return (
        f"{root / 'checkpoints'}: nothing is trained that could score by {protocol} with seed {seed}{why}. Materialize "
        f"{what} in the folds {protocol}-..., at least one, or all for honest intervals"
    )


def _named(names: Sequence[str]) -> str:
    words = {"audio": "the sound", "midi": "the performance's MIDI (--midi)", "score": "the score (--score)"}
    return " and ".join(words[name] for name in names)
