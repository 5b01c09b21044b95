"""Figures, markdown and csv of reports: what is not known is told as such, or left empty."""

from __future__ import annotations

import csv
import io
import math

from crescendai_assets.evaluation.text_tables import csv_table, markdown_table, number


def test_what_is_not_known_is_na_for_people():
    assert [number(value) for value in (0.12345, math.nan, None)] == ["0.123", "n/a", "n/a"]
    assert number(12.345, 1) == "12.3"


def test_a_csv_keeps_six_digits_and_leaves_empty_what_is_not_known_or_not_there():
    text = csv_table(("model", "r2", "pairs", "note"), [{"model": "S0, first", "r2": 1 / 3, "pairs": math.nan}])
    assert "\r" not in text
    assert list(csv.reader(io.StringIO(text)))[1] == ["S0, first", "0.333333", "", ""]


def test_markdown_has_its_rule_below_the_header():
    assert markdown_table([("model", "R2"), ("S0", "0.4")]) == "| model | R2 |\n|---|---|\n| S0 | 0.4 |"
