"""Verdicts on pretrained encoders: would another run pretrain again, and did one see a rated work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.training.checkpoints import CheckpointFiles
from crescendai_assets.training.pretrain_plan import PretrainPlace, plan_pretraining
from crescendai_assets.training.pretrain_settings import PRODUCTS, PretrainSettings
from crescendai_assets.training.pretrain_tiers import rated_recordings
from crescendai_assets.training.pretrained import FOLDER, PretrainReport, is_whole, mark_of, read_pretrained
from crescendai_assets.training.pretraining import check_no_evaluation_work, corpus_path


def pretrained_seeds(root: Path, model: str) -> list[tuple[CheckpointFiles, PretrainReport]]:
    """The finished pretrainings of a model, by seed."""
    folders = sorted((root / "checkpoints" / FOLDER / model).glob("seed*"))
    found = [(CheckpointFiles(folder), read_pretrained(CheckpointFiles(folder))) for folder in folders]
    return [(files, report) for files, report in found if report]


def check_pretrained(place: PretrainPlace, model: str, expected: str | None) -> Outcome:
    """Every seed is what it would be pretrained as now, and one of them is what the last run recorded.

    Args:
        place: Where.
        model: Key.
        expected: Hash of the weights that the last run recorded; None when it recorded none.
    """
    found = pretrained_seeds(place.root, model)
    faults: list[Row] = []
    for files, report in found:
        settings = PretrainSettings(**report.settings)
        try:
            mark = mark_of(plan_pretraining(place, settings), settings)
        except SetupError as error:
            faults.append({"id": f"seed{report.seed}", "fault": str(error)})
            continue
        if not is_whole(files, report, mark):
            faults.append({"id": f"seed{report.seed}", "fault": "recordings, code or files have changed"})
    if expected is not None and expected not in [report.weights for _, report in found]:
        faults.append({"id": model, "fault": f"no seed has the weights that the last run recorded ({expected[:12]})"})
    facts: dict[str, Any] = {"seeds": ", ".join(str(report.seed) for _, report in found) or "none"}
    return outcome(faults, "nothing to do: a second run would change nothing", "faults: run the asset again", facts)


def check_learnt_from(place: PretrainPlace, model: str) -> Outcome:
    """No recording that the weights on disk learnt from is of a rated work, as far as is known now.

    Of the corpus roles, names and notes are looked at, of the tiers titles and the corpus's roles.
    """
    faults: list[Row] = []
    if model in PRODUCTS:
        path = corpus_path(place.corpus)
        rated = {row["recording_id"]: row["why"] for row in read_rows(path) if row["role"] == "held_out"}
    else:
        rated = dict.fromkeys(rated_recordings(place), "its title or its music may be a rated work's")
    counted = 0
    for files, report in pretrained_seeds(place.root, model):
        rows = list(read_rows(files.learnt_from))
        if (wanted := sum(report.recordings.values())) != len(rows):
            fault = (
                f"names {len(rows)} recordings and {wanted} were learnt from: remove the folder, run the asset again"
            )
            faults.append({"id": files.learnt_from.name, "fault": fault})
        for row in rows:
            counted += 1
            if why := rated.get(row["recording_id"]):
                faults.append({"id": row["recording_id"], "fault": f"seed{report.seed} learnt from it: {why}"})
    if model in PRODUCTS and not faults and not (corpus := check_no_evaluation_work(place.corpus)).passed:
        return corpus
    facts = {"looked_at": counted, "rated_recordings": len(rated)}
    return outcome(faults, f"none of {counted} recordings is of a work that is judged", "leaks", facts)
