"""Processes for tests that begin at once: forked from one that has imported already what takes seconds to import.

What they run, and how they die, is as in processes started with `python -m`; `audio/test_guarded.py` starts those.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import runpy
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Lock, Timer
from typing import Any, TextIO

import pytest

PROJECT = Path(__file__).parents[1]

# the same bits need the same number of threads, whatever else the machine does; and threads must not be forked
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}

_HEAVY = ["muq", "torch_geometric.data", "miditok", "parangonar", "symusic", "pedalboard", "av", "soxr", "soundfile"]
_HEAVY += ["matplotlib.backends.backend_agg", "PIL.Image", "yt_dlp", "fastjsonschema", "encodings.idna"]
_HEAVY += ["transformers.models.wav2vec2_conformer.modeling_wav2vec2_conformer"]
_OURS = [
    "audio.pairs",
    "audio.pictures",
    "embeddings.clips",
    "labels.passage_content",
    "sources.download.downloader",
    "symbolic.corpus.performances",
    "symbolic.corpus.products",
    "training.hand_dataset",
    "training.one_performance",
]
"""What guarded functions are in, or import."""

_STARTING = Lock()


def begin(function: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Run a module-level function in a new process with the environment and the folder of this one."""
    context = multiprocessing.get_context("forkserver")
    with _STARTING:
        if multiprocessing.forkserver._forkserver._forkserver_pid is None:  # type: ignore[attr-defined]
            context.set_forkserver_preload([*_HEAVY, *(f"crescendai_assets.{name}" for name in _OURS)])
            with pytest.MonkeyPatch.context() as patch:
                for name, value in ONE_THREAD.items():
                    patch.setenv(name, value)
                multiprocessing.forkserver.ensure_running()
    here = dict(os.environ), str(Path.cwd())
    process = context.Process(target=_as_here, args=(*here, function, arguments), daemon=True)
    process.start()
    return process


def _as_here(
    environment: dict[str, str], folder: str, function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    function(*arguments)


class Module:
    """A module of these tests that runs as `python -m` would run it; what it prints can be read while it runs.

    It is used as a `subprocess.Popen[str]` whose errors go where its output goes.
    """

    def __init__(self, name: str, *arguments: str) -> None:
        reader, writer = multiprocessing.Pipe(duplex=False)
        self._process = begin(_run_module, f"crescendai_assets_tests.{name}", arguments, writer)
        writer.close()
        self.stdout: TextIO = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()

    @property
    def returncode(self) -> int | None:
        """As it was exited with, negative where a signal ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As `returncode`."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, where it still runs."""
        if self._process.pid is not None and self._process.exitcode is None:
            os.kill(self._process.pid, number)

    def wait(self) -> int | None:
        """Its exit status, once it has ended."""
        self._process.join()
        return self.returncode

    def communicate(self, timeout: float = 240) -> tuple[str, None]:
        """What it still prints, once it has ended; it is killed after so many seconds."""
        late = Timer(timeout, self._process.kill)
        late.start()
        try:
            with self.stdout:
                said = self.stdout.read()
            self.wait()
        finally:
            late.cancel()
        return said, None


def _run_module(name: str, arguments: tuple[str, ...], output: Connection) -> None:
    os.chdir(PROJECT)
    for place in (1, 2):
        os.dup2(output.fileno(), place)
    output.close()
    sys.argv = [name, *arguments]
    warnings.simplefilter("ignore")
    runpy.run_module(name, run_name="__main__", alter_sys=True)


class GuardedChild:
    """Takes the place of `audio.guarded.start_child`: the same child, forked."""

    def __init__(self, requests: int, results: int, memory_limit: int) -> None:
        # of their own, for who opened them closes them
        with Connection(os.dup(requests), writable=False) as to, Connection(os.dup(results), readable=False) as back:
            self._process = begin(_serve, to, back, memory_limit)

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _serve(requests: Connection, results: Connection, memory_limit: int) -> None:
    from crescendai_assets.audio import guarded

    silence = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(silence, place)
    os.environ.update(ONE_THREAD)
    guarded.serve(requests, results, memory_limit)
