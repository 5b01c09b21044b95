"""Collect, cut and embed one year in a process of its own, for tests that kill it.

Run as `python -m crescendai_assets_tests.process LAKE MAESTRO ENCODER YEAR`; prints a line when embedding starts and
one for each line of progress.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake, Partition
from crescendai_assets.lake.schemas import MAESTRO_SEGMENTS
from crescendai_assets.lake.stage import StageReport
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.maestro import INHERITED, collect_year
from crescendai_assets.sources.maestro_sources import FolderSource
from crescendai_assets.sources.segmenting import segment_partition


def cut_year(lake: Path, maestro: Path, year: str) -> Partition:
    """Recordings and segments of a year."""
    partition = Lake(lake).tier("maestro").partition(year)
    collect_year(partition, FolderSource(maestro))
    segment_partition(partition, MAESTRO_SEGMENTS, INHERITED, AudioFiles(partition.tier, maestro), SegmentRule())
    return partition


def embed_year(lake: Path, maestro: Path, encoder: Path, year: str) -> StageReport:
    """Embeddings of a year whose segments are there."""
    partition = Lake(lake).tier("maestro").partition(year)
    return embed_partition(
        partition,
        MuQEncoder(EncoderSpec(checkpoint=str(encoder), device="cpu")),
        AudioFiles(partition.tier, maestro),
        SegmentRule(),
        progress=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    lake, maestro, encoder = map(Path, sys.argv[1:4])
    cut_year(lake, maestro, sys.argv[4])
    print("embedding", flush=True)
    try:
        embed_year(lake, maestro, encoder, sys.argv[4])
    except SetupError as error:
        sys.exit(f"refused: {error}")
    print("done", flush=True)
