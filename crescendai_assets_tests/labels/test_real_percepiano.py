"""PercePiano itself: the figures that everything else rests on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.labels.baselines import ALL, LEFT_OUT
from crescendai_assets.labels.baselines_in_folds import plan_baselines
from crescendai_assets.labels.composite import check_composites, plan_composites
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.fold_checks import check_folds, takes_on_both_sides
from crescendai_assets.labels.folds import fold_sizes, read_folds, write_folds
from crescendai_assets.labels.names import parse_name
from crescendai_assets.labels.passages import read_passages, write_passages
from crescendai_assets.labels.percepiano import write_labels
from crescendai_assets.labels.pictures import baselines_picture, reliability_picture
from crescendai_assets.labels.piece_mapping import check_piece_mapping, write_piece_mapping
from crescendai_assets.labels.published import check_against_published, read_published
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.labels.reliability import COUNTINGS, plan_reliability
from crescendai_assets.labels.taxonomy import read_taxonomy
from crescendai_assets.lake.groups import joined
from crescendai_assets.sources.catalogue_yaml import catalogue_folders
from crescendai_assets_tests.percepiano_lake import PERCEPIANO, real_labels
from crescendai_assets_tests.shared_data import needs_shared

LABEL_FILE = PERCEPIANO / "label_2round_mean_reg_19_with0_rm_highstd0.json"

pytestmark = needs_shared


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> LabelFiles:
    """The whole tier but for its folds; only read."""
    return real_labels(tmp_path_factory.mktemp("percepiano"))


def test_the_raw_file_is_read_to_its_last_row(files: LabelFiles):
    assert write_ratings(files, PERCEPIANO / "total_2rounds.csv").facts == {
        "read": 14_934,
        "kept": 14_642,
        "dropped_above_the_scale": 208,
        "dropped_without_an_answer": 84,
        "dropped_odd": 0,
        "copies_of_another_row": 2_198,
        "segments": 1_202,
        "users": 63,
        "missing_answers": 208,
    }


def test_means_are_the_published_ones(files: LabelFiles):
    planned = write_labels(files)
    verdict = check_against_published(planned.labels, read_published(LABEL_FILE), tolerance=1e-9)
    assert verdict.passed, verdict
    assert planned.incomplete == []
    assert (planned.facts["fewest_raters"], planned.facts["most_raters"]) == (3, 17)
    # by another way to read it: the published list, with nothing of this package but the file's name
    published = json.loads(LABEL_FILE.read_text())
    ours = np.array([planned.labels[key] for key in published])
    assert np.abs(ours - np.array([values[:19] for values in published.values()])).max() < 1e-9


def test_passages_join_to_46_groups_and_by_content_to_36(files: LabelFiles):
    planned = write_passages(files, PERCEPIANO / "midi")
    assert planned.facts == {
        "segments": 1_202,
        "pieces": 20,
        "passages": 99,
        "passage_groups_by_bars": 58,
        "passage_groups": 46,
        "performer_groups": 34,
        "machine_renderings": 129,
        "groups_of_identical_midi": 21,
        "without_midi": 0,
        "unknown_midi": 0,
        "content_groups": 36,
        "same_take_pairs": 353,
        "same_take_pairs_across_passage_groups": 85,
        "same_take_pairs_across_passage_groups_by_pianists": 54,
        "passages_that_hold_others_than_by_number": 9,
        "midi_of_other_music": 1,
        "unreadable_midi": 0,
    }
    assert planned.findings[0] == {
        "id": "Beethoven_WoO80_var25_8bars_19_14",  # it holds variation 24
        "found": "does not hold the music of the passage's other performances",
    }
    assert len(planned.findings) == 10


@pytest.mark.parametrize(
    ("movement", "holds"),
    [
        ("mv2", {1: "1 2", 2: "3 4", 3: "5", 4: "6 7", 5: "8 9", 6: "10 11", 7: "12 13", 8: "14 15", 9: "16 17"}),
        ("mv3", {1: "1 2", 7: "12 13", 8: "14 15", 12: "23 24", 18: "35 36", 19: "37"}),
    ],
)
def test_what_long_passages_hold_is_found_where_their_numbers_are_wrong(files: LabelFiles, movement, holds):
    long = [row for row in read_passages(files) if row["movement"] == movement and row["bars"] == 16]
    found = {row["number"]: " ".join(str(int(inner.rpartition("_")[2])) for inner in row["holds"]) for row in long}
    assert found == holds
    by_number = {row["number"] for row in long if row["holds"] == row["holds_nominal"]}
    assert by_number == {"mv2": {1, 2}, "mv3": {1, 12, 18, 19}}[movement]


def test_no_group_by_content_tears_a_group_by_name_or_a_take(files: LabelFiles):
    rows = {row["segment_id"]: row for row in read_passages(files)}
    assert len({(row["passage_group"], row["content_group"]) for row in rows.values()}) == 46
    for row in rows.values():
        assert {rows[other]["content_group"] for other in row["same_take"]} <= {row["content_group"]}


def test_folds_by_passage_have_takes_on_both_sides_and_those_by_content_none(files: LabelFiles):
    rows = read_passages(files)
    told = takes_on_both_sides("passage", read_folds(files, "passage"), rows)
    assert (told.passed, told.warn) == (False, True)
    assert told.facts["pairs_that_are_ever_on_both_sides"] == 85
    assert told.facts["pairs_on_both_sides"] == (
        "s0f0: 16, s0f1: 33, s0f2: 32, s0f3: 49, s1f0: 13, s1f1: 19, s1f2: 12, s1f3: 24, "
        "s2f0: 34, s2f1: 43, s2f2: 40, s2f3: 49"
    )
    assert takes_on_both_sides("passage", read_folds(files, "passage_by_content"), rows).passed


def test_joining_only_what_was_rated_gives_55_groups_none_of_them_torn_by_ours(files: LabelFiles):
    rows = read_passages(files)
    passage_of = {row["segment_id"]: row["passage"] for row in rows}
    by_bars = [[row["passage"], *row["holds_nominal"]] for row in rows]
    by_midi = [[row["passage"], *(passage_of[key] for key in row["same_midi"])] for row in rows]
    assert len(set(joined(by_bars).values())) == 71
    strict = joined([*by_bars, *by_midi])
    assert len(set(strict.values())) == 55
    ours = {row["passage"]: row["passage_group"] for row in rows}
    assert len({(strict[passage], ours[passage]) for passage in ours}) == 55


def test_the_names_agree_with_another_reading_of_them(files: LabelFiles):
    for row in read_passages(files):
        head, performer, number = row["segment_id"].rsplit("_", 2)
        piece, bars = re.fullmatch(r"(.*)_(\d+)bars", head).groups()  # type: ignore[union-attr]
        assert (row["piece"], row["bars"]) == (piece, int(bars))
        assert (row["performer"], row["number"]) == (performer, int(number))
    scores = [path.name for path in (PERCEPIANO / "score_midi").glob("*bars*")]
    assert len(scores) > 200
    assert {parse_name(name).performer for name in scores} == {"Score", "Score2"}


@pytest.mark.parametrize("protocol", ["passage", "passage_by_content", "performer", "work"])
def test_no_protocol_of_ours_leaks(files: LabelFiles, protocol):
    verdict = check_folds(protocol, read_folds(files, protocol), read_passages(files))
    assert verdict.passed, verdict
    assert verdict.facts["segments_in_folds"] == verdict.facts["segments_compared_by_midi"] == 1_202
    assert verdict.facts["without_machine_renderings"] == 1_073


def test_without_midi_the_passage_folds_leak_and_the_check_with_midi_sees_it(files: LabelFiles, tmp_path: Path):
    blind = LabelFiles(tmp_path)
    tmp_path.joinpath("labels.json").write_bytes(files.labels.read_bytes())
    assert write_passages(blind).facts["passage_groups"] == 58
    folds = write_folds(blind).of("passage")
    verdict = check_folds("passage", folds, read_passages(files))
    assert not verdict.passed
    assert "MIDI" in str(verdict.rows[0]["fault"])
    assert "1202 segments without MIDI" in check_folds("passage", folds, read_passages(blind)).summary


def test_published_folds_share_77_to_82_passages(files: LabelFiles):
    folds = read_folds(files, "published")
    verdict = check_folds("published", folds, read_passages(files))
    assert (verdict.passed, verdict.warn) == (False, True)
    assert verdict.facts["passages_on_both_sides"] == "f0: 82, f1: 82, f2: 82, f3: 77"
    assert verdict.facts["leaking_rows"] == "f0: 243, f1: 240, f2: 240, f3: 241"
    assert verdict.facts["segments_in_folds"] == 964
    sizes = fold_sizes(folds, read_passages(files))
    assert [(row["train"], row["val"]) for row in sizes] == [(721, 243), (724, 240), (724, 240), (723, 241)]


def test_works_left_out_are_three(files: LabelFiles):
    sizes = fold_sizes(read_folds(files, "work"), read_passages(files))
    assert {row["fold"]: (row["val"], row["val_without_machine"]) for row in sizes} == {
        "D935": (117, 91),
        "D960": (847, 778),
        "WoO80": (238, 204),
    }


def test_the_mapping_is_by_passage_and_the_published_one_is_not(files: LabelFiles):
    assert write_piece_mapping(files).facts == {"passages": 99, "segments": 1_202, "pairs": 7_022}
    assert check_piece_mapping(files).passed
    files.piece_mapping.write_bytes((PERCEPIANO / "published_piece_mapping.json").read_bytes())
    assert not check_piece_mapping(files).passed
    write_piece_mapping(files)


def test_reliability_is_as_published_and_lower_when_counted_honestly(files: LabelFiles):
    rows = plan_reliability(files)
    found = {counting: [r["icc_mean"] for r in rows if r["counting"] == counting] for counting in COUNTINGS}
    assert np.mean(found["published"]) == pytest.approx(0.796, abs=0.001)
    assert (min(found["published"]), max(found["published"])) == pytest.approx((0.710, 0.924), abs=0.001)
    assert np.mean(found["without copies"]) == pytest.approx(0.761, abs=0.001)
    assert np.mean(found["by rater"]) == pytest.approx(0.742, abs=0.001)
    one = [r["icc_one"] for r in rows if r["counting"] == "by rater"]
    assert np.mean(one) == pytest.approx(0.253, abs=0.001)
    assert len(reliability_picture(rows)) <= 40_000


def test_baselines_without_listening(files: LabelFiles):
    rows = plan_baselines(files)
    left_out = {r["grouping"]: r["r2"] for r in rows if (r["evaluated"], r["rows"]) == (LEFT_OUT, ALL)}
    assert left_out["passage"] == pytest.approx(0.291, abs=0.001)
    assert left_out["movement and performer"] == pytest.approx(0.319, abs=0.001)
    assert left_out["work and performer"] == pytest.approx(0.210, abs=0.001)
    assert left_out["piece"] == pytest.approx(0.187, abs=0.001)
    given_away = {(r["evaluated"], r["grouping"]): r["r2"] for r in rows if r["evaluated"] != LEFT_OUT}
    assert given_away["passage", "passage"] < 0
    assert given_away["performer", "movement and performer"] < 0
    assert given_away["published", "passage"] == pytest.approx(0.268, abs=0.001)
    assert len(baselines_picture(rows)) <= 40_000


def test_the_shipped_composites_are_reliable_and_none_is_anothers_double(files: LabelFiles):
    planned = plan_composites(files, read_taxonomy(catalogue_folders({})))
    verdict = check_composites(planned)
    assert verdict.passed, verdict
    reliable = {row["composite"]: round(row["icc_mean_by_rater"], 2) for row in planned.validation}
    assert reliable == {
        "articulation": 0.80,
        "dynamics": 0.72,
        "interpretation": 0.74,
        "pedaling": 0.90,
        "phrasing": 0.74,
        "timing": 0.73,
    }
    machine = {row["segment_id"] for row in read_passages(files) if row["machine"]}
    column = planned.taxonomy.names.index("interpretation")
    values = {who: [v[column] for k, v in planned.labels.items() if (k in machine) == who] for who in (True, False)}
    assert np.mean(values[False]) - np.mean(values[True]) > 0.1  # pianists convince more than machines
