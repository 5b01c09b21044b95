from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.graphs import extract_graph
from crescendai_assets.symbolic.midi import map_files, read_all, read_midi
from crescendai_assets.symbolic.performance import Mended, Performance
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic import midi_files as mf
from crescendai_assets_tests.symbolic.midi_files import (
    ONE_NOTE,
    TICKS,
    control,
    down,
    midi,
    tempo,
    track,
    up,
    written,
)

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


def read(folder, data):
    return read_midi(written(folder, data))


def test_notes_come_in_seconds_in_the_order_of_onset_and_pitch(tmp_path):
    played = read(tmp_path, midi(track((0, down(64, 90)), (0, down(60, 70)), (TICKS, up(60)), (TICKS, up(64)))))
    assert played.pitch.tolist() == [60, 64]
    assert played.onset.tolist() == [0, 0]
    assert played.duration.tolist() == [0.5, 1.0]
    assert played.velocity.tolist() == [70, 90]
    assert played.seconds == 1.0
    assert played.mended == Mended()
    assert played.tempos.tolist() == [[0, 120]]


def test_time_follows_tempo_changes_in_whatever_track_they_stand(tmp_path):
    # 60 a minute for one quarter note, then 120: the second note begins at 1 s, 2 quarters later it ends at 2 s
    notes = track((0, down(60)), (TICKS, up(60)), (0, down(62)), (2 * TICKS, up(62)))
    changes = track((0, tempo(1_000_000)), (TICKS, tempo(250_000)), (0, tempo(500_000)))
    for data in (midi(changes, notes), midi(notes, changes)):
        played = read(tmp_path, data)
        assert played.onset.tolist() == [0, 1]
        assert played.duration.tolist() == [1, 1]
        assert played.tempos.tolist() == [[0, 60], [1, 120]]


def test_smpte_time_is_read_and_needs_no_tempo(tmp_path):
    # 25 frames of 40 ticks: a tick is a millisecond, whatever the tempo says
    played = read(tmp_path, midi(track((0, tempo(123_456)), (500, down(60)), (250, up(60))), division=0xE728))
    assert played.onset.tolist() == [0.5]
    assert played.duration.tolist() == [0.25]


def test_a_key_that_goes_down_while_it_is_down_is_cut_there(tmp_path):
    played = read(
        tmp_path,
        midi(track((0, down(60)), (TICKS, down(60, 90)), (TICKS, up(60)), (TICKS, up(60)), (0, down(61)), (1, up(61)))),
    )
    assert played.pitch.tolist() == [60, 60, 61]
    assert played.duration[:2].tolist() == [0.5, 1.0]
    assert played.mended == Mended(overlapping=1)


def test_a_key_that_goes_down_twice_at_once_is_one_note_the_longest_and_loudest(tmp_path):
    hands = [track((0, down(60, v)), (length, up(60))) for v, length in ((50, 2 * TICKS), (99, TICKS))]
    played = read(tmp_path, midi(*hands))
    assert (played.duration.tolist(), played.velocity.tolist()) == ([1.0], [99])
    assert played.mended == Mended(doubled=1)


def test_a_note_of_no_length_gets_a_tick_and_is_counted(tmp_path):
    played = read(tmp_path, midi(track((0, down(60)), (0, up(60)), (TICKS, down(62)), (TICKS, up(62)))))
    assert played.pitch.tolist() == [60, 62]
    assert played.duration[0] == pytest.approx(0.5 / TICKS)
    assert played.mended == Mended(zero_length=1)


def test_a_key_that_is_never_let_go_is_cut_at_a_minute(tmp_path):
    played = read(tmp_path, midi(track((0, down(60)), (TICKS, down(62)), (TICKS, up(62)), (TICKS * 400, up(60)))))
    assert played.duration.tolist() == [60.0, 0.5]
    assert played.mended == Mended(overlong=1)


def test_all_three_pedals_are_kept_with_every_value(tmp_path):
    pedals = [(0, control(64, 40)), (TICKS, control(64, 127)), (0, control(67, 90)), (0, control(66, 1))]
    played = read(tmp_path, midi(track((0, down(60)), *pedals, (TICKS, up(60)))))
    assert played.sustain.tolist() == [[0, 40], [0.5, 127]]
    assert played.soft.tolist() == [[0.5, 90]]
    assert played.sostenuto.tolist() == [[0.5, 1]]


@pytest.mark.parametrize("channel", [0, 1])
def test_a_pedal_on_a_track_or_channel_without_notes_is_not_lost(tmp_path, channel):
    # running status, across a meta event too, as some programs write it
    pedal = ((0, control(64, 127, channel)), (TICKS, b"\xff\x01\x01x"), (0, bytes([64, 0])), (0, b"\xf0\x02\x40\xf7"))
    own_track = read(tmp_path, midi(track(*pedal), ONE_NOTE))
    assert own_track.sustain.tolist() == [[0, 127], [0.5, 0]]
    own_channel = read(tmp_path, midi(track((0, down(60)), (0, control(64, 99, 1)), (TICKS, up(60)))))
    assert own_channel.sustain.tolist() == [[0, 99]]


def test_drums_are_left_out_and_counted(tmp_path):
    drums = track((0, down(36, channel=9)), (TICKS, up(36, channel=9)))
    played = read(tmp_path, midi(ONE_NOTE, drums))
    assert played.pitch.tolist() == [60]
    assert played.mended == Mended(percussion=1)


def test_the_track_of_each_note_is_known(tmp_path):
    left = track((0, b"\xc0\x06"), (0, down(40)), (TICKS, up(40)))
    played = read(tmp_path, midi(ONE_NOTE, left))
    assert played.pitch.tolist() == [40, 60]
    assert [played.programs[i] for i in played.track] == [6, 0]


def test_a_file_inside_riff_and_one_with_wrong_counts_and_foreign_chunks_are_read(tmp_path):
    plain = read(tmp_path, midi(ONE_NOTE))
    foreign = b"XFIH" + (4).to_bytes(4, "big") + b"abcd"
    longer_header = b"MThd" + bytes([0, 0, 0, 8, 0, 1, 0, 1, 1, 0xE0, 0, 0]) + ONE_NOTE
    two = midi(ONE_NOTE, track((0, down(72)), (9, up(72))), declared=1)
    for data in (
        mf.riff(midi(ONE_NOTE)),
        midi(foreign, ONE_NOTE, declared=1),
        longer_header,
        midi(ONE_NOTE) + b"\0" * 9,
    ):
        assert read(tmp_path, data).onset.tolist() == plain.onset.tolist()
    assert read(tmp_path, two).pitch.tolist() == [60, 72]


LONG = 0x0FFFFFFF

FAULTS = {
    "no bytes": (b"", r"empty \(0 bytes\)"),
    "text": (b"<html>404</html>", r"not a MIDI file: it begins with b'<htm'"),
    "riff of sound": (b"RIFF\x04\0\0\0WAVE", r"not a MIDI file: it begins with b'RIFF'"),
    "riff without": (b"RIFF\x04\0\0\0RMID", "without a MIDI file inside"),
    "header cut": (midi()[:9], "truncated: it ends inside its header"),
    "track cut": (
        midi(ONE_NOTE)[:-5],
        r"truncated: track 1 declares 13 bytes, the last 5 are not there; fetch it again",
    ),
    "track missing": (midi(ONE_NOTE, declared=3), "truncated: its header declares 3 tracks, 1 are there"),
    "nothing but a header": (midi(), "empty: it has a header and no events"),
    "no notes": (midi(track((0, control(64, 127)), (0, tempo(9)))), "has no notes, only other events"),
    "drums": (midi(track((0, down(36, channel=9)), (9, up(36, channel=9)))), "drums only: all of its 1 notes"),
    "songs": (midi(ONE_NOTE, ONE_NOTE, song_format=2), r"holds 2 separate songs \(format 2\)"),
    "no clock": (midi(ONE_NOTE, division=0), "no measure of time"),
    "no frames": (midi(ONE_NOTE, division=0xFF00), "no valid measure of time"),
    "no tempo": (midi(track((0, tempo(0)), (0, down(60)), (9, up(60)))), "a quarter note takes no time"),
    "bad value": (midi(track((0, down(60)), (9, control(64, 200)), (9, up(60)))), r"damaged: .*control_value=200"),
    "event cut": (midi(track((0, down(60)), (9, b"\x80\x3c"), end=False)), "damaged: symusic cannot read"),
    "hour of silence": (
        midi(track((0, down(60)), (9, up(60)), (TICKS * 7200, down(60)), (9, up(60)))),
        r"is silent for 3600 s from 0 s on, more than 60 s; cut the silence out",
    ),
    "silent start": (midi(track((TICKS * 200, down(60)), (9, up(60)))), "is silent for 100 s from 0 s on"),
    "days": (midi(track((LONG, down(60)), (9, up(60)))), r"lasts 77\.7 h, more than 4 h; cut it"),
    "too long to count": (
        midi(track(*[event for _ in range(9) for event in ((LONG, down(60)), (9, up(60)))])),
        "longer than its parser can count",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_file_is_named_with_its_fault(tmp_path, name):
    data, told = FAULTS[name]
    path = written(tmp_path, data, f"{name}.mid")
    with pytest.raises(RecordingError, match=told) as caught:
        read_midi(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.error_class == "permanent"


def test_a_file_that_is_not_there_is_no_recordings_fault(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.mid: no such MIDI file"):
        read_midi(tmp_path / "gone.mid")


def test_a_file_too_large_for_music_is_not_even_read(tmp_path):
    path = tmp_path / "huge.mid"
    with path.open("wb") as file:
        file.truncate(70 * 1024**2)
    with pytest.raises(RecordingError, match=r"huge\.mid: 73 MB are no piece of music"):
        read_midi(path)


def test_silence_and_length_may_be_allowed(tmp_path):
    path = written(tmp_path, FAULTS["hour of silence"][0])
    assert len(read_midi(path, max_silence=4000)) == 2
    with pytest.raises(RecordingError, match=r"more than 0\.5 h"):
        read_midi(path, max_silence=4000, max_seconds=1800)


def test_a_held_note_is_no_silence(tmp_path):
    held = midi(track((0, down(60)), (TICKS * 118, up(60)), (TICKS * 118, down(60)), (9, up(60))))
    assert len(read(tmp_path, held)) == 2
    second = 2 * TICKS
    over_a_short_one = ((second, down(72)), (9, up(72)), (58 * second, up(60)), (30 * second, down(60)), (9, up(60)))
    assert len(read(tmp_path, midi(track((0, down(60)), *over_a_short_one)))) == 3


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = midi(track((0, down(60)), (0, control(64, 127)), (TICKS, up(60))), ONE_NOTE)
    paths = [written(tmp_path, whole[:length], f"{length:03d}.mid") for length in range(len(whole))]
    assert all(isinstance(outcome, RecordingError) for _, outcome in read_all(paths))
    assert len(read(tmp_path, whole)) == 1


def test_whatever_the_bytes_a_file_is_read_or_refused(tmp_path):
    chance = np.random.default_rng(7)
    whole = np.frombuffer(mf.save_performance(mf.random_performance(1), tmp_path / "x").read_bytes(), np.uint8)
    paths = []
    for number in range(300):
        data = whole.copy()
        places = chance.integers(22, len(data), chance.integers(1, 4))  # behind the headers, where the parser works
        data[places] = chance.integers(0, 256 if number % 2 else 128, len(places))
        paths.append(written(tmp_path, data.tobytes(), f"{number}.mid"))
    outcomes = dict(read_all(paths, workers=2))
    assert sorted(outcomes) == sorted(paths)
    for path, outcome in outcomes.items():
        if isinstance(outcome, RecordingError):
            assert str(outcome).startswith(f"{path}: ")
            continue
        assert (outcome.duration > 0).all()
        assert (np.diff(outcome.onset) >= 0).all()
        for pitch in set(outcome.pitch):
            mine = outcome.pitch == pitch
            assert (outcome.end[mine][:-1] <= outcome.onset[mine][1:] + 1e-9).all()
    refused = sum(isinstance(outcome, RecordingError) for outcome in outcomes.values())
    assert 0 < refused < len(paths)


def test_a_crash_costs_one_file_and_names_it(tmp_path):
    names = ["a", "b", "crash", "c", "bug", "d", "empty", "e"]
    for name in names:
        written(tmp_path, b"" if name == "empty" else midi(ONE_NOTE), f"{name}.mid")
    outcomes = {p.stem: r for p, r in map_files(mf.notes_or_crash, [tmp_path / f"{name}.mid" for name in names])}
    assert {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, int)} == dict.fromkeys(
        "abcde", 1
    )
    assert "crash.mid: the decoder crashed on it (SIGSEGV)" in str(outcomes["crash"])
    assert "bug.mid: ZeroDivisionError: a bug" in str(outcomes["bug"])
    assert "empty.mid: the file is empty" in str(outcomes["empty"])


def test_what_a_process_hands_back_may_hold_tensors(tmp_path):
    path = written(tmp_path, midi(ONE_NOTE))
    ((_, graph),) = map_files(extract_graph, [path])
    assert graph.x.shape == (1, 6)  # type: ignore[union-attr]


def equal(a: Performance, b: Performance) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(Performance))


ODD = {
    "PiDamaged.mid": "truncated: track 3 declares 1194067 bytes",
    "SysExTest.mid": "has no notes",
    "empty.mid": "has no notes",
    "Issue104_Bizarre_Love_Triangle2.mid": "truncated: its header declares 26 tracks, 4 are there",
    "ValueError_Control168.mid": r"damaged: symusic cannot read an event \(Get control_value=168\)",
}


@needs_shared
def test_odd_files_are_read_or_refused_for_what_is_wrong_with_them():
    paths = [p for p in (DATA / "midi_odd").rglob("*") if p.suffix in (".mid", ".rmi")]
    outcomes = dict(read_all(paths))
    refused = {path.name: str(outcome) for path, outcome in outcomes.items() if isinstance(outcome, RecordingError)}
    assert set(refused) == set(ODD)
    for name, told in ODD.items():
        with pytest.raises(RecordingError, match=told):
            raise RecordingError(refused[name])
    assert len(outcomes) - len(refused) == 34


@needs_shared
def test_every_file_of_percepiano_is_read():
    paths = sorted((DATA / "percepiano" / "midi").glob("*.mid"))
    outcomes = dict(read_all(paths, workers=2))
    assert len(outcomes) == 1202
    assert [str(outcome) for outcome in outcomes.values() if isinstance(outcome, RecordingError)] == []
    played = [outcome for outcome in outcomes.values() if isinstance(outcome, Performance)]
    assert sum(len(each.sustain) > 0 for each in played) == 1110  # as FORMAT.md counts
    assert min(map(len, played)) >= 50
    assert equal(outcomes[paths[0]], read_midi(paths[0]))  # type: ignore[arg-type]
    assert paths[0].name.startswith(" ")


@needs_shared
def test_times_agree_with_symusics_own_conversion():
    import symusic

    for path in sorted((DATA / "asap").rglob("*.mid"))[::12]:
        played = read_midi(path)
        theirs = symusic.Score(path).to("second")
        onsets = np.sort(np.concatenate([t.notes.numpy()["time"] for t in theirs.tracks]))
        # float32 there, and unisons of two voices stand twice
        distance = np.abs(onsets[:, None] - played.onset[None]).min(axis=1)
        assert distance.max() < 1e-3
        assert played.seconds == pytest.approx(max(n.end for t in theirs.tracks for n in t.notes), abs=1e-3)
