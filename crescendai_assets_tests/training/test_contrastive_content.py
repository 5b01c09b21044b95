from __future__ import annotations

import itertools

import numpy as np
import pytest

from crescendai_assets.symbolic.likeness import same_music, shingles
from crescendai_assets.training.contrastive_content import by_content, hear, part, unlike, work_of
from crescendai_assets_tests.symbolic.midi_files import ONE_NOTE, midi, save_performance, written
from crescendai_assets_tests.symbolic.movements import played_by

FIRST, THIRD = 1, 3


def heard(*movements, seed=0):
    """Shingles of a recording of some movements, each with wrong notes of its own."""
    return shingles(played_by(*movements, seed=seed))


def test_recordings_of_the_same_music_keep_the_plain_id_and_are_verified():
    parted = part("sonata", ["b", "a"], {"a": heard(FIRST), "b": heard(FIRST, seed=1)})
    assert parted.groups == {"sonata": ["a", "b"]}
    assert parted.verified == {"a", "b"}
    assert not parted.left_out


def test_two_movements_under_one_title_become_groups_counted_by_their_lowest_recording():
    shingles_by_id = {"d": heard(FIRST), "b": heard(FIRST, seed=1), "a": heard(THIRD), "c": heard(THIRD, seed=1)}
    parted = part("sonata", ["d", "c", "b", "a"], shingles_by_id)
    assert parted.groups == {"sonata#1": ["a", "c"], "sonata#2": ["b", "d"]}
    assert parted.verified == {"a", "b", "c", "d"}
    assert {work_of(group) for group in parted.groups} == {"sonata"}


def test_a_recording_that_is_like_no_other_is_a_group_of_its_own_and_not_verified():
    parted = part("sonata", ["a", "b", "c"], {"a": heard(FIRST), "b": heard(THIRD), "c": heard(FIRST, seed=1)})
    assert parted.groups == {"sonata#1": ["a", "c"], "sonata#2": ["b"]}
    assert parted.verified == {"a", "c"}


def test_recordings_without_midi_stay_unverified_beside_those_that_agree():
    parted = part("sonata", ["a", "b", "c"], {"a": heard(FIRST), "c": heard(FIRST, seed=1)})
    assert parted.groups == {"sonata": ["a", "b", "c"]}
    assert parted.verified == {"a", "c"}


def test_recordings_without_midi_are_left_out_where_the_title_covers_several_pieces():
    parted = part("sonata", ["a", "b", "c", "d"], {"a": heard(FIRST), "b": heard(THIRD)})
    assert parted.groups == {"sonata#1": ["a"], "sonata#2": ["b"]}
    assert parted.verified == frozenset()
    assert parted.left_out == ("c", "d")


@pytest.mark.parametrize("known", [[], ["a"]])
def test_without_midi_to_compare_titles_decide(known):
    parted = part("sonata", ["b", "a"], {i: heard(FIRST) for i in known})
    assert parted.groups == {"sonata": ["a", "b"]}
    assert not parted.verified
    assert not parted.left_out


def test_a_recording_of_two_movements_never_brings_them_into_one_group():
    shingles_by_id = {
        "a": heard(FIRST),
        "b": heard(FIRST, seed=1),
        "c": heard(FIRST, THIRD),
        "d": heard(FIRST, THIRD, seed=1),
        "e": heard(THIRD),
    }
    groups = by_content(shingles_by_id)
    assert sorted(itertools.chain(*groups)) == list("abcde")
    for group in groups:
        assert all(same_music(shingles_by_id[a], shingles_by_id[b]) for a, b in itertools.combinations(group, 2))
        assert not unlike({i: shingles_by_id[i] for i in group})
    together = {frozenset(pair) for group in groups for pair in itertools.combinations(group, 2)}
    assert frozenset("ab") in together
    assert frozenset("cd") in together, "two whole sonatas are the likest"
    assert frozenset("ae") not in together
    assert by_content(dict(reversed(shingles_by_id.items()))) == groups


def test_pairs_that_are_not_alike_are_named_with_how_alike_they_are():
    ((a, b, likeness),) = unlike({"b": heard(THIRD), "a": heard(FIRST)})
    assert (a, b) == ("a", "b")
    assert 0 <= likeness < 0.05


def test_midi_that_cannot_be_used_is_told_and_costs_no_other(tmp_path):
    good = save_performance(played_by(FIRST), tmp_path / "good.midi")
    files = {
        "good": good,
        "again": good,
        "bad": written(tmp_path, b"no MIDI", "bad.midi"),
        "short": written(tmp_path, midi(ONE_NOTE), "short.midi"),
        "gone": tmp_path / "gone.midi",
    }
    found = hear(files)
    assert found.shingles.keys() == {"good", "again"}
    assert np.array_equal(found.shingles["again"], heard(FIRST))
    assert found.unusable.keys() == {"bad", "short", "gone"}
    assert "too few notes" in found.unusable["short"]
    assert all(str(files[i]) in why for i, why in found.unusable.items())


def test_nothing_to_hear_starts_no_process():
    assert hear({}).shingles == {}
