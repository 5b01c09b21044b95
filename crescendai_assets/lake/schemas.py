"""The tables of the file contract: identifying column and JSON Schema of a row, one constant each.

Further columns are welcome everywhere; the names listed here do not change.
"""

from __future__ import annotations

from typing import Any

from crescendai_assets.lake.tables import Table

_TEXT = {"type": "string"}
_FILLED = {"type": "string", "minLength": 1}
_SECONDS = {"type": "number", "minimum": 0}
_COUNT = {"type": "integer", "minimum": 0}
_HASH = {"type": "string", "pattern": "^[0-9a-f]{32,64}$"}


def _row(**columns: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(columns), "properties": columns}


_SPLIT = {"enum": ["train", "validation", "test"]}

WORKING_COPY, IN_PLACE, DISCARDED = "working copy", "read in place", "done, raw discarded"
"""What a recording's row says of its audio."""

# what every tier's recordings say of their audio; the columns before these are the tier's own
_AUDIO: dict[str, Any] = {
    "audio_in": {"enum": ["source", "lake"]},
    "audio_path": _FILLED,
    "bytes": _COUNT,
    "sha256": _HASH,
    "state": {"enum": [WORKING_COPY, IN_PLACE, DISCARDED]},
    "fingerprint": _HASH,
}

# the time of the last change is a shortcut to the hash, not content; neither is what it makes of the fingerprint, nor
# whether the working copy was still needed
_NOT_CONTENT = frozenset({"mtime_ns", "fingerprint", "state", "discarded_bytes", "discarded_at"})

# what every tier's segments say of their cut; the columns before these are the tier's own
_CUT: dict[str, Any] = {
    "segment_start": _SECONDS,
    "segment_end": _SECONDS,
    "n_valid": {"type": "integer", "minimum": 1},
    "source_sha256": _HASH,
    "pcm_hash": _HASH,
    "fingerprint": _HASH,
}

FAILURES = Table(
    "failures",
    "recording_id",
    _row(
        recording_id=_FILLED,
        stage=_FILLED,
        error_class={"enum": ["permanent", "retry", "needs_user", "blocked"]},
        message=_FILLED,
        fingerprint=_TEXT,
        attempts={"type": "integer", "minimum": 1},
        first_failed_at=_TEXT,
        last_failed_at=_TEXT,
    ),
    volatile=frozenset({"attempts", "first_failed_at", "last_failed_at", "retry_at"}),
)

EMBEDDINGS = Table(
    "embeddings",
    "segment_id",
    _row(
        segment_id=_FILLED,
        recording_id=_FILLED,
        fingerprint=_HASH,
        sha256=_HASH,
        bytes={"type": "integer", "minimum": 1},
        frames={"type": "integer", "minimum": 1},
    ),
)

MAESTRO_RECORDINGS = Table(
    "maestro recordings",
    "recording_id",
    _row(
        recording_id=_FILLED,
        audio_filename=_FILLED,
        midi_filename=_TEXT,
        canonical_composer=_FILLED,
        canonical_title=_FILLED,
        work_id=_FILLED,
        performer_id=_FILLED,
        performer_from={"enum": ["csv", "file name"]},
        split=_SPLIT,
        year={"type": "integer"},
        duration_seconds=_SECONDS,
        **_AUDIO,
    ),
    volatile=_NOT_CONTENT,
)

MAESTRO_SEGMENTS = Table(
    "maestro segments",
    "segment_id",
    _row(
        segment_id=_FILLED,
        recording_id=_FILLED,
        audio_filename=_FILLED,
        canonical_title=_FILLED,
        canonical_composer=_FILLED,
        work_id=_FILLED,
        performer_id=_FILLED,
        split=_SPLIT,
        duration_seconds=_SECONDS,
        **_CUT,
    ),
)

CONTRASTIVE_RECORDINGS = Table(
    "contrastive recordings",
    "recording_id",
    _row(
        recording_id=_FILLED,
        work_id=_FILLED,
        performer_id=_FILLED,
        split=_SPLIT,
        segments={"type": "integer", "minimum": 1},
        verified={"type": "boolean"},
    ),
)

_OR_NULL = {"type": ["integer", "null"], "minimum": 1}

_PERFORMANCE: dict[str, Any] = {
    "performer": _FILLED,
    "piece": _TEXT,
    "round": _FILLED,
    "round_index": _COUNT,
    "placement": _OR_NULL,
    "eliminated_in": {"type": ["string", "null"]},
    "outcome_rank": _OR_NULL,
    "competition": _FILLED,
    "edition": _FILLED,
    "country": _TEXT,
    "source_url": _TEXT,
}

COMPETITION_RECORDINGS = Table(
    "competition recordings",
    "recording_id",
    _row(recording_id=_FILLED, video_id=_FILLED, **_PERFORMANCE, title=_TEXT, duration_seconds=_SECONDS, **_AUDIO),
    volatile=_NOT_CONTENT,
)

COMPETITION_SEGMENTS = Table(
    "competition segments",
    "segment_id",
    _row(segment_id=_FILLED, recording_id=_FILLED, **_PERFORMANCE, **_CUT),
)

ORDINAL = Table(
    "ordinal",
    "recording_id",
    _row(
        recording_id=_FILLED,
        edition=_FILLED,
        round=_FILLED,
        performer=_FILLED,
        rank={"type": "integer", "minimum": 1},
        tied_with=_COUNT,
        segments={"type": "integer", "minimum": 1},
    ),
)

ORDINAL_ACROSS_ROUNDS = Table(
    "ordinal across rounds",
    "performer",
    _row(
        performer=_FILLED,
        edition=_FILLED,
        rank={"type": "integer", "minimum": 1},
        tied_with=_COUNT,
        recordings={"type": "array", "items": _FILLED},
        noisier={"const": True},
    ),
)

_VIDEO: dict[str, Any] = {"video_id": _FILLED, "title": _TEXT, "channel": _FILLED}

YOUTUBE_RECORDINGS = Table(
    "youtube recordings",
    "recording_id",
    _row(recording_id=_FILLED, **_VIDEO, duration_seconds=_SECONDS, source_url=_TEXT, **_AUDIO),
    volatile=_NOT_CONTENT,
)

YOUTUBE_SEGMENTS = Table(
    "youtube segments",
    "segment_id",
    _row(segment_id=_FILLED, recording_id=_FILLED, **_VIDEO, **_CUT),
)

CLIPS = Table(
    "percepiano clips",
    "segment_id",
    _row(segment_id=_FILLED, recording_id=_FILLED, duration_seconds=_SECONDS, **{**_AUDIO, **_CUT}),
    volatile=_NOT_CONTENT,
)

DISCOVERED = Table(
    "discovered",
    "video_id",
    _row(video_id=_FILLED, url=_FILLED, title=_TEXT, place=_COUNT),
)

AUGMENTED_PAIRS = Table(
    "augmented pairs",
    "segment_id",
    _row(
        segment_id=_FILLED,
        recording_id=_FILLED,
        fingerprint=_HASH,
        sha256=_HASH,
        bytes={"type": "integer", "minimum": 1},
        frames={"type": "integer", "minimum": 1},
        preset=_FILLED,
        effects={"type": "array", "minItems": 1},
        lag_seconds={"type": "number"},
    ),
)
