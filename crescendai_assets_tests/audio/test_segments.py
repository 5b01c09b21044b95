from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.audio import SegmentRule, segment_audio
from crescendai_assets.audio.segments import analyse, cut, pcm_hash, rms
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets_tests.builders import cut_short, noise, tone, write_sound

RULE = SegmentRule()
SR = 1000  # the arithmetic is that of any rate


def lengths(pieces):
    return [round(p["end_sec"] - p["start_sec"], 6) for p in pieces]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (95, [30, 30, 30, 5]),
        (62, [30, 30]),
        (60, [30, 30]),
        (10, [10]),
        (90, [30, 30, 30]),
        (65, [30, 30, 5]),
        (35, [30, 5]),
        (5, [5]),
        (4.999, []),
        (34.999, [30]),
        (0, []),
    ],
)
def test_recordings_are_cut_at_thirty_seconds_and_a_last_piece_of_five_is_kept(seconds, expected):
    audio = tone(seconds, SR, 100)
    pieces = segment_audio(audio, SR)
    assert lengths(pieces) == expected
    assert [p["start_sec"] for p in pieces] == [30.0 * i for i in range(len(expected))]
    assert all(set(p) == {"audio", "start_sec", "end_sec"} for p in pieces)
    for piece in pieces:
        start, stop = (round(piece[k] * SR) for k in ("start_sec", "end_sec"))
        assert np.array_equal(piece["audio"], audio[start:stop])


def test_the_rate_of_the_encoder_is_cut_like_any_other():
    pieces = segment_audio(tone(65.0), 24_000)
    assert [len(p["audio"]) for p in pieces] == [720_000, 720_000, 120_000]


@pytest.mark.parametrize(
    ("seconds", "overlap", "expected"),
    [
        (60, 15, [(0, 30), (15, 45), (30, 60)]),
        (75, 15, [(0, 30), (15, 45), (30, 60), (45, 75)]),
        (45, 10, [(0, 30), (20, 45)]),
        (30, 10, [(0, 30)]),
        (50, 10, [(0, 30), (20, 50)]),
        (51, 10, [(0, 30), (20, 50), (40, 51)]),
    ],
)
def test_with_overlap_neighbours_share_seconds_and_no_piece_only_repeats_the_last(seconds, overlap, expected):
    pieces = segment_audio(tone(seconds, SR, 100), SR, overlap=overlap)
    assert [(p["start_sec"], p["end_sec"]) for p in pieces] == expected


def test_durations_can_be_chosen():
    assert lengths(segment_audio(tone(25, SR, 100), SR, segment_duration=10.0, min_duration=2.0)) == [10, 10, 5]
    assert lengths(segment_audio(tone(25, SR, 100), SR, segment_duration=10.0, min_duration=6.0)) == [10, 10]


def test_pieces_under_the_silence_threshold_are_left_out_with_their_times_kept():
    audio = tone(90, SR, 100)
    audio[30 * SR : 60 * SR] = 0.0005
    assert [p["start_sec"] for p in segment_audio(audio, SR)] == [0.0, 60.0]
    assert [p["start_sec"] for p in segment_audio(audio, SR, min_rms=0.0001)] == [0.0, 30.0, 60.0]


@pytest.mark.parametrize(("level", "kept"), [(0.0021, 1), (0.0019, 0), (0.0, 0)])
def test_silence_is_an_rms_below_two_thousandths(level, kept):
    assert len(segment_audio(np.full(30 * SR, level, np.float32), SR)) == kept


@pytest.mark.parametrize(
    "options",
    [{"segment_duration": 0.0}, {"min_duration": 0.0}, {"min_duration": 31.0}, {"overlap": 30.0}, {"overlap": -1.0}],
)
def test_rules_that_cannot_cut_anything_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        segment_audio(tone(60, SR), SR, **options)


@given(
    st.integers(0, 100_000),
    st.floats(1, 40),
    st.floats(0.05, 1),
    st.floats(0, 0.9),
)
def test_pieces_cover_the_recording_up_to_a_rest_too_short_to_keep(n, duration, least, overlap):
    rule = SegmentRule(duration, duration * least, 0.0, duration * overlap)
    bounds = rule.bounds(n, SR)
    length, shortest = round(duration * SR), round(rule.min_duration * SR)
    assert all(0 <= start < stop <= n and shortest <= stop - start <= length for start, stop in bounds)
    assert all(stop - start == length for start, stop in bounds[:-1])
    step = round((duration - rule.overlap) * SR)
    assert [start for start, _ in bounds] == [i * step for i in range(len(bounds))]
    if not bounds:
        assert n < shortest
    elif bounds[-1][1] < n:
        assert n - len(bounds) * step < shortest


def test_a_dropped_silent_piece_leaves_a_gap_in_the_numbers_and_is_counted(tmp_path):
    audio = tone(100.0)
    audio[30 * 24_000 : 60 * 24_000] = 0
    found = analyse(write_sound(tmp_path / "a.wav", audio, 24_000), RULE)
    assert [(s.index, s.start, s.stop) for s in found.segments] == [
        (0, 0, 720_000),
        (2, 1_440_000, 2_160_000),
        (3, 2_160_000, 2_400_000),
    ]
    assert found.silent == 1
    assert found.segments[0].rms == pytest.approx(0.3 / np.sqrt(2), rel=1e-3)


def test_the_gates_tell_length_rate_and_channels(tmp_path):
    stereo = np.stack([tone(12.0, 44_100)] * 2, axis=1)
    found = analyse(write_sound(tmp_path / "a.wav", stereo, 44_100), RULE)
    assert (found.seconds, found.declared_seconds, found.native_rate, found.channels) == (12.0, 12.0, 44_100, 2)
    assert found.clipped_share == 0.0
    assert found.zero_tail_seconds == pytest.approx(0.0, abs=0.01)


def test_clipping_is_measured(tmp_path):
    audio = tone(10.0, level=0.5)
    audio[:2_400] = 1.0
    audio[2_400:4_800] = -1.0
    found = analyse(write_sound(tmp_path / "a.wav", audio, 24_000), RULE)
    assert found.clipped_share == pytest.approx(0.02, abs=1e-4)


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_a_zero_tail_is_measured_at_any_rate(tmp_path, rate):
    audio = noise(20.0, rate)
    audio[12 * rate :] = 0
    found = analyse(write_sound(tmp_path / "a.wav", audio, rate), RULE)
    assert found.zero_tail_seconds == pytest.approx(8.0, abs=0.1)


def test_a_recording_of_zeros_only_is_all_tail_and_no_segment(tmp_path):
    found = analyse(write_sound(tmp_path / "a.wav", np.zeros(40 * 24_000), 24_000), RULE)
    assert (found.segments, found.silent, found.zero_tail_seconds) == ((), 2, 40.0)


def test_the_same_samples_in_wav_and_flac_have_one_hash_and_others_another(tmp_path):
    audio = (noise(6.0, 44_100) * 32767).astype(np.int16)
    hashes = [
        analyse(write_sound(tmp_path / name, audio, 44_100, "PCM_16"), RULE).pcm_hash for name in ("a.wav", "a.flac")
    ]
    assert hashes[0] == hashes[1]
    other = audio.copy()
    other[1000] += 1
    assert analyse(write_sound(tmp_path / "b.wav", other, 44_100), RULE).pcm_hash != hashes[0]


def test_a_hash_is_of_values_not_of_memory_layout():
    audio = noise(1.0)
    assert pcm_hash(np.repeat(audio, 2)[::2]) == pcm_hash(audio)


def test_a_recording_that_cannot_be_used_is_refused_by_the_gates_too(tmp_path):
    path = write_sound(tmp_path / "a.wav", tone(60.0), 24_000)
    with pytest.raises(RecordingError, match="truncated"):
        analyse(cut_short(path), RULE)
    with pytest.raises(RecordingError, match="raise the cap"):
        analyse(path, SegmentRule(max_recording=59.0))
    with pytest.raises(RecordingError, match="raise the cap"):
        list(cut(path, [(0, 10)], SegmentRule(max_recording=59.0)))


def test_pieces_cut_for_encoding_are_those_that_were_analysed(tmp_path):
    audio = noise(65.0, 44_100)
    path = write_sound(tmp_path / "a.wav", audio, 44_100, "FLOAT")
    found = analyse(path, RULE)
    pieces = list(cut(path, [(s.start, s.stop) for s in found.segments], RULE))
    assert [len(p) for p in pieces] == [720_000, 720_000, 120_000]
    assert [rms(p) for p in pieces] == [s.rms for s in found.segments]
    assert pcm_hash(np.concatenate(pieces)) == found.pcm_hash


def test_the_rms_of_nothing_is_nothing():
    assert rms(np.zeros(0, np.float32)) == 0.0
    assert rms(np.full(100, -0.5, np.float32)) == pytest.approx(0.5)
