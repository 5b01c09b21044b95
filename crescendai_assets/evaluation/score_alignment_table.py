"""`reports/score_alignment.jsonl`: a row a performance of ASAP, how far its alignment agrees with annotated beats.

Here: files, the table, work by performance. What is measured is in `score_alignment`, what is told of it in
`score_alignment_text`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crescendai_assets.evaluation.score_alignment import (
    Reference,
    ScoreMap,
    aligned_map,
    error_figures,
    measure_accuracy,
    note_agreement,
    note_places,
    onset_errors,
    reference_of,
)
from crescendai_assets.evaluation.score_alignment_baselines import linear_map, warped_map
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.sources.asap import AsapPerformance
from crescendai_assets.sources.asap_beats import paired_beats
from crescendai_assets.sources.asap_stage import AsapStage, write_asap_stage
from crescendai_assets.symbolic import alignment as alignments
from crescendai_assets.symbolic.alignment import Alignment, align, by_index, read_alignment
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.score_xml import read_score_xml

ASSET = "score_alignment"

VERSION = 1
"""Raise it when a figure or a method changes: it is part of every fingerprint."""

METHODS = {
    "aligned": "our alignment",
    "first_note": "our alignment, by the first note of each onset",
    "warped": "time warping of piano rolls",
    "linear": "one tempo throughout",
}
"""Ways from score to performance, as columns and in words."""

STATE_WITHOUT_SOURCE = (
    "nothing to align: set ASAP_DIR to a folder in ASAP's layout (metadata.csv, performances and scores as MIDI, "
    "*_annotations.txt beside both; with (n)ASAP's note alignments and MusicXML those are compared with as well)"
)

_COUNT = {"type": "integer", "minimum": 0}
_FILLED = {"type": "string", "minLength": 1}
_SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}


def _each_method(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(METHODS), "properties": {method: dict(of) for method in METHODS}}


_COLUMNS: dict[str, Any] = {
    "recording_id": _FILLED,
    "midi_path": _FILLED,  # below the dataset's folder
    "composer": {"type": "string"},
    "title": {"type": "string"},
    "performer_id": _FILLED,
    "notes": _COUNT,  # performed
    "matched": _COUNT,  # of them, with a note of the score
    "measures": _COUNT,  # annotated downbeats
    "beats": _COUNT,  # annotated, that are judged by
    "left_out": {"type": "object", "additionalProperties": _COUNT},  # annotated beats by reason
    "struck": {"type": "array", "items": {"enum": [0, 1]}},  # by beat: whether the score has an onset there
    "errors_ms": _each_method({"type": "array", "items": {"type": "number"}}),  # by beat: predicted - annotated
    "onset_error": _each_method({"type": "object"}),  # figures of the errors
    "measure_accuracy": _each_method(_SHARE),  # all notes placed by their time
    "measure_accuracy_by_note": _SHARE,  # of our alignment: matched notes placed where they are written
    "note_agreement": {"type": ["object", "null"]},  # with (n)ASAP's alignment, or `fault`; null where there is none
    "seconds": {"type": "number", "minimum": 0},  # that aligning took, reading left out
    "fingerprint": _FILLED,
}

SCORE_ALIGNMENT = Table(
    "score alignment",
    "recording_id",
    {"type": "object", "required": list(_COLUMNS), "properties": _COLUMNS},
    volatile=frozenset({"seconds"}),
)


def alignment_partition(root: Path) -> Partition:
    """Where the table lies: `reports/` below the lake's root."""
    return Partition(Tier("reports", root), "reports")


def alignment_rows(root: Path) -> list[Row]:
    """The table of a lake; empty where there is none."""
    return list(read_rows(alignment_partition(root).stage(ASSET).table))


def write_score_alignment(
    lake: Lake, folder: Path | None, *, options: Options = Options(), progress: Progress = silent
) -> StageReport:
    """Judge every performance of an ASAP folder that is new or whose files changed.

    What has no score, no beats, or beats that cannot be paired stands in the ledger with the reason.

    Args:
        lake: Where the table goes.
        folder: In ASAP's layout; None for none: then what is there stays, and the report's `state` says what to set.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The folder's table cannot be read, or another process works here.
    """
    return write_asap_stage(
        STAGE,
        alignment_partition(lake.root),
        folder,
        facts=lambda not_judged: {"not_judged": len(not_judged)},
        options=options,
        progress=progress,
    )


def judge_performance(one: AsapPerformance) -> Row:
    """A row but for its path and fingerprint; parses files, so call it in a guarded process.

    Raises:
        RecordingError: A file cannot be read, or the notes cannot be aligned.
    """
    assert one.score is not None  # one without a score is never worked on
    performance, score = read_midi(one.midi), read_midi(one.score, max_silence=float("inf"))
    reference = reference_of(paired_beats(one), score)
    started = time.perf_counter()
    try:
        found = align(performance, score)
    except RecordingError as error:
        raise RecordingError(f"{one.midi} with {one.score.name}: {error}") from error
    seconds = time.perf_counter() - started
    if not len(found.matched):
        raise RecordingError(f"{one.midi}: none of its notes is one of {one.score.name}; it belongs to another score")
    return {
        "recording_id": one.performance_id,
        "composer": one.composer,
        "title": one.title,
        "performer_id": one.performer_id,
        "notes": len(performance),
        "matched": len(found.matched),
        "measures": len(reference.bars),
        "beats": len(reference.beats),
        "left_out": dict(reference.left_out),
        "struck": reference.struck.astype(int).tolist(),
        **_by_method(performance, score, found, reference),
        "note_agreement": _agreement(one, performance),
        "seconds": round(seconds, 3),
    }


def _by_method(performance: Performance, score: Performance, found: Alignment, reference: Reference) -> Row:
    """Errors, their figures and accuracy of measures by method."""
    maps: dict[str, ScoreMap] = {
        "aligned": aligned_map(performance, score, found),
        "first_note": aligned_map(performance, score, found, first=True),
        "warped": warped_map(performance, score),
        "linear": linear_map(performance, score),
    }
    errors = {name: onset_errors(through, reference).tolist() for name, through in maps.items()}
    by_note = note_places(performance, score, maps["aligned"], found)
    return {
        "errors_ms": errors,
        "onset_error": {name: error_figures(of) for name, of in errors.items()},
        "measure_accuracy": {
            name: measure_accuracy(through.beats_at(performance.onset), performance.onset, reference)
            for name, through in maps.items()
        },
        "measure_accuracy_by_note": measure_accuracy(by_note, performance.onset, reference),
    }


def _agreement(one: AsapPerformance, performance: Performance) -> Row | None:
    """With (n)ASAP's alignment of the MusicXML score, note by note: that score is aligned again by ours.

    A second oracle that cannot be used takes nothing from the first: then it is `fault`, the reason.
    """
    if one.aligned_score is None:
        return None
    xml, tsv = one.aligned_score
    try:
        written = read_score_xml(xml)
        given = by_index(read_alignment(tsv), performance, written, tsv)
        return asdict(note_agreement(align(performance, written.notes), given))
    except RecordingError as error:
        return {"fault": str(error)}


def _fault(one: AsapPerformance) -> RecordingError | None:
    """No score, no beats, or beats that cannot be paired."""
    if one.score is None:
        return RecordingError(f"{one.midi}: its score is absent; add the MIDI score that the table names", "needs_user")
    try:
        paired_beats(one)
    except RecordingError as error:
        return error
    return None


def _rows(one: AsapPerformance, judged: Row, folder: Path) -> tuple[list[Row], float]:
    return [{**judged, "midi_path": one.midi.relative_to(folder).as_posix()}], 0.0


STAGE = AsapStage(
    ASSET,
    SCORE_ALIGNMENT,
    versions=(VERSION, alignments.VERSION),
    files=lambda one: (
        *(one.midi, one.score, one.annotations, one.score_annotations),
        *(one.aligned_score or (None, None)),
    ),
    words=lambda one: (one.composer, one.title),
    fault=_fault,
    work=judge_performance,
    rows=_rows,
    without_source=STATE_WITHOUT_SOURCE,
)
