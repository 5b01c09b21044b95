"""Models side by side from the checkpoints that are finished: what each said of rows held out, judged alike.

A figure is told of whole shuffles only; where no shuffle of a model is complete, of the folds that are there, and the
missing ones are named, never filled. Models are compared with the reference on the rows that both were asked about.
What it consists of is in `comparison`, how it is written down in `report_text`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from crescendai_assets.evaluation.bootstrap import DRAWS, Difference
from crescendai_assets.evaluation.comparison import Comparison, Entry, Judges, Over, Section, read_judges
from crescendai_assets.evaluation.difficulty import difficulty_rho
from crescendai_assets.evaluation.protocols import OutOfFold, as_published, judge_predictions
from crescendai_assets.evaluation.robustness_report import robustness_of, robustness_rows
from crescendai_assets.evaluation.side_by_side import (
    Scored,
    held_out_scores,
    judged,
    shared_rows,
    side_by_side,
)
from crescendai_assets.evaluation.table import ModelResult, pick_winner
from crescendai_assets.labels.baselines import ALL
from crescendai_assets.labels.protocols import LEAKY, PROTOCOLS, Fold, Protocol
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport, finished
from crescendai_assets.training.registry import MODELS, REFERENCES, Track
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import T1Place

COMPARISONS: Mapping[str, tuple[tuple[Track, ...], str]] = {
    "symbolic_comparison": (("symbolic",), REFERENCES["symbolic"]),
    "audio_comparison": (("audio",), REFERENCES["audio"]),
    "fusion": (("fusion", "audio", "symbolic"), REFERENCES["fusion"]),
}
"""Report -> tracks whose models stand in it, and the model that the others are compared with."""


def compare(place: T1Place, name: str, *, draws: int = DRAWS, levels: Path | None = None) -> Comparison:
    """Judge all finished checkpoints of one comparison.

    Args:
        place: Where the rated set and the checkpoints are.
        name: One of `COMPARISONS`.
        draws: Of the bootstrap.
        levels: A csv of works' difficulty, None where none is given.

    Raises:
        SetupError: The rated set was not materialized, or the csv is at fault.
    """
    tracks, reference = COMPARISONS[name]
    judges = read_judges(place.labels, levels)
    models = [spec.key for spec in MODELS.values() if spec.track in tracks]
    measured = robustness_rows(place)
    said, refused = _said(place, models, judges)
    sections = [
        _section(
            protocol, {m: of[protocol] for m, of in said.items() if protocol in of}, judges, reference, draws, measured
        )
        for protocol in PROTOCOLS
        if any(protocol in of for of in said.values())
    ]
    absent = tuple(model for model in models if not any(one.split(" ")[0] == model for one in said))
    return Comparison(name, reference, tuple(sections), absent, refused, judges)


_OfProtocol = dict[Protocol, list[Scored]]


def _said(place: T1Place, models: Sequence[str], judges: Judges) -> tuple[dict[str, _OfProtocol], dict[str, str]]:
    """Name (with its seed) -> protocol -> what it said of each finished fold; and checkpoints that cannot be used."""
    folds = {(fold.protocol, fold.name): fold for of in judges.folds.values() for fold in of}
    found: dict[str, _OfProtocol] = defaultdict(lambda: defaultdict(list))
    refused: dict[str, str] = {}
    for files, report in finished(place.root, list(models)):
        fold = folds.get((report.protocol, report.fold))
        scores = {row["segment_id"]: row["scores"] for row in read_rows(files.scores)}
        if fault := _fault(report, fold, scores, judges):
            refused[_shown(files, place)] = fault
        elif fold:
            name = report.model if report.seed == 0 else f"{report.model} seed {report.seed}"
            found[name][report.protocol].append(Scored(fold, report, scores))
    return found, refused


def _fault(report: FitReport, fold: Fold | None, scores: Mapping[str, Sequence[float]], judges: Judges) -> str:
    """Why a checkpoint cannot be judged; empty where it can."""
    if fold is None:
        return "there is no such fold any more"
    if report.labels != judges.digest:
        return "was trained on other labels"
    if not scores or not set(scores) <= set(fold.val):
        return "was trained on another fold of this name"
    return ""


def _shown(files: CheckpointFiles, place: T1Place) -> str:
    return files.folder.relative_to(place.root / "checkpoints").as_posix()


def _section(
    protocol: Protocol,
    said: Mapping[str, list[Scored]],
    judges: Judges,
    reference: str,
    draws: int,
    measured: Mapping[str, Sequence[Row]],
) -> Section:
    folds = judges.folds[protocol]
    out = {name: held_out_scores(protocol, scored, folds, judges) for name, scored in said.items()}
    entries = tuple(
        _entry(name, scored, out[name], out.get(reference) if name != reference else None, judges, draws, measured)
        for name, scored in said.items()
    )
    able = {entry.name: out[entry.name] for entry in entries if entry.whole}
    fair = side_by_side(able) if able else {}
    if not fair:
        return Section(protocol, entries, (), (), {}, None, 0)
    results = tuple(_result(entry, fair[entry.name], judges, draws) for entry in entries if entry.name in fair)
    winner = pick_winner(results)
    behind: dict[str, Difference] = {}
    for name, one in able.items():
        if winner is not None and name != winner and (over := _over(able[winner], one, judges, draws)):
            behind[name] = over[ALL].pairs
    shuffles = next(iter(fair.values())).seeds
    return Section(protocol, entries, shuffles, results, behind, winner, shared_rows(fair))


def _result(entry: Entry, found: OutOfFold, judges: Judges, draws: int) -> ModelResult:
    """A row of the short table."""
    everyone, held = judged(found, judges, draws).everyone, entry.robustness
    return ModelResult(
        entry.name,
        r2=everyone.r2.value,
        pairwise=everyone.pairs.value,
        difficulty_rho=difficulty_rho(found, judges.difficulty),
        pearson_r=held.mean.pearson_r if held else None,
        score_drop_pct=held.mean.score_drop_pct if held else None,
        gpu_hours=entry.gpu_hours,
        leaky=found.protocol in LEAKY,
        worst=(held.worst, held.by_effect[held.worst].score_drop_pct) if held else None,
    )


def _entry(
    name: str,
    scored: Sequence[Scored],
    found: OutOfFold,
    reference: OutOfFold | None,
    judges: Judges,
    draws: int,
    measured: Mapping[str, Sequence[Row]],
) -> Entry:
    folds = judges.folds[found.protocol]
    used = [one for one in scored if one.fold.seed in found.seeds]
    published = None
    if found.protocol in LEAKY:
        pairs = judge_predictions(found, judges.rows, judges.labels, pairing=as_published, draws=draws)
        published = pairs.everyone.pairs
    held, unknown = robustness_of([one.report for one in used], measured)
    rho = difficulty_rho(found, judges.difficulty)
    on_gpu = [one.report for one in used if not one.report.device.startswith("CPU")]
    return Entry(
        name=name,
        judgement=judged(found, judges, draws),
        published_pairs=published,
        done=tuple(one.fold.name for one in used),
        missing=tuple(fold.name for fold in folds if fold.name not in {one.fold.name for one in scored}),
        whole=len(used) == sum(fold.seed in found.seeds for fold in folds),
        by_fold={one.fold.name: one.report.figures.get("r2", float("nan")) for one in used},
        over={} if reference is None else _over(found, reference, judges, draws),
        gpu_hours=sum(report.seconds for report in on_gpu) / 3600 if on_gpu else None,
        difficulty_rho=rho,
        robustness=held,
        robustness_missing=unknown,
        notes=(*_notes(used), *_of_difficulty(rho, judges)),
    )


def _notes(used: Sequence[Scored]) -> tuple[str, ...]:
    reports = [one.report for one in used]
    notes = {note for report in reports for note in report.notes}
    notes |= {f"over {report.encoder[0]}" for report in reports if "UNTRAINED" in report.encoder[0]}
    if left_out := max((report.rows["left_out"] for report in reports), default=0):
        notes.add(f"{left_out} rated segments could not be used")
    if len({_decisive(report) for report in reports}) > 1:
        notes.add("folds were trained with different settings")
    if len({report.learnt_from for report in reports}) > 1:
        notes.add("folds learnt from different recordings of T2, T3 and T4 beside ratings")
    if len({report.encoder[1] for report in reports}) > 1:
        notes.add("folds were trained over different encoders")
    return tuple(sorted(notes))


def _decisive(report: FitReport) -> str:
    """Of its settings what makes another model: neither where it was trained, nor what was not there to learn from."""
    settings = FitSettings.of(report.settings)
    weights = (settings.l_con, settings.l_inv) if report.learnt_from else ()
    return str((sorted(settings.identity.items()), weights))


def _of_difficulty(rho: float, judges: Judges) -> tuple[str, ...]:
    """Why ρ is not known though works have levels."""
    there = rho == rho or judges.difficulty.missing
    return () if there else ("difficulty n/a: of one level, or one score, in all rows held out",)


def _over(first: OutOfFold, second: OutOfFold, judges: Judges, draws: int) -> dict[str, Over]:
    """How much better the first is, on the rows of both, by set of rows; empty where they share none."""
    found = side_by_side({"first": first, "second": second})
    if not shared_rows(found):
        return {}
    better, other = (judged(one, judges, 0) for one in found.values())
    pairs = ((better.everyone, other.everyone), (better.pianists, other.pianists))
    return {a.rows: Over(*a.better_than(b, draws=draws)) for a, b in pairs}
