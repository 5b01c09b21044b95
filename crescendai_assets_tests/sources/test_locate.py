"""A row leads to its audio file or to a sentence; who holds a recording now; which copies were let go."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Partition, Tier, open_lake
from crescendai_assets.lake.schemas import DISCARDED, IN_PLACE, YOUTUBE_RECORDINGS
from crescendai_assets.lake.tables import Row
from crescendai_assets.sources.in_place import hashed
from crescendai_assets.sources.locate import (
    AudioFiles,
    committed_recordings,
    discarded_copies,
    known_rows,
    taken_over,
)
from crescendai_assets_tests.builders import video_row


@pytest.fixture
def tier(tmp_path) -> Tier:
    return open_lake(tmp_path / "lake").tier("youtube")


def listed(tier: Tier, key: str, *rows: Row, copies: bool = True) -> Partition:
    """A channel of these rows, with a working copy of each that says to have one."""
    partition = tier.partition(key)
    YOUTUBE_RECORDINGS.write(partition.stage("recordings").table, rows)
    partition.audio.mkdir(exist_ok=True)
    for row in rows:
        if copies and row["state"] == "working copy":
            (tier.folder / row["audio_path"]).write_bytes(b"-")
    return partition


def in_place(folder: Path, name: str) -> Row:
    return video_row("mine", source_url="", **hashed(folder, name, None))


def test_committed_recordings_are_the_fingerprints_of_the_table(tier):
    partition = listed(tier, "one", video_row("a"), video_row("b"))
    assert committed_recordings(partition) == {f"yt_{v}": video_row(v)["fingerprint"] for v in "ab"}
    assert committed_recordings(tier.partition("none")) == {}


def test_taken_over_is_what_another_partition_holds_now_of_what_is_asked(tier):
    one = listed(tier, "one", video_row("a"), video_row("b"))
    listed(tier, "two", video_row("b"), video_row("c"))
    listed(tier, "three", video_row("d"))
    assert taken_over(one, ["yt_a", "yt_b", "yt_d", "yt_e"]) == {"yt_b", "yt_d"}
    assert taken_over(one, ["yt_a"]) == set(), "what it holds itself is not taken over"
    assert taken_over(one, []) == set()


def test_known_rows_are_those_of_the_table(tier):
    rows = {f"yt_{v}": video_row(v) for v in "ab"}
    assert known_rows(listed(tier, "one", *rows.values())) == rows
    assert known_rows(tier.partition("none"), refetch=True) == {}


def test_with_refetch_a_discarded_copy_counts_as_lost_and_nothing_else_changes(tier, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"-")
    rows = [video_row("a"), video_row("b", state=DISCARDED), in_place(tmp_path, "x.wav")]
    partition = listed(tier, "one", *rows)
    states = {i: row["state"] for i, row in known_rows(partition).items()}
    assert states == {"yt_a": "working copy", "yt_b": DISCARDED, "yt_mine": IN_PLACE}
    states = {i: row["state"] for i, row in known_rows(partition, refetch=True).items()}
    assert states == {"yt_a": "working copy", "yt_b": "working copy", "yt_mine": IN_PLACE}


def test_discarded_copies_are_those_not_there_whether_let_go_or_lost_and_never_a_users_file(tier, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"-")
    rows = [video_row("a"), video_row("b", state=DISCARDED), video_row("c"), in_place(tmp_path, "x.wav")]
    partition = listed(tier, "one", *rows)
    (partition.audio / "yt_c.wav").unlink()
    (tmp_path / "x.wav").unlink()
    assert discarded_copies(partition) == ["yt_b", "yt_c"]


def test_a_working_copy_is_found_in_the_cache_whatever_its_row_says_of_bytes(tier):
    listed(tier, "one", video_row("a"))
    assert AudioFiles(tier).path(video_row("a", bytes=7)) == tier.folder / "audio/yt_a.wav"


def test_a_copy_that_is_gone_is_tried_again_and_says_how_to_have_it_back(tier):
    listed(tier, "one", video_row("a"), copies=False)
    with pytest.raises(RecordingError, match=r"yt_a\.wav: the audio is gone.*`refetch: true`") as caught:
        AudioFiles(tier).path(video_row("a"))
    assert caught.value.error_class == "retry"


def test_a_users_file_is_the_one_that_was_listed_or_it_is_refused(tier, tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"sound")
    row, files = in_place(tmp_path, "x.wav"), AudioFiles(tier, tmp_path)
    assert files.path(row) == path
    os.utime(path, ns=(0, 0))
    assert files.path(row) == path, "only touched: the bytes are those that were listed"
    for other in (b"noise", b"another sound"):
        path.write_bytes(other)
        with pytest.raises(RecordingError, match=r"x\.wav: changed since it was listed"):
            files.path(row)
    path.unlink()
    with pytest.raises(RecordingError, match=r"x\.wav: the audio is gone.*bring it back$"):
        files.path(row)


def test_a_users_file_without_its_folder_set_stops_the_run_in_words(tier, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"-")
    row, files = in_place(tmp_path, "x.wav"), AudioFiles(tier, tmp_path)
    with pytest.raises(SetupError, match=r"x\.wav: lies in the source folder, which is not set here"):
        replace(files, source=None).path(row)
