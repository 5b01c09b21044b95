"""`reports/score_alignment` through Dagster, over the sample's ASAP, in which two files cannot be read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from crescendai_assets.defs import score_alignment
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.defs.run import Done, materialize
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.evaluation.score_alignment_table import ASSET, alignment_partition, alignment_rows
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.sample.asap import SampleAsap, write_asap


@dataclass
class Judged:
    """What a test works on."""

    root: Path
    instance: dg.DagsterInstance

    @property
    def asap(self) -> Path:
        return self.root / "asap"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    def failures(self):
        return read_failures(alignment_partition(self.lake).stage(ASSET).ledger)

    def run(self, folder: str | None = None) -> Done:
        defs = dg.Definitions(
            assets=[score_alignment.score_alignment],
            asset_checks=score_alignment.CHECKS,
            resources={
                "lake": LakeResource(root=str(self.lake)),
                "asap": AsapResource(folder=str(self.asap) if folder is None else folder),
            },
        )
        (done,) = materialize(defs, self.instance, ["reports/score_alignment"])
        return done


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> SampleAsap:
    return write_asap(tmp_path_factory.mktemp("asap"))


@pytest.fixture
def judged(tmp_path, sample):
    shutil.copytree(sample.root, tmp_path / "asap")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Judged(tmp_path, instance)


@pytest.mark.slow
def test_performances_are_judged_once_and_what_cannot_be_stands_in_the_ledger(judged, sample):
    left = judged.asap / sample.usable[0].annotations
    left.write_text("".join(left.read_text().splitlines(keepends=True)[:-2]))
    first = judged.run()
    assert first.succeeded, first.error
    assert first.checks == {"schema": True, "idempotent": True}
    assert (first.metadata["succeeded"], first.metadata["failed"]) == (len(sample.usable) - 1, 2)
    assert first.metadata["not_judged"] == 1
    reasons = [failure.message for failure in judged.failures().values()]
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
    shutil.copy(sample.root / sample.usable[0].annotations, left)
    third = judged.run()
    assert (third.metadata["succeeded"], third.metadata["skipped_up_to_date"]) == (1, len(before))
    assert not any("not aligned" in failure.message for failure in judged.failures().values())


def test_without_a_folder_it_succeeds_and_says_what_to_set(judged, monkeypatch):
    monkeypatch.delenv("ASAP_DIR", raising=False)
    nothing = judged.run("")
    assert nothing.succeeded, nothing.error
    assert nothing.checks == {"schema": True, "idempotent": True}
    assert "set ASAP_DIR" in nothing.metadata["state"]
    assert alignment_rows(judged.lake) == []
