"""What the tests of publishing share: a small lake, and an address that notes what arrives and fails when asked."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from crescendai_assets.lake import publishing
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.publishable import plan_publish
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.builders import contents, embedding_row


class Watched(LocalFileSystem):  # type: ignore[misc] # fsspec is untyped
    """A local folder as a server: it notes what arrives, and does what a test asks before."""

    protocol = "watched"
    cachable = False
    arrived: ClassVar[list[str]] = []
    before: ClassVar[Callable[[str], None] | None] = None

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        if Watched.before:
            Watched.before(path.removesuffix(".part"))
        super().pipe_file(path, value, mode, **kwargs)

    def mv(self, path1: str, path2: str, recursive: bool = True, **kwargs: Any) -> None:
        super().mv(path1, path2, recursive, **kwargs)
        Watched.arrived.append(path2.partition("/published/")[2])


def watch(before: Callable[[str], None] | None = None) -> None:
    """Make `watched://` known, with nothing arrived yet."""
    fsspec.register_implementation("watched", Watched, clobber=True)
    Watched.arrived, Watched.before = [], before


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def embed(partition: Partition, *recordings: str, asset: str = "embeddings", content: str = "") -> None:
    """Embeddings of two segments a recording, with the tables and the identity that go with them."""
    folder = partition.augmented_folder if asset == "augmented_pairs" else partition.embedding_folder
    rows = []
    for recording in recordings:
        for index in (0, 1):
            row = embedding_row(recording, index)
            data = f"{asset} {partition.tier.embedding_set} {row['segment_id']} {content}".encode() * 9
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{row['segment_id']}.pt").write_bytes(data)
            rows.append({**row, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    EMBEDDINGS.write(partition.stage(asset).table, rows)
    write(folder / "encoder.json", '{"checkpoint": "sample-muq"}')
    for table in ("recordings", "segments"):
        row = {"recording_id": recordings[0], "audio_path": f"2004/{recordings[0]}.wav", "title": "Étude"}
        write(partition.stage(table).table, json.dumps(row, ensure_ascii=False) + "\n")


def small_lake(root: Path) -> Lake:
    lake = Lake(root)
    maestro, youtube, edition = lake.tier("maestro"), lake.tier("youtube"), lake.tier("competition").partition("c21")
    embed(maestro.partition("2004"), "maestro_a", "maestro_b")
    embed(maestro.partition("2011"), "maestro_c")
    embed(Tier("maestro", maestro.folder, "other").partition("2011"), "maestro_c")
    embed(edition, "c21_x")
    embed(youtube.partition("rousseau"), "yt_v")
    embed(youtube.partition("rousseau"), "yt_v", asset="augmented_pairs")
    write(edition.folder / "ordinal.jsonl", '{"recording_id": "x"}\n')
    write(maestro.metadata, '{"segment_id": "maestro_a_seg000"}\n')
    write(maestro.folder / "maestro-v3.0.0.json", "{}")
    write(youtube.folder / "channels.yaml", "rousseau: {url: 'https://www.youtube.com/@Rousseau/videos'}\n")
    write(lake.tier("percepiano").folder / "labels.json", "{}")
    return lake


def here(lake: Lake) -> dict[str, bytes]:
    return {path: (lake.root / path).read_bytes() for path in plan_publish(lake).files}


def published(folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in contents(folder).items() if path != "manifest.jsonl"}


def listed(folder: Path) -> dict[str, str]:
    return {row["path"]: row["sha256"] for row in read_rows(folder / "manifest.jsonl")}


def hang(path: str) -> None:
    """Leave half of the twelfth file and never end."""
    if len(set(Watched.arrived)) == 12 and not path.endswith("manifest.jsonl"):
        Path(path + ".part").write_bytes(b"half")
        print("hangs", flush=True)
        time.sleep(60)


if __name__ == "__main__":
    watch(hang)
    publishing.CHECKPOINT_SECONDS = 0.0
    publishing.publish(Lake(Path(sys.argv[1])), f"watched://{sys.argv[2]}")
