"""Which finished checkpoints score a new performance: all folds of one model, the best that can take what is there.

A model is judged by what its folds said of rows held out, as in the comparison reports. What it says of a performance
is in `scoring`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crescendai_assets.evaluation.agreement import r2
from crescendai_assets.evaluation.arrays import mean_of_known
from crescendai_assets.evaluation.comparison import Judges
from crescendai_assets.evaluation.pairs import pair_accuracy
from crescendai_assets.evaluation.robustness_report import robustness_of, robustness_rows
from crescendai_assets.evaluation.scoring_intervals import HeldOut
from crescendai_assets.evaluation.table import ModelResult, pick_winner
from crescendai_assets.labels.protocols import LEAKY, PROTOCOLS, Fold, Protocol
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.asked import Checkpoint, opened
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport, finished
from crescendai_assets.training.one_performance import SYMBOLIC_KINDS
from crescendai_assets.training.one_sound import SOUND_KINDS
from crescendai_assets.training.registry import MODELS, ModelSpec, spec_of
from crescendai_assets.training.t1_plan import Kind, T1Place

Wanted = Mapping[str, Path | None]
"""What a performance is given as: `audio`, `midi`, `score`."""


@dataclass(frozen=True, eq=False)
class Member:
    """The checkpoint of one fold.

    Attributes:
        checkpoint: What is asked.
        fold: What it was trained in.
        held_out: What it said of the rows held out.
        passages: Of these rows.
    """

    checkpoint: Checkpoint
    fold: Fold
    held_out: HeldOut
    passages: tuple[str, ...]

    @property
    def report(self) -> FitReport:
        """What it is."""
        return self.checkpoint.report


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A model: the checkpoints of its finished folds by one protocol.

    Attributes:
        spec: Of the registry.
        protocol: Of the folds.
        seed: Of the trainings.
        members: Finished folds.
        missing: Folds that are not finished, by name.
        r2: Mean over dimensions and shuffles, of rows held out.
        pairs: Share of pairs within passages in the right order, likewise.
        whole: Whether the two figures are of whole shuffles.
        drop: How far its scores fall on degraded sound, percent; None where that was not measured.
    """

    spec: ModelSpec
    protocol: Protocol
    seed: int
    members: tuple[Member, ...]
    missing: tuple[str, ...]
    r2: float
    pairs: float
    whole: bool
    drop: float | None = None

    @property
    def leaky(self) -> bool:
        """Whether the protocol is known to leak."""
        return self.protocol in LEAKY

    @property
    def encoder(self) -> tuple[str, str]:
        """Of the embeddings it was trained over, in words, and its digest; empty for models of symbols."""
        return self.members[0].report.encoder

    @property
    def figures(self) -> ModelResult:
        """As a comparison has them."""
        return ModelResult(self.spec.key, r2=self.r2, pairwise=self.pairs, score_drop_pct=self.drop, leaky=self.leaky)

    @property
    def fall(self) -> str:
        """How far its scores fall, in words; empty where that was not measured."""
        return "" if self.drop is None else f"its scores fall by {self.drop:.1f} % on degraded sound"

    @property
    def vetoed(self) -> bool:
        """Whether its scores fall too far on degraded sound to win a comparison."""
        return self.figures.vetoed

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it listens to."""
        return self.members[0].checkpoint.kinds

    @property
    def needs(self) -> tuple[str, ...]:
        """What it has to be given: of `audio`, `midi`, `score`."""
        wanted = {
            "audio": bool(self.kinds & SOUND_KINDS),
            "midi": bool(self.kinds - SOUND_KINDS),
            "score": "notes" in self.kinds,
        }
        return tuple(name for name, needed in wanted.items() if needed)

    def lacks(self, given: Wanted) -> tuple[str, ...]:
        """What of it is not given."""
        return tuple(name for name in self.needs if given.get(name) is None)


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

    def without_score(self) -> Choice | None:
        """The best of the others that need no score; None where there is none."""
        able = [one for one in self.others if "score" not in one.needs]
        if not able:
            return None
        first, best = self.ensemble, _best(able)
        why = f"{first.spec.key} is better on rows held out (pairs {first.pairs:.1%}) and needs a score that fits"
        rest = tuple(one for one in able if one is not best)
        return replace(self, ensemble=best, passed_over=(why, *self.passed_over), others=rest)


def choose(place: T1Place, judges: Judges, given: Wanted, *, model: str = "", protocol: str, seed: int) -> Choice:
    """The model asked for; without a wish the one with the best pairs held out of those that take what is given.

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
    able, refused = _ensembles(place, keys, judges, judges.folds[_known(protocol)], seed)
    if not able:
        raise SetupError(_nothing_trained(place.root, keys, protocol, seed, refused))
    takes = [one for one in able if not one.lacks(given)]
    if not takes:
        lacking = "; ".join(f"{one.spec.key} needs {_named(one.lacks(given))}" for one in able)
        why = "".join(f"\n{one}" for one in refused)
        raise SetupError(
            f"no trained model can take what is given: {lacking}. Give it, or train one that does without{why}"
        )
    chosen = _best(takes)
    over = [
        f"{one.spec.key} is better on rows held out (pairs {one.pairs:.1%}) and {why}"
        for one in able
        if one.pairs > chosen.pairs and (why := _why_not(one, given))
    ]
    return Choice(chosen, (*over, *refused), tuple(one for one in takes if one is not chosen))


def _best(takes: Sequence[Ensemble]) -> Ensemble:
    """By pairs held out; a vetoed one or one without a whole shuffle only where there is no other."""
    held = [one for one in takes if not one.vetoed] or takes
    whole = [one for one in held if one.whole] or held
    best = pick_winner([replace(one.figures, score_drop_pct=None) for one in whole])
    return next((one for one in whole if one.spec.key == best), whole[0])


def _why_not(one: Ensemble, given: Wanted) -> str:
    if lacking := one.lacks(given):
        return f"needs {_named(lacking)}"
    return f"is vetoed: {one.fall}" if one.vetoed else ""


def _known(protocol: str) -> Protocol:
    return next(one for one in PROTOCOLS if one == protocol)


def _ensembles(
    place: T1Place, keys: Sequence[str], judges: Judges, folds: Sequence[Fold], seed: int
) -> tuple[list[Ensemble], list[str]]:
    """Models with a finished fold that belongs to the labels at hand, and what was refused."""
    by_name = {fold.name: fold for fold in folds}
    found: dict[str, list[Member]] = {}
    refused: list[str] = []
    for files, report in finished(place.root, list(keys)):
        if report.protocol != folds[0].protocol or report.seed != seed:
            continue
        said = _member(place.root, files, report, by_name.get(report.fold), judges)
        if isinstance(said, Member):
            found.setdefault(report.model, []).append(said)
        else:
            refused.append(f"{report.model} of {report.partition} is not used: {said}")
    measured = robustness_rows(place)
    ensembles = []
    for key, members in found.items():
        held, _ = robustness_of([member.report for member in members], measured)
        ensembles.append(_ensemble(spec_of(key), members, folds, seed, held.mean.score_drop_pct if held else None))
    return ensembles, refused


def _member(root: Path, files: CheckpointFiles, report: FitReport, fold: Fold | None, judges: Judges) -> Member | str:
    """A checkpoint, or why it cannot be used."""
    import numpy as np

    if fold is None:
        return "there is no such fold any more"
    if report.labels != judges.digest:
        return "it was trained on another label set"
    rows = {row["segment_id"]: row["scores"] for row in read_rows(files.scores)}
    if not rows or not set(rows) <= set(fold.val):
        return "it was trained on another fold of this name"
    try:
        checkpoint = opened(root, files, report)
    except SetupError as error:
        return str(error)
    if unknown := sorted(checkpoint.kinds - SYMBOLIC_KINDS - SOUND_KINDS):
        return f"it listens to {unknown[0]}, which cannot be made of one performance yet"
    place = {row["segment_id"]: at for at, row in enumerate(judges.rows)}
    at = [place[key] for key in rows]
    held_out = HeldOut(np.array(list(rows.values()), np.float64), judges.labels[at], fold.seed)
    return Member(checkpoint, fold, held_out, tuple(judges.rows[row]["passage"] for row in at))


def _ensemble(
    spec: ModelSpec, members: Sequence[Member], folds: Sequence[Fold], seed: int, drop: float | None
) -> Ensemble:
    done = {one.fold.name for one in members}
    shuffles = list(dict.fromkeys(fold.seed for fold in folds))
    whole = [one for one in shuffles if all(fold.name in done for fold in folds if fold.seed == one)]
    told = whole or [one for one in shuffles if any(member.fold.seed == one for member in members)]
    figures = [_figures([member for member in members if member.fold.seed == one]) for one in told]
    return Ensemble(
        spec=spec,
        protocol=folds[0].protocol,
        seed=seed,
        members=tuple(members),
        missing=tuple(fold.name for fold in folds if fold.name not in done),
        r2=mean_of_known([one[0] for one in figures]),
        pairs=mean_of_known([one[1] for one in figures]),
        whole=bool(whole),
        drop=drop,
    )


def _figures(members: Sequence[Member]) -> tuple[float, float]:
    """R² over all rows of a shuffle, and its pairs within passages; scores of two models are never compared."""
    import numpy as np

    said = np.concatenate([one.held_out.said for one in members])
    was = np.concatenate([one.held_out.was for one in members])
    together = [(one.fold.name, passage) for one in members for passage in one.passages]
    return mean_of_known(r2(said, was)), pair_accuracy(said, was, together).overall


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
