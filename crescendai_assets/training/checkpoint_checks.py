"""Verdicts on checkpoints: would another run train again, and is what was held out really what was scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crescendai_assets.labels.evaluation_works import is_evaluation_work, may_hold_evaluation_work
from crescendai_assets.labels.fold_checks import leaks_of
from crescendai_assets.labels.folds import fold_of_key
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.protocols import LEAKY
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport, read_report
from crescendai_assets.training.pretrain_plan import PretrainPlace
from crescendai_assets.training.pretrain_tiers import rated_recordings
from crescendai_assets.training.settings import T2, T3, FitSettings
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets.training.task import is_current, learnt_from_on_disk, plan_fit


def seeds_of(root: Path, model: str, partition: str) -> list[tuple[CheckpointFiles, FitReport]]:
    """The finished checkpoints of a model in one fold, by seed."""
    folders = sorted((root / "checkpoints" / model / partition).glob("seed*"))
    found = [(CheckpointFiles(folder), read_report(CheckpointFiles(folder))) for folder in folders]
    return [(files, report) for files, report in found if report]


def check_trained(place: T1Place, model: str, partition: str, expected: str | None) -> Outcome:
    """Every seed that was trained is what it would be trained as now, and one of them is what the last run recorded.

    Args:
        place: Where.
        model: Key.
        partition: The fold.
        expected: Digest of the scores that the last run recorded; None when it recorded none.
    """
    found = seeds_of(place.root, model, partition)
    faults: list[Row] = []
    fold = fold_of_key(place.labels, partition)
    for _, report in found:
        task = plan_fit(place, fold, FitSettings.of(report.settings))
        if not is_current(task):
            faults.append({"id": f"seed{report.seed}", "fault": "labels, fold, inputs, code or files have changed"})
    if expected is not None and expected not in [report.scores_digest for _, report in found]:
        faults.append(
            {"id": partition, "fault": f"no seed has the scores that the last run recorded ({expected[:12]})"}
        )
    facts: dict[str, Any] = {"seeds": ", ".join(str(report.seed) for _, report in found) or "none"}
    return outcome(faults, "nothing to do: a second run would change nothing", "faults: run the asset again", facts)


def check_learnt_beside(place: T1Place, model: str, partition: str) -> Outcome:
    """No recording of T2, T3 and T4 that was used beside ratings is of a rated work, as far as is known now."""
    rated = rated_recordings(PretrainPlace.beside(place))
    faults: list[Row] = []
    counted = 0
    for files, report in seeds_of(place.root, model, partition):
        if not report.learnt_from:
            continue
        if learnt_from_on_disk(files) != report.learnt_from:
            fault = "is not what was learnt from: remove the folder, run the asset again"
            faults.append({"id": f"seed{report.seed}/{files.learnt_from.name}", "fault": fault})
            continue
        rows = list(read_rows(files.learnt_from))
        counted += len(rows)
        faults += [
            {"id": row["recording_id"], "fault": f"seed{report.seed} learnt from it, and it may be a rated work"}
            for row in rows
            if row["recording_id"] in rated or _names_rated_work(row)
        ]
    facts = {"looked_at": counted, "rated_recordings": len(rated)}
    return outcome(faults, f"none of {counted} recordings is of a work that is judged", "leaks: train it again", facts)


def _names_rated_work(row: Row) -> bool:
    """Whether what a row calls the piece is a rated work, also of a recording that has left the tables."""
    if row["of"] == T3:
        return is_evaluation_work("", row["piece"]) is not None  # a `work_id`, which tells pieces of a set apart
    return row["of"] == T2 and may_hold_evaluation_work(row["piece"])


def check_split(place: T1Place, model: str, partition: str) -> Outcome:
    """The fold does not leak, and exactly its held-out rows were scored, by models that did not learn from them."""
    fold = fold_of_key(place.labels, partition)
    rows = {row["segment_id"]: row for row in read_passages(place.labels)}
    leaks = leaks_of(fold, rows)
    leaky = fold.protocol in LEAKY
    faults: list[Row] = [] if leaky else [dict(fault) for fault in leaks]
    for files, report in seeds_of(place.root, model, partition):
        scored = {row["segment_id"] for row in read_rows(files.scores)}
        faults += [{"id": key, "fault": "was scored and is not held out"} for key in sorted(scored - set(fold.val))]
        if (missing := len(fold.val) - len(scored)) > report.rows["left_out"]:
            faults.append({"id": f"seed{report.seed}", "fault": f"{missing} rows that were held out have no score"})
    said = f"declared leaky: {len(leaks)} rows of validation leak" if leaky else "nothing is on both sides"
    return outcome(faults, said, "rows leak, or scores are not of what was held out", {"held_out": len(fold.val)})
