"""The corpus killed at any instant, and two runs at once."""

from __future__ import annotations

import random
import signal
import time

import pytest

from crescendai_assets.bench.symbolic import write_playing
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.corpus.performances import corpus_tier
from crescendai_assets.symbolic.corpus.schemas import PERFORMANCES
from crescendai_assets.symbolic.corpus.shards import check_shards
from crescendai_assets_tests.killable import finish, start
from crescendai_assets_tests.nursery import Module

FILES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("midi")
    for number in range(FILES):
        write_playing(root / f"take{number:03}.mid", 20, seed=number)
    (root / "broken.mid").write_bytes(b"MThd")
    return root


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, folder):
    lake = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    finish(begin(lake, folder))
    return contents(lake), time.monotonic() - started


def begin(lake, folder) -> Module:
    return start("corpus_process", lake, folder)


def contents(lake) -> dict[str, object]:
    """Everything a run leaves, but for times and attempts: bytes of shards, rows of tables."""
    partition = corpus_tier(Lake(lake)).partition("mine")
    shards = {str(p.relative_to(lake)): p.read_bytes() for p in partition.folder.rglob("*.pt")}
    names = ("performances", "features")
    tables = {name: list(read_rows(partition.stage(name).table)) for name in names}
    failed = [row["recording_id"] for name in names for row in read_rows(partition.stage(name).ledger)]
    return {**shards, **tables, "failed": failed}


def killed_after(lake, folder, seconds):
    process = begin(lake, folder)
    assert process.stdout.readline() == "begun\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_anywhere_it_ends_as_if_never_disturbed(kills, undisturbed, folder, tmp_path):
    expected, took = undisturbed
    chance = random.Random(kills)
    for _ in range(kills):
        killed_after(tmp_path, folder, chance.uniform(0, took / 2))
    finish(begin(tmp_path, folder))
    assert contents(tmp_path) == expected
    partition = corpus_tier(Lake(tmp_path)).partition("mine")
    assert check_shards(partition, "performances", deep=True).passed
    assert check_shards(partition, "features", deep=True).passed
    assert not list(partition.folder.rglob("*.tmp"))


def test_the_second_of_two_runs_at_once_is_refused_and_touches_nothing(undisturbed, folder, tmp_path):
    first = begin(tmp_path, folder)
    assert first.stdout.readline() == "begun\n"
    lock = corpus_tier(Lake(tmp_path)).partition("mine").stage("performances").lock
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    try:
        second = begin(tmp_path, folder)
        output, _ = second.communicate(timeout=60)
        assert second.returncode != 0
        assert "another run" in output
    finally:
        first.send_signal(signal.SIGCONT)
    finish(first)
    assert contents(tmp_path) == undisturbed[0]


def test_a_row_is_as_its_schema_says(undisturbed):
    expected, _ = undisturbed
    rows = expected["performances"]
    assert isinstance(rows, list)
    assert len(rows) == FILES
    assert not [fault for row in rows if (fault := PERFORMANCES.fault(row))]
