"""Functions run in a process of their own, so that a crash in C code costs one call and not the run.

A `GuardedProcess` is a child that lives across calls; when it dies (SIGSEGV in a decoder, the kernel out of memory) or
overruns its time, the call in progress fails with a `RecordingError` and the next call gets a fresh child. One thread
uses one `GuardedProcess`. The child exits by itself when its parent is gone, even after kill -9.
"""

from __future__ import annotations

import inspect
import os
import queue
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from crescendai_assets.lake.errors import RecordingError, SetupError

MEMORY_LIMIT = 12 * 1024**3
"""Bytes of address space a child may take: a header that asks for more gets a MemoryError, not the machine."""

Item = TypeVar("Item")
Result = TypeVar("Result")

TIMEOUT_SECONDS = 900.0
"""How long a child may take for one result; a four-hour file decodes in well under a minute."""


class Child(Protocol):
    """What is asked of a started child, as `subprocess.Popen` answers it."""

    def poll(self) -> int | None: ...  # noqa: D102
    def wait(self) -> int: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102


def start_child(requests: int, results: int, memory_limit: int) -> Child:
    """Start a child that reads from one pipe and answers into another; see `serve`."""
    # one thread a child: this one already runs beside the others, more would only fight the encoder
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(requests), str(results), str(memory_limit)],
        pass_fds=(requests, results),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # decoders chat about odd files; errors arrive as results
        stderr=subprocess.DEVNULL,
        env=environment,
    )


class GuardedProcess:
    """A child process that runs functions by name. Use as a context manager."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS, memory_limit: int = MEMORY_LIMIT) -> None:
        """Start nothing yet; the child is started by the first call."""
        self._timeout, self._memory_limit = timeout, memory_limit
        self._child: Child | None = None
        self._to: Connection | None = None
        self._back: Connection | None = None
        self._busy = self._has_answered = False

    def call(self, function: Callable[..., Any], *args: Any, what: str) -> Any:
        """Run a function in the child and return its result; see `stream`."""
        (result,) = self.stream(function, *args, what=what)
        return result

    def stream(self, function: Callable[..., Any], *args: Any, what: str) -> Iterator[Any]:
        """Run a function in the child and yield what it yields, or its one result.

        Args:
            function: A module-level function; its module is imported in the child.
            args: Picklable.
            what: The file or thing worked on, for messages.

        Raises:
            RecordingError: The child crashed, overran its time or its memory, or the function raised anything but
                a `SetupError`: what a decoder makes of a file is that file's failure.
        """
        if self._busy:  # an earlier call was left half read: its results must not reach this one
            self.close()
        to, back = self._started()
        child, finished = self._child, False
        self._busy = True
        try:
            to.send((function, args))
            while True:
                if not back.poll(self._timeout):
                    raise RecordingError(
                        f"{what}: gave no result in {self._timeout:g} s and was stopped; check or convert the file",
                        "retry",
                    )
                kind, payload = back.recv()
                self._has_answered = True
                if kind == "value":
                    yield payload
                    continue
                finished = True
                if kind == "error":
                    raise payload
                if kind == "fault":
                    message, error_class = payload
                    raise RecordingError(f"{what}: {message}", error_class)
                return
        except (EOFError, OSError) as error:
            raise self._crash(what) from error
        finally:
            if self._child is child:
                self._busy = False
                if not finished:  # results may still be on their way: the next call must not read them
                    self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        for end in (self._to, self._back):
            if end is not None:
                end.close()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._child = self._to = self._back = None
        self._busy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> tuple[Connection, Connection]:
        if self._child is None or self._child.poll() is not None or self._to is None or self._back is None:
            self.close()
            requests, to = os.pipe()
            back, results = os.pipe()
            self._child = start_child(requests, results, self._memory_limit)
            os.close(requests)
            os.close(results)
            self._to, self._back = Connection(to, readable=False), Connection(back, writable=False)
        return self._to, self._back

    def _crash(self, what: str) -> RecordingError | SetupError:
        code = self._child.wait() if self._child else 0
        if code == -signal.SIGKILL:
            return RecordingError(
                f"{what}: its process was killed, most likely for want of memory; free some and run again",
                "retry",
            )
        if code >= 0 and not self._has_answered:  # no file's fault: the child could not even start
            return SetupError(f"the decoding process does not start (exit status {code}); see `crescendai doctor`")
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return RecordingError(f"{what}: the decoder crashed on it ({how}); convert the file or take it out")


def guarded_map(
    work: Callable[[GuardedProcess, Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Result | RecordingError]]:
    """Work on items in a few threads, each with a guarded process of its own.

    Args:
        work: Gets a process and an item.
        items: What to work on.
        workers: Threads.

    Yields:
        Each item with its result, or with the `RecordingError` it raised, as they finish: one that takes long does not
        keep the others from being committed. Other errors end it.
    """
    idle: queue.LifoQueue[GuardedProcess] = queue.LifoQueue()  # last in, first out: a short list starts few processes

    def one(item: Item) -> Result | RecordingError:
        process = idle.get()
        try:
            return work(process, item)
        except RecordingError as error:
            return error
        finally:
            idle.put(process)

    processes = [GuardedProcess() for _ in range(workers)]
    for process in processes:
        idle.put(process)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="guarded")
    try:
        started = {pool.submit(one, item): item for item in items}
        for future in as_completed(started):
            yield started.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        for process in processes:
            process.close()


def _answer(requests: Connection, results: Connection) -> None:
    """The child's loop: run what is asked until the parent goes away."""
    while True:
        try:
            function, args = requests.recv()
        except EOFError:
            return
        try:
            outcome = function(*args)
            for value in outcome if inspect.isgenerator(outcome) else (outcome,):
                results.send(("value", value))
        except (RecordingError, SetupError) as error:
            results.send(("error", error))
        except ImportError as error:
            results.send(("error", SetupError(f"decoding lacks a package: {error}; see `crescendai doctor`")))
        except Exception as error:  # noqa: BLE001  every error belongs to the caller; as text, for not all can travel
            error_class = "retry" if isinstance(error, OSError) else "permanent"
            results.send(("fault", (f"{type(error).__name__}: {error}", error_class)))
        else:
            results.send(("end", None))


def serve(requests: Connection, results: Connection, memory_limit: int) -> None:
    """Be the child: run what is asked, within so many bytes of address space, until the parent goes away."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _answer(requests, results)


def _main() -> None:
    requests, results, memory_limit = (int(argument) for argument in sys.argv[1:4])
    serve(Connection(requests, writable=False), Connection(results, readable=False), memory_limit)


if __name__ == "__main__":
    _main()
