"""`reports/score_alignment` through Dagster, over the sample's ASAP, in which two files cannot be read."""

from __future__ import annotations

import shutil

import pytest

from crescendai_assets.defs import score_alignment
from crescendai_assets.evaluation.score_alignment_table import alignment_partition, alignment_rows


@pytest.fixture
def judged(over_asap):
    return over_asap(score_alignment.score_alignment, score_alignment.CHECKS)


def failures_of(judged):
    return judged.failures(alignment_partition(judged.lake))


@pytest.mark.slow
def test_performances_are_judged_once_and_what_cannot_be_stands_in_the_ledger(judged, asap_sample):
    left = judged.asap / asap_sample.usable[0].annotations
    left.write_text("".join(left.read_text().splitlines(keepends=True)[:-2]))
    first = judged.run()
    assert first.succeeded, first.error
    assert first.checks == {"schema": True, "idempotent": True}
    assert (first.metadata["succeeded"], first.metadata["failed"]) == (len(asap_sample.usable) - 1, 2)
    assert first.metadata["not_judged"] == 1
    reasons = [failure.message for failure in failures_of(judged).values()]
    assert sum("not aligned" in message for message in reasons) == 1
    for row in alignment_rows(judged.lake):
        assert row["onset_error"]["aligned"]["median_ms"] < 30, row["recording_id"]
        assert row["measure_accuracy"]["aligned"] > 0.95
    before = alignment_rows(judged.lake)
    second = judged.run()
    assert second.checks == first.checks
    assert (second.metadata["succeeded"], second.metadata["failed"]) == (0, 0)
    assert alignment_rows(judged.lake) == before

    # its beats come back: it alone is judged, and the ledger forgets it
    shutil.copy(asap_sample.root / asap_sample.usable[0].annotations, left)
    third = judged.run()
    assert (third.metadata["succeeded"], third.metadata["skipped_up_to_date"]) == (1, len(before))
    assert not any("not aligned" in failure.message for failure in failures_of(judged).values())


def test_without_a_folder_it_succeeds_and_says_what_to_set(judged, monkeypatch):
    monkeypatch.delenv("ASAP_DIR", raising=False)
    nothing = judged.run("")
    assert nothing.succeeded, nothing.error
    assert nothing.checks == {"schema": True, "idempotent": True}
    assert "set ASAP_DIR" in nothing.metadata["state"]
    assert alignment_rows(judged.lake) == []
