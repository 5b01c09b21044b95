"""The package's own list of sources is complete; a wrong list is refused with its place and fault."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.citations import Source, bibtex, bibtex_key, licence_table, read_sources

GOOD = """\
- key: corpus
  name: A corpus
  kind: dataset
  used_for: tests
  licence: CC-BY-NC-4.0
  url: https://github.com/someone/corpus
  bibtex: |
    @misc{corpus2024,
      title = {A {Corpus}}
    }
"""

# pages of projects and papers; a package index is never a source's own page
HOSTS = {"github.com", "doi.org", "arxiv.org", "magenta.tensorflow.org"}


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return read_sources()


def write(folder: Path, text: str) -> Path:
    file = folder / "sources.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_source_has_a_licence_a_name_a_use_and_a_page(sources):
    for source in sources:
        assert source.licence, source.key
        assert source.name.strip(), source.key
        assert source.used_for.strip(), source.key
        assert urlsplit(source.url).hostname in HOSTS, source.key


def test_the_data_sets_and_the_encoder_of_the_tiers_are_all_there(sources):
    keys = {source.key for source in sources}
    assert {"maestro", "percepiano", "asap", "nasap", "atepp", "muq-weights", "pedalboard", "yt-dlp"} <= keys


def test_only_a_paper_may_leave_its_terms_open(sources):
    assert {source.kind for source in sources if source.licence == "NOASSERTION"} <= {"paper"}


def test_weights_and_maestro_are_known_as_non_commercial_and_pedalboard_as_copyleft(sources):
    by_key = {source.key: source for source in sources}
    assert by_key["muq-weights"].non_commercial
    assert by_key["maestro"].non_commercial
    assert not by_key["atepp"].non_commercial
    assert by_key["pedalboard"].copyleft
    assert not by_key["soxr"].copyleft


def test_bibtex_has_one_entry_a_source_with_balanced_braces_and_unique_keys(sources):
    text = bibtex(sources)
    assert text.count("{") == text.count("}")
    assert sum(line.startswith("@") for line in text.splitlines()) == len(sources)
    assert len({bibtex_key(source) for source in sources}) == len(sources)
    assert all("title" in source.bibtex for source in sources)


def test_bibtex_of_no_source_is_an_empty_file():
    assert bibtex([]).strip() == ""


def test_the_licence_table_has_a_row_a_source_and_lines_up_its_short_columns(sources):
    lines = licence_table(sources).splitlines()
    assert len(lines) == len(sources) + 2
    assert {line.count(" | ") for line in lines} == {3}
    assert len({line.index("|", 1) for line in lines}) == 1
    assert all(any(source.name in line and source.licence in line for line in lines) for source in sources)


def test_the_licence_table_shows_data_and_weights_before_software(sources):
    text = licence_table(reversed(sources))
    assert text.index("MAESTRO") < text.index("MuQ-large") < text.index("pedalboard")


def test_a_bar_in_a_name_does_not_break_the_table():
    source = Source("k", "a|b", "software", "x", "MIT", "https://github.com/a/b", "@misc{k, title={t}}")
    assert r"a\|b" in licence_table([source])


def test_a_good_file_is_read(tmp_path):
    (source,) = read_sources(write(tmp_path, GOOD))
    assert source.key == "corpus"
    assert source.licence_note == ""
    assert bibtex_key(source) == "corpus2024"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  licence: CC-BY-NC-4.0\n", "", "field 'licence' is missing"),
        ("licence: CC-BY-NC-4.0", "licence: no", "field 'licence' must be text"),
        ("licence: CC-BY-NC-4.0", "licence: free for research (ask)", "not an SPDX expression"),
        ("name: A corpus", "name: '  '", "field 'name' must be text and not empty"),
        ("kind: dataset", "kind: data", "kind 'data' is not one of dataset, weights, software, paper"),
        ("used_for: tests", "used_for: tests\n  author: me", "unknown field 'author'"),
        ("https://github.com", "http://github.com", "must start with https://"),
        ("key: corpus", "key: A Corpus", "key 'A Corpus' must be lower-case"),
        ("@misc{corpus2024,", "corpus2024,", "must start like '@article"),
        ("{A {Corpus}}", "{A {Corpus}", "braces balance"),
        ("{A {Corpus}}", "{A} } @misc{second, title={B}", "must be one entry"),
    ],
)
def test_a_wrong_entry_is_refused_with_file_entry_and_fault(tmp_path, old, new, message):
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(SetupError) as error:
        read_sources(file)
    assert message in str(error.value)
    assert f"{file}, entry 1" in str(error.value)


def test_the_same_key_twice_is_refused(tmp_path):
    with pytest.raises(SetupError, match="key used twice: corpus"):
        read_sources(write(tmp_path, GOOD + GOOD))


def test_the_same_bibtex_key_twice_is_refused(tmp_path):
    second = GOOD.replace("key: corpus", "key: other")
    with pytest.raises(SetupError, match="BibTeX key used twice: corpus2024"):
        read_sources(write(tmp_path, GOOD + second))


@pytest.mark.parametrize("text", ["", "sources: 3", "[]"])
def test_a_file_that_is_not_a_list_of_sources_is_refused(tmp_path, text):
    with pytest.raises(SetupError, match="must be a list of sources"):
        read_sources(write(tmp_path, text))


def test_an_entry_that_is_not_a_mapping_is_refused(tmp_path):
    with pytest.raises(SetupError, match="entry 1: must be a mapping"):
        read_sources(write(tmp_path, "- maestro\n"))


def test_broken_yaml_and_a_lost_file_name_the_file(tmp_path):
    with pytest.raises(SetupError, match="not valid YAML"):
        read_sources(write(tmp_path, "- key: [\n"))
    with pytest.raises(SetupError, match=r"gone\.yaml: cannot be read"):
        read_sources(tmp_path / "gone.yaml")
