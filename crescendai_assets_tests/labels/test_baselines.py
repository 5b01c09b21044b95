"""What needs no listening: against loops, and against structure that was planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.labels.baselines import ALL, LEFT_OUT, PIANISTS, baselines, left_out_r2
from crescendai_assets.labels.baselines_in_folds import baselines_in_folds, plan_baselines, write_baselines
from crescendai_assets.labels.folds import write_folds
from crescendai_assets.labels.protocols import Fold, grouped_folds, left_out_folds
from crescendai_assets.labels.schemas import BASELINES
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import check_schema
from crescendai_assets_tests.labels.rated import score_of, segments, tier

KEYS = [
    *score_of("D960", "mv2", ["1", "2", "3", "Score"], range(1, 9)),
    *score_of("D935", "no.3", ["1", "2", "3", "Score"], [1, 5, 9], bars=4),
]
ROWS = segments(KEYS)


def labels_by(column: str, noise: float = 0.0) -> dict[str, list[float]]:
    """Labels that follow from one column of the segments, all 19 alike but for noise."""
    chance = np.random.default_rng(0)
    values = {group: 0.3 + 0.5 * chance.random() for group in sorted({str(row[column]) for row in ROWS})}
    return {row["segment_id"]: list(values[str(row[column])] + noise * chance.normal(size=19)) for row in ROWS}


def in_loops(values: list[float], groups: list[str]) -> float:
    """Leave-one-out R² as one would do it by hand."""
    mean = sum(values) / len(values)
    missed = 0.0
    for i, value in enumerate(values):
        others = [v for j, v in enumerate(values) if j != i and groups[j] == groups[i]]
        others = others or [v for j, v in enumerate(values) if j != i]
        missed += (value - sum(others) / len(others)) ** 2
    return 1 - missed / sum((v - mean) ** 2 for v in values)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0.1, 1), st.sampled_from("abc")), min_size=3, max_size=12))
def test_leave_one_out_is_as_by_hand(pairs):
    values, groups = [v for v, _ in pairs], [g for _, g in pairs]
    if np.std(values) < 1e-3:
        return
    found, _ = left_out_r2(np.array(values)[:, None], groups)
    assert found[0] == pytest.approx(in_loops(values, groups), abs=1e-6)


def test_leaving_out_keeps_a_group_from_predicting_itself():
    values = np.random.default_rng(0).random((60, 19))
    left_out, in_sample = left_out_r2(values, [str(i // 2) for i in range(60)])
    assert left_out.mean() < -0.2  # pairs of noise predict nothing
    assert in_sample.mean() > 0.4  # and look as if they did


@pytest.mark.parametrize(
    ("column", "grouping"),
    [
        ("passage", "passage"),
        ("piece", "piece"),
        ("recording", "movement and performer"),
        ("machine", "machine or pianist"),
    ],
)
def test_what_was_planted_is_found_by_its_grouping_alone(column, grouping):
    found = {(b.grouping, b.rows): b.r2.mean() for b in baselines(labels_by(column), ROWS)}
    assert found[grouping, ALL] == pytest.approx(1)
    coarser = {"passage": "piece", "piece": "machine or pianist", "recording": "performer", "machine": "piece"}[column]
    assert found[coarser, ALL] < 0.9


def test_machines_are_left_out_of_the_second_half():
    found = [b for b in baselines(labels_by("passage", 0.1), ROWS) if b.rows == PIANISTS]
    assert {b.segments for b in found} == {sum(not row["machine"] for row in ROWS)}
    assert "machine or pianist" not in {b.grouping for b in found}


def test_a_sound_split_gives_its_grouping_nothing_and_a_leaky_one_does():
    labels = labels_by("passage", 0.02)
    sound = baselines_in_folds(labels, ROWS, grouped_folds("passage", ROWS, (0, 1), 4))
    leaky = baselines_in_folds(labels, ROWS, grouped_folds("performer", ROWS, (0, 1), 4))
    of_sound = {b.grouping: b.r2.mean() for b in sound}
    of_leaky = {b.grouping: b.r2.mean() for b in leaky}
    assert of_sound["passage"] <= 0
    assert of_leaky["passage"] > 0.8
    assert {b.evaluated for b in (*sound, *leaky)} == {"passage", "performer"}


def test_a_group_that_train_does_not_know_is_predicted_by_all_of_train():
    labels = {KEYS[0]: [0.2] * 19, KEYS[1]: [0.6] * 19, KEYS[2]: [0.3] * 19, KEYS[3]: [0.5] * 19}
    fold = Fold("passage", "s0f0", 0, (KEYS[0], KEYS[1]), (KEYS[2], KEYS[3]))
    found = {b.grouping: b.r2 for b in baselines_in_folds(labels, ROWS, [fold])}
    assert found["passage"] == pytest.approx(np.zeros(19))  # .4 for both, which is their mean


def test_a_fold_left_out_is_weighed_by_its_rows():
    labels = labels_by("work", 0.05)
    found = {b.grouping: b for b in baselines_in_folds(labels, ROWS, left_out_folds(ROWS))}
    assert found["piece"].segments == len(KEYS)
    assert found["piece"].r2.mean() < 0


def test_the_table_fits_its_schema_and_is_what_was_planned(tmp_path: Path):
    files = tier(tmp_path, KEYS)
    write_folds(files, n_folds=3)
    write_baselines(files)
    rows = list(read_rows(files.baselines))
    assert check_schema(BASELINES, rows).passed
    assert BASELINES.digest(rows) == BASELINES.digest(plan_baselines(files))
    assert {row["evaluated"] for row in rows} == {LEFT_OUT, "passage", "performer", "work"}
