from __future__ import annotations

from collections.abc import Callable

import pytest

from crescendai_assets.lake import stage as stage_module
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.journal import read_last_run
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.stage import Options, run_stage
from crescendai_assets.lake.tables import by_recording, read_rows
from crescendai_assets_tests.builders import digest, embedding_row


class Source:
    """Recordings with a version each; those that are `bad` fail."""

    def __init__(self, partition, versions, bad=()):
        self.partition, self.versions, self.bad = partition, versions, set(bad)
        self.tried: list[str] = []
        self.pruned: list[str] = []
        self.told: list[str] = []
        self.unusable: Callable[[], dict[str, RecordingError]] | None = None
        self.taken: set[str] = set()
        self.asked_who_took: list[tuple[str, ...]] = []
        self.most: int | None = None

    def wanted(self):
        return {name: digest(version)[:32] for name, version in self.versions.items()}

    def committed(self):
        rows = read_rows(self.partition.stage("embeddings").table)
        return {name: group[0]["fingerprint"] for name, group in by_recording(rows)}

    def work(self, run):
        for name in run.plan.pending[: self.most]:
            self.tried.append(name)
            if name in self.bad:
                run.fail(name, RecordingError(f"{name}.wav: bad"))
            else:
                run.commit(name, [embedding_row(name, fingerprint=self.wanted()[name])], audio_seconds=30.0)

    def released(self, removed):
        self.asked_who_took.append(tuple(removed))
        return self.taken.intersection(removed)

    def run(self, **options):
        self.tried, self.pruned, self.told, self.asked_who_took = [], [], [], []
        return run_stage(
            self.partition,
            "embeddings",
            EMBEDDINGS,
            wanted=self.wanted,
            committed=self.committed,
            work=self.work,
            options=Options(**options),
            progress=self.told.append,
            unusable=self.unusable,
            released=self.released,
            on_prune=self.pruned.append,
            facts=lambda: {"device": "cpu"},
        )

    @property
    def rows(self):
        return [row["recording_id"] for row in read_rows(self.partition.stage("embeddings").table)]

    @property
    def failures(self):
        return read_failures(self.partition.stage("embeddings").ledger)


@pytest.fixture
def source(year):
    return Source(year, {"a": "1", "b": "1", "c": "1"})


def test_a_second_run_does_no_work_and_says_so(source):
    first = source.run()
    assert (first.rows, first.succeeded, first.failed_now, first.audio_seconds) == (3, 3, 0, 90.0)
    second = source.run()
    assert source.tried == []
    assert (second.rows, second.succeeded, second.plan.pending, second.digest) == (3, 0, (), first.digest)
    assert source.told == ["up to date: 3 rows, 3 recordings, nothing to do"]
    assert not second.hopeless


def test_only_new_and_stale_recordings_are_done(source):
    source.run()
    source.versions.update(b="2", d="1")
    report = source.run()
    assert source.tried == ["b", "d"]
    assert (report.plan.new, report.plan.stale, report.plan.done) == (("d",), ("b",), ("a", "c"))
    assert "2 of 2 recordings done (1 new, 1 stale), 0 failed, 2 were up to date; 4 rows" in report.summary()


def test_work_is_not_called_when_nothing_is_wanted(year):
    source = Source(year, {})
    report = source.run()
    assert (report.rows, report.hopeless, report.seconds >= 0) == (0, False, True)
    assert year.stage("embeddings").table.exists()


def test_a_limit_does_the_first_by_id_and_the_rest_is_neither_removed_nor_pruned(source):
    report = source.run(limit=2)
    assert (source.tried, source.rows) == (["a", "b"], ["a", "b"])
    assert (report.plan.beyond_limit, report.plan.removed) == (("c",), ())
    source.run()
    again = source.run(limit=1, prune=True)
    assert (again.plan.removed, again.pruned, source.pruned) == ((), 0, [])
    assert source.rows == ["a", "b", "c"]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(SetupError, match="give at least 1, or leave it out"):
        Options(limit=limit)


def test_what_left_the_source_is_reported_and_stays_until_pruning_is_asked_for(source):
    source.run()
    del source.versions["b"]
    report = source.run()
    assert (report.plan.removed, report.pruned, source.rows, source.pruned) == (("b",), 0, ["a", "b", "c"], [])
    report = source.run(prune=True)
    assert (report.plan.removed, report.pruned, source.rows, source.pruned) == (("b",), 1, ["a", "c"], ["b"])
    assert report.rows == 2
    assert source.run().plan.removed == ()


def test_pruning_drops_the_failure_of_a_recording_that_left_the_source(source):
    source.bad = {"b"}
    source.run()
    del source.versions["b"]
    report = source.run()
    assert (report.plan.removed, set(source.failures)) == (("b",), {"b"})
    report = source.run(prune=True)
    assert (report.pruned, source.failures, report.failures) == (1, {}, ())
    assert source.run().plan.removed == ()


def test_one_failure_costs_one_recording_and_is_told(source):
    source.bad = {"b"}
    report = source.run()
    assert source.rows == ["a", "c"]
    assert (report.succeeded, report.failed_now, [f.recording_id for f in report.failures]) == (2, 1, ["b"])
    assert not report.hopeless
    assert "failed (permanent): b: b.wav: bad" in source.told
    assert source.failures["b"].fingerprint == source.wanted()["b"]


def test_a_permanent_failure_waits_until_its_source_changes_or_a_person_asks(source):
    source.bad = {"b"}
    source.run()
    report = source.run()
    assert (source.tried, report.plan.waiting) == ([], ("b",))
    assert "1 failed before and wait" in report.summary()
    source.run(retry_failed=True)
    assert source.tried == ["b"]
    assert source.failures["b"].attempts == 2
    source.versions["b"] = "2"
    source.bad = set()
    source.run()
    assert (source.tried, source.rows, source.failures) == (["b"], ["a", "b", "c"], {})


def test_a_partition_that_succeeds_at_none_of_its_work_is_hopeless(source):
    source.bad = {"a", "b", "c"}
    assert source.run().hopeless
    assert not source.run().hopeless  # nothing to do
    source.versions["d"] = "1"
    assert not source.run().hopeless


def test_commits_before_an_error_stand_and_the_next_run_does_the_rest(source):
    def breaks(run):
        run.commit("a", [embedding_row("a", fingerprint=source.wanted()["a"])])
        raise SetupError("disk full")

    source.work, working = breaks, source.work
    with pytest.raises(SetupError, match="disk full"):
        source.run()
    source.work = working
    report = source.run()
    assert source.tried == ["b", "c"]
    assert report.rows == 3


def test_progress_says_how_far_how_fast_and_how_long_still(source, monkeypatch):
    monkeypatch.setattr(stage_module, "_PROGRESS_SECONDS", 0.0)
    source.run()
    assert source.told[0] == "3 recordings to do, 0 up to date"
    steps = [line for line in source.told if "/3 recordings" in line]
    assert [line.split()[0] for line in steps] == ["1/3", "2/3", "3/3"]
    assert all("x real time, about " in line for line in steps)
    assert steps[-1].endswith("about 0 s left")


def test_progress_is_told_at_the_end_even_when_all_is_quick(source):
    source.run()
    assert [line.split()[0] for line in source.told if "recordings," in line and "/" in line] == ["3/3"]


def test_facts_of_a_run_that_worked_are_kept_for_estimates_and_not_overwritten_by_idle_ones(source):
    report = source.run()
    assert report.facts == {"device": "cpu"}
    files = source.partition.stage("embeddings")
    kept = read_last_run(files)
    assert kept is not None
    assert (kept["recordings"], kept["audio_seconds"], kept["device"]) == (3, 90.0, "cpu")
    source.run()
    assert read_last_run(files) == kept


def test_the_report_of_a_run_equals_the_table_on_disk(source):
    report = source.run()
    rows = list(read_rows(source.partition.stage("embeddings").table))
    assert report.digest == EMBEDDINGS.digest(rows)
    assert report.rows == len(rows)


def test_files_of_a_pruned_recording_go_before_its_row_so_that_a_killed_run_is_finished_by_the_next(source):
    source.run()
    del source.versions["b"]

    class Killed(BaseException):
        pass

    class Disk(list[str]):
        def append(self, recording_id):
            super().append(recording_id)
            raise Killed

    with pytest.raises(Killed):
        run_stage(
            source.partition,
            "embeddings",
            EMBEDDINGS,
            wanted=source.wanted,
            committed=source.committed,
            work=source.work,
            options=Options(prune=True),
            on_prune=Disk().append,
        )
    assert source.rows == ["a", "b", "c"]
    assert (source.run(prune=True).pruned, source.pruned, source.rows) == (1, ["b"], ["a", "c"])


# what is listed and nobody can work on


UNDECIDED = RecordingError("'Etude': no performer", "needs_user")


def saying(**errors: RecordingError) -> Callable[[], dict[str, RecordingError]]:
    return lambda: errors


def test_what_nobody_can_work_on_stands_in_the_ledger_and_is_neither_pending_nor_removed(source):
    source.unusable = saying(x=UNDECIDED)
    report = source.run()
    assert (source.tried, source.rows) == (["a", "b", "c"], ["a", "b", "c"])
    assert {i: (f.error_class, f.message) for i, f in source.failures.items()} == {"x": ("needs_user", str(UNDECIDED))}
    assert [f.recording_id for f in report.failures] == ["x"]
    for one in (report, source.run(), source.run(retry_failed=True)):
        assert (one.plan.removed, one.plan.waiting, one.failed_now, one.hopeless) == ((), (), 0, False)
    assert source.tried == []


def test_a_reason_that_stays_is_entered_once_and_one_that_changes_replaces_it(source):
    source.unusable = saying(x=UNDECIDED)
    source.run()
    before = source.failures["x"]
    source.run()
    assert source.failures["x"] == before
    source.unusable = saying(x=RecordingError("'Etude': several performers", "needs_user"))
    source.run()
    assert source.failures["x"].message == "'Etude': several performers"


def test_what_is_no_longer_listed_as_unusable_leaves_the_ledger_without_pruning(source):
    source.unusable = saying(x=UNDECIDED, y=UNDECIDED)
    source.run()
    source.unusable = saying(y=UNDECIDED)
    report = source.run()
    assert (set(source.failures), report.pruned, source.pruned) == ({"y"}, 0, [])
    source.unusable = saying()
    source.run()
    assert source.failures == {}


def test_pruning_neither_counts_nor_removes_what_is_listed_as_unusable(source):
    source.unusable = saying(x=UNDECIDED)
    source.run()
    report = source.run(prune=True)
    assert (report.pruned, source.pruned, set(source.failures)) == (0, [], {"x"})


def test_what_was_unusable_is_tried_as_soon_as_it_can_be_and_then_leaves_the_ledger(source):
    source.unusable = saying(d=UNDECIDED)
    source.run()
    source.unusable, source.versions["d"] = saying(), "1"
    source.run()
    assert (source.tried, source.rows, source.failures) == (["d"], ["a", "b", "c", "d"], {})


def test_with_a_listing_a_failure_of_what_was_never_committed_goes_when_it_is_no_longer_listed(source):
    source.unusable, source.bad = saying(), {"b"}
    source.run()
    assert set(source.failures) == {"b"}
    assert source.run(limit=1).plan.beyond_limit == ("b", "c")
    assert set(source.failures) == {"b"}, "what lies beyond the limit is listed all the same"
    del source.versions["b"]
    report = source.run()
    assert (source.failures, report.plan.removed, report.pruned) == ({}, (), 0)


def test_with_a_listing_a_failure_of_what_was_committed_stays_until_it_is_pruned(source):
    source.unusable = saying()
    source.run()
    source.bad, source.versions["b"] = {"b"}, "2"
    source.run()
    del source.versions["b"]
    report = source.run()
    assert (set(source.failures), report.plan.removed, source.rows) == ({"b"}, ("b",), ["a", "b", "c"])
    report = source.run(prune=True)
    assert (source.failures, report.pruned, source.pruned, source.rows) == ({}, 1, ["b"], ["a", "c"])


# what another partition took over


@pytest.mark.parametrize("prune", [False, True])
def test_rows_that_another_partition_took_over_go_at_once_and_their_files_stay(source, prune):
    source.run()
    del source.versions["b"]
    source.taken = {"b", "c", "z"}
    report = source.run(prune=prune)
    assert (source.rows, source.pruned, report.rows, report.pruned) == (["a", "c"], [], 2, 0)
    assert source.asked_who_took == [("b",)]
    assert source.run().plan.removed == ()


def test_pruning_takes_what_nobody_took_over_and_counts_only_that(source):
    source.run()
    source.versions = {"c": "1"}
    source.taken = {"b"}
    report = source.run(prune=True)
    assert (source.rows, source.pruned, report.pruned, report.plan.removed) == (["c"], ["a"], 1, ("a", "b"))


def test_the_failure_of_what_another_partition_took_over_goes_with_it(source):
    source.bad = {"b"}
    source.run()
    del source.versions["b"]
    source.taken = {"b"}
    assert (source.run().failures, source.failures) == ((), {})


def test_nobody_is_asked_who_took_over_while_nothing_left_the_source(source):
    source.run()
    source.run(prune=True)
    assert source.asked_who_took == []


# work that stops early


def test_what_a_run_leaves_for_a_later_one_is_counted_and_no_failure(source):
    source.most = 1
    report = source.run()
    assert (report.succeeded, report.failed_now, report.untried, report.hopeless) == (1, 0, 2, False)
    assert "0 failed, 2 left for a later run, 0 were up to date" in report.summary()
    source.most = 0
    report = source.run()
    assert (report.succeeded, report.untried, report.hopeless, report.failures) == (0, 2, False, ())
    source.most = None
    report = source.run()
    assert (source.tried, report.untried) == (["b", "c"], 0)
    assert "left for a later run" not in report.summary()


def test_a_run_that_only_failed_is_hopeless_whatever_it_left_untried(source):
    source.most, source.bad = 1, {"a"}
    report = source.run()
    assert (report.failed_now, report.untried, report.hopeless) == (1, 2, True)
