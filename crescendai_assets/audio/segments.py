"""Segments: where a recording is cut, which pieces are silence, and what the gates measured.

Bounds are samples at `SAMPLE_RATE`; seconds are derived from them. Writing segments anywhere is not done: they are cut
from the recording again when they are encoded, which costs less than reading them back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.audio.decode import MAX_SECONDS, SAMPLE_RATE, Audio, decode

CLIPPED = 0.999
"""Absolute sample value from which a sample counts as clipped."""


@dataclass(frozen=True)
class SegmentRule:
    """How recordings are cut. Seconds, except `min_rms` (full scale is 1).

    Attributes:
        segment_duration: Length of a full segment.
        min_duration: The last piece is kept from this length on.
        min_rms: Pieces quieter than this are silence (1.4 % of one competition edition) and dropped.
        overlap: How much of a segment the next one repeats.
        max_recording: Longest recording that is decoded.
    """

    segment_duration: float = 30.0
    min_duration: float = 5.0
    min_rms: float = 0.002
    overlap: float = 0.0
    max_recording: float = MAX_SECONDS

    def __post_init__(self) -> None:
        """Refuse rules that cannot cut anything."""
        if not 0 < self.min_duration <= self.segment_duration:
            raise ValueError("min_duration must be above 0 and at most segment_duration")
        if not 0 <= self.overlap < self.segment_duration:
            raise ValueError("overlap must be at least 0 and below segment_duration")

    def bounds(self, n_samples: int, sr: int = SAMPLE_RATE) -> list[tuple[int, int]]:
        """Start and stop (exclusive) of each piece, in samples: full segments, then one tail if long enough."""
        length, step = round(self.segment_duration * sr), round((self.segment_duration - self.overlap) * sr)
        least = round(self.min_duration * sr)
        bounds: list[tuple[int, int]] = []
        for start in range(0, n_samples, step):
            stop = min(start + length, n_samples)
            repeats = bool(bounds) and bounds[-1][1] == n_samples
            if stop - start < least or repeats:
                break
            bounds.append((start, stop))
        return bounds


@dataclass(frozen=True)
class Segment:
    """One kept piece: `index` counts silent pieces too, so a dropped one leaves a gap."""

    index: int
    start: int
    stop: int
    rms: float


@dataclass(frozen=True)
class Analysis:
    """What the gates measured on one recording.

    Attributes:
        segments: Pieces kept.
        silent: Pieces dropped as silence.
        seconds: Decoded length.
        declared_seconds: Length the file's header promises, None when it does not say.
        native_rate: Hz.
        channels: Of the file.
        pcm_hash: BLAKE2b-128 of the decoded samples: equal for the same sound in another container of the same codec.
        clipped_share: Share of samples at full scale.
        zero_tail_seconds: Exact zeros at the end, as a cut download leaves them.
    """

    segments: tuple[Segment, ...]
    silent: int
    seconds: float
    declared_seconds: float | None
    native_rate: int
    channels: int
    pcm_hash: str
    clipped_share: float
    zero_tail_seconds: float


def segment_audio(
    audio: Audio,
    sr: int,
    segment_duration: float = 30.0,
    min_duration: float = 5.0,
    min_rms: float = 0.002,
    overlap: float = 0.0,
) -> list[dict[str, Any]]:
    """Cut samples into pieces, silent ones left out.

    Args:
        audio: Mono samples, shape (n,).
        sr: Rate, Hz.
        segment_duration: Seconds of a full segment.
        min_duration: Seconds from which the last piece is kept.
        min_rms: Quieter pieces are silence.
        overlap: Seconds that neighbours share.

    Returns:
        Mappings with `audio`, `start_sec`, `end_sec`.
    """
    rule = SegmentRule(segment_duration, min_duration, min_rms, overlap)
    pieces = (audio[start:stop] for start, stop in rule.bounds(len(audio), sr))
    starts = (start / sr for start, _ in rule.bounds(len(audio), sr))
    return [
        {"audio": piece, "start_sec": start, "end_sec": start + len(piece) / sr}
        for start, piece in zip(starts, pieces, strict=True)
        if rms(piece) >= min_rms
    ]


def analyse(path: Path, rule: SegmentRule) -> Analysis:
    """Decode a recording and say how it is cut.

    Raises:
        RecordingError: It cannot be used; see `decode`.
    """
    import numpy as np

    decoded = decode(path, max_seconds=rule.max_recording)
    audio = decoded.audio
    pieces = [
        Segment(i, start, stop, rms(audio[start:stop])) for i, (start, stop) in enumerate(rule.bounds(len(audio)))
    ]
    sounding = np.flatnonzero(audio)
    last = int(sounding[-1]) + 1 if len(sounding) else 0
    return Analysis(
        segments=tuple(p for p in pieces if p.rms >= rule.min_rms),
        silent=sum(p.rms < rule.min_rms for p in pieces),
        seconds=decoded.seconds,
        declared_seconds=decoded.declared_seconds,
        native_rate=decoded.native_rate,
        channels=decoded.channels,
        pcm_hash=pcm_hash(audio),
        clipped_share=float(np.count_nonzero(np.abs(audio) >= CLIPPED)) / len(audio),
        zero_tail_seconds=(len(audio) - last) / SAMPLE_RATE,
    )


def cut(path: Path, bounds: Sequence[tuple[int, int]], rule: SegmentRule) -> Iterator[Audio]:
    """Decode a recording once and yield the pieces between the bounds, in samples, shape (stop - start,)."""
    audio = decode(path, max_seconds=rule.max_recording).audio
    for start, stop in bounds:
        yield audio[start:stop]


def rms(audio: Audio) -> float:
    """Root mean square; full scale is 1."""
    import numpy as np

    return float(np.sqrt(np.dot(audio, audio) / len(audio))) if len(audio) else 0.0


def pcm_hash(audio: Audio) -> str:
    """BLAKE2b-128 of the samples."""
    import numpy as np

    return hashlib.blake2b(np.ascontiguousarray(audio).data, digest_size=16).hexdigest()
