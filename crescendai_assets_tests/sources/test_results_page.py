"""Results on a page of the web are read whole and in words, whatever the page holds; the file's own go before them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.competitions import Addresses, Entrant, ResultsPage, read_edition
from crescendai_assets.sources.results_page import complete, merge_results, outcome_of, read_results_page
from crescendai_assets.sources.results_page_fetch import fetch_page, may_lead_to
from crescendai_assets_tests.web import serve

PAGE = """<html><body>
<table><tr><th>Menu</th></tr><tr><td>Home</td></tr></table>
<table>
<tr><th>Name</th><th>Country</th><th>Prize</th></tr>
<tr><td>Ana Núñez [1]</td><td>Spain</td><td>1st prize</td></tr>
<tr><td>Bo&nbsp;Li</td><td>China, Hong Kong</td><td>2nd ex aequo</td></tr>
<tr><td></td><td></td><td></td></tr>
<tr><th>Name</th><th>Country</th><th>Prize</th></tr>
<tr><td>Cy Young</td><td>Italy</td><td>Finalist</td></tr>
<tr><td>Dee Day</td><td></td><td>Semi-finalist</td></tr>
<tr><td>Ed Ek</td><td>Estonia</td><td></td></tr>
</table></body></html>
"""

EDITION = """\
competition: town
year: 2031
name: Town Competition
rounds: [stage1, semifinal, final]
results:
  - {performer: Ana Núñez, placement: 2}
  - {performer: Bo Li, country: China}
recordings:
  addresses: [{performer: New Comer, round: final, url: https://example.org/a.mp3}]
results_page: {url: https://example.org/r, columns: {performer: Name, country: Country, placement: Prize}}
"""

COLUMNS = {"performer": "Name", "country": "Country", "placement": "Prize"}
ROUNDS = ("stage1", "semifinal", "final")


def write(folder: Path, text: str) -> Path:
    path = folder / "town2031.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def page(url: str = "https://example.org/r", **changes: Any) -> ResultsPage:
    return replace(ResultsPage(url, COLUMNS, None, {}, ROUNDS), **changes)


def read(html: str, **changes: Any) -> list[Entrant]:
    return read_results_page(page(**changes), lambda url: html.encode())


def test_a_page_on_a_server_is_read_by_its_headings(tmp_path):
    (tmp_path / "results.html").write_text(PAGE, encoding="utf-8")
    with serve(tmp_path) as server:
        found = read_results_page(page(server.url("results.html")))
    assert found == [
        Entrant("Ana Núñez", "Spain", 1),
        Entrant("Bo Li", "China, Hong Kong", 2),
        Entrant("Cy Young", "Italy", None, "final"),
        Entrant("Dee Day", "", None, "semifinal"),
        Entrant("Ed Ek", "Estonia"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", (1, None)),
        ("1st prize", (1, None)),
        ("First Prize", (1, None)),
        ("I nagroda", (1, None)),
        ("1st prize (gold medal)", (1, None)),
        ("1st prize and the audience award", (1, None)),
        ("Gold", (1, None)),
        ("4th ex aequo", (4, None)),
        ("=4", (4, None)),
        ("T4", (4, None)),
        ("3ème prix", (3, None)),
        ("12", (12, None)),
        ("", (None, None)),
        ("—", (None, None)),
        ("finalist", (None, "final")),
        ("Semi-Finalist", (None, "semifinal")),
        ("Stage 1", (None, "stage1")),
        ("Recital round", (None, "stage1")),
        ("Jury member", (None, None)),
        ("2nd round", None),
        ("1st and 2nd", None),
        ("0", None),
        ("Laureate", None),
        ("special prize", None),
    ],
)
def test_what_a_cell_says_of_an_outcome(text, expected):
    assert outcome_of(text, page(outcomes={"recital round": "stage1", "Jury member": None})) == expected


def test_a_cell_that_cannot_be_told_is_named_with_the_cure_and_can_be_explained():
    html = PAGE.replace("Finalist", "Diploma", 1)
    with pytest.raises(SetupError, match=r"cannot tell what 'Diploma' says .* add it under 'rounds'"):
        read(html)
    assert read(html, outcomes={"diploma": "final"})[2] == Entrant("Cy Young", "Italy", None, "final")
    assert read(html, outcomes={"diploma": None})[2] == Entrant("Cy Young", "Italy")


def test_a_column_of_rounds_gives_the_outcome_of_those_without_a_place():
    html = (
        "<table><tr><th>Name</th><th>Place</th><th>Last round</th></tr>"
        "<tr><td>Ana</td><td>1</td><td>Final</td></tr><tr><td>Bo</td><td></td><td>Semifinal</td></tr></table>"
    )
    columns = {"performer": "name", "placement": "place", "round": "last  ROUND"}
    assert read(html, columns=columns) == [Entrant("Ana", "", 1), Entrant("Bo", "", None, "semifinal")]


def test_a_table_without_headings_is_read_by_number():
    html = "<table><tr><td>Ana</td><td>1</td></tr><tr><td>Bo</td><td>2</td></tr></table>"
    assert read(html, columns={"performer": "0", "placement": "1"}, table=0) == [
        Entrant("Ana", "", 1),
        Entrant("Bo", "", 2),
    ]


def test_one_who_stands_in_two_rows_is_one_entrant_unless_the_rows_disagree():
    row = "<tr><td>Ana Núñez</td><td>Spain</td><td>{}</td></tr></table></body>"
    assert len(read(PAGE.replace("</table></body>", row.format("")))) == 5
    with pytest.raises(SetupError, match="lists 'Ana Núñez' twice"):
        read(PAGE.replace("</table></body>", row.format("3rd")))


def test_a_page_that_does_not_name_its_encoding_is_read_as_utf_8_and_one_that_does_as_it_says():
    assert read(PAGE)[0].performer == "Ana Núñez"
    latin = PAGE.replace("<html>", '<html><head><meta charset="iso-8859-1"></head>').encode("iso-8859-1")
    assert read_results_page(page(), lambda url: latin)[0].performer == "Ana Núñez"


@pytest.mark.parametrize(
    ("html", "changes", "message"),
    [
        (PAGE, {"columns": {"performer": "Nmae"}}, "no table has all the columns Nmae (there are: Menu; Name, Country"),
        (
            PAGE,
            {"columns": {"performer": "Nmae"}, "table": 1},
            "no column 'Nmae' (there are Name, Country, Prize). Did you",
        ),
        (PAGE, {"table": 5}, "has 2 tables, so none of number 5"),
        ("<p>nothing</p>", {}, "holds no table that can be read"),
        ("", {}, "holds no table that can be read"),
        ("\x00\x01", {}, "holds no table that can be read"),
        ("<table><tr><th>Name</th></tr><tr><td></td></tr></table>", {"columns": {"performer": "Name"}}, "lists nobody"),
        (PAGE.replace("<td>Ed Ek", '<td colspan="999999999">Ed Ek'), {}, "span more than 1,000,000 cells"),
        (PAGE.replace("<td>Ed Ek", '<td rowspan="-9" colspan="999999">Ed Ek'), {}, "span more than 1,000,000 cells"),
        (PAGE.replace("Ed Ek", "12"), {}, "the row of '12' is '12', which holds no letter"),
    ],
)
def test_a_page_that_is_none_is_refused_with_address_and_cure(html, changes, message):
    with pytest.raises(SetupError) as error:
        read(html, **changes)
    assert message in str(error.value)
    assert str(error.value).startswith("https://example.org/r: ")


def test_faults_of_the_server_are_told_in_words(tmp_path):
    (tmp_path / "r.html").write_text(PAGE * 40, encoding="utf-8")
    with serve(tmp_path) as server:
        url = server.url("r.html")
        with pytest.raises(SetupError, match="larger than"):
            fetch_page(url, max_bytes=1000)
        with pytest.raises(SetupError, match="the server answers 404"):
            fetch_page(server.url("gone.html"))
        server.drop_after, server.drop_times = 5000, 1
        with pytest.raises(SetupError, match="broke off after 5,000 of"):
            fetch_page(url)
        server.stall_times = 1
        with pytest.raises(SetupError, match="timed out"):
            fetch_page(url, timeout=0.2)
        assert fetch_page(url) == (tmp_path / "r.html").read_bytes()
    with pytest.raises(SetupError, match="cannot be reached"):
        fetch_page(url)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/html,x"])
def test_a_redirect_to_another_scheme_is_not_followed(tmp_path, target):
    with serve(tmp_path) as server:
        server.redirects["here"] = target
        with pytest.raises(SetupError, match=r"cannot be reached|the server answers 30"):
            fetch_page(server.url("here"))


def test_a_redirect_never_leaves_https():
    assert may_lead_to("http://a.org/", "https://a.org/")
    assert may_lead_to("https://a.org/", "https://b.org/")
    assert not may_lead_to("https://a.org/", "http://a.org/")
    assert not may_lead_to("http://a.org/", "ftp://a.org/")


def test_a_redirect_to_a_page_is_followed_and_an_address_of_another_scheme_is_not(tmp_path):
    (tmp_path / "r.html").write_text(PAGE, encoding="utf-8")
    with serve(tmp_path) as server:
        server.redirects["here"] = server.url("r.html")
        assert fetch_page(server.url("here")) == PAGE.encode()
    with pytest.raises(SetupError, match="cannot be reached"):
        fetch_page((tmp_path / "r.html").as_uri())


def test_the_files_entries_win_over_the_pages():
    own = [Entrant("Ana Núñez", "", 2), Entrant("Bo Li"), Entrant("Cy Young", "France", None, None, "final")]
    listed = [
        Entrant("NUNEZ Ana", "Spain", 1),
        Entrant("Bo Li", "China", 3),
        Entrant("Cy Young", "Italy", 4),
        Entrant("Dee"),
    ]
    assert merge_results(own, listed) == [
        Entrant("Ana Núñez", "Spain", 2),
        Entrant("Bo Li", "China", 3),
        Entrant("Cy Young", "France", None, None, "final"),
        Entrant("Dee"),
    ]


def test_an_edition_is_completed_by_its_page_and_its_addresses_are_checked_then(tmp_path):
    edition = read_edition(write(tmp_path, EDITION))
    html = PAGE.replace("Semi-finalist", "Finalist").replace("Ed Ek", "Comer New")
    whole = complete(edition, lambda url: html.encode())
    assert whole.entrants[-1] == Entrant("Comer New", "Estonia")
    assert whole.entrants[:3] == (
        Entrant("Ana Núñez", "Spain", 2),
        Entrant("Bo Li", "China", 2),
        Entrant("Cy Young", "Italy", None, "final"),
    )
    assert isinstance(whole.recordings, Addresses)
    assert whole.recordings.recordings[0].performer == "Comer New"
    with pytest.raises(SetupError, match=r"performer 'New Comer' of .* is neither in its results nor on https"):
        complete(edition, lambda url: PAGE.encode())


def test_an_alias_may_be_of_one_whom_only_the_page_lists_but_of_nobody_else(tmp_path):
    listed = EDITION.replace("New Comer", "Bo Li") + "matching: {aliases: {Cy Yuong: CY, Young Cy: Cyrus}}\n"
    with pytest.raises(SetupError, match=r"town2031.yaml: matching: aliases: 'Cy Yuong' .* Did you mean 'Cy Young'"):
        complete(read_edition(write(tmp_path, listed)), lambda url: PAGE.encode())
    edition = read_edition(write(tmp_path, listed.replace("Cy Yuong: CY, ", "")))
    assert complete(edition, lambda url: PAGE.encode()).entrant("Cyrus") == Entrant("Cy Young", "Italy", None, "final")


def test_an_edition_without_a_page_is_complete_and_nothing_is_fetched(tmp_path):
    def fetch(url: str) -> bytes:
        raise AssertionError(url)

    edition = replace(read_edition(write(tmp_path, EDITION)), results_page=None)
    assert complete(edition, fetch) is edition
