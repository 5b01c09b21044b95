"""`labels/pseudo_labels` through Dagster, over the sample's ASAP, in which two files cannot be read."""

from __future__ import annotations

import pytest

from crescendai_assets.defs import pseudo_labels
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.labels.pseudo import pseudo_partition
from crescendai_assets.labels.schemas import PSEUDO_LABELS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.tables import read_rows


@pytest.fixture
def labels(over_asap):
    return over_asap(pseudo_labels.pseudo_labels, pseudo_labels.CHECKS)


def table_of(labels):
    return labels.lake / "labels" / "pseudo_labels.jsonl"


def failures_of(labels):
    return labels.failures(pseudo_partition(Lake(labels.lake)))


@pytest.mark.slow
def test_performances_become_rows_bad_files_failures_and_a_second_run_does_nothing(labels, asap_sample):
    first = labels.run()
    assert first.succeeded, first.error
    assert first.checks == {"schema": True, "idempotent": True}
    assert (first.metadata["succeeded"], first.metadata["failed"]) == (len(asap_sample.usable), 2)
    rows = list(read_rows(table_of(labels)))
    assert {row["midi_path"] for row in rows} == {one.midi for one in asap_sample.usable}
    assert all(PSEUDO_LABELS.fault(row) is None for row in rows)
    assert all((labels.asap / row["midi_path"]).is_file() for row in rows)
    failures = failures_of(labels)
    assert {"truncated" in f.message or "has no notes" in f.message for f in failures.values()} == {True}
    accuracy = {row["midi_path"]: row["labels"]["note_accuracy"] for row in rows if row["start_time"] == 0}
    assert min(accuracy, key=accuracy.__getitem__) == asap_sample.with_wrong_notes.midi
    before = table_of(labels).read_bytes()
    second = labels.run()
    assert second.checks == first.checks
    assert (second.metadata["succeeded"], second.metadata["failed"]) == (0, 0)
    assert table_of(labels).read_bytes() == before

    without = labels.run("")
    assert without.succeeded
    assert (table_of(labels).read_bytes(), failures_of(labels)) == (before, failures)

    # one score changes, another goes: only their performances are touched
    pieces = {
        one.piece.folder: [x for x in asap_sample.usable if x.piece.folder == one.piece.folder]
        for one in asap_sample.usable
    }
    (changed, redone), (gone, left), *_ = pieces.items()
    score = labels.asap / gone / "midi_score.mid"
    (labels.asap / changed / "midi_score.mid").write_bytes(score.read_bytes())
    score.unlink()
    third = labels.run()
    assert third.metadata["stale"] == len(redone)
    assert third.metadata["skipped_up_to_date"] == len(asap_sample.usable) - len(redone) - len(left)
    absent = [f for f in failures_of(labels).values() if "its score is absent" in f.message]
    assert len(absent) == len(left)
    assert {f.error_class for f in absent} == {"needs_user"}


def test_without_a_folder_it_succeeds_and_says_what_to_set(labels, monkeypatch):
    monkeypatch.delenv("ASAP_DIR", raising=False)
    nothing = labels.run("")
    assert nothing.succeeded
    assert nothing.checks == {"schema": True, "idempotent": True}
    assert "set ASAP_DIR" in nothing.metadata["state"]
    assert nothing.metadata["dagster/partition_row_count"] == 0
    with pytest.raises(SetupError, match="set ASAP_DIR"):
        AsapResource().required()


def test_a_folder_that_is_not_asap_says_so(labels):
    done = labels.run(str(labels.root / "lake"))
    assert not done.succeeded
    assert "metadata.csv" in done.error
