"""Tables of the corpus: one row a performance in each; what their columns mean."""

from __future__ import annotations

from typing import Any

from crescendai_assets.lake.tables import Table

_FILLED = {"type": "string", "minLength": 1}
_TEXT = {"type": "string"}
_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_ONE = {"type": "integer", "minimum": 1}
_HASH = {"type": "string", "pattern": "^[0-9a-f]{32,64}$"}
_SECONDS = {"type": "number", "minimum": 0}


def _row(**columns: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(columns), "properties": columns}


def _with_optional(row: dict[str, Any], **columns: Any) -> dict[str, Any]:
    """With columns that a row may lack: tables written before there were any stand until their rows are made again."""
    return {**row, "properties": {**row["properties"], **columns}}


# where the arrays of a performance are, and what they are
_KEPT: dict[str, Any] = {
    "shard": {"type": "string", "pattern": "^[0-9a-f]{2}$"},
    "content": _HASH,
    "fingerprint": _HASH,
}

PERFORMANCES = Table(
    "performances",
    "recording_id",
    _with_optional(
        _row(
            recording_id=_FILLED,
            source=_FILLED,
            file=_FILLED,  # path below the source's folder
            composer=_TEXT,  # as the source has it; empty where nobody says
            title=_TEXT,
            work_id=_OR_NULL,
            performer_id=_OR_NULL,
            copy_of=_OR_NULL,  # the file of another source that this is a copy of, where the source says so
            usable={"type": "boolean"},  # False where the source itself marks it as unfit
            notes=_ONE,
            seconds=_SECONDS,
            sustain_changes=_COUNT,
            mended=_COUNT,  # notes that were changed or left out when it was read
            bytes=_COUNT,
            mtime_ns=_COUNT,
            sha256=_HASH,
            **_KEPT,
        ),
        aligned_score=_HASH,  # of the published alignment and its MusicXML; only where there is one
    ),
    volatile=frozenset({"mtime_ns", "fingerprint"}),
)

TOKENS = Table("tokens", "recording_id", _row(recording_id=_FILLED, tokens=_ONE, sequences=_ONE, **_KEPT))
GRAPHS = Table(
    "graphs",
    "recording_id",
    _with_optional(
        _row(recording_id=_FILLED, nodes=_ONE, edges=_COUNT, **_KEPT),
        voices={"enum": ["score", "estimate"]},  # where those of the notes come from
        voices_of={"anyOf": [_HASH, {"type": "null"}]},  # the aligned score that was looked at
        voices_fault=_OR_NULL,  # why it was not used
    ),
    volatile=frozenset({"voices_fault"}),  # it names a file by where it lies on this machine
)
CURVES = Table("features", "recording_id", _row(recording_id=_FILLED, frames=_ONE, **_KEPT))

CORPUS = Table(
    "corpus",
    "recording_id",
    _row(
        recording_id=_FILLED,
        source=_FILLED,
        work_id=_OR_NULL,
        music=_FILLED,  # performances of the same music share it, whatever they are called
        performer_id=_OR_NULL,
        role={"enum": ["train", "validation", "held_out", "duplicate", "unusable"]},
        why=_TEXT,  # of a role that keeps it out of pretraining
        notes=_ONE,
        seconds=_SECONDS,
    ),
)

PACKED = Table(
    "packed",
    "recording_id",
    _row(recording_id=_FILLED, place=_COUNT, role={"enum": ["train", "validation"]}, content=_HASH),
)
