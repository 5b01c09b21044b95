"""What may be compared: never across editions, rounds, splits, never one performer; as property tests."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.training.datasets import CompetitionPairSampler
from crescendai_assets.training.datasets_pairs import placement_of

COMPETITION_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "recording_id": st.uuids().map(str),
            "placement": st.sampled_from([None, 1, 2, 2, 3]),
            "edition": st.sampled_from(["chopin2015", "chopin2021"]),
            "round": st.sampled_from(["stage1", "final"]),
            "performer": st.sampled_from(["Ann", "Bo", "Cy", None]),
            "split": st.sampled_from(["train", "validation", None]),
        }
    ),
    max_size=14,
)
RATED_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "segment_id": st.uuids().map(str),
            "passage": st.sampled_from(["D960_8bars_1", "D960_8bars_2"]),
            "performer_group": st.sampled_from(["D960_1", "D960_2", "D960_machine"]),
        }
    ),
    max_size=12,
)


def differ(one, other, name) -> bool:
    return one.get(name) is None or other.get(name) is None or one[name] != other[name]


def comparable(one, other, cross_round=False) -> bool:
    """The rule, spelled out for two rows of competitions."""
    known = not math.isnan(placement_of(one)) and not math.isnan(placement_of(other))
    return (
        known
        and one["placement"] != other["placement"]
        and one["edition"] == other["edition"]
        and (cross_round or one["round"] == other["round"])
        and differ(one, other, "performer")
        and (one["split"] is None or other["split"] is None or one["split"] == other["split"])
    )


def every(rows, rule) -> set[tuple[int, int]]:
    return {(a, b) for a in range(len(rows)) for b in range(a + 1, len(rows)) if rule(rows[a], rows[b])}


@given(COMPETITION_ROWS, st.booleans(), st.integers(0, 3))
def test_pairs_of_competitions_are_those_that_a_jury_compared(rows, cross_round, seed):
    allowed = every(rows, lambda a, b: comparable(a, b, cross_round))
    listed = list(CompetitionPairSampler(rows, cross_round=cross_round, every=True))
    assert len(listed) == len(allowed)
    assert set(listed) == allowed
    sampler = CompetitionPairSampler(rows, cross_round=cross_round, seed=seed)
    for _ in range(2):
        drawn = list(sampler)
        assert {tuple(sorted(pair)) for pair in drawn} <= allowed
        assert sorted(a for a, _ in drawn) == sorted({one for pair in allowed for one in pair}), "each row once"
        assert len(drawn) == len(sampler)


@given(RATED_ROWS, st.booleans())
def test_pairs_of_rated_segments_are_of_one_passage_and_two_performers(rows, cross_round):
    allowed = every(rows, lambda a, b: a["passage"] == b["passage"] and a["performer_group"] != b["performer_group"])
    assert set(CompetitionPairSampler(rows, cross_round=cross_round, every=True)) == allowed


def field_of(count):
    """A round of so many performers, in order."""
    row = {"edition": "chopin2021", "round": "final"}
    return [{**row, "recording_id": f"r{n}", "performer": f"p{n}", "placement": n + 1} for n in range(count)]


def test_epochs_differ_and_are_the_same_again_for_the_same_seed():
    rows = field_of(12)
    sampler = CompetitionPairSampler(rows, seed=3)
    first, second = list(sampler), list(sampler)
    assert first != second
    again = CompetitionPairSampler(rows, seed=3)
    assert (list(again), list(again)) == (first, second)
    resumed = CompetitionPairSampler(rows, seed=3)
    resumed.set_epoch(1)
    assert list(resumed) == second
    assert list(CompetitionPairSampler(rows, seed=4)) != first


def test_every_partner_is_drawn_sooner_or_later():
    sampler = CompetitionPairSampler(field_of(5))
    seen = {pair for _ in range(60) for pair in sampler}
    assert len(seen) == 5 * 4


def test_editions_of_two_competitions_of_one_year_are_kept_apart():
    rows = [
        {"recording_id": "a", "competition": "Chopin", "edition": "2021", "round": "final", "placement": 1},
        {"recording_id": "b", "competition": "Leeds", "edition": "2021", "round": "final", "placement": 2},
    ]
    assert len(CompetitionPairSampler(rows)) == 0
    assert list(CompetitionPairSampler(rows, every=True)) == []


@pytest.mark.parametrize("every", [True, False])
def test_no_rows_make_no_pairs(every):
    assert list(CompetitionPairSampler([], every=every)) == []
