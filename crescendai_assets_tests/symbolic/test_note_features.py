"""Note features say what was done with the notes of the score, and nothing of what does not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.alignment import alignment
from crescendai_assets.symbolic.note_features import (
    OF_CONTEXTS,
    extract_note_features,
    named_note_features,
)
from crescendai_assets.symbolic.note_features_aligned import aligned_notes, course, written_notes
from crescendai_assets.symbolic.note_features_contexts import CHANNELS, note_numbers
from crescendai_assets.symbolic.note_features_score import best_keys, harmony
from crescendai_assets.symbolic.performance import Performance, performance

BEATS = 16
MELODY = [72, 74, 76, 77, 79, 77, 76, 74] * 2


def score(third: int = 4) -> Performance:
    """A melody over a triad at every quarter note, at 120 a minute, so two beats a second."""
    pitch, onset, held = [], [], []
    for beat, top in enumerate(MELODY):
        for note in (48, 48 + third, 55, top):
            pitch.append(note)
            onset.append(beat / 2)
            held.append(0.5)
    return performance(pitch, onset, held, [64] * len(pitch), tempos=((0.0, 120.0),))


def played(
    pace: float = 1.0,
    slowing: float = 0.0,
    lead: float = 0.0,
    melody: int = 0,
    held: float = 1.0,
    loudness: int = 0,
    sustain=(),
) -> Performance:
    """The score as somebody plays it."""
    written = score()
    beat = written.onset * 2
    onset = 0.5 + pace * (beat / 2 + slowing * (beat / BEATS) ** 3)
    top = written.pitch >= 72
    return replace(
        performance(
            written.pitch,
            onset - lead * top,
            written.duration * pace * held,
            written.velocity + loudness + melody * top,
        ),
        sustain=np.asarray(sustain, float).reshape(-1, 2),
    )


def features(read: Performance, written: Performance | None = None) -> dict[str, float]:
    written = written or score()
    pairs: list[tuple[int, int]] = []
    for pitch in np.unique(written.pitch):  # a key's notes come in the same order
        pairs += zip(np.flatnonzero(read.pitch == pitch), np.flatnonzero(written.pitch == pitch), strict=True)
    return named_note_features(aligned_notes(read, written, alignment(pairs, len(read), len(written))))


PLAIN = features(played())


def test_all_are_finite_and_of_one_set_of_names_without_a_pedal_and_with_one():
    pedalled = features(played(sustain=[(0.6, 127), (1.4, 0), (1.5, 127), (3.0, 0)]))
    assert list(pedalled) == list(PLAIN)
    assert len(PLAIN) == 2850
    assert sum(name.startswith(OF_CONTEXTS) for name in PLAIN) == 2400
    assert np.isfinite(list(PLAIN.values())).all()
    assert np.isfinite(list(pedalled.values())).all()


def test_what_the_pianist_does_moves_the_feature_of_its_name():
    assert features(played(pace=2))["tempo_of_written"] - PLAIN["tempo_of_written"] == pytest.approx(np.log(2))
    slowed = features(played(slowing=3.0))
    assert slowed["tempo_1b_end"] > PLAIN["tempo_1b_end"] + 0.1
    assert slowed["tempo_1b_slope"] > 0.3
    assert features(played(lead=0.03))["chord_top_lag_mean"] == pytest.approx(-0.03 * 3 / 4, abs=1e-6)
    sung = features(played(melody=12))
    assert sung["melody_over_rest_mean"] == pytest.approx(12)
    assert PLAIN["melody_over_rest_mean"] == pytest.approx(0)
    short = features(played(held=0.5))
    assert short["held_mean"] - PLAIN["held_mean"] == pytest.approx(np.log(0.5))
    blurred = features(played(sustain=[(0.4, 127), (9.0, 0)]))
    assert blurred["sound_clash_mean"] > PLAIN["sound_clash_mean"] + 0.2
    assert blurred["held_sounding_mean"] > PLAIN["held_sounding_mean"] + 1
    changed = features(played(sustain=[(t + d, v) for t in np.arange(0.5, 8) for d, v in ((0, 0), (0.1, 127))]))
    assert changed["pedal_changes_a_beat"] == pytest.approx(0.5, abs=0.05)
    assert changed["pedal_after_moments_mean"] == pytest.approx(0.1, abs=0.01)


def test_features_of_the_score_ask_nothing_of_the_playing():
    names = [name for name in PLAIN if name.startswith("score_")]
    assert len(names) > 80
    wild = features(played(pace=1.3, slowing=2, lead=0.02, melody=9, held=0.4, loudness=7))
    assert [wild[name] for name in names] == [PLAIN[name] for name in names]
    assert sum(wild[name] != PLAIN[name] for name in PLAIN if name not in names) > 2500


def test_major_and_minor_are_told_apart_in_every_key():
    for third, sign in ((4, 1), (3, -1)):
        assert sign * harmony(written_notes(score(third)))["score_triads_mode"] > 0.5
        for tonic in range(12):
            classes = np.zeros(12)
            classes[[(tonic + step) % 12 for step in (0, third, 7)]] = (3, 2, 2)
            (major, in_major), (minor, in_minor) = best_keys(classes)
            assert np.sign(major - minor) == sign
            assert (in_major if sign > 0 else in_minor) == tonic


def test_a_course_knows_a_rise_an_arch_and_a_last_fifth():
    rise = course(np.linspace(0, 2, 21), "x")
    assert rise["x_slope"] == pytest.approx(2)
    assert rise["x_arch"] == pytest.approx(0, abs=1e-12)
    arch = course(1 - np.linspace(-1, 1, 21) ** 2, "x")
    assert arch["x_arch"] == pytest.approx(1)
    assert arch["x_slope"] == pytest.approx(0, abs=1e-12)
    assert course(np.array([0.0] * 8 + [1.0, 1.0]), "x")["x_end"] == 1
    assert set(course(np.zeros(0), "x").values()) == {0.0}


def test_contexts_are_the_same_from_call_to_call_and_bounded():
    again = features(played())
    names = [name for name in PLAIN if name.startswith(OF_CONTEXTS)]
    assert [again[name] for name in names] == [PLAIN[name] for name in names]
    assert max(abs(PLAIN[name]) for name in names) <= 1
    read, written = played(), score()
    pairs = [(place, place) for place in range(len(written))]
    told = note_numbers(aligned_notes(read, written, alignment(pairs, len(read), len(written))))
    assert told.shape == (len(written), CHANNELS)


def test_a_score_of_other_music_is_refused():
    with pytest.raises(RecordingError, match="only 3 of 64 notes are in the score"):
        aligned_notes(played(), score(), alignment([(0, 0), (1, 1), (2, 2)], 64, 64))


def write(path: Path, read: Performance) -> Path:
    import symusic

    out = symusic.Score(480)
    out.tempos.append(symusic.Tempo(0, 120))
    track = symusic.Track("piano", 0, False)
    for onset, held, pitch, velocity in zip(read.onset, read.duration, read.pitch, read.velocity, strict=True):
        track.notes.append(symusic.Note(round(onset * 960), round(held * 960), int(pitch), int(velocity)))
    out.tracks.append(track)
    path.write_bytes(out.dumps_midi())
    return path


def test_files_are_read_and_aligned(tmp_path):
    wild = write(tmp_path / "wild.mid", played(pace=1.2, slowing=1.0, melody=9, held=0.8))
    written = write(tmp_path / "score.mid", score())
    own = extract_note_features(wild, written)
    assert own["notes_added"] == own["notes_missing"] == 0
    assert own["melody_over_rest_mean"] == pytest.approx(9)
    assert own["tempo_of_written"] == pytest.approx(np.log(1.2 * (7.5 + (15 / 16) ** 3) / 7.5), abs=0.01)
