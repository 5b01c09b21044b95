"""A user's files are read where they lie, and again only when they were touched; whatever their names, ids are safe."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import checked_id, sha256_file
from crescendai_assets.sources.in_place import AUDIO_SUFFIXES, audio_files, file_id, hashed, version_of
from crescendai_assets_tests.builders import digest

NEVER_READ = digest("what a row said before, and the file does not hold")
KEYS = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True)
NAMES = st.text(st.characters(exclude_categories=(), exclude_characters="\0"), min_size=1).map(
    lambda name: f"{name}.wav"
)


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "live" / "take.wav"
    path.parent.mkdir()
    path.write_bytes(b"some sound")
    return path


def listed(take: Path, **other: object) -> dict[str, object]:
    """The row that stands for the file, with a hash that reading it could never give."""
    return {**hashed(take.parent, take.name, None), "sha256": NEVER_READ, **other}


def test_a_version_is_size_and_time_and_nothing_for_what_is_no_file(tmp_path, take):
    status = take.stat()
    assert version_of(take) == {"bytes": 10, "mtime_ns": status.st_mtime_ns}
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("absent", "broken", "loop", "live"):
        assert version_of(tmp_path / name) == {}


def test_a_file_is_described_by_its_path_below_the_folder(tmp_path, take):
    row = hashed(tmp_path, "live/take.wav", None)
    assert row == {
        "audio_in": "source",
        "audio_path": "live/take.wav",
        "state": "read in place",
        "sha256": sha256_file(take),
        **version_of(take),
    }


def test_a_file_that_was_not_touched_is_not_read_again(take):
    assert hashed(take.parent, take.name, listed(take))["sha256"] == NEVER_READ


def test_a_file_with_another_time_is_read_again_even_when_its_size_is_the_same(take):
    before = listed(take)
    os.utime(take, ns=(0, take.stat().st_mtime_ns + 1))
    row = hashed(take.parent, take.name, before)
    assert (row["sha256"], row["mtime_ns"]) == (sha256_file(take), take.stat().st_mtime_ns)


def test_a_file_of_another_size_is_read_again_even_when_its_time_is_the_same(take):
    before = listed(take)
    take.write_bytes(b"some other sound")
    os.utime(take, ns=(0, int(str(before["mtime_ns"]))))
    assert hashed(take.parent, take.name, before)["sha256"] == sha256_file(take)


def test_a_row_that_knows_no_time_as_that_of_a_working_copy_does_not_spare_reading(take):
    before = listed(take)
    del before["mtime_ns"]
    assert hashed(take.parent, take.name, before)["sha256"] == sha256_file(take)


@pytest.mark.parametrize("name", ["absent.wav", "live"])
def test_a_file_that_is_not_there_waits_for_the_user_and_is_named(tmp_path, take, name):
    with pytest.raises(RecordingError, match=rf"{name}: no such file; complete the folder") as caught:
        hashed(tmp_path, name, None)
    assert caught.value.error_class == "needs_user"
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file here that even root cannot read")
def test_a_file_that_cannot_be_read_is_tried_again_later(tmp_path):
    (tmp_path / "torn.wav").symlink_to("/proc/self/mem")
    with pytest.raises(RecordingError, match=r"torn\.wav: cannot be read \(.+\); see to it") as caught:
        hashed(tmp_path, "torn.wav", None)
    assert caught.value.error_class == "retry"


def test_audio_files_are_found_by_suffix_at_any_depth_in_order_and_hidden_ones_passed_over(tmp_path):
    wanted = ["b.FLAC", "a/1.wav", "a/b/2.Mp3", "a/z.webm", "no letters/♪.opus"]
    for name in [*wanted, ".hidden.wav", ".trash/x.wav", "a/.x/y.wav", "notes.txt", "a/cover.jpg", "wav", "x.wav.part"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"-")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    assert audio_files(tmp_path) == sorted(wanted)


def test_a_folder_that_lies_in_a_hidden_one_is_read_all_the_same(tmp_path):
    folder = tmp_path / ".mine"
    folder.mkdir()
    for suffix in AUDIO_SUFFIXES:
        (folder / f"take{suffix}").write_bytes(b"-")
    assert len(audio_files(folder)) == len(AUDIO_SUFFIXES)


@given(KEYS, NAMES)
def test_an_id_is_safe_as_a_file_name_whatever_the_file_is_called(owner, name):
    found = file_id(owner, name)
    assert checked_id(found, 60) == found
    assert found.isascii()
    assert "." not in found
    assert file_id(owner, name) == found


@given(st.lists(st.tuples(KEYS, NAMES), unique=True, min_size=2))
def test_no_two_files_share_an_id(files):
    assert len({file_id(owner, name) for owner, name in files}) == len(files)


def test_files_that_differ_in_folder_suffix_case_owner_or_accent_have_ids_of_their_own_and_a_name_for_people():
    files = [
        ("mine", n) for n in ("a/Étude.wav", "b/Étude.wav", "a/Étude.mp3", "a/étude.wav", "a/Etude.wav", "Étude.wav")
    ]
    ids = {file_id(owner, name) for owner, name in [*files, ("yours", "a/Étude.wav")]}
    assert len(ids) == 7
    assert all(found.startswith("etude-") for found in ids)


@pytest.mark.parametrize("name", ["♪♫.wav", "no suffix", "...wav", "дом.mp3", os.fsdecode(b"\xff\xfe.wav")])
def test_a_name_without_a_letter_for_an_id_gives_its_hash_alone(name):
    found = file_id("mine", name)
    assert len(found) == 10
    assert checked_id(found) == found
