"""What each source lists, and what is said of one that is not at hand."""

from __future__ import annotations

import os

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sample.asap import write_asap
from crescendai_assets.sample.loose import write_loose_midi
from crescendai_assets.sources.maestro_sources import FolderSource
from crescendai_assets.symbolic.corpus.listing import Sources, folders_from, list_source
from crescendai_assets_tests.maestro_folder import Take, write_folder
from crescendai_assets_tests.shared_data import DATA, needs_shared


def test_a_folder_lists_its_midi_below_it_too_and_nothing_else(tmp_path):
    for name in ("a.mid", "deep/er/B.MIDI", "c.rmi", ".hidden.mid", ".dir/d.mid", "notes.txt", "e.mid/inside.mid"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"MThd")
    found = list_source("mine", Sources(folders={"mine": tmp_path}))
    assert sorted(one.file for one in found.files.values()) == ["a.mid", "c.rmi", "deep/er/B.MIDI", "e.mid/inside.mid"]
    assert all(one.startswith("mine_") for one in found.files)
    assert {one.version.split("-")[0] for one in found.files.values()} == {"4"}


def test_an_id_stays_with_its_path_and_no_other_file_shares_it(tmp_path):
    for name in ("x/take.mid", "y/take.mid", "take.mid", "take.midi", "Ünïcode ☂.mid", "x_take.mid"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"MThd")
    sources = Sources(folders={"mine": tmp_path})
    first = {i: one.file for i, one in list_source("mine", sources).files.items()}
    assert len(first) == 6
    (tmp_path / "another.mid").write_bytes(b"MThd")
    assert first.items() <= {i: one.file for i, one in list_source("mine", sources).files.items()}.items()


def test_a_name_that_is_not_utf8_is_told_and_the_rest_is_listed(tmp_path):
    (tmp_path / "good.mid").write_bytes(b"MThd")
    try:
        (tmp_path / os.fsdecode(b"bad\xff.mid")).write_bytes(b"MThd")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    found = list_source("mine", Sources(folders={"mine": tmp_path}))
    assert [one.file for one in found.files.values()] == ["good.mid"]
    assert ["not UTF-8" in str(error) for error in found.unusable.values()] == [True]


def test_asap_brings_names_performers_and_what_is_a_copy(tmp_path):
    sample = write_asap(tmp_path)
    found = list_source("asap", Sources(asap=tmp_path))
    assert len(found.files) == len(sample.performances)
    assert all(one.composer and one.title and one.performer_id for one in found.files.values())
    assert sum(one.copy_of is not None for one in found.files.values()) == 1


def test_maestro_is_listed_in_place_and_what_is_absent_is_counted(tmp_path):
    write_folder(tmp_path, [Take(2011, "one"), Take(2013, "two")])
    midi = tmp_path / "2011" / "one.midi"
    midi.parent.mkdir(exist_ok=True)
    midi.write_bytes(b"MThd")
    found = list_source("maestro", Sources(maestro=FolderSource(tmp_path)))
    assert [one.path for one in found.files.values()] == [str(midi)]
    assert found.absent == 1


def test_the_sample_folder_has_no_names(tmp_path):
    write_loose_midi(tmp_path)
    found = list_source("loose", Sources(folders={"loose": tmp_path}))
    assert len(found.files) == 5
    assert {one.title for one in found.files.values()} == {""}


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("asap", "ASAP_DIR"),
        ("atepp", "ATEPP_DIR"),
        ("maestro", "MAESTRO_DIR"),
        ("percepiano", "PERCEPIANO_DIR"),
        ("mine", "CRESCENDAI_MIDI_FOLDERS, as 'mine=<folder>'"),
    ],
)
def test_a_source_that_is_not_at_hand_says_what_to_set(key, what):
    with pytest.raises(SetupError, match=what):
        list_source(key, Sources())


def test_folders_are_named_in_one_setting():
    found = folders_from(f"mine=/a b{os.pathsep}yours=/c")
    assert {name: str(path) for name, path in found.items()} == {"mine": "/a b", "yours": "/c"}
    assert folders_from("") == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/a/folder", "is not <name>=<folder>"),
        ("=/a", "is not <name>=<folder>"),
        ("asap=/a", "the name 'asap' is taken"),
        ("tokens=/a", "the name 'tokens' is taken"),
        (f"a=/a{os.pathsep}a=/b", "'a' stands twice"),
        ("../up=/a", "could leave its folder"),
        ("muq_mine=/a", "the name 'muq_mine' is taken"),
        ("corpus.jsonl=/a", "the name 'corpus.jsonl' is taken"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(text, what):
    with pytest.raises(SetupError, match=what):
        folders_from(text)


@needs_shared
def test_real_percepiano_lists_each_rated_segment_by_its_name():
    found = list_source("percepiano", Sources(percepiano=DATA / "percepiano" / "midi"))
    assert len(found.files) == 1202
    assert "percepiano_Schubert_D935_no.3_4bars_2_1" in found.files  # its file begins with a space


def test_folders_that_link_to_each_other_are_gone_through_once(tmp_path):
    folder, beside = tmp_path / "mine", tmp_path / "beside"
    for path in (folder / "a", beside):
        path.mkdir(parents=True)
    (folder / "a" / "x.mid").write_bytes(b"MThd")
    (beside / "y.mid").write_bytes(b"MThd")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "up_too").symlink_to(folder)
    (folder / "linked").symlink_to(beside)
    found = list_source("mine", Sources(folders={"mine": folder}))
    assert sorted(one.file for one in found.files.values()) == ["a/x.mid", "linked/y.mid"]


def test_a_folder_that_cannot_be_read_is_told_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SetupError, match=r"closed: cannot be read \(Permission denied\); correct its permissions"):
        list_source("mine", Sources(folders={"mine": tmp_path}))
