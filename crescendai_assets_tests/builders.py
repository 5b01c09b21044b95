"""Things that tests of several rooms make: sounds, audio files, rows, tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import MAESTRO_SEGMENTS
from crescendai_assets.lake.tables import Row


def tone(seconds: float, sr: int = SAMPLE_RATE, hertz: float = 440.0, level: float = 0.3) -> Audio:
    """A sine, shape (n,)."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * sr)) / sr)).astype(np.float32)


def noise(seconds: float, sr: int = SAMPLE_RATE, level: float = 0.1, seed: int = 0) -> Audio:
    """White noise, shape (n,)."""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * sr))).astype(np.float32)


def write_sound(path: Path, audio: Any, sr: int, subtype: str | None = "PCM_16") -> Path:
    """Write by libsndfile what the suffix says; `audio` is (n,) or (n, channels)."""
    import soundfile

    soundfile.write(path, audio, sr, subtype=subtype)
    return path


def write_by_ffmpeg(path: Path, audio: Audio, sr: int, codec: str, **options: str) -> Path:
    """Write mono samples by PyAV in the container that the suffix says."""
    import av

    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=sr)
        stream.layout = "mono"
        for start in range(0, len(audio), 960):
            frame = av.AudioFrame.from_ndarray(audio[None, start : start + 960].copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = sr, start, Fraction(1, sr)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut_short(path: Path, share: float = 0.5) -> Path:
    """Keep only the first part of a file's bytes, in a file beside it."""
    data = path.read_bytes()
    out = path.with_name(f"cut-{path.name}")
    out.write_bytes(data[: int(len(data) * share)])
    return out


def digest(text: str) -> str:
    """Something that looks like a hash and differs by text."""
    return hashlib.sha256(text.encode()).hexdigest()


def embedding_row(recording_id: str, index: int = 0, **other: Any) -> Row:
    """A row of the embeddings table."""
    segment_id = f"{recording_id}_seg{index:03d}"
    return {
        "segment_id": segment_id,
        "recording_id": recording_id,
        "fingerprint": digest(segment_id)[:32],
        "sha256": digest(segment_id),
        "bytes": 381_000,
        "frames": 93,
        **other,
    }


def segment_row(recording_id: str, index: int, n_valid: int, **other: Any) -> Row:
    """A row of the segments table."""
    start = index * 30.0
    return {
        "segment_id": f"{recording_id}_seg{index:03d}",
        "recording_id": recording_id,
        "audio_filename": f"2004/{recording_id}.wav",
        "canonical_title": "Étude Op. 10 No. 5",
        "canonical_composer": "Frédéric Chopin",
        "work_id": "chopin-etude-op10-no5",
        "performer_id": "2004-01",
        "split": "train",
        "segment_start": start,
        "segment_end": start + n_valid / SAMPLE_RATE,
        "duration_seconds": n_valid / SAMPLE_RATE,
        "n_valid": n_valid,
        "source_sha256": digest(recording_id),
        "pcm_hash": digest(recording_id)[:32],
        "fingerprint": digest(recording_id)[:32],
        **other,
    }


def video_row(video_id: str, **other: Any) -> Row:
    """A row of the recordings table of a channel, with a working copy named by its id."""
    recording_id = f"yt_{video_id}"
    return {
        "recording_id": recording_id,
        "video_id": video_id,
        "title": f"Étude {video_id}",
        "channel": "Channel One",
        "duration_seconds": 60.0,
        "source_url": f"https://site.example/{video_id}",
        "audio_in": "lake",
        "audio_path": f"audio/{recording_id}.wav",
        "bytes": 1_000,
        "sha256": digest(recording_id),
        "state": "working copy",
        "fingerprint": digest(recording_id)[:32],
        **other,
    }


def video_segment_row(video_id: str, index: int = 0, **other: Any) -> Row:
    """A row of the segments table of a channel."""
    recording_id = f"yt_{video_id}"
    start = index * 30.0
    return {
        "segment_id": f"{recording_id}_seg{index:03d}",
        "recording_id": recording_id,
        "video_id": video_id,
        "title": f"Étude {video_id}",
        "channel": "Channel One",
        "segment_start": start,
        "segment_end": start + 30.0,
        "n_valid": 30 * SAMPLE_RATE,
        "source_sha256": digest(recording_id),
        "pcm_hash": digest(recording_id)[:32],
        "fingerprint": digest(recording_id)[:32],
        **other,
    }


def write_segments(partition: Partition, seconds: Mapping[str, Sequence[float]]) -> list[Row]:
    """Write a segments table: recording id -> seconds of each of its segments."""
    rows = [
        segment_row(recording_id, index, round(length * SAMPLE_RATE))
        for recording_id, lengths in seconds.items()
        for index, length in enumerate(lengths)
    ]
    MAESTRO_SEGMENTS.write(partition.stage("segments").table, rows)
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
