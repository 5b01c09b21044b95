"""The taxonomy as a file: the one that is shipped, one's own, and complaints at the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crescendai_assets.labels.dimensions import NAMES
from crescendai_assets.labels.taxonomy import FILE, read_taxonomy
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.catalogue_yaml import catalogue_folders

SHIPPED = catalogue_folders({})

GOOD = """\
version: 3
composites:
  - name: touch
    low: hard
    high: soft
    dimensions:
      - dimension: Articulation_Soft_cushioned_Hard_solid
        weight: -2
        reason: Turned round.
      - dimension: Articulation_Short_Long
        weight: 0.5
        reason: As it is.
left_out:
  - dimension: Timbre_Bright_Dark
    reason: Not asked for.
"""


TWICE = "  - {dimension: Timbre_Bright_Dark, reason: a}\n"


def own(folder: Path, text: str) -> tuple[Path, ...]:
    (folder / FILE).write_text(text)
    return (*SHIPPED, folder)


def test_the_shipped_one_has_six_composites_and_mentions_every_dimension_once_or_more():
    taxonomy = read_taxonomy(SHIPPED)
    assert taxonomy.names == ("dynamics", "timing", "pedaling", "articulation", "phrasing", "interpretation")
    assert taxonomy.forgotten == []
    assert len(taxonomy.used) + len(taxonomy.left_out) == len(NAMES)
    assert all(len(part.reason) > 20 for composite in taxonomy.composites for part in composite.parts)


def test_a_sign_says_which_pole_counts_as_high():
    parts = {part.dimension.name: part for c in read_taxonomy(SHIPPED).composites for part in c.parts}
    assert parts["Articulation_Soft_cushioned_Hard_solid"].high == "Soft_cushioned"
    assert parts["Articulation_Short_Long"].high == "Long"
    assert parts["Pedal_Clean_Blurred"].high == "Blurred"


def test_one_of_ones_own_replaces_the_shipped_one_as_a_whole(tmp_path: Path):
    taxonomy = read_taxonomy(own(tmp_path, GOOD))
    assert (taxonomy.version, taxonomy.names, taxonomy.path) == (3, ("touch",), tmp_path / FILE)
    assert len(taxonomy.forgotten) == 16
    assert read_taxonomy((*SHIPPED, tmp_path / "without")).version == read_taxonomy(SHIPPED).version


def test_what_is_published_says_the_scale_and_the_pole_of_every_part(tmp_path: Path):
    document = json.loads(read_taxonomy(own(tmp_path, GOOD)).encoded)
    assert document["scale"]["higher_is_better"] is False
    assert document["composites"][0]["dimensions"][0] == {
        "index": 2,
        "dimension": "Articulation_Soft_cushioned_Hard_solid",
        "weight": -2,
        "counts_as_high": "Soft_cushioned",
        "reason": "Turned round.",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "Articulation_Short_Long",
            "Articulation_Long_Short",
            r"line 10: the dimension '.*_Long_Short' is not",
        ),
        (
            "Articulation_Short_Long",
            "Timbre_Bright_Dark",
            r"line 14: '.*' is left out here and used in",
        ),
        ("Timbre_Bright_Dark", "Timbre_Bright", r"line 14: .*Did you mean 'Timbre_Bright_Dark'\?"),
        (
            "Articulation_Short_Long",
            "Articulation_Soft_cushioned_Hard_solid",
            r"line 10: '.*' is in 'touch' already; add up the weights",
        ),
        ("weight: 0.5", "weight: 0", r"line 11: 'weight' is 0; give a number from -10 to 10 other than 0"),
        ("weight: 0.5", "weight: 11", r"line 11: 'weight' is 11;"),
        ("weight: 0.5", "weight: .nan", r"line 11: 'weight'"),
        ("weight: 0.5", "weight: much", r"line 11: 'weight' must be a number, not 'much'"),
        ("        reason: As it is.\n", "", r"line 10: 'reason' is missing; add it"),
        ("reason: As it is.", "reason: ' '", r"line 12: 'reason' is empty; fill it in"),
        ("name: touch", "name: Touch Me", r"line 3: 'name' is 'Touch Me'; write one word in lower-case letters"),
        ("    high: soft\n", "    hihg: soft\n", r"line 5: the key 'hihg' is not one of .*Did you mean 'high'\?"),
        ("version: 3", "version: 0", r"line 1: 'version' must be 1 or more, not 0"),
        ("version: 3", "version: [", r"line \d+: not valid YAML"),
        ("left_out:\n", f"left_out:\n{TWICE}", r"line 15: .*left out above already"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str):
    assert old in GOOD
    with pytest.raises(SetupError, match=rf"taxonomy\.yaml, {message}"):
        read_taxonomy(own(tmp_path, GOOD.replace(old, new)))


def test_a_name_given_twice_is_refused(tmp_path: Path):
    head, _, tail = GOOD.partition("left_out")
    again = head.split("composites:\n")[1]
    with pytest.raises(SetupError, match="line 13: 'touch' stands above already"):
        read_taxonomy(own(tmp_path, f"{head}{again}left_out{tail}"))


@pytest.mark.parametrize("text", ["version: 1\ncomposites: []\n", "version: 1\n", "- a\n", ""])
def test_an_empty_taxonomy_is_refused(tmp_path: Path, text: str):
    with pytest.raises(SetupError, match=r"taxonomy\.yaml, line \d"):
        read_taxonomy(own(tmp_path, text))


def test_none_at_all_says_where_it_was_looked_for(tmp_path: Path):
    with pytest.raises(SetupError, match="there is no taxonomy"):
        read_taxonomy((tmp_path,))
