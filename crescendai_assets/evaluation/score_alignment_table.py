"""`reports/score_alignment.jsonl`: a row a performance of ASAP, how far its alignment agrees with annotated beats.

Here: files, the table, work by performance. What is measured is in `score_alignment`, what is told of it in
`score_alignment_text`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
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
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.sources.asap import AsapListing, AsapPerformance, read_asap
from crescendai_assets.sources.asap_beats import paired_beats
from crescendai_assets.symbolic import alignment as alignments
from crescendai_assets.symbolic.alignment import Alignment, align, by_index, read_alignment
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.score_xml import read_score_xml

ASSET = "score_alignment"

VERSION = 1
"""Raise it when a figure or a method changes: it is part of every fingerprint."""

WORKERS = 2
"""Performances that are aligned at once."""

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
    partition = alignment_partition(lake.root)
    listing = read_asap(folder) if folder else AsapListing((), 0)
    unusable = not_judged(listing)
    wanted = wanted_rows(listing)
    performances = {one.performance_id: one for one in listing.performances}

    def work(run: StageRun) -> None:
        assert folder is not None  # without one nothing is wanted
        for one, outcome in judge_all([performances[i] for i in run.plan.pending]):
            if isinstance(outcome, RecordingError):
                run.fail(one.performance_id, outcome)
            else:
                named = {"midi_path": one.midi.relative_to(folder).as_posix()}
                run.commit(one.performance_id, [{**outcome, **named, "fingerprint": wanted[one.performance_id]}])

    return run_stage(
        partition,
        ASSET,
        SCORE_ALIGNMENT,
        wanted=lambda: wanted if folder else committed_rows(partition),
        committed=lambda: committed_rows(partition),
        work=work,
        options=options,
        progress=progress,
        unusable=(lambda: unusable) if folder else None,
        facts=lambda: {
            **({} if folder else {"state": STATE_WITHOUT_SOURCE}),
            "absent_performances": listing.absent,
            "not_judged": len(unusable),
        },
    )


def wanted_rows(listing: AsapListing) -> dict[str, str]:
    """Performance id -> fingerprint of the contents of its files, of those that can be judged."""
    known: dict[Path, str] = {}

    def content(path: Path | None) -> str | None:
        if path is not None and path not in known:
            known[path] = sha256_file(path)
        return known[path] if path else None

    unusable = not_judged(listing)
    return {
        one.performance_id: fingerprint(
            VERSION,
            alignments.VERSION,
            *(content(p) for p in (one.midi, one.score, one.annotations, one.score_annotations, *_given(one))),
            one.composer,
            one.title,
        )
        for one in listing.performances
        if one.performance_id not in unusable
    }


def committed_rows(partition: Partition) -> dict[str, str]:
    """Performance id -> fingerprint its row has."""
    return {row["recording_id"]: row["fingerprint"] for row in read_rows(partition.stage(ASSET).table)}


def not_judged(listing: AsapListing) -> dict[str, RecordingError]:
    """Performances that cannot be judged, with the reason: no score, no beats, beats that cannot be paired."""
    reasons: dict[str, RecordingError] = {}
    for one in listing.performances:
        if one.score is None:
            fault = f"{one.midi}: its score is absent; add the MIDI score that the table names"
            reasons[one.performance_id] = RecordingError(fault, "needs_user")
            continue
        try:
            paired_beats(one)
        except RecordingError as error:
            reasons[one.performance_id] = error
    return reasons


def judge_all(performances: Sequence[AsapPerformance]) -> Iterator[tuple[AsapPerformance, Row | RecordingError]]:
    """Judge performances in guarded processes, a few at once, as they finish."""

    def one(process: GuardedProcess, performance: AsapPerformance) -> Row:
        row: Row = process.call(judge_performance, performance, what=str(performance.midi))
        return row

    yield from guarded_map(one, performances, WORKERS)


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
    xml, tsv = _given(one)
    if xml is None or tsv is None:
        return None
    try:
        written = read_score_xml(xml)
        given = by_index(read_alignment(tsv), performance, written, tsv)
        return asdict(note_agreement(align(performance, written.notes), given))
    except RecordingError as error:
        return {"fault": str(error)}


def _given(one: AsapPerformance) -> tuple[Path | None, Path | None]:
    """MusicXML and (n)ASAP's alignment, both or none."""
    return (one.xml, one.note_alignment) if one.xml and one.note_alignment else (None, None)
