"""The robustness report on disk, `reports/robustness.md` and `.csv` with pictures, and whether it is what it would be.

What is told is `robustness_report`'s and `robustness_text`'s.
"""

from __future__ import annotations

from pathlib import Path

from crescendai_assets.embeddings.folder import committed_embeddings, wanted_embeddings
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.evaluation.comparison import read_judges
from crescendai_assets.evaluation.report_files import ReportFiles, report_files, text_digest
from crescendai_assets.evaluation.robustness_about import listened
from crescendai_assets.evaluation.robustness_pictures import PICTURES, pictures_of
from crescendai_assets.evaluation.robustness_report import RobustnessReport, read_robustness
from crescendai_assets.evaluation.robustness_scores import STAGE, committed_scores, wanted_scores
from crescendai_assets.evaluation.robustness_sound import Degrading, degraded_id
from crescendai_assets.evaluation.robustness_text import as_csv, as_markdown
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import Row
from crescendai_assets.lake.verify import Outcome, both, outcome
from crescendai_assets.training.t1_plan import T1Place

NAME = "robustness"


def write_robustness(place: T1Place, degrading: Degrading) -> tuple[RobustnessReport, dict[str, bytes], ReportFiles]:
    """Write the report of what was measured.

    Returns:
        What was told, its pictures by name, and where it was written.
    """
    report, files = read_robustness(place, degrading), report_files(place.root, NAME)
    pictures = pictures_of(report)
    for title, picture in pictures.items():
        write_atomic(files.picture(title), picture)
    write_atomic(files.table, as_csv(report).encode())
    write_atomic(files.markdown, _markdown(report).encode())
    return report, pictures, files


def check_robustness(place: T1Place, degrading: Degrading, expected: str | None) -> Outcome:
    """Nothing is left to degrade or to ask, and the report is what it would be now.

    Args:
        place: Where the rated set and the checkpoints are.
        degrading: As in the run.
        expected: Data version that the last run recorded.
    """
    report = read_robustness(place, degrading)
    planned = text_digest(_markdown(report), as_csv(report))
    written = check_compiled(planned, report_files(place.root, NAME).digest, expected)
    return both(_check_done(place, degrading), written)


def _check_done(place: T1Place, degrading: Degrading) -> Outcome:
    about = listened(place, read_judges(place.labels), degrading)
    cache, identity = about.cache, read_identity(place.embeddings.embedding_folder)
    if cache is None or identity is None:
        return Outcome(True, "nothing to measure")
    chosen = {degraded_id(clip["segment_id"], effect) for clip in about.clips for effect in degrading.effects}
    wanted = wanted_embeddings(cache, identity, degrading.product)
    have, failed = committed_embeddings(cache, degrading.product), read_failures(cache.stage("augmented_pairs").ledger)
    lost = {i for i in chosen & failed.keys() if failed[i].fingerprint == wanted.get(i)}
    pending = [i for i in sorted(chosen - lost) if i not in wanted or have.get(i) != wanted[i]]
    faults: list[Row] = [{"id": i, "fault": "not degraded and embedded"} for i in pending]
    measured, not_measured = committed_scores(cache), read_failures(cache.stage(STAGE).ledger)
    faults += [
        {"id": name, "fault": "not asked"}
        for name, of in wanted_scores(about).items()
        if measured.get(name) != of and (name not in not_measured or not_measured[name].fingerprint != of)
    ]
    facts = {"degraded_clips": len(chosen), "checkpoints": len(about.checkpoints), "could_not_be_embedded": len(lost)}
    return outcome(faults, "all is measured", "left to measure: run the asset again", facts)


def _markdown(report: RobustnessReport) -> str:
    names = PICTURES if report.measured else ()
    return as_markdown(report, [ReportFiles(Path(), NAME).picture(name).name for name in names])
