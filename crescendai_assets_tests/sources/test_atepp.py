"""ATEPP's folder as a user has it: names with accents and quotes, missing files, metadata that are not right."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.atepp import LEFT_OUT_QUALITIES, read_atepp
from crescendai_assets_tests.shared_data import DATA, needs_shared

COLUMNS = [
    "artist", "artist_id", "track", "track_duration", "composer", "composition_id", "score_path", "midi_path",
    "youtube_links", "quality", "perf_id", "repetition",
]  # fmt: skip

MELODIE = {
    "artist": "Vladimir Ashkenazy",
    "track": "Four Pieces (originally Op.1): 3. Mélodie",
    "composer": "Sergei Rachmaninoff",
    "composition_id": "0",
    "midi_path": "Sergei_Rachmaninoff/Four_Pieces_(originally_Op.1)/3._Mélodie/00001.mid",
    "perf_id": "00001",
}
SOSPIRO = {
    "artist": "Claudio Arrau",
    "track": '3 Etudes de Concert, S.144: No. 3 in D Flat "Un sospiro"',
    "composer": "Franz Liszt",
    "composition_id": "98",
    "score_path": 'Franz_Liszt/3_Etudes,_S._144/No._3_"Un_sospiro"/score.mxl',
    "midi_path": 'Franz_Liszt/3_Etudes,_S._144/No._3_"Un_sospiro"/00322-2.mid',
    "quality": "background noise",
    "perf_id": "00322-2",
}


def table(*rows, columns=COLUMNS):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def atepp(folder, *rows, version="1.2", files=None):
    """A folder with these rows and, if not told otherwise, all files they name."""
    (folder / f"ATEPP-metadata-{version}.csv").write_text(table(*rows), encoding="utf-8")
    named = [row[c] for row in rows for c in ("midi_path", "score_path") if row.get(c)]
    for name in named if files is None else files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"MThd")
    return folder


def test_rows_are_read_with_their_accents_and_quotes(tmp_path):
    read = read_atepp(atepp(tmp_path, SOSPIRO, MELODIE))
    melodie, sospiro = read.performances
    assert melodie.performance_id == "atepp_00001"
    assert (melodie.performer, melodie.composer, melodie.title) == tuple(
        MELODIE[c] for c in ("artist", "composer", "track")
    )
    assert melodie.folder_title == "Four_Pieces_(originally_Op.1)/3._Mélodie"
    assert melodie.score_path is None
    assert melodie.is_usable
    assert sospiro.performance_id == "atepp_00322-2"
    assert sospiro.title.endswith('"Un sospiro"')
    assert sospiro.score_path == SOSPIRO["score_path"]
    assert (sospiro.quality, sospiro.is_usable) == ("background noise", False)
    assert read.absent == ()


def test_rows_without_their_midi_are_named_and_a_score_that_is_not_there_is_none(tmp_path):
    read = read_atepp(atepp(tmp_path, SOSPIRO, MELODIE, files=[SOSPIRO["midi_path"]]))
    assert [p.performance_id for p in read.performances] == ["atepp_00322-2"]
    assert read.performances[0].score_path is None
    assert read.absent == ("atepp_00001",)


def test_a_file_is_found_whose_accents_were_taken_apart_in_unpacking(tmp_path):
    apart = unicodedata.normalize("NFD", MELODIE["midi_path"])
    assert apart != MELODIE["midi_path"]
    (found,) = read_atepp(atepp(tmp_path, MELODIE, files=[apart])).performances
    assert (tmp_path / found.midi_path).is_file()


def test_the_newest_metadata_are_read_by_number_and_not_by_name(tmp_path):
    for version in ("1.1", "1.9", "1.10"):
        atepp(tmp_path, {**MELODIE, "artist": version}, version=version)
    assert read_atepp(tmp_path).performances[0].performer == "1.10"


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path):
    atepp(tmp_path, MELODIE)
    path = tmp_path / "ATEPP-metadata-1.2.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_atepp(tmp_path).performances) == 1


def test_a_name_that_is_too_long_for_a_file_is_absent(tmp_path):
    row = {**MELODIE, "midi_path": "Sergei_Rachmaninoff/" + "3._Mélodie" * 30 + "/00001.mid"}
    assert read_atepp(atepp(tmp_path, row, files=[])).absent == ("atepp_00001",)


def test_a_folder_that_is_not_there_or_holds_no_metadata_is_named_with_what_to_do(tmp_path):
    for folder in (tmp_path / "gone", tmp_path):
        with pytest.raises(SetupError, match="ATEPP_DIR") as caught:
            read_atepp(folder)
        assert str(folder) in str(caught.value)


def test_a_missing_column_is_named(tmp_path):
    atepp(tmp_path, MELODIE)
    old = [column for column in COLUMNS if column not in ("quality", "perf_id")]
    (tmp_path / "ATEPP-metadata-1.2.csv").write_text(table(MELODIE, columns=old))
    with pytest.raises(SetupError, match=r"ATEPP-metadata-1\.2\.csv: column quality, perf_id is missing"):
        read_atepp(tmp_path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"perf_id": ""}, "perf_id is empty"),
        ({"midi_path": ""}, "midi_path is empty"),
        ({"midi_path": "../outside.mid"}, "could leave the folder"),
        ({"midi_path": "/outside.mid"}, "could leave the folder"),
        ({"score_path": "a/../../b.mxl"}, "could leave the folder"),
        ({"perf_id": "../00001"}, "could leave its folder"),
        ({"perf_id": "00322-2"}, "stands twice"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_its_line(tmp_path, change, fault):
    with pytest.raises(SetupError, match=f"line 3: .*{fault}"):
        read_atepp(atepp(tmp_path, SOSPIRO, {**MELODIE, **change}, files=[SOSPIRO["midi_path"]]))


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b'artist,"open\nquote', b""])
def test_damaged_metadata_are_named(tmp_path, damage):
    path = tmp_path / "ATEPP-metadata-1.2.csv"
    path.write_bytes(damage)
    with pytest.raises(SetupError, match=r"ATEPP-metadata-1\.2\.csv"):
        read_atepp(tmp_path)


@needs_shared
def test_the_real_metadata_are_read_whole():
    read = read_atepp(DATA / "atepp")  # none of its MIDI is there
    assert read.performances == ()
    assert len(read.absent) == 11_674


@needs_shared
def test_all_real_rows_find_their_files_in_a_folder_that_has_them(tmp_path):
    text = (DATA / "atepp/ATEPP-metadata-1.2.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))[::40]
    read = read_atepp(atepp(tmp_path, *rows))
    assert len(read.performances) == len(rows)
    assert read.absent == ()
    assert Counter(p.quality for p in read.performances).keys() <= {*LEFT_OUT_QUALITIES, "", "applause", "high quality"}
