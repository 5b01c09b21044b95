"""Raw ratings: what is kept, what is dropped and why, and at which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.ratings import PlannedRatings, plan_ratings, write_ratings
from crescendai_assets.labels.schemas import RATINGS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import check_schema
from crescendai_assets_tests.labels.rated import HEADER, KEY, line, write_csv

N = len(DIMENSIONS)


def test_blank_and_zero_are_missing_and_a_value_above_seven_drops_the_row(tmp_path: Path):
    lines = [
        line("7", "1", f"{KEY}.wav", ["", "0.0", "7.0", *["3.0"] * (N - 3)]),
        line("7", "2", f"{KEY}.wav", ["8.0", *["3.0"] * (N - 1)]),
        line("8", "3", f"{KEY}.wav", ["3", *["0"] * (N - 2), "9"]),
    ]
    planned = plan_ratings(write_csv(tmp_path, lines))
    assert [row["values"][:4] for row in planned.rows] == [[None, None, 7, 3]]
    assert [(r.line, r.verdict, r.fault) for r in planned.refused] == [
        (3, "above the scale", "Question_1_1_1 is 8, above 7"),
        (4, "above the scale", "Question_9_1_1 is 9, above 7"),
    ]


def test_a_row_without_any_answer_is_dropped_for_that(tmp_path: Path):
    planned = plan_ratings(write_csv(tmp_path, [line("7", "1", KEY, ""), line("7", "2", KEY, 5)]))
    assert len(planned.rows) == 1
    assert planned.facts["dropped_without_an_answer"] == 1


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("7,2,Schubert_D960_mv2_8bars_1_05.wav,3,4", "5 columns, expected 24"),
        (line("7", "2", KEY, 3) + ",,,", "27 columns, expected 24"),
        (line("", "2", KEY, 3), "user or dataID is blank"),
        (line("7", "2", "applause.wav", 3), "'applause.wav' is not <piece>"),
        (line("7", "2", KEY, ["viel", *[3] * (N - 1)]), "Question_1_1_1 is 'viel'"),
        (line("7", "2", KEY, ["3.5", *[3] * (N - 1)]), "Question_1_1_1 is '3.5'"),
        (line("7", "2", KEY, ["-1", *[3] * (N - 1)]), "Question_1_1_1 is '-1'"),
        (line("7", "2", KEY, ["nan", *[3] * (N - 1)]), "Question_1_1_1 is 'nan'"),
        (line("7", "2", KEY, ["1e400", *[3] * (N - 1)]), "Question_1_1_1 is '1e400'"),
        (line("7", "2", KEY, ["٣", *[3] * (N - 1)]), "Question_1_1_1 is '٣'"),
    ],
)
def test_an_odd_row_is_dropped_with_its_line_and_hides_no_other(tmp_path: Path, row, fault):
    good = line("9", "3", KEY, 4)
    planned = plan_ratings(write_csv(tmp_path, [good.replace(",3,", ",1,", 1), row, good]))
    assert len(planned.rows) == 2
    assert [(r.line, r.verdict) for r in planned.refused] == [(3, "odd")]
    assert fault in planned.refused[0].fault


def test_a_message_over_two_lines_moves_the_line_numbers(tmp_path: Path):
    path = write_csv(tmp_path, [line("7", "1", KEY, 3)[:-1] + ',"좋은\n연주"', line("7", "2", KEY, 9)])
    assert plan_ratings(path).refused[0].line == 4


def test_the_same_submission_again_is_kept_and_points_to_the_first(tmp_path: Path):
    lines = [line("7", "5", KEY, 3), line("7", "6", KEY, 3), line("7", "5", KEY, 3), line("7", "5", KEY, 4)]
    rows = {row["rating_id"]: row["copy_of"] for row in plan_ratings(write_csv(tmp_path, lines)).rows}
    assert rows == {"5.1": None, "6.1": None, "5.2": "5.1", "5.3": None}


def test_spellings_of_a_name_are_one_segment(tmp_path: Path):
    lines = [
        line("7", "1", " Schubert_D935_no.3_4bars_score_1.wav", 3),
        line("8", "2", "Schubert_D935_no.3_4bars_Score_1.mid", 3),
    ]
    rows = plan_ratings(write_csv(tmp_path, lines)).rows
    assert {row["segment_id"] for row in rows} == {"Schubert_D935_no.3_4bars_Score_1"}


def test_columns_are_found_by_name(tmp_path: Path):
    header = [*HEADER[3:], *HEADER[:3]]
    values = [str(1 + i % 7) for i in range(N)]
    path = write_csv(tmp_path, [",".join([*values, "", "", "7", "1", KEY])], header)
    assert plan_ratings(path).rows[0]["values"] == [1 + i % 7 for i in range(N)]


def test_a_missing_column_is_named(tmp_path: Path):
    path = write_csv(tmp_path, [], [c for c in HEADER if c != "Question_3_2_1"])
    with pytest.raises(SetupError, match=r"line 1: column Question_3_2_1 is missing"):
        plan_ratings(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "column user"),
        ("\n".join([",".join(HEADER), line("7", "1", KEY, 3)]).encode("utf-16"), "line 1: not UTF-8"),
        (",".join(HEADER).encode() + b"\n" + line("7", "1", KEY, 3).encode() + b"\n\xff\n", "line 3: not UTF-8"),
        (",".join(HEADER).encode() + b"\n\x00\n", "line 2: holds a zero byte"),
        ((",".join(HEADER) + "\n7,1," + '"' + "x" * 200_000).encode(), "not csv"),
        (",".join(HEADER).encode(), "no row can be used, it is empty"),
        ((",".join(HEADER) + "\n7,1,x.wav\n").encode(), "no row can be used; line 2: 3 columns"),
    ],
)
def test_a_damaged_file_stops_with_its_name_and_line(tmp_path: Path, data: bytes, message: str):
    path = tmp_path / "total_2rounds.csv"
    path.write_bytes(data)
    with pytest.raises(SetupError, match=message) as caught:
        plan_ratings(path)
    assert str(path) in str(caught.value)


def test_no_file_says_which_one_is_wanted(tmp_path: Path):
    with pytest.raises(SetupError, match=r"give PercePiano's total_2rounds\.csv"):
        plan_ratings(tmp_path / "none.csv")


def test_what_is_written_fits_the_schema_and_is_what_was_planned(tmp_path: Path):
    path = write_csv(tmp_path, [line("7", str(10 - i), KEY, 1 + i % 7) for i in range(9)])
    files = LabelFiles(tmp_path / "cache")
    planned = write_ratings(files, path)
    rows = list(read_rows(files.ratings))
    assert check_schema(RATINGS, rows).passed
    assert PlannedRatings.digest_on_disk(files) == planned.digest == plan_ratings(path).digest
    path.write_text(path.read_text().replace(",7.0" if ",7.0" in path.read_text() else ",7,", ",6,", 1))
    assert plan_ratings(path).digest != planned.digest
