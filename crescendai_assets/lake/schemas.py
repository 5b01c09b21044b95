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
        audio_in={"enum": ["source", "lake"]},
        audio_path=_FILLED,
        bytes=_COUNT,
        sha256=_HASH,
        fingerprint=_HASH,
    ),
    # the time of the last change is a shortcut to the hash, not content; neither is what it makes of the fingerprint
    volatile=frozenset({"mtime_ns", "fingerprint"}),
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
        segment_start=_SECONDS,
        segment_end=_SECONDS,
        duration_seconds=_SECONDS,
        n_valid={"type": "integer", "minimum": 1},
        source_sha256=_HASH,
        pcm_hash=_HASH,
        fingerprint=_HASH,
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
