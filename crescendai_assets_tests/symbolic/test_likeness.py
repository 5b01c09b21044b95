from __future__ import annotations

import itertools

import numpy as np
import pytest

from crescendai_assets.symbolic import likeness
from crescendai_assets.symbolic.likeness import (
    FEWEST,
    NOTES,
    SAME_MUSIC,
    containment,
    groups_of_same_music,
    holds,
    same_music,
    share_held,
    shingles,
    shingles_of_file,
)
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.symbolic.midi_files import random_performance, save_performance


def played(pitch, onset=None):
    """Notes of one length, a fifth of a second apart unless onsets are given."""
    onset = np.arange(len(pitch)) * 0.2 if onset is None else onset
    return performance(pitch, onset, np.full(len(pitch), 0.1), np.full(len(pitch), 80))


def music(seed, notes=300):
    """Pitches of some music."""
    return np.random.default_rng(seed).integers(45, 80, notes)


def test_a_shingle_is_its_sorted_pitches_so_it_is_the_same_everywhere():
    assert shingles(played([62, 60, 64, 65, 67, 69])).tolist() == [
        sum(p << 7 * place for place, p in enumerate([60, 62, 64, 65, 67, 69]))
    ]
    found = shingles(played([60, 62, 64, 65, 67, 69, 127]))
    assert found.dtype == np.uint64
    assert found.tolist() == sorted(set(found.tolist()))
    assert len(shingles(played([60] * (NOTES - 1)))) == 0


def test_tempo_velocity_length_and_pedal_leave_shingles_as_they_are():
    onset = np.cumsum(np.random.default_rng(1).choice([0.0, 0.01, 0.2, 0.7], 300))
    read = played(music(1), onset)
    other = performance(
        read.pitch,
        onset * 1.7 + 3,
        np.full(300, 0.01),
        np.random.default_rng(2).integers(1, 128, 300),
        sustain=[(0, 127)],
    )
    assert np.array_equal(shingles(read), shingles(other))


def test_the_order_in_which_a_chord_is_struck_does_not_matter():
    chords = music(2).reshape(-1, 3)
    spread = np.repeat(np.arange(len(chords)) * 0.5, 3)
    one = played(chords.ravel(), spread + np.tile([0, 0.01, 0.02], len(chords)))
    other = played(chords.ravel(), spread + np.tile([0.02, 0, 0.01], len(chords)))
    assert np.array_equal(shingles(one), shingles(other))
    arpeggio = played(chords.ravel(), spread + np.tile([0.2, 0, 0.1], len(chords)))
    assert not np.array_equal(shingles(one), shingles(arpeggio))


def test_a_repeat_adds_next_to_nothing():
    once, twice = shingles(played(music(3))), shingles(played(np.tile(music(3), 2)))
    assert containment(once, twice) == 1
    assert len(twice) - len(once) == NOTES - 1


def test_other_music_and_the_same_music_transposed_are_not_the_same():
    one = shingles(played(music(4)))
    assert not same_music(one, shingles(played(music(5))))
    assert not same_music(one, shingles(played(music(4) + 1)))


@pytest.mark.parametrize("wrong", [0.02, 0.1])
def test_wrong_missing_and_added_notes_leave_it_the_same_music(wrong):
    chance = np.random.default_rng(6)
    pitch = music(6, 1000)
    spoilt = pitch.copy()
    spoilt[chance.random(1000) < wrong] += 1
    spoilt = np.insert(spoilt[chance.random(1000) >= wrong / 2], 100, [70, 71, 70, 71])
    one, other = shingles(played(pitch)), shingles(played(spoilt))
    assert SAME_MUSIC < containment(one, other) < 1
    assert same_music(one, other)


def test_a_part_is_the_same_music_as_its_whole_and_is_held_by_it_but_not_the_reverse():
    whole, part = shingles(played(music(7))), shingles(played(music(7)[100:150]))
    assert same_music(whole, part)
    assert same_music(part, whole)
    assert (share_held(whole, part), containment(part, whole)) == (1, 1)
    assert holds(whole, part)
    assert not holds(shingles(played(music(7)[145:])), part)
    assert share_held(part, whole) == len(part) / len(whole)


def test_a_few_shingles_that_agree_do_not_tell():
    few = shingles(played(music(8)[: NOTES + FEWEST]))
    assert len(few) == FEWEST + 1
    spoilt = shingles(played(np.append(music(8)[: NOTES + FEWEST - 2], [30, 31])))
    assert len(np.intersect1d(few, spoilt)) == FEWEST - 1
    assert not same_music(few, spoilt)
    assert not holds(few, spoilt)
    assert same_music(few, few)
    tiny = shingles(played(music(8)[: NOTES + 1]))
    assert same_music(few, tiny), "all that there is agrees"


def test_a_file_of_hardly_any_notes_is_like_nothing():
    none = shingles(played([60, 61]))
    assert (containment(none, none), share_held(none, none)) == (0, 0)
    assert not same_music(none, none)
    assert not holds(shingles(played(music(9))), none)
    assert groups_of_same_music({"b": none, "a": none}) == [["a"], ["b"]]
    assert groups_of_same_music({}) == []


def test_files_are_grouped_by_what_they_hold_and_a_file_of_two_pieces_joins_them():
    pieces = {name: played(music(seed)) for name, seed in {"x": 10, "y": 11, "z": 12}.items()}
    both = played(np.concatenate([music(10), music(12)]))
    found = groups_of_same_music(
        {name: shingles(one) for name, one in [*pieces.items(), ("a", both), ("x2", pieces["x"])]}
    )
    assert found == [["a", "x", "x2", "z"], ["y"]]


def test_grouping_by_the_index_is_grouping_by_all_pairs():
    chance = np.random.default_rng(13)
    sets = {}
    for number in range(60):
        # pieces that share passages to any degree, among them some around the threshold
        passages = [music(100 + k, 40) for k in chance.integers(0, 25, chance.integers(1, 12))]
        sets[f"file{number:02}"] = shingles(played(np.concatenate(passages)))
    alike = {frozenset(pair) for pair in itertools.combinations(sets, 2) if same_music(*(sets[i] for i in pair))}
    assert 0 < len(alike) < 60 * 59 / 2
    expected = {name: {name} for name in sets}
    for a, b in map(tuple, alike):
        if expected[a] is not expected[b]:
            expected[a] |= expected[b]
            for name in expected[b]:
                expected[name] = expected[a]
    found = groups_of_same_music(sets)
    assert {frozenset(group) for group in found} == {frozenset(group) for group in expected.values()}
    assert found == [sorted(group) for group in sorted(found)]
    assert groups_of_same_music(dict(reversed(sets.items()))) == found


def test_the_index_finds_exactly_the_pairs_that_one_by_one_are_found():
    # few pitches, so that shingles of different files meet by chance as often as not
    sets = [shingles(played(np.random.default_rng(i).integers(60, 64, 40 + i))) for i in range(25)]
    index = likeness._Index(sets)
    for i, one in enumerate(sets):
        expected = [j > i and same_music(one, other) for j, other in enumerate(sets)]
        assert index.same_music(i).tolist() == expected


def test_a_file_is_read_and_taken_apart_in_one_go(tmp_path):
    read = random_performance(14, 80, dense=3)
    assert np.array_equal(shingles_of_file(save_performance(read, tmp_path / "a.mid")), shingles(read))
