from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crescendai_assets.lake import files
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import (
    MAX_ID_BYTES,
    checked_id,
    clear_temporary,
    sha256_file,
    sha256_once,
    write_atomic,
)
from crescendai_assets_tests.builders import contents


@given(st.text(st.characters(), max_size=300))
@example("../up")
@example("..")
@example(".")
@example("")
@example("a/b")
@example("a\\b")
@example("/etc/passwd")
@example("a\0b")
@example("~")
@example("\ud800")
@example("é" * 150)
def test_an_id_is_refused_or_names_a_file_right_inside_its_folder(text):
    folder = Path("/some/folder")
    try:
        assert checked_id(text) == text
    except SetupError:
        return
    path = Path(os.path.normpath(folder / text))
    assert path.parent == folder
    assert path.name == text
    assert not text.startswith(".")
    assert text == text.strip()
    assert text.isprintable() or not any(ord(c) < 32 for c in text)
    assert len(os.fsencode(text)) <= MAX_ID_BYTES


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " a",
        "a ",
        ".",
        "..",
        ".hidden",
        "a/b",
        "../a",
        "/a",
        "a\\b",
        "a\nb",
        "a\0",
        "a\x7f",
        "\ud800",
        "x" * 201,
    ],
)
def test_ids_that_could_leave_the_folder_or_break_a_file_system_are_refused(text):
    with pytest.raises(SetupError, match="id "):
        checked_id(text)


@pytest.mark.parametrize("text", ["chopin2021_stage1_bruce-liu_Xy-_0", "maestro_2004_MIDI..wav", "Étude 5", "x" * 200])
def test_ordinary_ids_pass_unchanged(text):
    assert checked_id(text) == text


def test_the_longest_id_can_be_written_as_a_segments_embedding(tmp_path):
    from crescendai_assets.embeddings.store import embedding_path

    path = embedding_path(tmp_path, "x" * MAX_ID_BYTES + "_seg000")
    write_atomic(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_an_atomic_write_makes_folders_replaces_and_leaves_no_temporary(tmp_path):
    path = tmp_path / "a" / "b" / "table.jsonl"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert contents(tmp_path) == {"a/b/table.jsonl": b"two"}


class FullFile:
    """A file whose disk is full at the second half."""

    def __init__(self, real):
        self.real = real

    def write(self, data):
        self.real.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.real.close()


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def fail_fsync(monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)


def fail_write(monkeypatch):
    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: FullFile(real_open(self, *a, **k)))


def fail_rename(monkeypatch):
    monkeypatch.setattr(Path, "replace", no_space)


@pytest.mark.parametrize("fail", [fail_fsync, fail_write, fail_rename])
def test_a_full_disk_leaves_the_old_content_whole_and_no_temporary(tmp_path, monkeypatch, fail):
    path = tmp_path / "table.jsonl"
    write_atomic(path, b"old" * 1000)
    with monkeypatch.context() as broken:
        fail(broken)
        with pytest.raises(SetupError, match=r"table\.jsonl: No space left on device .*make room and run again"):
            write_atomic(path, b"new" * 2000)
    assert contents(tmp_path) == {"table.jsonl": b"old" * 1000}
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_other_errors_of_the_disk_keep_their_kind(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomic(tmp_path / "a", b"x")
    assert contents(tmp_path) == {}


def test_a_disk_that_is_really_full_leaves_the_old_content_whole(small_disk):
    path = small_disk / "table.jsonl"
    write_atomic(path, b"old" * 1000)
    with pytest.raises(SetupError, match="No space left on device"):
        write_atomic(path, bytes(1_000_000))
    assert contents(small_disk) == {"table.jsonl": b"old" * 1000}


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "a") == expected


def test_temporaries_of_dead_processes_are_cleared_and_those_of_living_ones_left(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".x_seg000.pt.{dead.pid}-7f.tmp"
    busy = files.temporary_name(tmp_path / "y_seg000.pt")
    other = tmp_path / f".table.jsonl.{dead.pid}-7f.tmp"
    whole = tmp_path / "z_seg000.pt"
    for path in (left, busy, other, whole):
        path.write_bytes(b"")
    assert clear_temporary(tmp_path, ".pt") == 1
    assert set(contents(tmp_path)) == {busy.name, other.name, whole.name}


def test_a_file_is_hashed_once_and_again_after_any_change(tmp_path, monkeypatch):
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return sha256_file(path)

    monkeypatch.setattr(files, "sha256_file", counted)
    path = tmp_path / "weights.pt"
    path.write_bytes(b"one")
    first = sha256_once(path)
    assert (sha256_once(path), len(hashed)) == (first, 1)
    before = path.stat()
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert sha256_once(path) == sha256_file(path) != first, "of the same size and time"
    path.write_bytes(b"and more")
    assert sha256_once(path) == sha256_file(path)
    assert len(hashed) == 3
    path.unlink()
    with pytest.raises(FileNotFoundError):
        sha256_once(path)
