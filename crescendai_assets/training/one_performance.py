"""One performance as a model is told of rated clips: the same arrays, made of files that nobody rated.

A performance longer than rated passages are is cut into parts of equal length, and each is told by itself. MIDI is read
in a guarded process. What a model makes of it is in `asked`; which models, and what it is worth, in `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.alignment import Alignment, align
from crescendai_assets.symbolic.corpus.pack import Arrays
from crescendai_assets.symbolic.edges import EDGE_TYPES, TooManyEdgesError, note_edges
from crescendai_assets.symbolic.excerpts import aligned_excerpt, excerpt, score_bounds
from crescendai_assets.symbolic.features import curves
from crescendai_assets.symbolic.graphs import node_features
from crescendai_assets.symbolic.hand_features import named_hand_features, over_score
from crescendai_assets.symbolic.midi import map_files, read_midi
from crescendai_assets.symbolic.note_features import named_note_features
from crescendai_assets.symbolic.note_features_aligned import LEAST_MATCHED, aligned_notes
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.score_xml import read_score_xml
from crescendai_assets.symbolic.tokenizer import PianoTokenizer
from crescendai_assets.symbolic.voices import estimated_voices
from crescendai_assets.training.t1_plan import PRODUCTS, Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Spans: TypeAlias = "tuple[tuple[float, float], ...]"

WHOLE_SECONDS = 46.0
"""Up to here a performance is told as a whole: 95 of 100 rated passages of PercePiano are no longer."""

PART_SECONDS = 30.0
"""Longest part of a longer one."""

FEWEST_NOTES = 10
"""A part with fewer is no music that a model has met; the rated passages have 51 and more."""

MIDI_SUFFIXES = (".mid", ".midi", ".rmi")
XML_SUFFIXES = (".xml", ".musicxml", ".mxl")
SYMBOLIC_KINDS: frozenset[Kind] = frozenset({*PRODUCTS, "notes"})
"""What can be made of MIDI here."""


@dataclass(frozen=True)
class Part:
    """What models of symbols are told of a part.

    Attributes:
        notes: How many begin in it.
        arrays: Kind -> arrays, as the corpus has them of a clip.
        hand: Hand features by name, as they are kept: 32 bits.
        score: Hand features of the score; empty where no score says what to play here.
        written: Kind -> arrays of the score, as `arrays`; empty likewise.
        aligned: Hand features with differences, and features of aligned notes, by name; empty likewise.
        why_not: Why the score says nothing, where there is one.
    """

    notes: int
    arrays: Mapping[str, Arrays]
    hand: Mapping[str, float]
    score: Mapping[str, float]
    written: Mapping[str, Arrays]
    aligned: Mapping[str, float]
    why_not: str = ""


@dataclass(frozen=True, eq=False)
class ReadMidi:
    """A performance's MIDI, told.

    Attributes:
        whole: All of it.
        spans: Beginning and end of each part, seconds.
        parts: What models are told; None of a part with too few notes.
        matched: Share of its notes that the score has; None without a score, or where that cannot be known.
    """

    whole: Performance
    spans: Spans
    parts: tuple[Part | None, ...]
    matched: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the score is of what was played, as far as that is known."""
        return self.matched is None or self.matched >= LEAST_MATCHED


def is_midi(path: Path) -> bool:
    """Whether a file is MIDI, by its name, else by its first bytes."""
    if path.suffix.lower() in MIDI_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(4) == b"MThd"


def spans_of(start: float, stop: float) -> Spans:
    """Parts of equal length between two moments: one where it is no longer than `WHOLE_SECONDS`."""
    seconds = stop - start
    count = 1 if seconds <= WHOLE_SECONDS else math.ceil(seconds / PART_SECONDS)
    ends = [start + seconds * number / count for number in range(1, count)]
    return tuple(zip([start, *ends], [*ends, stop], strict=True))


def read_performance(midi: Path, score: Path | None, kinds: Collection[Kind]) -> ReadMidi:
    """Read a performance's MIDI and make what models are told.

    Args:
        midi: What was played.
        score: MIDI or MusicXML of the same bars; None without one.
        kinds: What models of symbols listen to.

    Raises:
        FileNotFoundError: A file is not there.
        RecordingError: A file cannot be used; or, where only the aligned notes are wanted, it is of another piece.
    """
    for path in (midi, score):
        if path is not None and not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
    ((_, found),) = map_files(partial(_read, score, frozenset(kinds)), [midi])
    if isinstance(found, RecordingError):
        raise found
    return found


def read_score(path: Path) -> Performance:
    """A score as a performance, from MIDI or MusicXML.

    Raises:
        RecordingError: It can be read as neither.
    """
    return read_score_xml(path).notes if path.suffix.lower() in XML_SUFFIXES else read_midi(path)


def _read(score: Path | None, kinds: frozenset[Kind], midi: Path) -> ReadMidi:
    """Module-level, to run in another process."""
    read = read_midi(midi)
    spans = spans_of(0.0 if read.seconds <= WHOLE_SECONDS else float(read.onset[0]), read.seconds)
    written = None if score is None else read_score(score)
    aligned = None if written is None else _laid_over(read, written, needed=len(spans) > 1 or "notes" in kinds)
    beside = _beside(read, written, aligned, spans)
    parts = tuple(_part(one, kinds) if one is not None else None for one in beside)
    return ReadMidi(read, spans, parts, None if aligned is None else len(aligned.matched) / len(read))


def _laid_over(read: Performance, written: Performance, *, needed: bool) -> Alignment | None:
    """Aligned also where no model needs it: a score of other music must not be heard beside it."""
    try:
        return align(read, written)
    except RecordingError:
        if needed:
            raise
        return None


@dataclass(frozen=True, eq=False)
class _Beside:
    """A part, what its score says, and how they go together."""

    read: Performance
    score: Performance | None = None
    aligned: Alignment | None = None


def _beside(
    read: Performance, score: Performance | None, aligned: Alignment | None, spans: Spans
) -> Sequence[_Beside | None]:
    if len(spans) == 1:
        return [_Beside(read, score, aligned)]
    import numpy as np

    counts = [int(((read.onset >= start) & (read.onset < stop)).sum()) for start, stop in spans]
    if score is None or aligned is None or not len(aligned.matched):
        parts = zip(spans, counts, strict=True)
        return [_Beside(excerpt(read, *span)) if count >= FEWEST_NOTES else None for span, count in parts]
    inner = score_bounds(read, score, aligned, np.array([stop for _, stop in spans[:-1]]))
    ends = [-math.inf, *inner.tolist(), math.inf]
    found: list[_Beside | None] = []
    for span, count, first, last in zip(spans, counts, ends[:-1], ends[1:], strict=True):
        if count < FEWEST_NOTES:
            found.append(None)
        elif not ((score.onset >= first) & (score.onset < last)).any():
            found.append(_Beside(excerpt(read, *span)))
        else:
            bars = (max(first, float(score.onset[0])), min(last, float(score.onset[-1]) + 1e-6))
            found.append(_Beside(*aligned_excerpt(read, score, aligned, span, bars)))
    return found


def _part(one: _Beside, kinds: Collection[Kind]) -> Part:
    import numpy as np

    own = named_hand_features(one.read)
    kept = {name: float(np.float32(value)) for name, value in own.items()}
    score = {} if one.score is None else named_hand_features(one.score)
    aligned, why_not = _aligned(one, own, score) if "notes" in kinds else ({}, "")
    return Part(
        notes=len(one.read),
        arrays=_arrays(one.read, kinds),
        hand=kept,
        score=score,
        written={} if one.score is None else _arrays(one.score, kinds),
        aligned=aligned,
        why_not=why_not,
    )


def _aligned(one: _Beside, own: dict[str, float], score: dict[str, float]) -> tuple[dict[str, float], str]:
    if one.score is None or one.aligned is None:
        return {}, "no score says what is played here"
    try:
        notes = named_note_features(aligned_notes(one.read, one.score, one.aligned))
    except RecordingError as error:
        return {}, str(error)
    return {**own, **over_score(own, score), **notes}, ""


def _arrays(read: Performance, kinds: Collection[Kind]) -> dict[str, Arrays]:
    return {kind: _ARRAYS[kind](read) for kind in kinds if kind in _ARRAYS}


def _tokens(read: Performance) -> dict[str, Any]:
    import numpy as np

    found = PianoTokenizer().encode_performance(read)
    flat = np.array([token for one in found for token in one], np.int16)
    return {"tokens": flat, "lengths": np.array([len(one) for one in found], np.int32)}


def _graph(read: Performance) -> dict[str, Any]:
    import numpy as np

    nodes, by_type = _notes_and_edges(read)
    kinds = np.repeat(np.arange(len(by_type), dtype=np.uint8), [len(one) for one in by_type.values()])
    return {"x": nodes, "edge_index": np.concatenate(list(by_type.values())), "edge_type": kinds}


def _hetero_graph(read: Performance) -> dict[str, Any]:
    nodes, by_type = _notes_and_edges(read)
    return {"x": nodes, **by_type}


def _notes_and_edges(read: Performance) -> tuple[Any, dict[str, Any]]:
    """Node features, and edges by type, int32, shape (E, 2), as the corpus has them."""
    import numpy as np

    voice = estimated_voices(read)
    try:
        found = note_edges(read, voice)
    except TooManyEdgesError as error:
        raise RecordingError(f"{error}; it is not music that can be judged") from error
    return node_features(read, voice), {name: found[name].T.astype(np.int32) for name in EDGE_TYPES}


def _curves(read: Performance) -> dict[str, Any]:
    return {"curves": curves(read)}


_ARRAYS: Mapping[str, Any] = {
    "tokens": _tokens,
    "score_graphs": _graph,
    "hetero_graphs": _hetero_graph,
    "features": _curves,
}
