from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.midi import map_files, read_midi
from crescendai_assets.symbolic.performance import PEDAL_DOWN, pedal_at, pedal_spans, performance
from crescendai_assets.symbolic.tokenizer import PianoTokenizer
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic import midi_files as mf

NO_LIMIT = 10**6


@pytest.fixture(scope="module")
def tokenizer():
    return PianoTokenizer()


def there_and_back(path, folder, tokenizer):
    """A file's performance and what is left of it after tokens; notes matched by key and order."""
    before = read_midi(path)
    tokenizer.decode(tokenizer.encode(path), folder / "back.mid")
    after = read_midi(folder / "back.mid")
    return before, after


def moved(before, after):
    """What became of onset, time between onsets, end and velocity; all absolute, seconds but the last."""
    assert len(before) == len(after)
    ours, theirs = (np.lexsort((each.onset, each.pitch)) for each in (before, after))
    assert np.array_equal(before.pitch[ours], after.pitch[theirs])
    place = np.empty(len(ours), int)
    place[ours] = theirs
    onset, end, velocity = after.onset[place], after.end[place], after.velocity[place]
    return (
        np.abs(onset - before.onset),
        np.abs(np.diff(onset) - np.diff(before.onset)),
        np.abs(end - before.end),
        np.abs(velocity - before.velocity),
    )


def test_the_vocabulary_is_small_and_its_special_tokens_are_its_own(tokenizer):
    assert tokenizer.vocab_size == 645
    assert 0 <= tokenizer.pad_token_id < tokenizer.vocab_size
    assert 0 <= tokenizer.mask_token_id < tokenizer.vocab_size
    assert tokenizer.pad_token_id != tokenizer.mask_token_id


def test_timing_velocity_and_pedal_survive_whatever_the_files_tempo(tmp_path, tokenizer):
    notes = [
        (0, mf.down(60, 33)),
        (100, mf.control(64, 127)),
        (377, mf.up(60)),
        (13, mf.down(62, 101)),
        (701, mf.up(62)),
    ]
    for microseconds in (333_333, 500_000, 1_234_567):
        data = mf.midi(
            mf.track((0, mf.tempo(microseconds)), *notes, (0, mf.control(64, 0)), (500, mf.down(60)), (99, mf.up(60)))
        )
        before, after = there_and_back(mf.written(tmp_path, data), tmp_path, tokenizer)
        onset, _, end, velocity = moved(before, after)
        assert onset.max() <= 0.00626
        assert end.max() <= 0.03
        assert velocity.max() <= 1
        was, now = pedal_spans(before.sustain, before.seconds), pedal_spans(after.sustain, after.seconds)
        assert np.abs(was - now).max() <= 0.00626


def test_a_change_of_pedal_within_a_step_stays_a_change(tmp_path, tokenizer):
    changes = [(0.0, 127), (1.000, 0), (1.001, 127), (2.0, 0)]
    path = mf.save_performance(performance([60], [0.0], [3.0], [80], sustain=changes), tmp_path / "x.mid")
    _, after = there_and_back(path, tmp_path, tokenizer)
    assert len(pedal_spans(after.sustain, 3.0)) == 2


def test_a_short_and_a_very_long_note_keep_some_length(tmp_path, tokenizer):
    path = mf.save_performance(performance([60, 61], [0.0, 0.1], [0.001, 25.0], [80, 80]), tmp_path / "x.mid")
    before, after = there_and_back(path, tmp_path, tokenizer)
    assert after.duration[0] == pytest.approx(0.0125)
    assert after.duration[1] == pytest.approx(before.duration[1], abs=0.21)


def test_what_touches_goes_on_touching(tmp_path, tokenizer):
    onset = np.arange(40) * 0.1037
    path = mf.save_performance(performance(60 + np.arange(40) % 9, onset, [0.1037] * 40, [80] * 40), tmp_path / "x.mid")
    _, after = there_and_back(path, tmp_path, tokenizer)
    assert np.abs(after.end[:-1] - after.onset[1:]).max() < 1e-6


def test_a_minute_of_silence_takes_few_tokens_and_an_hour_is_refused(tmp_path, tokenizer):
    def gap(seconds):
        events = (0, mf.down(60)), (9, mf.up(60)), (mf.TICKS * 2 * seconds, mf.down(62)), (9, mf.up(62))
        return mf.written(tmp_path, mf.midi(mf.track(*events)))

    assert len(tokenizer.encode(gap(59))) < 60
    with pytest.raises(RecordingError, match="is silent for 3600 s"):
        tokenizer.encode(gap(3600))


def test_a_long_file_is_cut_at_whole_notes_into_windows_that_can_be_heard_alone(tmp_path):
    path = mf.save_performance(mf.random_performance(3, 400), tmp_path / "x.mid")
    small, whole = PianoTokenizer(max_seq_len=128), PianoTokenizer(max_seq_len=NO_LIMIT)
    windows = small.windows(path)
    assert len(windows) > 5
    assert small.encode(path) == windows[0] == whole.encode(path)[: len(windows[0])]
    assert max(map(len, windows)) <= 128
    heard = 0
    for window in windows:
        small.decode(window, tmp_path / "back.mid")
        after = read_midi(tmp_path / "back.mid")
        assert after.tempos[0, 1] == pytest.approx(150, abs=1e-3)
        heard += len(after)
    whole.decode(whole.encode(path), tmp_path / "back.mid")
    assert heard == len(read_midi(tmp_path / "back.mid")) >= 398


def test_a_bar_longer_than_a_window_is_cut_too(tmp_path):
    onset = np.arange(60) * 0.02
    path = mf.save_performance(performance(np.arange(60) + 20, onset, np.full(60, 0.3), [80] * 60), tmp_path / "x.mid")
    windows = PianoTokenizer(max_seq_len=32).windows(path)
    assert max(map(len, windows)) <= 32
    assert len(windows) >= 8


def test_padding_is_passed_over_and_an_unknown_token_refused(tmp_path, tokenizer):
    path = mf.save_performance(mf.random_performance(4), tmp_path / "x.mid")
    tokens = tokenizer.encode(path)
    tokenizer.decode(tokens, tmp_path / "a.mid")
    tokenizer.decode([*tokens, *[tokenizer.pad_token_id] * 9], tmp_path / "b.mid")
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    with pytest.raises(ValueError, match="token 645 is not in the vocabulary of 645"):
        tokenizer.decode([645], tmp_path / "c.mid")
    assert not (tmp_path / "c.mid").exists()


def test_tokens_are_the_same_every_time_and_a_tokenizer_travels_light(tmp_path, tokenizer):
    path = mf.save_performance(mf.random_performance(5), tmp_path / "x.mid")
    tokens = tokenizer.encode(path)
    travelled = pickle.loads(pickle.dumps(tokenizer))
    assert travelled.encode(path) == tokens
    assert travelled.identity == tokenizer.identity
    assert len(pickle.dumps(tokenizer)) < 200
    assert all(type(token) is int for token in tokens)


def test_many_files_are_encoded_in_a_guarded_process(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    paths = [mf.save_performance(mf.random_performance(seed), tmp_path / f"{seed}.mid") for seed in (1, 2)]
    paths.append(mf.written(tmp_path, b"no MIDI", "odd.mid"))
    outcomes = dict(map_files(tokenizer.windows, paths))
    assert [outcomes[path] for path in paths[:2]] == [tokenizer.windows(path) for path in paths[:2]]
    assert isinstance(outcomes[paths[2]], RecordingError)


def test_a_sequence_too_short_for_a_note_is_refused():
    with pytest.raises(ValueError, match="max_seq_len must be 16 or more"):
        PianoTokenizer(max_seq_len=8)


@needs_shared
def test_percepiano_survives_within_a_step(tmp_path):
    """Onset within 8 ms and inter-onset within 10 ms at the 90th percentile; the pedal down at the same time."""
    tokenizer = PianoTokenizer()
    onsets, intervals, agreed, spans = [], [], [], []
    for path in sorted((DATA / "percepiano" / "midi").glob("*.mid"))[::12]:
        before, after = there_and_back(path, tmp_path, tokenizer)
        onset, interval, _, velocity = moved(before, after)
        assert velocity.max() <= 1
        onsets.append(onset)
        intervals.append(interval)
        times = np.arange(0, before.seconds, 0.01)
        down = [pedal_at(each.sustain, times) >= PEDAL_DOWN for each in (before, after)]
        agreed.append(np.mean(down[0] == down[1]))
        spans.append([len(pedal_spans(each.sustain, before.seconds)) for each in (before, after)])
    assert np.percentile(np.concatenate(onsets), 90) <= 0.008
    assert np.percentile(np.concatenate(intervals), 90) <= 0.010
    assert np.mean(agreed) >= 0.99
    was, now = np.sum(spans, axis=0)
    assert now >= 0.999 * was
