"""The tables of this room: identifying column and JSON Schema of a row, as in `lake.schemas`."""

from __future__ import annotations

from typing import Any

from crescendai_assets.labels.dimensions import NAMES
from crescendai_assets.labels.pseudo_scale import LABELS
from crescendai_assets.lake.tables import Table

_TEXT = {"type": "string"}
_FILLED = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_POSITIVE = {"type": "integer", "minimum": 1}
_SHARE = {"type": ["number", "null"]}
_IDS = {"type": "array", "items": _FILLED}


def _row(**columns: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(columns), "properties": columns}


def _each_dimension(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": len(NAMES), "maxItems": len(NAMES)}


RATINGS = Table(
    "percepiano ratings",
    "rating_id",
    _row(
        rating_id=_FILLED,
        segment_id=_FILLED,
        user=_FILLED,
        data_id=_FILLED,
        line=_POSITIVE,
        copy_of={"type": ["string", "null"]},  # the same submission, exported a second time
        values=_each_dimension({"type": ["integer", "null"], "minimum": 1, "maximum": 7}),
    ),
)

LABEL_STATISTICS = Table(
    "percepiano label statistics",
    "segment_id",
    _row(
        segment_id=_FILLED,
        ratings=_POSITIVE,
        raters=_POSITIVE,
        mean=_each_dimension({"type": ["number", "null"], "minimum": 0, "maximum": 1}),
        n_ratings=_each_dimension(_COUNT),
        n_raters=_each_dimension(_COUNT),
        standard_error=_each_dimension(_SHARE),
    ),
)

PASSAGES = Table(
    "percepiano segments",
    "segment_id",
    _row(
        segment_id=_FILLED,
        composer=_FILLED,
        work=_FILLED,
        movement=_FILLED,
        piece=_FILLED,
        bars=_POSITIVE,
        number=_COUNT,
        performer=_FILLED,
        machine={"type": "boolean"},
        passage=_FILLED,
        recording=_FILLED,
        holds=_IDS,  # passages inside this one, as found in the MIDI; by number where that cannot tell
        holds_nominal=_IDS,  # by number alone
        held_by=_IDS,  # passages around it, as found
        midi_sha256={"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
        same_midi=_IDS,  # segments whose MIDI file has the same bytes
        same_take={"type": ["array", "null"], "items": _FILLED},  # that hold its performance or a part of it
        music_as_named={"type": ["boolean", "null"]},  # holds the music of the passage's other performances
        passage_group=_FILLED,
        content_group={"type": ["string", "null"], "minLength": 1},  # joined by shared takes as well; null without MIDI
        performer_group=_FILLED,
    ),
)

RELIABILITY = Table(
    "percepiano reliability",
    "id",
    _row(
        id=_FILLED,
        counting=_FILLED,
        dimension=_FILLED,
        icc_one=_SHARE,
        icc_mean=_SHARE,
        low=_SHARE,
        high=_SHARE,
        k=_SHARE,
        segments=_COUNT,
        ratings=_COUNT,
    ),
)

BASELINES = Table(
    "percepiano baselines",
    "id",
    _row(
        id=_FILLED,
        grouping=_FILLED,
        rows=_FILLED,
        evaluated=_FILLED,
        segments=_COUNT,
        groups=_COUNT,
        r2=_SHARE,
        r2_in_sample=_SHARE,
        r2_by_dimension=_each_dimension(_SHARE),
    ),
)

COMPOSITES = Table(
    "composite labels",
    "composite",
    _row(
        composite=_FILLED,
        low=_TEXT,
        high=_TEXT,
        dimensions=_IDS,
        segments=_COUNT,
        icc_one=_SHARE,
        icc_mean=_SHARE,
        icc_mean_by_rater=_SHARE,
        nearest={"type": ["string", "null"]},
        nearest_r=_SHARE,
        mean=_SHARE,
        sd=_SHARE,
    ),
)

_MARK = {"type": ["number", "null"], "minimum": 0, "maximum": 100}
_SECONDS = {"type": "number", "minimum": 0}

PSEUDO_LABELS = Table(
    "pseudo-labels",
    "id",
    _row(
        id=_FILLED,
        recording_id=_FILLED,
        audio_path={"type": ["string", "null"]},  # both below the dataset's folder
        midi_path=_FILLED,
        start_time=_SECONDS,
        end_time=_SECONDS,
        labels={
            "type": "object",
            "required": list(LABELS),
            "properties": dict.fromkeys(LABELS, _MARK),
            "additionalProperties": False,
        },
        composer=_TEXT,
        title=_TEXT,
        performer_id=_FILLED,
        matched=_COUNT,
        insertions=_COUNT,
        deletions=_COUNT,
        passage=_COUNT,  # unpaired, and not counted as wrong
        alignment={"enum": ["given", "computed", "replaced"]},  # the given one could not be used
        fingerprint=_FILLED,
    ),
)
