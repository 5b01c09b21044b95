"""Working audio is let go only of recordings that are complete, never a user's file, and whatever kills a run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.augmented import Augmentation
from crescendai_assets.embeddings.folder import CLEAN, Product, committed_embeddings, wanted_embeddings
from crescendai_assets.embeddings.identity import IDENTITY_FILE
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.embeddings.retention import DiscardReport, discard_raw_audio
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.journal import locked, open_journal
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.schemas import (
    COMPETITION_RECORDINGS,
    COMPETITION_SEGMENTS,
    DISCARDED,
    YOUTUBE_RECORDINGS,
    YOUTUBE_SEGMENTS,
)
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.sources import competition_recordings, youtube
from crescendai_assets.sources.in_place import hashed
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.segmenting import committed_segments, segment_partition, wanted_segments
from crescendai_assets_tests.builders import contents, noise, video_row, write_sound
from crescendai_assets_tests.embeddings.test_pipeline import Idle

RULE = SegmentRule(segment_duration=2.0, min_duration=1.0)
GAIN = Augmentation("single:gain")
PAIRED = (CLEAN, GAIN.product)
EDITION: Row = {
    "performer": "Ana Sol", "piece": "", "round": "final", "round_index": 0, "placement": 1, "eliminated_in": None,
    "outcome_rank": 1, "competition": "mini", "edition": "mini2019", "country": "",
}  # fmt: skip


def channel_in(root: Path, key: str = "one") -> Partition:
    return open_lake(root).tier("youtube").partition(key)


def edition_in(root: Path) -> Partition:
    return open_lake(root).tier("competition").partition("mini2019")


def listed(partition: Partition, table: Table, video_ids: str, **columns: Any) -> None:
    """A recordings table with a working copy of each."""
    partition.audio.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, video_id in enumerate(video_ids):
        path = write_sound(partition.audio / f"yt_{video_id}.wav", noise(2.0 + number, seed=number), SAMPLE_RATE)
        where = {"audio_path": path.relative_to(partition.tier.folder).as_posix(), "bytes": path.stat().st_size}
        rows.append(video_row(video_id, sha256=sha256_file(path), **where, **columns))
    table.write(partition.stage("recordings").table, rows)


def finished(partition: Partition, table: Table, inherited: tuple[str, ...], *augmentations: Augmentation) -> None:
    """Cut and embed all of a partition by an encoder that computes nothing."""
    audio = AudioFiles(partition.tier)
    segment_partition(partition, table, inherited, audio, RULE)
    embed_partition(partition, Idle(), audio, RULE, decoders=1)
    for one in augmentations:
        embed_partition(partition, Idle(), audio, RULE, product=one.product, cutter=one.cutter(RULE), decoders=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of three recordings and an edition of one, each complete; only copied."""
    root = tmp_path_factory.mktemp("made")
    channel, edition = channel_in(root), edition_in(root)
    listed(channel, YOUTUBE_RECORDINGS, "abc")
    finished(channel, YOUTUBE_SEGMENTS, youtube.INHERITED, GAIN)
    listed(edition, COMPETITION_RECORDINGS, "e", **EDITION)
    finished(edition, COMPETITION_SEGMENTS, competition_recordings.INHERITED)
    return root


@pytest.fixture
def lake(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "lake"))


@pytest.fixture
def channel(lake: Path) -> Partition:
    return channel_in(lake)


@pytest.fixture
def edition(lake: Path) -> Partition:
    return edition_in(lake)


def discard(
    channel: Partition, products: Sequence[Product] = PAIRED, rule: SegmentRule = RULE, **more: Any
) -> DiscardReport:
    return discard_raw_audio(channel, YOUTUBE_RECORDINGS, youtube.INHERITED, rule, products, **more)


def rows(partition: Partition) -> dict[str, Row]:
    return {row["recording_id"]: row for row in read_rows(partition.stage("recordings").table)}


def states(partition: Partition) -> dict[str, str]:
    return {i: row["state"] for i, row in rows(partition).items()}


def relist(channel: Partition, **changes: dict[str, Any]) -> None:
    """Change rows of the recordings table, by recording."""
    table = [{**row, **changes.get(i, {})} for i, row in rows(channel).items()]
    YOUTUBE_RECORDINGS.write(channel.stage("recordings").table, table)


def copies(partition: Partition) -> list[str]:
    return sorted(path.name for path in partition.audio.iterdir())


# what goes


def test_copies_of_complete_recordings_go_and_their_rows_say_so(channel):
    size = sum(path.stat().st_size for path in channel.audio.iterdir())
    before, told = rows(channel), list[str]()
    report = discard(channel, progress=told.append)
    assert report == DiscardReport(("yt_a", "yt_b", "yt_c"), size, before=0, kept={}, in_place=0)
    assert (copies(channel), set(states(channel).values())) == ([], {DISCARDED})
    assert [line.partition(":")[0] for line in told] == ["yt_a", "yt_b", "yt_c"]
    after = rows(channel)
    assert sum(row["discarded_bytes"] for row in after.values()) == size
    for i, row in after.items():
        assert {**row, "state": "working copy"} == {
            **before[i],
            "discarded_bytes": row["discarded_bytes"],
            "discarded_at": row["discarded_at"],
        }


def test_nothing_done_comes_undone_and_the_content_of_the_table_stays(channel):
    table = channel.stage("recordings").table
    digest = YOUTUBE_RECORDINGS.digest(read_rows(table))
    embeddings = {name: data for name, data in contents(channel.tier.folder).items() if name.endswith(".pt")}
    discard(channel)
    assert YOUTUBE_RECORDINGS.digest(read_rows(table)) == digest
    assert wanted_segments(channel, youtube.INHERITED, RULE) == committed_segments(channel, youtube.INHERITED)
    for product in PAIRED:
        assert wanted_embeddings(channel, Idle.identity, product) == committed_embeddings(channel, product)
    assert {n: data for n, data in contents(channel.tier.folder).items() if n.endswith(".pt")} == embeddings


def test_a_second_time_there_is_nothing_to_let_go(channel):
    discard(channel)
    before = contents(channel.folder)
    assert discard(channel) == DiscardReport((), 0, before=3, kept={}, in_place=0)
    assert contents(channel.folder) == before


def test_an_editions_recording_is_complete_without_pairs_and_a_channels_is_not(channel, edition):
    augmented = channel.augmented_folder
    shutil.rmtree(augmented)
    report = discard_raw_audio(edition, COMPETITION_RECORDINGS, competition_recordings.INHERITED, RULE, (CLEAN,))
    assert (report.discarded, copies(edition)) == (("yt_e",), [])
    report = discard(channel)
    assert report.kept == dict.fromkeys(("yt_a", "yt_b", "yt_c"), f"nothing is in {augmented.name}")
    assert discard(channel, (CLEAN,)).discarded == ("yt_a", "yt_b", "yt_c")


# what stays, and why


def kept(channel: Partition, recording_id: str, **settings: Any) -> str:
    """Let go of what can be, see that this one recording stays as it was, and return why."""
    before = rows(channel)[recording_id]
    report = discard(channel, **settings)
    assert list(report.kept) == [recording_id]
    assert len(report.discarded) == len(rows(channel)) - 1
    assert rows(channel)[recording_id] == before
    assert copies(channel) == [f"{recording_id}.wav"]
    return report.kept[recording_id]


def test_a_recording_that_is_not_cut_keeps_its_audio(channel):
    table = channel.stage("segments").table
    YOUTUBE_SEGMENTS.write(table, [row for row in read_rows(table) if row["recording_id"] != "yt_b"])
    assert kept(channel, "yt_b") == "not cut as it is listed now"


@pytest.mark.parametrize("change", [{"title": "Another title"}, {"sha256": "0" * 64}])
def test_a_recording_that_is_listed_otherwise_than_it_was_cut_keeps_its_audio(channel, change):
    relist(channel, yt_b=change)
    assert kept(channel, "yt_b") == "not cut as it is listed now"


def test_another_rule_of_cutting_keeps_all_audio(channel):
    report = discard(channel, rule=replace(RULE, min_duration=1.5))
    assert set(report.kept.values()) == {"not cut as it is listed now"}
    assert len(copies(channel)) == 3


@pytest.mark.parametrize("product", PAIRED, ids=lambda product: product.asset)
def test_a_recording_without_all_its_embeddings_keeps_its_audio(channel, product):
    table, folder = channel.stage(product.asset).table, product.folder(channel)
    product.table.write(table, [row for row in read_rows(table) if row["recording_id"] != "yt_b"])
    assert kept(channel, "yt_b") == f"not embedded in {folder.name} as it is cut now"


@pytest.mark.parametrize("product", PAIRED, ids=lambda product: product.asset)
def test_a_recording_with_a_lost_embedding_keeps_its_audio(channel, product):
    (product.folder(channel) / "yt_b_seg000.pt").unlink()
    assert kept(channel, "yt_b") == f"not embedded in {product.folder(channel).name} as it is cut now"


def test_pairs_by_another_preset_do_not_count(channel):
    report = discard(channel, (CLEAN, Augmentation("label_safe").product))
    assert set(report.kept.values()) == {"not embedded in muq_embeddings_augmented as it is cut now"}
    assert len(copies(channel)) == 3


def test_embeddings_that_nobody_knows_the_encoder_of_do_not_count(channel):
    (channel.embedding_folder / IDENTITY_FILE).unlink()
    assert set(discard(channel).kept.values()) == {"nothing is in muq_embeddings"}


def test_the_first_thing_that_is_missing_is_the_reason(channel):
    table = channel.stage("segments").table
    YOUTUBE_SEGMENTS.write(table, [row for row in read_rows(table) if row["recording_id"] != "yt_b"])
    shutil.rmtree(channel.augmented_folder)
    assert discard(channel).kept == {
        "yt_a": "nothing is in muq_embeddings_augmented",
        "yt_b": "not cut as it is listed now",
        "yt_c": "nothing is in muq_embeddings_augmented",
    }


def test_of_two_products_that_miss_a_recording_the_first_is_the_reason(channel):
    for product in PAIRED:
        (product.folder(channel) / "yt_b_seg000.pt").unlink()
    assert kept(channel, "yt_b") == "not embedded in muq_embeddings as it is cut now"


def test_a_users_file_is_never_touched_nor_one_of_its_name_in_the_lake(channel, tmp_path):
    mine = tmp_path / "mine"
    (mine / "audio").mkdir(parents=True)
    shutil.copy(channel.audio / "yt_b.wav", mine / "audio" / "yt_b.wav")
    relist(channel, yt_b=hashed(mine, "audio/yt_b.wav", None))
    before = contents(mine)
    report = discard(channel)
    assert (report.in_place, report.discarded, report.kept) == (1, ("yt_a", "yt_c"), {})
    assert contents(mine) == before
    assert copies(channel) == ["yt_b.wav"], "the row means the user's file, not the lake's of that name"
    assert states(channel)["yt_b"] == "read in place"


def test_a_copy_that_was_lost_is_marked_as_discarded_once_all_is_done(channel):
    (channel.audio / "yt_b.wav").unlink()
    report = discard(channel)
    assert report.discarded == ("yt_a", "yt_b", "yt_c")
    assert rows(channel)["yt_b"]["discarded_bytes"] == 0


# what another channel has taken over


def test_a_copy_that_another_channel_has_taken_over_and_not_used_yet_stays(channel, lake):
    other = channel_in(lake, "first")
    YOUTUBE_RECORDINGS.write(other.stage("recordings").table, [{**rows(channel)["yt_b"], "channel": "First"}])
    assert "another partition" in kept(channel, "yt_b")


def test_a_copy_that_another_channel_fetched_again_stays_though_it_was_discarded_here(channel, lake):
    before = rows(channel)["yt_b"]
    discard(channel)
    other = channel_in(lake, "first")
    YOUTUBE_RECORDINGS.write(other.stage("recordings").table, [{**before, "channel": "First"}])
    (channel.audio / "yt_b.wav").write_bytes(b"fetched again")
    report = discard(channel)
    assert copies(channel) == ["yt_b.wav"]
    assert (report.before, list(report.kept)) == (2, ["yt_b"])


# killed and kept out


def test_a_run_killed_between_row_and_file_is_finished_by_the_next(channel):
    gone = {"state": DISCARDED, "discarded_bytes": 5, "discarded_at": "2026-01-01T00:00:00+00:00"}
    relist(channel, yt_b=gone)
    assert "yt_b.wav" in copies(channel)
    report = discard(channel)
    assert (report.discarded, report.before, copies(channel)) == (("yt_a", "yt_c"), 1, [])
    assert rows(channel)["yt_b"]["discarded_at"] == gone["discarded_at"]


def test_a_row_says_discarded_before_its_file_goes_and_a_kill_loses_nothing(channel, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "yt_b.wav":
            raise Killed
        unlink(path, missing_ok)

    unlink = Path.unlink
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(Killed):
            discard(channel)
    assert (states(channel)["yt_b"], copies(channel)) == (DISCARDED, ["yt_b.wav", "yt_c.wav"])
    report = discard(channel)
    assert (report.discarded, report.before, copies(channel)) == (("yt_c",), 2, [])


def test_what_a_killed_run_fetched_and_never_cut_stays(channel):
    files, fresh = channel.stage("recordings"), write_sound(channel.audio / "yt_d.wav", noise(2.0), SAMPLE_RATE)
    with open_journal(files, YOUTUBE_RECORDINGS, "recordings") as journal:
        journal.commit("yt_d", [video_row("d", sha256=sha256_file(fresh))])
        left = files.journal.read_bytes()
    YOUTUBE_RECORDINGS.write(files.table, [row for i, row in rows(channel).items() if i != "yt_d"])
    files.journal.write_bytes(left)  # as a killed run leaves it: committed, and not in the table yet
    report = discard(channel)
    assert report.kept == {"yt_d": "not cut as it is listed now"}
    assert (copies(channel), states(channel)["yt_d"]) == (["yt_d.wav"], "working copy")


def test_nothing_goes_while_a_run_lists_or_fetches(channel):
    with locked(channel.stage("recordings"), "recordings"), pytest.raises(SetupError, match="another run"):
        discard(channel)
    assert len(copies(channel)) == 3
    assert set(states(channel).values()) == {"working copy"}


def test_a_partition_without_recordings_has_nothing_to_let_go(lake):
    assert discard(channel_in(lake, "empty")) == DiscardReport((), 0, before=0, kept={}, in_place=0)
