"""A performance as a standard MIDI file, as a Disklavier would hand it over.

Writing only, and only what the sample needs: notes and the sustain pedal. Reading MIDI belongs to `symbolic`.
"""

from __future__ import annotations

import struct

from crescendai_assets.sample.performers import Performance

TICKS_PER_QUARTER = 480
_TICKS_PER_SECOND = TICKS_PER_QUARTER * 2  # at 120 bpm, the tempo of every file of MAESTRO
_SUSTAIN = 64


def midi_bytes(performance: Performance, seconds: float) -> bytes:
    """A type 1 file: one track with the tempo, one with the notes and the pedal.

    Args:
        performance: Keys and pedal, times in seconds.
        seconds: Where the track ends; the recording's length.

    Returns:
        The whole file (Standard MIDI Files 1.0, MIDI Manufacturers Association 1996).
    """
    # at one instant a key comes up before the pedal moves, and the pedal moves before a key goes down
    events: list[tuple[int, int, bytes]] = []
    for note in performance.notes:
        events.append((_tick(note.offset), 0, bytes([0x80, note.pitch, 0])))
        events.append((_tick(note.onset), 2, bytes([0x90, note.pitch, note.velocity])))
    for pedal in performance.pedals:
        events.append((_tick(pedal.down), 1, bytes([0xB0, _SUSTAIN, 127])))
        events.append((_tick(pedal.up), 1, bytes([0xB0, _SUSTAIN, 0])))
    body, now = bytearray(b"\x00\xc0\x00"), 0  # program 0, acoustic grand piano
    for tick, _, message in sorted(events):
        body += _variable_length(tick - now) + message
        now = tick
    end_of_track = b"\xff\x2f\x00"
    body += _variable_length(max(_tick(seconds) - now, 0)) + end_of_track
    tempo = b"\x00\xff\x51\x03" + (500_000).to_bytes(3, "big")
    metre = b"\x00\xff\x58\x04\x04\x02\x18\x08"
    header = b"MThd" + struct.pack(">IHHH", 6, 1, 2, TICKS_PER_QUARTER)
    return header + _track(tempo + metre + b"\x00" + end_of_track) + _track(bytes(body))


def _tick(seconds: float) -> int:
    return round(seconds * _TICKS_PER_SECOND)


def _track(body: bytes) -> bytes:
    return b"MTrk" + struct.pack(">I", len(body)) + body


def _variable_length(value: int) -> bytes:
    """Seven bits a byte, most significant first, the top bit set on all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))
