"""Pseudo-labels: performances with scores -> `labels/pseudo_labels.jsonl`, marks of 0 to 100 per window of 10 s.

Nobody rated these: they are what can be counted and measured against an aligned score, made to pretrain on and to
test with. Here: files, alignments and the table. Not here: what is measured (`pseudo_measures`) and how it is scaled
(`pseudo_scale`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crescendai_assets.labels.pseudo_scale import LABELS
from crescendai_assets.labels.pseudo_windows import WINDOW_SECONDS, Window, pseudo_label_windows
from crescendai_assets.labels.schemas import PSEUDO_LABELS
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.asap import AsapPerformance
from crescendai_assets.sources.asap_stage import AsapStage, write_asap_stage
from crescendai_assets.symbolic import alignment as alignments
from crescendai_assets.symbolic.alignment import Alignment, align, by_index, read_alignment
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.score_xml import read_score_xml

ASSET = "pseudo_labels"

VERSION = 1
"""Raise it when a measure, a scale or a window changes: it is part of every fingerprint."""

STATE_WITHOUT_SOURCE = (
    "nothing to label: set ASAP_DIR to a folder in ASAP's layout (metadata.csv, performances and scores as MIDI; with "
    "(n)ASAP's note alignments and MusicXML those are used)"
)

AlignedBy = Literal["given", "computed", "replaced"]


@dataclass(frozen=True)
class Labelled:
    """What came of one performance.

    Attributes:
        windows: In order of time.
        aligned_by: Whether the alignment was given, computed, or computed because the given one cannot be used.
        seconds: Length of the performance.
    """

    windows: tuple[Window, ...]
    aligned_by: AlignedBy
    seconds: float


def pseudo_partition(lake: Lake) -> Partition:
    """Where the table lies: `labels/` below the lake's root."""
    return Partition(Tier("labels", lake.root), "labels")


def write_pseudo_labels(
    lake: Lake, folder: Path | None, *, options: Options = Options(), progress: Progress = silent
) -> StageReport:
    """Label every performance of an ASAP folder that is new or whose files changed.

    Args:
        lake: Where the table goes.
        folder: In ASAP's layout; None for none: then what is there stays, and the report's `state` says what to set.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The folder's table cannot be read, or another process works here.
    """
    partition = pseudo_partition(lake)
    table = partition.stage(ASSET).table
    return write_asap_stage(
        STAGE, partition, folder, facts=lambda _: label_facts(read_rows(table)), options=options, progress=progress
    )


def label_performance(one: AsapPerformance) -> Labelled:
    """Labels of a performance; parses its files, so call it in a guarded process.

    A given alignment goes with the MusicXML it speaks of. Where either cannot be used, the notes are aligned with the
    score's MIDI instead.

    Raises:
        RecordingError: Performance or score cannot be read or aligned.
    """
    performance = read_midi(one.midi)
    score, found, aligned_by = _aligned(one, performance)
    windows = tuple(pseudo_label_windows(performance, score, found))
    if not windows:
        raise RecordingError(f"{one.midi}: no window of it has notes; cut out what is silent")
    return Labelled(windows, aligned_by, performance.seconds)


def label_facts(rows: Iterator[Row]) -> dict[str, Any]:
    """How many windows have each label, and how alignments came about."""
    ways: dict[str, str] = {}
    computable = Counter(dict.fromkeys(LABELS, 0))
    for row in rows:
        ways[row["recording_id"]] = row["alignment"]
        computable.update(name for name, value in row["labels"].items() if value is not None)
    return {
        "performances": len(ways),
        **{f"alignments_{way}": n for way, n in sorted(Counter(ways.values()).items())},
        **{f"windows_with_{name}": n for name, n in computable.items()},
    }


def _aligned(one: AsapPerformance, performance: Performance) -> tuple[Performance, Alignment, AlignedBy]:
    if one.aligned_score:
        xml, tsv = one.aligned_score
        try:
            written = read_score_xml(xml)
            return written.notes, by_index(read_alignment(tsv), performance, written, tsv), "given"
        except RecordingError:
            if one.score is None:
                raise
    assert one.score is not None  # one without a score is never worked on
    score = read_midi(one.score, max_silence=float("inf"))  # a score is long where the music rests
    try:
        return score, align(performance, score), "replaced" if one.aligned_score else "computed"
    except RecordingError as error:
        raise RecordingError(f"{one.midi} with {one.score.name}: {error}") from error


def _fault(one: AsapPerformance) -> RecordingError | None:
    if one.score or one.aligned_score:
        return None
    return RecordingError(
        f"{one.midi}: its score is absent; add the MIDI score that the table names, or remove the performance",
        "needs_user",
    )


def _rows(one: AsapPerformance, labelled: Labelled, folder: Path) -> tuple[list[Row], float]:
    shared: Mapping[str, Any] = {
        "recording_id": one.performance_id,
        "audio_path": one.audio.relative_to(folder).as_posix() if one.audio else None,
        "midi_path": one.midi.relative_to(folder).as_posix(),
        "composer": one.composer,
        "title": one.title,
        "performer_id": one.performer_id,
        "alignment": labelled.aligned_by,
    }
    rows = [
        {
            "id": f"{one.performance_id}_win{round(window.start / WINDOW_SECONDS):03d}",
            "start_time": window.start,
            "end_time": window.end,
            "labels": window.labels,
            "matched": window.matched,
            "insertions": window.insertions,
            "deletions": window.deletions,
            "passage": window.passage,
            **shared,
        }
        for window in labelled.windows
    ]
    return rows, labelled.seconds


STAGE = AsapStage(
    ASSET,
    PSEUDO_LABELS,
    versions=(VERSION, alignments.VERSION),
    files=lambda one: (one.midi, one.score, *(one.aligned_score or (None, None))),
    words=lambda one: (one.title,),
    fault=_fault,
    work=label_performance,
    rows=_rows,
    without_source=STATE_WITHOUT_SOURCE,
)
