"""What an edition should hold, by its file, its list and its results page; nothing here asks the web."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.schemas import COMPETITION_RECORDINGS, DISCOVERED
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.collecting import Listing
from crescendai_assets.sources.competition_recordings import collect_edition, plan_edition
from crescendai_assets.sources.competitions import read_edition
from crescendai_assets.sources.download import Downloader, DownloadSettings
from crescendai_assets_tests.builders import contents, digest
from crescendai_assets_tests.web import serve

NOWHERE = "http://127.0.0.1:9/list"  # nothing listens there
RESULTS = """\
competition: mini
year: 2019
name: Mini Competition
rounds: [semifinal, final]
results:
  - {performer: Zofia Łącka, country: Poland, placement: 1}
  - {performer: "Jun (Tony) Li", country: China, placement: 2}
  - {performer: Ana Márquez, country: Spain, placement: 2}
  - {performer: Ivan Horák, country: Czechia, eliminated_in: final}
  - {performer: Mia Sato, country: Japan, eliminated_in: semifinal}
  - {performer: Leo Wolf, withdrew_in: semifinal}
  - {performer: 조성진}
"""
MATCHING = "matching:\n  rounds: {semifinal: [semi-final]}\n  exclude: [interview]\n"
PAGE = (
    "<table><tr><th>Name</th><th>Country</th><th>Prize</th></tr>"
    "<tr><td>Mia Sato</td><td>Japan</td><td>3rd prize</td></tr>"
    "<tr><td>Bo New</td><td>Norway</td><td>1st prize</td></tr></table>"
)
PAGED = f"""\
competition: mini
year: 2019
name: Mini
rounds: [final]
results: []
results_page:
  url: {NOWHERE}
  columns: {{performer: Name, country: Country, placement: Prize}}
"""


@dataclass
class Planner:
    """Writes an edition's file and plans it."""

    root: Path

    @property
    def partition(self) -> Partition:
        return open_lake(self.root / "lake").tier("competition").partition("mini2019")

    def write(self, recordings: str, rest: str = "", results: str = RESULTS) -> Path:
        path = self.root / "catalog" / "competitions" / "mini2019.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{results}recordings: {recordings}\n{rest}", encoding="utf-8")
        return path

    def plan(self, recordings: str, rest: str = "", results: str = RESULTS) -> Listing:
        return plan_edition(self.partition, read_edition(self.write(recordings, rest, results)))

    def titles(self, titles: Sequence[tuple[str, str]], rest: str = MATCHING) -> Listing:
        """Plan a playlist that listed these videos: id and title."""
        discovered(self.partition, [listed(video_id, title) for video_id, title in titles])
        return self.plan(f"{{playlist: '{NOWHERE}'}}", rest)


def listed(video_id: str, title: str, unavailable: str = "") -> Row:
    url = f"https://www.youtube.com/watch?v={video_id}"
    return {"video_id": video_id, "url": url, "title": title, "duration": 600.0, "unavailable": unavailable}


def discovered(partition: Partition, entries: Sequence[Row]) -> None:
    DISCOVERED.write(partition.discovered, [{**row, "place": place} for place, row in enumerate(entries)])


def addresses(*recordings: str) -> str:
    return "\n  addresses:\n" + "\n".join(f"    - {{{one}}}" for one in recordings)


@pytest.fixture
def edition(tmp_path: Path) -> Planner:
    return Planner(tmp_path)


# where recordings are


def test_an_edition_with_no_recordings_yet_plans_none(edition):
    planned = edition.plan("none yet")
    assert (planned.recordings, planned.unusable, planned.passed_over, planned.folder) == ({}, {}, (), None)


def test_an_address_becomes_a_recording_with_all_that_the_results_say(edition):
    planned = edition.plan(
        addresses('url: "https://youtu.be/aaaaaaaaaaa?t=5", performer: zofia lacka, round: final, piece: Sonata')
    )
    (one,) = planned.recordings.values()
    assert one.recording_id == "mini2019_final_zofia-lacka_aaaaaaaaaaa"
    assert (one.url, one.file) == ("https://www.youtube.com/watch?v=aaaaaaaaaaa", "")
    assert one.columns == {
        "video_id": "aaaaaaaaaaa",
        "performer": "Zofia Łącka",
        "piece": "Sonata",
        "round": "final",
        "round_index": 1,
        "placement": 1,
        "eliminated_in": None,
        "outcome_rank": 1,
        "competition": "mini",
        "edition": "mini2019",
        "country": "Poland",
        "title": "",
    }


@pytest.mark.parametrize(
    ("performer", "told"),
    [
        ("Ana Márquez", (2, None, 2, "Spain")),
        ("Ivan Horák", (None, "final", 4, "Czechia")),
        ("Mia Sato", (None, "semifinal", 5, "Japan")),
        ("Leo Wolf", (None, None, None, "")),
    ],
)
def test_places_eliminations_and_withdrawals_stand_in_the_columns_the_contract_names(edition, performer, told):
    (one,) = edition.plan(
        addresses(f'url: "https://a.example/x.mp3", performer: {performer}, round: semifinal')
    ).recordings.values()
    columns = ("placement", "eliminated_in", "outcome_rank", "country")
    assert tuple(one.columns[column] for column in columns) == told
    audio = {
        "audio_in": "lake", "audio_path": "x.wav", "bytes": 1, "sha256": digest("x"), "state": "working copy",
        "fingerprint": digest("x")[:32], "duration_seconds": 1.0, "source_url": one.url,
    }  # fmt: skip
    assert COMPETITION_RECORDINGS.fault({"recording_id": one.recording_id, **one.columns, **audio}) is None


def test_a_performer_without_a_latin_letter_has_a_safe_id(edition):
    (one,) = edition.plan(
        addresses('url: "https://a.example/♪.mp3", performer: 조성진, round: final')
    ).recordings.values()
    assert one.recording_id.startswith("mini2019_final_performer_")
    assert checked_id(one.recording_id) == one.recording_id
    assert one.columns["performer"] == "조성진"


def test_a_playlist_is_what_it_listed_last_read_by_its_titles(edition):
    planned = edition.titles(
        [
            ("aaaaaaaaaaa", "ANA MARQUEZ – Ballade in F minor (final round)"),
            ("bbbbbbbbbbb", "Li Jun - Etude [Semi-final]"),
        ]
    )
    assert {i: (r.columns["performer"], r.columns["round"], r.url[-11:]) for i, r in planned.recordings.items()} == {
        "mini2019_final_ana-marquez_aaaaaaaaaaa": ("Ana Márquez", "final", "aaaaaaaaaaa"),
        "mini2019_semifinal_jun-tony-li_bbbbbbbbbbb": ("Jun (Tony) Li", "semifinal", "bbbbbbbbbbb"),
    }
    first = planned.recordings["mini2019_final_ana-marquez_aaaaaaaaaaa"]
    assert first.columns["title"] == "ANA MARQUEZ – Ballade in F minor (final round)"
    assert first.columns["piece"] == "Ballade in F minor"


def test_a_channel_is_read_like_a_playlist_and_before_it_was_asked_it_plans_nothing(edition):
    assert edition.plan(f"{{channel: '{NOWHERE}'}}", MATCHING).recordings == {}
    discovered(edition.partition, [listed("aaaaaaaaaaa", "Ana Márquez (final)")])
    assert list(edition.plan(f"{{channel: '{NOWHERE}'}}", MATCHING).recordings) == [
        "mini2019_final_ana-marquez_aaaaaaaaaaa"
    ]


def test_a_folder_is_read_by_its_file_names_wherever_the_files_lie_in_it(edition, tmp_path):
    folder = tmp_path / "mine"
    names = ["day 1/Mia_Sato_-_Etude_(semifinal).mp3", "Ana Márquez - Ballade (final).m4a", "Somebody (final).wav"]
    for name in [*names, "notes.txt", "Interview with Mia Sato (final).wav"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"-")
    planned = edition.plan(f"{{folder: '{folder}'}}", MATCHING)
    assert planned.folder == folder
    assert {one.file: (one.columns["performer"], one.columns["round"]) for one in planned.recordings.values()} == {
        names[0]: ("Mia Sato", "semifinal"),
        names[1]: ("Ana Márquez", "final"),
    }
    assert all(one.url == "" for one in planned.recordings.values())
    (undecided,) = planned.unusable.values()
    assert "'Somebody (final)' (Somebody (final).wav): no performer" in str(undecided)
    assert [title for title, _ in planned.passed_over] == ["Interview with Mia Sato (final)"]


def test_a_folder_beside_the_editions_file_is_found_and_one_that_is_gone_is_told(edition, tmp_path):
    (tmp_path / "catalog/competitions").mkdir(parents=True)
    (tmp_path / "catalog/competitions/mine").mkdir()
    assert edition.plan("{folder: mine}", MATCHING).recordings == {}
    (tmp_path / "catalog/competitions/mine").rmdir()
    with pytest.raises(
        SetupError, match=r"mini2019\.yaml: recordings: folder .*mine: no such folder; correct the path"
    ):
        edition.plan("{folder: mine}", MATCHING)


def test_a_file_whose_name_is_no_utf8_waits_for_the_user_and_costs_nobody_else(edition, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "Ana Márquez (final).wav").write_bytes(b"-")
    odd = os.fsencode(folder / "Mia Sato (final) ") + b"\xe9.wav"
    try:
        Path(os.fsdecode(odd)).write_bytes(b"-")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    planned = edition.plan(f"{{folder: '{folder}'}}", MATCHING)
    assert [one.columns["performer"] for one in planned.recordings.values()] == ["Ana Márquez"]
    assert len(planned.wanted()) == 1
    (error,) = planned.unusable.values()
    assert error.error_class == "needs_user"
    assert "rename" in str(error)
    str(error).encode()


# what titles do not tell


def test_a_title_that_does_not_tell_for_sure_waits_for_the_user_with_what_to_do(edition):
    planned = edition.titles([("aaaaaaaaaaa", "Zofia Łącka and Ivan Horák (final)"), ("bbbbbbbbbbb", "Ana Márquez")])
    assert planned.recordings == {}
    assert list(planned.unusable) == ["mini2019_unmatched_aaaaaaaaaaa", "mini2019_unmatched_bbbbbbbbbbb"]
    several, no_round = planned.unusable.values()
    assert several.error_class == "needs_user"
    assert str(several).startswith(
        "'Zofia Łącka and Ivan Horák (final)' (https://www.youtube.com/watch?v=aaaaaaaaaaa): several performers: "
    )
    assert "Say in mini2019.yaml which it is" in str(several)
    assert "no round" in str(no_round)


def test_a_title_that_the_rules_exclude_is_passed_over_with_the_rule(edition):
    planned = edition.titles([("aaaaaaaaaaa", "Interview with Ana Márquez (final)")])
    assert (planned.recordings, planned.unusable) == ({}, {})
    assert planned.passed_over == (("Interview with Ana Márquez (final)", "holds 'interview'"),)


def test_what_is_private_or_gone_is_passed_over_whatever_its_title(edition):
    entries = [
        listed("aaaaaaaaaaa", "Ana Márquez (final)", "private"),
        listed("bbbbbbbbbbb", "[Deleted video]", "deleted"),
        listed("ccccccccccc", "Mia Sato (semifinal)"),
    ]
    discovered(edition.partition, entries)
    planned = edition.plan(f"{{playlist: '{NOWHERE}'}}", MATCHING)
    assert list(planned.recordings) == ["mini2019_semifinal_mia-sato_ccccccccccc"]
    assert planned.unusable == {}
    assert planned.passed_over == (("Ana Márquez (final)", "private"), ("[Deleted video]", "deleted"))


def test_what_is_passed_over_stands_in_the_order_of_the_list(edition):
    titles = [(letter * 11, f"Interview {letter}") for letter in "zam"]
    assert [title for title, _ in edition.titles(titles).passed_over] == ["Interview z", "Interview a", "Interview m"]


def test_two_videos_of_one_performance_are_both_kept_under_ids_of_their_own(edition):
    title = "Ana Márquez – Ballade in F minor (final)"
    planned = edition.titles([("aaaaaaaaaaa", title), ("bbbbbbbbbbb", title)])
    assert sorted(planned.recordings) == [f"mini2019_final_ana-marquez_{letter * 11}" for letter in "ab"]
    columns = [{**one.columns, "video_id": ""} for one in planned.recordings.values()]
    assert columns[0] == columns[1]


def test_the_same_video_twice_is_refused_in_the_file_and_cannot_stand_twice_in_a_list(edition):
    twice = addresses(
        'url: "https://youtu.be/aaaaaaaaaaa", performer: Ana Márquez, round: final',
        'url: "https://www.youtube.com/watch?v=aaaaaaaaaaa&t=9", performer: Ana Márquez, round: final',
    )
    with pytest.raises(SetupError, match="is entry 1 of the addresses already; keep one of the two"):
        edition.plan(twice)
    with pytest.raises(SetupError, match="'aaaaaaaaaaa' stands twice"):
        discovered(edition.partition, [listed("aaaaaaaaaaa", "Ana Márquez (final)")] * 2)


def test_deciding_what_was_unsure_moves_it_from_the_ledger_to_the_recordings(edition):
    titles = [("aaaaaaaaaaa", "La Anita (final)")]
    assert list(edition.titles(titles).unusable) == ["mini2019_unmatched_aaaaaaaaaaa"]
    aliased = f"{MATCHING}  aliases: {{Ana Márquez: [La Anita]}}\n"
    planned = edition.titles(titles, aliased)
    assert (list(planned.recordings), planned.unusable) == (["mini2019_final_ana-marquez_aaaaaaaaaaa"], {})


def test_a_corrected_result_changes_the_fingerprint_of_those_it_concerns_only(edition):
    both = addresses(
        'url: "https://a.example/a.mp3", performer: Ana Márquez, round: final',
        'url: "https://a.example/z.mp3", performer: Zofia Łącka, round: final',
    )
    before = edition.plan(both).wanted()
    third = RESULTS.replace("country: Spain, placement: 2", "country: Spain, placement: 3")
    after = edition.plan(both, results=third).wanted()
    assert [i.split("_")[2] for i in before if before[i] != after[i]] == ["ana-marquez"]


# the page of results


def kept_page(edition: Planner, page: str = PAGE) -> Path:
    path = edition.partition.folder / "results_page.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def test_results_are_those_of_the_page_that_was_kept_and_it_is_not_asked_again(edition):
    both = addresses(
        'url: "https://a.example/a.mp3", performer: Sato Mia, round: final',
        'url: "https://a.example/b.mp3", performer: Bo New, round: final',
    )
    kept_page(edition)
    planned = edition.plan(both, results=PAGED)
    assert {
        one.columns["performer"]: (one.columns["placement"], one.columns["country"], one.columns["outcome_rank"])
        for one in planned.recordings.values()
    } == {"Mia Sato": (3, "Japan", 2), "Bo New": (1, "Norway", 1)}


def test_titles_are_matched_with_performers_whom_only_the_page_lists(edition):
    kept_page(edition)
    discovered(edition.partition, [listed("aaaaaaaaaaa", "Bo New (final)")])
    planned = edition.plan(f"{{playlist: '{NOWHERE}'}}", results=PAGED)
    assert list(planned.recordings) == ["mini2019_final_bo-new_aaaaaaaaaaa"]


def test_before_the_page_was_read_what_the_file_lists_stands(edition):
    planned = edition.plan(addresses('url: "https://a.example/a.mp3", performer: Mia Sato, round: final'), "", PAGED)
    (one,) = planned.recordings.values()
    assert (one.columns["performer"], one.columns["outcome_rank"]) == ("Mia Sato", None)


def test_a_page_that_the_file_no_longer_names_does_not_count(edition):
    kept_page(edition, "<p>no table</p>")
    assert (
        len(edition.plan(addresses('url: "https://a.example/a.mp3", performer: Mia Sato, round: semifinal')).wanted())
        == 1
    )


def test_a_page_that_cannot_be_used_does_not_replace_the_one_that_was_kept(edition, tmp_path):
    path = kept_page(edition)
    before = path.read_bytes()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "results.html").write_text("<p>We are moving house</p>")
    downloader = Downloader(DownloadSettings(), tmp_path / "quota")
    with serve(tmp_path / "www") as server:
        file = edition.write("none yet", results=PAGED.replace(NOWHERE, server.url("results.html")))
        with pytest.raises(SetupError, match=r"results\.html"):
            collect_edition(edition.partition, read_edition(file), downloader)
        assert path.read_bytes() == before
        (tmp_path / "www" / "results.html").write_text(PAGE.replace("3rd", "2nd"))
        collect_edition(edition.partition, read_edition(file), downloader)
    assert "2nd prize" in path.read_text()
    assert list(read_rows(edition.partition.stage("recordings").table)) == []
    assert "results_page.html" in contents(edition.partition.folder)
