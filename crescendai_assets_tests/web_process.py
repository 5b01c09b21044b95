"""Collect, cut and pair one channel in a process of its own, for tests that kill it.

Run as `python -m crescendai_assets_tests.web_process LAKE CATALOG ENCODER CHANNEL`; prints a line as each stage starts.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.augmented import Augmentation
from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.schemas import YOUTUBE_SEGMENTS
from crescendai_assets.sources.channels import read_channels
from crescendai_assets.sources.download import Downloader, DownloadSettings
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.segmenting import segment_partition
from crescendai_assets.sources.youtube import INHERITED, collect_channel


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    lake, catalog, encoder = map(Path, sys.argv[1:4])
    partition = Lake(lake).tier("youtube").partition(sys.argv[4])
    settings = DownloadSettings(sleep_seconds=(0, 0), retry_backoff=0)
    audio, rule, chosen = AudioFiles(partition.tier), SegmentRule(), Augmentation("recording_conditions")
    say("downloading")
    collect_channel(partition, read_channels([catalog]), Downloader(settings, lake / "quota.jsonl"), progress=say)
    say("cutting")
    segment_partition(partition, YOUTUBE_SEGMENTS, INHERITED, audio, rule, progress=say)
    muq = MuQEncoder(EncoderSpec(checkpoint=str(encoder), device="cpu"))
    say("augmenting")
    embed_partition(partition, muq, audio, rule, product=chosen.product, cutter=chosen.cutter(rule), progress=say)
    say("done")
