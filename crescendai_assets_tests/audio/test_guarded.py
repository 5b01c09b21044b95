from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.audio.decode import decode
from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets_tests.audio import misbehaviour as bad
from crescendai_assets_tests.builders import tone, write_sound

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("guarded_processes_begin_as_they_do")


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


@pytest.fixture
def worker():
    with GuardedProcess(timeout=30) as worker:
        yield worker


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(true, seconds=15.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_function_runs_in_one_child_that_lives_across_calls(worker):
    pid = worker.call(bad.child_pid, what="x")
    assert pid != os.getpid()
    assert worker.call(bad.double, 21, what="x") == 42
    assert list(worker.stream(bad.count, 3, what="x")) == [0, 1, 2]
    assert worker.call(bad.child_pid, what="x") == pid


def test_nothing_is_started_before_the_first_call():
    worker = GuardedProcess()
    assert worker._child is None
    worker.close()


def test_audio_comes_back_as_it_was_decoded(worker, tmp_path):
    path = write_sound(tmp_path / "a.wav", tone(1.0, 44_100), 44_100)
    there, here = worker.call(decode, path, what="a.wav"), decode(path)
    assert np.array_equal(there.audio, here.audio)
    assert there.declared_seconds == here.declared_seconds


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGBUS])
def test_a_crash_in_mid_stream_costs_that_call_only(worker, number):
    values = worker.stream(bad.one_then_signal, number, what="odd.mp3")
    assert next(values) == 1
    with pytest.raises(RecordingError, match=rf"odd\.mp3: the decoder crashed on it \({number.name}\)") as caught:
        next(values)
    assert caught.value.error_class == "permanent"
    assert worker.call(bad.double, 4, what="next.wav") == 8


def test_a_child_that_exits_in_mid_stream_costs_that_call_only(worker):
    with pytest.raises(RecordingError, match=r"x: the decoder crashed on it \(exit status 3\)"):
        list(worker.stream(bad.one_then_exit, 3, what="x"))
    assert worker.call(bad.double, 4, what="next.wav") == 8


def test_a_child_that_was_killed_for_memory_is_tried_again_another_time(worker):
    with pytest.raises(RecordingError, match=r"big\.wav: its process was killed, most likely for want of memory") as e:
        list(worker.stream(bad.one_then_signal, signal.SIGKILL, what="big.wav"))
    assert e.value.error_class == "retry"
    assert worker.call(bad.double, 4, what="next.wav") == 8


def test_a_child_killed_between_two_calls_costs_nothing(worker):
    pid = worker.call(bad.child_pid, what="x")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    assert worker.call(bad.double, 4, what="next.wav") == 8


def test_a_call_that_overruns_its_time_is_stopped_and_tried_again_another_time():
    with GuardedProcess(timeout=5) as worker:
        assert worker.call(bad.double, 1, what="warm") == 2
        worker._timeout = 0.3
        values = worker.stream(bad.one_then_wait, 60, what="slow.wav")
        assert next(values) == 1
        with pytest.raises(RecordingError, match=r"slow\.wav: gave no result in 0\.3 s and was stopped") as caught:
            next(values)
        assert caught.value.error_class == "retry"
        worker._timeout = 30
        assert worker.call(bad.double, 4, what="next.wav") == 8


def test_the_time_is_that_of_one_result_not_of_all():
    with GuardedProcess(timeout=30) as worker:
        worker.call(bad.double, 1, what="warm")
        worker._timeout = 1.0
        assert list(worker.stream(bad.count, 8, 0.2, what="x")) == list(range(8))


def test_a_file_that_asks_for_too_much_memory_fails_and_the_machine_does_not():
    with GuardedProcess(timeout=30, memory_limit=2 * 1024**3) as worker:
        with pytest.raises(RecordingError, match=r"big\.wav: MemoryError"):
            worker.call(bad.allocate, 4, what="big.wav")
        assert worker.call(bad.allocate, 0.01, what="small.wav") == int(0.01 * 1024**3)


def test_errors_about_the_setup_and_the_recording_pass_as_they_are(worker):
    with pytest.raises(SetupError, match=r"^disk full$"):
        worker.call(bad.fail, "setup", what="x")
    with pytest.raises(RecordingError, match=r"^x\.wav: blocked by the site$") as caught:
        worker.call(bad.fail, "recording", what="x")
    assert caught.value.error_class == "blocked"


@pytest.mark.parametrize(
    ("kind", "told", "error_class"),
    [
        ("value", "x.wav: ValueError: bad value", "permanent"),
        ("missing", "x.wav: FileNotFoundError: .*gone.wav", "retry"),
        ("memory", "x.wav: MemoryError", "permanent"),
        ("odd", "x.wav: OddError: x.wav, line 3", "permanent"),
        ("local", "x.wav: LocalError: cannot travel", "permanent"),
    ],
)
def test_any_other_exception_becomes_the_recordings_failure(worker, kind, told, error_class):
    pid = worker.call(bad.child_pid, what="x.wav")
    with pytest.raises(RecordingError, match=told) as caught:
        worker.call(bad.fail, kind, what="x.wav")
    assert caught.value.error_class == error_class
    with pytest.raises(RecordingError, match=told):
        list(worker.stream(bad.one_then_fail, kind, what="x.wav"))
    assert worker.call(bad.child_pid, what="x.wav") == pid


def test_a_result_that_cannot_be_sent_is_a_failure_and_the_child_lives_on(worker):
    pid = worker.call(bad.child_pid, what="x")
    with pytest.raises(RecordingError, match=r"x: .*pickle"):
        worker.call(bad.unpicklable, what="x")
    assert worker.call(bad.child_pid, what="x") == pid


def test_an_abandoned_stream_does_not_leak_into_the_next_call(worker):
    for value in worker.stream(bad.count, 1000, what="x"):
        if value == 2:
            break
    assert worker.call(bad.double, 21, what="y") == 42


def test_a_stream_that_is_abandoned_but_still_held_does_not_leak_into_the_next_call(worker):
    held = worker.stream(bad.count, 1000, what="x")
    assert next(held) == 0
    assert worker.call(bad.double, 21, what="y") == 42
    held.close()
    assert worker.call(bad.double, 4, what="z") == 8


def test_what_a_decoder_prints_is_not_shown(worker, capfd):
    assert worker.call(bad.chatter, what="x") == 1
    assert capfd.readouterr() == ("", "")


def test_closing_ends_the_child():
    with GuardedProcess() as worker:
        pid = worker.call(bad.child_pid, what="x")
        assert alive(pid)
    assert not alive(pid)
    worker.close()


def test_the_child_exits_when_its_parent_is_killed(tmp_path):
    out = tmp_path / "pid"
    command = [sys.executable, "-m", "crescendai_assets_tests.audio.misbehaviour", str(out)]
    parent = subprocess.Popen(command, cwd=PROJECT)
    try:
        wait_until(out.exists)
        child = int(out.read_text())
        assert alive(child)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not alive(child))


def test_what_finishes_first_comes_first_and_an_error_comes_with_its_item():
    def work(worker, seconds):
        time.sleep(seconds)
        if not seconds:
            raise RecordingError("x.wav: bad")
        return seconds

    (first, error), *others = guarded_map(work, [0.3, 0.0, 0.1], 2)
    assert first == 0.0
    assert isinstance(error, RecordingError)
    assert others == [(0.1, 0.1), (0.3, 0.3)]


def test_a_child_that_cannot_even_start_is_the_machines_fault_and_no_recordings(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with GuardedProcess() as process, pytest.raises(SetupError, match="does not start"):
        process.call(len, "abc", what="a.wav")
