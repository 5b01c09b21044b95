"""Difficulty of works from a csv: read with care, matched by id, correlated with what models say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr  # noqa: TID253 - the oracle

from crescendai_assets.evaluation.difficulty import difficulty_csv, difficulty_of, difficulty_rho, read_levels
from crescendai_assets.evaluation.protocols import OutOfFold
from crescendai_assets.lake.errors import SetupError

ROWS = [
    {"composer": "Schubert", "work": work, "piece": f"Schubert_{work}_{movement}"}
    for work, movement in (("D960", "mv2"), ("D960", "mv3"), ("D935", "no.3"), ("D845", "mv1"))
]


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "levels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_piece_goes_before_its_work_and_other_columns_and_works_do_no_harm(tmp_path):
    path = write(tmp_path, "\ufefftitle,work,level\n,d960,9\n,Schubert_D960_mv3, 7 \n,Schubert_D935,8.0\n,K265,1\n")
    found = difficulty_of(ROWS, path)
    np.testing.assert_array_equal(found.levels, [9, 7, 8, np.nan])
    assert (found.missing, found.works) == ("", 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("piece,level\nD960,9\n", "line 1: column work is missing"),
        ("", "line 1: column work is missing"),
        ("work,level\n", "holds no work"),
        ("work,level\nD960,9\nD935,hard\n", "line 3: level of D935 is 'hard', expected a whole number from 0 to 11"),
        ("work,level\nD960,12\n", "line 2: level of D960 is '12'"),
        ("work,level\nD960,\n", "line 2: level of D960 is ''"),
        ("work,level\nD960\n", "line 2: level of D960 is ''"),
        ("work,level\nD960,-1\n", "line 2: level of D960 is '-1'"),
        ("work,level\n,3\n", "line 2: work is blank"),
        ("work,level\nD960,9\nD935,8\nd960,7\n", "line 4: d960 stands twice"),
        ('work,level\n"D960,9\n', "not csv"),
        (b"work,level\nD\xff,9\n", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(SetupError) as error:
        read_levels(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_no_file_is_an_error_and_no_csv_is_not(tmp_path):
    with pytest.raises(SetupError, match="cannot be read"):
        read_levels(tmp_path / "gone.csv")
    found = difficulty_of(ROWS, None)
    assert "CRESCENDAI_DIFFICULTY" in found.missing
    assert np.isnan(found.levels).all()
    assert difficulty_csv("", {}) is None
    assert difficulty_csv("", {"CRESCENDAI_DIFFICULTY": "/a/b.csv"}) == Path("/a/b.csv")
    assert difficulty_csv("/c.csv", {"CRESCENDAI_DIFFICULTY": "/a/b.csv"}) == Path("/c.csv")


def test_a_csv_that_tells_nothing_of_the_rated_works_is_said_to(tmp_path):
    assert (
        "names none of the rated works (D845, D935, D960)"
        in difficulty_of(ROWS, write(tmp_path, "work,level\nX,3\n")).missing
    )
    one = difficulty_of(ROWS, write(tmp_path, "work,level\nD960,9\nD935,9\n"))
    assert "one level, 9" in one.missing


def test_rho_is_that_of_the_mean_score_over_rows_held_out_with_a_level(tmp_path):
    found = difficulty_of(ROWS * 3, write(tmp_path, "work,level\nD960,9\nSchubert_D960_mv3,7\nD935,8\n"))
    scores = np.random.default_rng(0).random((2, 12, 5))
    fold = np.zeros((2, 12), int)
    fold[:, 0] = -1
    there = (fold[0] >= 0) & ~np.isnan(found.levels)
    expected = np.mean([spearmanr(one[there].mean(1), found.levels[there]).statistic for one in scores])
    assert difficulty_rho(OutOfFold("passage", (0, 1), scores, fold), found) == pytest.approx(expected)
    nothing = difficulty_of(ROWS * 3, None)
    assert np.isnan(difficulty_rho(OutOfFold("passage", (0, 1), scores, fold), nothing))
