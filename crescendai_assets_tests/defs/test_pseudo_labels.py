"""`labels/pseudo_labels` through Dagster, over the sample's ASAP, in which two files cannot be read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from crescendai_assets.defs import pseudo_labels
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.defs.run import Done, materialize
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.labels.pseudo import ASSET, pseudo_partition
from crescendai_assets.labels.schemas import PSEUDO_LABELS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.asap import SampleAsap, write_asap


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> SampleAsap:
    return write_asap(tmp_path_factory.mktemp("asap"))


@dataclass
class Labels:
    """What a test works on."""

    root: Path
    instance: dg.DagsterInstance

    @property
    def asap(self) -> Path:
        return self.root / "asap"

    @property
    def table(self) -> Path:
        return self.root / "lake" / "labels" / "pseudo_labels.jsonl"

    def failures(self):
        return read_failures(pseudo_partition(Lake(self.root / "lake")).stage(ASSET).ledger)

    def run(self, folder: str | None = None) -> Done:
        defs = dg.Definitions(
            assets=[pseudo_labels.pseudo_labels],
            asset_checks=pseudo_labels.CHECKS,
            resources={
                "lake": LakeResource(root=str(self.root / "lake")),
                "asap": AsapResource(folder=str(self.asap) if folder is None else folder),
            },
        )
        (done,) = materialize(defs, self.instance, ["labels/pseudo_labels"])
        return done


@pytest.fixture
def labels(tmp_path, sample):
    shutil.copytree(sample.root, tmp_path / "asap")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Labels(tmp_path, instance)


@pytest.mark.slow
def test_performances_become_rows_bad_files_failures_and_a_second_run_does_nothing(labels, sample):
    first = labels.run()
    assert first.succeeded, first.error
    assert first.checks == {"schema": True, "idempotent": True}
    assert (first.metadata["succeeded"], first.metadata["failed"]) == (len(sample.usable), 2)
    rows = list(read_rows(labels.table))
    assert {row["midi_path"] for row in rows} == {one.midi for one in sample.usable}
    assert all(PSEUDO_LABELS.fault(row) is None for row in rows)
    assert all((labels.asap / row["midi_path"]).is_file() for row in rows)
    failures = labels.failures()
    assert {"truncated" in f.message or "has no notes" in f.message for f in failures.values()} == {True}
    accuracy = {row["midi_path"]: row["labels"]["note_accuracy"] for row in rows if row["start_time"] == 0}
    assert min(accuracy, key=accuracy.__getitem__) == sample.with_wrong_notes.midi
    before = labels.table.read_bytes()
    second = labels.run()
    assert second.checks == first.checks
    assert (second.metadata["succeeded"], second.metadata["failed"]) == (0, 0)
    assert labels.table.read_bytes() == before

    without = labels.run("")
    assert without.succeeded
    assert (labels.table.read_bytes(), labels.failures()) == (before, failures)

    # one score changes, another goes: only their performances are touched
    pieces = {
        one.piece.folder: [x for x in sample.usable if x.piece.folder == one.piece.folder] for one in sample.usable
    }
    (changed, redone), (gone, left), *_ = pieces.items()
    score = labels.asap / gone / "midi_score.mid"
    (labels.asap / changed / "midi_score.mid").write_bytes(score.read_bytes())
    score.unlink()
    third = labels.run()
    assert third.metadata["stale"] == len(redone)
    assert third.metadata["skipped_up_to_date"] == len(sample.usable) - len(redone) - len(left)
    absent = [f for f in labels.failures().values() if "its score is absent" in f.message]
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
