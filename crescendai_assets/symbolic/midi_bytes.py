"""A MIDI file's outside: RIFF wrapper, header, chunks; and the controllers that symusic does not give back.

What is checked here is what a parser forgives silently or answers with a riddle: a file that ends early, chunks that
are not there, a header that counts wrong. The events themselves are read by symusic (`midi`).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

MAX_BYTES = 64 * 1024**2
"""A whole concert takes less than 2 MB; what is larger is not music and would only take time."""

_SMPTE_FRAMES = {24: 24.0, 25: 25.0, 29: 30_000 / 1001, 30: 30.0}

_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}


class MidiError(Exception):
    """The bytes are no usable MIDI file; the message says why and what to do, without the file's name."""


@dataclass(frozen=True)
class Container:
    """The chunks of a MIDI file.

    Attributes:
        ticks_per_quarter: 0 when time is not counted in quarter notes.
        ticks_per_second: When time is counted in SMPTE frames, else 0; tempos mean nothing then.
        tracks: The content of each track chunk.
    """

    ticks_per_quarter: int
    ticks_per_second: float
    tracks: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The same tracks as a plain file of format 1: right counts, no wrapper, no other chunks, no SMPTE."""
        header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(self.tracks), self.ticks_per_quarter or 480)
        return header + b"".join(struct.pack(">4sI", b"MTrk", len(track)) + track for track in self.tracks)


def unpack(data: bytes) -> Container:
    """Take a file apart.

    Raises:
        MidiError: It is no MIDI file, is truncated, holds several songs or has no measure of time.
    """
    if not data:
        raise MidiError("the file is empty (0 bytes); fetch it again")
    data = _unwrapped(data)
    if data[:4] != b"MThd":
        raise MidiError(f"not a MIDI file: it begins with {data[:4]!r}, not with b'MThd'; convert it or take it out")
    if len(data) < 14:
        raise MidiError("truncated: it ends inside its header; fetch it again")
    length, song_format, declared, division = struct.unpack(">IHHH", data[4:14])
    tracks = _tracks(data, 8 + length)
    if len(tracks) < declared:
        raise MidiError(f"truncated: its header declares {declared} tracks, {len(tracks)} are there; fetch it again")
    if song_format == 2 and len(tracks) > 1:
        raise MidiError(f"holds {len(tracks)} separate songs (format 2); save each as a file of its own")
    if division & 0x8000:
        frames, ticks = 256 - (division >> 8), division & 0xFF
        if frames not in _SMPTE_FRAMES or not ticks:
            raise MidiError(f"its header has no valid measure of time ({division:#06x}); export it again")
        return Container(0, _SMPTE_FRAMES[frames] * ticks, tracks)
    if not division:
        raise MidiError("its header has no measure of time (0 ticks a quarter note); export it again")
    return Container(division, 0.0, tracks)


def may_hold(data: bytes, controller: int) -> bool:
    """Whether a change of a controller may be among the bytes; a plain search, which errs towards yes."""
    return re.search(rb"[\xb0-\xbf]" + re.escape(bytes([controller])), data) is not None


def control_changes(track: bytes, controller: int) -> list[tuple[int, int]]:
    """Changes of a controller in one track, read event by event: slow, but of tracks and channels without notes too.

    Args:
        track: The content of a track chunk.
        controller: Its number.

    Returns:
        (tick, value) in their order; what follows a damaged event is left out.
    """
    found: list[tuple[int, int]] = []
    position = tick = running = 0
    try:
        while position < len(track):
            delta, position = _variable(track, position)
            tick += delta
            status = running  # of the event before, where this one has none of its own; some writers keep it over 0xFF
            if track[position] & 0x80:
                status, position = track[position], position + 1
                running = status if status < 0xF0 else running
            if status in (0xF0, 0xF7, 0xFF):
                position += status == 0xFF
                length, position = _variable(track, position)
                position += length
                continue
            size = _DATA_BYTES[status & 0xF0]
            if status & 0xF0 == 0xB0 and track[position] == controller:
                found.append((tick, track[position + 1]))
            position += size
    except (IndexError, KeyError):
        return found
    return found


def _unwrapped(data: bytes) -> bytes:
    """The MIDI file inside a RIFF file (.rmi), or the data as it is."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + 8 <= len(data):
        (length,) = struct.unpack("<I", data[position + 4 : position + 8])
        if data[position : position + 4] == b"data":
            return data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    raise MidiError("a RIFF file without a MIDI file inside; fetch it again")


def _tracks(data: bytes, position: int) -> tuple[bytes, ...]:
    """Contents of the track chunks; other chunks, and what is no chunk at the end, are passed over."""
    tracks: list[bytes] = []
    while position + 8 <= len(data):
        kind, length = struct.unpack(">4sI", data[position : position + 8])
        position += 8
        if kind == b"MTrk":
            if missing := max(0, position + length - len(data)):
                raise MidiError(
                    f"truncated: track {len(tracks) + 1} declares {length} bytes, the last {missing} are not there; "
                    "fetch it again"
                )
            tracks.append(data[position : position + length])
        position += length
    return tuple(tracks)


def _variable(track: bytes, position: int) -> tuple[int, int]:
    """A number of variable length and the position after it."""
    number = 0
    while True:
        byte = track[position]
        number, position = number << 7 | byte & 0x7F, position + 1
        if byte < 0x80:
            return number, position
