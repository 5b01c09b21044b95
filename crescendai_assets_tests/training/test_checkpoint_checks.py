"""Checks of checkpoints fail on what must fail: changed inputs, rows that were learnt from, a leaking fold."""

from __future__ import annotations

import json

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.checkpoint_checks import check_split, check_trained
from crescendai_assets.training.checkpoints import SCORES, files_of, read_report, refuse_foreign
from crescendai_assets.training.fit import fit_fold
from crescendai_assets_tests.training.rated_lake import FOLD, fold, tiny


@pytest.fixture
def trained(own_place):
    fit_fold(own_place, fold(own_place), tiny("S0"))
    return own_place


def test_what_was_just_trained_is_current_and_sound(trained):
    report = read_report(files_of(trained.root, "S0", fold(trained), 0))
    assert report is not None
    assert check_trained(trained, "S0", FOLD, report.scores_digest).passed
    assert not check_trained(trained, "S0", FOLD, "another").passed
    found = check_split(trained, "S0", FOLD)
    assert found.passed
    assert found.summary == "nothing is on both sides"


def test_changed_labels_make_it_stale(trained):
    labels = json.loads(trained.labels.labels.read_text())
    labels[fold(trained).val[0]][3] += 0.1
    trained.labels.labels.write_text(json.dumps(labels))
    found = check_trained(trained, "S0", FOLD, None)
    assert (found.passed, found.rows[0]["id"]) == (False, "seed0")


def test_scores_of_rows_that_were_learnt_from_and_missing_ones_are_told(trained):
    files, whole = files_of(trained.root, "S0", fold(trained), 0), fold(trained)
    rows = list(read_rows(files.scores))
    SCORES.write(files.scores, sorted([{**rows[0], "segment_id": whole.train[0]}, *rows[2:]], key=str))
    found = check_split(trained, "S0", FOLD)
    assert not found.passed
    assert [row["fault"] for row in found.rows] == [
        "was scored and is not held out",
        "1 rows that were held out have no score",
    ]


def test_a_leak_in_the_fold_fails_it(trained):
    document = json.loads(trained.labels.folds.read_text())
    of_file = document["passage"]["folds"]["s0f0"]
    of_file["train"].append(of_file["val"][0])
    trained.labels.folds.write_text(json.dumps(document))
    assert not check_split(trained, "S0", FOLD).passed


def test_a_checkpoint_of_other_labels_or_of_another_encoder_is_refused(trained):
    files = files_of(trained.root, "S0", fold(trained), 0)
    report = read_report(files)
    assert report is not None
    refuse_foreign(report, files, report.labels, "")
    with pytest.raises(SetupError, match=r"seed0: was trained on another label set .*Train S0 of passage-s0f0 again"):
        refuse_foreign(report, files, "0" * 32, "")
    with pytest.raises(SetupError, match="was trained over another encoder"):
        refuse_foreign(report, files, report.labels, "a digest")


def test_a_report_that_was_cut_short_is_named(trained):
    files = files_of(trained.root, "S0", fold(trained), 0)
    files.report.write_text(files.report.read_text()[:50])
    with pytest.raises(SetupError, match=r"report\.json: cannot be read"):
        read_report(files)
