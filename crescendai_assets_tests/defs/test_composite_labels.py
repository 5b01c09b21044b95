"""Composite labels through Dagster: of the shipped taxonomy, of one's own, and of ratings that changed since."""

from __future__ import annotations

import json

import pytest

from crescendai_assets.labels.dimensions import NAMES
from crescendai_assets.labels.files import composite_files, label_files
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.rated_music import KEYS
from crescendai_assets.sample.ratings import write_ratings_csv
from crescendai_assets_tests.shared_data import DATA, needs_shared

LABELS = ["percepiano/ratings", "percepiano/labels"]
COMPOSITES = ["composite_labels/taxonomy", "composite_labels/labels"]
SIX = ["dynamics", "timing", "pedaling", "articulation", "phrasing", "interpretation"]

OWN = """\
version: 7
composites:
  - name: touch
    low: soft
    high: hard
    dimensions:
      - {dimension: Articulation_Soft_cushioned_Hard_solid, weight: 1, reason: As asked.}
"""


@pytest.fixture
def rated(platform):
    write_ratings_csv(platform.root / "percepiano" / "total_2rounds.csv")
    return platform


def test_labels_become_composites_with_a_report_and_a_second_run_gives_the_same(rated):
    first = rated.run([*LABELS, *COMPOSITES])
    assert all(done.succeeded and all(done.checks.values()) for done in first.values()), first
    assert set(first[COMPOSITES[1]].checks) == {"idempotent", "schema", "valid", "distinct_and_reliable"}
    files = composite_files(rated.lake)
    labels = json.loads(files.labels.read_text())
    assert set(labels) == set(KEYS)
    assert {len(values) for values in labels.values()} == {6}
    assert [one["name"] for one in json.loads(files.taxonomy.read_text())["composites"]] == SIX
    shown = first[COMPOSITES[1]].metadata
    assert shown["dagster/row_count"] == len(KEYS)
    assert shown["coverage"] == round(shown["dimensions_used"] / len(NAMES), 3)
    words = {row.data["composite"]: row.data for row in shown["composites_in_words"].records}
    assert list(words) == SIX
    assert all(0.5 < row["reliability_by_rater"] < 1 for row in words.values())
    assert words["pedaling"]["high_means"] == "wet, blurred"
    assert [row.data["timing"] for row in shown["redundancy"].records][1] == pytest.approx(1)
    assert len(shown["picture_of_redundancy"]) < 60_000
    before = files.labels.read_bytes(), files.taxonomy.read_bytes(), files.validation.read_bytes()
    assert all(all(done.checks.values()) for done in rated.run(COMPOSITES).values())
    assert (files.labels.read_bytes(), files.taxonomy.read_bytes(), files.validation.read_bytes()) == before


def test_a_taxonomy_of_ones_own_replaces_the_shipped_one_and_what_it_forgets_is_warned_of(rated):
    rated.run([*LABELS, *COMPOSITES])
    (rated.catalog / "taxonomy.yaml").write_text(OWN)
    assert not rated.check("composite_labels/taxonomy")["idempotent"]
    assert "materialize composite_labels/taxonomy first" in rated.run(COMPOSITES[1:])[COMPOSITES[1]].error
    done = rated.run(COMPOSITES)
    checks = done[COMPOSITES[1]].checks
    assert checks == {"idempotent": True, "schema": True, "valid": True, "distinct_and_reliable": False}
    labels = json.loads(label_files(rated.lake).labels.read_text())
    composites = json.loads(composite_files(rated.lake).labels.read_text())
    index = NAMES.index("Articulation_Soft_cushioned_Hard_solid")
    assert all(values == [pytest.approx(labels[key][index])] for key, values in composites.items())


def test_a_fault_of_the_taxonomy_names_file_and_line_and_nothing_is_written(rated):
    (rated.catalog / "taxonomy.yaml").write_text(OWN.replace("weight: 1", "weight: 0"))
    (done,) = rated.run(COMPOSITES[:1]).values()
    assert f"{rated.catalog / 'taxonomy.yaml'}, line 7: 'weight' is 0" in done.error
    assert not composite_files(rated.lake).folder.exists()


def test_without_labels_it_is_said_what_to_materialize(platform):
    done = platform.run(COMPOSITES)
    assert done[COMPOSITES[0]].succeeded
    assert "materialize percepiano/labels first" in done[COMPOSITES[1]].error


def test_ratings_that_changed_since_and_files_that_were_edited_are_told(rated):
    rated.run([*LABELS, *COMPOSITES])
    files = composite_files(rated.lake)
    labels = json.loads(files.labels.read_text())
    labels[KEYS[0]][0] = 1.5
    files.labels.write_text(json.dumps(labels))
    checks = rated.check("composite_labels/labels")
    assert (checks["idempotent"], checks["valid"]) == (False, False)


@needs_shared
@pytest.mark.slow  # labels/test_real_percepiano.py says the same of the shipped taxonomy, without Dagster
def test_the_real_ratings_give_six_composites_that_can_be_trusted(platform):
    (platform.root / "percepiano").symlink_to(DATA / "percepiano")
    done = platform.run([*LABELS, *COMPOSITES])
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    rows = {row["composite"]: row for row in read_rows(composite_files(platform.lake).validation)}
    assert set(rows) == set(SIX)
    assert done[COMPOSITES[1]].metadata["dagster/row_count"] == 1202
    assert all(row["icc_mean_by_rater"] > 0.6 and abs(row["nearest_r"]) < 0.9 for row in rows.values())
