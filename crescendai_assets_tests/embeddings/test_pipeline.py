"""The pipeline with an encoder that computes nothing, so that what it does around the encoder shows."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.identity import EncoderIdentity
from crescendai_assets.embeddings.muq import pooled_frames
from crescendai_assets.embeddings.pipeline import decoders_beside, embed_partition
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.stage import StageReport
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets_tests.maestro_folder import Take, write_folder
from crescendai_assets_tests.process import cut_year

LONG = Take(2011, "a-long", seconds=400)
SHORT = [Take(2011, name, seconds=12) for name in ("b", "c")]


class Idle:
    """Embeddings of the right shape; `before` sees each batch first."""

    device = "cpu"
    identity = EncoderIdentity("idle", "sha256:0", (1,), 8, "fp32", trained=False)

    def __init__(self, batch_size: int = 1, before: Callable[[Any], None] = lambda _: None) -> None:
        self.batch_size, self.batches, self._before = batch_size, list[int](), before

    def launch(self, segments):
        import torch

        self.batches.append(len(segments))
        made = [torch.full((pooled_frames(len(s)), 1024), float(abs(s).mean())) for s in segments]
        self._before(made)
        return lambda: made


@pytest.fixture
def embed(tmp_path) -> Callable[..., tuple[Partition, StageReport]]:
    def run(takes: list[Take], encoder: Idle, **settings) -> tuple[Partition, StageReport]:
        maestro = write_folder(tmp_path / "maestro", takes)
        year = cut_year(tmp_path / "lake", maestro, "2011")
        return year, embed_partition(year, encoder, AudioFiles(year.tier, maestro), SegmentRule(), **settings)

    return run


def guarded_children() -> list[int]:
    """Decoders that this process has started."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text().split()]
    return [pid for pid in pids if b"crescendai_assets.audio.guarded" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_decoders_leave_the_cores_to_an_encoder_on_a_cpu_and_take_them_beside_a_gpu():
    cores = (1, 2, 8, 16, 128)
    assert [decoders_beside("cpu", one) for one in cores] == [1, 1, 4, 4, 4]
    assert [decoders_beside("cuda:1", one) for one in cores] == [1, 1, 6, 14, 16]


@pytest.mark.usefixtures("guarded_processes_begin_as_they_do")
def test_a_decoder_that_crashes_in_the_middle_of_a_file_costs_that_recording_only(embed):
    killed: list[int] = []

    def kill_once(_):
        # the long recording's 14 pieces do not fit the queue: its decoder is still in the middle of the file
        if not killed:
            killed.extend(guarded_children())
            os.kill(killed[0], signal.SIGSEGV)

    year, report = embed([LONG, *SHORT], Idle(before=kill_once), decoders=1)
    assert len(killed) == 1
    (failure,) = read_failures(year.stage("embeddings").ledger).values()
    assert failure.recording_id == LONG.recording_id
    assert "SIGSEGV" in failure.message
    assert LONG.audio_filename in failure.message
    embedded = {row["recording_id"] for row in read_rows(year.stage("embeddings").table)}
    assert embedded == {take.recording_id for take in SHORT}
    assert {p.stem.rsplit("_seg", 1)[0] for p in year.embedding_folder.glob("*.pt")} == embedded, (
        "no file of the failed"
    )
    assert (report.succeeded, report.failed_now) == (2, 1)
    _, again = embed([LONG, *SHORT], Idle())
    assert (again.succeeded, len(again.plan.waiting)) == (0, 1), "a crash is permanent until the file changes"


def test_an_embedding_that_is_not_finite_is_refused_and_named(embed):
    def spoil(made):
        if len(made[0]) == pooled_frames(12 * 24_000):
            made[0][3, 5] = float("inf")

    year, report = embed([Take(2011, "good", seconds=31), SHORT[0]], Idle(before=spoil))
    (failure,) = read_failures(year.stage("embeddings").ledger).values()
    assert failure.recording_id == SHORT[0].recording_id
    assert "not finite" in failure.message
    assert report.succeeded == 1


def test_batches_run_across_recordings(embed):
    encoder = Idle(batch_size=4)
    _, report = embed([Take(2011, f"take{i}", seconds=12) for i in range(10)], encoder, decoders=2)
    assert encoder.batches == [4, 4, 2]
    assert report.succeeded == 10


@pytest.mark.usefixtures("guarded_processes_begin_as_they_do")
def test_an_encoder_that_fails_ends_the_run_and_keeps_what_was_committed(embed):
    seen: list[int] = []

    def fail_late(made):
        seen.append(len(made))
        if len(seen) == 6:
            raise RuntimeError("CUDA out of memory")

    takes = [Take(2011, f"take{i}", seconds=12) for i in range(10)]
    with pytest.raises(RuntimeError, match="out of memory"):
        embed(takes, Idle(before=fail_late))
    _, report = embed(takes, Idle())
    assert report.rows == 10
    assert len(report.plan.done) >= 4
    assert not guarded_children(), "no decoder is left behind"
