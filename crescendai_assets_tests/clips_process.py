"""Collect and embed rated clips in a process of its own, for tests that kill it.

Run as `python -m crescendai_assets_tests.clips_process LAKE AUDIO ENCODER`; prints each line of progress.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.labels.clips import key_of, rated_keys
from crescendai_assets.labels.files import label_files
from crescendai_assets.lake.layout import Lake
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.percepiano_clips import CLIP_RULE, collect_clips, list_clips


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    root, audio, checkpoint = map(Path, sys.argv[1:4])
    lake = Lake(root)
    tier = lake.tier("percepiano").partition()
    collect_clips(tier, list_clips(audio, rated_keys(label_files(lake)), key_of))
    encoder = MuQEncoder(EncoderSpec(checkpoint=str(checkpoint), device="cpu"))
    embed_partition(tier, encoder, AudioFiles(tier.tier, audio), CLIP_RULE, progress=_say)
