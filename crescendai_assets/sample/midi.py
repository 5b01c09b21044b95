"""A performance as a standard MIDI file, as a Disklavier would hand it over.

Writing only, and only what the sample needs: notes and the sustain pedal. Reading MIDI belongs to `symbolic`.
"""

from __future__ import annotations

import struct

from crescendai_assets.sample.performers import Performance

TICKS_PER_QUARTER = 480
QUARTERS_PER_MINUTE = 120.0
"""The tempo of every file of MAESTRO; what was played has none of its own."""

_SUSTAIN = 64
_DRUMS = 9


def midi_bytes(
    performance: Performance,
    seconds: float,
    *,
    ticks_per_quarter: int = TICKS_PER_QUARTER,
    quarters_per_minute: float = QUARTERS_PER_MINUTE,
    beats_a_bar: int = 4,
    drums: bool = False,
) -> bytes:
    """A type 1 file: one track with the tempo, one with the notes and the pedal.

    Args:
        performance: Keys and pedal, times in seconds.
        seconds: Where the track ends; the recording's length.
        ticks_per_quarter: Resolution.
        quarters_per_minute: The tempo written; times in seconds stay as they are.
        beats_a_bar: Quarter notes a bar, for the time signature written.
        drums: Whether all of it is on the percussion channel.

    Returns:
        The whole file (Standard MIDI Files 1.0, MIDI Manufacturers Association 1996).
    """
    microseconds = round(60_000_000 / quarters_per_minute)
    channel = _DRUMS if drums else 0

    def tick_of(at: float) -> int:
        return round(at * ticks_per_quarter * 1_000_000 / microseconds)

    # at one instant a key comes up before the pedal moves, and the pedal moves before a key goes down
    events: list[tuple[int, int, bytes]] = []
    for note in performance.notes:
        events.append((tick_of(note.offset), 0, bytes([0x80 | channel, note.pitch, 0])))
        events.append((tick_of(note.onset), 2, bytes([0x90 | channel, note.pitch, note.velocity])))
    for pedal in performance.pedals:
        events.append((tick_of(pedal.down), 1, bytes([0xB0 | channel, _SUSTAIN, 127])))
        events.append((tick_of(pedal.up), 1, bytes([0xB0 | channel, _SUSTAIN, 0])))
    body, now = bytearray([0, 0xC0 | channel, 0]), 0  # program 0, acoustic grand piano
    for tick, _, message in sorted(events):
        body += _variable_length(tick - now) + message
        now = tick
    end_of_track = b"\xff\x2f\x00"
    body += _variable_length(max(tick_of(seconds) - now, 0)) + end_of_track
    tempo = b"\x00\xff\x51\x03" + microseconds.to_bytes(3, "big")
    metre = b"\x00\xff\x58\x04" + bytes([beats_a_bar, 2, 24, 8])
    header = b"MThd" + struct.pack(">IHHH", 6, 1, 2, ticks_per_quarter)
    return header + _track(tempo + metre + b"\x00" + end_of_track) + _track(bytes(body))


def _track(body: bytes) -> bytes:
    return b"MTrk" + struct.pack(">I", len(body)) + body


def _variable_length(value: int) -> bytes:
    """Seven bits a byte, most significant first, the top bit set on all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))
