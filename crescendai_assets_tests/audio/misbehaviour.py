"""What guarded processes are made to run in tests; it imports little, so that a child starts at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.lake.errors import RecordingError, SetupError


class OddError(Exception):
    """An error that pickles but cannot be unpickled: its arguments are not those of its class."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__(f"{path}, line {line}")


def double(value: int) -> int:
    return 2 * value


def count(to: int, pause: float = 0.0) -> Iterator[int]:
    for number in range(to):
        time.sleep(pause)
        yield number


def one_then_signal(number: int) -> Iterator[int]:
    yield 1
    os.kill(os.getpid(), number)
    time.sleep(30)


def one_then_exit(status: int) -> Iterator[int]:
    yield 1
    os._exit(status)


def one_then_wait(seconds: float) -> Iterator[int]:
    yield 1
    time.sleep(seconds)
    yield 2


def child_pid() -> int:
    return os.getpid()


def allocate(gigabytes: float) -> int:
    return len(bytearray(int(gigabytes * 1024**3)))


def fail(kind: str) -> None:
    raise {
        "value": ValueError("bad value"),
        "missing": FileNotFoundError(2, "No such file", "gone.wav"),
        "recording": RecordingError("x.wav: blocked by the site", "blocked"),
        "setup": SetupError("disk full"),
        "odd": OddError("x.wav", 3),
        "local": _local_error(),
        "memory": MemoryError(),
    }[kind]


def _local_error() -> Exception:
    class LocalError(Exception):
        """An error that cannot even be pickled."""

    return LocalError("cannot travel")


def one_then_fail(kind: str) -> Iterator[int]:
    yield 1
    fail(kind)


def unpicklable() -> object:
    return lambda: None


def chatter() -> int:
    print("noise", flush=True)
    print("noise", file=sys.stderr, flush=True)
    return 1


def hold_a_child(out: str) -> None:
    """Start a child, write its process id down, and wait to be killed."""
    from crescendai_assets_tests.audio.misbehaviour import child_pid  # a child cannot import from __main__

    with GuardedProcess() as worker:
        pid = worker.call(child_pid, what="pid")
        temporary = Path(out).with_suffix(".tmp")
        temporary.write_text(str(pid))
        temporary.replace(out)
        time.sleep(60)


if __name__ == "__main__":
    hold_a_child(sys.argv[1])
    signal.pause()
