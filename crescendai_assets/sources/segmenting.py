"""Recordings to segments, for every tier: decode, measure, cut, write one row a segment.

Which columns a segment inherits from its recording is the tier's to say; cutting and measuring are `audio`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.audio.segments import Analysis, SegmentRule, analyse
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, Table, by_recording, read_rows
from crescendai_assets.sources.locate import AudioFiles, superseded, taken_over

_DECODE_VERSION = 1
"""Raise when decoding or measuring changes what a row says."""

DECODERS = 2
"""Processes that decode at once when nothing else runs beside them."""


def segment_partition(
    partition: Partition,
    table: Table,
    inherited: tuple[str, ...],
    audio: AudioFiles,
    rule: SegmentRule,
    *,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Cut every recording whose source, cutting rule or inherited columns changed.

    A recording whose columns alone changed is relabelled without decoding it; that works when the audio is gone, too.

    Args:
        partition: Where; its recordings table says what there is.
        table: The tier's segments table.
        inherited: Columns a segment takes from its recording.
        audio: Finds the recordings.
        rule: How to cut.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: Another process works here, or the disk is full.
    """
    files = partition.stage("segments")

    def work(run: StageRun) -> None:
        pending = set(run.plan.pending)
        recordings = [r for r in read_rows(partition.stage("recordings").table) if r["recording_id"] in pending]
        known = {i: rows for i, rows in by_recording(read_rows(files.table)) if i in pending}
        to_cut: list[Row] = []
        for recording in recordings:
            rows = known.get(recording["recording_id"])
            if rows and rows[0]["fingerprint"] == _cut_fingerprint(recording, rule):
                run.commit(recording["recording_id"], [{**row, **_labels(recording, inherited)} for row in rows])
            else:
                to_cut.append(recording)
        for recording, outcome in analyse_all(to_cut, audio, rule):
            if isinstance(outcome, RecordingError):
                run.fail(recording["recording_id"], outcome)
            else:
                run.commit(recording["recording_id"], _rows(recording, outcome, inherited, rule), outcome.seconds)

    return run_stage(
        partition,
        "segments",
        table,
        wanted=lambda: wanted_segments(partition, inherited, rule),
        committed=lambda: committed_segments(partition, inherited),
        work=work,
        options=options,
        progress=progress,
        released=lambda removed: taken_over(partition, removed),
        replaced=lambda removed: superseded(partition, removed),
        facts=lambda: segment_facts(files.table),
    )


def wanted_segments(partition: Partition, inherited: tuple[str, ...], rule: SegmentRule) -> dict[str, str]:
    """Recording id -> fingerprint its segments should have."""
    return {
        row["recording_id"]: fingerprint(_cut_fingerprint(row, rule), _labels(row, inherited))
        for row in read_rows(partition.stage("recordings").table)
    }


def committed_segments(partition: Partition, inherited: tuple[str, ...]) -> dict[str, str]:
    """Recording id -> fingerprint its segments have."""
    return {
        recording_id: fingerprint(rows[0]["fingerprint"], _labels(rows[0], inherited))
        for recording_id, rows in by_recording(read_rows(partition.stage("segments").table))
    }


def segment_facts(table: Path) -> dict[str, Any]:
    """Hours and what the gates dropped or noticed, over the recordings of a segments table."""
    hours = silent_pieces = clipped = short = zeros = 0.0
    for _, rows in by_recording(read_rows(table)):
        first = rows[0]
        hours += sum(r["n_valid"] for r in rows) / SAMPLE_RATE / 3600
        silent_pieces += first["recording_silent_segments"]
        clipped += first["recording_clipped_share"] > 0.001
        zeros += first["recording_zero_tail_seconds"] > 1
        short += abs(first["recording_seconds"] - first.get("duration_seconds", first["recording_seconds"])) > 1
    return {
        "hours_of_audio": round(hours, 3),
        "silent_segments_dropped": int(silent_pieces),
        "clipped_recordings": int(clipped),
        "ending_in_exact_zeros": int(zeros),
        "off_catalogued_length": int(short),
    }


def analyse_all(
    recordings: list[Row], audio: AudioFiles, rule: SegmentRule
) -> Iterator[tuple[Row, Analysis | RecordingError]]:
    """Measure recordings in guarded processes, a few at once, as they finish."""

    def one(worker: GuardedProcess, recording: Row) -> Analysis:
        path = audio.path(recording)
        analysis: Analysis = worker.call(analyse, path, rule, what=str(path))
        if not analysis.segments:
            raise RecordingError(_nothing_left(path, analysis, rule))
        return analysis

    yield from guarded_map(one, recordings, DECODERS)


def _nothing_left(path: Path, analysis: Analysis, rule: SegmentRule) -> str:
    if analysis.silent:
        return f"{path}: all {analysis.silent} segments are silence (RMS below {rule.min_rms}); check the recording"
    return f"{path}: {analysis.seconds:.1f} s is shorter than one segment ({rule.min_duration:g} s); nothing to embed"


def _cut_fingerprint(recording: Row, rule: SegmentRule) -> str:
    return fingerprint(_DECODE_VERSION, recording["sha256"], asdict(rule))


def _labels(row: Row, inherited: tuple[str, ...]) -> Row:
    return {column: row.get(column) for column in inherited}


def _rows(recording: Row, analysis: Analysis, inherited: tuple[str, ...], rule: SegmentRule) -> list[Row]:
    shared: Mapping[str, Any] = {
        "source_sha256": recording["sha256"],
        "pcm_hash": analysis.pcm_hash,
        "fingerprint": _cut_fingerprint(recording, rule),
        # facts of the recording stand on each of its rows, so that a row can be judged alone
        "recording_seconds": round(analysis.seconds, 6),
        "recording_silent_segments": analysis.silent,
        "recording_clipped_share": round(analysis.clipped_share, 6),
        "recording_zero_tail_seconds": round(analysis.zero_tail_seconds, 3),
        "native_rate": analysis.native_rate,
        "channels": analysis.channels,
    }
    return [
        {
            "segment_id": f"{recording['recording_id']}_seg{segment.index:03d}",
            "recording_id": recording["recording_id"],
            **_labels(recording, inherited),
            "segment_start": segment.start / SAMPLE_RATE,
            "segment_end": segment.stop / SAMPLE_RATE,
            "n_valid": segment.stop - segment.start,
            "rms": round(segment.rms, 6),
            **shared,
        }
        for segment in analysis.segments
    ]
