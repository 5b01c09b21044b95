"""Who plays, from file names, tables and names."""

from __future__ import annotations

import csv
import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.performers import contestant, performer_id, read_performers

NAMES = Path(__file__).resolve().parents[2].parent / "shared/data/maestro/maestro-v3.0.0_performer.csv"
needs_names = pytest.mark.skipif(not NAMES.exists(), reason=f"the table of performers is not at {NAMES}")


@pytest.mark.parametrize(
    ("file", "year", "expected"),
    [
        (
            "2004/MIDI-Unprocessed_SMF_05_R1_2004_02-03_ORIG_MID--AUDIO_05_R1_2004_06_Track06_wav.wav",
            2004,
            "2004-c005",
        ),
        (
            "2004/MIDI-Unprocessed_SMF_12_01_2004_01-05_ORIG_MID--AUDIO_12_R1_2004_07_Track07_wav.wav",
            2004,
            "2004-c012",
        ),
        (
            "2004/MIDI-Unprocessed_SMF_17_R1_2004_01-02_ORIG_MID--AUDIO_20_R2_2004_02_Track02_wav.wav",
            2004,
            "2004-c020",
        ),
        (
            "2006/MIDI-Unprocessed_08_R1_2006_01-04_ORIG_MID--AUDIO_08_R1_2006_Disk1_01_Track01_wav.wav",
            2006,
            "2006-c008",
        ),
        ("2008/MIDI-Unprocessed_07_R3_2008_01-05_ORIG_MID--AUDIO_07_R3_2008_wav--3.wav", 2008, "2008-c007"),
        (
            "2009/MIDI-Unprocessed_07_R2_2009_01_ORIG_MID--AUDIO_07_R2_2009_07_R2_2009_01_WAV.wav",
            2009,
            "2009-c007",
        ),
        ("2011/MIDI-Unprocessed_24_R1_2011_MID--AUDIO_R1-D9_10_Track10_wav.wav", 2011, "2011-c024"),
        ("2013/ORIG-MIDI_01_7_10_13_Group_MID--AUDIO_08_R3_2013_wav--1.wav", 2013, "2013-c008"),
        ("2013/ORIG-MIDI_03_7_8_13_Group__MID--AUDIO_18_R2_2013_wav--4.wav", 2013, "2013-c018"),
        (
            "2014/MIDI-UNPROCESSED_04-07-08-10-12-15-17_R2_2014_MID--AUDIO_07_R2_2014_wav.wav",
            2014,
            "2014-c007",
        ),
        (
            "2015/MIDI-Unprocessed_R2_D1-2-3-6-7-8-11_mid--AUDIO-from_mp3_03_R2_2015_wav--1.wav",
            2015,
            "2015-c003",
        ),
        (
            "2017/MIDI-Unprocessed_057_PIANO057_MID--AUDIO-split_07-07-17_Piano-e_1-07_wav--4.wav",
            2017,
            "2017-c057",
        ),
        (
            "2017/MIDI-Unprocessed_081_PIANO081_MID--AUDIO-split_07-09-17_Piano-e_2_-02_wav--1.wav",
            2017,
            "2017-c081",
        ),
        ("2018/MIDI-Unprocessed_Chamber3_MID--AUDIO_10_R3_2018_wav--1.wav", 2018, "2018-c010"),
        ("2018/MIDI-Unprocessed_Schubert1-3_MID--AUDIO_02_R2_2018_wav.wav", 2018, "2018-c002"),
    ],
)
def test_every_years_names_give_the_contestant(file, year, expected):
    assert contestant(file, year) == expected
    assert contestant(file.partition("/")[2], year) == expected


def test_rounds_of_one_contestant_are_one_performer_and_years_are_not():
    first = "MIDI-Unprocessed_Recital9-11_MID--AUDIO_10_R1_2018_wav--5.wav"
    third = "MIDI-Unprocessed_Chamber3_MID--AUDIO_10_R3_2018_wav--1.wav"
    assert contestant(first, 2018) == contestant(third, 2018) != contestant(first, 2014)


def test_two_names_without_a_number_are_never_one_performer():
    one, other = contestant("2017/first.wav", 2017), contestant("2017/second.wav", 2017)
    assert one != other
    assert one.startswith("2017-file-")
    assert one == contestant("first.wav", 2017)


@given(st.text(max_size=80), st.integers(2000, 2099))
def test_any_file_name_gives_a_safe_id(name, year):
    assert re.fullmatch(r"\d{4}-(c\d{3}|file-[0-9a-f]{10})", contestant(name, year))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jia Ran", "Ran Jia"),
        ("RAN, Jia", "jia ran"),
        ("José  González", "Gonzalez, Jose"),
        ("Łukasz Ż", "z lukasz"),
    ],
)
def test_order_accents_and_case_of_a_name_do_not_count(one, other):
    assert performer_id(one) == performer_id(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Andrew Li", "Andrew Zhao"), ("小林愛実", "反田恭平"), ("?", "!"), ("Su Yeon Kim", "Su Kim")],
)
def test_other_names_are_other_performers(one, other):
    assert performer_id(one) != performer_id(other)


@given(st.text(max_size=300))
def test_any_name_gives_a_safe_id(name):
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", performer_id(name))


def _table(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "performers.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_a_table_is_read_by_its_header(tmp_path, mark):
    content = mark + b'year,performer,audio_filename\r\n2018,"Li,  Andrew",a.wav\r\n2018, ,b.wav\r\n'
    assert read_performers(_table(tmp_path, content)) == {"a.wav": "Li, Andrew"}


def test_the_same_row_twice_is_no_fault(tmp_path):
    table = _table(tmp_path, "audio_filename,performer\na.wav,Li\na.wav,Li\na.wav,\n")
    assert read_performers(table) == {"a.wav": "Li"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "file,performer\na.wav,Li\n",
            r"performers\.csv, line 1: no column audio_filename among file, performer\.",
        ),
        ("", r"line 1: no column audio_filename and performer among none"),
        (
            "audio_filename,performer\na.wav,Li\n\na.wav,Lu\n",
            r"line 4: 'a\.wav' is by 'Lu' here and by 'Li' above\.",
        ),
        ("audio_filename,performer\n,Li\n", r"line 2: 'Li' has no audio_filename"),
        ('audio_filename,performer\na.wav,"Li\n', r"line 2: not a csv .*Quote"),
        (b"audio_filename,performer\na.wav,Gonz\xe1lez\n", r"line 2: not UTF-8\. Save"),
    ],
)
def test_a_faulty_table_says_where_and_what_to_do(tmp_path, content, told):
    with pytest.raises(SetupError, match=told):
        read_performers(_table(tmp_path, content))


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(SetupError, match=r"nowhere\.csv: cannot be read .*Check the path"):
        read_performers(tmp_path / "nowhere.csv")


@needs_names
def test_contestants_agree_with_the_published_names_as_the_docstring_says():
    with NAMES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    titles: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows:
        known = contestant(row["audio_filename"], int(row["year"])), performer_id(row["performer"])
        titles.setdefault((row["canonical_composer"], row["canonical_title"]), []).append(known)
    pairs = [pair for recordings in titles.values() for pair in combinations(recordings, 2)]
    assert not [pair for pair in pairs if pair[0][0] == pair[1][0] and pair[0][1] != pair[1][1]]
    one_performer = [pair for pair in pairs if pair[0][1] == pair[1][1]]
    assert len(one_performer) == 153
    assert sum(one[0] != other[0] for one, other in one_performer) == 41
    assert set(read_performers(NAMES)) == {row["audio_filename"] for row in rows}
