from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.journal import fold, open_journal, read_last_run, write_last_run
from crescendai_assets.lake.layout import open_lake
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.builders import contents, embedding_row

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def files(year):
    return year.stage("embeddings")


def opened(files):
    return open_journal(files, EMBEDDINGS, "embeddings")


def committed(files):
    return [row["segment_id"] for row in read_rows(files.table)]


def entry(recording_id, *rows):
    return json.dumps({"recording_id": recording_id, "rows": list(rows)}) + "\n"


def test_commits_stand_in_the_journal_at_once_and_in_the_table_at_the_end(files):
    with opened(files) as journal:
        journal.commit("b", [embedding_row("b", 0), embedding_row("b", 1)])
        journal.commit("a", [embedding_row("a")])
        assert committed(files) == []
        assert files.journal.read_text().count("\n") == 2
    assert committed(files) == ["a_seg000", "b_seg000", "b_seg001"]
    assert not files.journal.exists()


def test_a_commit_replaces_all_rows_of_its_recording_and_no_others(files):
    with opened(files) as journal:
        journal.commit("a", [embedding_row("a", 0), embedding_row("a", 1)])
        journal.commit("b", [embedding_row("b")])
    with opened(files) as journal:
        journal.commit("a", [embedding_row("a", 0, frames=7)])
    assert [(row["segment_id"], row["frames"]) for row in read_rows(files.table)] == [("a_seg000", 7), ("b_seg000", 93)]


def test_a_removed_recording_leaves_no_row_and_no_failure(files):
    with opened(files) as journal:
        journal.commit("a", [embedding_row("a")])
        journal.fail("b", "f" * 32, RecordingError("b.wav: bad"))
    with opened(files) as journal:
        journal.remove("a")
        journal.remove("b")
    assert committed(files) == []
    assert read_failures(files.ledger) == {}


def test_a_success_clears_the_failure_and_a_failure_leaves_earlier_rows(files):
    with opened(files) as journal:
        journal.commit("a", [embedding_row("a")])
        journal.fail("a", "f" * 32, RecordingError("a.wav: bad", "retry"))
    assert committed(files) == ["a_seg000"]
    assert read_failures(files.ledger)["a"].error_class == "retry"
    with opened(files) as journal:
        assert journal.failures["a"].attempts == 1
        journal.commit("a", [embedding_row("a", frames=5)])
        assert journal.failures == {}
    assert read_failures(files.ledger) == {}


def test_a_stage_without_commits_leaves_an_empty_table(files):
    with opened(files):
        pass
    assert files.table.read_bytes() == b""


def test_what_was_committed_before_an_error_stands(files):
    def breaks():
        with opened(files) as journal:
            journal.commit("a", [embedding_row("a")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    assert committed(files) == ["a_seg000"]
    assert not files.journal.exists()


@pytest.mark.parametrize("kept", range(0, 400, 13))
def test_a_last_line_that_a_kill_tore_was_never_committed(files, kept):
    files.journal.parent.mkdir(parents=True)
    torn = entry("b", embedding_row("b", cut="é"))
    data = torn.encode()[: min(kept, len(torn.encode()) - 1)]
    files.journal.write_bytes(entry("a", embedding_row("a")).encode() + data)
    with opened(files) as journal:
        assert committed(files) == ["a_seg000"]
        journal.commit("c", [embedding_row("c")])
    assert committed(files) == ["a_seg000", "c_seg000"]


def test_a_line_torn_in_the_middle_costs_itself_only(files):
    files.journal.parent.mkdir(parents=True)
    files.journal.write_text(
        entry("a", embedding_row("a")) + '{"recording_id": "b", "ro\n' + entry("c", embedding_row("c"))
    )
    fold(files, EMBEDDINGS)
    assert committed(files) == ["a_seg000", "c_seg000"]


def failure_entry(recording_id):
    row = {
        "recording_id": recording_id,
        "stage": "embeddings",
        "error_class": "retry",
        "message": "x.wav: bad",
        "fingerprint": "",
        "attempts": 1,
        "first_failed_at": "2026-11-20T00:00:00+00:00",
        "last_failed_at": "2026-11-20T00:00:00+00:00",
        "retry_at": None,
    }
    return json.dumps({"recording_id": recording_id, "failure": row}) + "\n"


def filled(files):
    """A table, a ledger, and a journal that changes both."""
    with opened(files) as journal:
        for name in ("a", "b", "c"):
            journal.commit(name, [embedding_row(name)])
        journal.fail("d", "", RecordingError("d.wav: bad"))
    files.journal.write_text(
        failure_entry("a")
        + entry("a", embedding_row("a", frames=1))
        + failure_entry("b")
        + entry("d", embedding_row("d"))
        + entry("c")
    )


def test_folding_again_after_an_interruption_at_any_step_ends_the_same(files, tmp_path, monkeypatch):
    filled(files)
    start = tmp_path / "start"
    shutil.copytree(files.table.parent, start)
    fold(files, EMBEDDINGS)
    expected = contents(files.table.parent)
    assert committed(files) == ["a_seg000", "b_seg000", "d_seg000"]
    assert set(read_failures(files.ledger)) == {"b"}

    real_replace, real_unlink = Path.replace, Path.unlink
    for survived in range(3):  # writes that reach the disk before the kill: none, table, table and ledger
        shutil.rmtree(files.table.parent)
        shutil.copytree(start, files.table.parent)
        done: list[Path] = []

        def killed(self, *args, real, done=done, survived=survived, **kwargs):
            if len(done) == survived:
                raise KeyboardInterrupt
            done.append(self)
            return real(self, *args, **kwargs)

        with monkeypatch.context() as broken:
            broken.setattr(Path, "replace", lambda self, target: killed(self, target, real=real_replace))
            broken.setattr(Path, "unlink", lambda self, **k: killed(self, real=real_unlink, **k))
            with pytest.raises(KeyboardInterrupt):
                fold(files, EMBEDDINGS)
        assert files.journal.exists()
        fold(files, EMBEDDINGS)
        fold(files, EMBEDDINGS)
        visible = {k: v for k, v in contents(files.table.parent).items() if not k.endswith(".tmp")}
        assert visible == expected


def test_a_second_writer_of_a_stage_is_refused_and_other_stages_are_not(files, year):
    with opened(files) as journal:
        with pytest.raises(SetupError, match=rf"another run \(process {os.getpid()} on .*\) is writing embeddings of"):
            opened(files).__enter__()
        with open_journal(year.stage("segments"), EMBEDDINGS, "segments"):
            pass
        journal.commit("a", [embedding_row("a")])
    with opened(files):
        assert committed(files) == ["a_seg000"]


def test_a_forked_child_does_not_hold_the_lock_on_after_its_parent_and_does_not_free_it(files):
    begun, begins = os.pipe()
    child = 0
    try:
        with opened(files):
            child = os.fork()
            if not child:  # as a loader's worker, which notices late that its parent was killed
                os.write(begins, b".")
                time.sleep(600)
            os.read(begun, 1)
            with pytest.raises(SetupError, match="another run"), opened(files):
                pass
        with opened(files):
            pass
    finally:
        os.close(begun)
        os.close(begins)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_kill_9_frees_a_stage_that_another_process_held_and_keeps_its_commits(files, tmp_path):
    command = [sys.executable, "-m", "crescendai_assets_tests.lake.stages", str(tmp_path / "data")]
    holder = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "committed\n"
        before = contents(files.table.parent)
        with pytest.raises(SetupError, match=rf"another run \(process {holder.pid} on .*nothing was touched"):
            opened(files).__enter__()
        assert contents(files.table.parent) == before
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with opened(files):
        assert committed(files) == ["held_seg000"]


def test_a_row_that_breaks_the_schema_is_refused_when_it_is_committed_not_ever_after(files):
    with opened(files) as journal:
        journal.commit("a", [embedding_row("a")])
        with pytest.raises(SetupError, match=r"'b_seg000'.*frames"):
            journal.commit("b", [embedding_row("b", frames=0)])
        with pytest.raises(SetupError, match=r"'b_seg000'.*finite"):
            journal.commit("b", [embedding_row("b", loudness=float("nan"))])
        journal.commit("c", [embedding_row("c")])
    assert committed(files) == ["a_seg000", "c_seg000"]


def test_a_failure_whose_message_quotes_an_unreadable_name_is_still_entered(files):
    with opened(files) as journal:
        journal.fail("a", "", RecordingError("caf\udce9.wav: bad"))
    assert read_failures(files.ledger)["a"].message == "caf\\udce9.wav: bad"


def test_a_full_disk_at_a_commit_says_what_to_do_and_the_next_commits_are_whole(files, monkeypatch):
    def no_space(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(files) as journal:
        journal.commit("a", [embedding_row("a")])
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", no_space)
            with pytest.raises(SetupError, match=r"embeddings\.jsonl: No space left .*What was committed is safe"):
                journal.commit("b", [embedding_row("b")])
        journal.commit("c", [embedding_row("c")])
    assert committed(files) == ["a_seg000", "c_seg000"]


def fill(disk):
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))


def test_a_run_on_a_disk_that_is_really_full_fails_cleanly_and_resumes(small_disk):
    from crescendai_assets.lake.layout import open_lake

    files = open_lake(small_disk / "data").tier("maestro").partition("2004").stage("embeddings")
    with opened(files) as journal:
        journal.commit("a", [embedding_row("a")])

    def run():
        with opened(files) as journal:
            journal.commit("b", [embedding_row("b")])
            fill(small_disk)
            for number in range(1000):
                journal.commit(f"c{number}", [embedding_row(f"c{number}")])

    with pytest.raises(SetupError, match="make room and run again"):
        run()
    (small_disk / "ballast").unlink()
    with opened(files) as journal:
        journal.commit("d", [embedding_row("d")])
    there = committed(files)
    assert there[:2] == ["a_seg000", "b_seg000"]
    assert there[-1] == "d_seg000"
    assert len(there) < 1000
    assert [p.name for p in files.table.parent.rglob("*") if p.suffix == ".tmp"] == []


def test_a_first_commit_on_a_full_disk_fails_cleanly_too(small_disk):
    from crescendai_assets.lake.layout import open_lake

    files = open_lake(small_disk / "data").tier("maestro").partition("2004").stage("embeddings")
    with opened(files):
        pass

    def run():
        with opened(files) as journal:
            fill(small_disk)
            journal.commit("a", [embedding_row("a")])

    with pytest.raises(SetupError, match="make room and run again"):
        run()
    assert committed(files) == []


def test_facts_of_the_last_run_are_read_back(files):
    assert read_last_run(files) is None
    write_last_run(files, {"seconds": 1.5, "recordings": 2})
    assert read_last_run(files) == {"seconds": 1.5, "recordings": 2}


def test_commits_that_a_full_disk_cut_short_one_after_the_other_do_not_harm_the_next(files, monkeypatch):
    class Nearly(io.FileIO):
        full = False

        def write(self, data, /):
            if self.full:
                super().write(bytes(data)[:9])
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(io, "FileIO", Nearly)
    with opened(files) as journal:
        journal.commit("a", [embedding_row("a")])
        Nearly.full = True
        for name in ("b", "c"):
            with pytest.raises(SetupError, match="No space left"):
                journal.commit(name, [embedding_row(name)])
        Nearly.full = False
        journal.commit("d", [embedding_row("d")])
    assert committed(files) == ["a_seg000", "d_seg000"]


def test_a_full_disk_at_the_lock_says_what_to_do(year, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("crescendai_assets.lake.journal.os.write", full)
    with (
        pytest.raises(SetupError, match=r"No space left on device .*make room and run again"),
        open_journal(year.stage("segments"), EMBEDDINGS, "segments"),
    ):
        pass


def test_a_root_that_is_no_folder_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()
    files = open_lake(tmp_path / "file").tier("maestro").partition("2004").stage("segments")
    with pytest.raises(SetupError, match=r"cannot be written .*CRESCENDAI_DATA"), open_journal(files, EMBEDDINGS, "x"):
        pass


def test_tables_that_a_killed_fold_left_half_are_cleared(year):
    files = year.stage("embeddings")
    left = [path.with_name(f".{path.name}.999999-1.tmp") for path in (files.table, files.ledger)]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with open_journal(files, EMBEDDINGS, "embeddings"):
        pass
    assert not any(path.exists() for path in left)
