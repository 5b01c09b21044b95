"""What to measure on: noise as WAV files, and partitions of MAESTRO's shape made of them. No music is needed here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.identity import EncoderIdentity
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.schemas import MAESTRO_RECORDINGS, MAESTRO_SEGMENTS
from crescendai_assets.lake.tables import Row

YEAR = "2018"
SEGMENT_SECONDS = 30

NO_ENCODER = EncoderIdentity("none", "none", (9, 10, 11, 12), 8, "fp32", trained=False)
"""For tables that no encoder made."""

_LABELS = {
    "canonical_composer": "Ludwig van Beethoven",
    "canonical_title": "Sonata No. 23 in F Minor, Op. 57",
    "work_id": "beethoven_sonata_op57",
    "performer_id": "2018-recital-7",
    "split": "train",
}


def write_noise(path: Path, seconds: float, *, rate: int = 44_100, channels: int = 2, seed: int = 0) -> None:
    """Write 16-bit WAV: chords under noise, the same for the same seed."""
    import soundfile

    chance = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate), dtype=np.float32) / rate
    tones = sum((np.sin(2 * np.pi * f * t) for f in chance.uniform(60, 4000, 4)), np.zeros_like(t))
    noise = chance.standard_normal((len(t), channels), dtype=np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * tones[:, None] + 0.05 * noise, rate, subtype="PCM_16")


def audio_partition(
    root: Path, recordings: int, seconds: float, *, rate: int = 44_100, channels: int = 2, distinct: int | None = None
) -> Partition:
    """Write a partition ready to be embedded: recordings, their table, and the table of their full segments.

    Args:
        root: Of the lake.
        recordings: How many.
        seconds: Length of each.
        rate: Of the files, Hz.
        channels: Of the files.
        distinct: Write only so many files; further recordings are links to them.
    """
    partition = open_lake(root).tier("maestro").partition(YEAR)
    rows: list[Row] = []
    segments: list[Row] = []
    for number in range(recordings):
        recording_id = _recording_id(number)
        path = partition.audio / f"{recording_id}.wav"
        if distinct and number >= distinct:
            os.link(partition.audio / f"{_recording_id(number % distinct)}.wav", path)
        else:
            write_noise(path, seconds, rate=rate, channels=channels, seed=number)
        rows.append(_recording_row(partition, recording_id, path, seconds))
        segments += segment_rows(recording_id, int(seconds // SEGMENT_SECONDS))
    MAESTRO_RECORDINGS.write(partition.stage("recordings").table, rows)
    MAESTRO_SEGMENTS.write(partition.stage("segments").table, segments)
    return partition


def forget_embeddings(partition: Partition) -> None:
    """Make the embeddings of a partition, clean and augmented, new work again."""
    for asset in ("embeddings", "augmented_pairs"):
        files = partition.stage(asset)
        for path in (files.table, files.journal, files.ledger, files.last_run):
            path.unlink(missing_ok=True)
    for folder in (partition.embedding_folder, partition.augmented_folder):
        shutil.rmtree(folder, ignore_errors=True)


def segments_in_memory(paths: Sequence[Path]) -> list[Any]:
    """The full segments of files, decoded: float32 arrays, shape (720000,) each."""
    from crescendai_assets.audio.decode import load_audio

    length = SEGMENT_SECONDS * SAMPLE_RATE
    decoded = [load_audio(path)[0] for path in paths]
    return [audio[i : i + length].copy() for audio in decoded for i in range(0, len(audio) - length + 1, length)]


def committed_partition(root: Path, segments: int, recordings: int) -> Partition:
    """Write a partition whose segments are all embedded: both tables, and an empty `.pt` file a segment.

    Rows are written as they are made, unchecked: half a million are too many to hold.
    """
    partition = open_lake(root).tier("maestro").partition(YEAR)
    partition.folder.mkdir(parents=True)
    partition.embedding_folder.mkdir(parents=True)
    encoder = NO_ENCODER.digest
    with (
        partition.stage("segments").table.open("w") as wanted,
        partition.stage("embeddings").table.open("w") as committed,
    ):
        for number in range(recordings):
            count = segments * (number + 1) // recordings - segments * number // recordings
            for row in segment_rows(_recording_id(number), count):
                wanted.write(json.dumps(row) + "\n")
                committed.write(json.dumps(_embedding_row(row, encoder)) + "\n")
                (partition.embedding_folder / f"{row['segment_id']}.pt").touch()
    return partition


def segment_rows(recording_id: str, count: int) -> Iterator[Row]:
    """Rows of full segments, with every column that segmenting writes."""
    source = hashlib.sha256(recording_id.encode()).hexdigest()
    for index in range(count):
        start = float(index * SEGMENT_SECONDS)
        yield {
            "segment_id": f"{recording_id}_seg{index:03d}",
            "recording_id": recording_id,
            "audio_filename": f"{YEAR}/{recording_id}.wav",
            **_LABELS,
            "duration_seconds": float(count * SEGMENT_SECONDS),
            "segment_start": start,
            "segment_end": start + SEGMENT_SECONDS,
            "n_valid": SEGMENT_SECONDS * SAMPLE_RATE,
            "rms": 0.051234,
            "source_sha256": source,
            "pcm_hash": source[:32],
            "fingerprint": source[32:],
            "recording_seconds": float(count * SEGMENT_SECONDS),
            "recording_silent_segments": 0,
            "recording_clipped_share": 0.0,
            "recording_zero_tail_seconds": 0.0,
            "native_rate": 44_100,
            "channels": 2,
        }


def _recording_id(number: int) -> str:
    return f"maestro_{YEAR}_MIDI-Unprocessed_Recital{number:06d}_wav--1"


def _recording_row(partition: Partition, recording_id: str, path: Path, seconds: float) -> Row:
    source = hashlib.sha256(recording_id.encode()).hexdigest()
    return {
        "recording_id": recording_id,
        "audio_filename": f"{YEAR}/{recording_id}.wav",
        "midi_filename": f"{YEAR}/{recording_id}.midi",
        **_LABELS,
        "performer_from": "file name",
        "year": int(YEAR),
        "duration_seconds": float(seconds),
        "audio_in": "lake",
        "state": "working copy",
        "audio_path": path.relative_to(partition.tier.folder).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": source,
        "fingerprint": source[:32],
    }


def _embedding_row(segment: Row, encoder: str) -> Row:
    return {
        "segment_id": segment["segment_id"],
        "recording_id": segment["recording_id"],
        "fingerprint": CLEAN.fingerprint(segment, encoder),
        "sha256": segment["source_sha256"],
        "bytes": 382_000,
        "frames": 93,
    }
