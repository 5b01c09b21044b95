from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.ledger import LONGEST_WAIT, Failure, failed, now_utc, read_failures
from crescendai_assets.lake.schemas import FAILURES

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


def failure(error_class, before=None, now=NOW, fingerprint="one"):
    return failed("a", "embeddings", fingerprint, RecordingError("a.wav: bad", error_class), before, now)


def repeated(times, error_class="retry"):
    found = None
    for _ in range(times):
        found = failure(error_class, found)
    assert found is not None
    return found


def test_a_failure_says_what_where_when_and_how_often():
    first = failure("permanent")
    assert first == Failure(
        recording_id="a",
        stage="embeddings",
        error_class="permanent",
        message="a.wav: bad",
        fingerprint="one",
        attempts=1,
        first_failed_at="2026-11-20T12:00:00+00:00",
        last_failed_at="2026-11-20T12:00:00+00:00",
        retry_at=None,
    )
    second = failure("permanent", first, NOW + timedelta(hours=1))
    assert (second.attempts, second.first_failed_at, second.last_failed_at) == (
        2,
        "2026-11-20T12:00:00+00:00",
        "2026-11-20T13:00:00+00:00",
    )


@pytest.mark.parametrize("error_class", ["permanent", "needs_user"])
def test_permanent_and_needs_user_are_never_due_by_time_alone(error_class):
    assert not repeated(1, error_class).is_due("one", NOW)
    assert not repeated(3, error_class).is_due("one", NOW + YEAR)


def test_blocked_is_due_at_once_every_time():
    assert repeated(1, "blocked").is_due("one", NOW)
    assert repeated(9, "blocked").is_due("one", NOW)


def test_retry_is_due_at_once_and_then_after_growing_waits_up_to_a_day():
    assert repeated(1).retry_at is None
    assert repeated(1).is_due("one", NOW)
    waits = []
    for times in range(2, 40):
        at = repeated(times).retry_at
        assert at is not None
        waits.append(datetime.fromisoformat(at) - NOW)
    assert waits[:4] == [timedelta(minutes=m) for m in (5, 20, 80, 320)]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT == timedelta(days=1)


def test_retry_is_due_when_its_wait_is_over_and_not_a_second_before():
    second = repeated(2)
    assert not second.is_due("one", NOW + timedelta(minutes=4, seconds=59))
    assert second.is_due("one", NOW + timedelta(minutes=5))


@pytest.mark.parametrize("error_class", ["permanent", "needs_user", "retry", "blocked"])
def test_a_changed_fingerprint_gives_another_try_and_a_new_count(error_class):
    old = repeated(5, error_class)
    assert old.is_due("two", NOW)
    again = failure(error_class, old, fingerprint="two")
    assert (again.attempts, again.retry_at) == (1, None)


def test_another_class_of_error_starts_a_new_count():
    again = failure("permanent", repeated(5, "retry"), NOW + YEAR)
    assert again.attempts == 1
    assert again.first_failed_at == again.last_failed_at


def test_only_retry_carries_a_time():
    assert all(repeated(5, c).retry_at is None for c in ("permanent", "needs_user", "blocked"))


def test_the_ledger_reads_back_what_was_written_and_passes_over_columns_it_does_not_know(tmp_path):
    failures = [failure("retry"), repeated(4)]
    rows = [{**failures[0].to_row(), "note": "by hand"}, {**failures[1].to_row(), "recording_id": "b"}]
    FAILURES.write(tmp_path / "ledger.jsonl", rows)
    found = read_failures(tmp_path / "ledger.jsonl")
    assert found["a"] == failures[0]
    assert found["b"].retry_at == failures[1].retry_at
    assert read_failures(tmp_path / "none.jsonl") == {}


def test_every_class_of_error_fits_the_schema_and_no_other():
    for error_class in ("permanent", "retry", "needs_user", "blocked"):
        assert FAILURES.fault(failure(error_class).to_row()) is None
    assert FAILURES.fault({**failure("retry").to_row(), "error_class": "unknown"})


def test_failures_are_written_with_the_time_in_utc():
    assert now_utc().utcoffset() == timedelta(0)
