"""An embedding run in real processes: killed, doubled, out of disk, given another encoder."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets_tests.killable import finish, kill_after, results_of, start
from crescendai_assets_tests.maestro_folder import Take, write_folder
from crescendai_assets_tests.nursery import Module
from crescendai_assets_tests.process import cut_year, embed_year

TAKES = [Take(2011, f"take{i:02}", seconds=6 + i % 3) for i in range(24)] + [
    Take(2013, f"take{i:02}", seconds=7) for i in range(8)
]


@pytest.fixture(scope="module")
def maestro(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("maestro"), TAKES)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "muq", depth=1, ffn=16, conv_dim=2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, maestro, encoder) -> dict[str, str]:
    """Hashes of everything an undisturbed run leaves."""
    lake = tmp_path_factory.mktemp("undisturbed")
    finish(begin(lake, maestro, encoder, "2011"))
    return results_of(lake)


def begin(lake: Path, maestro: Path, encoder: Path, year: str) -> Module:
    return start("process", lake, maestro, encoder, year)


def check_kills(tmp_path: Path, maestro: Path, encoder: Path, undisturbed: dict[str, str], kills: int) -> None:
    moments = random.Random(2018)
    cut_short = 0
    for attempt in range(kills):
        lake = tmp_path / str(attempt)
        kill_after(begin(lake, maestro, encoder, "2011"), "embedding", moments.uniform(1.0, 6.0))
        partition = Lake(lake).tier("maestro").partition("2011")
        committed = {row["segment_id"] for row in read_rows(partition.stage("embeddings").table)}
        cut_short += len(committed) < 24
        finish(begin(lake, maestro, encoder, "2011"))
        assert results_of(lake) == undisturbed
    assert cut_short, "every run ended before it was killed: the test has shown nothing"


def test_a_run_killed_at_random_moments_and_run_again_ends_as_if_never_killed(tmp_path, maestro, encoder, undisturbed):
    check_kills(tmp_path, maestro, encoder, undisturbed, kills=2)


@pytest.mark.slow
def test_thirty_kills_lose_and_double_nothing(tmp_path, maestro, encoder, undisturbed):
    check_kills(tmp_path, maestro, encoder, undisturbed, kills=30)


def test_two_partitions_embed_at_once_and_the_same_partition_twice_is_refused(tmp_path, maestro, encoder, undisturbed):
    cut_year(tmp_path, maestro, "2011")
    first = begin(tmp_path, maestro, encoder, "2011")
    for line in first.stdout:  # it holds the lock from here on
        if "recordings to do" in line:
            break
    first.send_signal(signal.SIGSTOP)  # so that it cannot end before the second one asks
    other = begin(tmp_path, maestro, encoder, "2013")
    again = begin(tmp_path, maestro, encoder, "2011")
    output, _ = again.communicate(timeout=240)
    finish(other)
    first.send_signal(signal.SIGCONT)
    finish(first)
    assert again.returncode != 0
    assert "another run" in output
    assert "nothing was touched" in output
    shared = {name: value for name, value in results_of(tmp_path).items() if "2013" not in name}
    assert shared == undisturbed
    rows = list(read_rows(Lake(tmp_path).tier("maestro").partition("2013").stage("embeddings").table))
    assert len(rows) == 8


def test_a_second_run_on_a_locked_partition_is_refused_and_says_by_whom(tmp_path, maestro, encoder):
    import fcntl

    partition = cut_year(tmp_path, maestro, "2013")
    lock = partition.stage("embeddings").lock
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("process 1 on elsewhere")
        held.flush()
        process = begin(tmp_path, maestro, encoder, "2013")
        output, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "process 1 on elsewhere" in output
    finish(begin(tmp_path, maestro, encoder, "2013"))


def test_a_second_encoder_on_the_same_folder_is_refused_before_any_forward(tmp_path, maestro, encoder):
    other = write_encoder(tmp_path / "other", depth=1, ffn=16, conv_dim=2, seed=1)
    lake = tmp_path / "lake"
    finish(begin(lake, maestro, encoder, "2013"))
    before = results_of(lake)
    process = begin(lake, maestro, other, "2013")
    output, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "another encoder" in output
    assert "crescendai embeddings reset maestro" in output
    assert "CRESCENDAI_EMBEDDING_SET" in output
    assert results_of(lake) == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_fails_cleanly_and_the_next_run_goes_on(small_disk, maestro, encoder, undisturbed):
    process = begin(small_disk, maestro, encoder, "2011")
    output, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "No space left on device" in output
    assert "make room" in output
    rows = list(read_rows(Lake(small_disk).tier("maestro").partition("2011").stage("embeddings").table))
    assert 0 < len(rows) < 24, "what was done before the disk was full is committed"
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    output = finish(begin(small_disk, maestro, encoder, "2011"))
    assert f"{24 - len(rows)} recordings to do, {len(rows)} up to date" in output
    assert results_of(small_disk) == undisturbed


def test_a_full_disk_in_the_writer_keeps_what_is_committed(tmp_path, maestro, encoder, monkeypatch):
    import errno

    from crescendai_assets.embeddings import store
    from crescendai_assets.lake.errors import SetupError
    from crescendai_assets.lake.files import write_atomic

    partition = cut_year(tmp_path, maestro, "2013")
    written: list[Path] = []

    def full_after_three(path: Path, data: bytes) -> None:
        if len(written) >= 3:
            raise SetupError(f"{path}: {os.strerror(errno.ENOSPC)}")
        written.append(path)
        write_atomic(path, data)

    monkeypatch.setattr(store, "write_atomic", full_after_three)
    with pytest.raises(SetupError, match="No space left"):
        embed_year(tmp_path, maestro, encoder, "2013")
    assert len(list(read_rows(partition.stage("embeddings").table))) == 3
    monkeypatch.setattr(store, "write_atomic", write_atomic)
    report = embed_year(tmp_path, maestro, encoder, "2013")
    assert (report.succeeded, len(report.plan.done), report.rows) == (5, 3, 8)
