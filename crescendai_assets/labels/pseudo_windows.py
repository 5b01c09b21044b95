"""A performance and its score to pseudo-labels, window by window. Files and tables are `pseudo`'s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crescendai_assets.labels.pseudo_measures import (
    articulation_change,
    error_share,
    pedalling,
    timing_deviation,
    velocities,
    velocity_lines,
    voicing,
)
from crescendai_assets.labels.pseudo_scale import (
    LABELS,
    articulation_quality,
    dynamics_control,
    note_accuracy,
    pedaling_technique,
    rhythmic_precision,
    rounded,
    tone_quality,
)
from crescendai_assets.labels.pseudo_timing import MatchedNotes, expected_times, matched_notes
from crescendai_assets.symbolic.alignment import Alignment, score_beats
from crescendai_assets.symbolic.performance import Floats, Ints, Performance

WINDOW_SECONDS = 10.0

LEAST_WINDOW_SECONDS = 5.0
"""A tail from this length on is a window; a shorter one is left out, as with segments."""

PASSAGE_NOTES = 25
"""Neighbourhood by which a passage left out, or a repeat taken, is told from wrong notes."""

PASSAGE_SHARE = 0.5
"""Where more than this of the neighbourhood has no partner, it is a passage: no playing that an alignment can follow
has so many wrong notes, and an alignment scatters a few matches over what was skipped."""


@dataclass(frozen=True)
class Window:
    """Labels of a stretch.

    Attributes:
        start: Seconds.
        end: Seconds.
        labels: Of `pseudo_scale.LABELS`, 0 to 100, None where not computable.
        matched: Notes played as written.
        insertions: Notes played that are not written.
        deletions: Notes written that were not played, by when they were due.
        passage: Notes of either kind in a passage that only one of the two has; they are not counted as wrong.
    """

    start: float
    end: float
    labels: dict[str, float | None]
    matched: int
    insertions: int
    deletions: int
    passage: int


def pseudo_label_windows(performance: Performance, score: Performance, alignment: Alignment) -> list[Window]:
    """Labels of every window of `WINDOW_SECONDS` from 0 on in which notes were played; heuristics, hence pseudo.

    Args:
        performance: As played.
        score: As written.
        alignment: Of the two.
    """
    import numpy as np

    notes = matched_notes(performance, score, alignment)
    line = velocity_lines(notes) if notes else np.zeros(0)
    inserted, repeated = (performance.onset[i] for i in _split(alignment.insertions, len(performance)))
    due, skipped = (_due(notes, score, i) for i in _split(alignment.deletions, len(score)))
    passages = np.concatenate([repeated, skipped])
    found = []
    for start, end in _spans(performance):
        if not np.any((performance.onset >= start) & (performance.onset < end)):
            continue
        chosen = np.flatnonzero((notes.onset >= start) & (notes.onset < end)) if notes else np.zeros(0, np.int64)
        counts = (len(chosen), *(_within(times, start, end) for times in (inserted, due, passages)))
        found.append(Window(start, end, _labels(notes, performance, line, chosen, counts), *counts))
    return found


def _labels(
    notes: MatchedNotes | None, performance: Performance, line: Floats, chosen: Ints, counts: tuple[int, ...]
) -> dict[str, float | None]:
    """All None where accuracy is: without an alignment to trust nothing else means anything."""
    share = error_share(*counts)
    if notes is None or share is None:
        return rounded(dict.fromkeys(LABELS))
    return rounded(
        {
            "note_accuracy": note_accuracy(share),
            "rhythmic_precision": rhythmic_precision(timing_deviation(notes, chosen)),
            "dynamics_control": dynamics_control(velocities(notes, line, chosen)),
            "articulation_quality": articulation_quality(articulation_change(notes, chosen)),
            "pedaling_technique": pedaling_technique(pedalling(notes, performance, chosen)),
            "tone_quality": tone_quality(voicing(notes, chosen)),
        }
    )


def _spans(performance: Performance) -> Iterator[tuple[float, float]]:
    """Windows from 0 to the last key's end."""
    start = 0.0
    while performance.seconds - start >= LEAST_WINDOW_SECONDS or start == 0.0:
        yield start, round(min(start + WINDOW_SECONDS, performance.seconds), 3)
        start += WINDOW_SECONDS


def _split(unpaired: Ints, notes: int) -> tuple[Ints, Ints]:
    """Unpaired notes, of so many in all: single ones, and those of passages."""
    import numpy as np

    lone = np.zeros(notes)
    lone[unpaired] = 1
    around = np.ones(min(PASSAGE_NOTES, notes))
    share = np.convolve(lone, around, "same") / np.convolve(np.ones(notes), around, "same")
    # at the edges of a passage, too, matches are scattered
    passage = np.convolve((share > PASSAGE_SHARE) & (lone > 0), around, "same")[unpaired] > 0.5
    return unpaired[~passage], unpaired[passage]


def _due(notes: MatchedNotes | None, score: Performance, missing: Ints) -> Floats:
    """When notes that were not played were due."""
    import numpy as np

    return expected_times(notes, score_beats(score, score.onset[missing])) if notes else np.zeros(0)


def _within(times: Floats, start: float, end: float) -> int:
    import numpy as np

    return int(np.count_nonzero((times >= start) & (times < end)))
