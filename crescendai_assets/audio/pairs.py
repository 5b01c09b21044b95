"""Augmented twins of a recording's segments, made in one pass: decode once, augment each piece, measure what it did.

The effects and their drawing are `augmentation`'s. This runs in a guarded process beside the encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crescendai_assets.audio.augmentation import augment_segment
from crescendai_assets.audio.decode import SAMPLE_RATE, Audio
from crescendai_assets.audio.difference import compare
from crescendai_assets.audio.pictures import spectra_picture
from crescendai_assets.audio.segments import SegmentRule, cut


def cut_augmented(
    path: Path,
    pieces: Sequence[tuple[str, int, int]],
    rule: SegmentRule,
    preset: str,
    room_responses: Sequence[Path] = (),
) -> Iterator[tuple[Audio, dict[str, Any]]]:
    """Decode a recording once and yield its segments augmented, each with what was drawn and what it changed.

    Args:
        path: The recording.
        pieces: Segment id, first sample and the one after the last, of each segment.
        rule: As the segments were cut with; caps what is decoded.
        preset: Of `augmentation.PRESETS`, or `single:<effect>`.
        room_responses: Impulse responses to draw from.
    """
    bounds = [(start, stop) for _, start, stop in pieces]
    for (segment_id, _, _), clean in zip(pieces, cut(path, bounds, rule), strict=True):
        augmented, drawn = augment_segment(clean, SAMPLE_RATE, segment_id, preset, room_responses)
        difference = compare(clean, augmented, SAMPLE_RATE)
        yield (
            augmented,
            {
                "preset": preset,
                "effects": [one.to_row() for one in drawn],
                "lag_seconds": round(difference.lag_seconds, 4),
                "onset_similarity": round(difference.similarity, 4),
                "snr_db": round(difference.snr_db, 2),
                "level_db": round(difference.level_db, 2),
            },
        )


def augmented_picture(
    path: Path,
    segment: Mapping[str, Any],
    rule: SegmentRule,
    preset: str,
    room_responses: Sequence[Path],
    title: str,
) -> bytes:
    """A PNG of one segment, clean and augmented.

    Args:
        path: The recording.
        segment: Its row.
        rule: As it was cut with.
        preset: As for `cut_augmented`.
        room_responses: The same.
        title: What is seen.
    """
    start = round(segment["segment_start"] * SAMPLE_RATE)
    (clean,) = cut(path, [(start, start + segment["n_valid"])], rule)
    augmented, drawn = augment_segment(clean, SAMPLE_RATE, segment["segment_id"], preset, room_responses)
    effects = ", ".join(one.effect.replace("_", " ") for one in drawn)
    return spectra_picture(clean, augmented, SAMPLE_RATE, f"{title} ({effects})")
