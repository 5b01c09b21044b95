"""Labels: the mean as published, and a standard error that takes a listener as one draw."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest

from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.labels.percepiano import PlannedLabels, plan_labels, write_labels
from crescendai_assets.labels.schemas import LABEL_STATISTICS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import check_schema
from crescendai_assets_tests.labels.rated import KEY, line, rated

N = len(DIMENSIONS)


def test_a_mean_is_over_answers_alone_divided_by_seven(tmp_path: Path):
    files = rated(tmp_path, [line("1", "1", KEY, [2, *[3] * (N - 1)]), line("2", "2", KEY, [0, *[4] * (N - 1)])])
    planned = plan_labels(files)
    assert planned.labels[KEY][:2] == pytest.approx([2 / 7, 3.5 / 7], abs=1e-15)
    row = planned.statistics[0]
    assert (row["n_ratings"][:2], row["n_raters"][:2]) == ([1, 2], [1, 2])
    assert row["standard_error"][0] is None


def test_with_one_rating_each_the_standard_error_is_the_textbook_one(tmp_path: Path):
    given = [2, 3, 3, 5, 7]
    files = rated(tmp_path, [line(str(i), str(i), KEY, v) for i, v in enumerate(given)])
    error = plan_labels(files).statistics[0]["standard_error"][4]
    assert error == pytest.approx(statistics.stdev(given) / math.sqrt(5) / 7)


def test_rating_again_makes_nobody_surer(tmp_path: Path):
    once = [line(str(i), f"{i}", KEY, v) for i, v in enumerate([2, 3, 6])]
    twice = [*once, *(line(str(i), f"{i}0", KEY, v) for i, v in enumerate([2, 3, 6]))]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (plan_labels(rated(tmp_path / n, ls)).statistics[0] for n, ls in (("a", once), ("b", twice)))
    assert second["standard_error"] == pytest.approx(first["standard_error"])
    assert (second["ratings"], second["raters"]) == (6, 3)


def test_copies_count_in_the_mean_as_in_the_published_one(tmp_path: Path):
    files = rated(tmp_path, [line("1", "1", KEY, 2), line("2", "2", KEY, 5), line("2", "2", KEY, 5)])
    assert plan_labels(files).labels[KEY][0] == pytest.approx(4 / 7)


def test_a_segment_with_an_unanswered_dimension_gets_no_label_and_is_told(tmp_path: Path):
    other = KEY.replace("_05", "_06")
    files = rated(tmp_path, [line("1", "1", KEY, [0, *[3] * (N - 1)]), line("1", "2", other, 3)])
    planned = plan_labels(files)
    assert list(planned.labels) == [other]
    assert planned.incomplete == [{"id": KEY, "fault": "nobody answered in Timing_Stable_Unstable"}]
    assert planned.statistics[0]["mean"][0] is None


def test_what_is_written_is_what_was_planned_and_changes_with_a_rating(tmp_path: Path):
    files = rated(tmp_path, [line(str(i), str(i), KEY, 1 + i % 7) for i in range(9)])
    planned = write_labels(files)
    assert PlannedLabels.digest_on_disk(files) == planned.digest == plan_labels(files).digest
    assert check_schema(LABEL_STATISTICS, list(read_rows(files.statistics))).passed
    assert json.loads(files.labels.read_text()) == planned.labels
    before = files.labels.read_bytes()
    write_labels(files)
    assert files.labels.read_bytes() == before
    rated(tmp_path, [line(str(i), str(i), KEY, 1 + i % 6) for i in range(9)])
    assert plan_labels(files).digest != planned.digest


def test_without_ratings_it_says_what_to_do(tmp_path: Path):
    files = rated(tmp_path, [line("1", "1", KEY, 3)])
    files.ratings.unlink()
    with pytest.raises(SetupError, match="materialize percepiano/ratings first"):
        plan_labels(files)
