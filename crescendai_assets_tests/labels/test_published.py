"""PercePiano's label files: odd entries survive, and the two of them are told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.labels.published import check_against_published, edition_of, read_published
from crescendai_assets.lake.errors import SetupError
from crescendai_assets_tests.labels.rated import KEY
from crescendai_assets_tests.shared_data import DATA, needs_shared

MEANS = [0.5] * 19
LABEL_FILE = DATA / "percepiano" / "label_2round_mean_reg_19_with0_rm_highstd0.json"


def published(folder: Path, document: Any) -> Path:
    path = folder / "labels.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.mark.parametrize("extra", [[], [3], [3, 0.5], [float("nan")]])
def test_nineteen_twenty_or_twenty_one_numbers_give_the_first_nineteen(tmp_path: Path, extra):
    found = read_published(published(tmp_path, {KEY: [*MEANS, *extra]}))
    assert found.labels == {KEY: tuple(MEANS)}
    assert not found.faults


@pytest.mark.parametrize(
    ("key", "values", "fault"),
    [
        (KEY, MEANS[:18], "18 numbers, expected 19"),
        (KEY, [*MEANS, 1, 2, 3], "22 numbers"),
        (KEY, [float("nan"), *MEANS[1:]], "Timing_Stable_Unstable is nan"),
        (KEY, [float("inf"), *MEANS[1:]], "Timing_Stable_Unstable is inf"),
        (KEY, [10**400, *MEANS[1:]], "Timing_Stable_Unstable is 1000"),
        (KEY, [3.5, *MEANS[1:]], "outside 0.1429 to 1"),
        (KEY, [0.0, *MEANS[1:]], "outside 0.1429 to 1"),
        (KEY, ["0.5", *MEANS[1:]], "is no number"),
        (KEY, [True, *MEANS[1:]], "is no number"),
        (KEY, {"a": 1}, "expected a list"),
        (KEY, None, "expected a list"),
        ("somebody_else", MEANS, "is not <piece>"),
    ],
)
def test_an_entry_that_cannot_be_used_is_told_and_hides_no_other(tmp_path: Path, key, values, fault):
    good = KEY.replace("_05", "_06")
    found = read_published(published(tmp_path, {key: values, good: MEANS}))
    assert list(found.labels) == [good]
    assert [f["id"] for f in found.faults] == [key]
    assert fault in found.faults[0]["fault"]


def test_a_key_with_a_leading_space_is_read_and_told(tmp_path: Path):
    found = read_published(published(tmp_path, {f" {KEY}": MEANS}))
    assert list(found.labels) == [KEY]
    assert found.notes == [f"' {KEY}' is read as '{KEY}'"]


@pytest.mark.parametrize("second", [KEY, f" {KEY}"])
def test_a_key_that_stands_twice_is_a_fault(tmp_path: Path, second):
    text = f'{{"{KEY}": {MEANS}, "{second}": {[0.9] * 19}}}'
    found = read_published(published(tmp_path, text))
    assert found.labels[KEY] == tuple(MEANS)
    assert found.faults[0]["fault"] == f"{KEY} stands twice"


@pytest.mark.parametrize("document", ["[1, 2", "[]", "3", "{}", '{"a": [1]}', "[" * 100_000])
def test_a_file_without_labels_stops_with_its_name(tmp_path: Path, document):
    path = published(tmp_path, document)
    with pytest.raises(SetupError, match=r"labels\.json: "):
        read_published(path)


@needs_shared
def test_the_two_published_files_are_told_apart(tmp_path: Path):
    whole = json.loads(LABEL_FILE.read_text())
    merged = {
        f"Beethoven_WoO80_var{v}_8bars_Score_{n}"
        for n, v in zip(range(5, 17), [6, 8, 9, 10, 12, 15, 17, 18, 23, 25, 27, 28], strict=True)
    } | {"Schubert_D935_no.3_4bars_Score_1"}
    assert read_published(LABEL_FILE).edition == "1,202 of the paper"
    smaller = read_published(published(tmp_path, {k: v for k, v in whole.items() if k not in merged}))
    assert smaller.edition == "1,189 with renderings merged"
    assert "13 Score renderings are merged into Score2" in smaller.message
    assert "repository's root" in smaller.message
    other = [key for key in whole if "Score" not in key or key in merged]
    assert edition_of(other) == "another selection"
    assert edition_of(list(whole)[:1189]) == "another selection"


def test_a_difference_beyond_the_tolerance_is_named(tmp_path: Path):
    found = read_published(published(tmp_path, {KEY: MEANS}))
    assert check_against_published({KEY: [0.5 + 1e-10, *MEANS[1:]]}, found).passed
    verdict = check_against_published({KEY: [0.5 + 1e-8, *MEANS[1:]]}, found)
    assert not verdict.passed
    assert verdict.rows[0]["fault"].startswith("Timing_Stable_Unstable is 0.5")


def test_labels_that_are_missing_or_too_many_are_named(tmp_path: Path):
    other = KEY.replace("_05", "_06")
    verdict = check_against_published({other: MEANS}, read_published(published(tmp_path, {KEY: MEANS})))
    assert [(row["id"], row["fault"]) for row in verdict.rows] == [
        (KEY, "published, and not among our labels"),
        (other, "not published"),
    ]
