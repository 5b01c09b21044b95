"""What tests of several rooms share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from crescendai_assets.audio import guarded
from crescendai_assets.lake.layout import Partition, open_lake

StartChild = Callable[[int, int, int], guarded.Child]

# no deadline, since machines that run tests are slow and busy; no database, since tests leave nothing behind
settings.register_profile("here", deadline=None, max_examples=100, database=None, derandomize=True)
settings.load_profile("here")

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: more threads would only fight each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def one_process_at_a_time() -> Iterator[None]:
    """The corpus in one guarded process instead of two: starting one takes seconds, and a test is done before that."""
    from crescendai_assets.symbolic.corpus import shards

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "WORKERS", 1)
        yield


@pytest.fixture(autouse=True, scope="session")
def guarded_processes_begin_at_once() -> Iterator[StartChild]:
    """They import for seconds what they need for an instant; a run without `-n` keeps the real start, which this is."""
    real = guarded.start_child
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield real
        return
    from crescendai_assets_tests.nursery import GuardedChild

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guarded, "start_child", GuardedChild)
        yield real


@pytest.fixture
def guarded_processes_begin_as_they_do(
    guarded_processes_begin_at_once: StartChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For tests of how they begin and end."""
    monkeypatch.setattr(guarded, "start_child", guarded_processes_begin_at_once)


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained MuQ checkpoint; only read."""
    from crescendai_assets.sample.encoder import write_encoder

    return write_encoder(tmp_path_factory.mktemp("encoder") / "sample-muq")


@pytest.fixture
def year(tmp_path: Path) -> Partition:
    """An empty partition of MAESTRO."""
    return open_lake(tmp_path / "data").tier("maestro").partition("2004")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 128 kB; removed afterwards."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
