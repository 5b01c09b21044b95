"""A tier with random embeddings and its tables, for tests that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crescendai_assets.embeddings.folder import CLEAN, write_embeddings
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.schemas import EMBEDDINGS, MAESTRO_SEGMENTS
from crescendai_assets.lake.tables import Row
from crescendai_assets_tests.builders import segment_row

FRAMES_OF = {30.0: 93, 10.0: 31}


def embedded_year(root: Path, key: str, seconds: Mapping[str, Sequence[float]], seed: int = 0) -> dict[str, Any]:
    """Segments of a year of MAESTRO and an embedding of each; returns these by segment.

    Args:
        root: Of the lake.
        key: The year.
        seconds: Recording -> length of each of its segments: 30 or 10.
        seed: Of the embeddings.
    """
    import torch

    chance = torch.Generator().manual_seed(seed)
    partition = open_lake(root).tier("maestro").partition(key)
    segments: list[Row] = []
    rows: list[Row] = []
    made: dict[str, Any] = {}
    for recording_id, lengths in seconds.items():
        of_it = [segment_row(recording_id, place, round(one * 24_000)) for place, one in enumerate(lengths)]
        drawn = [torch.randn(FRAMES_OF[one], 1024, generator=chance) for one in lengths]
        embedded: list[tuple[Row, Any, Row]] = [(row, values, {}) for row, values in zip(of_it, drawn, strict=True)]
        rows += write_embeddings(partition.embedding_folder, recording_id, embedded, "none")
        segments += of_it
        made |= {row["segment_id"]: values for row, values, _ in embedded}
    write_tables(partition, segments, rows)
    return made


def write_tables(partition: Partition, segments: Sequence[Row], embeddings: Sequence[Row]) -> None:
    """Both tables of a year."""
    MAESTRO_SEGMENTS.write(partition.stage("segments").table, segments)
    EMBEDDINGS.write(partition.stage(CLEAN.asset).table, embeddings)
