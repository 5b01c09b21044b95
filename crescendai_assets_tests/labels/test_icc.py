"""Reliability against published numbers, against a plain reading of the formulas, and against planted structure."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.labels.icc import icc, spearman_brown
from crescendai_assets.labels.reliability import (
    judgements,
    plan_reliability,
    reliability,
    reliability_facts,
    write_reliability,
)
from crescendai_assets.labels.schemas import RELIABILITY
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import check_schema
from crescendai_assets_tests.labels.rated import KEY, line, rated

SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Table 2 of Shrout & Fleiss (1979): six targets, four judges."""


def flat(rows):
    values = np.array([v for row in rows for v in row], dtype=float)
    return values, np.repeat(np.arange(len(rows)), [len(row) for row in rows])


def by_the_book(rows) -> tuple[float, float]:
    """ICC(1,1) and ICC(1,k) in loops."""
    total = sum(map(len, rows))
    grand = sum(map(sum, rows)) / total
    means = [sum(row) / len(row) for row in rows]
    between = sum(len(row) * (m - grand) ** 2 for row, m in zip(rows, means, strict=True)) / (len(rows) - 1)
    within = sum((x - m) ** 2 for row, m in zip(rows, means, strict=True) for x in row) / (total - len(rows))
    k = (total - sum(len(row) ** 2 for row in rows) / total) / (len(rows) - 1)
    return (between - within) / (between + (k - 1) * within), (between - within) / between


def test_the_example_of_shrout_and_fleiss_gives_their_numbers():
    found = icc(*flat(SHROUT_FLEISS))
    assert found.one == pytest.approx(0.17, abs=0.005)
    assert found.mean == pytest.approx(0.44, abs=0.005)
    assert found.k == pytest.approx(4)
    assert (found.subjects, found.ratings) == (6, 24)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(1, 7), min_size=2, max_size=6), min_size=3, max_size=8))
def test_unequal_numbers_of_ratings_follow_the_formulas(rows):
    if len({x for row in rows for x in row}) < 2 or len({sum(row) / len(row) for row in rows}) < 2:
        return
    found = icc(*flat(rows))
    assert (found.one, found.mean) == pytest.approx(by_the_book(rows), abs=1e-9)
    assert found.mean == pytest.approx(spearman_brown(found.one, found.k), abs=1e-9)


def test_missing_answers_are_as_if_never_asked():
    values, subjects = flat(SHROUT_FLEISS)
    with_gaps = icc(np.append(values, [np.nan, np.nan]), np.append(subjects, [0, 77]))
    assert with_gaps == icc(values, subjects)


def test_perfect_agreement_is_one_and_pure_noise_is_near_nothing():
    assert icc(*flat([[1, 1, 1], [5, 5], [7, 7, 7, 7]])).one == pytest.approx(1)
    chance = np.random.default_rng(0)
    assert icc(chance.normal(size=4000), np.arange(4000) % 400).one == pytest.approx(0, abs=0.03)


def test_a_planted_agreement_is_found_inside_its_interval():
    chance = np.random.default_rng(1)
    subjects = np.arange(3000) % 500
    found = icc(chance.normal(size=500)[subjects] + chance.normal(0, 2, 3000), subjects)
    assert found.one == pytest.approx(0.2, abs=0.04)
    assert found.low < spearman_brown(0.2, 6) < found.high
    assert found.high - found.low < 0.15


@pytest.mark.parametrize("rows", [[[1, 2, 3]], [[1], [2], [3]]])
def test_data_that_say_nothing_give_nan_and_null(rows):
    assert math.isnan(icc(*flat(rows)).one)


def ratings(folder: Path) -> list[Row]:
    """Two listeners who disagree about two segments; the first submission is there three times."""
    other = KEY.replace("_05", "_06")
    lines = [line("1", "1", KEY, 1)] * 3 + [line("2", "2", KEY, 4), line("1", "3", other, 5), line("2", "4", other, 7)]
    return list(read_rows(rated(folder, [*lines, line("1", "9", KEY, 3)]).ratings))


def panel(stride: int) -> list[str]:
    """Four listeners and nine performances."""
    keys = [KEY.replace("_1_", f"_{performer}_") for performer in range(9)]
    answers = [(p, r, 1 + (p * 3 + r * stride) % 7) for p in range(9) for r in range(4)]
    return [line(str(r), f"{p}{r}", keys[p], value) for p, r, value in answers]


def test_copies_and_repeats_are_counted_in_three_ways(tmp_path: Path):
    rows = ratings(tmp_path)
    first = {}
    for counting in ("published", "without copies", "by rater"):
        found = judgements(rows, counting)
        first[counting] = sorted(np.round(found.values[found.segments == 0, 0] * 7, 9))
    assert first == {"published": [1, 1, 1, 3, 4], "without copies": [1, 3, 4], "by rater": [2, 4]}


def test_a_missing_answer_is_not_a_zero_in_a_listeners_mean(tmp_path: Path):
    lines = [line("1", "1", KEY, [0, *[2] * 18]), line("1", "2", KEY, [6, *[2] * 18]), line("2", "3", KEY, 0)]
    rows = list(read_rows(rated(tmp_path, [*lines, line("3", "4", KEY, [0, *[3] * 18])]).ratings))
    values = judgements(rows, "by rater").values[:, 0] * 7
    assert values[0] == pytest.approx(6)
    assert np.isnan(values[1])


def test_copies_make_agreement_look_better(tmp_path: Path):
    lines = panel(2)
    rows = list(read_rows(rated(tmp_path, lines + lines[::2] * 2).ratings))
    one = {r.counting: r.found.one for r in reliability(rows) if r.dimension.startswith("Timing")}
    assert one["published"] > one["without copies"] == pytest.approx(one["by rater"])


def test_the_table_fits_its_schema_and_is_what_was_planned(tmp_path: Path):
    files = rated(tmp_path, panel(1))
    rows = write_reliability(files)
    assert check_schema(RELIABILITY, list(read_rows(files.reliability))).passed
    assert RELIABILITY.digest(read_rows(files.reliability)) == RELIABILITY.digest(plan_reliability(files))
    assert len(rows) == 57
    assert set(reliability_facts(rows)) == {
        "reliability published",
        "reliability without copies",
        "reliability by rater",
    }


def test_a_table_of_nothing_but_unknowns_can_be_written(tmp_path: Path):
    files = rated(tmp_path, [line("1", "1", KEY, 3)])
    assert {row["icc_mean"] for row in write_reliability(files)} == {None}


def test_without_ratings_it_says_what_to_do():
    with pytest.raises(SetupError, match="materialize percepiano/ratings first"):
        judgements([])
