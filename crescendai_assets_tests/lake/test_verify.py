from __future__ import annotations

import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.journal import open_journal
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.tables import by_recording, read_rows
from crescendai_assets.lake.verify import SAMPLE, Outcome, both, check_schema, check_stage, outcome
from crescendai_assets_tests.builders import embedding_row

WANTED = {"a": embedding_row("a")["fingerprint"], "b": embedding_row("b")["fingerprint"]}


@pytest.fixture
def files(year):
    files = year.stage("embeddings")
    with open_journal(files, EMBEDDINGS, "embeddings") as journal:
        journal.commit("a", [embedding_row("a")])
        journal.commit("b", [embedding_row("b")])
    return files


def checked(year, wanted=None, expected=None, limit=None, untried=0) -> Outcome:
    def committed():
        rows = read_rows(year.stage("embeddings").table)
        return {i: group[0]["fingerprint"] for i, group in by_recording(rows)}

    return check_stage(year, "embeddings", EMBEDDINGS, lambda: wanted or WANTED, committed, expected, limit, untried)


def test_a_stage_with_nothing_to_do_passes_and_says_what_was_looked_at(year, files):
    digest = EMBEDDINGS.digest(read_rows(files.table))
    found = checked(year, expected=digest)
    assert found.passed
    assert (found.facts["rows"], found.facts["up_to_date"], found.facts["pending"]) == (2, 2, 0)
    assert found.facts["digest"] == digest
    assert found.facts["compared_with_run"]
    assert not checked(year).facts["compared_with_run"]


@pytest.mark.parametrize("wanted", [{**WANTED, "c": "1"}, {**WANTED, "b": "changed"}])
def test_pending_work_fails(year, files, wanted):
    found = checked(year, wanted)
    assert not found.passed
    assert [row["id"] for row in found.rows] == [next(i for i in sorted(wanted) if wanted[i] != WANTED.get(i))]
    assert "pending" in found.rows[0]["fault"]


def test_pending_work_beyond_the_limit_of_the_run_passes(year, files):
    found = checked(year, {**WANTED, "c": "1"}, limit=2)
    assert found.passed
    assert found.facts["beyond_limit"] == 1


def test_a_doubled_row_fails(year, files):
    line = files.table.read_text().splitlines()[1]
    files.table.write_text(files.table.read_text() + line + "\n")
    found = checked(year)
    assert not found.passed
    assert {"id": "b_seg000", "fault": "stands 2 times"} in found.rows


def test_a_leftover_journal_fails(year, files):
    files.journal.write_text("")
    found = checked(year)
    assert not found.passed
    assert "journal is left" in found.rows[0]["fault"]


def test_a_digest_that_is_not_the_runs_fails(year, files):
    digest = EMBEDDINGS.digest(read_rows(files.table))
    files.table.write_text(files.table.read_text().replace('"frames": 93', '"frames": 92', 1))
    found = checked(year, expected=digest)
    assert not found.passed
    assert digest[:12] in found.rows[0]["fault"]


def test_a_row_without_its_id_fails_and_does_not_break_the_check(year, files):
    files.table.write_text(files.table.read_text().replace('"segment_id"', '"segment"', 1))
    found = checked(year, expected="0" * 32)
    assert not found.passed


def failing(files, fingerprint, error_class):
    with open_journal(files, EMBEDDINGS, "embeddings") as journal:
        journal.fail("c", fingerprint, RecordingError("c.wav: bad", error_class))


@pytest.mark.parametrize("error_class", ["permanent", "retry", "needs_user", "blocked"])
def test_what_failed_and_is_in_the_ledger_is_no_fault_even_when_due_again(year, files, error_class):
    failing(files, "1", error_class)
    found = checked(year, {**WANTED, "c": "1"})
    assert found.passed


def test_what_failed_with_another_source_is_pending(year, files):
    failing(files, "1", "permanent")
    found = checked(year, {**WANTED, "c": "2"})
    assert not found.passed
    assert found.rows[0]["id"] == "c"


def test_recordings_that_left_the_source_are_counted_and_no_fault(year, files):
    found = checked(year, {"a": WANTED["a"]})
    assert found.passed
    assert found.facts["removed_from_source"] == 1


@pytest.mark.parametrize(("untried", "passed"), [(0, False), (1, False), (2, True), (3, True)])
def test_what_the_run_left_for_a_later_one_may_be_pending_and_more_may_not(year, files, untried, passed):
    found = checked(year, {**WANTED, "c": "1", "d": "1"}, untried=untried)
    assert found.passed == passed
    assert (found.facts["pending"], found.facts["left_for_a_later_run"]) == (2, untried)
    assert [row["id"] for row in found.rows] == ([] if passed else ["c", "d"])


def test_what_failed_does_not_count_among_what_was_left_for_a_later_run(year, files):
    failing(files, "1", "blocked")
    assert checked(year, {**WANTED, "c": "1", "d": "1"}, untried=1).passed


def test_other_faults_are_told_whatever_the_run_left(year, files):
    files.journal.write_text("")
    assert not checked(year, {**WANTED, "c": "1"}, untried=1).passed


def test_what_is_listed_and_unusable_did_not_leave_the_source(year, files):
    failing(files, "", "needs_user")  # as `run_stage` enters it
    found = checked(year)
    assert (found.passed, found.facts["removed_from_source"]) == (True, 0)


def test_a_table_that_fits_its_schema_passes():
    found = check_schema(EMBEDDINGS, [embedding_row("a"), embedding_row("b")])
    assert (found.passed, found.facts, found.rows) == (True, {"rows": 2}, ())


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([embedding_row("a", frames=0)], "frames"),
        ([{k: v for k, v in embedding_row("a").items() if k != "sha256"}], "sha256"),
        ([{k: v for k, v in embedding_row("a").items() if k != "segment_id"}], "segment_id"),
        ([embedding_row("a", segment_id=["x"])], "segment_id must be string"),
        ([embedding_row("a"), embedding_row("a")], "stands 2 times"),
        ([embedding_row("b"), embedding_row("a")], "out of order"),
    ],
)
def test_a_broken_schema_a_doubled_id_and_a_wrong_order_each_fail(rows, fault):
    found = check_schema(EMBEDDINGS, rows)
    assert not found.passed
    assert any(fault in row["fault"] for row in found.rows)


def test_only_a_sample_of_many_faults_is_shown_and_all_are_counted():
    found = check_schema(EMBEDDINGS, [embedding_row(f"{i:03d}", frames=0) for i in range(50)])
    assert len(found.rows) == SAMPLE
    assert found.facts["faults"] == 50
    assert found.summary.startswith("50 ")


def test_both_pass_only_together():
    good, bad = outcome([], "good", "faults", {"a": 1}), outcome([{"id": "x"}], "good", "faults", {"b": 2})
    assert both(good, good).passed
    for first, second in ((good, bad), (bad, good), (bad, bad)):
        found = both(first, second)
        assert not found.passed
        assert "1 faults" in found.summary
        assert found.rows
    assert both(good, outcome([], "fine", "", {"b": 2})).facts == {"a": 1, "b": 2}


def test_a_pair_of_verdicts_is_a_mere_warning_only_when_each_failure_is():
    warning = outcome([{"id": "x"}], "good", "faults", {}, warn=True)
    stop = outcome([{"id": "y"}], "good", "faults", {})
    good = outcome([], "good", "faults", {})
    assert both(warning, warning).warn
    assert both(warning, good).warn
    assert both(good, warning).warn
    assert not both(warning, stop).warn
