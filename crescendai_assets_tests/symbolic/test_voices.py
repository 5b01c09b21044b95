"""Voices: planted ones are told apart, and those of real scores are found better than by chance, always the same."""

from __future__ import annotations

import numpy as np
import pytest

from crescendai_assets.symbolic.alignment import alignment, by_index, read_alignment
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import performance
from crescendai_assets.symbolic.score_xml import read_score_xml
from crescendai_assets.symbolic.voices import estimated_voices, score_voices
from crescendai_assets_tests.shared_data import DATA, needs_shared


def three_lines(seed=0):
    """Three lines in their own registers and rhythms, a little apart at common onsets; the voice of each note."""
    chance = np.random.default_rng(seed)
    columns = []
    for voice, (centre, period) in enumerate([(79, 0.25), (64, 0.5), (43, 1.0)], start=1):
        onset = np.arange(0, 20, period)
        pitch = np.clip(centre + np.cumsum(chance.integers(-2, 3, len(onset))), centre - 5, centre + 5)
        columns.append(
            np.stack(
                [
                    pitch,
                    onset + chance.normal(0, 0.005, len(onset)).clip(-0.01, 0.01),
                    onset * 0 + period,
                    onset * 0 + voice,
                ]
            )
        )
    pitch, onset, held, voice = np.concatenate(columns, axis=1)
    order = np.lexsort((pitch, onset))
    return performance(pitch, onset + 1, held * 0.95, pitch * 0 + 64), voice[order].astype(int)


def test_three_lines_are_told_apart_and_numbered_from_the_highest():
    played, voice = three_lines()
    assert np.array_equal(estimated_voices(played), voice)


def test_notes_of_one_onset_have_different_voices():
    played = performance([60, 62, 64, 65, 67], [1, 1, 1.01, 1.02, 1], [1] * 5, [64] * 5)
    assert sorted(estimated_voices(played)) == [1, 2, 3, 4, 5]


def test_a_slip_takes_the_score_voice_of_its_neighbours_or_none():
    played, voice = three_lines()
    slip = int(np.flatnonzero(voice == 3)[5])
    pairs = [(i, i) for i in range(len(played)) if i != slip]
    found = alignment(pairs, len(played), len(played))
    written = np.choose(voice - 1, [1, 2, 5])
    assert score_voices(played, written, found)[slip] == 0
    voices = score_voices(played, written, found, estimated_voices(played))
    assert np.array_equal(voices, written)


def test_notes_the_score_gives_no_voice_follow_the_others_of_their_estimate():
    played, voice = three_lines()
    pairs = [(i, i) for i in range(len(played))]
    found = alignment(pairs, len(played), len(played))
    written = np.choose(voice - 1, [1, 2, 5])
    some = written.copy()
    some[np.flatnonzero(voice == 2)[::3]] = 0
    assert np.array_equal(score_voices(played, some, found, voice), written)


def test_an_estimated_voice_of_which_the_score_knows_nothing_stays_a_voice_of_its_own():
    played, voice = three_lines()
    matched = np.flatnonzero(voice != 2)
    found = alignment([(int(i), int(i)) for i in matched], len(played), len(played))
    written = np.choose(voice - 1, [1, 9, 5])
    assert np.array_equal(score_voices(played, written, found, voice), np.choose(voice - 1, [1, 10, 5]))


@needs_shared
@pytest.mark.parametrize(("take", "least"), [("Bach/Fugue/bwv_854/LuA01M", 0.4), ("Bach/Prelude/bwv_860/Ko04M", 0.4)])
def test_estimates_agree_with_the_voices_of_real_scores(take, least):
    played = read_midi(DATA / "asap" / f"{take}.mid")
    file = DATA / "asap" / "nasap" / f"{take}_note_alignments" / "note_alignment.tsv"
    score = read_score_xml(file.parents[1] / "xml_score.musicxml")
    found = by_index(read_alignment(file), played, score)
    from sklearn.metrics import adjusted_rand_score

    written, estimate = score_voices(played, score, found), estimated_voices(played)
    assert set(written[found.matched[:, 0]]) <= set(score.voice)
    matched = found.matched[:, 0]
    assert adjusted_rand_score(written[matched], estimate[matched]) >= least
    assert np.array_equal(estimate, estimated_voices(played))
