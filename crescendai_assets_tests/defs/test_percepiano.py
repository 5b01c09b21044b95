"""T1 through Dagster, on ratings with a planted structure and on the real ones."""

from __future__ import annotations

import json

import pytest

from crescendai_assets.labels.files import label_files
from crescendai_assets.sample.rated_music import KEYS
from crescendai_assets.sample.rated_set import write_rated_set
from crescendai_assets.sample.ratings import write_ratings_csv
from crescendai_assets_tests.shared_data import DATA, needs_shared

ALL = [
    f"percepiano/{n}" for n in ("ratings", "labels", "passages", "piece_mapping", "folds", "reliability", "baselines")
]


@pytest.fixture
def rated(platform):
    (platform.root / "percepiano").mkdir()
    write_ratings_csv(platform.root / "percepiano" / "total_2rounds.csv")
    return platform


def test_ratings_become_labels_folds_and_a_ceiling_and_a_second_run_gives_the_same(rated):
    first = rated.run(ALL)
    assert all(done.succeeded and all(done.checks.values()) for done in first.values()), first
    files = label_files(rated.lake)
    labels = json.loads(files.labels.read_text())
    assert len(labels) == first["percepiano/labels"].metadata["dagster/row_count"] == len(KEYS)
    assert {len(values) for values in labels.values()} == {19}
    before = files.labels.read_bytes(), files.folds.read_bytes()
    second = rated.run(ALL)
    assert all(done.succeeded and all(done.checks.values()) for done in second.values()), second
    assert (files.labels.read_bytes(), files.folds.read_bytes()) == before


def test_a_leak_in_the_folds_fails_its_own_check_only(rated):
    rated.run(ALL)
    files = label_files(rated.lake)
    document = json.loads(files.folds.read_text())
    fold = next(iter(document["work"]["folds"].values()))
    fold["train"].append(fold["val"][0])
    files.folds.write_text(json.dumps(document))
    checks = rated.check("percepiano/folds")
    assert checks["no_leak_work"] is False
    assert checks["no_leak_performer"] is True
    assert checks["idempotent"] is False


def test_with_midi_at_hand_folds_by_content_are_made_and_a_take_on_both_sides_fails_their_check(platform):
    write_rated_set(platform.root / "percepiano", audio=False)
    done = platform.run(ALL)
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    assert "no_leak_passage_by_content" in done["percepiano/folds"].checks
    files = label_files(platform.lake)
    document = json.loads(files.folds.read_text())
    long, inside = "Schubert_D780_no.3_16bars_1_01", "Schubert_D780_no.3_8bars_1_02"
    for protocol in ("passage", "passage_by_content"):
        for fold in document[protocol]["folds"].values():
            if long in fold["val"]:
                fold["val"].remove(inside)
                fold["train"].append(inside)
    files.folds.write_text(json.dumps(document))
    checks = platform.check("percepiano/folds")
    failed = {name for name, passed in checks.items() if not passed}
    assert failed == {"no_leak_passage", "no_leak_passage_by_content", "takes_shared_passage", "idempotent"}


def test_without_ratings_it_is_said_what_to_set(platform, monkeypatch):
    monkeypatch.delenv("PERCEPIANO_DIR", raising=False)
    (done,) = platform.run(["percepiano/ratings"]).values()
    assert "total_2rounds.csv" in done.error


@needs_shared
@pytest.mark.slow  # labels/test_real_percepiano.py holds the same to the published figures, without Dagster
def test_the_real_ratings_give_the_published_labels_and_the_published_folds_leak(platform, monkeypatch):
    monkeypatch.setenv("PERCEPIANO_FOLDS", str(DATA / "percepiano" / "published_piece_folds.json"))
    (platform.root / "percepiano").symlink_to(DATA / "percepiano")
    done = platform.run(ALL)
    assert all(one.succeeded for one in done.values()), done
    failed = [(name, check) for name, one in done.items() for check, passed in one.checks.items() if not passed]
    assert failed == [("percepiano/folds", "no_leak_published"), ("percepiano/folds", "takes_shared_passage")]
    assert done["percepiano/passages"].metadata["content_groups"] == 36
    assert done["percepiano/labels"].metadata["dagster/row_count"] == 1202
    published = json.loads((DATA / "percepiano" / "label_2round_mean_reg_19_with0_rm_highstd0.json").read_text())
    labels = json.loads(label_files(platform.lake).labels.read_text())
    assert max(abs(a - b) for key, row in labels.items() for a, b in zip(row, published[key], strict=False)) < 1e-9
