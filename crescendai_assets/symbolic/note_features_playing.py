"""Note features of playing against its score: tempo and dynamics by the beat, chords, melody, articulation, pedal.

Times are logarithms of seconds unless a name says otherwise; velocities are MIDI's. Curves are looked at in steps of
half a beat to four beats (of quarter notes), since listeners hear a phrase and a hesitation as different things.
"""

from __future__ import annotations

from typing import Any

from crescendai_assets.symbolic.note_features_aligned import AlignedNotes, correlation, course, summary
from crescendai_assets.symbolic.note_features_sound import sounding_end
from crescendai_assets.symbolic.performance import Floats, pedal_at, pedal_spans
from crescendai_assets.symbolic.summaries import deviation, logarithm, mean, moves

STEPS = (0.5, 1.0, 2.0, 4.0)
"""In quarter notes."""

_SHORT_BEATS = 0.5
_LOOKS = 7  # at the pedal, a step


def tempo(notes: AlignedNotes) -> dict[str, float]:
    """Pace, tempo from moment to moment, each moment's deviation from a line through those within a beat of it."""
    import numpy as np

    beat, time = notes.tempo_steps()
    written = np.argsort(notes.written.beat, kind="stable")
    as_written = np.interp(beat, notes.written.beat[written], notes.written.score.onset[written])
    step = logarithm(np.diff(time) / np.diff(beat)) if len(beat) > 1 else np.zeros(1)
    unrest = step[1:-1] - (step[:-2] + step[1:-1] + step[2:]) / 3 if len(step) > 2 else np.zeros(1)
    off = _off_the_line(beat, time)
    return {
        "tempo_of_written": float(np.log((time[-1] - time[0] or 0.1) / max(as_written[-1] - as_written[0], 0.1))),
        "tempo_beat": _beat_seconds(notes),
        **summary(step, "tempo_step"),
        "tempo_step_unrest": deviation(unrest),
        **summary(off, "timing", (5, 95)),
        "timing_in_beats": deviation(off) / float(np.exp(_beat_seconds(notes))),
    }


def curves(notes: AlignedNotes) -> dict[str, float]:
    """Courses of tempo, velocity and pedal by `STEPS`, and how they go with each other and with pitch."""
    import numpy as np

    beat, time = notes.tempo_steps()
    velocity, pitch = notes.by_moment(notes.velocity), notes.by_moment(notes.pitch)
    found: dict[str, float] = {}
    for size in STEPS:
        grid = np.arange(beat[0], beat[-1] + 1e-6, size)
        grid = grid if len(grid) >= 4 else np.linspace(beat[0], max(beat[-1], beat[0] + 0.1), 4)
        at, of = np.interp(grid, beat, time), f"{size:g}b"
        period = logarithm(np.diff(at) / np.diff(grid))
        loud, high = (_by_step(notes.moment_beat, values, grid) for values in (velocity, pitch))
        looks = np.linspace(at[:-1], at[1:], _LOOKS + 1)[:_LOOKS].T
        pedal = (pedal_at(notes.read.sustain, looks.ravel()) / 127).reshape(looks.shape)
        found |= {
            **summary(period - _beat_seconds(notes), f"tempo_{of}", (5, 25, 75, 95)),
            **course(period, f"tempo_{of}"),
            **summary(loud, f"dynamics_{of}", (5, 95)),
            **course(loud, f"dynamics_{of}"),
            f"tempo_by_dynamics_{of}": correlation(period, loud),
            f"dynamics_by_pitch_{of}": correlation(loud, high),
            f"tempo_by_pitch_{of}": correlation(period, high),
            **summary(pedal.mean(1), f"pedal_{of}", (5, 95)),
            f"pedal_inside_{of}": mean(pedal.std(1)),
            f"pedal_moves_{of}": moves(pedal.mean(1)),
        }
    return found


def voicing(notes: AlignedNotes) -> dict[str, float]:
    """Spread of chords, lead of their outer notes, melody against what is around it, accents, missing notes."""
    import numpy as np

    velocity, beat, top = notes.velocity, notes.beat, notes.highest
    off, of_many = notes.onset - notes.moment_onset[notes.moment], notes.size > 1
    upper, lower = _outer(notes)
    in_chord = of_many[notes.moment]
    near = np.abs(beat[:, None] - beat) <= 1.01
    around = near & ~top[:, None]
    beside = (around * velocity[:, None]).sum(0) / np.maximum(around.sum(0), 1)
    bass, inner, on_beat = notes.lowest & ~top, ~notes.lowest & ~top, np.abs(beat - np.round(beat)) < 0.02
    closest = np.abs(beat[:, None] - beat) <= 0.26
    return {
        "notes_added": 1 - len(notes.played) / len(notes.read),
        "notes_missing": 1 - len(notes.played) / len(notes.written.beat),
        **summary(np.sqrt(notes.by_moment(off**2))[of_many], "chord_spread_written"),
        **summary(off[upper & in_chord], "chord_top_lag"),
        **summary(off[lower & in_chord], "chord_bottom_lag"),
        **summary((velocity - beside)[top & around.any(0)], "melody_over_rest"),
        **summary(velocity[top], "melody_velocity"),
        **course(velocity[top], "melody_velocity"),
        "melody_by_pitch": correlation(velocity[top], notes.pitch[top].astype(np.float64)),
        "melody_share": mean(top),
        **summary(velocity[~top], "rest_velocity"),
        "rest_moves": moves(velocity[~top]),
        "bass_over_inner": _apart(velocity[bass], velocity[inner]),
        "accent_on_beat": _apart(velocity[on_beat], velocity[~on_beat]),
        **summary(velocity - _mean_over(near, velocity), "velocity_over_beat", (5, 95)),
        "velocity_over_half_beat": deviation(velocity - _mean_over(closest, velocity)),
    }


def articulation_of_score(notes: AlignedNotes) -> dict[str, float]:
    """Duration over what the score asks for at the tempo that is played (log): by key and as it sounds, by voice."""
    import numpy as np

    asked = logarithm(_asked_seconds(notes))
    keys = logarithm(notes.read.duration[notes.played]) - asked
    sounding = logarithm(sounding_end(notes.read)[notes.played] - notes.onset) - asked
    top, short = notes.highest, notes.beats <= _SHORT_BEATS
    melody_end, melody_next = notes.read.end[notes.played][top][:-1], notes.onset[top][1:]
    return {
        **summary(keys, "held", (5, 25, 50, 75, 95)),
        **summary(sounding, "held_sounding"),
        **summary(keys[top], "held_melody"),
        **summary(keys[~top], "held_rest"),
        **summary(keys[notes.lowest], "held_bass", (50,)),
        "held_short": mean(keys[short]) if short.any() else mean(keys),
        "held_long": mean(keys[~short]) if not short.all() else mean(keys),
        "melody_legato": mean(melody_end > melody_next),
        **summary(np.clip(melody_next - melody_end, -1, 1), "melody_gap"),
    }


def pedal_of_score(notes: AlignedNotes) -> dict[str, float]:
    """Changes of the pedal by the beat, how they fall against the moments (seconds), how many beats they last."""
    import numpy as np

    beat, time = notes.tempo_steps()
    spans, length = pedal_spans(notes.read.sustain, notes.read.seconds), max(float(beat[-1] - beat[0]), 1.0)
    after = np.searchsorted(time, spans[:, 0])
    before, following = time[np.clip(after - 1, 0, len(time) - 1)], time[np.clip(after, 0, len(time) - 1)]
    apart = np.minimum(np.abs(spans[:, 0] - before), np.abs(spans[:, 0] - following))
    lasting = logarithm(spans[:, 1] - spans[:, 0]) - _beat_seconds(notes)
    return {
        "pedal_changes_a_beat": len(spans) / length,
        "pedal_events_a_beat": len(notes.read.sustain) / length,
        **summary(apart, "pedal_off_moments", (50,)),
        **summary(np.clip(spans[:, 0] - before, 0, 2), "pedal_after_moments", (50,)),
        **summary(lasting, "pedal_beats"),
    }


def _beat_seconds(notes: AlignedNotes) -> float:
    """Mean length of a quarter note, logarithm of seconds."""
    import numpy as np

    beat, time = notes.tempo_steps()
    return float(np.log(max(time[-1] - time[0], 0.1) / max(beat[-1] - beat[0], 0.1)))


def _asked_seconds(notes: AlignedNotes) -> Floats:
    """How long each note would last as written, at the tempo of its place; past the last moment at the mean tempo."""
    import numpy as np

    beat, time = notes.tempo_steps()
    end, last = notes.beat + notes.beats, beat[-1]
    inside = np.interp(np.minimum(end, last), beat, time) - np.interp(notes.beat, beat, time)
    past = np.maximum(end - np.maximum(notes.beat, last), 0) * np.exp(_beat_seconds(notes))
    return np.asarray(inside + past)


def _off_the_line(beat: Floats, time: Floats) -> Floats:
    """Seconds by which a moment is late against a line through its neighbours within a beat."""
    import numpy as np

    late = []
    for place in range(len(beat) if len(beat) > 4 else 0):
        near = np.abs(beat - beat[place]) <= 1.01
        near[place] = False
        if near.sum() >= 2 and np.ptp(beat[near]) > 0:
            late.append(time[place] - np.polyval(np.polyfit(beat[near], time[near], 1), beat[place]))
    return np.array(late)


def _by_step(beat: Floats, values: Floats, grid: Floats) -> Floats:
    """Means by step of a grid; a step in which nothing begins lies on the line between its neighbours."""
    import numpy as np

    step = np.clip(np.searchsorted(grid, beat, side="right") - 1, 0, len(grid) - 2)
    count = np.bincount(step, minlength=len(grid) - 1)
    some = np.flatnonzero(count)
    means = np.bincount(step, values, len(grid) - 1)[some] / count[some]
    return np.asarray(np.interp(np.arange(len(count)), some, means))


def _outer(notes: AlignedNotes) -> tuple[Any, Any]:
    """Whether a note is the highest, the lowest of its moment."""
    import numpy as np

    order = np.lexsort((notes.pitch, notes.moment))
    last = np.flatnonzero(np.diff(notes.moment[order], append=-1))
    upper, lower = np.zeros(len(order), bool), np.zeros(len(order), bool)
    upper[order[last]] = True
    lower[order[np.append(0, last[:-1] + 1)]] = True
    return upper, lower


def _mean_over(chosen: Any, values: Floats) -> Floats:
    import numpy as np

    return np.asarray((chosen * values[:, None]).sum(0) / chosen.sum(0))


def _apart(some: Floats, others: Floats) -> float:
    return mean(some) - mean(others) if len(some) and len(others) else 0.0
