"""A file's bytes to a `Performance`, by way of symusic. What a usable performance is, is decided in `midi`."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from crescendai_assets.symbolic.midi_bytes import Container, MidiError, control_changes, may_hold, unpack
from crescendai_assets.symbolic.midi_notes import playable
from crescendai_assets.symbolic.midi_time import TempoMap, tempo_map
from crescendai_assets.symbolic.performance import Floats, Mended, Performance, performance

if TYPE_CHECKING:
    import symusic

MAX_NOTE_SECONDS = 60.0
"""No string sounds longer; a key that is held longer was never let go in the file and is cut here."""

SUSTAIN, SOSTENUTO, SOFT = 64, 66, 67
"""Controller numbers of the pedals."""


def parse(data: bytes) -> Performance:
    """Everything in a file that a piano can play.

    Raises:
        MidiError: It is no MIDI, truncated, damaged, without notes or with notes for drums only.
    """
    import numpy as np

    container = unpack(data)
    score = _score(container)
    tracks = [track for track in score.tracks if not track.is_drum and len(track.notes)]
    percussion = sum(len(track.notes) for track in score.tracks if track.is_drum)
    if not tracks:
        raise MidiError(_why_no_notes(container, percussion))
    columns = [track.notes.numpy() for track in tracks]
    time, duration, pitch, velocity = (
        np.concatenate([column[name] for column in columns]).astype(np.int64)
        for name in ("time", "duration", "pitch", "velocity")
    )
    if min(time.min(), duration.min()) < 0:
        raise MidiError("lasts longer than its parser can count; cut out what is silent")
    notes = playable(time, duration, pitch, velocity)
    tempos = score.tempos.numpy()
    clock = tempo_map(container, tempos["time"], tempos["mspq"])
    onset = clock.seconds(time[notes.kept])
    held = clock.seconds(notes.end) - onset
    overlong = int(np.count_nonzero(held > MAX_NOTE_SECONDS))
    changes, mended = _changes(score), notes.mended
    sustain, sostenuto, soft = (_pedal(changes, container, number, clock) for number in (SUSTAIN, SOSTENUTO, SOFT))
    return performance(
        pitch[notes.kept],
        onset,
        np.minimum(held, MAX_NOTE_SECONDS),
        notes.velocity,
        track=np.repeat(np.arange(len(tracks)), [len(column["time"]) for column in columns])[notes.kept],
        sustain=sustain,
        sostenuto=sostenuto,
        soft=soft,
        tempos=clock.changes(),
        programs=tuple(int(track.program) for track in tracks),
        mended=Mended(mended.zero_length, mended.doubled, mended.overlapping, overlong, percussion),
    )


def _score(container: Container) -> symusic.Score:
    import symusic

    try:
        return symusic.Score.from_midi(container.to_bytes())
    except (RuntimeError, ValueError) as error:
        told = str(error).removeprefix("MiniMidi: ").removesuffix(": iostream error")
        raise MidiError(f"damaged: symusic cannot read an event ({told}); fetch it again or export it anew") from error


def _changes(score: symusic.Score) -> tuple[Any, Any, Any]:
    """All controller changes but percussion's: ticks, numbers, values, each shape (C,), in the order of ticks."""
    import numpy as np

    found = [track.controls.numpy() for track in score.tracks if not track.is_drum and len(track.controls)]
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    time, number, value = (np.concatenate([each[name] for each in found]) for name in ("time", "number", "value"))
    order = np.argsort(time, kind="stable")
    return time[order].astype(np.int64), number[order], value[order]


def _pedal(changes: tuple[Any, Any, Any], container: Container, number: int, clock: TempoMap) -> Floats:
    """Changes of one controller, (seconds, value), shape (P, 2)."""
    import numpy as np

    chosen = changes[1] == number
    ticks, values = changes[0][chosen], changes[2][chosen]
    if not len(ticks):
        # symusic drops what stands on a track or channel without notes, where some programs write all pedalling
        scanned = [
            change for track in container.tracks if may_hold(track, number) for change in control_changes(track, number)
        ]
        if not scanned:
            return np.zeros((0, 2))
        ticks, values = np.array(sorted(scanned, key=operator.itemgetter(0))).T
    return np.stack([clock.seconds(ticks), values], axis=1)


def _why_no_notes(container: Container, percussion: int) -> str:
    if percussion:
        return f"drums only: all of its {percussion} notes stand on the drum channel; take it out"
    if not any(container.tracks):
        return "empty: it has a header and no events at all; fetch it again"
    return "has no notes, only other events; take it out, or export it with its notes"
