"""What hangs together: long passages and those inside, identical MIDI, and groups that no split may tear apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crescendai_assets.labels.names import parse_name
from crescendai_assets.labels.passage_groups import passage_groups
from crescendai_assets.labels.passages import PlannedPassages, midi_files, plan_passages, write_passages
from crescendai_assets.labels.piece_mapping import (
    PlannedMapping,
    check_piece_mapping,
    plan_piece_mapping,
    write_piece_mapping,
)
from crescendai_assets.labels.schemas import PASSAGES
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import check_schema
from crescendai_assets_tests.labels.rated import score_of, tier

LONG = score_of("D960", "mv2", ["1", "Score"], [1, 3], bars=16)
SHORT = score_of("D960", "mv2", ["1", "Score"], range(1, 8))
ELSEWHERE = score_of("D935", "no.3", ["1", "Score"], [1, 5], bars=4)
KEYS = [*LONG, *SHORT, *ELSEWHERE]


def groups(keys, identical=()):
    found = passage_groups([parse_name(key) for key in keys], identical)
    return {p.removeprefix("Schubert_"): g.removeprefix("Schubert_") for p, g in found.items()}


def midi_folder(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "midi"
    path.mkdir()
    for name, data in contents.items():
        (path / name).write_bytes(data)
    return path


def test_a_long_passage_and_the_two_short_ones_in_it_are_one_group():
    found = groups(KEYS)
    assert found["D960_mv2_16bars_01"] == found["D960_mv2_8bars_01"] == found["D960_mv2_8bars_02"]
    assert found["D960_mv2_16bars_03"] == found["D960_mv2_8bars_05"] == found["D960_mv2_8bars_06"]
    assert found["D960_mv2_8bars_02"] != found["D960_mv2_8bars_03"]


def test_halves_of_a_period_stay_together_where_the_long_passage_was_not_rated():
    found = groups(KEYS)
    assert found["D960_mv2_8bars_03"] == found["D960_mv2_8bars_04"]


def test_without_long_passages_short_ones_stand_alone():
    assert len(set(groups(SHORT).values())) == 7
    assert len(set(groups(ELSEWHERE).values())) == 2


def test_identical_midi_joins_groups_across_the_piece():
    one, other = "Schubert_D960_mv2_8bars_Score_01", "Schubert_D960_mv2_8bars_Score_07"
    found = groups(KEYS, [[one, other]])
    assert found["D960_mv2_16bars_01"] == found["D960_mv2_8bars_07"]
    assert len(set(found.values())) == len(set(groups(KEYS).values())) - 1


def test_a_row_says_what_lies_inside_and_around_and_who_plays():
    rows = {row["segment_id"]: row for row in plan_passages(KEYS).rows}
    long = rows["Schubert_D960_mv2_16bars_1_01"]
    assert long["holds"] == ["Schubert_D960_mv2_8bars_01", "Schubert_D960_mv2_8bars_02"]
    assert rows["Schubert_D960_mv2_8bars_1_02"]["held_by"] == ["Schubert_D960_mv2_16bars_01"]
    assert rows["Schubert_D960_mv2_8bars_1_03"]["held_by"] == []
    score = rows["Schubert_D960_mv2_8bars_Score_02"]
    assert (score["machine"], score["performer_group"]) == (True, "D960_machine")
    assert (long["machine"], long["performer_group"], long["midi_sha256"]) == (False, "D960_1", None)


def test_identical_midi_is_found_by_content_whatever_the_file_is_called(tmp_path: Path):
    names = [f"{key}.mid" for key in KEYS]
    contents = {name: name.encode() for name in names}
    contents["Schubert_D960_mv2_8bars_Score_01.mid"] = contents["Schubert_D960_mv2_8bars_Score_07.mid"] = b"same"
    first = names.pop(0)
    contents[f" {first}"] = contents.pop(first)
    contents["notes.txt"] = b"same"
    contents["Schubert_D960_mv2_8bars_99_01.MID"] = b"same"  # of nobody who was rated
    planned = plan_passages(KEYS, midi_folder(tmp_path, contents))
    rows = {row["segment_id"]: row for row in planned.rows}
    assert rows["Schubert_D960_mv2_8bars_Score_01"]["same_midi"] == ["Schubert_D960_mv2_8bars_Score_07"]
    assert rows["Schubert_D960_mv2_8bars_1_01"]["same_midi"] == []
    assert (
        rows["Schubert_D960_mv2_8bars_1_01"]["passage_group"] == rows["Schubert_D960_mv2_8bars_1_07"]["passage_group"]
    )
    assert rows[first.removesuffix(".mid")]["midi_sha256"]
    assert planned.without_midi == []
    assert planned.unknown_midi == ["Schubert_D960_mv2_8bars_99_01"]
    assert planned.facts["passage_groups"] == planned.facts["passage_groups_by_bars"] - 1


def test_a_segment_without_midi_is_counted(tmp_path: Path):
    planned = plan_passages(KEYS, midi_folder(tmp_path, {f"{KEYS[0]}.mid": b"x"}))
    assert planned.facts["without_midi"] == len(KEYS) - 1


def test_two_files_of_one_segment_are_refused(tmp_path: Path):
    folder = midi_folder(tmp_path, {f"{KEYS[0]}.mid": b"x", f" {KEYS[0]}.mid": b"y"})
    with pytest.raises(SetupError, match="are both of"):
        midi_files(folder)


def test_a_folder_that_is_not_of_these_segments_is_refused(tmp_path: Path):
    with pytest.raises(SetupError, match="no such folder"):
        plan_passages(KEYS, tmp_path / "none")
    with pytest.raises(SetupError, match="holds no MIDI file of a segment"):
        plan_passages(KEYS, midi_folder(tmp_path, {"song.mid": b"x"}))


def test_what_is_written_fits_the_schema_and_is_what_was_planned(tmp_path: Path):
    files = tier(tmp_path, KEYS)
    planned = write_passages(files)
    assert check_schema(PASSAGES, list(read_rows(files.metadata))).passed
    assert PlannedPassages.digest_on_disk(files) == planned.digest == plan_passages(reversed(KEYS)).digest
    assert plan_passages(KEYS[1:]).digest != planned.digest


def test_the_mapping_holds_performances_of_the_same_bars_and_nothing_alone(tmp_path: Path):
    files = tier(tmp_path, [*KEYS, "Schubert_D960_mv3_8bars_1_01"])
    planned = write_piece_mapping(files)
    assert planned.mapping["Schubert_D960_mv2_8bars_03"] == [
        "Schubert_D960_mv2_8bars_1_03",
        "Schubert_D960_mv2_8bars_Score_03",
    ]
    assert "Schubert_D960_mv3_8bars_01" not in planned.mapping
    assert planned.facts == {"passages": 11, "segments": 22, "pairs": 11}
    assert PlannedMapping.digest_on_disk(files) == plan_piece_mapping(files).digest
    assert check_piece_mapping(files).passed


def test_a_mapping_by_performer_is_found_out(tmp_path: Path):
    files = tier(tmp_path, KEYS)
    by_performer = {"Schubert_D960_mv2_8bars_1": SHORT[:3], "alone": [KEYS[0]], "again": SHORT[:1]}
    files.piece_mapping.write_text(json.dumps(by_performer))
    verdict = check_piece_mapping(files)
    assert not verdict.passed
    faults = " | ".join(str(row["fault"]) for row in verdict.rows)
    assert "is of Schubert_D960_mv2_8bars_01" in faults
    assert "nothing to compare" in faults
    assert "stands under Schubert_D960_mv2_8bars_1 as well" in faults
