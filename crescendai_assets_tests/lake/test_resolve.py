from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.errors import ErrorClass, RecordingError
from crescendai_assets.lake.ledger import Failure, failed
from crescendai_assets.lake.resolve import Plan, resolve

NOW = datetime(2026, 11, 20, tzinfo=UTC)
IDS = st.sampled_from([f"r{i}" for i in range(12)])
PRINTS = st.sampled_from(["one", "two", "three"])
CLASSES: list[ErrorClass] = ["permanent", "retry", "needs_user", "blocked"]


def failure(recording_id: str, fingerprint: str = "one", error_class: ErrorClass = "permanent") -> Failure:
    return failed(recording_id, "embeddings", fingerprint, RecordingError("bad", error_class), None, NOW)


def planned(wanted, committed, failures=(), **options) -> Plan:
    return resolve(wanted, committed, {f.recording_id: f for f in failures}, now=NOW, **options)


def test_each_recording_is_where_its_fingerprints_put_it():
    plan = planned(
        {"a": "1", "b": "2", "c": "1", "d": "1"},
        {"b": "1", "c": "1", "gone": "1"},
        [failure("d", "1")],
    )
    assert plan == Plan(new=("a",), stale=("b",), done=("c",), removed=("gone",), waiting=("d",))
    assert plan.pending == ("a", "b")


def test_nothing_wanted_and_nothing_there_is_an_empty_plan():
    assert planned({}, {}) == Plan()


def test_a_committed_recording_that_failed_with_the_wanted_fingerprint_waits():
    assert planned({"a": "2"}, {"a": "1"}, [failure("a", "2")]).waiting == ("a",)
    assert planned({"a": "3"}, {"a": "1"}, [failure("a", "2")]).stale == ("a",)


def test_an_old_failure_does_not_disturb_what_is_up_to_date():
    assert planned({"a": "1"}, {"a": "1"}, [failure("a", "2")]).done == ("a",)


def test_failures_are_tried_again_by_their_class_or_when_asked():
    failures = [failure(c, "1", c) for c in CLASSES]
    wanted = dict.fromkeys(CLASSES, "1")
    plan = planned(wanted, {}, failures)
    assert (plan.new, plan.waiting) == (("blocked", "retry"), ("needs_user", "permanent"))
    assert planned(wanted, {}, failures, retry_failed=True).new == tuple(sorted(CLASSES))


def test_the_limit_takes_the_first_by_id_and_removes_nothing():
    wanted = {"c": "1", "a": "1", "b": "1", "d": "1"}
    plan = planned(wanted, {"d": "1", "c": "0", "gone": "1"}, limit=2)
    assert plan == Plan(new=("a", "b"), removed=("gone",), beyond_limit=("c", "d"))
    assert planned(wanted, {}, limit=99) == planned(wanted, {})


def test_a_failed_recording_that_left_the_source_is_reported_though_it_was_never_committed():
    assert planned({"a": "1"}, {"a": "1"}, [failure("gone")]).removed == ("gone",)


@given(
    st.dictionaries(IDS, PRINTS),
    st.dictionaries(IDS, PRINTS),
    st.dictionaries(IDS, st.tuples(PRINTS, st.sampled_from(CLASSES))),
    st.none() | st.integers(1, 14),
    st.booleans(),
)
def test_every_recording_stands_in_exactly_one_part_of_the_plan(wanted, committed, failing, limit, retry_failed):
    failures = [failure(i, *how) for i, how in failing.items()]
    plan = planned(wanted, committed, failures, limit=limit, retry_failed=retry_failed)
    parts = [plan.new, plan.stale, plan.done, plan.waiting, plan.beyond_limit]
    together = [i for part in parts for i in part]
    assert sorted(together) == sorted(wanted)
    assert set(plan.removed) == (set(committed) | set(failing)) - set(wanted)
    assert all(part == tuple(sorted(part)) for part in (*parts, plan.removed, plan.pending))
    assert set(plan.pending) == set(plan.new) | set(plan.stale)
    assert all(i not in committed for i in plan.new)
    assert all(committed[i] != wanted[i] for i in plan.stale)
    assert all(committed[i] == wanted[i] for i in plan.done)
    assert all(i in failing and committed.get(i) != wanted[i] for i in plan.waiting)
    assert not (retry_failed and plan.waiting)
    assert plan.beyond_limit == (() if limit is None else tuple(sorted(wanted)[limit:]))
