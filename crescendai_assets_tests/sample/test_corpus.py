from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import wave
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crescendai_assets.sample.corpus import RECORDINGS, TABLE, SampleCorpus, played, write_maestro
from crescendai_assets.sample.performers import PERFORMERS, perform
from crescendai_assets.sample.pieces import PIECES, midi_number, parse_voice

COLUMNS = [
    "canonical_composer",
    "canonical_title",
    "split",
    "year",
    "midi_filename",
    "audio_filename",
    "duration",
]


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def table_rows(root: Path) -> list[dict[str, Any]]:
    columns = json.loads((root / TABLE).read_text(encoding="utf-8"))
    return [{name: columns[name][str(i)] for name in columns} for i in range(len(columns["year"]))]


def read(corpus: SampleCorpus, name: str) -> tuple[np.ndarray, int, int]:
    """Samples that are really there, shape (n, channels); frames that the header declares; sample rate."""
    with wave.open(str(corpus.root / name), "rb") as file:
        declared, channels, rate = file.getnframes(), file.getnchannels(), file.getframerate()
        assert file.getsampwidth() == 2
        data = np.frombuffer(file.readframes(declared), dtype="<i2").reshape(-1, channels)
    return data, declared, rate


# ---------------------------------------------------------------- layout


def test_the_table_is_laid_out_column_by_column_as_maestro_v3_is(corpus):
    columns = json.loads((corpus.root / TABLE).read_text(encoding="utf-8"))
    assert list(columns) == COLUMNS
    assert all(list(column) == [str(i) for i in range(len(RECORDINGS))] for column in columns.values())
    assert all(isinstance(year, int) for year in columns["year"].values())
    assert all(isinstance(duration, float) for duration in columns["duration"].values())


def test_every_file_of_the_table_exists_in_the_folder_of_its_year_and_no_other_does(corpus):
    rows = table_rows(corpus.root)
    named = {row[kind] for row in rows for kind in ("audio_filename", "midi_filename")}
    found = {str(p.relative_to(corpus.root)) for p in corpus.root.rglob("*") if p.parent != corpus.root}
    assert named == {name for name in found if "/" in name}
    assert all(row["audio_filename"].startswith(f"{row['year']}/") for row in rows)
    assert {row["year"] for row in rows} == set(corpus.years) == {2004, 2011, 2018}


def test_file_names_carry_the_contestant_as_each_edition_writes_it(corpus):
    spelled = {
        2004: r"2004/MIDI-Unprocessed_(SMF|XP)_(\d\d)_R\d_2004_[\d-]+_ORIG_MID"
        r"--AUDIO_\2_R\d_2004_\d\d_Track\d\d_wav\.wav",
        2011: r"2011/MIDI-Unprocessed_(\d\d)_R\d_2011_MID--AUDIO_R\d-D\d_\d\d_Track\d\d_wav\.wav",
        2018: r"2018/MIDI-Unprocessed_Recital[\d-]+_MID--AUDIO_(\d\d)_R\d_2018_wav--\d\.wav",
    }  # fmt: skip
    contestants = defaultdict(set)
    for one in corpus.recordings:
        match = re.fullmatch(spelled[one.year], one.audio_filename)
        assert match, one.audio_filename
        contestants[one.performer].add((one.year, match[match.lastindex or 1]))
    assert all(len(numbers) == 1 for numbers in contestants.values())


def test_what_is_returned_agrees_with_the_table(corpus):
    rows = table_rows(corpus.root)
    assert [row["audio_filename"] for row in rows] == [one.audio_filename for one in corpus.recordings]
    assert [row["canonical_title"] for row in rows] == [one.title for one in corpus.recordings]
    assert corpus.seconds == pytest.approx(sum(row["duration"] for row in rows), abs=1e-6)
    assert 300 < corpus.seconds < 420


# ---------------------------------------------------------------- what it offers to a learner


def test_a_work_and_a_performer_stay_within_one_split(corpus):
    splits = defaultdict(set)
    for one in corpus.recordings:
        splits["work", one.work].add(one.split)
        splits["performer", one.performer].add(one.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {one.split for one in corpus.recordings} == {"train", "validation", "test"}


def test_works_are_played_by_several_performers_in_several_years_and_one_by_a_single_one(corpus):
    players, years, titles = defaultdict(set), defaultdict(set), defaultdict(set)
    for one in corpus.recordings:
        players[one.work].add(one.performer)
        years[one.work].add(one.year)
        titles[one.work].add(one.title)
    shared = [work for work in players if len(players[work]) > 1 and len(years[work]) > 1]
    assert len(shared) >= 2
    assert [work for work in players if len(players[work]) == 1] == ["mozart-k331"]
    assert sum(len(spellings) == 2 for spellings in titles.values()) == 2


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.slug)
def test_two_performers_play_the_same_keys_at_other_times_and_velocities(piece):
    one, other = (perform(piece, PERFORMERS[name], 20.0) for name in ("Ilse Marten", "Juno Park"))
    common = min(len(one.notes), len(other.notes), 12)
    assert common >= 8
    written = {note.pitch for note in piece.notes}
    assert {note.pitch for note in one.notes + other.notes} <= written
    assert [n.onset for n in one.notes[:common]] != [n.onset for n in other.notes[:common]]
    assert np.mean([n.velocity for n in one.notes]) < np.mean([n.velocity for n in other.notes]) - 5


def test_a_performance_can_be_played_on_one_keyboard_and_ends_in_time():
    for one in RECORDINGS:
        performance = played(one)
        last_release: dict[int, float] = defaultdict(float)
        for note in performance.notes:
            assert 0 <= last_release[note.pitch] < note.onset < note.offset < one.seconds
            assert 21 <= note.pitch <= 108
            assert 1 <= note.velocity <= 127
            last_release[note.pitch] = note.offset
        moves = [at for pedal in performance.pedals for at in (pedal.down, pedal.up)]
        assert moves == sorted(moves)


def test_a_performance_too_short_for_a_bar_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="too short for one bar of bach-bwv846"):
        perform(PIECES[0], PERFORMERS["Juno Park"], 2.0)


def test_a_bar_that_does_not_add_up_is_found_when_it_is_read():
    with pytest.raises(ValueError, match=r"bar 2 lasts 2\.5 quarter notes, not 3"):
        parse_voice("q C4 D4 E4 | q C4 e D4 q E4", "melody", bar=3)
    with pytest.raises(ValueError, match="'H4' is not a pitch"):
        midi_number("H4")


# ---------------------------------------------------------------- sound files


def test_durations_are_true_except_for_the_truncated_recording(corpus):
    for row, one in zip(table_rows(corpus.root), corpus.recordings, strict=True):
        data, declared, rate = read(corpus, one.audio_filename)
        assert declared / rate == pytest.approx(row["duration"], abs=1e-6)
        if one is not corpus.truncated:
            assert len(data) == declared
        assert data.shape[1] == one.channels
    assert {one.sample_rate for one in corpus.recordings} == {44_100, 48_000}
    assert {one.channels for one in corpus.recordings} == {1, 2}


def test_the_truncated_recording_ends_about_halfway_where_it_is_said_to(corpus):
    one = corpus.truncated
    data, declared, rate = read(corpus, one.audio_filename)
    assert len(data) == round(one.cut_at * rate)
    assert 0.4 < len(data) / declared < 0.6
    assert np.abs(data[-rate // 10 :]).max() > 100  # it breaks off within the music


def test_the_silence_is_where_it_is_said_and_covers_one_segment_of_thirty_seconds(corpus):
    one = corpus.silent
    data, _, rate = read(corpus, one.audio_filename)
    start, end = (round(at * rate) for at in one.silence)
    assert not data[start:end].any()
    assert not data[30 * rate : 60 * rate].any()
    assert (end - start) / rate > 30
    assert data[start - rate : start].any()
    assert data[end : end + rate].any()


def test_nothing_is_clipped_and_everything_is_loud_enough_to_be_kept(corpus):
    for one in corpus.recordings:
        data, _, rate = read(corpus, one.audio_filename)
        peak = 20 * np.log10(np.abs(data.astype(float)).max() / 32768)
        assert -3.5 < peak < -1
        music = data[: 10 * rate].astype(float) / 32768
        assert np.sqrt(np.mean(music**2)) > 0.02


# ---------------------------------------------------------------- MIDI


def read_variable(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        byte = body[at]
        value, at = value << 7 | byte & 0x7F, at + 1
        if byte < 0x80:
            return value, at


def parse_midi(content: bytes) -> tuple[list[tuple[float, bytes]], float]:
    """Channel messages with their times in seconds, and where the last track ends, at 120 bpm."""
    assert content[:10] == b"MThd\x00\x00\x00\x06\x00\x01"
    tracks, division = int.from_bytes(content[10:12], "big"), int.from_bytes(content[12:14], "big")
    messages, at, end = [], 14, 0.0
    for _ in range(tracks):
        assert content[at : at + 4] == b"MTrk"
        size = int.from_bytes(content[at + 4 : at + 8], "big")
        body, at = content[at + 8 : at + 8 + size], at + 8 + size
        position, tick = 0, 0
        while position < size:
            delta, position = read_variable(body, position)
            tick += delta
            if body[position] == 0xFF:
                length, start = read_variable(body, position + 2)
                if body[position + 1] == 0x51:
                    assert int.from_bytes(body[start : start + length], "big") == 500_000
                ended, position = body[position + 1] == 0x2F, start + length
                assert ended == (position == size)
            else:
                length = 2 if body[position] >> 4 == 0xC else 3
                messages.append((tick / division / 2, body[position : position + length]))
                position += length
        end = tick / division / 2
    assert at == len(content)
    return messages, end


def test_midi_files_hold_the_notes_and_the_pedal_that_were_played(corpus):
    for one in corpus.recordings:
        messages, end = parse_midi((corpus.root / one.midi_filename).read_bytes())
        performance = played(one)
        assert end == pytest.approx(one.seconds, abs=2e-3)
        struck = [(at, m[1], m[2]) for at, m in messages if m[0] == 0x90]
        released = [m for _, m in messages if m[0] == 0x80]
        pedal = [m[2] for _, m in messages if m[0] == 0xB0]
        assert len(struck) == len(released) == len(performance.notes)
        assert sorted(struck) == sorted((round(n.onset * 960) / 960, n.pitch, n.velocity) for n in performance.notes)
        assert pedal == [127, 0] * len(performance.pedals)


# ---------------------------------------------------------------- made once, made the same


def test_another_process_makes_the_same_bytes_in_another_folder(corpus, tmp_path):
    code = (
        "import sys, pathlib; from crescendai_assets.sample.corpus import write_maestro;"
        "write_maestro(pathlib.Path(sys.argv[1]))"
    )
    project = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(project)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], check=True, env=environment)
    assert digests(tmp_path / "other") == digests(corpus.root)


def test_a_second_write_changes_nothing(corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.root.rglob("*")}
    again = write_maestro(corpus.root)
    assert again.written == ()
    assert {path: path.stat().st_mtime_ns for path in corpus.root.rglob("*")} == before


def test_only_what_is_missing_or_damaged_is_made_again(corpus, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(corpus.root, root)
    missing = root / min(corpus.recordings, key=lambda one: one.seconds).audio_filename
    missing.unlink()
    damaged = root / corpus.recordings[0].midi_filename
    damaged.write_bytes(damaged.read_bytes()[:-1])
    report = write_maestro(root)
    assert set(report.written) == {str(path.relative_to(root)) for path in (missing, damaged)}
    assert digests(root) == digests(corpus.root)


def test_files_that_are_right_are_left_alone_even_when_nobody_knows_who_wrote_them(corpus, tmp_path):
    root = tmp_path / "copy"
    for name in (TABLE, *(one.midi_filename for one in corpus.recordings)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(corpus.root / name, root / name)
    # the silence of a stamp means: make all of it again, and write only what differs
    report = write_maestro(root)
    assert set(report.written) == {one.audio_filename for one in corpus.recordings}
    assert not list(root.rglob("*.tmp"))
