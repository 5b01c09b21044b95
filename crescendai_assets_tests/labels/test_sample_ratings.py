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
from crescendai_assets.sample.rated_music import KEYS
from crescendai_assets.sample.rated_set import write_rated_set
from crescendai_assets.sample.ratings import (
    PLANTED,
    PLANTED_COLUMNS,
    SHUFFLED_COLUMN,
    Planted,
    ratings_csv,
    truth,
)

OTHERS = [c for c in range(19) if c not in PLANTED_COLUMNS and c != SHUFFLED_COLUMN]
"""Dimensions whose effects are drawn without regard to anything."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelFiles, PlannedRatings, list[Row]]:
    """The sample's tier, its ratings and segments."""
    folder = tmp_path_factory.mktemp("sample")
    files = LabelFiles(folder / "percepiano_cache")
    rated = write_rated_set(folder / "percepiano", audio=False)
    planned = write_ratings(files, rated.ratings)
    write_labels(files)
    rows = write_passages(files, rated.root / "midi").rows
    write_folds(files)
    return files, planned, rows


def test_it_is_the_same_every_time_and_odd_where_it_should_be(sample):
    _, planned, _ = sample
    assert ratings_csv() == ratings_csv()
    assert planned.facts == {
        "read": 458,
        "kept": 456,
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


def test_what_is_true_has_exactly_the_planted_spread_in_the_dimension_that_follows_nothing(sample):
    assert truth()[:, SHUFFLED_COLUMN].std(ddof=1) == pytest.approx(PLANTED.true**0.5)
    for column in PLANTED_COLUMNS:
        assert np.corrcoef(truth()[:, SHUFFLED_COLUMN], truth()[:, column]).min() == pytest.approx(0, abs=1e-9)


def test_the_planted_effects_come_out_as_baselines(sample):
    files, _, rows = sample
    found = {b.grouping: b.r2 for b in baselines(read_labels(files), rows) if b.rows == ALL}
    assert found["passage"][OTHERS].mean() == pytest.approx(PLANTED.left_out_r2("passage"), abs=0.05)
    assert found["work and performer"][OTHERS].mean() == pytest.approx(PLANTED.left_out_r2("performer"), abs=0.05)
    assert found["performer"].mean() < 0.05


def test_in_the_dimension_that_follows_nothing_knowing_passage_and_performer_is_worth_nothing(sample):
    files, _, rows = sample
    found = {b.grouping: b.r2 for b in baselines(read_labels(files), rows) if b.rows == ALL}
    for grouping in ("passage", "work and performer", "piece"):
        assert found[grouping][SHUFFLED_COLUMN] < 0.05
        assert found[grouping][SHUFFLED_COLUMN] < found[grouping][list(PLANTED_COLUMNS)].min()


def test_16_bars_deserve_what_the_passages_inside_them_deserve_where_it_can_be_heard(sample):
    deserved = dict(zip(KEYS, truth(), strict=True))
    for who in ("1", "2", "3", "4", "Score"):
        key = f"Schubert_D780_no.3_{{}}bars_{who}_{{}}"
        whole, one, other = (deserved[key.format(*name)] for name in ((16, "01"), (8, "01"), (8, "02")))
        columns = list(PLANTED_COLUMNS)
        assert whole[columns] == pytest.approx((one[columns] + other[columns]) / 2)
        assert np.abs(whole[OTHERS] - (one[OTHERS] + other[OTHERS]) / 2).max() > 0.3


def test_passages_are_joined_by_their_bars_and_by_the_machines_rendering_of_a_repeat(sample):
    _, _, rows = sample
    same = {row["segment_id"]: row["same_midi"] for row in rows if row["same_midi"]}
    assert same == {
        "Beethoven_WoO83_no.1_8bars_Score_2": ["Beethoven_WoO83_no.2_8bars_Score_2"],
        "Beethoven_WoO83_no.2_8bars_Score_2": ["Beethoven_WoO83_no.1_8bars_Score_2"],
        "Schubert_D780_no.5_8bars_Score_01": ["Schubert_D780_no.5_8bars_Score_02"],
        "Schubert_D780_no.5_8bars_Score_02": ["Schubert_D780_no.5_8bars_Score_01"],
    }
    assert len({row["passage"] for row in rows}) == 15
    assert len({row["passage_group"] for row in rows}) == 11
    # its 16 bars hold what their number says, so that takes join nothing more
    assert len({row["content_group"] for row in rows}) == 11
    assert sum(len(row["same_take"]) for row in rows) == 2 * (2 * 5 + 2)
    assert all(row["music_as_named"] and row["holds"] == row["holds_nominal"] for row in rows)


def test_other_effects_give_other_ratings(tmp_path: Path):
    path = tmp_path / "total_2rounds.csv"
    path.write_bytes(ratings_csv(Planted(passage=0.9, performer=0.1, own=0.1, rater=0.3)))
    files = LabelFiles(tmp_path)
    write_ratings(files, path)
    write_labels(files)
    found = {b.grouping: b.r2[OTHERS].mean() for b in baselines(read_labels(files), write_passages(files).rows)}
    assert found["passage"] > 0.9
    assert found["work and performer"] < 0


@pytest.mark.parametrize("protocol", ["passage", "passage_by_content", "performer", "work"])
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
