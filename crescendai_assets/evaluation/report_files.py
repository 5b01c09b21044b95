"""Reports on disk: `reports/<name>.md`, `.csv`, and pictures beside them; whether they are what they would be now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.evaluation.comparison import Comparison
from crescendai_assets.evaluation.report_pictures import pictures_of
from crescendai_assets.evaluation.report_text import as_csv, as_markdown
from crescendai_assets.evaluation.reports import compare
from crescendai_assets.evaluation.score_alignment_text import alignment_section
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.training.t1_plan import T1Place

_WITH_ALIGNMENT = "symbolic_comparison"
"""The report that tells of score alignment as well."""


@dataclass(frozen=True)
class ReportFiles:
    """Files of one report."""

    folder: Path
    name: str

    @property
    def markdown(self) -> Path:
        """For people."""
        return self.folder / f"{self.name}.md"

    @property
    def table(self) -> Path:
        """For machines."""
        return self.folder / f"{self.name}.csv"

    def picture(self, name: str) -> Path:
        """One picture."""
        return self.folder / f"{self.name}_{name}.png"

    @property
    def digest(self) -> str:
        """Of what is on disk; empty where there is nothing."""
        if not (self.markdown.exists() and self.table.exists()):
            return ""
        return text_digest(self.markdown.read_text(encoding="utf-8"), self.table.read_text(encoding="utf-8"))


def report_files(root: Path, name: str) -> ReportFiles:
    """Files of a report of a lake."""
    return ReportFiles(root / "reports", name)


def text_digest(markdown: str, table: str) -> str:
    """Hash of a report's words and numbers."""
    return fingerprint(markdown, table)


def planned_digest(place: T1Place, name: str, levels: Path | None = None) -> str:
    """What the digest would be now."""
    comparison = compare(place, name, levels=levels)
    return text_digest(_markdown(comparison, place.root), as_csv(comparison))


def write_comparison(
    place: T1Place, name: str, levels: Path | None = None
) -> tuple[Comparison, dict[str, bytes], ReportFiles]:
    """Judge what is finished and write the report.

    Args:
        place: Where the rated set and the checkpoints are.
        name: One of `reports.COMPARISONS`.
        levels: A csv of works' difficulty, None where none is given.

    Returns:
        What was told, its pictures by name, and where it was written.
    """
    comparison, files = compare(place, name, levels=levels), report_files(place.root, name)
    pictures = pictures_of(comparison)
    for title, picture in pictures.items():
        write_atomic(files.picture(title), picture)
    write_atomic(files.table, as_csv(comparison).encode())
    write_atomic(files.markdown, _markdown(comparison, place.root).encode())
    return comparison, pictures, files


def _markdown(comparison: Comparison, root: Path) -> str:
    names = ("by_dimension", "by_fold", "scatter", "calibration") if comparison.sections else ()
    told = as_markdown(comparison, [ReportFiles(Path(), comparison.name).picture(name).name for name in names])
    return f"{told}\n{alignment_section(root)}\n" if comparison.name == _WITH_ALIGNMENT else told
