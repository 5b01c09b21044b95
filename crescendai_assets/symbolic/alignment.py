"""Note alignment: which note of a score each note of a performance is, and which are too many or missing.

Computed by parangonar, or read from an alignment that exists already, as those of (n)ASAP. What the deviations from
the score are worth is no matter of this module; see `labels.pseudo`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.performance import Floats, Ints, Performance

if TYPE_CHECKING:
    from crescendai_assets.symbolic.score_xml import ScoreNotes

VERSION = 1
"""Raise it when an alignment may come out otherwise: it is part of fingerprints."""

MAX_NOTES = 20_000
"""Longest performance or score: time and memory of the alignment grow with the product of the two."""

ONSET_TOLERANCE_SECONDS = 0.002
"""How far the onset of an alignment file may lie from the note it means; the same file read by two programs."""

_COLUMNS = ("xml_id", "pitch", "onset")


@dataclass(frozen=True, eq=False)
class Alignment:
    """Notes by their index in performance and score.

    Attributes:
        matched: (performed, score) indices, shape (M, 2), ascending by performed; each index stands once at most.
        insertions: Performed notes that the score does not have, shape (I,), ascending.
        deletions: Score notes that were not performed, shape (D,), ascending.
    """

    matched: Ints
    insertions: Ints
    deletions: Ints


@dataclass(frozen=True)
class AlignmentFile:
    """What a `note_alignment.tsv` of (n)ASAP says.

    Attributes:
        matched: (score note id, pitch, performed onset in seconds).
        insertions: (pitch, performed onset in seconds).
        deletions: Score note ids.
    """

    matched: tuple[tuple[str, int, float], ...]
    insertions: tuple[tuple[int, float], ...]
    deletions: tuple[str, ...]


def align(performance: Performance, score: Performance) -> Alignment:
    """Align the notes of a performance with those of its score; matched notes have the same pitch.

    parangonar's `DualDTWNoteMatcher`: score onsets are warped onto performed notes by their sets of pitches, from both
    ends, then notes of one pitch are paired by expected time. It draws no random numbers (its `AutomaticNoteMatcher`
    does, takes 3 to 10 times as long and agrees no better). Time and memory grow with the product of both lengths:
    0.5 s for 730 notes, 8 s for 3,000.

    Args:
        performance: N notes.
        score: The score, read from its MIDI file or made of another notation; its tempos turn seconds into beats.

    Raises:
        RecordingError: One of them has more than `MAX_NOTES` notes, or less than two different onsets.
    """
    for name, notes in (("performance", performance), ("score", score)):
        if len(notes) > MAX_NOTES:
            raise RecordingError(f"the {name} has {len(notes)} notes, more than {MAX_NOTES}; cut it into movements")
        if notes.onset[0] == notes.onset[-1]:
            raise RecordingError(f"the {name} has one onset only; there is nothing to align")
    found = _matcher()(_score_array(score), _performance_array(performance))
    return alignment(
        ((int(n["performance_id"]), int(n["score_id"])) for n in found if n["label"] == "match"),
        len(performance),
        len(score),
    )


def alignment(matched: Iterable[tuple[int, int]], performed: int, written: int) -> Alignment:
    """An alignment from its pairs of indices.

    Args:
        matched: (performed, score) indices.
        performed: Notes of the performance.
        written: Notes of the score.
    """
    import numpy as np

    pairs = np.array(sorted(matched), np.int64).reshape(-1, 2)
    return Alignment(
        pairs,
        np.setdiff1d(np.arange(performed), pairs[:, 0]),
        np.setdiff1d(np.arange(written), pairs[:, 1]),
    )


def score_beats(score: Performance, seconds: Floats) -> Floats:
    """Position in quarter notes of times in a score's MIDI file, by its tempo map.

    Args:
        score: Whose `tempos` count.
        seconds: Times, shape (T,).

    Returns:
        Quarter notes from the start, shape (T,).
    """
    import numpy as np

    time, per_second = score.tempos[:, 0], score.tempos[:, 1] / 60
    at_change = np.concatenate([[0.0], np.cumsum(np.diff(time) * per_second[:-1])])
    segment = np.maximum(np.searchsorted(time, seconds, side="right") - 1, 0)
    return np.asarray(at_change[segment] + (seconds - time[segment]) * per_second[segment])


def read_alignment(path: str | Path) -> AlignmentFile:
    """Read a `note_alignment.tsv`: columns xml_id, midi_id, track, channel, pitch, onset (seconds).

    Raises:
        RecordingError: It cannot be read as one; names the line.
    """
    path = Path(path)
    matched: list[tuple[str, int, float]] = []
    insertions: list[tuple[int, float]] = []
    deletions: list[str] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            if missing := [name for name in (*_COLUMNS, "midi_id") if name not in (rows.fieldnames or ())]:
                raise RecordingError(f"{path}: has no column {missing[0]!r}; take an alignment of (n)ASAP, or none")
            for number, row in enumerate(rows, start=2):
                if row["midi_id"] == "deletion":
                    deletions.append(row["xml_id"])
                    continue
                pitch, onset = _performed(path, number, row)
                if row["xml_id"] == "insertion":
                    insertions.append((pitch, onset))
                else:
                    matched.append((row["xml_id"], pitch, onset))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(
            f"{path}: cannot be read as an alignment ({error}); fetch it again, or remove it"
        ) from error
    return AlignmentFile(tuple(matched), tuple(insertions), tuple(deletions))


def by_index(file: AlignmentFile, performance: Performance, score: ScoreNotes, path: str | Path = "") -> Alignment:
    """An alignment file's notes found in a performance and its score.

    Notes it says are matched and that one of the two lacks (as notes that were mended on reading) are left out of
    the pairs and so count as insertions and deletions.

    Args:
        file: What was read.
        performance: Of whose MIDI file it speaks.
        score: Of whose MusicXML file it speaks.
        path: For messages.

    Raises:
        RecordingError: Less than nine in ten of its matches are found: it belongs to other files.
    """
    place = {note_id: index for index, note_id in enumerate(score.ids)}
    played = _Played(performance)
    pairs: list[tuple[int, int]] = []
    for note_id, pitch, onset in file.matched:
        index = played.take(pitch, onset)
        if index is not None and note_id in place:
            pairs.append((index, place.pop(note_id)))
    if len(pairs) < 0.9 * len(file.matched):
        raise RecordingError(
            f"{path}: only {len(pairs)} of its {len(file.matched)} matches are found in performance and score; "
            "it belongs to other files: remove it, or fetch all three again"
        )
    return alignment(pairs, len(performance), len(score.notes))


class _Played:
    """Finds each performed note once, by pitch and time."""

    def __init__(self, performance: Performance) -> None:
        import numpy as np

        self._onset = performance.onset
        self._free = {int(p): list(np.flatnonzero(performance.pitch == p)) for p in np.unique(performance.pitch)}

    def take(self, pitch: int, onset: float) -> int | None:
        candidates = self._free.get(pitch, [])
        nearest = min(candidates, key=lambda i: abs(self._onset[i] - onset), default=None)
        if nearest is None or not abs(self._onset[nearest] - onset) <= ONSET_TOLERANCE_SECONDS:  # nor is NaN near
            return None
        candidates.remove(nearest)
        return int(nearest)


def _performed(path: Path, number: int, row: dict[str, Any]) -> tuple[int, float]:
    try:
        return int(row["pitch"]), float(row["onset"])
    except (TypeError, ValueError):
        raise RecordingError(
            f"{path}, line {number}: pitch {row['pitch']!r} and onset {row['onset']!r} are no numbers; fetch it again"
        ) from None


def _matcher() -> Any:
    from parangonar import DualDTWNoteMatcher

    return DualDTWNoteMatcher()


def _score_array(score: Performance) -> Any:
    """A score as partitura's note array, as far as the matcher looks at it."""
    import numpy as np

    start, end = score_beats(score, score.onset), score_beats(score, score.end)
    columns = [("onset_beat", "f8"), ("duration_beat", "f8"), ("pitch", "i4"), ("id", "U12"), ("is_grace", "?")]
    notes = np.zeros(len(score), columns)
    # what stands together is together: ticks turned into seconds and back differ in the last digits
    notes["onset_beat"] = np.round(start, 4)
    notes["duration_beat"] = end - start
    notes["pitch"] = score.pitch
    notes["id"] = np.arange(len(score)).astype("U12")
    return notes


def _performance_array(performance: Performance) -> Any:
    import numpy as np

    columns = [("onset_sec", "f8"), ("duration_sec", "f8"), ("pitch", "i4"), ("velocity", "i4"), ("id", "U12")]
    notes = np.zeros(len(performance), columns)
    notes["onset_sec"], notes["duration_sec"] = performance.onset, performance.duration
    notes["pitch"], notes["velocity"] = performance.pitch, performance.velocity
    notes["id"] = np.arange(len(performance)).astype("U12")
    return notes
