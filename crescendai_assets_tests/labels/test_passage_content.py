"""What the MIDI says against the names: passages inside others, takes under two names, music of another place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crescendai_assets.labels.fold_checks import check_folds, leaks_of, require_sound, takes_on_both_sides
from crescendai_assets.labels.folds import plan_folds, read_folds, write_folds
from crescendai_assets.labels.names import parse_name
from crescendai_assets.labels.passage_content import MidiContent, held_passages
from crescendai_assets.labels.passages import PlannedPassages, plan_passages
from crescendai_assets.labels.protocols import Fold
from crescendai_assets.labels.schemas import PASSAGES
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.verify import check_schema
from crescendai_assets.symbolic.duplicates import Overlap
from crescendai_assets_tests.labels.rated import score_of, segments, tier
from crescendai_assets_tests.labels.takes import MOVEMENT, OTHER, PIANISTS, key, write_takes

MISNAMED = key("4bars_3", "2", OTHER)
KEYS = score_of("D960", "mv2", [*PIANISTS, "Score"], range(1, 6))
BROKEN = key("4bars_4", "3", OTHER)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> PlannedPassages:
    folder = tmp_path_factory.mktemp("takes") / "midi"
    keys = write_takes(folder, other_music=[MISNAMED], broken={BROKEN: b"MThd"})
    return plan_passages(keys, folder)


def by_id(planned: PlannedPassages):
    return {row["segment_id"]: row for row in planned.rows}


def groups_of(rows, column):
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["piece"] == MOVEMENT:
            found.setdefault(row[column], set()).add(row["passage"].removeprefix(f"{MOVEMENT}_"))
    return sorted(sorted(passages) for passages in found.values())


def named(passage: str, *numbers: str) -> list[str]:
    return [f"{MOVEMENT}_{passage}_{number}" for number in numbers]


def test_a_long_passage_holds_what_its_takes_hold_whatever_its_number_says(planned):
    rows = by_id(planned)
    for who in (*PIANISTS, "Score"):
        assert rows[key("16bars_01", who)]["holds"] == named("8bars", "01", "02")
        assert rows[key("16bars_02", who)]["holds"] == named("8bars", "03")
        assert rows[key("16bars_03", who)]["holds"] == named("8bars", "04", "05")
        assert rows[key("16bars_03", who)]["holds_nominal"] == named("8bars", "05", "06")
        assert rows[key("8bars_04", who)]["held_by"] == named("16bars", "03")
        assert rows[key("8bars_06", who)]["held_by"] == []


def test_segments_of_one_take_name_each_other_and_those_of_two_pianists_do_not(planned):
    rows = by_id(planned)
    assert rows[key("16bars_03", "2")]["same_take"] == [key("8bars_04", "2"), key("8bars_05", "2")]
    assert rows[key("8bars_04", "2")]["same_take"] == [key("16bars_03", "2")]
    assert rows[key("8bars_06", "2")]["same_take"] == []
    assert rows[BROKEN]["same_take"] is None


def test_groups_by_content_join_what_shares_a_take_and_those_by_name_stay(planned):
    assert groups_of(planned.rows, "passage_group") == [
        ["16bars_01", "8bars_01", "8bars_02"],
        ["16bars_02", "8bars_03", "8bars_04"],
        ["16bars_03", "8bars_05", "8bars_06"],
    ]
    # the fourth passage is in the third long one, and the machine plays the sixth as the first
    assert len(groups_of(planned.rows, "content_group")) == 1
    by_name = {row["segment_id"]: row["passage_group"] for row in plan_passages(sorted(by_id(planned))).rows}
    assert {row["segment_id"]: row["passage_group"] for row in planned.rows} == by_name


def test_pianists_alone_join_less_than_the_machine(tmp_path: Path):
    rows = plan_passages(write_takes(tmp_path / "midi", PIANISTS), tmp_path / "midi").rows
    assert groups_of(rows, "content_group") == [
        ["16bars_01", "8bars_01", "8bars_02"],
        ["16bars_02", "16bars_03", "8bars_03", "8bars_04", "8bars_05", "8bars_06"],
    ]


def test_what_the_midi_says_is_counted_and_listed(planned):
    facts = planned.facts
    assert (facts["passage_groups"], facts["content_groups"]) == (7, 5)
    # 5 short ones in long ones of 4 players, and the machine's sixth passage in the first long one and short one
    assert facts["same_take_pairs"] == 5 * 4 + 2
    assert facts["same_take_pairs_across_passage_groups"] == 4 + 2
    assert facts["same_take_pairs_across_passage_groups_by_pianists"] == 3
    assert (facts["midi_of_other_music"], facts["unreadable_midi"]) == (1, 1)
    found = {row["id"]: row["found"] for row in planned.findings}
    assert found[MISNAMED] == "does not hold the music of the passage's other performances"
    assert "cannot be read" in found[BROKEN]
    assert found[f"{MOVEMENT}_16bars_03"] == "holds 04, 05; by number 05, 06"
    assert set(found) == {MISNAMED, BROKEN, f"{MOVEMENT}_16bars_02", f"{MOVEMENT}_16bars_03"}


def test_music_of_another_place_is_told_by_name_and_stays(planned):
    rows = by_id(planned)
    assert [key for key, row in rows.items() if row["music_as_named"] is False] == [MISNAMED]
    assert rows[BROKEN]["music_as_named"] is None
    assert rows[MISNAMED]["content_group"] == rows[key("4bars_3", "1", OTHER)]["content_group"]


def test_who_plays_a_passage_alone_is_not_told_to_play_another(tmp_path: Path):
    rows = plan_passages(write_takes(tmp_path / "midi", ["1"]), tmp_path / "midi").rows
    assert {row["music_as_named"] for row in rows} == {None}


def test_rows_fit_the_schema_with_midi_and_without(planned):
    assert check_schema(PASSAGES, planned.rows).passed
    without = plan_passages([row["segment_id"] for row in planned.rows])
    assert check_schema(PASSAGES, without.rows).passed
    for row in without.rows:
        assert (row["same_take"], row["content_group"], row["music_as_named"]) == (None, None, None)
        assert row["holds"] == row["holds_nominal"]
    assert without.findings == []
    assert "content_groups" not in without.facts


NAMES = [parse_name(key(passage, "1")) for passage in ("16bars_02", "8bars_02", "8bars_03", "8bars_04")]
LONG, SECOND, THIRD, FOURTH = (name.key for name in NAMES)
WHOLE = Overlap(10, 40, 0, 1, 0.5)


@pytest.mark.parametrize(
    ("read", "pairs", "held"),
    [
        ({}, [], ["03", "04"]),  # nothing is known
        ({LONG, THIRD}, [(THIRD, LONG, WHOLE)], ["03", "04"]),  # nothing speaks against the fourth
        ({LONG, THIRD, FOURTH}, [(THIRD, LONG, WHOLE)], ["03"]),
        ({LONG, SECOND, THIRD}, [(SECOND, LONG, WHOLE), (THIRD, LONG, WHOLE)], ["02", "03"]),
        ({LONG, FOURTH}, [], []),  # it does not hold the fourth: the number is wrong
        ({LONG, THIRD}, [(THIRD, LONG, replace(WHOLE, of_first=0.6))], []),  # half of it is not inside
    ],
)
def test_the_rule_of_numbers_stands_until_a_take_speaks_against_it(read, pairs, held):
    found = held_passages(NAMES, MidiContent(read=frozenset(read), pairs=pairs))
    assert found[NAMES[0].passage] == named("8bars", *held)
    assert found[NAMES[1].passage] == []


def test_a_machine_s_repeats_say_nothing_of_what_lies_inside():
    names = [replace(name, performer="Score") for name in NAMES]
    pairs = [(names[1].key, names[0].key, WHOLE)]
    found = held_passages(names, MidiContent(read=frozenset(name.key for name in names), pairs=pairs))
    assert found[names[0].passage] == named("8bars", "03", "04")


# ---------------------------------------------------------------- folds


@pytest.fixture(scope="module")
def files(planned, tmp_path_factory):
    found = tier(tmp_path_factory.mktemp("tier"), list(by_id(planned)))
    PASSAGES.write(found.metadata, planned.rows)
    write_folds(found)
    return found


def test_folds_by_content_keep_every_take_on_one_side_and_those_by_name_are_warned_of(files, planned):
    by_content = read_folds(files, "passage_by_content")
    assert [fold.name for fold in by_content] == [f"s{seed}f{i}" for seed in (0, 1, 2) for i in range(4)]
    verdict = check_folds("passage_by_content", by_content, planned.rows)
    assert verdict.passed, verdict
    assert (verdict.facts["groups"], verdict.facts["segments_compared_by_midi"]) == (5, len(planned.rows) - 1)
    assert takes_on_both_sides("passage_by_content", by_content, planned.rows).passed
    by_name = read_folds(files, "passage")
    assert check_folds("passage", by_name, planned.rows).passed  # what it keeps apart is apart
    told = takes_on_both_sides("passage", by_name, planned.rows)
    assert (told.passed, told.warn) == (False, True)
    assert told.facts["pairs_of_one_take"] == 22
    assert 0 < told.facts["pairs_that_are_ever_on_both_sides"] <= 6
    assert "shares its take with" in str(told.rows[0]["fault"])


def test_a_take_on_both_sides_leaks_by_content_and_names_it(planned):
    rows = by_id(planned)
    long, inside = key("16bars_03", "2"), key("8bars_04", "2")
    fold = Fold("passage_by_content", "s0f0", 0, (long,), (inside, key("8bars_06", "2")))
    leaks = {row["id"]: row["fault"] for row in leaks_of(fold, rows)}
    # the sixth is in the third long passage by number, and stays with it as in the protocol by name
    assert set(leaks) == {inside, key("8bars_06", "2")}
    assert leaks[inside] == f"passage {MOVEMENT}_8bars_04 is in train, as {long}"
    with pytest.raises(SetupError, match="by passage_by_content leaks in 2 rows"):
        require_sound(fold, planned.rows)
    require_sound(replace(fold, protocol="passage", val=(inside,)), planned.rows)


def test_the_same_passage_by_another_pianist_leaks_through_what_really_holds_it(planned):
    fold = Fold("passage_by_content", "s0f0", 0, (key("16bars_03", "1"),), (key("8bars_04", "3"),))
    assert leaks_of(fold, by_id(planned))
    assert not leaks_of(replace(fold, protocol="passage"), by_id(planned))


def test_a_machine_s_repeat_leaks_by_content(planned):
    one, other = key("8bars_01", "Score"), key("8bars_06", "Score")
    fold = Fold("passage_by_content", "s0f0", 0, (one,), (other,))
    assert leaks_of(fold, by_id(planned))[0]["fault"] == f"the take of {one} and {other} is in train, as {one}"


def test_a_wrong_group_does_not_hide_a_take_on_both_sides(planned, files):
    folds = [replace(fold, protocol="passage_by_content") for fold in read_folds(files, "passage")]
    verdict = check_folds("passage_by_content", folds, planned.rows)
    assert not verdict.passed
    assert not verdict.warn


def test_without_midi_there_are_no_folds_by_content_and_it_is_said_what_to_give(tmp_path: Path):
    files = tier(tmp_path, KEYS)
    assert not write_folds(files).of("passage_by_content")
    with pytest.raises(SetupError, match=r"no folds of the protocol 'passage_by_content', .*give PercePiano's MIDI"):
        read_folds(files, "passage_by_content")
    told = takes_on_both_sides("passage", read_folds(files, "passage"), segments(KEYS))
    assert told.passed
    assert "no MIDI" in told.summary


def test_segments_of_an_earlier_version_are_made_again(tmp_path: Path):
    files = tier(tmp_path, KEYS)
    rows = [{column: row[column] for column in row if column != "content_group"} for row in segments(KEYS)]
    files.metadata.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(SetupError, match="earlier version; materialize percepiano/passages again"):
        plan_folds(files)
