"""No YAML file can run code or fill the memory, and every complaint stands at its line."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources import catalogue_yaml
from crescendai_assets.sources.catalogue_fields import (
    CatalogueModel,
    Name,
    OptionalText,
    Texts,
    checked_address,
    clean_name,
)
from crescendai_assets.sources.catalogue_words import did_you_mean
from crescendai_assets.sources.catalogue_yaml import catalogue_folders, read_document, yaml_files


class Inner(CatalogueModel):
    performer: Name
    place: Annotated[int, Field(ge=1)] | None = None
    country: OptionalText = None
    words: Texts = Field(default_factory=list)


class Outer(CatalogueModel):
    items: list[Inner]
    by_name: dict[str, Inner] = Field(default_factory=dict)


def write(folder: Path, text: str | bytes, name: str = "file.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(SetupError) as error:
        read_document(write(folder, text))
    return str(error.value)


def misfit(folder: Path, text: str) -> str:
    with pytest.raises(SetupError) as error:
        read_document(write(folder, text)).read_as(Outer)
    return str(error.value)


def test_values_are_plain_and_each_has_its_line(tmp_path):
    document = read_document(write(tmp_path, "# a comment\na: 1\nb:\n  - x\n  - {c: ż, d: true}\ne: null\nf: 1.5\n"))
    assert document.value == {"a": 1, "b": ["x", {"c": "ż", "d": True}], "e": None, "f": 1.5}
    assert document.at(("b", 1, "c")) == f"{tmp_path}/file.yaml, line 5"
    assert document.at(("b", 1, "missing")) == f"{tmp_path}/file.yaml, line 5"
    assert document.at(("e",)).endswith("line 6")


def test_a_date_and_an_equals_sign_stay_text_and_a_byte_order_mark_is_no_matter(tmp_path):
    assert read_document(write(tmp_path, "\ufeffday: 2021-10-20\nsign: =\n")).value == {
        "day": "2021-10-20",
        "sign": "=",
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("a: 1\nb: [\n", 3, "not valid YAML"),
        ("a: {url: https://x.org/watch?v=1}\n", 1, "put the address in quotes"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML (expected a single document in the stream, but found another"),
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' stands on line 1 already"),
        ("x:\n  - {a: 1, a: 1}\n", 2, "the key 'a' stands on line 2 already"),
        ("a: 1\n2021: 2\n", 2, "the key 2021 is not text to YAML; put it in quotes"),
        ("no: 1\n", 1, "the key no is not text to YAML"),
        ("a: 1\n? [x, y]\n: 2\n", 2, "the key a list or mapping is not text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "'<<' is not read here"),
        ("a: &x [*x]\n", 1, "an anchor holds an alias of itself"),
        ("a: " + "[" * 30 + "]" * 30 + "\n", 1, "nested more than 20 deep"),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2, "is not a number that can be read"),
        (b"a: 1\nb: caf\xe9\n", 2, "not UTF-8"),
        ("a: 1\nb: x\x07y\n", 2, "holds the control character U+0007"),
        ("a: *nowhere\n", 1, "not valid YAML (found undefined alias 'nowhere')"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(tmp_path, text, line, message):
    said = refusal(tmp_path, text)
    assert message in said
    assert said.startswith(f"{tmp_path}/file.yaml, line {line}: ")


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir [made]",
        "!!python/name:os.system",
        "!custom x",
        "!!binary aGk=",
        "!!set {a}",
        "!<tag:else> x",
    ],
)
def test_tags_are_refused_and_nothing_runs(tmp_path, monkeypatch, tag):
    monkeypatch.chdir(tmp_path)
    said = refusal(tmp_path, f"a: 1\nb:\n  - {tag}\n")
    assert "line 3: the tag '" in said
    assert not (tmp_path / "made").exists()


def test_a_bomb_of_anchors_is_refused_at_once_and_a_few_aliases_are_read(tmp_path):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    start = time.perf_counter()
    assert "line 2: more than 8 aliases" in refusal(tmp_path, bomb)
    assert time.perf_counter() - start < 1
    assert read_document(write(tmp_path, "a: &a [1, 2]\nb: *a\n")).value == {"a": [1, 2], "b": [1, 2]}


def test_a_deep_file_is_refused_before_it_is_read_on(tmp_path):
    start = time.perf_counter()
    assert "nested more than 20 deep" in refusal(tmp_path, "[" * 2**20)
    assert time.perf_counter() - start < 2


def test_a_huge_a_lost_and_an_unfit_file_are_refused_in_words(tmp_path):
    assert "larger than 2 MB" in refusal(tmp_path, b"a: " + b"x" * (2 * 2**20))
    with pytest.raises(SetupError, match="no such file"):
        read_document(tmp_path / "gone.yaml")
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("folder.yaml", "pipe.yaml"):
        with pytest.raises(SetupError, match="not a plain one"):
            read_document(tmp_path / name)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(tmp_path_factory, text):
    path = write(tmp_path_factory.getbasetemp(), text.encode("utf-8", "surrogatepass"), "any.yaml")
    try:
        said = str(path if read_document(path) else "")
    except SetupError as error:
        said = str(error)
    assert str(path) in said


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("items:\n  - {performer: A}\n  - {place: 1}\n", 3, "'performer' is missing; add it"),
        (
            "items:\n  - {performer: A, plaec: 1}\n",
            2,
            "the key 'plaec' is not one of performer, place, country, words.",
        ),
        ("items:\n  - {performer: A, plaec: 1}\n", 2, "Did you mean 'place'?"),
        ("items: []\nby_name:\n  x:\n    performer: A\n    contry: B\n", 5, "Did you mean 'country'?"),
        ("itms: []\nitems: []\n", 1, "Did you mean 'items'?"),
        ("items:\n  - performer: 12\n", 2, "'performer' must be text, not 12; put it in quotes"),
        ("items:\n  - performer: no\n", 2, "'performer' must be text, not False; put it in quotes"),
        ("items:\n  - performer: [A]\n", 2, "'performer' must be text, not a list"),
        ("items:\n  - performer:\n", 2, "'performer' is empty; fill it in"),
        ("items:\n  - {performer: A, place: '1'}\n", 2, "'place' must be a whole number, not '1'"),
        ("items:\n  - {performer: A, place: true}\n", 2, "'place' must be a whole number, not True"),
        ("items:\n  - {performer: A, place: 0}\n", 2, "'place' must be 1 or more, not 0"),
        ("items:\n  - {performer: A, words: [x, 3]}\n", 2, "entry 2 of 'words' must be text, not 3"),
        ("items:\n  - A\n", 2, "entry 1 of 'items' must be a mapping (key: value), not 'A'"),
        ("items: 3\n", 1, "'items' must be a list, not 3"),
        ("- 3\n", 1, "what stands here must be a mapping (key: value), not a list"),
        ("items:\n  - performer: '<b>A</b>'\n", 2, "'performer' holds the markup '<b>'"),
        ("items:\n  - performer: 'Bach &amp; Sons'\n", 2, "'performer' holds the markup '&amp;'"),
        ('items:\n  - performer: "A\\u202eB"\n', 2, "'performer' holds the invisible character U+202E"),
        ('items:\n  - performer: "A\\x07B"\n', 2, "'performer' holds the invisible character U+0007"),
        ("items:\n  - performer: '  '\n", 2, "'performer' is empty"),
        ("items:\n  - performer: '?'\n", 2, "'performer' is '?', which holds no letter"),
    ],
)
def test_a_misfit_is_named_with_its_line_in_words(tmp_path, text, line, message):
    said = misfit(tmp_path, text)
    assert message in said
    assert said.startswith(f"{tmp_path}/file.yaml, line {line}: ")


def test_all_misfits_are_named_in_the_order_of_the_file_up_to_a_number(tmp_path):
    said = misfit(tmp_path, "items:\n" + "".join(f"  - {{place: {i}}}\n" for i in range(1, 12))).splitlines()
    assert [line.split(":")[0][-7:].strip() for line in said[:2]] == ["line 2", "line 3"]
    assert said[-1] == "... and 3 more"


def test_names_are_tidied_and_a_blank_optional_text_is_none(tmp_path):
    text = 'items:\n  - {performer: "Marti\\u0301n \\u00a0 Garci\\u0301a\\n", country: "", words: live}\n'
    (inner,) = read_document(write(tmp_path, text)).read_as(Outer).items
    assert (inner.performer, inner.country, inner.words) == ("Martín García", None, ["live"])


@pytest.mark.parametrize("name", ["Bruce (Xiaoyu) Liu", "J J Jun Li Bui", "O'Conor, John", "R&B < Jazz", "趙成珍"])
def test_odd_but_true_names_pass(name):
    assert clean_name(name) == name


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x.org/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "x.org/a",
        "https://",
        "https://x.org/a b",
        "https://me:secret@x.org/a",
        "https://x.org:port/a",
        "https://[x",
        "https://x.org/\u202ea",
    ],
)
def test_only_plain_addresses_on_the_web_pass(address):
    with pytest.raises(ValueError) as error:
        checked_address(address)
    assert "secret" not in str(error.value)


def test_the_nearest_word_is_offered_whatever_its_case_and_none_that_is_far():
    assert did_you_mean("SemiFnal", ["semifinal", "final"]) == " Did you mean 'semifinal'?"
    assert did_you_mean("xyz", ["semifinal"]) == ""


def test_the_folders_are_the_packages_own_and_the_users(tmp_path):
    (own,) = catalogue_folders({})
    assert (own / "channels.yaml").is_file()
    assert catalogue_folders({"CRESCENDAI_CATALOG": ""}) == (own,)
    assert catalogue_folders({"CRESCENDAI_CATALOG": str(own)}) == (own,)
    assert catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path)}) == (own, tmp_path)
    with pytest.raises(SetupError, match=r"CRESCENDAI_CATALOG is .*gone: no such folder"):
        catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path / "gone")})


def test_yaml_files_are_those_right_in_the_folder_by_name(tmp_path):
    for name in ("b.yml", "a.yaml", ".a.yaml.swp", ".hidden.yaml", "c.txt", "D.YAML"):
        write(tmp_path, "x: 1", name)
    assert [path.name for path in yaml_files(tmp_path)] == ["D.YAML", "a.yaml", "b.yml"]
    assert yaml_files(tmp_path / "gone") == []


def test_the_loader_is_the_safe_one():
    import yaml

    assert issubclass(catalogue_yaml._Loader, yaml.SafeLoader)
