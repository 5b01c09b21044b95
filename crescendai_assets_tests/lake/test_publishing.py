from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from crescendai_assets.lake import publishing
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.journal import locked
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.publishing import (
    PublishFailure,
    PublishOptions,
    PublishReport,
    check_published,
    plan_publish,
    publish,
)
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.builders import contents, embedding_row

PROJECT = Path(__file__).resolve().parents[2]
AT_ONCE = PublishOptions(backoff=0.0)


class Watched(LocalFileSystem):  # type: ignore[misc] # fsspec is untyped
    """A local folder as a server: it notes what arrives, and does what a test asks before."""

    protocol = "watched"
    cachable = False
    arrived: ClassVar[list[str]] = []
    before: ClassVar[Callable[[str], None] | None] = None

    def mv(self, path1: str, path2: str, recursive: bool = True, **kwargs: Any) -> None:
        if Watched.before:
            Watched.before(path2)
        super().mv(path1, path2, recursive, **kwargs)
        Watched.arrived.append(path2)


class Slow(LocalFileSystem):  # type: ignore[misc] # fsspec is untyped
    """A local folder that takes some files and then hangs, with half of the next one written."""

    protocol = "slow"
    cachable = False
    left = 20
    lock = threading.Lock()

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        file = super()._open(path, mode, **kwargs)
        if "w" in mode:
            with Slow.lock:
                Slow.left -= 1
            if Slow.left < 0:
                file.write(b"half")
                file.flush()
                print("hangs", flush=True)
                time.sleep(60)
        return file


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[str]:
    fsspec.register_implementation("watched", Watched, clobber=True)
    Watched.arrived, Watched.before = [], None
    yield f"watched://{tmp_path}/published"
    Watched.before = None


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "published"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A little of every tier, with work under way, audio and failures beside it."""
    lake = Lake(tmp_path / "data")
    maestro, youtube = lake.tier("maestro"), lake.tier("youtube")
    embed(maestro.partition("2004"), "maestro_a", "maestro_b")
    embed(maestro.partition("2011"), "maestro_c")
    embed(Tier("maestro", maestro.folder, "other").partition("2011"), "maestro_c")
    embed(lake.tier("competition").partition("chopin2021"), "chopin2021_final_avdeeva_x")
    embed(youtube.partition("rousseau"), "yt_v")
    embed(youtube.partition("rousseau"), "yt_v", asset="augmented_pairs")
    write(lake.tier("competition").partition("chopin2021").folder / "ordinal.jsonl", '{"recording_id": "x"}\n')
    write(maestro.metadata, '{"segment_id": "maestro_a_seg000"}\n')
    write(maestro.contrastive_mapping, '{"chopin-op10": ["maestro_a_seg000"]}')
    write(maestro.folder / "maestro-v3.0.0.json", "{}")
    write(youtube.folder / "channels.yaml", "rousseau: {url: 'https://www.youtube.com/@Rousseau/videos'}\n")
    for name in ("labels", "folds", "piece_mapping"):
        write(lake.tier("percepiano").folder / f"{name}.json", json.dumps({"name": name}))
    return lake


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


def published(folder: Path) -> dict[str, bytes]:
    found = contents(folder) if folder.exists() else {}
    found.pop("manifest.jsonl", None)
    return found


def listed(folder: Path) -> dict[str, str]:
    return {row["path"]: row["sha256"] for row in read_rows(folder / "manifest.jsonl")}


def here(lake: Lake) -> dict[str, bytes]:
    return {path: (lake.root / path).read_bytes() for path in plan_publish(lake)}


def faults(report: PublishReport) -> dict[str, str]:
    return {failure.path: failure.message for failure in report.failures}


def arrived(target: Path) -> list[str]:
    return [path.removeprefix(f"{target}/") for path in Watched.arrived]


def test_tables_the_embeddings_they_name_and_their_encoders_are_published(lake):
    assert list(plan_publish(lake)) == [
        "percepiano_cache/folds.json",
        "percepiano_cache/labels.json",
        "percepiano_cache/piece_mapping.json",
        "competition_cache/chopin2021/embeddings.jsonl",
        "competition_cache/chopin2021/muq_embeddings/chopin2021_final_avdeeva_x_seg000.pt",
        "competition_cache/chopin2021/muq_embeddings/chopin2021_final_avdeeva_x_seg001.pt",
        "competition_cache/chopin2021/muq_embeddings/encoder.json",
        "competition_cache/chopin2021/metadata.jsonl",
        "competition_cache/chopin2021/ordinal.jsonl",
        "competition_cache/chopin2021/recordings.jsonl",
        "maestro_cache/contrastive_mapping.json",
        "maestro_cache/maestro-v3.0.0.json",
        "maestro_cache/metadata.jsonl",
        "maestro_cache/2004/embeddings.jsonl",
        "maestro_cache/muq_embeddings/maestro_a_seg000.pt",
        "maestro_cache/muq_embeddings/maestro_a_seg001.pt",
        "maestro_cache/muq_embeddings/maestro_b_seg000.pt",
        "maestro_cache/muq_embeddings/maestro_b_seg001.pt",
        "maestro_cache/muq_embeddings/encoder.json",
        "maestro_cache/2004/metadata.jsonl",
        "maestro_cache/2004/recordings.jsonl",
        "maestro_cache/2011/embeddings-other.jsonl",
        "maestro_cache/muq_embeddings-other/maestro_c_seg000.pt",
        "maestro_cache/muq_embeddings-other/maestro_c_seg001.pt",
        "maestro_cache/muq_embeddings-other/encoder.json",
        "maestro_cache/2011/embeddings.jsonl",
        "maestro_cache/muq_embeddings/maestro_c_seg000.pt",
        "maestro_cache/muq_embeddings/maestro_c_seg001.pt",
        "maestro_cache/2011/metadata.jsonl",
        "maestro_cache/2011/recordings.jsonl",
        "youtube_piano_cache/channels.yaml",
        "youtube_piano_cache/rousseau/augmented_pairs.jsonl",
        "youtube_piano_cache/muq_embeddings_augmented/yt_v_seg000.pt",
        "youtube_piano_cache/muq_embeddings_augmented/yt_v_seg001.pt",
        "youtube_piano_cache/muq_embeddings_augmented/encoder.json",
        "youtube_piano_cache/rousseau/embeddings.jsonl",
        "youtube_piano_cache/muq_embeddings/yt_v_seg000.pt",
        "youtube_piano_cache/muq_embeddings/yt_v_seg001.pt",
        "youtube_piano_cache/muq_embeddings/encoder.json",
        "youtube_piano_cache/rousseau/metadata.jsonl",
        "youtube_piano_cache/rousseau/recordings.jsonl",
    ]


@pytest.mark.parametrize("scheme", ["file", "watched"])
def test_what_is_at_the_address_is_what_is_here_and_the_manifest_lists_it(lake, target, watched, scheme):
    report = publish(lake, f"{scheme}://{target}", AT_ONCE)
    plan = plan_publish(lake)
    assert published(target) == here(lake)
    assert listed(target) == {path: plan[path].sha256 for path in sorted(plan)}
    assert (report.files, report.sent, report.unchanged, report.failures) == (len(plan), len(plan), 0, ())
    assert report.bytes == report.sent_bytes == sum(map(len, here(lake).values()))
    assert {tier: (counts.files, counts.sent) for tier, counts in report.tiers.items()} == {
        "percepiano": (3, 3),
        "competition": (7, 7),
        "maestro": (20, 20),
        "youtube": (11, 11),
    }
    assert check_published(lake, str(target), deep=True).passed


def test_a_second_run_sends_nothing_and_says_so(lake, target, watched):
    first = publish(lake, watched, AT_ONCE)
    Watched.arrived.clear()
    lines: list[str] = []
    second = publish(lake, watched, AT_ONCE, progress=lines.append)
    assert Watched.arrived == []
    assert (second.sent, second.sent_bytes, second.unchanged) == (0, 0, first.files)
    assert second.digest == first.digest
    assert lines[-1] == f"up to date: {first.files} files at {watched}, nothing sent"


def test_of_a_changed_table_only_that_table_and_the_manifest_go(lake, target, watched):
    first = publish(lake, watched, AT_ONCE)
    Watched.arrived.clear()
    write(lake.tier("maestro").metadata, '{"segment_id": "maestro_b_seg000"}\n')
    second = publish(lake, watched, AT_ONCE)
    # the manifest goes twice: it lets go of the table before the table is replaced
    assert arrived(target) == ["manifest.jsonl", "maestro_cache/metadata.jsonl", "manifest.jsonl"]
    assert second.sent == 1
    assert second.digest != first.digest
    assert check_published(lake, watched, deep=True).passed


def test_embeddings_arrive_before_the_tables_that_name_them_and_the_manifest_last(lake, target, watched):
    publish(lake, watched, AT_ONCE)
    order = arrived(target)
    last_embedding = max(i for i, path in enumerate(order) if "/muq_embeddings" in path)
    tables = {path: i for i, path in enumerate(order) if "/muq_embeddings" not in path}
    assert min(tables.values()) > last_embedding
    assert tables["maestro_cache/contrastive_mapping.json"] > tables["maestro_cache/2011/embeddings.jsonl"]
    assert order[-1] == "manifest.jsonl"
    assert order.count("manifest.jsonl") == 1


ODD = [
    "{cache}/audio/x.wav",
    "{cache}/audio/x.json",
    "{cache}/audio/recordings.jsonl",
    "{cache}/x.wav",
    "{cache}/x.mp3.json.part",
    "{cache}/cookies.txt",
    "{cache}/cookies.json",
    "{cache}/youtube-Cookies.json",
    "{cache}/.metadata.jsonl.17-1.tmp",
    "{cache}/.hidden.json",
    "{cache}/recordings copy.jsonl",
    "{cache}/dQw4w9WgXcQ.info.json",
    "{cache}/metadata.jsonl~",
    "{cache}/notes/labels.json",
    "{cache}/muq_embeddings/x.wav",
    "{cache}/muq_embeddings/x.json",
    "{cache}/muq_embeddings/nobody_seg000.pt",
    "{cache}/muq_embeddings/.maestro_a_seg000.pt.17-1.tmp",
    "{cache}/muq_embeddings/audio/maestro_a_seg000.pt",
    "{cache}/muq_embeddings-nobody/maestro_a_seg000.pt",
    "{cache}/muq_embeddings-nobody/encoder.json",
    "{cache}/nobody_seg000.pt",
    "{cache}/{part}/audio/x.wav",
    "{cache}/{part}/audio/x.json",
    "{cache}/{part}/audio/maestro_a_seg000.pt",
    "{cache}/{part}/partial/x.webm.part",
    "{cache}/{part}/partial/x.json",
    "{cache}/{part}/journal/embeddings.jsonl",
    "{cache}/{part}/journal/embeddings.last_run.json",
    "{cache}/{part}/failures/segments.jsonl",
    "{cache}/{part}/discovered.jsonl",
    "{cache}/{part}/x.flac",
    "{cache}/{part}/.hidden.jsonl",
    "{cache}/{part}/deeper/recordings.jsonl",
    "{cache}/{part}/muq_embeddings/nobody_seg000.pt",
    "audio/x.wav",
    "x.wav",
    "labels.json",
    ".env",
    "checkpoints/a.pt",
    "other_cache/recordings.jsonl",
]


def test_audio_work_under_way_and_files_that_no_row_names_stay(lake, target):
    before = plan_publish(lake)
    parts = {"competition": "chopin2021", "maestro": "2004", "youtube": "rousseau", "percepiano": "x"}
    for tier, part in parts.items():
        for pattern in ODD:
            path = lake.root / pattern.format(cache=lake.tier(tier).folder.name, part=part)
            if not path.exists():
                write(path, f"AUDIO {path.name}")
    assert plan_publish(lake) == before
    publish(lake, str(target), AT_ONCE)
    assert set(published(target)) == set(before)
    assert not any(b"AUDIO" in data for data in published(target).values())
    assert not [path for path in target.rglob("*") if path.suffix in {".wav", ".flac", ".part", ".tmp"}]


@pytest.mark.parametrize("name", ["audio", "partial", "journal", "failures", ".work", "muq_embeddings"])
def test_a_folder_of_work_is_no_partition_even_with_tables_in_it(lake, name):
    before = plan_publish(lake)
    write(lake.tier("youtube").folder / name / "recordings.jsonl", "{}\n")
    assert plan_publish(lake) == before


@pytest.mark.parametrize("bad", ["../audio/x", "/x", "..", "a/b", ".x"])
def test_a_row_that_names_a_file_outside_its_folder_stops_everything(lake, target, bad):
    partition = lake.tier("maestro").partition("2004")
    sound = write(lake.root / "maestro_cache/audio/x.pt", "sound")
    row = embedding_row("x", bytes=5, sha256=sha256_file(sound))
    write(partition.stage("embeddings").table, json.dumps({**row, "segment_id": bad}) + "\n")
    with pytest.raises(SetupError, match=r"2004/embeddings\.jsonl: id "):
        publish(lake, str(target), AT_ONCE)
    assert published(target) == {}


def test_a_row_without_a_hash_names_nothing(lake):
    table = lake.tier("maestro").partition("2004").stage("embeddings").table
    rows = [{k: v for k, v in row.items() if k != "sha256"} for row in read_rows(table)]
    write(table, "".join(json.dumps(row) + "\n" for row in rows))
    assert not any("maestro_a" in path for path in plan_publish(lake))


@pytest.mark.parametrize(
    "text",
    [
        '{"audio_path": "/home/jane/x.wav"}',
        '{"audio_path": "/mnt/music/x.wav"}',
        '{"a": ["x", "/tmp/x"]}',
        '{"source_url": "file:///srv/x.wav"}',
        '{"note": "see ~/x"}',
        '{"note": "copied from /Users/jane/x"}',
        '{"a": "C:\\\\music"}',
        "[/home/jane]",
        '[{"domain": "x.com", "httpOnly": true, "value": "y"}]',
        '{"cookies" : "SID=1"}',
        "{" + " " * 2**20 + '"a": "/home/jane/x"}',
        "{" + " " * (2**20 - 8) + '"a": "/home/jane/x"}',
        "/home/jane/x",
    ],
)
def test_a_table_with_a_path_of_this_machine_or_cookies_stays_and_its_line_is_named(lake, target, text):
    path = write(lake.tier("maestro").metadata, "{}\n{}\n" + text + "\n{}\n")
    report = publish(lake, str(target), AT_ONCE)
    (failure,) = report.failures
    assert failure.path == "maestro_cache/metadata.jsonl"
    assert failure.message.startswith(f"{path}, line 3: holds ")
    assert "maestro_cache/metadata.jsonl" not in published(target)
    assert report.sent == report.files
    assert not check_published(lake, str(target)).passed


@pytest.mark.parametrize(
    "text",
    [
        '{"source_url": "https://www.youtube.com/watch?v=x", "audio_path": "2004/x.wav"}',
        '{"url": "https://example.org/home/tmp/x", "rel": "/wiki/Ekier", "title": "Sonata / Finale"}',
        '{"title": "Étude \\"quasi /fantasia\\"", "s3": "s3://bucket/x", "id": "/m/05zppz"}',
        "x" * (2**20 - 300) + "https:" + "/home" * 200,
    ],
)
def test_web_addresses_and_titles_are_no_paths_of_this_machine(lake, target, text):
    write(lake.tier("maestro").metadata, text)
    assert publish(lake, str(target), AT_ONCE).failures == ()


def test_an_identity_with_a_path_of_this_machine_stays_and_is_named_once(lake, target):
    write(lake.root / "maestro_cache/muq_embeddings/encoder.json", '{"checkpoint": "/home/jane/muq"}')
    report = publish(lake, str(target), AT_ONCE)
    assert [failure.path for failure in report.failures] == ["maestro_cache/muq_embeddings/encoder.json"]
    assert b"jane" not in b"".join(contents(target).values())


def test_no_absolute_path_of_the_lake_leaves(lake, target):
    publish(lake, str(target), AT_ONCE)
    for data in contents(target).values():
        assert str(lake.root).encode() not in data
        assert str(Path.home()).encode() + b"/" not in data


def test_a_table_waits_while_an_embedding_it_may_name_is_not_there(lake, target):
    (lake.root / "maestro_cache/muq_embeddings/maestro_a_seg001.pt").unlink()
    report = publish(lake, str(target), AT_ONCE)
    there = published(target)
    assert "maestro_cache/muq_embeddings/maestro_a_seg001.pt" not in there
    held = "held back: 1 of the files it may name are not at the address"
    assert faults(report) == {
        "maestro_cache/muq_embeddings/maestro_a_seg001.pt": (
            "cannot be read here (No such file or directory); run the asset that makes it, then publish again"
        ),
        **{f"maestro_cache/2004/{name}.jsonl": held for name in ("embeddings", "metadata", "recordings")},
        **{f"maestro_cache/{name}": held for name in ("contrastive_mapping.json", "maestro-v3.0.0.json")},
        "maestro_cache/metadata.jsonl": held,
    }
    assert "maestro_cache/2011/embeddings.jsonl" in there
    assert report.sent == report.files - len(report.failures)
    check = check_published(lake, str(target))
    assert {row["id"] for row in check.rows} == set(faults(report))

    embed(lake.tier("maestro").partition("2004"), "maestro_a", "maestro_b")
    assert publish(lake, str(target), AT_ONCE).failures == ()
    assert published(target) == here(lake)


def test_an_embedding_that_is_at_the_address_may_be_gone_here(lake, target):
    publish(lake, str(target), AT_ONCE)
    (lake.root / "maestro_cache/muq_embeddings/maestro_a_seg001.pt").unlink()
    report = publish(lake, str(target), AT_ONCE)
    assert (report.sent, report.failures) == (0, ())


@pytest.mark.parametrize("small", [2**20, 10])
@pytest.mark.parametrize("data", [b"short", b"other" * 7])
@pytest.mark.parametrize("whole", [False, True])
def test_a_damaged_file_here_never_appears_at_the_address(lake, monkeypatch, small, data, whole):
    monkeypatch.setattr(publishing, "SMALL", small)
    if whole:
        monkeypatch.setattr(publishing, "_WHOLE_OR_ABSENT", {"memory"})
    damaged = "maestro_cache/muq_embeddings/maestro_a_seg000.pt"
    size = (lake.root / damaged).stat().st_size
    (lake.root / damaged).write_bytes((data * size)[:size] if data != b"short" else data)
    address = f"memory://damaged-{small}-{len(data)}-{whole}"
    report = publish(lake, address, AT_ONCE)
    assert "its contents here are not what its table says" in faults(report)[damaged]
    fs = MemoryFileSystem()
    assert not fs.exists(f"{address}/{damaged}")
    assert fs.exists(f"{address}/{damaged.replace('_a_', '_b_')}")
    assert fs.find(f"{address}/.publishing") == []


@pytest.mark.parametrize("small", [2**20, 10])
def test_a_table_that_changes_meanwhile_is_not_sent_and_goes_with_the_next_run(
    lake, target, watched, monkeypatch, small
):
    monkeypatch.setattr(publishing, "SMALL", small)
    publish(lake, watched, AT_ONCE)
    table = lake.tier("maestro").metadata
    before = published(target)["maestro_cache/metadata.jsonl"]
    write(table, '{"segment_id": "maestro_b_seg000"}\n')

    def change(path: str) -> None:
        if path.endswith("manifest.jsonl"):
            write(table, '{"segment_id": "maestro_b_seg001"}\n')

    Watched.before = change
    report = publish(lake, watched, AT_ONCE)
    assert faults(report).keys() == {"maestro_cache/metadata.jsonl"}
    assert "not what they were when publishing began" in report.failures[0].message
    assert report.hopeless
    assert published(target)["maestro_cache/metadata.jsonl"] == before
    assert "maestro_cache/metadata.jsonl" not in listed(target)
    Watched.before = None
    assert publish(lake, watched, AT_ONCE).sent == 1
    assert check_published(lake, watched, deep=True).passed


@pytest.mark.parametrize("small", [2**20, 10])
@pytest.mark.parametrize("kind", ["memory", "object store", "folder"])
def test_names_that_look_like_patterns_arrive_as_they_are(tmp_path, monkeypatch, small, kind):
    monkeypatch.setattr(publishing, "SMALL", small)
    if kind == "object store":
        monkeypatch.setattr(publishing, "_WHOLE_OR_ABSENT", {"memory"})
    lake = Lake(tmp_path / "data")
    embed(lake.tier("maestro").partition("2004"), "Étude [live] *?#%20", "b")
    address = str(tmp_path / "a [b]") if kind == "folder" else f"memory://patterns {small} {kind} [b]"
    assert publish(lake, address, AT_ONCE).failures == ()
    fs, base = fsspec.url_to_fs(address)
    there = {path.removeprefix(f"{base}/"): fs.cat_file(path) for path in fs.find(base)}
    there.pop("manifest.jsonl")
    assert there == here(lake)
    assert check_published(lake, address, deep=True).passed
    assert publish(lake, address, AT_ONCE).sent == 0


def test_what_was_removed_here_is_reported_and_stays_until_pruned(lake, target):
    publish(lake, str(target), AT_ONCE)
    embed(lake.tier("maestro").partition("2004"), "maestro_a")
    (target / "foreign.txt").write_text("x")
    kept = publish(lake, str(target), AT_ONCE)
    assert (kept.removed, kept.pruned) == (2, 0)
    assert (target / "maestro_cache/muq_embeddings/maestro_b_seg000.pt").exists()
    assert check_published(lake, str(target)).facts["no_longer_here"] == 2
    pruned = publish(lake, str(target), PublishOptions(prune=True, backoff=0))
    assert (pruned.removed, pruned.pruned) == (2, 2)
    assert published(target) == {**here(lake), "foreign.txt": b"x"}
    assert set(listed(target)) == set(plan_publish(lake))


def test_nothing_is_pruned_while_a_table_there_may_still_name_it(lake, target):
    publish(lake, str(target), AT_ONCE)
    embed(lake.tier("maestro").partition("2004"), "maestro_a", content="new")
    (lake.root / "maestro_cache/muq_embeddings/maestro_a_seg000.pt").unlink()
    report = publish(lake, str(target), PublishOptions(prune=True, backoff=0))
    assert report.failures
    assert (report.removed, report.pruned) == (2, 0)
    assert (target / "maestro_cache/muq_embeddings/maestro_b_seg000.pt").exists()


def test_pruning_to_nothing_is_refused(tmp_path, lake, target):
    publish(lake, str(target), AT_ONCE)
    before = contents(target)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match="pruning would empty"):
        publish(Lake(tmp_path / "empty"), str(target), PublishOptions(prune=True))
    assert contents(target) == before


def test_an_empty_lake_publishes_nothing_and_is_content(tmp_path, target):
    (tmp_path / "data").mkdir()
    report = publish(Lake(tmp_path / "data"), str(target), AT_ONCE)
    assert (report.files, report.sent, report.hopeless) == (0, 0, False)


def test_the_digest_is_that_of_the_contents_wherever_they_go(lake, tmp_path):
    first, second = (publish(lake, str(tmp_path / name), AT_ONCE) for name in "ab")
    assert first.digest == second.digest
    assert (tmp_path / "a/manifest.jsonl").read_bytes() == (tmp_path / "b/manifest.jsonl").read_bytes()


def test_a_file_lost_or_cut_at_the_address_is_sent_again(lake, target):
    publish(lake, str(target), AT_ONCE)
    lost, cut = "maestro_cache/2004/recordings.jsonl", "maestro_cache/muq_embeddings/maestro_a_seg000.pt"
    (target / lost).unlink()
    (target / cut).write_bytes(b"cut")
    check = check_published(lake, str(target))
    assert not check.passed
    size = plan_publish(lake)[cut].bytes
    assert list(check.rows) == [
        {"id": lost, "fault": "listed, but not there"},
        {"id": cut, "fault": f"3 bytes, {size} were sent"},
    ]
    assert publish(lake, str(target), AT_ONCE).sent == 2
    assert check_published(lake, str(target), deep=True).passed


def test_damage_that_keeps_the_size_is_found_by_reading_all(lake, target):
    publish(lake, str(target), AT_ONCE)
    damaged = target / "youtube_piano_cache/muq_embeddings_augmented/yt_v_seg000.pt"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    assert check_published(lake, str(target)).passed
    check = check_published(lake, str(target), deep=True)
    assert [row["id"] for row in check.rows] == ["youtube_piano_cache/muq_embeddings_augmented/yt_v_seg000.pt"]
    assert check.facts["contents_read"] == len(plan_publish(lake))


def test_a_check_tells_what_was_never_published_from_what_changed(lake, target):
    check = check_published(lake, str(target))
    assert not check.passed
    assert check.facts["listed_there"] == 0
    publish(lake, str(target), AT_ONCE)
    write(lake.tier("maestro").metadata, "{}\n")
    write(lake.tier("maestro").folder / "new.json", "{}\n")
    assert list(check_published(lake, str(target)).rows) == [
        {"id": "maestro_cache/metadata.jsonl", "fault": "has changed here since it was published"},
        {"id": "maestro_cache/new.json", "fault": "not published"},
    ]


def failing(times: int, error: Exception, name: str = "") -> Callable[[str], None]:
    """Fail so many times where a path ends so."""
    left = [times]
    lock = threading.Lock()

    def fail(path: str) -> None:
        with lock:
            if path.endswith(name) and left[0]:
                left[0] -= 1
                raise error

    return fail


@pytest.mark.parametrize("name", ["maestro_a_seg000.pt", "manifest.jsonl"])
def test_a_fault_that_passes_costs_nothing(lake, target, watched, name):
    Watched.before = failing(publishing.TRIES - 1, ConnectionError("reset by peer"), name)
    assert publish(lake, watched, AT_ONCE).failures == ()
    assert published(target) == here(lake)


def test_a_file_that_cannot_be_sent_is_a_failure_with_its_name_and_the_others_go(lake, target, watched):
    Watched.before = failing(-1, TimeoutError("no answer"), "yt_v_seg001.pt")
    report = publish(lake, watched, AT_ONCE)
    path = "youtube_piano_cache/muq_embeddings/yt_v_seg001.pt"
    message = f"could not be sent in {publishing.TRIES} tries (TimeoutError: no answer); publish again"
    assert PublishFailure(path, message) in report.failures
    assert "maestro_cache/2004/embeddings.jsonl" in published(target)
    assert "youtube_piano_cache/rousseau/embeddings.jsonl" not in published(target)
    Watched.before = None
    resumed = publish(lake, watched, AT_ONCE)
    assert (resumed.failures, resumed.unchanged) == ((), report.sent)


def test_an_address_that_fails_again_and_again_stops_the_run_and_keeps_what_was_sent(lake, target, watched):
    def breaks(path: str) -> None:
        if len(Watched.arrived) >= 8 and not path.endswith("manifest.jsonl"):
            raise OSError(28, "No space left on device")

    Watched.before = breaks
    with pytest.raises(SetupError, match=r"3 files in a row could not be sent.*No space left on device.*are kept"):
        publish(lake, watched, AT_ONCE)
    kept = listed(target)
    assert 8 <= len(kept) <= 12
    assert set(published(target)) == set(kept)
    Watched.before = None
    resumed = publish(lake, watched, AT_ONCE)
    assert resumed.unchanged == len(kept)
    assert published(target) == here(lake)


def test_a_stop_by_hand_keeps_what_was_sent(lake, target, watched):
    def stop(path: str) -> None:
        if len(Watched.arrived) >= 8 and not path.endswith("manifest.jsonl"):
            raise KeyboardInterrupt

    Watched.before = stop
    with pytest.raises(KeyboardInterrupt):
        publish(lake, watched, AT_ONCE)
    assert set(listed(target)) == set(published(target))
    assert len(listed(target)) >= 8


class NoCredentialsError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [PermissionError(13, "Permission denied"), NoCredentialsError("none found"), NotImplementedError("read-only")],
)
def test_what_no_further_try_can_mend_stops_the_run_at_once(lake, watched, error):
    asked: list[str] = []

    def refuse(path: str) -> None:
        asked.append(path)
        raise error

    Watched.before = refuse
    with pytest.raises(SetupError, match=rf"is refused \({type(error).__name__}.*credentials") as caught:
        publish(lake, watched)  # with the default pauses: it would take long
    assert watched in str(caught.value)
    assert len(asked) <= publishing.WORKERS


def test_an_address_that_does_not_answer_is_an_error_in_words(lake, watched, monkeypatch):
    monkeypatch.setattr(Watched, "cat_file", lambda *_, **__: failing(-1, TimeoutError("no answer"))(""))
    with pytest.raises(SetupError, match=r"manifest\.jsonl could not be read in 4 tries \(TimeoutError: no answer\)"):
        publish(lake, watched, AT_ONCE)


def test_an_address_that_is_a_file_is_an_error_in_words(lake, tmp_path):
    write(tmp_path / "file", "x")
    with pytest.raises(SetupError, match=r"is refused .*Not a directory"):
        publish(lake, str(tmp_path / "file"), AT_ONCE)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "there is no address to publish to: set CRESCENDAI_PUBLISH"),
        ("  ", "there is no address"),
        ("s4://bucket/x", r"s4://bucket/x: not an address.*Protocol not known: s4.*such as s3://"),
        ("nothing://x", "nothing://x: not an address that can be used"),
        ("file:///", "names no folder"),
        ("memory://", "names no folder"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_in_words(lake, address, words):
    for use in (publish, check_published):
        with pytest.raises(SetupError, match=words):
            use(lake, address)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_package_is_named(lake, monkeypatch, scheme, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SetupError, match=f"a package is missing for {scheme}://.*pip install {package}"):
        publish(lake, f"{scheme}://bucket/x")


def test_a_password_in_the_address_is_not_shown(lake):
    with pytest.raises(SetupError) as caught:
        publish(lake, "nothing://jane:secret@host/x")
    assert "secret" not in str(caught.value)
    assert "nothing://host/x" in str(caught.value)


def test_the_lake_is_not_published_into_itself(lake, tmp_path):
    (tmp_path / "link").symlink_to(lake.root)
    before = contents(lake.root)
    for address in (lake.root, lake.root / "out", tmp_path / "link/out", tmp_path / "x/../data"):
        with pytest.raises(SetupError, match="lies in the lake itself"):
            publish(lake, f"file://{address}")
    assert contents(lake.root) == before
    publish(lake, str(lake.root) + "-published", AT_ONCE)


def test_a_root_that_is_not_there_is_an_error_in_words(tmp_path, target):
    with pytest.raises(SetupError, match=r"data: no such folder.*CRESCENDAI_DATA"):
        publish(Lake(tmp_path / "data"), str(target))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "text",
    [
        "not json\n",
        '{"package": "another program\'s"}\n',
        '{"path": "../../x", "bytes": 1, "sha256": "%s"}\n' % ("0" * 64),
        '{"path": "maestro_cache/../../x", "bytes": 1, "sha256": "%s"}\n' % ("0" * 64),
        '{"path": "/maestro_cache/x", "bytes": 1, "sha256": "%s"}\n' % ("0" * 64),
        '{"path": "elsewhere/x", "bytes": 1, "sha256": "%s"}\n' % ("0" * 64),
        "[1]\n",
        "\xff",
    ],
)
def test_a_manifest_that_is_none_of_ours_is_not_written_over(lake, target, text):
    target.mkdir()
    (target / "manifest.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(SetupError, match=r"manifest\.jsonl, line 1: not from a manifest of published files"):
        publish(lake, str(target), PublishOptions(prune=True))
    assert contents(target) == {"manifest.jsonl": text.encode("latin-1")}


def test_the_manifest_is_written_as_files_arrive(lake, target, watched):
    publish(lake, watched, PublishOptions(backoff=0, checkpoint_files=5))
    order = arrived(target)
    gaps = [i for i, path in enumerate(order) if path == "manifest.jsonl"]
    assert len(gaps) >= len(plan_publish(lake)) // 5
    Watched.arrived.clear()
    publish(lake, watched + "-too", PublishOptions(backoff=0, checkpoint_seconds=0))
    assert Watched.arrived.count(f"{target}-too/manifest.jsonl") == len(plan_publish(lake))


def test_the_manifest_never_claims_a_file_that_is_being_replaced(lake, target, watched):
    publish(lake, watched, AT_ONCE)
    embed(lake.tier("maestro").partition("2011"), "maestro_c", content="new")
    claims: list[bool] = []

    def look(path: str) -> None:
        if "/muq_embeddings/" in path:
            claims.append(path.removeprefix(f"{target}/") in listed(target))

    Watched.before = look
    assert publish(lake, watched, AT_ONCE).sent == 3  # two embeddings and their table
    assert claims == [False, False]


def test_one_process_publishes_a_lake_at_a_time(lake, target):
    with (
        locked(publishing._lock_of(lake), "x"),
        pytest.raises(SetupError, match=rf"another run \(process {os.getpid()} .*is writing the publication of"),
    ):
        publish(lake, str(target))
    assert not target.exists()


def test_a_killed_run_leaves_no_half_file_and_resumes_from_its_checkpoint(lake, target):
    command = [sys.executable, "-m", "crescendai_assets_tests.lake.test_publishing", str(lake.root), str(target)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    process.kill()
    process.wait()
    process.stdout.close()

    wanted = here(lake)
    there = published(target)
    halves = {path: data for path, data in there.items() if path.startswith(".publishing/")}
    assert b"half" in halves.values()
    whole = {path: data for path, data in there.items() if path not in halves}
    assert whole.items() <= wanted.items()
    sure = listed(target)
    assert 8 <= len(sure) <= len(whole) < len(wanted)
    assert set(sure) <= set(whole)
    times = {path: (target / path).stat().st_mtime_ns for path in sure}

    resumed = publish(lake, f"file://{target}", AT_ONCE)
    assert (resumed.unchanged, resumed.sent, resumed.failures) == (len(sure), len(wanted) - len(sure), ())
    assert published(target) == wanted
    assert times == {path: (target / path).stat().st_mtime_ns for path in sure}
    assert not (target / ".publishing").exists()
    assert check_published(lake, str(target), deep=True).passed


def test_what_another_lake_is_sending_to_the_address_is_left_to_it(lake, target):
    other = target / ".publishing" / "000000000000-0123456789abcdef"
    write(other, "half")
    publish(lake, str(target), AT_ONCE)
    assert other.read_text() == "half"


if __name__ == "__main__":
    fsspec.register_implementation("slow", Slow)
    publish(Lake(Path(sys.argv[1])), f"slow://{sys.argv[2]}", PublishOptions(checkpoint_files=4))
