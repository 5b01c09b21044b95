"""The order that juries gave: ranks within rounds, the pairs a loss can use, and a verdict that fails on each fault."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.schemas import (
    COMPETITION_RECORDINGS,
    COMPETITION_SEGMENTS,
    EMBEDDINGS,
    ORDINAL,
    ORDINAL_ACROSS_ROUNDS,
)
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.ordinal import (
    PlannedOrder,
    RoundPairs,
    check_order,
    count_pairs,
    digest_on_disk,
    plan_order,
    ranking_pairs,
    write_order,
)
from crescendai_assets_tests.builders import digest, embedding_row, video_segment_row

ROUNDS = ("stage1", "semifinal", "final")
OUTCOMES: dict[str, tuple[int | None, str | None, int | None]] = {
    "Zoe": (1, None, 1),
    "Bo": (2, None, 2),
    "Cy": (2, None, 2),
    "Dee": (None, "final", 4),
    "Ed": (None, "final", 4),
    "Flo": (None, "semifinal", 6),
    "Gus": (None, "semifinal", 6),
    "Hal": (None, "stage1", 8),
    "Ida": (None, None, None),
}
"""Performer -> placement, round of elimination, rank of the outcome; nobody knows how Ida fared."""

HEARD = {
    "stage1": ["Zoe", "Bo", "Cy", "Dee", "Ed", "Flo", "Gus", "Hal", "Ida"],
    "semifinal": ["Zoe", "Bo", "Cy", "Dee", "Ed", "Flo", "Gus", "Ida"],
    "final": ["Zoe", "Bo", "Cy", "Dee", "Ed"],
}


def recording(performer: str, round_: str, number: int = 0, **other: Any) -> Row:
    """A row of an edition's recordings."""
    placement, eliminated_in, rank = OUTCOMES.get(performer, (None, None, None))
    recording_id = f"mini2019_{round_}_{performer.lower()}_{number}"
    return {
        "recording_id": recording_id,
        "video_id": f"{performer.lower()}{number}",
        "performer": performer,
        "piece": "Ballade",
        "round": round_,
        "round_index": ROUNDS.index(round_),
        "placement": placement,
        "eliminated_in": eliminated_in,
        "outcome_rank": rank,
        "competition": "mini",
        "edition": "mini2019",
        "country": "",
        "source_url": f"https://a.example/{recording_id}",
        "title": "",
        "duration_seconds": 60.0,
        "audio_in": "lake",
        "audio_path": f"mini2019/audio/{recording_id}.wav",
        "bytes": 1,
        "sha256": digest(recording_id),
        "state": "working copy",
        "fingerprint": digest(recording_id)[:32],
        **other,
    }


@dataclass
class Edition:
    """An edition on disk: its recordings, and how many segments of each are embedded (two where nothing is said)."""

    partition: Partition
    rows: list[Row]
    embedded: dict[str, int] = field(default_factory=dict)

    def write(self) -> Edition:
        cut: list[Row] = []
        made: list[Row] = []
        for row in self.rows:
            columns = {k: v for k, v in row.items() if k not in ("audio_in", "audio_path", "bytes", "sha256", "state")}
            for index in range(2):
                segment = video_segment_row("x", index)
                names = {"segment_id": f"{row['recording_id']}_seg{index:03d}", "recording_id": row["recording_id"]}
                cut.append({**segment, **columns, **names})
                if index < self.embedded.get(row["recording_id"], 2):
                    made.append(embedding_row(row["recording_id"], index))
        COMPETITION_RECORDINGS.write(self.partition.stage("recordings").table, self.rows)
        COMPETITION_SEGMENTS.write(self.partition.stage("segments").table, cut)
        EMBEDDINGS.write(self.partition.stage("embeddings").table, made)
        return self

    def planned(self) -> PlannedOrder:
        return plan_order(self.write().partition)

    def ordered(self) -> list[Row]:
        """Write the order and return its table."""
        write_order(self.partition, self.planned())
        return list(read_rows(self.partition.stage("ordinal").table))


def edition_of(root: Path, rows: list[Row]) -> Edition:
    return Edition(open_lake(root / "lake").tier("competition").partition("mini2019"), rows)


@pytest.fixture
def edition(tmp_path: Path) -> Edition:
    """All who were heard in each round, once."""
    return edition_of(tmp_path, [recording(name, round_) for round_, names in HEARD.items() for name in names])


def ranks(rows: list[Row], round_: str) -> dict[str, tuple[int, int]]:
    """Performer -> rank and with how many it is shared, in one round."""
    return {row["performer"]: (row["rank"], row["tied_with"]) for row in rows if row["round"] == round_}


def by_brute_force(recordings: list[Row]) -> set[tuple[str, str]]:
    """The definition of a pair, written down: one edition, one round, two performers, one known to be better."""
    return {
        (a["recording_id"], b["recording_id"])
        for a, b in itertools.permutations(recordings, 2)
        if (a["edition"], a["round"]) == (b["edition"], b["round"])
        and a["performer"] != b["performer"]
        and None not in (a["outcome_rank"], b["outcome_rank"])
        and a["outcome_rank"] < b["outcome_rank"]
    }


# ranks


def test_in_the_final_places_come_first_ties_share_a_rank_and_finalists_without_a_place_are_tied_behind(edition):
    assert ranks(edition.planned().within, "final") == {
        "Zoe": (1, 0),
        "Bo": (2, 1),
        "Cy": (2, 1),
        "Dee": (4, 1),
        "Ed": (4, 1),
    }


def test_those_eliminated_in_a_round_are_tied_last_in_it(edition):
    within = edition.planned().within
    semifinal, first = ranks(within, "semifinal"), ranks(within, "stage1")
    assert (semifinal["Flo"], semifinal["Gus"], max(r for r, _ in semifinal.values())) == ((6, 1), (6, 1), 6)
    assert (first["Hal"], first["Flo"], max(r for r, _ in first.values())) == ((8, 0), (6, 1), 8)


def test_ranks_are_among_those_heard_in_the_round_and_not_among_all(tmp_path):
    planned = edition_of(tmp_path, [recording(n, "final") for n in ("Cy", "Ed")]).planned()
    assert ranks(planned.within, "final") == {"Cy": (1, 0), "Ed": (2, 0)}


def test_several_recordings_of_a_performer_count_once_in_the_ranks(tmp_path):
    rows = [recording("Zoe", "final", n) for n in range(3)] + [recording("Dee", "final")]
    planned = edition_of(tmp_path, rows).planned()
    found = [(row["performer"], row["rank"], row["tied_with"]) for row in planned.within]
    assert found == [("Dee", 2, 0)] + [("Zoe", 1, 0)] * 3


def test_who_withdrew_or_is_not_listed_is_left_out_and_counted(edition):
    planned = edition.planned()
    assert planned.without_outcome == 2, "Ida was heard in two rounds"
    assert "Ida" not in {row["performer"] for row in (*planned.within, *planned.across)}


def test_a_recording_without_an_embedding_is_left_out_and_counted_and_moves_the_others_up(edition):
    gone = "mini2019_final_zoe_0"
    edition.embedded = {gone: 0, "mini2019_final_bo_0": 1}
    planned = edition.planned()
    assert planned.without_embedding == 1
    assert ranks(planned.within, "final")["Bo"] == (1, 1)
    segments = {row["recording_id"]: row["segments"] for row in planned.within}
    assert gone not in segments
    assert (segments["mini2019_final_bo_0"], segments["mini2019_final_cy_0"]) == (1, 2)


def test_a_withdrawn_recording_without_an_embedding_is_counted_once(edition):
    edition.embedded = {"mini2019_stage1_ida_0": 0}
    planned = edition.planned()
    assert (planned.without_outcome, planned.without_embedding) == (1, 1)


def test_rows_say_what_they_follow_from_and_fit_the_schema(edition):
    rows = edition.ordered()
    assert len(rows) == 20
    row = next(row for row in rows if row["recording_id"] == "mini2019_semifinal_flo_0")
    assert row == {
        "recording_id": "mini2019_semifinal_flo_0",
        "edition": "mini2019",
        "round": "semifinal",
        "round_index": 1,
        "performer": "Flo",
        "placement": None,
        "eliminated_in": "semifinal",
        "rank": 6,
        "tied_with": 1,
        "segments": 2,
    }


def test_an_edition_with_nothing_embedded_has_an_empty_order(tmp_path):
    edition = edition_of(tmp_path, [])
    assert edition.ordered() == []
    assert plan_order(edition.partition).digest == digest_on_disk(edition.partition)
    assert count_pairs([]) == []
    assert check_order(edition.partition).passed


# across rounds


def test_across_rounds_each_performer_stands_once_with_all_recordings_and_is_marked_noisier(edition):
    edition.ordered()
    rows = list(read_rows(edition.partition.stage("ordinal_across_rounds").table))
    assert {row["performer"]: (row["rank"], row["tied_with"]) for row in rows} == {
        "Zoe": (1, 0),
        "Bo": (2, 1),
        "Cy": (2, 1),
        "Dee": (4, 1),
        "Ed": (4, 1),
        "Flo": (6, 1),
        "Gus": (6, 1),
        "Hal": (8, 0),
    }
    assert all(row["noisier"] is True and row["edition"] == "mini2019" for row in rows)
    assert all(ORDINAL_ACROSS_ROUNDS.fault({**row, "noisier": other}) for row in rows for other in (False, None))
    flo = next(row for row in rows if row["performer"] == "Flo")
    assert flo["recordings"] == ["mini2019_semifinal_flo_0", "mini2019_stage1_flo_0"]


# pairs


def test_pairs_are_those_of_the_definition_the_better_one_first(edition):
    edition.rows += [recording("Zoe", "final", 1), recording("Hal", "stage1", 1)]
    within = edition.planned().within
    pairs = list(ranking_pairs(within))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == by_brute_force(edition.rows)


def test_no_pair_crosses_rounds_or_editions_or_joins_one_performer_with_itself(edition):
    edition.rows += [recording("Zoe", "final", 1)]
    rows = edition.planned().within
    others = [
        {**row, "edition": "mini2021", "recording_id": row["recording_id"].replace("2019", "2021")} for row in rows
    ]
    known = {row["recording_id"]: row for row in (*rows, *others)}
    pairs = [(known[a], known[b]) for a, b in ranking_pairs([*others, *rows])]
    assert len(pairs) == 2 * sum(1 for _ in ranking_pairs(rows)) > 0
    for a, b in pairs:
        assert (a["edition"], a["round"]) == (b["edition"], b["round"])
        assert a["performer"] != b["performer"]
        assert a["rank"] < b["rank"]


def test_pairs_are_counted_by_round_in_the_rounds_order(edition):
    edition.rows += [recording("Zoe", "final", 1), recording("Dee", "final", 1)]
    assert count_pairs(edition.planned().within) == [
        RoundPairs("stage1", 8, 8, performer_pairs=25, recording_pairs=25, tied=3),
        RoundPairs("semifinal", 7, 7, performer_pairs=18, recording_pairs=18, tied=3),
        # of 10 pairs of performers 2 are tied; Zoe and Dee have two recordings each
        RoundPairs("final", 7, 5, performer_pairs=8, recording_pairs=16, tied=2),
    ]


@settings(max_examples=25)
@given(
    st.dictionaries(st.sampled_from("ABCDEFG"), st.none() | st.integers(1, 4), max_size=7),
    st.lists(st.tuples(st.sampled_from("ABCDEFG"), st.sampled_from(ROUNDS), st.integers(0, 1)), unique=True),
)
def test_whatever_was_heard_pairs_and_counts_are_those_of_the_definition(tmp_path_factory, outcomes, heard):
    rows = [recording(n, round_, k, outcome_rank=outcomes.get(n), placement=outcomes.get(n)) for n, round_, k in heard]
    edition = edition_of(tmp_path_factory.mktemp("edition"), rows)
    within, brute = edition.ordered(), by_brute_force(rows)
    assert set(ranking_pairs(within)) == brute
    counts = {one.round: one for one in count_pairs(within)}
    for round_, one in counts.items():
        names = {r["performer"]: r["outcome_rank"] for r in rows if r["round"] == round_ and r["outcome_rank"]}
        differing = sum(a != b for a, b in itertools.combinations(names.values(), 2))
        assert one.recording_pairs == sum(f"_{round_}_" in better for better, _ in brute)
        assert (one.performers, one.performer_pairs) == (len(names), differing)
        assert one.tied == len(names) * (len(names) - 1) // 2 - differing
    assert sum(one.recording_pairs for one in counts.values()) == len(brute)
    assert check_order(edition.partition).passed


# the digest


def test_what_is_written_has_the_digest_of_what_was_planned(edition):
    edition.ordered()
    assert plan_order(edition.partition).digest == digest_on_disk(edition.partition)


def place(performer: str, rank: int) -> Callable[[Edition], None]:
    def change(edition: Edition) -> None:
        changed = {"placement": rank, "eliminated_in": None, "outcome_rank": rank}
        edition.rows = [{**row, **changed} if row["performer"] == performer else row for row in edition.rows]

    return change


def drop_embedding(edition: Edition) -> None:
    edition.embedded = {"mini2019_final_zoe_0": 1}


def add_recording(edition: Edition) -> None:
    edition.rows = [*edition.rows, recording("Zoe", "final", 1)]


@pytest.mark.parametrize("change", [place("Bo", 3), place("Dee", 4), drop_embedding, add_recording])
def test_the_digest_changes_with_places_recordings_and_what_is_embedded(edition, change):
    edition.ordered()
    change(edition)
    assert edition.planned().digest != digest_on_disk(edition.partition)


def test_the_digest_does_not_change_with_what_the_order_does_not_follow_from(edition):
    before = edition.planned().digest
    edition.rows = [{**row, "title": "Another", "state": "done, raw discarded"} for row in edition.rows]
    assert edition.planned().digest == before


def test_a_change_across_rounds_alone_changes_the_digest_on_disk(edition):
    edition.ordered()
    before, table = digest_on_disk(edition.partition), edition.partition.stage("ordinal_across_rounds").table
    rows = [{**row, "rank": row["rank"] + 1} for row in read_rows(table)]
    ORDINAL_ACROSS_ROUNDS.write(table, rows)
    assert digest_on_disk(edition.partition) != before


# the verdict


def plant(edition: Edition, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Change rows of the written order, by recording."""
    rows = [{**row, **changes.get(row["recording_id"], {})} for row in edition.ordered()]
    ORDINAL.write(edition.partition.stage("ordinal").table, rows)


def test_an_order_that_follows_the_outcomes_passes(edition):
    edition.ordered()
    found = check_order(edition.partition)
    assert found.passed
    assert found.facts == {"recordings": 20, "rounds": "final, semifinal, stage1"}


@pytest.mark.parametrize(
    "changes",
    [
        {"mini2019_final_zoe_0": {"rank": 2}, "mini2019_final_bo_0": {"rank": 1}, "mini2019_final_cy_0": {"rank": 1}},
        {"mini2019_final_zoe_0": {"rank": 2}},  # tied, and was not
        {"mini2019_final_dee_0": {"rank": 2}, "mini2019_final_ed_0": {"rank": 2}},
        {"mini2019_final_bo_0": {"rank": 3}},  # told apart, and was tied
        {"mini2019_final_cy_0": {"rank": 3}},
        {"mini2019_semifinal_flo_0": {"rank": 5}},
        {"mini2019_semifinal_gus_0": {"rank": 7}},
        {"mini2019_stage1_hal_0": {"rank": 1}},
        {"mini2019_stage1_zoe_0": {"rank": 9}},
    ],
)
def test_ranks_that_do_not_follow_the_outcomes_fail(edition, changes):
    plant(edition, changes)
    found = check_order(edition.partition)
    assert not found.passed
    told = {part for row in found.rows for part in (row["id"], *row["fault"].split())}
    assert told & changes.keys()


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_who_was_eliminated_and_does_not_stand_last_fails_and_is_named(edition, rank):
    plant(edition, {"mini2019_final_ed_0": {"rank": rank}, "mini2019_final_dee_0": {"rank": 6}})
    faults = [row for row in check_order(edition.partition).rows if "yet ranked" in row["fault"]]
    assert faults == [{"id": "mini2019_final_ed_0", "fault": f"eliminated in final, yet ranked {rank}"}]


def test_a_row_of_another_edition_fails(edition):
    plant(edition, {"mini2019_final_zoe_0": {"edition": "mini2021"}})
    found = check_order(edition.partition)
    assert [(row["id"], row["fault"]) for row in found.rows] == [("mini2019_final_zoe_0", "of edition mini2021")]


def test_a_row_of_no_recording_fails(edition):
    edition.ordered()
    edition.rows = [row for row in edition.rows if row["recording_id"] != "mini2019_final_zoe_0"]
    edition.write()
    found = check_order(edition.partition)
    assert [(row["id"], row["fault"]) for row in found.rows] == [
        ("mini2019_final_zoe_0", "is no recording of this edition")
    ]


def test_a_row_of_a_performer_whose_outcome_is_not_known_fails(edition):
    edition.ordered()
    withdrawn = {"placement": None, "eliminated_in": None, "outcome_rank": None}
    edition.rows = [{**row, **withdrawn} if row["performer"] == "Zoe" else row for row in edition.rows]
    edition.write()
    found = check_order(edition.partition)
    assert not found.passed
    assert {row["id"] for row in found.rows} == {f"mini2019_{name}_zoe_0" for name in ROUNDS}


def test_a_place_that_was_corrected_since_fails_until_the_order_is_made_again(edition):
    edition.ordered()
    place("Dee", 1)(edition)
    edition.write()
    assert not check_order(edition.partition).passed
    edition.ordered()
    assert check_order(edition.partition).passed
