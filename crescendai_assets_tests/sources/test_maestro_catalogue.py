from __future__ import annotations

import csv
import io
import json

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.maestro_catalogue import YEARS, catalogue_json, read_catalogue
from crescendai_assets_tests.shared_data import DATA, needs_shared

ROWS = [
    {
        "canonical_composer": "Frédéric Chopin",
        "canonical_title": f"Etude Op. 10 No. {n}",
        "split": "train",
        "year": 2011,
        "midi_filename": f"2011/take{n}.midi",
        "audio_filename": f"2011/take{n}.wav",
        "duration": 60.5,
    }
    for n in (1, 2)
]


def columns(rows) -> bytes:
    return json.dumps({c: {str(i): row[c] for i, row in enumerate(rows)} for c in rows[0]}).encode()


def changed(**values) -> bytes:
    return columns([{**ROWS[0], **values}, ROWS[1]])


def test_rows_come_in_order_of_their_file_names_with_ids_that_are_file_names():
    entries = read_catalogue(columns(ROWS[::-1]), "maestro-v3.0.0.json")
    assert [e.audio_filename for e in entries] == ["2011/take1.wav", "2011/take2.wav"]
    assert entries[0].recording_id == "maestro_2011_take1_wav"


def test_csv_and_json_say_the_same():
    text = io.StringIO()
    writer = csv.DictWriter(text, ROWS[0])
    writer.writeheader()
    writer.writerows(ROWS)
    assert read_catalogue(text.getvalue().encode(), "maestro-v3.0.0.csv") == read_catalogue(columns(ROWS), "x.json")


def test_what_is_published_in_the_lake_reads_back_the_same():
    entries = read_catalogue(columns(ROWS), "x.json")
    assert read_catalogue(catalogue_json(entries), "x.json") == entries


@pytest.mark.parametrize("column", list(ROWS[0]))
def test_a_missing_column_is_named(column):
    rows = [{k: v for k, v in row.items() if k != column} for row in ROWS]
    with pytest.raises(SetupError, match=rf"maestro-v3\.0\.0\.json: column {column} is missing"):
        read_catalogue(columns(rows), "maestro-v3.0.0.json")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"year": "2011"}, "row 0: year is '2011', expected int"),
        ({"year": True}, "row 0: year is True"),
        ({"year": 1999}, "year 1999 is not one of"),
        ({"duration": "long"}, "duration is 'long', expected int or float"),
        ({"duration": -1.0}, "not a length"),
        ({"duration": None}, "duration is None"),
        ({"split": "dev"}, "split 'dev' is not one of train, validation, test"),
        ({"canonical_title": ""}, "canonical_title is empty"),
        ({"canonical_title": 7}, "canonical_title is 7, expected str"),
        ({"audio_filename": "/etc/passwd.wav"}, "could leave the dataset's folder"),
        ({"audio_filename": "2011/../../x.wav"}, "could leave the dataset's folder"),
        ({"audio_filename": "..\\x.wav"}, "could leave the dataset's folder"),
        ({"audio_filename": "C:/x.wav"}, "could leave the dataset's folder"),
        ({"midi_filename": "../x.midi"}, "midi_filename '../x.midi' could leave"),
        ({"audio_filename": "2011/" + "x" * 300 + ".wav"}, "longer than 200 bytes"),
        ({"audio_filename": "2011/take2.wav"}, "audio_filename '2011/take2.wav' stands twice"),
        ({"audio_filename": "2011_take2.wav"}, "would get the same id"),
    ],
)
def test_an_unusable_value_is_told_with_its_row(values, fault):
    with pytest.raises(SetupError) as raised:
        read_catalogue(changed(**values), "maestro-v3.0.0.json")
    assert fault in str(raised.value)
    assert "maestro-v3.0.0.json" in str(raised.value)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b'{"a": ', "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"[]", "a list of rows, as in MAESTRO v2"),
        (b'{"year": 3}', "one object a column"),
        (b'"text"', "one object a column"),
    ],
)
def test_a_damaged_file_is_told(data, fault):
    with pytest.raises(SetupError, match=fault):
        read_catalogue(data, "maestro-v3.0.0.json")


@pytest.mark.parametrize(
    ("last", "fault"),
    [('A,B,train,2004,m,"' + "x" * 200_000, "damaged"), ("A,B,train,²,m,2004/a.wav,1", "year is '²', expected int")],
)
def test_a_csv_that_cannot_be_read_is_told(last, fault):
    head = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"
    with pytest.raises(SetupError, match=fault):
        read_catalogue(f"{head}\n{last}\n".encode(), "maestro-v3.0.0.csv")


def test_columns_with_other_rows_are_told():
    document = json.loads(columns(ROWS))
    del document["split"]["1"]
    with pytest.raises(SetupError, match="column split has other rows"):
        read_catalogue(json.dumps(document).encode(), "maestro-v3.0.0.json")


def test_many_faults_are_counted_and_a_few_shown():
    rows = [{**ROWS[0], "audio_filename": f"2011/{i}.wav", "split": "dev"} for i in range(20)]
    with pytest.raises(SetupError, match="and 15 more"):
        read_catalogue(columns(rows), "maestro-v3.0.0.json")


@needs_shared
@pytest.mark.parametrize("name", ["maestro-v3.0.0.json", "maestro-v3.0.0.csv"])
def test_all_1276_rows_of_the_real_catalogue_parse(name):
    entries = read_catalogue((DATA / "maestro" / name).read_bytes(), name)
    assert len(entries) == 1276
    assert {e.year for e in entries} == set(YEARS)
    assert round(sum(e.duration for e in entries) / 3600, 2) == 198.65
    splits = [sum(e.split == s for e in entries) for s in ("train", "validation", "test")]
    assert splits == [962, 137, 177]
