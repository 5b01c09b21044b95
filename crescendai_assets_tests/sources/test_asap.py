"""A folder in ASAP's layout: what is there is listed with its files, what is wrong is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.asap import asap_folder, read_asap
from crescendai_assets_tests.shared_data import DATA, needs_shared

COLUMNS = "composer,title,folder,xml_score,midi_score,midi_performance,maestro_midi_performance,audio_performance"


def folder(tmp_path, *rows, files=(), columns=COLUMNS):
    (tmp_path / "metadata.csv").write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


PIECE = "Bach,Fugue_1,Bach/F,Bach/F/xml_score.musicxml,Bach/F/midi_score.mid"
SHI = f"{PIECE},Bach/F/Shi05M.mid,{{maestro}}/2006/a.midi,Bach/F/Shi05M.wav"
LEE = f"{PIECE},Bach/F/Lee_K04.mid,,"


def test_a_performance_comes_with_the_files_that_are_there_and_absent_ones_are_counted(tmp_path):
    alignment = "Bach/F/Shi05M_note_alignments/note_alignment.tsv"
    files = ["Bach/F/midi_score.mid", "Bach/F/Shi05M.mid", alignment]
    found = read_asap(folder(tmp_path, SHI, LEE, files=files))
    (one,) = found.performances
    assert found.absent == 1
    assert one.performance_id == "asap_Bach_F_Shi05M_mid"
    assert (one.composer, one.title, one.performer_id) == ("Bach", "Fugue_1", "Shi05")
    assert (one.score, one.note_alignment) == (
        tmp_path / files[1].replace("Shi05M", "midi_score"),
        tmp_path / alignment,
    )
    assert (one.xml, one.audio, one.maestro_midi) == (None, None, "2006/a.midi")


@pytest.mark.parametrize(
    ("stem", "performer"),
    [("Shi05M", "Shi05"), ("LEE_K05", "LEE_K05"), ("Feiner_2006_02", "Feiner_2006_02"), ("MunM", "MunM")],
)
def test_the_mark_of_maestro_is_no_part_of_the_performer(tmp_path, stem, performer):
    (one,) = read_asap(folder(tmp_path, SHI.replace("Shi05M", stem), files=[f"Bach/F/{stem}.mid"])).performances
    assert one.performer_id == performer


@pytest.mark.parametrize(
    ("rows", "columns", "told"),
    [
        ([], "composer,title", "no column 'midi_score'"),
        (["Bach,F,f,,s.mid,../up.mid,,"], COLUMNS, r"line 2: midi_performance '\.\./up\.mid' could leave"),
        (["Bach,F,f,,s.mid,/etc/passwd,,"], COLUMNS, "could leave"),
        (["Bach,F,f,,s.mid,,,"], COLUMNS, "line 2: names no midi_performance"),
        ([SHI, SHI], COLUMNS, "line 3: .* same id"),
    ],
)
def test_a_table_that_cannot_be_right_stops_with_its_line(tmp_path, rows, columns, told):
    with pytest.raises(SetupError, match=told):
        read_asap(folder(tmp_path, *rows, files=["Bach/F/Shi05M.mid"], columns=columns))


def test_a_folder_without_the_table_says_what_to_set(tmp_path):
    with pytest.raises(SetupError, match=r"metadata\.csv: cannot be read .* set ASAP_DIR"):
        read_asap(tmp_path)
    (tmp_path / "metadata.csv").write_bytes(b"composer\xff")
    with pytest.raises(SetupError, match="line 1: not UTF-8"):
        read_asap(tmp_path)


def test_the_folder_is_the_one_given_else_of_the_environment(tmp_path):
    assert asap_folder("", {}) is None
    assert asap_folder("", {"ASAP_DIR": str(tmp_path)}) == tmp_path
    assert asap_folder("/given", {"ASAP_DIR": str(tmp_path)}) == Path("/given")


@needs_shared
def test_the_real_table_lists_the_performances_at_hand():
    found = read_asap(DATA / "asap")
    assert (len(found.performances), found.absent) == (125, 942)
    assert all(one.score for one in found.performances)
    assert sum(one.xml is not None for one in found.performances) == 43
    assert len({one.performer_id for one in found.performances}) == 97
