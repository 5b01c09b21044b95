from __future__ import annotations

import pytest

from crescendai_assets.lake.compiled import check_compiled, rows_of_all
from crescendai_assets.lake.layout import open_lake
from crescendai_assets.lake.schemas import YOUTUBE_RECORDINGS, YOUTUBE_SEGMENTS
from crescendai_assets_tests.builders import digest, video_row, video_segment_row

ONE, OTHER = digest("one")[:32], digest("other")[:32]


def test_rows_of_all_partitions_come_partition_by_partition_of_those_that_have_the_table(tmp_path):
    tier = open_lake(tmp_path).tier("youtube")
    assert list(rows_of_all(tier, "recordings")) == []
    for key, videos in {"b": ("1", "3"), "a": ("2",)}.items():
        YOUTUBE_RECORDINGS.write(tier.partition(key).stage("recordings").table, [video_row(v) for v in videos])
    YOUTUBE_SEGMENTS.write(tier.partition("b").stage("segments").table, [video_segment_row("3")])
    (tier.folder / "audio").mkdir()
    (tier.folder / "muq_embeddings").mkdir()
    assert [row["video_id"] for row in rows_of_all(tier, "recordings")] == ["2", "1", "3"]
    assert [row["segment_id"] for row in rows_of_all(tier, "segments")] == ["yt_3_seg000"]


@pytest.mark.parametrize("expected", [ONE, None])
def test_a_table_that_compiling_would_make_again_passes(expected):
    found = check_compiled(ONE, ONE, expected)
    assert found.passed
    assert found.facts == {"digest": ONE, "compared_with_run": expected is not None}


@pytest.mark.parametrize(
    ("planned", "on_disk", "expected", "faults"),
    [
        (OTHER, ONE, ONE, ["the partitions have changed"]),
        (OTHER, ONE, None, ["the partitions have changed"]),
        (ONE, ONE, OTHER, [f"{ONE[:12]} is not the run's {OTHER[:12]}"]),
        (OTHER, ONE, OTHER, ["the partitions have changed", "is not the run's"]),
    ],
)
def test_partitions_that_changed_and_content_that_is_not_the_runs_each_fail(planned, on_disk, expected, faults):
    found = check_compiled(planned, on_disk, expected)
    assert not found.passed
    assert len(found.rows) == len(faults)
    assert all(fault in row["fault"] for fault, row in zip(faults, found.rows, strict=True))
    assert "compile it again" in found.summary
