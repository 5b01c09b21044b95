"""Parts of a performance keep what stood when they began, and find their bars in the score."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from crescendai_assets.symbolic.alignment import align
from crescendai_assets.symbolic.excerpts import aligned_excerpt, excerpt, score_bounds
from crescendai_assets.symbolic.performance import Performance, performance


def scale(notes: int, step: float, *, first: float = 0.0, **more) -> Performance:
    """A scale up and down, a note every `step` seconds."""
    pitch = 60 + np.abs((np.arange(notes) % 24) - 12)
    return performance(pitch, first + step * np.arange(notes), np.full(notes, step * 0.9), np.full(notes, 70), **more)


def test_a_part_begins_at_0_with_the_pedal_and_tempo_that_held():
    read = scale(40, 0.5, sustain=((1.0, 127), (4.0, 0), (7.0, 90), (19.0, 0)), tempos=((0.0, 120), (6.0, 90)))
    part = excerpt(read, 8.0, 12.0)
    assert part.onset.tolist() == [0.5 * note for note in range(8)]
    assert part.pitch.tolist() == read.pitch[16:24].tolist()
    assert part.sustain.tolist() == [[0.0, 90.0]]
    assert part.tempos.tolist() == [[0.0, 90.0]]


def test_all_of_a_performance_is_in_its_parts_once():
    read = scale(101, 0.37)
    ends = [0.0, 9.1, 18.5, 30.0, 100.0]
    parts = [excerpt(read, start, stop) for start, stop in pairwise(ends)]
    assert sum(len(part) for part in parts) == len(read)
    np.testing.assert_allclose(
        np.concatenate([part.onset + start for part, start in zip(parts, ends, strict=False)]), read.onset
    )


def test_a_part_without_notes_is_refused():
    with pytest.raises(ValueError, match=r"no note begins between 90\.00 s and 95\.00 s"):
        excerpt(scale(10, 0.5), 90, 95)


def test_moments_are_found_in_the_score_though_it_runs_at_another_pace():
    played, score = scale(120, 0.4, first=2.0), scale(120, 0.25)
    found = score_bounds(played, score, align(played, score), np.array([2.0 + 0.4 * 40, 2.0 + 0.4 * 80]))
    np.testing.assert_allclose(found, [10.0, 20.0], atol=0.3)


def test_what_is_matched_in_a_part_is_what_was_matched_of_it_in_the_whole():
    played, score = scale(120, 0.4), scale(120, 0.25)
    whole = align(played, score)
    part, bars, aligned = aligned_excerpt(played, score, whole, (16.0, 32.0), (10.0, 20.0))
    assert len(part) == len(bars) == len(aligned.matched) == 40
    assert part.pitch[aligned.matched[:, 0]].tolist() == bars.pitch[aligned.matched[:, 1]].tolist()
    assert not len(aligned.insertions)
    assert not len(aligned.deletions)
