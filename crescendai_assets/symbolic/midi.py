"""Reading MIDI: any file to a `Performance` in seconds, or a `RecordingError` that says what is wrong with it.

symusic parses; it is C++ fed with files from anywhere, so `read_all` runs it in guarded processes, where a crash costs
one file. What it forgives silently is looked for here and in `midi_bytes`: truncated files, files without notes, hours
of silence, notes that no piano can play.
"""

from __future__ import annotations

import pickle
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.midi_bytes import MAX_BYTES, MidiError
from crescendai_assets.symbolic.midi_score import parse
from crescendai_assets.symbolic.performance import Performance

MAX_SILENCE_SECONDS = 60.0
"""Longest time without a key down, before the first note too; pauses between movements are shorter."""

MAX_SECONDS = 4 * 3600.0
"""Longest performance."""

_BATCH = 32
"""Files a question: asking for each one would take as long as reading it."""

Result = TypeVar("Result")


def read_midi(
    path: str | Path, *, max_silence: float = MAX_SILENCE_SECONDS, max_seconds: float = MAX_SECONDS
) -> Performance:
    """Read a file; not guarded against a crash of the parser, see `read_all`.

    All tracks but percussion become one performance. Time follows the tempo map, wherever its changes stand. Keys
    that go down while they are down are cut, notes of no length get a tick; `Performance.mended` counts both. A key
    that is never let go is no note (symusic's rule).

    Args:
        path: A MIDI file of format 0, 1, or 2 with one track; also inside RIFF (.rmi).
        max_silence: Seconds without a key down that still pass for music.
        max_seconds: Longest performance.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: It is no MIDI, truncated, damaged, without notes, for drums only, too long, or mostly silence.
    """
    try:
        status = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path}: no such MIDI file") from None
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(f"{path}: no such MIDI file")
    try:
        if status.st_size > MAX_BYTES:
            raise MidiError(f"{status.st_size / 1e6:.0f} MB are no piece of music; take it out")
        read = parse(Path(path).read_bytes())
        _refuse_unusable(read, max_silence, max_seconds)
    except MidiError as fault:
        raise RecordingError(f"{path}: {fault}") from fault
    return read


def read_all(paths: Sequence[Path], *, workers: int = 1) -> Iterator[tuple[Path, Performance | RecordingError]]:
    """`read_midi` of many files in guarded processes; yields as `map_files` does."""
    return map_files(read_midi, paths, workers=workers)


def map_files(
    function: Callable[[Path], Result], paths: Sequence[Path], *, workers: int = 1
) -> Iterator[tuple[Path, Result | RecordingError]]:
    """Run a function of a MIDI file over many, in guarded processes: for tokens, curves, graphs and hand features too.

    Args:
        function: A module-level function of a path. It reads the file itself, so that all parsing is in the child.
        paths: Files.
        workers: Processes.

    Yields:
        Each path with its result, or with the error that says why there is none, as batches of them finish.
    """
    files = [Path(path) for path in paths]
    batches = [files[i : i + _BATCH] for i in range(0, len(files), _BATCH)]
    for batch, results in guarded_map(partial(map_batch, function), batches, workers):
        assert not isinstance(results, RecordingError)  # it answers by file
        yield from zip(batch, results, strict=True)


def map_batch(
    function: Callable[[Path], Result], process: GuardedProcess, batch: Sequence[Path]
) -> list[Result | RecordingError]:
    """Results of some files from one process, in their order; after a crash it goes through them one by one."""
    try:
        return _ask(function, process, batch, what=f"{batch[0]} and {len(batch) - 1} more")
    except RecordingError:  # the process is gone, or the function has a bug: alone, so that one file is named
        return [_alone(function, process, path) for path in batch]


def _alone(function: Callable[[Path], Result], process: GuardedProcess, path: Path) -> Result | RecordingError:
    try:
        (result,) = _ask(function, process, [path], what=str(path))
    except RecordingError as error:
        return error
    return result


def _ask(
    function: Callable[[Path], Result], process: GuardedProcess, paths: Sequence[Path], what: str
) -> list[Result | RecordingError]:
    results: list[Result | RecordingError] = pickle.loads(process.call(_in_child, function, paths, what=what))
    return results


def _in_child(function: Callable[[Path], Result], paths: Sequence[Path]) -> bytes:
    results: list[Result | RecordingError] = []
    for path in paths:
        try:
            results.append(function(path))
        except RecordingError as error:
            results.append(error)
    # pickled here: sent as they are, torch's tensors would stay behind in the child's shared memory
    return pickle.dumps(results, pickle.HIGHEST_PROTOCOL)


def _refuse_unusable(read: Performance, max_silence: float, max_seconds: float) -> None:
    import numpy as np

    if read.seconds > max_seconds:
        raise MidiError(f"lasts {read.seconds / 3600:.1f} h, more than {max_seconds / 3600:g} h; cut it")
    ended = np.concatenate([[0.0], np.maximum.accumulate(read.end)[:-1]])
    silence = read.onset - ended
    longest = int(silence.argmax())
    if silence[longest] > max_silence:
        raise MidiError(
            f"is silent for {silence[longest]:.0f} s from {ended[longest]:.0f} s on, more than {max_silence:g} s; "
            "cut the silence out, or the file in two"
        )
