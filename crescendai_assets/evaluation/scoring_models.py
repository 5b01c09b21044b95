"""Models that could score a new performance: the checkpoints of their finished folds, and what these said held out.

Which of them is asked is in `scoring_choice`, what it says in `scoring`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.evaluation.comparison import Judges
from crescendai_assets.evaluation.protocols import OutOfFold
from crescendai_assets.evaluation.robustness_report import robustness_of, robustness_rows
from crescendai_assets.evaluation.scoring_intervals import HeldOut
from crescendai_assets.evaluation.side_by_side import Scored, held_out_scores, judged
from crescendai_assets.evaluation.table import ModelResult
from crescendai_assets.labels.protocols import LEAKY, Fold, Protocol
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.asked import Checkpoint, opened
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport, finished
from crescendai_assets.training.one_performance import SYMBOLIC_KINDS
from crescendai_assets.training.one_sound import SOUND_KINDS
from crescendai_assets.training.registry import ModelSpec, spec_of
from crescendai_assets.training.t1_plan import Kind, T1Place

Wanted = Mapping[str, Path | None]
"""What a performance is given as: `audio`, `midi`, `score`."""


@dataclass(frozen=True, eq=False)
class Member:
    """The checkpoint of one fold.

    Attributes:
        checkpoint: What is asked.
        scored: What it said of the rows held out.
        held_out: The same beside their labels.
    """

    checkpoint: Checkpoint
    scored: Scored
    held_out: HeldOut

    @property
    def fold(self) -> Fold:
        """What it was trained in."""
        return self.scored.fold

    @property
    def report(self) -> FitReport:
        """What it is."""
        return self.checkpoint.report


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A model: the checkpoints of its finished folds by one protocol, all over one encoder.

    Attributes:
        spec: Of the registry.
        protocol: Of the folds.
        seed: Of the trainings.
        members: Finished folds.
        missing: Folds that are not finished, by name.
        said: Of the rows held out.
        r2: Mean over dimensions and shuffles, of these rows.
        pairs: Share of pairs within passages in the right order, likewise.
        whole: Whether these are of whole shuffles.
        drop: How far its scores fall on degraded sound, percent; None where that was not measured.
    """

    spec: ModelSpec
    protocol: Protocol
    seed: int
    members: tuple[Member, ...]
    missing: tuple[str, ...]
    said: OutOfFold
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


def ensembles_of(
    place: T1Place, keys: Sequence[str], judges: Judges, folds: Sequence[Fold], seed: int
) -> tuple[list[Ensemble], list[str]]:
    """Models with a finished fold that belongs to the labels at hand, and what of them is not used, and why.

    Args:
        place: Where checkpoints are, and how robust they were found to be.
        keys: Models.
        judges: Labels.
        folds: Of one protocol.
        seed: Of the trainings.
    """
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
    stored, measured = read_identity(place.embeddings.embedding_folder), robustness_rows(place)
    ensembles = []
    for key, every in found.items():
        members, odd = _told_alike(every, stored.digest if stored else "")
        refused += odd
        held, _ = robustness_of([member.report for member in members], measured)
        drop = held.mean.score_drop_pct if held else None
        ensembles.append(_ensemble(spec_of(key), members, judges, folds, seed, drop))
    return ensembles, refused


def _told_alike(members: Sequence[Member], stored: str) -> tuple[list[Member], list[str]]:
    """Those that can be asked together, since they listen to the same through one encoder; and of the others, why not.

    Args:
        members: Of one model.
        stored: Digest of the encoder of the lake's embeddings; folds over another one go before those over this one.
    """
    groups: dict[tuple[frozenset[Kind], tuple[str, ...]], list[Member]] = {}
    for member in members:
        told = member.checkpoint.kinds, tuple(digest for _, digest in _encoders(member.checkpoint))
        groups.setdefault(told, []).append(member)
    kept = max(groups, key=lambda told: (bool(stored) and stored in told[1], len(groups[told])))
    odd = [_unlike(group, groups[kept]) for told, group in groups.items() if told != kept]
    return groups[kept], odd


def _unlike(group: Sequence[Member], asked: Sequence[Member]) -> str:
    one, other = group[0].checkpoint, asked[0].checkpoint
    if one.kinds != other.kinds:
        why = f"listens to {_listed(one.kinds)}, where the folds that are asked listen to {_listed(other.kinds)}"
    else:
        pairs = zip(_encoders(one), _encoders(other), strict=True)
        mine, theirs = next((mine, theirs) for mine, theirs in pairs if mine[1] != theirs[1])
        why = f"was trained over {mine[0] or 'no encoder'}, the folds that are asked over {theirs[0] or 'none'}"
    of = ", ".join(member.report.partition for member in group)
    return f"{one.report.model} of {of} is not used: it {why}"


def _encoders(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """What made the embeddings that it and those it stands on were trained over, in words, and digests."""
    return [checkpoint.report.encoder, *(encoder for one in checkpoint.under for encoder in _encoders(one))]


def _listed(kinds: frozenset[Kind]) -> str:
    return " and ".join(sorted(kinds))


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
    if len(over := {digest: words for words, digest in _encoders(checkpoint) if digest}) > 1:
        return f"it and what it stands on were trained over different encoders ({', '.join(over.values())})"
    if unknown := sorted(checkpoint.kinds - SYMBOLIC_KINDS - SOUND_KINDS):
        return f"it listens to {unknown[0]}, which cannot be made of one performance yet"
    place = {row["segment_id"]: at for at, row in enumerate(judges.rows)}
    at = [place[key] for key in rows]
    held_out = HeldOut(np.array(list(rows.values()), np.float64), judges.labels[at], fold.seed)
    return Member(checkpoint, Scored(fold, report, rows), held_out)


def _ensemble(
    spec: ModelSpec, members: Sequence[Member], judges: Judges, folds: Sequence[Fold], seed: int, drop: float | None
) -> Ensemble:
    done = {one.fold.name for one in members}
    said = held_out_scores(folds[0].protocol, [member.scored for member in members], folds, judges)
    figures = judged(said, judges, 0).everyone
    return Ensemble(
        spec=spec,
        protocol=folds[0].protocol,
        seed=seed,
        members=tuple(members),
        missing=tuple(fold.name for fold in folds if fold.name not in done),
        said=said,
        r2=figures.r2.value,
        pairs=figures.pairs.value,
        whole=all(fold.name in done for fold in folds if fold.seed in said.seeds),
        drop=drop,
    )
