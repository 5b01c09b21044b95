"""The sample's ratings: what was planted comes out at the other end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.labels.baselines import ALL, baselines
from crescendai_assets.labels.baselines_in_folds import plan_baselines
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.fold_checks import check_folds
from crescendai_assets.labels.folds import write_folds
from crescendai_assets.labels.passages import write_passages
from crescendai_assets.labels.percepiano import read_labels, write_labels
from crescendai_assets.labels.pictures import baselines_picture, reliability_picture
from crescendai_assets.labels.ratings import PlannedRatings, write_ratings
from crescendai_assets.labels.reliability import plan_reliability, reliability
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sample.ratings import KEYS, PLANTED, Planted, ratings_csv, write_ratings_csv


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelFiles, PlannedRatings, list[Row]]:
    """The sample's tier, its ratings and segments."""
    folder = tmp_path_factory.mktemp("sample")
    files = LabelFiles(folder / "percepiano_cache")
    planned = write_ratings(files, write_ratings_csv(folder / "total_2rounds.csv"))
    write_labels(files)
    rows = write_passages(files).rows
    write_folds(files)
    return files, planned, rows


def test_it_is_the_same_every_time_and_odd_where_it_should_be(sample):
    _, planned, _ = sample
    assert ratings_csv() == ratings_csv()
    assert planned.facts == {
        "read": 368,
        "kept": 366,
        "dropped_above_the_scale": 1,
        "dropped_without_an_answer": 1,
        "dropped_odd": 0,
        "copies_of_another_row": 5,
        "segments": len(KEYS),
        "users": 6,
        "missing_answers": 2,
    }


def test_the_planted_agreement_comes_out(sample):
    files, _, _ = sample
    found = reliability(list(read_rows(files.ratings)), ["by rater"])
    assert np.mean([r.found.one for r in found]) == pytest.approx(PLANTED.icc_one, abs=0.03)


def test_the_planted_effects_come_out_as_baselines(sample):
    files, _, rows = sample
    found = {b.grouping: b.r2.mean() for b in baselines(read_labels(files), rows) if b.rows == ALL}
    assert found["passage"] == pytest.approx(PLANTED.left_out_r2("passage"), abs=0.05)
    assert found["work and performer"] == pytest.approx(PLANTED.left_out_r2("performer"), abs=0.05)
    assert found["performer"] < 0.05


def test_other_effects_give_other_ratings(tmp_path: Path):
    path = tmp_path / "total_2rounds.csv"
    path.write_bytes(ratings_csv(Planted(passage=0.9, performer=0.1, own=0.1, rater=0.3)))
    files = LabelFiles(tmp_path)
    write_ratings(files, path)
    write_labels(files)
    found = {b.grouping: b.r2.mean() for b in baselines(read_labels(files), write_passages(files).rows)}
    assert found["passage"] > 0.9
    assert found["work and performer"] < 0


@pytest.mark.parametrize("protocol", ["passage", "performer", "work"])
def test_it_can_be_split_in_every_protocol(sample, protocol):
    files, _, rows = sample
    planned = write_folds(files)
    assert check_folds(protocol, planned.of(protocol), rows).passed


def test_pictures_are_small_pngs_that_show_the_data(sample):
    files, _, _ = sample
    rows = plan_reliability(files)
    for picture in (reliability_picture(rows), baselines_picture(plan_baselines(files))):
        assert picture.startswith(b"\x89PNG")
        assert len(picture) <= 40_000
    assert reliability_picture(rows) != reliability_picture([row | {"icc_mean": 0.5} for row in rows])
    assert reliability_picture([row | {"icc_mean": None} for row in rows]).startswith(b"\x89PNG")
