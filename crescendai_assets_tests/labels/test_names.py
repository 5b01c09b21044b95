"""What a segment's name says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.labels.dimensions import DIMENSIONS, NAMES, mirrored
from crescendai_assets.labels.names import SegmentName, inner_passages, parse_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Beethoven_WoO80_var27_8bars_1_15.wav",
            ("Beethoven_WoO80_var27", 8, "1", 15, "Beethoven_WoO80_var27_8bars_15"),
        ),
        (
            "Beethoven_WoO80_thema_8bars_26_1.mid",
            ("Beethoven_WoO80_thema", 8, "26", 1, "Beethoven_WoO80_thema_8bars_1"),
        ),
        (" Schubert_D935_no.3_4bars_2_1.mid", ("Schubert_D935_no.3", 4, "2", 1, "Schubert_D935_no.3_4bars_1")),
        ("Schubert_D960_mv3_16bars_0_08", ("Schubert_D960_mv3", 16, "0", 8, "Schubert_D960_mv3_16bars_08")),
        ("Schubert_D960_mv2_8bars_score_05.wav", ("Schubert_D960_mv2", 8, "Score", 5, "Schubert_D960_mv2_8bars_05")),
        ("Schubert_D935_no.3_4bars_score2_50", ("Schubert_D935_no.3", 4, "Score2", 50, "Schubert_D935_no.3_4bars_50")),
    ],
)
def test_a_name_is_read_from_the_right_with_the_performer_before_the_passage(text, expected):
    name = parse_name(text)
    assert (name.piece, name.bars, name.performer, name.number, name.passage) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Schubert_D960_mv2_8bars_1",
        "Schubert_D960_mv2_1_05",
        "Schubert_D960_mv2_8bars_Rubinstein_05",
        "Schubert_D960_mv2_0bars_1_05",
        "Schubert_D960_mv2_8bars_1_05_x",
        "Schubert_D960_8bars_1_05",
        "../etc_D960_mv2_8bars_1_05",
        "Schubert_D960_../mv2_8bars_1_05",
        "Schubert_D960_mv2\\_8bars_1_05",
        "Schubert_D960_mv 2_8bars_1_05",
    ],
)
def test_another_form_is_refused_with_the_expected_one(text):
    with pytest.raises(ValueError, match="is not <piece>_<N>bars"):
        parse_name(text)


@given(st.sampled_from(["no.3", "mv2", "var_27", "a.b_c"]), st.integers(1, 999), st.integers(0, 9999))
def test_a_key_is_read_back_as_it_was_written(movement, bars, number):
    name = SegmentName("Schubert", "D960", movement, bars, "Score2", str(number))
    assert parse_name(name.key) == name


def test_both_renderings_of_a_score_are_one_performer_and_pianists_belong_to_their_work():
    score, score2 = parse_name("Schubert_D935_no.3_4bars_Score_9"), parse_name("Schubert_D935_no.3_4bars_Score2_9")
    assert score.performer_group == score2.performer_group
    assert score.recording != score2.recording
    assert score.is_machine
    one, other = parse_name("Schubert_D960_mv2_8bars_1_05"), parse_name("Schubert_D935_no.3_4bars_1_5")
    assert one.performer_group != other.performer_group
    assert not one.is_machine


def test_variations_are_pieces_of_their_own_and_one_recording():
    theme, variation = parse_name("Beethoven_WoO80_thema_8bars_1_1"), parse_name("Beethoven_WoO80_var27_8bars_1_15")
    assert theme.piece != variation.piece
    assert theme.recording == variation.recording
    assert parse_name("Schubert_D960_mv2_8bars_1_05").recording != parse_name("Schubert_D960_mv3_8bars_1_05").recording


def test_a_16_bar_passage_holds_two_8_bar_ones_of_its_piece():
    known = [f"Schubert_D960_mv2_8bars_{n:02d}" for n in range(1, 8)] + ["Schubert_D960_mv3_8bars_05"]
    inside = inner_passages(parse_name("Schubert_D960_mv2_16bars_1_03"), known)
    assert inside == ["Schubert_D960_mv2_8bars_05", "Schubert_D960_mv2_8bars_06"]
    assert inner_passages(parse_name("Schubert_D960_mv2_16bars_1_04"), known) == ["Schubert_D960_mv2_8bars_07"]
    assert inner_passages(parse_name("Schubert_D960_mv2_8bars_1_03"), known) == []


def test_there_are_nineteen_dimensions_whose_names_end_in_their_poles():
    assert len(NAMES) == len(set(NAMES)) == 19
    assert [d.index for d in DIMENSIONS] == list(range(19))
    assert NAMES[1] == "Articulation_Short_Long"
    assert NAMES[18] == "Interpretation_Unsatisfactory/doubtful_Convincing"
    for dimension in DIMENSIONS:
        assert dimension.name.endswith(f"{dimension.low}_{dimension.high}")


def test_a_mirrored_scale_exchanges_its_ends_and_keeps_its_middle():
    assert mirrored(1 / 7) == pytest.approx(1)
    assert mirrored(4 / 7) == pytest.approx(4 / 7)
