"""Composites as numbers: the formula, its signs, and doubts that are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.labels.composite import (
    PlannedComposites,
    check_composites,
    check_values,
    composite_values,
    in_words,
    plan_composites,
    polarity,
    redundancy,
    taxonomy_digest,
    validate,
    write_composites,
    write_taxonomy,
)
from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.labels.files import CompositeFiles, LabelFiles
from crescendai_assets.labels.icc import icc
from crescendai_assets.labels.percepiano import write_labels
from crescendai_assets.labels.pictures import redundancy_picture
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.labels.reliability import judgements
from crescendai_assets.labels.schemas import COMPOSITES
from crescendai_assets.labels.taxonomy import Composite, Part, Taxonomy, read_taxonomy
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import check_schema
from crescendai_assets.sample.ratings import write_ratings_csv
from crescendai_assets.sources.catalogue_yaml import catalogue_folders

SHIPPED = read_taxonomy(catalogue_folders({}))


def taxonomy(**composites: dict[int, float]) -> Taxonomy:
    """Composites by dimension's index and weight."""
    made = tuple(
        Composite(name, "low", "high", tuple(Part(DIMENSIONS[i], weight, "why") for i, weight in parts.items()))
        for name, parts in composites.items()
    )
    return Taxonomy(1, made, {}, Path("taxonomy.yaml"))


@pytest.fixture
def files(tmp_path: Path) -> LabelFiles:
    """The sample's ratings and labels."""
    found = LabelFiles(tmp_path / "percepiano_cache")
    write_ratings(found, write_ratings_csv(tmp_path / "ratings.csv"))
    write_labels(found)
    return found


def test_a_composite_is_the_weighted_mean_with_negative_parts_turned_round():
    labels = np.full((1, 19), 0.5)
    labels[0, 2], labels[0, 1] = 6 / 7, 3 / 7
    found = composite_values(labels, taxonomy(touch={2: -2, 1: 1}))
    assert found[0, 0] == pytest.approx((2 * (8 - 6) / 7 + 3 / 7) / 3)


def test_ends_and_middle_of_the_scale_stay():
    labels = np.array([[1 / 7] * 19, [4 / 7] * 19, [1.0] * 19])
    found = composite_values(labels, taxonomy(up={0: 1, 3: 2}, down={0: -1, 3: -2}, mixed={0: 1, 3: -1}))
    assert found[:, 0] == pytest.approx([1 / 7, 4 / 7, 1])
    assert found[:, 1] == pytest.approx([1, 4 / 7, 1 / 7])
    assert found[:, 2] == pytest.approx([4 / 7] * 3)


def test_a_missing_answer_only_spoils_what_needs_it():
    labels = np.full((1, 19), 0.5)
    labels[0, 5] = np.nan
    found = composite_values(labels, taxonomy(without={0: 1}, needs={0: 1, 5: 1}))
    assert found[0, 0] == 0.5
    assert np.isnan(found[0, 1])


def test_reliability_is_that_of_each_listeners_own_composite(files: LabelFiles):
    rows = list(read_rows(files.ratings))
    chosen = taxonomy(one={0: 1}, both={0: 1, 1: -1})
    planned = plan_composites(files, chosen)
    found = {row["composite"]: row for row in planned.validation}
    by_rater = judgements(rows, "by rater")
    assert found["one"]["icc_mean_by_rater"] == pytest.approx(icc(by_rater.values[:, 0], by_rater.segments).mean)
    both = (by_rater.values[:, 0] + 8 / 7 - by_rater.values[:, 1]) / 2
    assert found["both"]["icc_mean_by_rater"] == pytest.approx(icc(both, by_rater.segments).mean)


def test_the_nearest_other_is_told_whatever_its_sign(files: LabelFiles):
    planned = plan_composites(files, taxonomy(a={0: 1}, mirror={0: -1}, other={7: 1}))
    found = {row["composite"]: row for row in planned.validation}
    assert (found["a"]["nearest"], found["a"]["nearest_r"]) == ("mirror", pytest.approx(-1))
    assert abs(found["other"]["nearest_r"]) < 0.9


def test_doubles_noise_and_forgotten_dimensions_are_warned_of(files: LabelFiles):
    planned = plan_composites(files, taxonomy(a={0: 1}, double={0: 2}))
    verdict = check_composites(planned)
    assert (verdict.passed, verdict.warn) == (False, True)
    faults = [(row["id"], row["fault"]) for row in check_composites(planned).rows]
    assert (DIMENSIONS[1].name, "in no composite, nor left out") in faults
    whole = replace(planned, taxonomy=replace(planned.taxonomy, left_out={d.name: "x" for d in DIMENSIONS[1:]}))
    assert [(row["id"], row["fault"]) for row in check_composites(whole).rows] == [
        ("a", "r = 1.00 with double"),
        ("double", "r = 1.00 with a"),
    ]
    noisy = replace(whole, validation=[row | {"nearest_r": 0.1, "icc_mean_by_rater": 0.5} for row in whole.validation])
    assert [row["fault"] for row in check_composites(noisy).rows] == ["reliability 0.50"] * 2


def test_the_shipped_taxonomy_is_sound_on_the_sample(files: LabelFiles, tmp_path: Path):
    out = CompositeFiles(tmp_path / "composite_labels")
    write_taxonomy(out, SHIPPED)
    planned = write_composites(files, out, SHIPPED)
    assert check_composites(planned).passed
    assert check_values(files, out).passed
    assert taxonomy_digest(out) == taxonomy_digest(SHIPPED)
    assert PlannedComposites.digest_on_disk(out) == planned.digest == plan_composites(files, SHIPPED).digest
    assert check_schema(COMPOSITES, list(read_rows(out.validation))).passed
    labels = json.loads(out.labels.read_text())
    assert {len(values) for values in labels.values()} == {6}
    assert all(1 / 7 <= value <= 1 for values in labels.values() for value in values)


def test_labels_are_not_written_beside_another_taxonomy(files: LabelFiles, tmp_path: Path):
    out = CompositeFiles(tmp_path / "composite_labels")
    with pytest.raises(SetupError, match="materialize composite_labels/taxonomy first"):
        write_composites(files, out, SHIPPED)
    write_taxonomy(out, SHIPPED)
    with pytest.raises(SetupError, match=r"taxonomy\.json: is not of taxonomy\.yaml as it is now"):
        write_composites(files, out, taxonomy(a={0: 1}))
    assert not out.labels.exists()


def test_values_off_the_scale_missing_or_too_many_are_named(files: LabelFiles, tmp_path: Path):
    out = CompositeFiles(tmp_path / "composite_labels")
    write_taxonomy(out, SHIPPED)
    write_composites(files, out, SHIPPED)
    labels = json.loads(out.labels.read_text())
    keys = sorted(labels)
    labels[keys[0]][1] = 1.1
    labels[keys[1]][2] = float("nan")
    labels[keys[2]].append(0.5)
    labels["nobody"] = labels.pop(keys[3])
    out.labels.write_text(json.dumps(labels))
    verdict = check_values(files, out)
    assert not verdict.passed
    assert {(row["id"], row["fault"]) for row in verdict.rows} == {
        (keys[0], "timing is not on the scale"),
        (keys[1], "pedaling is not on the scale"),
        (keys[2], "7 values, the taxonomy names 6 composites"),
        (keys[3], "has no composites"),
        ("nobody", "is not rated"),
    }


def test_redundancy_is_that_of_every_pair_whatever_the_sign_and_is_drawn(files: LabelFiles):
    planned = plan_composites(files, taxonomy(a={0: 1}, mirror={0: -1}, other={7: 1}))
    rows = {str(row["composite"]): row for row in redundancy(planned)}
    assert (rows["a"]["a"], rows["a"]["mirror"]) == (pytest.approx(1), pytest.approx(1))
    labels = np.array(list(planned.labels.values()))
    assert rows["a"]["other"] == pytest.approx(abs(np.corrcoef(labels[:, 0], labels[:, 2])[0, 1]))
    assert rows["other"]["mirror"] == pytest.approx(rows["mirror"]["other"])
    assert redundancy_picture(redundancy(planned)).startswith(b"\x89PNG")
    (alone,) = redundancy(plan_composites(files, taxonomy(a={0: 1})))
    assert alone == {"composite": "a", "a": pytest.approx(1)}


def test_polarity_and_reliability_are_told_in_words(files: LabelFiles):
    parts = {(row["composite"], row["dimension"]): row for row in polarity(SHIPPED)}
    turned = parts["articulation", "Articulation_Soft_cushioned_Hard_solid"]
    assert turned["weight"] < 0
    assert turned["made_higher_by"] == "Articulation: Soft_cushioned"
    assert parts["pedaling", "Pedal_Clean_Blurred"]["high_means"] == "wet, blurred"
    words = {row["composite"]: row for row in in_words(plan_composites(files, SHIPPED))}
    assert "Articulation_Soft_cushioned_Hard_solid -1, high is Soft_cushioned" in words["articulation"]["made_of"]
    assert 0.6 < words["timing"]["reliability_by_rater"] < 1


def test_another_taxonomy_is_another_content(files: LabelFiles):
    digests = {plan_composites(files, t).digest for t in (SHIPPED, replace(SHIPPED, version=2), taxonomy(a={0: 1}))}
    assert len(digests) == 3


def test_one_composite_alone_has_no_neighbour(files: LabelFiles):
    rows = list(read_rows(files.ratings))
    labels = plan_composites(files, taxonomy(a={0: 1})).labels
    assert validate(labels, rows, taxonomy(a={0: 1}))[0]["nearest"] is None
