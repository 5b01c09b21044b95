"""Note features of the score alone: its mode and harmony, its texture. They say what is played, not how.

Listeners hear both: how bright or how sad a performance sounds is mostly the mode of the piece. Key: correlation of the
pitch classes' durations with the profiles of Krumhansl and Kessler (Krumhansl, Cognitive Foundations of Musical Pitch,
1990, chapter 2), the best of twelve keys in major and in minor.
"""

from __future__ import annotations

from typing import Any

from crescendai_assets.symbolic.note_features_aligned import WrittenNotes, correlation, slope, summary
from crescendai_assets.symbolic.performance import Floats
from crescendai_assets.symbolic.summaries import logarithm, mean

MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

_SCALES = ([0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10, 11])  # major; minor with both sevenths
_TRIADS = {"major": (4, 7), "minor": (3, 7), "diminished": (3, 6)}
_DISSONANT = (1, 2, 6, 10, 11)  # intervals, octaves taken off
_WINDOW_BEATS = 4.0
_GRIDS = (1.0, 0.5, 1 / 3)


def harmony(written: WrittenNotes) -> dict[str, float]:
    """Mode, tonal clarity, chromaticism; triads and intervals that sound together."""
    import numpy as np

    classes = np.bincount(written.score.pitch % 12, written.beats, 12)
    (major, in_major), (minor, in_minor) = best_keys(classes)
    share = classes / classes.sum()
    degree = np.roll(share, -(in_major if major > minor else in_minor))
    modes, clearness = _local_keys(written)
    return {
        "score_major": major,
        "score_minor": minor,
        "score_mode": major - minor,
        "score_pitch_classes": float(-(share * np.log(share + 1e-9)).sum()),
        "score_third": float(degree[4] - degree[3]),
        "score_sixth": float(degree[9] - degree[8]),
        "score_seventh": float(degree[11] - degree[10]),
        "score_chromatic": float(1 - degree[_SCALES[0 if major > minor else 1]].sum()),
        **summary(modes, "score_local_mode"),
        "score_local_clearness": mean(clearness),
        **_together(written),
    }


def texture(written: WrittenNotes) -> dict[str, float]:
    """Register, note values, density, how the outer voices move, how it fits a grid."""
    import numpy as np

    score, beat, beats = written.score, written.beat, written.beats
    places, of_note = np.unique(beat, return_inverse=True)
    between, length = logarithm(np.diff(places)), max(float(np.ptp(beat)), 1.0)
    seconds = max(score.seconds - float(score.onset[0]), 0.1)
    until_next = np.append(places, beat.max() + 1)[of_note + 1] - beat
    top, bottom = np.full(len(places), -1.0), np.full(len(places), 128.0)
    np.maximum.at(top, of_note, score.pitch)
    np.minimum.at(bottom, of_note, score.pitch)
    leaps = np.diff(top)
    return {
        **summary(score.pitch, "score_pitch", (5, 25, 50, 75, 95)),
        **summary(logarithm(beats), "score_value"),
        **summary(between, "score_step"),
        "score_step_variety": _entropy(np.round(between * 4)),
        "score_moments_a_beat": len(places) / length,
        "score_notes_a_beat": len(score) / length,
        "score_beats": float(np.log(length)),
        "score_notes": float(np.log(len(score))),
        "score_seconds_a_beat": float(np.log(max(score.onset[-1] - score.onset[0], 0.1) / length)),
        "score_notes_a_second": float(np.log(len(score) / seconds)),
        "score_moments_a_second": float(np.log(len(places) / seconds)),
        **summary(logarithm(beats) - logarithm(until_next), "score_articulation"),
        **{f"score_on_{grid:.2f}": mean(np.abs(beat / grid - np.round(beat / grid)) < 0.05) for grid in _GRIDS},
        **summary(score.velocity, "score_velocity"),
        **summary(top, "score_top", (50,)),
        **summary(np.abs(leaps), "score_top_moves", (50, 90)),
        "score_top_slope": slope(top),
        "score_top_repeats": mean(leaps == 0),
        **summary(bottom, "score_bottom", (50,)),
        **summary(np.abs(np.diff(bottom)), "score_bottom_moves", (50, 90)),
        **summary(top - bottom, "score_width", (50, 90)),
        "score_chord_size": len(score) / len(places),
        "score_outer_slope": slope(top + bottom),
    }


def best_keys(classes: Any) -> tuple[tuple[float, int], tuple[float, int]]:
    """Correlation with the best major and the best minor key, and their tonics (0 is C).

    Args:
        classes: Weight of each pitch class, shape (12,).
    """
    import numpy as np

    def best(profile: tuple[float, ...]) -> tuple[float, int]:
        return max((correlation(np.roll(profile, tonic), classes), tonic) for tonic in range(12))

    return best(MAJOR), best(MINOR)


def _local_keys(written: WrittenNotes) -> tuple[Floats, Floats]:
    """Major against minor, and the better of them, by window; its neighbourhood of two beats counts too."""
    import numpy as np

    beat, end = written.beat, written.beat + written.beats
    modes, clearness = [], []
    for start in np.arange(0, beat.max() + _WINDOW_BEATS, _WINDOW_BEATS):
        inside = (beat < start + _WINDOW_BEATS + 2) & (end > start - 2)
        if inside.sum() < 4:
            continue
        lasting = np.minimum(written.beats[inside], _WINDOW_BEATS + 2)
        (major, _), (minor, _) = best_keys(np.bincount(written.score.pitch[inside] % 12, lasting, 12))
        modes.append(major - minor)
        clearness.append(max(major, minor))
    return np.array(modes), np.array(clearness)


def _together(written: WrittenNotes) -> dict[str, float]:
    """Shares of intervals, and of moments that hold a triad, among what is written to sound at each moment."""
    import numpy as np

    pitch, end = written.score.pitch, written.beat + written.beats
    places = np.unique(written.beat)
    intervals, triads, voices = np.zeros(12), dict.fromkeys(_TRIADS, 0), []
    for place in places:
        sounding = pitch[(written.beat <= place + 1e-4) & (end > place + 1e-3)]
        voices.append(len(sounding))
        apart = np.abs(sounding[:, None] - sounding)[np.triu_indices(len(sounding), 1)]
        intervals += np.bincount(apart % 12, minlength=12)
        classes = set((sounding % 12).tolist())
        for name, (third, fifth) in _TRIADS.items():
            triads[name] += sum({(root + third) % 12, (root + fifth) % 12} <= classes for root in classes)
    intervals /= max(intervals.sum(), 1)
    return {
        **{f"score_interval_{size:02d}": float(share) for size, share in enumerate(intervals)},
        **{f"score_triads_{name}": count / len(places) for name, count in triads.items()},
        "score_triads_mode": (triads["major"] - triads["minor"]) / len(places),
        "score_dissonance": float(intervals[list(_DISSONANT)].sum()),
        **summary(np.array(voices), "score_voices", (50, 90)),
    }


def _entropy(values: Any) -> float:
    import numpy as np

    share = np.unique(values, return_counts=True)[1] / max(len(values), 1)
    return float(-(share * np.log(share)).sum())
