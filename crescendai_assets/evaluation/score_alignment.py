"""How well performances are aligned with their scores, against the beats that ASAP annotated.

What the reference is worth: ASAP's beats were computed from an alignment of its own and corrected by hand (Foscarin et
al. 2020, ISMIR). On the 125 performances at hand 92 % of beats stand, to the microsecond, at the median of
the onsets that our alignment gives to the score's onset there; on those an error of 0 says that both alignments mean
the same notes, not that a listener would tap there. So the same alignment is also read by the first note of each
onset: what another rule for a chord's time makes of it. Simple methods to compare with are in
`score_alignment_baselines`, files and tables in `score_alignment_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crescendai_assets.labels.pseudo_timing import GRACE_BEATS
from crescendai_assets.sources.asap_beats import DOWNBEAT, UNSURE, PairedBeats
from crescendai_assets.symbolic.alignment import Alignment, score_beats
from crescendai_assets.symbolic.performance import Performance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crescendai_assets.symbolic.performance import Floats, Ints

WITHIN_MS = (25, 50, 100)
"""Limits whose shares are told; 50 ms is the window of MIREX's onset evaluation (and `mir_eval.onset`'s default)."""

BAR_TOLERANCE_SECONDS = 0.05
"""How far from a bar line a note may be played and still count on either side: notes of a chord are never struck at
once, melodies lead by some 30 ms (Goebl 2001, JASA 110, 563-572)."""

LEAST_BEAT_SECONDS = 0.05
"""Annotated beats nearer to each other were not played (1,200 a minute): ASAP spreads those of a skipped passage over
the gap. At hand: 69 beats of two performances, 36 ms apart at most; the next nearest are 168 ms apart."""

_GRID = 96  # of a quarter: onsets and beats of a score that stand together are equal then


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Which place of the score is played when: straight between points, held before the first and after the last.

    Attributes:
        beats: Quarter notes, strictly ascending, shape (P,).
        seconds: Times in the performance, not descending, shape (P,).
    """

    beats: Floats
    seconds: Floats

    def seconds_at(self, beats: Floats) -> Floats:
        """When places of the score are played."""
        import numpy as np

        return np.interp(beats, self.beats, self.seconds)

    def beats_at(self, seconds: Floats) -> Floats:
        """Which places of the score are played at times."""
        import numpy as np

        return np.interp(seconds, self.seconds, self.beats)


@dataclass(frozen=True, eq=False)
class Reference:
    """Annotated beats of a performance that can be judged by, and its bar lines.

    Attributes:
        beats: Places in the score, quarter notes, shape (K,).
        seconds: When they are played, shape (K,).
        struck: Whether the score has an onset there, shape (K,).
        bars: Annotated downbeats: places in the score, shape (B,).
        bar_seconds: When those are played, shape (B,).
        left_out: Beats that cannot be judged by: reason -> how many.
    """

    beats: Floats
    seconds: Floats
    struck: NDArray[np.bool_]
    bars: Floats
    bar_seconds: Floats
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class NoteAgreement:
    """Pairs of notes in common with another alignment: shares of ours, of theirs, and their harmonic mean."""

    precision: float
    recall: float
    f1: float


def on_grid(beats: Floats) -> Floats:
    """Places in the score, rounded so that what is written together is equal."""
    import numpy as np

    return np.asarray(np.round(beats * _GRID) / _GRID)


def reference_of(paired: PairedBeats, score: Performance) -> Reference:
    """Put annotated beats on the score.

    Left out, by the annotation alone: beats that ASAP marks as unsure, and beats that were not played (see
    `LEAST_BEAT_SECONDS`). Bar lines are kept all: a skipped bar holds no notes.

    Args:
        paired: As annotated; written times are of this score's file.
        score: The score as MIDI.
    """
    import numpy as np

    labels = np.array(paired.labels)
    played, places = np.array(paired.played), on_grid(score_beats(score, np.array(paired.written)))
    near = np.diff(played) < LEAST_BEAT_SECONDS
    skipped = np.append(near, False) | np.append(False, near)
    unsure, bar = labels == UNSURE, labels == DOWNBEAT
    kept = ~unsure & ~skipped
    return Reference(
        beats=places[kept],
        seconds=played[kept],
        struck=np.isin(places[kept], on_grid(score_beats(score, score.onset))),
        bars=places[bar],
        bar_seconds=played[bar],
        left_out={"unsure": int(unsure.sum()), "not_played": int((skipped & ~unsure).sum())},
    )


def aligned_map(performance: Performance, score: Performance, found: Alignment, *, first: bool = False) -> ScoreMap:
    """The map that an alignment makes: each score onset at the median of its matched notes.

    Grace notes count only where nothing else stands. Onsets that come out of order are pooled by isotonic regression
    weighted by notes (pool adjacent violators; Barlow et al. 1972), so that time never goes back.

    Args:
        performance: N notes.
        score: The score.
        found: At least one matched note.
        first: Take the first note of each onset, not the median.
    """
    import numpy as np
    from sklearn.isotonic import isotonic_regression

    played, written = found.matched[:, 0], found.matched[:, 1]
    place = on_grid(score_beats(score, score.onset))[written]
    grace = (score_beats(score, score.end) - score_beats(score, score.onset))[written] < GRACE_BEATS
    metrical = ~grace | ~np.isin(place, place[~grace])
    place, onset = place[metrical], performance.onset[played[metrical]]
    order = np.lexsort((onset, place))
    beats, start, count = np.unique(place[order], return_index=True, return_counts=True)
    groups = np.split(onset[order], start[1:])
    time = np.array([group[0] if first else np.median(group) for group in groups])
    return ScoreMap(beats, np.asarray(isotonic_regression(time, sample_weight=count.astype(float))))


def onset_errors(found: ScoreMap, reference: Reference) -> Floats:
    """Predicted minus annotated time of each beat, ms to the microsecond, shape (K,); below 0 is early."""
    import numpy as np

    return np.asarray(np.round(1000 * (found.seconds_at(reference.beats) - reference.seconds), 3))


def error_figures(errors: Sequence[float] | Floats) -> dict[str, float | None]:
    """`median_ms`, `mean_ms`, `p90_ms` of |e|, and `within_25`, `_50`, `_100`: shares of |e| up to so many ms.

    Args:
        errors: Milliseconds, shape (K,); of no beats every figure is None.
    """
    import numpy as np

    off = np.abs(np.asarray(errors, np.float64))
    names = ("median_ms", "mean_ms", "p90_ms", *(f"within_{limit}" for limit in WITHIN_MS))
    if not off.size:
        return dict.fromkeys(names)
    shares = [float(np.mean(off <= limit)) for limit in WITHIN_MS]
    values = (float(np.median(off)), float(off.mean()), float(np.percentile(off, 90)), *shares)
    return dict(zip(names, values, strict=True))


def note_places(performance: Performance, score: Performance, through: ScoreMap, found: Alignment) -> Floats:
    """Where in the score each performed note stands, quarter notes, shape (N,): matched ones where they are written.

    Args:
        performance: N notes.
        score: The score.
        through: Places the notes that are not matched, by their time.
        found: The matched notes.
    """
    places = through.beats_at(performance.onset)
    places[found.matched[:, 0]] = on_grid(score_beats(score, score.onset))[found.matched[:, 1]]
    return places


def measure_accuracy(places: Floats, onset: Floats, reference: Reference) -> float | None:
    """Share of performed notes, matched or not, that are put into the measure in which they are played.

    The measure of a place is the number of annotated score downbeats at or before it, that of a performed note the
    number of annotated downbeats of the performance at or before its onset; a note played within
    `BAR_TOLERANCE_SECONDS` of a bar line may be put on either side. (Score following tells the same of its cursor: the
    share of onsets at which it stands in the right bar, Henkel and Widmer 2021, Frontiers in Computer Science 3.)

    Placed by time (`ScoreMap.beats_at`) every method is judged alike. Placed by what they are (`note_places`), notes of
    spread chords and ornaments count as wrong where they are played far on the other side of their bar line: of those
    wrong at hand half lie within .1 s of a bar line, 72 % within .2 s.

    Args:
        places: Where each note was put, quarter notes, shape (N,).
        onset: When it is played, seconds, shape (N,).
        reference: Its bar lines.

    Returns:
        The share, None where no downbeat is annotated.
    """
    import numpy as np

    if not len(reference.bars):
        return None
    said = np.searchsorted(reference.bars, places + 0.5 / _GRID, side="right")
    earliest = np.searchsorted(reference.bar_seconds, onset - BAR_TOLERANCE_SECONDS, side="right")
    latest = np.searchsorted(reference.bar_seconds, onset + BAR_TOLERANCE_SECONDS, side="right")
    return float(np.mean((earliest <= said) & (said <= latest)))


def note_agreement(found: Alignment, given: Alignment) -> NoteAgreement:
    """How far two alignments of the same notes have the same pairs (`parangonar.fscore_alignments` of matches).

    precision = |ours and theirs| / |ours|, recall = |ours and theirs| / |theirs|.
    """
    ours, theirs = _pairs(found.matched), _pairs(given.matched)
    common = len(ours & theirs)
    if not common:
        return NoteAgreement(0.0, 0.0, 0.0)
    precision, recall = common / len(ours), common / len(theirs)
    return NoteAgreement(precision, recall, 2 * precision * recall / (precision + recall))


def _pairs(matched: Ints) -> set[tuple[int, int]]:
    return {(int(played), int(written)) for played, written in matched}
