from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.schemas import EMBEDDINGS, FAILURES, MAESTRO_RECORDINGS
from crescendai_assets.lake.tables import Table, by_recording, read_document, read_rows
from crescendai_assets_tests.builders import contents, embedding_row

NAMES = Table(
    "names",
    "id",
    {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "seen": {"type": "integer"}},
    },
    volatile=frozenset({"seen"}),
)


def name(row_id, text="x", **other):
    return {"id": row_id, "name": text, **other}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True))
def test_whatever_order_rows_come_in_they_stand_sorted_and_read_back_equal(tmp_path_factory, ids):
    path = tmp_path_factory.mktemp("t") / "names.jsonl"
    rows = [name(i, f"Łódź {i}") for i in ids]
    assert NAMES.write(path, iter(rows)) == len(rows)
    assert list(read_rows(path)) == sorted(rows, key=lambda row: row["id"])
    assert path.read_bytes().count(b"\n") == len(rows)


def test_a_table_is_one_object_a_line_in_utf8(tmp_path):
    NAMES.write(tmp_path / "t", [name("b", "Étude"), name("a", "line\u2028one\nline two\r")])
    lines = (tmp_path / "t").read_bytes().split(b"\n")
    assert lines[-1] == b""
    assert [json.loads(line)["id"] for line in lines[:-1]] == ["a", "b"]
    assert "Étude".encode() in lines[1]
    assert [row["name"] for row in read_rows(tmp_path / "t")] == ["line\u2028one\nline two\r", "Étude"]


def test_an_id_that_stands_twice_is_refused_and_the_file_stays(tmp_path):
    path = tmp_path / "names.jsonl"
    NAMES.write(path, [name("a")])
    before = contents(tmp_path)
    with pytest.raises(SetupError, match=r"names\.jsonl: id 'a' stands twice"):
        NAMES.write(path, [name("a"), name("b"), name("a", "other")])
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"id": "b"}, r"'b'.*name"),
        (name("b", 5), r"'b'.*name must be string"),
        ({"name": "x"}, r"None.*id"),
        (name(7), r"7.*id must be string"),
        (name(None), r"None.*id must be string"),
    ],
)
def test_a_row_that_breaks_the_schema_is_named_with_its_fault_and_the_file_stays(tmp_path, row, told):
    path = tmp_path / "names.jsonl"
    NAMES.write(path, [name("a")])
    with pytest.raises(SetupError, match=rf"names\.jsonl: row {told}"):
        NAMES.write(path, [name("a"), row, name("c")])
    assert list(read_rows(path)) == [name("a")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_have_is_refused(tmp_path, value):
    with pytest.raises(SetupError, match=r"row 'a'.*finite"):
        NAMES.write(tmp_path / "t", [name("a", length=value)])


@pytest.mark.parametrize(
    ("field", "value"),
    [("fingerprint", "xyz"), ("sha256", ""), ("frames", 0), ("bytes", -1), ("segment_id", ""), ("recording_id", None)],
)
def test_the_embeddings_schema_refuses_what_is_no_embedding(field, value):
    good = embedding_row("a")
    assert EMBEDDINGS.fault(good) is None
    assert field in str(EMBEDDINGS.fault({**good, field: value}))
    assert field in str(EMBEDDINGS.fault({k: v for k, v in good.items() if k != field}))


def test_further_columns_are_welcome(tmp_path):
    NAMES.write(tmp_path / "t", [name("a", added=[1, {"b": None}])])
    assert next(read_rows(tmp_path / "t"))["added"] == [1, {"b": None}]


def test_a_table_that_does_not_exist_has_no_rows(tmp_path):
    assert list(read_rows(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("line", ['{"id": "b", "na', "hello", "", "\ufffd", '{"id": NaN,}'])
def test_a_line_that_is_no_json_is_named_by_file_and_number(tmp_path, line):
    path = tmp_path / "names.jsonl"
    path.write_text('{"id": "a"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r"names\.jsonl, line 2: not JSON.*restore the file or remove it"):
        list(read_rows(path))


def test_bytes_that_are_no_utf8_are_named_by_file(tmp_path):
    path = tmp_path / "names.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "\xff\xfe"}\n')
    with pytest.raises(SetupError, match=r"names\.jsonl.*UTF-8"):
        list(read_rows(path))


@pytest.mark.parametrize(("line", "kind"), [("[1]", "list"), ('"a"', "str"), ("null", "NoneType"), ("3", "int")])
def test_a_line_that_is_no_object_is_named_with_what_it_is(tmp_path, line, kind):
    path = tmp_path / "names.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(SetupError, match=rf"line 1: expected an object, found {kind}"):
        list(read_rows(path))


def test_rows_are_read_as_a_stream(tmp_path):
    path = tmp_path / "names.jsonl"
    path.write_text('{"id": "a"}\nbroken\n')
    rows = read_rows(path)
    assert next(rows) == {"id": "a"}
    assert NAMES.head(path, 1) == [{"id": "a"}]


def test_the_digest_follows_content_and_order_but_not_volatile_columns_or_key_order():
    rows = [name("a", seen=1), name("b", seen=2)]
    digest = NAMES.digest(rows)
    assert NAMES.digest([name("a", seen=99), name("b")]) == digest
    assert NAMES.digest([dict(reversed(row.items())) for row in rows]) == digest
    assert NAMES.digest(rows[::-1]) != digest
    assert NAMES.digest([name("a", "y"), name("b")]) != digest
    assert NAMES.digest([name("a", added=1), name("b")]) != digest
    assert NAMES.digest(rows[:1]) != digest


def test_times_and_attempts_do_not_count_as_content_of_the_contracts_tables():
    assert {"attempts", "first_failed_at", "last_failed_at", "retry_at"} == FAILURES.volatile
    assert "mtime_ns" in MAESTRO_RECORDINGS.volatile
    assert not EMBEDDINGS.volatile


def test_rows_are_grouped_by_recording_one_at_a_time():
    rows = [embedding_row("a", 0), embedding_row("a", 1), embedding_row("b", 0)]
    groups = by_recording(iter(rows))
    assert next(groups) == ("a", rows[:2])
    assert next(groups) == ("b", rows[2:])


def test_rows_of_a_recording_that_do_not_stand_together_are_refused():
    rows = [embedding_row("a", 0), embedding_row("b", 0), embedding_row("a", 1)]
    with pytest.raises(SetupError, match="recording 'a' do not stand together"):
        list(by_recording(rows))


@pytest.mark.parametrize("content", [b'{"a": [1, 2', b"", b'{"a": "\xff"}'])
def test_a_document_that_is_cut_or_no_text_is_named_with_what_makes_it(tmp_path, content):
    path = tmp_path / "folds.json"
    path.write_bytes(content)
    with pytest.raises(SetupError, match=rf"{path}: not JSON \(.+\); materialize percepiano/folds again"):
        read_document(path, "percepiano/folds")


def test_a_document_is_read_whole_and_one_that_is_not_there_is_named_with_what_makes_it(tmp_path):
    path = tmp_path / "folds.json"
    with pytest.raises(SetupError, match=rf"{path}: not there; materialize percepiano/folds first"):
        read_document(path, "percepiano/folds")
    path.write_text('{"Étude": [1, 2]}', encoding="utf-8")
    assert read_document(path, "percepiano/folds") == {"Étude": [1, 2]}
