"""What is measured of a stretch of a performance against its score, in natural units; None where it cannot be.

A heuristic each, made so that one fault moves one measure: timing is measured against the tempo curve and not against
neighbouring notes' ends, velocities and durations by their place in the score and not in time. `pseudo_scale` turns
measures into marks of 0 to 100.
"""

from __future__ import annotations

from dataclasses import dataclass

from crescendai_assets.labels.pseudo_timing import MatchedNotes
from crescendai_assets.symbolic.performance import Floats, Ints, Performance, pedal_spans

LEAST_NOTES = 16
"""Matched notes in a window below which timing, dynamics, articulation and tone are not measured."""

LEAST_EVENTS = 8
"""The same of score onsets, of chords, and of onsets under the pedal."""

TIMING_THRESHOLD_SECONDS = 0.24
"""Inter-onset time above which deviations are noticed relative to it, below which they are noticed as such
(Friberg and Sundberg 1995, J. Acoust. Soc. Am. 98)."""

MOST_RELIEF = 2.0
"""Most that slow music divides deviations by: notes of one chord that do not sound together are heard at any tempo."""

PHRASE_HALF_SECONDS = 2.0
"""Half the span over which loudness counts as a line."""

HELD_BY_PEDAL_SECONDS = 3.0
"""How long a string is counted as sounding under the pedal after its key went up."""

BLUR_BELOW = 84
"""Pitch from which the piano has no dampers worth the name, so that nothing is blurred by them."""

LIFTED_BEFORE_SECONDS, LIFTED_AFTER_SECONDS = 0.15, 0.35
"""Around a change of the bass, when a pedal may be lifted for it: legato pedalling lifts after it."""

LEAST_CHANGES = 3
"""Changes of the bass below which their share with a new pedal says nothing."""

_MAD = 1.4826  # of a normal distribution: standard deviation / median absolute deviation


@dataclass(frozen=True)
class Velocities:
    """Loudness lines of a stretch.

    Attributes:
        shape: Standard deviation of the smooth lines, MIDI velocity.
        noise: Standard deviation of single onsets around them.
    """

    shape: float
    noise: float


@dataclass(frozen=True)
class Voicing:
    """How chords are balanced.

    Attributes:
        lead: Median of the top note's velocity above the mean of the others.
        spread: Standard deviation of it from one chord to the next.
    """

    lead: float
    spread: float


@dataclass(frozen=True)
class Pedalling:
    """What the pedal does to harmony.

    Attributes:
        blur: Share of onsets under the pedal that strike a semitone beside a note that only the pedal holds.
        renewed: Share of changes of the bass under or into the pedal at which it is changed; None when there are
            fewer than `LEAST_CHANGES`.
    """

    blur: float
    renewed: float | None


def error_share(matched: int, insertions: int, deletions: int, passage: int = 0) -> float | None:
    """1 - F1 = (I + D) / (2 M + I + D): a wrong note counts as one inserted and one deleted.

    None with fewer than `LEAST_NOTES` performed notes, or when fewer notes are matched than inserted or in passages
    that only one of score and performance has: then the alignment is wrong more likely than the playing.
    """
    if matched + insertions < LEAST_NOTES or matched < insertions + passage:
        return None
    return (insertions + deletions) / (2 * matched + insertions + deletions)


def timing_deviation(notes: MatchedNotes, chosen: Ints) -> float | None:
    """Standard deviation (robust) of onsets around the smooth tempo curve, seconds.

    1.4826 median|onset - expected| / clip(IOI / 0.24 s, 1, 2), IOI the median time between score onsets: in slow music
    the same deviation is heard less. Grace notes do not count.

    Args:
        notes: Of the whole performance.
        chosen: Indices of the stretch's notes.
    """
    import numpy as np

    metrical = chosen[notes.grace[chosen] == 0]
    events = np.unique(notes.event[metrical], return_index=True)[1]
    if len(metrical) < LEAST_NOTES or len(events) < LEAST_EVENTS:
        return None
    off = np.abs(notes.onset[metrical] - notes.expected[metrical])
    apart = float(np.median(np.abs(np.diff(notes.expected[metrical][events]))))
    relief = min(max(apart / TIMING_THRESHOLD_SECONDS, 1.0), MOST_RELIEF)
    return float(_MAD * np.median(off) / relief)


def velocity_lines(notes: MatchedNotes) -> Floats:
    """Smooth loudness under each note, shape (M,): a line per hand over the mean velocity of its onsets.

    Gaussian weights of the expected times, standard deviation half of `PHRASE_HALF_SECONDS`.
    """
    import numpy as np

    line = np.zeros(len(notes))
    for hand in np.unique(notes.hand):
        own = np.flatnonzero(notes.hand == hand)
        _, first, place = np.unique(notes.event[own], return_index=True, return_inverse=True)
        mean = np.bincount(place, notes.velocity[own]) / np.bincount(place)
        line[own] = _smooth(notes.expected[own][first], mean)[place]
    return line


def velocities(notes: MatchedNotes, line: Floats, chosen: Ints) -> Velocities | None:
    """Shape and noise of the loudness lines in a stretch; see `velocity_lines` for `line`."""
    import numpy as np

    if len(chosen) < LEAST_NOTES:
        return None
    shape, noise = [], []
    for hand in np.unique(notes.hand[chosen]):
        own = chosen[notes.hand[chosen] == hand]
        shape.append((line[own] - line[own].mean()) ** 2)
        noise.append(np.abs(notes.velocity[own] - line[own]))
    return Velocities(float(np.sqrt(np.concatenate(shape).mean())), float(_MAD * np.median(np.concatenate(noise))))


def articulation_change(notes: MatchedNotes, chosen: Ints) -> float | None:
    """How much the way of holding keys changes from note to note, octaves: median |r_i - r_(i-1)|.

    r = log2(duration / (notated duration x local time of a beat)), over neighbours in one hand that are notated
    equally long; so legato and staccato are equal, as long as they are meant. None with fewer than `LEAST_NOTES`
    such neighbours.
    """
    import numpy as np

    own = chosen[notes.grace[chosen] == 0]
    if len(own) < LEAST_NOTES:
        return None
    written = notes.held_beats[own] * notes.period[own]
    ratio = np.log2(np.maximum(notes.duration[own], 1e-3) / written)
    length = np.round(np.log2(notes.held_beats[own]) * 8)
    order = np.lexsort((notes.event[own], length, notes.hand[own]))
    alike = (np.diff(length[order]) == 0) & (np.diff(notes.hand[own][order]) == 0)
    changes = np.abs(np.diff(ratio[order]))[alike]
    return float(np.median(changes)) if len(changes) >= LEAST_NOTES else None


def voicing(notes: MatchedNotes, chosen: Ints) -> Voicing | None:
    """How the top note of score onsets stands out from the others; None with fewer than `LEAST_EVENTS` chords."""
    import numpy as np

    event, place = np.unique(notes.event[chosen], return_inverse=True)
    count = np.bincount(place)
    top = np.zeros(len(event), np.int64)
    top[place] = chosen  # within an onset pitch ascends, so the highest is written last
    total = np.bincount(place, notes.velocity[chosen])
    chords = count >= 2
    if chords.sum() < LEAST_EVENTS:
        return None
    highest = notes.velocity[top[chords]]
    lead = highest - (total[chords] - highest) / (count[chords] - 1)
    middle = float(np.median(lead))
    return Voicing(middle, float(_MAD * np.median(np.abs(lead - middle))))


def pedalling(notes: MatchedNotes, performance: Performance, chosen: Ints) -> Pedalling | None:
    """What the sustain pedal does to harmony; None with fewer than `LEAST_EVENTS` onsets under it.

    Times are expected ones, so that uneven playing is not heard as bad pedalling.
    """
    import numpy as np

    spans = pedal_spans(performance.sustain, performance.seconds + 1)
    if not len(spans):
        return None
    time = notes.expected[chosen]
    span = np.searchsorted(spans[:, 0], time, side="right") - 1
    # pressed with the note or just after it, as in legato pedalling, it does not hold what sounded before
    under = (span >= 0) & (time < spans[span, 1]) & (time > spans[span, 0])
    if len(np.unique(notes.event[chosen[under]])) < LEAST_EVENTS:
        return None
    struck = chosen[under]
    caught = spans[span[under], 0]
    return Pedalling(_blur(notes, struck, caught), _renewed(notes, spans, chosen))


def _blur(notes: MatchedNotes, struck: Ints, caught: Floats) -> float:
    """Share of struck notes a semitone beside one that the pedal caught and holds; `caught`: when it went down."""
    import numpy as np

    up = notes.expected + notes.duration
    low = notes.pitch < BLUR_BELOW
    first = np.searchsorted(notes.expected, notes.expected[struck] - HELD_BY_PEDAL_SECONDS - 1)
    clashes = 0
    for note, start, down in zip(struck, first, caught, strict=True):
        before = slice(start, note)
        time = notes.expected[note]
        held = (up[before] > down) & (up[before] < time) & (time - up[before] < HELD_BY_PEDAL_SECONDS) & low[before]
        clashes += bool(np.any(held & (np.abs(notes.pitch[before] - notes.pitch[note]) == 1)))
    return clashes / len(struck)


def _renewed(notes: MatchedNotes, spans: Floats, chosen: Ints) -> float | None:
    """Share of changes of the bass at which no pedal runs through, of those that the pedal is near."""
    import numpy as np

    first = np.unique(notes.event[chosen], return_index=True)[1]
    lowest = notes.pitch[chosen[first]]  # within an onset pitch ascends
    time = notes.expected[chosen[first]]
    bass = np.flatnonzero(lowest < 60)
    moved = bass[1:][np.diff(lowest[bass]) % 12 != 0]
    early, late = time[moved] - LIFTED_BEFORE_SECONDS, time[moved] + LIFTED_AFTER_SECONDS
    # a pedal that is down from before to after the change was not renewed at it
    through = np.array([np.any((spans[:, 0] < a) & (spans[:, 1] > b)) for a, b in zip(early, late, strict=True)], bool)
    near = np.array([np.any((spans[:, 0] < b) & (spans[:, 1] > a)) for a, b in zip(early, late, strict=True)], bool)
    if near.sum() < LEAST_CHANGES:
        return None
    return float(1 - through.sum() / near.sum())


def _smooth(time: Floats, value: Floats) -> Floats:
    """Gaussian mean of values at their times, shape (E,), in pieces of a thousand."""
    import numpy as np

    out = np.empty(len(time))
    for start in range(0, len(time), 1000):
        piece = slice(start, start + 1000)
        weight = np.exp(-0.5 * ((time[piece, None] - time) / (PHRASE_HALF_SECONDS / 2)) ** 2)
        out[piece] = weight @ value / weight.sum(axis=1)
    return out
