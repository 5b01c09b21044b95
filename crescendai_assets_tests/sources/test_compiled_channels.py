"""All channels in one table: whose a shared recording is, what sounds like another, what nobody owns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from crescendai_assets.lake.layout import Partition, Tier, open_lake
from crescendai_assets.lake.schemas import YOUTUBE_RECORDINGS, YOUTUBE_SEGMENTS
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.channels import Channel
from crescendai_assets.sources.compiled_channels import (
    PlannedChannels,
    check_owners,
    compile_channels,
    digest_on_disk,
    orphaned_files,
    plan_channels,
)
from crescendai_assets_tests.builders import contents, digest, video_row, video_segment_row

ONE = Channel("one", "Channel One", "recital", "https://site.example/one")
TWO = Channel("two", "Channel Two", "label", "https://site.example/two")


@pytest.fixture
def tier(tmp_path) -> Tier:
    return open_lake(tmp_path / "lake").tier("youtube")


def channel(tier: Tier, key: str, videos: Iterable[str], sounds: dict[str, str] | None = None) -> Partition:
    """A channel that holds these videos, cut unless `sounds` leaves them out; equal sounds sound alike."""
    partition, videos = tier.partition(key), list(videos)
    sounds = {video: video for video in videos} if sounds is None else sounds
    YOUTUBE_RECORDINGS.write(partition.stage("recordings").table, [video_row(v, channel=key) for v in videos])
    cut = [
        video_segment_row(video, index, channel=key, pcm_hash=digest(sound)[:32])
        for video, sound in sounds.items()
        for index in range(2)
    ]
    YOUTUBE_SEGMENTS.write(partition.stage("segments").table, cut)
    return partition


def duplicates(planned: PlannedChannels) -> dict[str, Any]:
    return {row["video_id"]: row["duplicate_of"] for row in planned.recordings}


def columns(rows: Sequence[Row], column: str) -> list[Any]:
    return [row[column] for row in rows]


# what goes in


def test_recordings_and_segments_of_all_channels_stand_in_order_of_their_ids(tier):
    channel(tier, "one", "ca")
    channel(tier, "two", "b")
    planned = plan_channels(tier, [TWO, ONE])
    assert columns(planned.recordings, "video_id") == ["a", "b", "c"]
    assert columns(planned.segments, "segment_id") == [f"yt_{v}_seg{n:03d}" for v in "abc" for n in range(2)]
    assert planned.partitions == ("two", "one")
    assert {row["pcm_hash"] for row in planned.recordings} == {digest(v)[:32] for v in "abc"}
    assert duplicates(planned) == dict.fromkeys("abc")


def test_a_tier_without_channels_compiles_to_empty_tables(tier):
    planned = plan_channels(tier, [ONE])
    assert (planned.recordings, planned.segments, planned.partitions) == ([], [], ())
    report = compile_channels(tier, [ONE])
    assert (report.rows, report.facts["recordings"], list(read_rows(tier.recordings))) == (0, 0, [])


def test_a_recording_that_two_channels_hold_is_the_first_ones_in_catalogue_order(tier):
    channel(tier, "one", "s")
    channel(tier, "two", "s")
    for order, owner in (([ONE, TWO], "one"), ([TWO, ONE], "two")):
        planned = plan_channels(tier, order)
        assert columns(planned.recordings, "channel") == [owner]
        assert columns(planned.segments, "channel") == [owner, owner]


def test_a_channel_that_left_the_catalogue_keeps_its_data_and_comes_last(tier):
    channel(tier, "aaa", "sx")
    channel(tier, "two", "s")
    planned = plan_channels(tier, [ONE, TWO])
    assert planned.partitions == ("two", "aaa")
    assert dict(zip(columns(planned.recordings, "video_id"), columns(planned.recordings, "channel"), strict=True)) == {
        "s": "two",
        "x": "aaa",
    }


def test_a_recording_that_is_not_cut_yet_has_no_sound_and_no_segments(tier):
    channel(tier, "one", "ab", {"a": "a"})
    planned = plan_channels(tier, [ONE])
    assert columns(planned.recordings, "pcm_hash") == [digest("a")[:32], None]
    assert set(columns(planned.segments, "video_id")) == {"a"}
    assert compile_channels(tier, [ONE]).facts["not_cut_yet"] == 1


def test_segments_of_a_recording_that_has_left_its_channel_are_left_out(tier):
    partition = channel(tier, "one", "ab")
    YOUTUBE_RECORDINGS.write(partition.stage("recordings").table, [video_row("b")])
    assert set(columns(plan_channels(tier, [ONE]).segments, "video_id")) == {"b"}


# the same sound


def test_the_same_sound_again_is_marked_on_the_recording_and_on_each_of_its_segments(tier):
    channel(tier, "one", "ab")
    channel(tier, "two", "cd", {"c": "a", "d": "d"})
    planned = plan_channels(tier, [ONE, TWO])
    assert duplicates(planned) == {"a": None, "b": None, "c": "yt_a", "d": None}
    assert [(row["video_id"], row["duplicate_of"]) for row in planned.segments if row["video_id"] in "ac"] == [
        ("a", None),
        ("a", None),
        ("c", "yt_a"),
        ("c", "yt_a"),
    ]


def test_the_original_is_the_one_of_the_first_channel_and_there_the_first_by_id(tier):
    channel(tier, "one", "az", {"a": "x", "z": "x"})
    channel(tier, "two", "by", {"b": "x", "y": "x"})
    assert duplicates(plan_channels(tier, [TWO, ONE])) == {"a": "yt_b", "b": None, "y": "yt_b", "z": "yt_b"}


def test_of_many_that_sound_alike_each_points_at_the_original_and_none_at_another_duplicate(tier):
    for key, video in (("one", "c"), ("two", "b"), ("three", "a")):
        channel(tier, key, video, {video: "x"})
    planned = plan_channels(tier, [ONE, TWO])
    assert duplicates(planned) == {"c": None, "b": "yt_c", "a": "yt_c"}
    compile_channels(tier, [ONE, TWO])
    assert check_owners(tier).passed


def test_two_recordings_that_are_not_cut_do_not_sound_alike(tier):
    channel(tier, "one", "ab", {})
    assert duplicates(plan_channels(tier, [ONE])) == {"a": None, "b": None}


# what is written


def test_what_is_written_is_what_was_planned_and_fits_the_schemas(tier):
    channel(tier, "one", "ab")
    channel(tier, "two", "c", {"c": "a"})
    planned, report = plan_channels(tier, [ONE, TWO]), compile_channels(tier, [ONE, TWO])
    recordings, segments = list(read_rows(tier.recordings)), list(read_rows(tier.metadata))
    assert (recordings, segments) == (planned.recordings, planned.segments)
    assert all(YOUTUBE_RECORDINGS.fault(row) is None for row in recordings)
    assert all(YOUTUBE_SEGMENTS.fault(row) is None for row in segments)
    assert report.digest == planned.digest == digest_on_disk(tier)
    assert (report.rows, report.partitions) == (6, ("one", "two"))
    assert report.facts == {
        "recordings": 3,
        "duplicates_by_sound": 1,
        "such_as": "yt_c = yt_a",
        "not_cut_yet": 0,
        "orphaned_files": 0,
        "orphans": "none",
        "hours_of_audio": 0.05,
    }


def test_the_digest_follows_what_the_channels_hold(tier):
    partition = channel(tier, "one", "ab")
    report = compile_channels(tier, [ONE])
    assert compile_channels(tier, [ONE]).digest == report.digest
    YOUTUBE_RECORDINGS.write(partition.stage("recordings").table, [video_row("a", title="Another"), video_row("b")])
    assert plan_channels(tier, [ONE]).digest != digest_on_disk(tier) == report.digest


def test_the_channels_a_table_was_made_by_stand_beside_it_without_paths_of_this_machine(tier, tmp_path):
    mine = Channel("mine", "Łódź at home", "other", folder=tmp_path / "private" / "records")
    compile_channels(tier, [ONE, mine])
    text = (tier.folder / "channels.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {
        "channels": [
            {"key": "one", "name": "Channel One", "category": "recital", "url": "https://site.example/one"},
            {"key": "mine", "name": "Łódź at home", "category": "other", "folder": "records"},
        ]
    }
    assert str(tmp_path) not in text
    assert "Łódź" in text


def test_compiling_writes_nothing_into_the_channels(tier):
    partition = channel(tier, "one", "a")
    before = contents(partition.folder)
    compile_channels(tier, [ONE])
    assert contents(partition.folder) == before


# what nobody owns


def test_working_copies_that_no_row_of_any_channel_names_are_orphans_and_stay(tier):
    one = channel(tier, "one", "a")
    channel(tier, "gone", "b")
    one.audio.mkdir()
    for name in ("yt_a.wav", "yt_b.wav", "yt_c.wav", "yt_a.flac", ".yt_d.wav.1-1.tmp"):
        (one.audio / name).write_bytes(b"-")
    (one.audio / "folder").mkdir()
    assert orphaned_files(tier) == ["audio/yt_a.flac", "audio/yt_c.wav"]
    facts = compile_channels(tier, [ONE]).facts
    assert (facts["orphaned_files"], facts["orphans"]) == (2, "audio/yt_a.flac, audio/yt_c.wav")
    assert len(list(one.audio.iterdir())) == 6


def test_without_a_folder_of_audio_there_are_no_orphans(tier):
    assert orphaned_files(tier) == []


# the verdict


def test_channels_with_one_owner_each_pass(tier):
    channel(tier, "one", "ab")
    channel(tier, "two", "c", {"c": "a"})
    compile_channels(tier, [ONE, TWO])
    found = check_owners(tier)
    assert (found.passed, found.facts) == (True, {"recordings": 3, "duplicates": 1})


def test_a_recording_in_two_channels_fails_and_both_are_named(tier):
    channel(tier, "one", "ab")
    channel(tier, "two", "bc")
    compile_channels(tier, [ONE, TWO])
    found = check_owners(tier)
    assert not found.passed
    assert columns(found.rows, "id") == ["yt_b"]
    assert "stands in one, two" in found.rows[0]["fault"]


@pytest.mark.parametrize("target", ["yt_b", "yt_nobody", "yt_c"])
def test_a_duplicate_of_a_duplicate_of_nobody_or_of_itself_fails(tier, target):
    channel(tier, "one", "ab", {"a": "x", "b": "x"})
    channel(tier, "two", "c")
    compile_channels(tier, [ONE, TWO])
    rows = [{**row, "duplicate_of": target} if row["video_id"] == "c" else row for row in read_rows(tier.recordings)]
    YOUTUBE_RECORDINGS.write(tier.recordings, rows)
    found = check_owners(tier)
    assert not found.passed
    assert [(row["id"], target in row["fault"]) for row in found.rows] == [("yt_c", True)]


def test_the_files_are_those_of_the_contract(tier):
    channel(tier, "one", "a")
    compile_channels(tier, [ONE])
    made = {name for name in contents(tier.folder) if "/" not in name}
    assert made == {"channels.yaml", "metadata.jsonl", "recordings.jsonl"}
    assert Path(tier.recordings).parent == tier.folder
