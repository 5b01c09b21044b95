"""The shipped editions say what the published results say; a wrong file is refused with its line and hides no other."""

from __future__ import annotations

import csv
import functools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id
from crescendai_assets.sources.catalogue_yaml import catalogue_folders
from crescendai_assets.sources.competitions import (
    Addresses,
    Competitions,
    Edition,
    Entrant,
    Listing,
    LocalFolder,
    NoneYet,
    Recording,
    ResultsPage,
    read_competitions,
    read_edition,
)
from crescendai_assets.sources.matching import Match, Matcher
from crescendai_assets.sources.performers import performer_id
from crescendai_assets_tests.shared_data import DATA, needs_shared

RESULTS = {
    "chopin2021": ("International Chopin Piano Competition XVIII", "2021"),
    "cliburn2022": ("Van Cliburn International Piano Competition XVI", "2022"),
    "leeds2021": ("Leeds International Piano Competition", "2021"),
    "queenelisabeth2021": ("Queen Elisabeth Competition (piano)", "2021"),
}

GOOD = """\
competition: town
year: 2031
name: Town Competition
rounds: [semifinal, final]
results:
  - {performer: Ana Núñez, country: Spain, placement: 1}
  - {performer: Bo Li, placement: 2}
  - {performer: Cy Young, placement: 2}
  - {performer: Dee Day, placement: 4}
  - {performer: Ed Ek, eliminated_in: final}
  - {performer: Flo Fox, eliminated_in: final}
  - {performer: Gus Gray, eliminated_in: semifinal}
  - {performer: Hal Hill, eliminated_in: semifinal}
  - {performer: Ida Ibsen, withdrew_in: semifinal}
  - {performer: Jo Jones}
recordings:
  addresses:
    - {performer: Ana Nunez, round: final, piece: Sonata, url: "https://www.youtube.com/watch?v=aaaaaaaaaaa"}
    - {performer: Lee Bo, round: semifinal, url: https://example.org/b.mp3}
matching:
  rounds: {final: [grand final, last round]}
  aliases: {Bo Li: Lee Bo}
  exclude: [interview]
  default_round: final
  boilerplate: Town 2031
sources: [https://example.org/results]
notes: A town.
"""


def write(folder: Path, text: str, name: str = "town2031") -> Path:
    path = folder / "competitions" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def with_recordings(recordings: str) -> str:
    head, _, rest = GOOD.partition("recordings:\n")
    return f"{head}recordings: {recordings}\n{rest[rest.index('matching:') :]}"


@pytest.fixture(scope="module")
def shipped() -> Competitions:
    return read_competitions(catalogue_folders({}))


@pytest.fixture
def town(tmp_path: Path) -> Edition:
    return read_edition(write(tmp_path, GOOD))


# ------------------------------------------------------------------------------------------------- the shipped editions


@functools.cache
def published(key: str) -> tuple[dict[str, str], ...]:
    competition, year = RESULTS[key]
    with (DATA / "competitions/competitors.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["competition"], row["year"]) == (competition, year)]
    assert rows
    return tuple(rows)


def test_the_shipped_editions_are_read_without_fault(shipped):
    assert shipped.faults == []
    assert shipped.notes == []
    assert list(shipped.editions) == sorted(RESULTS)


@needs_shared
@pytest.mark.parametrize("key", sorted(RESULTS))
def test_a_shipped_edition_lists_the_published_people_countries_and_outcomes(shipped, key):
    edition = shipped.editions[key]
    rounds = {"second round": "round2"}
    expected = {
        row["name"]: (
            row["country"],
            int(row["placement"]) if row["placement"] else None,
            None if row["placement"] else rounds.get(row["last_stage"], row["last_stage"]),
        )
        for row in published(key)
    }
    found = {e.performer: (e.country, e.placement, e.eliminated_in or e.withdrew_in) for e in edition.entrants}
    assert found == expected
    assert {source for row in published(key) for source in row["source_url"].split(" ; ")} == set(edition.sources)


@pytest.mark.parametrize(
    ("key", "places", "eliminated"),
    [
        ("chopin2021", [1, 2, 2, 3, 4, 4, 5, 6], {"final": 4, "stage3": 11, "stage2": 21, "stage1": 19}),
        ("cliburn2022", [1, 2, 3], {"final": 3, "semifinal": 6, "quarterfinal": 6, "preliminary": 12}),
        ("leeds2021", [1, 2, 3, 4, 5], {"semifinal": 5, "round2": 8}),
        ("queenelisabeth2021", [1, 2, 3, 4, 5, 6], {"semifinal": 6}),
    ],
)
def test_the_counts_of_a_round_are_those_of_the_competition(shipped, key, places, eliminated):
    entrants = shipped.editions[key].entrants
    assert sorted(e.placement for e in entrants if e.placement) == places
    assert Counter(e.eliminated_in for e in entrants if e.eliminated_in) == eliminated


def test_ties_a_withdrawal_and_finalists_without_a_place_rank_as_they_should(shipped):
    chopin = shipped.editions["chopin2021"]
    ranks = {e.performer: chopin.outcome_rank(e.performer) for e in chopin.entrants}
    assert ranks["Bruce (Xiaoyu) Liu"] == 1
    assert ranks["Kyohei Sorita"] == ranks["Alexander Gadjiev"] == 2
    assert ranks["Martin Garcia Garcia"] == 4
    assert ranks["Jakub Kuszlik"] == ranks["Aimi Kobayashi"] == 5
    assert ranks["Eva Gevorgyan"] == ranks["Hao Rao"] == 9
    assert ranks["Szymon Nehring"] == 13
    assert ranks["Aristo Sham"] == 24
    assert ranks["Piotr Pawlak"] == 45
    assert ranks["Marcin Wieczorek"] is None


@needs_shared
@pytest.mark.parametrize(("key", "count"), [("chopin2021", 33), ("cliburn2022", 82)])
def test_the_addresses_are_the_collected_ones_each_once_with_performer_and_round(shipped, key, count):
    edition = shipped.editions[key]
    assert isinstance(edition.recordings, Addresses)
    lines = (DATA / f"competitions/{key}_recordings.jsonl").read_text(encoding="utf-8").splitlines()
    collected = {(row["source_url"], row["performer"], row["round"]) for row in map(json.loads, lines)}
    found = edition.recordings.recordings
    names = {"Bruce (Xiaoyu) Liu": "Bruce Liu"}
    assert {(r.url, names.get(r.performer, r.performer), r.round) for r in found} == collected
    assert len(found) == count


def test_nobody_has_a_recording_of_a_round_that_they_did_not_reach(shipped):
    for edition in shipped.editions.values():
        listed = edition.recordings.recordings if isinstance(edition.recordings, Addresses) else ()
        for recording in listed:
            entrant = edition.entrant(recording.performer)
            assert entrant is not None
            last = entrant.eliminated_in or edition.rounds[-1]
            assert edition.rounds.index(recording.round) <= edition.rounds.index(last), recording


def test_pieces_are_tidy_and_keys_and_names_make_ids(shipped):
    for edition in shipped.editions.values():
        assert checked_id(edition.key)
        for recording in edition.recordings.recordings if isinstance(edition.recordings, Addresses) else ():
            assert "Competition" not in recording.piece
            assert "recital" not in recording.piece
            assert checked_id(f"{edition.key}_{recording.round}_{performer_id(recording.performer)}")


@pytest.mark.parametrize(
    ("key", "title", "expected"),
    [
        (
            "chopin2021",
            "BRUCE LIU – third round (18th Chopin Competition, Warsaw)",
            ("Bruce (Xiaoyu) Liu", "stage3", ""),
        ),
        ("cliburn2022", "Yunchan LIM – Semifinal Round Recital – 2022 Cliburn", ("Yunchan Lim", "semifinal", "")),
        ("queenelisabeth2021", "Jonathan Fournel | Demi-finale | Mozart", ("Jonathan Fournel", "semifinal", "Mozart")),
        ("leeds2021", "Alim Beisembayev | Second Round | Leeds 2021", ("Alim Beisembayev", "round2", "")),
    ],
)
def test_the_shipped_rules_read_titles_of_the_usual_form(shipped, key, title, expected):
    edition = shipped.editions[key]
    matcher = Matcher([entrant.performer for entrant in edition.entrants], edition.rounds, edition.rules)
    assert matcher.match(title) == Match(*expected)


def test_the_example_explains_every_key_that_a_file_may_have():
    from crescendai_assets.sources import edition_file as form

    head = (
        (catalogue_folders({})[0] / "competitions/chopin2021.yaml").read_text(encoding="utf-8").partition("\ncomp")[0]
    )
    for model in (form.EditionFile, form.ResultEntry, form.RecordingsEntry, form.MatchingEntry, form.PageEntry):
        for key in model.model_fields:
            assert f"  {key} " in head or f"{key}:" in head, key


# ------------------------------------------------------------------------------------------------------- a file's parts


def test_a_good_file_is_read_whole(town):
    assert (town.key, town.competition, town.year, town.name) == ("town2031", "town", 2031, "Town Competition")
    assert town.rounds == ("semifinal", "final")
    assert town.entrants[0] == Entrant("Ana Núñez", "Spain", 1)
    assert town.entrants[-1] == Entrant("Jo Jones")
    assert town.recordings == Addresses(
        (
            Recording("https://www.youtube.com/watch?v=aaaaaaaaaaa", "Ana Núñez", "final", "Sonata"),
            Recording("https://example.org/b.mp3", "Bo Li", "semifinal"),
        )
    )
    assert town.rules.rounds == {"final": ("grand final", "last round")}
    assert town.rules.aliases == {"Bo Li": ("Lee Bo",)}
    assert (town.rules.exclude, town.rules.default_round) == (("interview",), "final")
    assert town.rules.boilerplate == ("Town 2031",)
    assert (town.sources, town.notes) == (("https://example.org/results",), "A town.")


def test_an_entrant_is_found_by_any_spelling_and_alias(town):
    for name in ("Ana Núñez", "ANA NUNEZ", "Nunez, Ana"):
        assert town.entrant(name) == town.entrants[0]
    assert town.entrant("Lee Bo") == town.entrants[1]
    assert town.entrant("Somebody Else") is None


def test_outcomes_rank_with_ties_and_without_those_who_have_none(town):
    ranks = [town.outcome_rank(entrant.performer) for entrant in town.entrants]
    assert ranks == [1, 2, 2, 4, 5, 5, 7, 7, None, None]
    assert town.outcome_rank("Lee Bo") == 2
    assert town.outcome_rank("Somebody Else") is None


@pytest.mark.parametrize(
    ("places", "ranks"),
    [((1, 2, 2, 3), (1, 2, 2, 4)), ((1, 2, 2, 4), (1, 2, 2, 4)), ((2, 3, 3, 6), (1, 2, 2, 4)), ((1, 1, 1), (1, 1, 1))],
)
def test_the_rank_is_the_same_whether_or_not_places_skip_after_a_tie(town, places, ranks):
    edition = replace(town, entrants=tuple(Entrant(f"P {chr(97 + i)}", "", place) for i, place in enumerate(places)))
    assert tuple(edition.outcome_rank(e.performer) for e in edition.entrants) == ranks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none yet", NoneYet()),
        ("None yet", NoneYet()),
        (
            '{playlist: "https://www.youtube.com/playlist?list=PL1"}',
            Listing("https://www.youtube.com/playlist?list=PL1", "playlist"),
        ),
        (
            "{channel: https://www.youtube.com/@town, max_videos: 50}",
            Listing("https://www.youtube.com/@town", "channel", 50),
        ),
        ("{folder: /music/town}", LocalFolder(Path("/music/town"))),
    ],
)
def test_recordings_are_named_in_one_of_five_ways(tmp_path, text, expected):
    assert read_edition(write(tmp_path, with_recordings(text))).recordings == expected


def test_a_folder_counts_from_where_the_file_lies_and_keeps_its_spaces(tmp_path):
    edition = read_edition(write(tmp_path, with_recordings('{folder: "my  town"}')))
    assert edition.recordings == LocalFolder(tmp_path / "competitions/my  town")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("competition: town", "competition: Town", 1, "competition 'Town' must be lower-case letters and digits"),
        ("year: 2031", "year: 2032", 1, "is edition 'town2032', but the file is called 'town2031'"),
        ("year: 2031", "year: next", 2, "'year' must be a whole number, not 'next'"),
        ("[semifinal, final]", "[semifinal, final, final]", 4, "round 'final' is named twice"),
        ("[semifinal, final]", "[semifinal, final, Grand Final]", 4, "round 'Grand Final' must be lower-case"),
        ("[semifinal, final]", "[]", 4, "'rounds' is empty"),
        ("Spain, placement: 1", "Spain, placement: 0", 6, "'placement' must be 1 or more, not 0"),
        ("Spain, placement: 1", "Spain, placement: first", 6, "'placement' must be a whole number, not 'first'"),
        ("Spain, placement: 1", "Spain, place: 1", 6, "Did you mean 'placement'?"),
        ("Bo Li, placement: 2", "Bo Li, placement: 2, withdrew_in: final", 7, "placement and withdrew_in"),
        ("Bo Li, placement: 2", "Bo Li, withdrew_in: final, eliminated_in: final", 7, "keep the one that holds"),
        ("Ed Ek, eliminated_in: final", "Ed Ek, eliminated_in: fianl", 10, "Did you mean 'final'?"),
        ("withdrew_in: semifinal", "withdrew_in: semis", 14, "round 'semis' is not one of semifinal, final."),
        ("performer: Jo Jones", "performer: NUNEZ ana", 15, "'NUNEZ ana' is listed already, as 'Ana Núñez'"),
        ("performer: Jo Jones", "performer: Bo Li", 15, "performer 'Bo Li' is listed already; keep one"),
        ("performer: Jo Jones", "performer: <i>Jo</i>", 15, "'performer' holds the markup '<i>'"),
        ("performer: Jo Jones", r'performer: "Jo\u0000"', 15, "'performer' holds the invisible character U+0000"),
        ("performer: Jo Jones", "performer: ''", 15, "'performer' is empty; fill it in"),
        ("Ana Nunez, round: final", "Ann Nunes, round: final", 18, "Did you mean 'Ana Núñez'?"),
        ("Ana Nunez, round: final", "Ana Nunez, round: fin", 18, "round 'fin' is not one of"),
        ("https://example.org/b.mp3", "ftp://example.org/b.mp3", 19, "start it with https://"),
        ("https://example.org/b.mp3", "https://youtu.be/aaaaaaaaaaa", 19, "is entry 1 of the addresses already"),
        ("https://example.org/b.mp3", "https://www.youtube.com/@town", 19, "is no single video"),
        ("{final: [grand final", "{finale: [grand final", 21, "Did you mean 'final'?"),
        ("grand final, last round", "Semifinal, last round", 20, "'Semifinal' stands for both"),
        ("aliases: {Bo Li: Lee Bo}", "aliases: {Bo Lee: Lee Bo}", 22, "performer 'Bo Lee' is not in the results."),
        ("aliases: {Bo Li: Lee Bo}", "aliases: {Bo Li: [Lee Bo, Dee Day]}", 22, "alias 'Dee Day' is 'Dee Day' already"),
        ("default_round: final", "default_round: finals", 24, "round 'finals' is not one of"),
        ("exclude: [interview]", "excluding: [interview]", 23, "Did you mean 'exclude'?"),
        ("sources: [https://example.org/results]", "sources: [the internet]", 26, "entry 1 of 'sources' is"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_cure(tmp_path, old, new, line, message):
    path = write(tmp_path, changed(old, new))
    with pytest.raises(SetupError) as error:
        read_edition(path)
    said = str(error.value)
    assert message in said
    assert f"{path}, line {line}: " in said


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ("{playlist: https://a.org/p, folder: x}", "playlist and folder are both given"),
        ("{max_videos: 3}", "names no recordings; give one of addresses, playlist, channel, folder"),
        ("{folder: x, max_videos: 3}", "max_videos is for a playlist or channel"),
        ("{adresses: []}", "Did you mean 'addresses'?"),
        ("{addresses: []}", "'addresses' is empty"),
        ("soon", "'recordings' must be a mapping (key: value), not 'soon'"),
        ("", "'recordings' is empty; fill it in"),
        ('{channel: "https://www.youtube.com/watch?v=aaaaaaaaaaa"}', "is one video"),
    ],
)
def test_recordings_that_cannot_be_told_are_refused(tmp_path, recordings, message):
    with pytest.raises(SetupError) as error:
        read_edition(write(tmp_path, with_recordings(recordings)))
    assert message in str(error.value)
    assert ", line 16: " in str(error.value)


def test_every_fault_of_a_file_is_named_at_once(tmp_path):
    text = changed("Ed Ek, eliminated_in: final", "Ed Ek, eliminated_in: x").replace(
        "default_round: final", "default_round: y"
    )
    with pytest.raises(SetupError) as error:
        read_edition(write(tmp_path, text))
    assert [line.split(": ")[0].rpartition(" ")[2] for line in str(error.value).splitlines()] == ["10", "24"]


def test_results_may_be_left_to_a_page_but_not_left_out(tmp_path):
    text = GOOD[: GOOD.index("results:")] + "results: []\nrecordings: none yet\n"
    with pytest.raises(SetupError, match="no results; list them, or name a results_page"):
        read_edition(write(tmp_path, text))
    page = "results_page: {url: https://example.org/r, columns: {performer: Name}, rounds: {Out: semifinal, Jury: }}\n"
    found = read_edition(write(tmp_path, text + page)).results_page
    assert found == ResultsPage(
        "https://example.org/r", {"performer": "Name"}, None, {"Out": "semifinal", "Jury": None}, ("semifinal", "final")
    )
    with pytest.raises(SetupError, match="line 7: round 'semis' is not one of"):
        read_edition(write(tmp_path, text + page.replace("Out: semifinal", "Out: semis")))


# ---------------------------------------------------------------------------------------------------------- many files


def test_a_bad_file_hides_no_other(tmp_path):
    write(tmp_path, GOOD)
    bad = write(tmp_path, "competition: [", "bad2031")
    (tmp_path / "competitions/gone2031.yaml").symlink_to(tmp_path / "nowhere")
    found = read_competitions([tmp_path])
    assert list(found.editions) == ["town2031"]
    assert [fault.path.name for fault in found.faults] == ["bad2031.yaml", "gone2031.yaml"]
    assert f"{bad}, line 1: not valid YAML" in found.faults[0].message


def test_the_users_file_replaces_the_shipped_one_and_a_note_says_so(shipped, tmp_path):
    text = shipped.editions["leeds2021"].path.read_text(encoding="utf-8").replace("Thomas Kelly", "Tom Kelly")
    path = write(tmp_path, text, "leeds2021")
    found = read_competitions(catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path)}))
    assert list(found.editions) == list(shipped.editions)
    assert found.editions["leeds2021"].path == path
    assert found.editions["leeds2021"].entrant("Tom Kelly")
    assert found.notes == [f"leeds2021: {path} is used, not {shipped.editions['leeds2021'].path}"]


def test_a_faulty_correction_does_not_bring_the_shipped_results_back(shipped, tmp_path):
    write(tmp_path, "year: [", "leeds2021")
    found = read_competitions(catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path)}))
    assert "leeds2021" not in found.editions
    assert "leeds2021.yaml is not used in its place" in found.faults[0].message
    with pytest.raises(SetupError, match="not valid YAML"):
        found.edition("leeds2021")


def test_an_unknown_edition_is_answered_with_the_nearest(shipped):
    assert shipped.edition("chopin2021").year == 2021
    with pytest.raises(SetupError, match=r"no edition 'chopin2012'\. Did you mean 'chopin2021'\?"):
        shipped.edition("chopin2012")


def test_a_misplaced_file_and_two_endings_of_one_name_are_told(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / "competitions/town2031.yml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "city2031.yaml").write_text(GOOD, encoding="utf-8")
    found = read_competitions([tmp_path, tmp_path / "nowhere"])
    assert list(found.editions) == ["town2031"]
    messages = [fault.message for fault in found.faults]
    assert f"if it is an edition, move it to {tmp_path}/competitions" in messages[0]
    assert "town2031.yaml beside it is the same edition" in messages[1]
