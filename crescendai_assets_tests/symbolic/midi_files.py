"""MIDI files written byte by byte, so that what is wrong with one is known."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import numpy as np

from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import performance

TICKS = 480


def variable(number):
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(0x80 | number & 0x7F)
    return bytes(reversed(out))


def track(*events, end=True):
    """A track chunk of (ticks since the event before, bytes)."""
    body = b"".join(variable(delta) + event for delta, event in events) + (b"\x00\xff\x2f\x00" if end else b"")
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*tracks, song_format=1, division=TICKS, declared=None):
    count = len(tracks) if declared is None else declared
    return b"MThd" + struct.pack(">IHHH", 6, song_format, count, division) + b"".join(tracks)


def down(pitch, velocity=80, channel=0):
    return bytes([0x90 | channel, pitch, velocity])


def up(pitch, channel=0):
    return bytes([0x80 | channel, pitch, 0])


def control(number, value, channel=0):
    return bytes([0xB0 | channel, number, value])


def tempo(microseconds):
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def riff(data):
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"RMIDdata" + struct.pack("<I", len(data)) + data


ONE_NOTE = track((0, down(60)), (TICKS, up(60)))


def written(folder, data, name="played.mid"):
    path = folder / name
    path.write_bytes(data)
    return path


def save_performance(read, path):
    """Write notes and sustain pedal, each time rounded to 50 microseconds."""
    ticks = 20_000  # of a quarter note, which takes a second
    rows = zip(read.onset, read.pitch, read.velocity, strict=True)
    events = [(round(t * ticks), 2, down(int(p), int(v))) for t, p, v in rows]
    events += [(round(t * ticks), 0, up(int(p))) for t, p in zip(read.end, read.pitch, strict=True)]
    events += [(round(t * ticks), 1, control(64, int(v))) for t, v in read.sustain]
    events.sort(key=lambda event: event[:2])
    before = 0
    relative = [(0, tempo(1_000_000))]
    for tick, _, event in events:
        relative.append((tick - before, event))
        before = tick
    path.write_bytes(midi(track(*relative), division=ticks))
    return path


def random_performance(seed, notes=60, *, dense=1.0):
    """Chords, runs, held notes and rests; no key goes down while it is down."""
    chance = np.random.default_rng(seed)
    onset = np.cumsum(chance.choice([0.0, 0.01, 0.034, 0.035, 0.15, 0.4, 1.5], notes) * dense)
    pitch = chance.integers(40, 84, notes)
    held = chance.gamma(2, 0.2, notes) + 0.002
    for i in range(notes):
        later = onset[(pitch == pitch[i]) & (np.arange(notes) > i)]
        if len(later):
            held[i] = min(held[i], later[0] - onset[i])
    keep = held > 0.001
    times = np.arange(0, onset[-1] + 1, 0.25)
    return performance(
        pitch[keep],
        onset[keep],
        held[keep],
        chance.integers(1, 128, notes)[keep],
        sustain=np.stack([times, chance.integers(0, 128, len(times))], axis=1),
    )


def notes_or_crash(path: Path):
    """For a guarded process: dies of a file called `crash`, fails on one called `bug`."""
    if path.stem == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem == "bug":
        raise ZeroDivisionError("a bug")
    return len(read_midi(path))
