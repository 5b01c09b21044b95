from __future__ import annotations

import json
from pathlib import Path

import pytest

from crescendai_assets.labels.files import composite_files
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.publishable import PublishedFile, decode_manifest, encode_manifest, plan_publish
from crescendai_assets_tests.builders import embedding_row
from crescendai_assets_tests.lake.publication import embed, small_lake, write

TABLES = "embeddings.jsonl metadata.jsonl recordings.jsonl"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return small_lake(tmp_path / "data")


def test_tables_the_embeddings_they_name_and_their_encoders_are_published(lake):
    expected = {
        "percepiano_cache": "labels.json",
        "competition_cache/c21": f"{TABLES} ordinal.jsonl",
        "competition_cache/c21/muq_embeddings": "c21_x_seg000.pt c21_x_seg001.pt encoder.json",
        "maestro_cache": "maestro-v3.0.0.json metadata.jsonl",
        "maestro_cache/2004": TABLES,
        "maestro_cache/2011": f"embeddings-other.jsonl {TABLES}",
        "maestro_cache/muq_embeddings": "encoder.json "
        + " ".join(f"maestro_{recording}_seg00{index}.pt" for recording in "abc" for index in (0, 1)),
        "maestro_cache/muq_embeddings-other": "encoder.json maestro_c_seg000.pt maestro_c_seg001.pt",
        "youtube_piano_cache": "channels.yaml",
        "youtube_piano_cache/rousseau": f"augmented_pairs.jsonl {TABLES}",
        "youtube_piano_cache/muq_embeddings": "encoder.json yt_v_seg000.pt yt_v_seg001.pt",
        "youtube_piano_cache/muq_embeddings_augmented": "encoder.json yt_v_seg000.pt yt_v_seg001.pt",
    }
    plan = plan_publish(lake)
    assert set(plan.files) == {f"{folder}/{name}" for folder, names in expected.items() for name in names.split()}
    assert plan.refused == {}
    for path, file in plan.files.items():
        assert (file.bytes, file.sha256) == ((lake.root / path).stat().st_size, sha256_file(lake.root / path))


def test_rated_clips_are_published_as_embeddings_and_tables_and_composites_as_documents(lake):
    tier = lake.tier("percepiano")
    before = plan_publish(lake).files.keys()
    embed(tier.partition(), "Schubert_D960_mv2_8bars_1_05")
    row = {**embedding_row("x"), "segment_id": "Schubert_D960_mv2_8bars_1_06", "recording_id": "x"}
    write(tier.folder / "embeddings.jsonl", json.dumps(row) + "\n")
    write(tier.folder / "failures" / "clips.jsonl", "{}\n")
    write(tier.folder / "audio" / "x.wav", "x")
    composites = composite_files(lake)
    for path in (composites.taxonomy, composites.labels, composites.validation):
        write(path, "{}\n")
    for name in ("notes.txt", ".hidden.json", "deeper/labels.json", "x.wav", "cookies.json"):
        write(composites.folder / name, "{}\n")
    plan = plan_publish(lake)
    assert {*plan.files.keys() - before} == {
        "percepiano_cache/clips.jsonl",
        "percepiano_cache/embeddings.jsonl",
        "percepiano_cache/muq_embeddings/Schubert_D960_mv2_8bars_1_06.pt",
        "percepiano_cache/muq_embeddings/encoder.json",
        "composite_labels/taxonomy.json",
        "composite_labels/labels.json",
        "composite_labels/validation.jsonl",
    }
    assert decode_manifest(encode_manifest(plan.files), "x") == plan.files
    write(composites.taxonomy, '{"path": "/home/jane/x"}')
    assert list(plan_publish(lake).refused) == ["composite_labels/taxonomy.json"]


ODD = """
{cache}/audio/x.wav {cache}/audio/x.json {cache}/audio/recordings.jsonl {cache}/x.wav {cache}/x.mp3.json.part
{cache}/partial/recordings.jsonl {cache}/journal/recordings.jsonl {cache}/failures/recordings.jsonl
{cache}/cookies.txt {cache}/youtube-Cookies.json {cache}/.hidden.json {cache}/.metadata.jsonl.17-1.tmp
{cache}/dQw4w9WgXcQ.info.json {cache}/metadata.jsonl~ {cache}/notes/labels.json {cache}/.work/recordings.jsonl
{cache}/muq_embeddings/x.wav {cache}/muq_embeddings/x.json {cache}/muq_embeddings/recordings.jsonl
{cache}/muq_embeddings/nobody_seg000.pt {cache}/muq_embeddings/audio/maestro_a_seg000.pt {cache}/nobody_seg000.pt
{cache}/muq_embeddings-nobody/maestro_a_seg000.pt {cache}/muq_embeddings-nobody/encoder.json
{cache}/{part}/audio/x.wav {cache}/{part}/audio/x.json {cache}/{part}/audio/maestro_a_seg000.pt
{cache}/{part}/partial/x.webm.part {cache}/{part}/partial/x.json {cache}/{part}/journal/embeddings.jsonl
{cache}/{part}/failures/segments.jsonl {cache}/{part}/discovered.jsonl {cache}/{part}/x.flac
{cache}/{part}/deeper/recordings.jsonl {cache}/{part}/muq_embeddings/nobody_seg000.pt
audio/x.wav x.wav labels.json .env checkpoints/a.pt other_cache/recordings.jsonl
"""


@pytest.mark.parametrize("pattern", ODD.split())
def test_audio_work_under_way_and_files_that_no_row_names_stay(lake, pattern):
    before = plan_publish(lake)
    for tier, part in {"competition": "c21", "maestro": "2004", "youtube": "rousseau", "percepiano": "x"}.items():
        path = lake.root / pattern.format(cache=lake.tier(tier).folder.name, part=part)
        if path.relative_to(lake.root).as_posix() not in before.files:
            write(path, "{}\n")
    assert plan_publish(lake) == before


@pytest.mark.parametrize("bad", ["../audio/x", "/x", "..", "a/b", ".x"])
def test_a_row_that_names_a_file_outside_its_folder_stops_everything(lake, bad):
    row = {**embedding_row("x"), "segment_id": bad}
    write(lake.tier("maestro").partition("2004").stage("embeddings").table, json.dumps(row) + "\n")
    with pytest.raises(SetupError, match=r"2004/embeddings\.jsonl: id "):
        plan_publish(lake)


def test_a_row_without_a_hash_names_nothing(lake):
    write(lake.tier("maestro").partition("2004").stage("embeddings").table, '{"segment_id": "maestro_a_seg000"}\n')
    assert not any("maestro_a" in path for path in plan_publish(lake).files)


@pytest.mark.parametrize(
    "text",
    [
        '{"audio_path": "/home/jane/x.wav"}',
        '{"a": ["x", "/tmp/x"]}',
        '{"source_url": "file:///srv/x.wav"}',
        '{"note": "see ~/x"}',
        '{"note": "copied from /Users/jane/x"}',
        r'{"note": "copied from\n/Users/jane/x"}',
        r'{"a": "\/home\/jane"}',
        '{"a": "C:\\\\music"}',
        "/home/jane/x",
        '[{"domain": "x.com", "httpOnly": true, "value": "y"}]',
        '{"cookies" : "SID=1"}',
    ],
)
def test_a_table_with_a_path_of_this_machine_or_cookies_stays_and_its_line_is_named(lake, text):
    path = write(lake.tier("maestro").metadata, "{}\n{}\n" + text + "\n{}\n")
    plan = plan_publish(lake)
    assert list(plan.refused) == ["maestro_cache/metadata.jsonl"]
    assert plan.refused["maestro_cache/metadata.jsonl"].startswith(f"{path}, line 3: holds ")
    assert "maestro_cache/metadata.jsonl" not in plan.files


def test_web_addresses_and_titles_are_no_paths_of_this_machine(lake):
    text = """{"source_url": "https://www.youtube.com/watch?v=x", "audio_path": "2004/x.wav"}
        {"url": "https://example.org/home/tmp/x", "rel": "/wiki/Ekier", "title": "Sonata / Finale"}
        {"title": "Clair de lune (/home/ studio \\"A\\")", "piece": "/tmp/ take", "channel": "~/piano"}
        {"title": "Étude \\"quasi /fantasia\\"", "s3": "s3://home/tmp/x", "id": "/m/05zppz"}"""
    write(lake.tier("maestro").metadata, text)
    assert plan_publish(lake).refused == {}


def test_an_identity_with_a_path_of_this_machine_stays(lake):
    write(lake.root / "maestro_cache/muq_embeddings/encoder.json", '{"checkpoint": "/home/jane/muq"}')
    plan = plan_publish(lake)
    assert list(plan.refused) == ["maestro_cache/muq_embeddings/encoder.json"]
    assert not plan.files.keys() & plan.refused.keys()


def test_a_root_that_is_not_there_is_an_error_in_words(tmp_path):
    with pytest.raises(SetupError, match=r"data: no such folder.*CRESCENDAI_DATA"):
        plan_publish(Lake(tmp_path / "data"))


def test_a_manifest_is_read_as_it_was_written(lake):
    files = plan_publish(lake).files
    assert decode_manifest(encode_manifest(files), "x") == files
    assert decode_manifest(b"", "x") == {}


@pytest.mark.parametrize(
    "path", ["../../x", "maestro_cache/../../x", "/maestro_cache/x", "elsewhere/x", "maestro_cache"]
)
def test_a_manifest_with_a_path_outside_the_caches_is_none_of_ours(path):
    data = encode_manifest({"maestro_cache/x": PublishedFile(1, "0" * 64)})
    with pytest.raises(SetupError, match=r"s3://b/x/manifest\.jsonl, line 2: not from a manifest of published files"):
        decode_manifest(data + data.replace(b"maestro_cache/x", path.encode()), "s3://b/x")
