"""T2 through Dagster: an edition is one file, and everything after that is materializing it."""

from __future__ import annotations

import re

import pytest

from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.defs.conftest import ALL_OF_AN_EDITION
from crescendai_assets_tests.feeds import write_feed

RESULTS = """
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
  - {performer: Leo Wolf, country: Austria, withdrew_in: semifinal}
"""


def addresses(site) -> str:
    takes = [
        ("take0.m4a", "Zofia Łącka", "final"),
        ("take1.webm", "Jun (Tony) Li", "final"),
        ("take2.mp3", "Mia Sato", "semifinal"),
        ("take3.opus", "Zofia Łącka", "semifinal"),
    ]
    lines = [f'    - {{url: "{site.url(f)}", performer: "{p}", round: {r}, piece: Ballade}}' for f, p, r in takes]
    return "recordings:\n  addresses:\n" + "\n".join(lines) + "\n"


@pytest.fixture
def edition(platform, site):
    platform.add("competitions/mini2019.yaml", RESULTS + addresses(site))
    return platform.lake.tier("competition").partition("mini2019")


def test_an_edition_dropped_into_the_catalogue_goes_all_the_way_and_a_second_run_does_nothing(platform, edition, site):
    first = platform.run(ALL_OF_AN_EDITION, "mini2019")
    assert all(done.succeeded and all(done.checks.values()) for done in first.values()), first
    rows = {row["recording_id"]: row for row in read_rows(edition.stage("recordings").table)}
    assert sorted(i.rpartition("_")[0] for i in rows) == [
        "mini2019_final_jun-tony-li",
        "mini2019_final_zofia-lacka",
        "mini2019_semifinal_mia-sato",
        "mini2019_semifinal_zofia-lacka",
    ]
    row = next(row for i, row in rows.items() if "final_zofia" in i)
    assert (row["placement"], row["outcome_rank"], row["country"], row["edition"]) == (1, 1, "Poland", "mini2019")
    assert not list(edition.partial.glob("*"))
    segment = next(read_rows(edition.stage("segments").table))
    assert {"performer", "piece", "round", "placement", "competition", "edition", "country", "source_url"} <= set(
        segment
    )
    asked = len(site.requests)
    second = platform.run(ALL_OF_AN_EDITION, "mini2019")
    assert all(done.metadata.get("new", 0) == 0 for done in second.values())
    assert len(site.requests) == asked, "addresses named one by one are asked for once"
    assert all(all(done.checks.values()) for done in second.values())


def test_the_order_is_by_round_and_counts_the_pairs_that_a_loss_can_use(platform, edition):
    done = platform.run(ALL_OF_AN_EDITION, "mini2019")["competition/ordinal"]
    ranks = {(r["round"], r["performer"]): r["rank"] for r in read_rows(edition.stage("ordinal").table)}
    assert ranks == {
        ("final", "Zofia Łącka"): 1,
        ("final", "Jun (Tony) Li"): 2,
        ("semifinal", "Zofia Łącka"): 1,
        ("semifinal", "Mia Sato"): 2,
    }
    assert done.metadata["recording_pairs"] == 2
    across = list(read_rows(edition.stage("ordinal_across_rounds").table))
    assert [row["rank"] for row in across] == [2, 3, 1]  # by name: Jun, Mia, Zofia
    assert all(row["noisier"] for row in across)


def test_results_without_recordings_materialize_no_rows_and_say_so(platform):
    platform.add("competitions/mini2019.yaml", RESULTS + "recordings: none yet\n")
    done = platform.run(ALL_OF_AN_EDITION, "mini2019")
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    assert done["competition/recordings"].metadata["dagster/partition_row_count"] == 0
    assert "none yet" in done["competition/recordings"].metadata["recordings_are"]


def test_the_shipped_editions_without_recordings_materialize_too(platform):
    platform.tick()
    for key in ("leeds2021", "queenelisabeth2021"):
        done = platform.run(ALL_OF_AN_EDITION, key)
        assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done


def test_a_playlist_is_matched_by_titles_and_what_is_not_sure_waits_in_the_ledger(platform, site):
    titles = [
        ("ANA MARQUEZ – Ballade in F minor (final round)", "take0.m4a"),
        ("Li Jun - Etude [Semi-final]", "take1.webm"),
        ("Zofia Lacka and Ivan Horak (final)", "take2.mp3"),
        ("Interview with Ana Márquez (final)", "take3.opus"),
    ]
    write_feed(site.folder / "list.xml", [(title, site.url(name)) for title, name in titles])
    rules = "matching:\n  rounds: {semifinal: [semi-final]}\n  exclude: [interview]\n"
    platform.add("competitions/mini2019.yaml", f"{RESULTS}recordings:\n  playlist: {site.url('list.xml')}\n{rules}")
    edition = platform.lake.tier("competition").partition("mini2019")
    done = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert done.succeeded
    assert all(done.checks.values())
    found = {(r["performer"], r["round"]) for r in read_rows(edition.stage("recordings").table)}
    assert found == {("Ana Márquez", "final"), ("Jun (Tony) Li", "semifinal")}
    (failure,) = read_failures(edition.stage("recordings").ledger).values()
    assert failure.error_class == "needs_user"
    assert "Zofia Lacka and Ivan Horak" in failure.message
    assert "mini2019.yaml" in failure.message
    assert done.metadata["passed_over"] == 1
    again = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert again.succeeded
    assert again.metadata["new"] == 0

    platform.add(
        "competitions/mini2019.yaml",
        f"{RESULTS}recordings:\n  playlist: {site.url('list.xml')}\nmatching:\n"
        "  rounds: {semifinal: [semi-final]}\n  exclude: [interview, Lacka and Ivan]\n",
    )
    decided = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert decided.succeeded
    assert not read_failures(edition.stage("recordings").ledger), "what was decided leaves the ledger"


def test_a_corrected_placement_is_written_without_downloading_again(platform, edition, site):
    platform.run(ALL_OF_AN_EDITION, "mini2019")
    asked = len(site.requests)
    text = (platform.catalog / "competitions/mini2019.yaml").read_text(encoding="utf-8")
    platform.add(
        "competitions/mini2019.yaml", text.replace("country: China, placement: 2", "country: China, placement: 4")
    )
    stale = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert stale.metadata["stale"] == 1
    done = platform.run(ALL_OF_AN_EDITION[1:], "mini2019")
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    assert done["competition/embeddings"].metadata["stale"] == 0, "labels are no part of an embedding"
    assert len(site.requests) == asked
    assert {r["placement"] for r in read_rows(edition.stage("segments").table)} == {1, 4, None}


def test_a_missing_recording_costs_itself_only(platform, edition, site):
    (site.folder / "take1.webm").unlink()
    done = platform.run(ALL_OF_AN_EDITION, "mini2019")
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    (failure,) = read_failures(edition.stage("recordings").ledger).values()
    assert (failure.error_class, "404" in failure.message) == ("permanent", True)
    assert done["competition/recordings"].metadata["succeeded"] == 3


def test_a_site_that_blocks_stops_the_partition_and_leaves_the_rest_untried(platform, edition, site):
    site.status = 429
    done = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert not done.succeeded
    assert "429" in done.error
    ledger = read_failures(edition.stage("recordings").ledger)
    assert [failure.error_class for failure in ledger.values()] == ["blocked"]
    site.status = None
    done = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert (done.succeeded, done.metadata["succeeded"]) == (True, 4)
    assert not read_failures(edition.stage("recordings").ledger)


def test_a_daily_quota_leaves_the_rest_for_another_day_and_is_no_failure(platform, edition):
    platform.quota = 2
    done = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert (done.succeeded, done.metadata["succeeded"], done.metadata["untried"]) == (True, 2, 2)
    assert all(done.checks.values())
    again = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert (again.succeeded, again.metadata["succeeded"], again.metadata["untried"]) == (True, 0, 2)


def test_a_folder_is_read_in_place(platform, media):
    folder = platform.root / "mine"
    folder.mkdir()
    (folder / "Mia Sato - Etude (semifinal).mp3").symlink_to(media / "take2.mp3")
    (folder / "Ana Márquez - Ballade (final).m4a").symlink_to(media / "take0.m4a")
    platform.add("competitions/mini2019.yaml", f"{RESULTS}recordings:\n  folder: {folder}\n")
    done = platform.run(ALL_OF_AN_EDITION, "mini2019")
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    edition = platform.lake.tier("competition").partition("mini2019")
    rows = list(read_rows(edition.stage("recordings").table))
    assert [(r["audio_in"], r["state"], r["duration_seconds"] > 7) for r in rows] == [
        ("source", "read in place", True)
    ] * 2
    assert not edition.audio.exists()


def test_a_results_page_fills_what_the_file_leaves_open(platform, site):
    (site.folder / "results.html").write_text(
        "<table><tr><th>Name</th><th>Country</th><th>Prize</th></tr>"
        "<tr><td>Zofia Łącka</td><td>Poland</td><td>1st prize</td></tr>"
        "<tr><td>Mia Sato</td><td>Japan</td><td>2nd prize</td></tr></table>",
        encoding="utf-8",
    )
    platform.add(
        "competitions/page2020.yaml",
        "competition: page\nyear: 2020\nname: Page\nrounds: [final]\nresults: []\n"
        f'recordings:\n  addresses:\n    - {{url: "{site.url("take0.m4a")}", performer: Mia Sato, round: final}}\n'
        f"results_page:\n  url: {site.url('results.html')}\n"
        "  columns: {performer: Name, country: Country, placement: Prize}\n",
    )
    done = platform.run(ALL_OF_AN_EDITION, "page2020")
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    (row,) = read_rows(platform.lake.tier("competition").partition("page2020").stage("recordings").table)
    assert (row["placement"], row["country"]) == (2, "Japan")


def test_markup_in_a_title_is_text_and_stays_out_of_names_of_files(platform, site):
    title = "Ana Márquez – Étude <script>alert(1)</script> 🎹 (final)"
    write_feed(site.folder / "list.xml", [(title, site.url("take0.m4a"))])
    platform.add("competitions/mini2019.yaml", f"{RESULTS}recordings:\n  playlist: {site.url('list.xml')}\n")
    assert platform.run(["competition/recordings"], "mini2019")["competition/recordings"].succeeded
    edition = platform.lake.tier("competition").partition("mini2019")
    (row,) = read_rows(edition.stage("recordings").table)
    assert row["title"] == title
    assert re.fullmatch(r"mini2019_final_ana-marquez_[a-z0-9-]+", row["recording_id"])
    assert [path.stem for path in edition.audio.iterdir()] == [row["recording_id"]]


def test_a_corrected_round_moves_the_recording_and_leaves_nothing_of_the_old_label(platform, edition, site):
    platform.run(ALL_OF_AN_EDITION, "mini2019")
    asked = len(site.requests)
    text = (platform.catalog / "competitions/mini2019.yaml").read_text(encoding="utf-8")
    platform.add(
        "competitions/mini2019.yaml", text.replace('"Jun (Tony) Li", round: final', '"Ivan Horák", round: semifinal')
    )
    done = platform.run(ALL_OF_AN_EDITION, "mini2019")
    assert all(one.succeeded and all(one.checks.values()) for one in done.values()), done
    assert len(site.requests) == asked, "the same video is not downloaded again"
    for table in ("recordings", "segments", "embeddings", "ordinal"):
        ids = {row["recording_id"] for row in read_rows(edition.stage(table).table)}
        assert not [i for i in ids if "jun-tony-li" in i], table
        assert [i for i in ids if "semifinal_ivan-horak" in i], table


def test_a_performer_heard_after_going_out_is_refused(platform, site):
    late = addresses(site).replace('"Mia Sato", round: semifinal', '"Mia Sato", round: final')
    platform.add("competitions/mini2019.yaml", RESULTS + late)
    assert "went out in semifinal" in platform.tick()
    write_feed(site.folder / "list.xml", [("Mia Sato – Etude (final)", site.url("take0.m4a"))])
    platform.add("competitions/mini2019.yaml", f"{RESULTS}recordings:\n  playlist: {site.url('list.xml')}\n")
    platform.run(["competition/recordings"], "mini2019")
    edition = platform.lake.tier("competition").partition("mini2019")
    (failure,) = read_failures(edition.stage("recordings").ledger).values()
    assert "went out in semifinal" in failure.message


def test_labels_are_corrected_while_the_site_is_down_and_the_run_says_that_it_is(platform, site):
    write_feed(site.folder / "list.xml", [("Mia Sato – Etude (semifinal)", site.url("take0.m4a"))])
    playlist = f"recordings:\n  playlist: {site.url('list.xml')}\n"
    platform.add("competitions/mini2019.yaml", RESULTS + playlist)
    platform.run(["competition/recordings"], "mini2019")
    site.status = 404
    platform.add("competitions/mini2019.yaml", RESULTS.replace("Japan", "Korea") + playlist)
    done = platform.run(["competition/recordings"], "mini2019")["competition/recordings"]
    assert not done.succeeded
    assert "cannot be read" in done.error
    (row,) = read_rows(platform.lake.tier("competition").partition("mini2019").stage("recordings").table)
    assert row["country"] == "Korea"
