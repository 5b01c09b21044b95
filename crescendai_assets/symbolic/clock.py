"""A performance on the tokens' clock and back: a grid of 1/32 beat at one tempo, whatever the file's own grid was.

Files of performances give no beats: transcribed ones always say 120, recorded ones any number, and a library that
rounds tempos to the few it has tokens for shifts all that follows. So time in seconds is put on one clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crescendai_assets.symbolic.performance import Floats, Ints, Performance, pedal_spans

if TYPE_CHECKING:
    import symusic

BEATS_PER_MINUTE = 150
"""A step is 12.5 ms, so no onset moves by more than 6.25 ms; at 120 a tenth of inter-onsets would move by over 10."""

STEPS_PER_BEAT = 32

STEPS_PER_SECOND = STEPS_PER_BEAT * BEATS_PER_MINUTE / 60


def to_clock(read: Performance) -> symusic.Score:
    """A score of one track, one tempo, the notes and the sustain pedal (down or up), each rounded to a step.

    Ends are rounded, not durations, so that what was legato stays so; a pedal change is left at least a step.
    """
    import numpy as np
    import symusic

    score = symusic.Score(STEPS_PER_BEAT)
    score.tempos.append(symusic.Tempo(0, BEATS_PER_MINUTE))
    score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    track = symusic.Track("piano", 0, False)
    onset = _steps(read.onset)
    held = np.maximum(_steps(read.end) - onset, 1)
    track.notes = symusic.Note.from_numpy(onset, held, *(a.astype(np.int8) for a in (read.pitch, read.velocity)))
    down, up = _pedal_steps(pedal_spans(read.sustain, read.seconds))
    track.pedals = symusic.Pedal.from_numpy(down, up - down)
    score.tracks.append(track)
    return score


def _pedal_steps(spans: Floats) -> tuple[Any, Any]:
    import numpy as np

    down, up = _steps(spans[:, 0]), _steps(spans[:, 1])
    # a pedal that comes down in the step it went up in comes down one later
    down[1:] = np.maximum(down[1:], up[:-1] + 1)
    lasting = up > down
    return down[lasting], up[lasting]


def _steps(seconds: Floats) -> Ints:
    import numpy as np

    return np.asarray(np.rint(seconds * STEPS_PER_SECOND).astype(np.int32))
