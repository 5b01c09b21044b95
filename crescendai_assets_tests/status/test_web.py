"""Where competitions and channels stand, told from catalogue and disk: no site is asked, nothing is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.augmented import Augmentation, augmentation_from
from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.identity import EncoderSpec, claim_folder, identify
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.journal import open_journal
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.schemas import (
    COMPETITION_RECORDINGS,
    COMPETITION_SEGMENTS,
    DISCARDED,
    DISCOVERED,
    WORKING_COPY,
    YOUTUBE_RECORDINGS,
    YOUTUBE_SEGMENTS,
)
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.sources import competition_recordings, youtube
from crescendai_assets.sources.channels import Channels, read_channels
from crescendai_assets.sources.collecting import Listing
from crescendai_assets.sources.competition_recordings import collect_edition, plan_edition
from crescendai_assets.sources.competitions import Competitions, read_competitions
from crescendai_assets.sources.download import Downloader
from crescendai_assets.sources.download.listing import Entry
from crescendai_assets.sources.download.settings import DownloadSettings
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.segmenting import segment_partition
from crescendai_assets.sources.youtube import collect_channel, plan_channel
from crescendai_assets.status.model import PartitionStatus, StageStatus, TierStatus
from crescendai_assets.status.speed import ASSUMED_AUGMENTING, ASSUMED_CPU
from crescendai_assets.status.tiers import (
    TIERS,
    competition_status,
    youtube_course,
    youtube_status,
)
from crescendai_assets_tests.builders import contents, digest, noise, tone, write_sound
from crescendai_assets_tests.town import PLAYLIST, RESULTS, write_town

CPU = EncoderSpec(device="cpu")
GAIN = Augmentation("single:gain")
COPY = 48_000  # bytes of a second

ADDRESSES = """\
recordings:
  addresses:
    - {performer: Ana Núñez, round: final, url: "https://example.org/a.mp3"}
    - {performer: Bo Lindqvist, round: final, url: "https://example.org/b.mp3"}
"""


def write_edition(catalogue: Path, recordings: str, results: str = RESULTS) -> Competitions:
    """A catalogue of one edition, town2031."""
    write_town(catalogue, recordings, results)
    return read_competitions([catalogue])


def write_channels(catalogue: Path, *entries: str) -> Channels:
    catalogue.mkdir(exist_ok=True)
    lines = "".join(f"  - {{category: recital, {entry}}}\n" for entry in entries)
    (catalogue / "channels.yaml").write_text(f"channels:\n{lines}", encoding="utf-8")
    return read_channels([catalogue])


def list_videos(partition: Partition, *videos: tuple[str, str, float | None]) -> None:
    """What the site listed: id, title and seconds of each."""
    entries = [Entry(i, f"https://example.org/{i}", title, seconds) for i, title, seconds in videos]
    DISCOVERED.write(partition.discovered, [{**asdict(one), "place": n} for n, one in enumerate(entries)])


def acquire(
    partition: Partition, table: Table, listing: Listing, seconds: Mapping[str, float], *, state: str = WORKING_COPY
) -> list[Row]:
    """Write the rows that a run would, and working copies unless they are discarded."""
    partition.audio.mkdir(parents=True, exist_ok=True)
    rows = []
    for recording_id, one in listing.recordings.items():
        video = one.columns["video_id"]
        if video not in seconds:
            continue
        copy = partition.audio / f"{recording_id}.wav"
        if state == WORKING_COPY:
            copy.write_bytes(b"-" * 100)
        rows.append(
            {
                "recording_id": recording_id,
                **one.columns,
                "title": one.columns["title"] or "As the site says",
                "source_url": one.url,
                "duration_seconds": seconds[video],
                "audio_in": "lake",
                "audio_path": copy.relative_to(partition.tier.folder).as_posix(),
                "bytes": 100,
                "sha256": digest(video),
                "state": state,
                "fingerprint": listing.fingerprint(one),
            }
        )
    table.write(partition.stage("recordings").table, rows)
    return rows


def cut(partition: Partition, rows: Iterable[Row]) -> None:
    """Segments of an edition's recordings; audio that is discarded is so again afterwards."""
    copies = {partition.tier.folder / row["audio_path"]: row for row in rows}
    for path, row in copies.items():
        write_sound(path, noise(row["duration_seconds"]), 24_000)
    inherited = competition_recordings.INHERITED
    segment_partition(partition, COMPETITION_SEGMENTS, inherited, AudioFiles(partition.tier), SegmentRule())
    for path, row in copies.items():
        if row["state"] == DISCARDED:
            path.unlink()


def a_minute_each(listing: Listing) -> dict[str, float]:
    return {one.columns["video_id"]: 60.0 for one in listing.recordings.values()}


def plan(stage: StageStatus) -> tuple[int, int, int, int]:
    return stage.done, stage.new, stage.stale, stage.removed


def to_come(status: PartitionStatus) -> tuple[int, ...]:
    return tuple(stage.rows_to_come for stage in status.stages)


def told(status: PartitionStatus) -> str:
    return "\n".join(status.notes)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, catalogue: Path) -> None:
    for name in list(os.environ):
        if name.startswith("CRESCENDAI_"):
            monkeypatch.delenv(name)


# --------------------------------------------------------------------------------------------------------- competition


@pytest.fixture
def competition(tmp_path: Path) -> Tier:
    return Lake(tmp_path / "data").tier("competition")


@pytest.fixture
def town(competition: Tier) -> Partition:
    return competition.partition("town2031")


def of_town(competition: Tier, competitions: Competitions) -> PartitionStatus:
    (status,) = competition_status(competition, competitions, CPU).partitions
    return status


def test_addresses_are_taken_for_half_an_hour_each_and_that_is_said(competition: Tier, catalogue: Path):
    status = of_town(competition, write_edition(catalogue, ADDRESSES))
    assert [stage.stage for stage in status.stages] == ["recordings", "segments", "embeddings"]
    assert plan(status.stages[0]) == (0, 2, 0, 0)
    assert to_come(status) == (2, 120, 120)
    assert status.stages[0].bytes_to_come == 2 * 1800 * COPY
    assert status.stages[0].bytes_to_transfer == 0, "nobody knows it"
    assert status.stages[2].seconds_to_come == pytest.approx(3600 * ASSUMED_CPU)
    assert "2 recordings of unknown length are taken for 30 min each (no length is known yet)" in told(status)
    assert not competition.folder.exists()


def test_an_edition_without_recordings_and_one_never_asked_wait_and_say_for_what(competition: Tier, catalogue: Path):
    for recordings, why in (("recordings: none yet\n", "none yet"), (PLAYLIST, "not asked yet: materialize")):
        status = competition_status(competition, write_edition(catalogue, recordings), CPU)
        assert status.partitions == ()
        ((reason, keys),) = status.waiting.items()
        assert why in reason
        assert keys == ("town2031",)


def test_a_list_that_was_asked_gives_lengths_and_open_titles(competition: Tier, town: Partition, catalogue: Path):
    list_videos(
        town,
        ("v1", "Ana Núñez – final round", 90.0),
        ("v2", "Bo Lindqvist – final round", None),
        ("v3", "Ana Núñez – semifinal round", 30.0),
        ("v4", "Somebody – final round", 600.0),
    )
    status = of_town(competition, write_edition(catalogue, PLAYLIST))
    assert plan(status.stages[0]) == (0, 3, 0, 0)
    assert to_come(status) == (3, 3 + 2 + 1, 6)  # the unknown one is taken for the median of 90 and 30 s
    assert "1 recordings of unknown length are taken for 1 min each (the median of 2 that are known)" in told(status)
    assert "1 listed recordings wait for a person to decide" in told(status)
    assert "`crescendai catalog match`" in told(status)


def test_titles_in_the_ledger_are_failures_and_neither_removed_nor_to_come(
    competition: Tier, town: Partition, catalogue: Path
):
    list_videos(town, ("v4", "Somebody – final round", 600.0))
    with open_journal(town.stage("recordings"), COMPETITION_RECORDINGS, "recordings") as journal:
        journal.fail("town2031_unmatched_v4", "", RecordingError("whose?", "needs_user"))
        journal.fail("town2031_unmatched_gone", "", RecordingError("whose?", "needs_user"))
    status = of_town(competition, write_edition(catalogue, PLAYLIST))
    assert status.stages[0].failed == {"needs_user": 2}
    assert plan(status.stages[0]) == (0, 0, 0, 0)
    assert to_come(status) == (0, 0, 0)


def test_a_corrected_placement_is_written_again_and_nothing_is_fetched_or_heard_for_it(
    competition: Tier, town: Partition, catalogue: Path
):
    competitions = write_edition(catalogue, ADDRESSES)
    listing = plan_edition(town, competitions.editions["town2031"])
    rows = acquire(town, COMPETITION_RECORDINGS, listing, a_minute_each(listing))
    cut(town, rows)
    assert plan(of_town(competition, competitions).stages[0]) == (2, 0, 0, 0)
    status = of_town(competition, write_edition(catalogue, ADDRESSES, RESULTS.replace("placement: 2", "placement: 3")))
    assert [plan(stage)[:3] for stage in status.stages[:2]] == [(1, 0, 1), (2, 0, 0)]
    assert to_come(status)[:2] == (1, 0)
    assert status.stages[0].hours_to_come == status.stages[0].bytes_to_come == 0


def test_an_address_that_was_exchanged_is_another_recording_of_the_same_length(
    competition: Tier, town: Partition, catalogue: Path
):
    listing = plan_edition(town, write_edition(catalogue, ADDRESSES).editions["town2031"])
    acquire(town, COMPETITION_RECORDINGS, listing, a_minute_each(listing))
    status = of_town(competition, write_edition(catalogue, ADDRESSES.replace("b.mp3", "c.mp3")))
    assert plan(status.stages[0]) == (1, 1, 0, 1)
    assert status.stages[0].hours_to_come == pytest.approx(60 / 3600)
    assert "the median of 2 that are known" in told(status)


def test_raw_audio_that_was_discarded_is_done_until_there_is_work_with_it(
    competition: Tier, town: Partition, catalogue: Path
):
    competitions = write_edition(catalogue, ADDRESSES)
    listing = plan_edition(town, competitions.editions["town2031"])
    rows = acquire(town, COMPETITION_RECORDINGS, listing, a_minute_each(listing), state=DISCARDED)
    wanting = of_town(competition, competitions)
    assert plan(wanting.stages[0]) == (2, 0, 0, 0)
    assert wanting.stages[0].bytes_to_come == 0
    assert "2 recordings have no audio any more" in told(wanting)
    assert "are done" not in told(wanting)
    assert "competition/recordings with `refetch: true`" in told(wanting)

    cut(town, rows)
    claim_embeddings(town, rows)
    done = of_town(competition, competitions)
    assert to_come(done) == (0, 0, 0)
    assert told(done) == "2 recordings are done, their raw audio is discarded"
    relabelled = write_edition(catalogue, ADDRESSES, RESULTS.replace("placement: 2", "placement: 3"))
    stale = of_town(competition, relabelled)
    assert (plan(stale.stages[0]), to_come(stale)) == ((1, 0, 1, 0), (1, 0, 0)), "labels need no audio"
    assert stale.stages[0].bytes_to_come == 0


def claim_embeddings(partition: Partition, rows: Iterable[Row]) -> None:
    """Embeddings of segments of 30 s, by nobody known."""
    partition.embedding_folder.mkdir(parents=True)
    segments = list(read_rows(partition.stage("segments").table))
    embedded = []
    for segment in segments:
        (partition.embedding_folder / f"{segment['segment_id']}.pt").write_bytes(b"-" * 10)
        embedded.append(
            {
                "segment_id": segment["segment_id"],
                "recording_id": segment["recording_id"],
                "fingerprint": CLEAN.fingerprint(segment, "nobody"),
                "sha256": digest(segment["segment_id"]),
                "bytes": 10,
                "frames": 93,
            }
        )
    assert {row["recording_id"] for row in rows} == {row["recording_id"] for row in embedded}
    CLEAN.table.write(partition.stage("embeddings").table, embedded)


def test_a_working_copy_that_somebody_removed_is_missed_only_where_it_is_needed(
    competition: Tier, town: Partition, catalogue: Path
):
    competitions = write_edition(catalogue, ADDRESSES)
    listing = plan_edition(town, competitions.editions["town2031"])
    rows = acquire(town, COMPETITION_RECORDINGS, listing, a_minute_each(listing))
    (town.tier.folder / rows[0]["audio_path"]).unlink()
    status = of_town(competition, competitions)
    assert status.stages[0].bytes_on_disk == 100
    assert "1 recordings have no audio any more" in told(status)


def test_audio_of_another_address_is_fetched_again_and_takes_the_place_of_what_is_there(
    competition: Tier, town: Partition, catalogue: Path
):
    competitions = write_edition(catalogue, ADDRESSES)
    listing = plan_edition(town, competitions.editions["town2031"])
    rows = acquire(town, COMPETITION_RECORDINGS, listing, a_minute_each(listing))
    moved = {"source_url": "https://example.org/before.mp3", "fingerprint": digest("before")}
    COMPETITION_RECORDINGS.write(town.stage("recordings").table, [{**rows[0], **moved}, rows[1]])
    recordings = of_town(competition, competitions).stages[0]
    assert plan(recordings) == (1, 0, 1, 0)
    assert recordings.hours_to_come == pytest.approx(60 / 3600)
    assert recordings.bytes_to_come == 0
    (town.tier.folder / rows[0]["audio_path"]).unlink()
    assert of_town(competition, competitions).stages[0].bytes_to_come == 60 * COPY


def test_an_edition_that_left_the_catalogue_or_is_faulty_is_shown_as_it_was_listed_last(
    competition: Tier, town: Partition, catalogue: Path
):
    listing = plan_edition(town, write_edition(catalogue, ADDRESSES).editions["town2031"])
    acquire(town, COMPETITION_RECORDINGS, listing, a_minute_each(listing))
    with open_journal(town.stage("recordings"), COMPETITION_RECORDINGS, "recordings") as journal:
        journal.fail("town2031_final_never-there", "x", RecordingError("gone"))
    faulty = write_edition(catalogue, ADDRESSES, RESULTS.replace("placement: 1", "placement: first"))
    for competitions, why in ((faulty, "town2031.yaml, line 6: "), (Competitions({}, [], []), "not in the catalogue")):
        status = of_town(competition, competitions)
        assert plan(status.stages[0]) == (2, 0, 0, 0)
        assert status.stages[0].failed == {"permanent": 1}
        assert "recordings are taken as they were listed last: " in told(status)
        assert why in told(status)


def test_a_faulty_edition_without_tables_waits_with_its_file_and_line(competition: Tier, catalogue: Path):
    competitions = write_edition(catalogue, ADDRESSES, RESULTS.replace("placement: 1", "placement: first"))
    status = competition_status(competition, competitions, CPU)
    ((why, keys),) = status.waiting.items()
    assert "town2031.yaml, line 6: " in why
    assert keys == ("town2031",)


def test_a_folder_that_is_unplugged_hides_no_row_and_a_file_that_changed_is_heard_again(
    competition: Tier, town: Partition, catalogue: Path, tmp_path: Path
):
    folder = tmp_path / "takes"
    folder.mkdir()
    for name in ("Ana Núñez - final.wav", "Bo Lindqvist - final.wav"):
        write_sound(folder / name, tone(6) + noise(6), 24_000)
    competitions = write_edition(catalogue, f"recordings: {{folder: '{folder}'}}\n")
    before = of_town(competition, competitions)
    assert (plan(before.stages[0]), before.stages[0].bytes_to_come) == ((0, 2, 0, 0), 0)
    collect_edition(town, competitions.editions["town2031"], downloader(tmp_path))
    assert to_come(of_town(competition, competitions)) == (0, 2, 2)
    write_sound(folder / "Bo Lindqvist - final.wav", tone(6, hertz=220), 24_000)
    changed = of_town(competition, competitions)
    assert plan(changed.stages[0]) == (1, 0, 1, 0)
    assert changed.stages[0].hours_to_come == pytest.approx(6 / 3600), "as long as it was"
    shutil.move(folder, tmp_path / "elsewhere")
    unplugged = of_town(competition, competitions)
    assert plan(unplugged.stages[0]) == (2, 0, 0, 0)
    assert "no such folder" in told(unplugged)


def test_a_catalogue_that_is_not_there_stops_only_a_tier_that_has_nothing_else(
    competition: Tier, town: Partition, catalogue: Path, monkeypatch: pytest.MonkeyPatch
):
    listing = plan_edition(town, write_edition(catalogue, ADDRESSES).editions["town2031"])
    monkeypatch.setenv("CRESCENDAI_CATALOG", str(catalogue / "gone"))
    with pytest.raises(SetupError, match="no such folder"):
        TIERS["competition"](competition, CPU)
    acquire(town, COMPETITION_RECORDINGS, listing, a_minute_each(listing))
    (status,) = TIERS["competition"](competition, CPU).partitions
    assert status.stages[0].done == 2
    assert "no such folder" in told(status)


def test_the_users_catalogue_stands_beside_the_shipped_one(
    competition: Tier, catalogue: Path, monkeypatch: pytest.MonkeyPatch
):
    write_edition(catalogue, ADDRESSES)
    monkeypatch.setenv("CRESCENDAI_CATALOG", str(catalogue))
    status = TIERS["competition"](competition, CPU)
    assert {"chopin2021", "cliburn2022", "town2031"} <= {one.partition for one in status.partitions}


# ------------------------------------------------------------------------------------------------------------- youtube


@pytest.fixture
def tube(tmp_path: Path) -> Tier:
    return Lake(tmp_path / "data").tier("youtube")


def downloader(tmp_path: Path) -> Downloader:
    return Downloader(DownloadSettings(), tmp_path / "quota.jsonl")


def channels_status(tube: Tier, channels: Channels, augmentation: Augmentation | None = GAIN) -> TierStatus:
    return youtube_status(tube, channels, CPU, youtube_course(augmentation))


def by_key(status: TierStatus) -> dict[str, PartitionStatus]:
    return {one.partition: one for one in status.partitions}


TWO = (
    "name: One, url: 'https://example.org/one', min_seconds: 5",
    "name: Two, url: 'https://example.org/two', min_seconds: 5",
)


def test_channels_never_asked_wait_together(tube: Tier, catalogue: Path):
    status = channels_status(tube, write_channels(catalogue, *TWO))
    assert status.partitions == ()
    assert status.waiting == {"not asked yet: materialize youtube/recordings": ("one", "two")}
    assert not tube.folder.exists()


def test_a_channel_that_was_asked_tells_lengths_and_leads_to_pairs(tube: Tier, catalogue: Path):
    channels = write_channels(catalogue, *TWO)
    list_videos(tube.partition("one"), ("v1", "A nocturne", 65.0), ("v2", "A waltz", None), ("v3", "Short", 2.0))
    one = by_key(channels_status(tube, channels))["one"]
    assert [stage.stage for stage in one.stages] == ["recordings", "segments", "embeddings", "augmented_pairs"]
    assert to_come(one) == (2, 6, 6, 6)  # 65 s are two segments and a tail of 5 s; the other is taken for as long
    assert one.stages[0].bytes_to_come == 130 * COPY
    clean, augmented = one.stages[2:]
    assert clean.bytes_to_come == augmented.bytes_to_come > 0
    assert augmented.seconds_to_come == pytest.approx(130 * (ASSUMED_CPU + ASSUMED_AUGMENTING))
    assert "augmenting assumed" in augmented.estimate


def test_a_shared_video_counts_for_the_first_channel_only(tube: Tier, catalogue: Path):
    channels = write_channels(catalogue, *TWO)
    list_videos(tube.partition("one"), ("v1", "A nocturne", 90.0))
    list_videos(tube.partition("two"), ("v1", "A nocturne", 90.0), ("v2", "A waltz", 90.0))
    found = by_key(channels_status(tube, channels))
    assert [found[key].stages[0].new for key in ("one", "two")] == [1, 1]


def test_a_video_that_changes_hands_is_not_fetched_again(tube: Tier, catalogue: Path):
    channels = write_channels(catalogue, *TWO)
    one, two = tube.partition("one"), tube.partition("two")
    list_videos(two, ("v1", "A nocturne", None), ("v2", "A waltz", None))
    acquire(two, YOUTUBE_RECORDINGS, plan_channel(two, channels), {"v1": 90.0, "v2": 90.0})
    list_videos(one, ("v1", "A nocturne", None), ("v3", "New", 600.0))
    found = by_key(channels_status(tube, channels))
    assert plan(found["one"].stages[0]) == (0, 2, 0, 0)
    assert found["one"].stages[0].bytes_to_come == 600 * COPY, "only what no channel has"
    assert to_come(found["one"]) == (2, 23, 23, 23)  # 600 s and, as the other channel knows, 90 s
    assert plan(found["two"].stages[0]) == (1, 0, 0, 1)
    (two.audio / "yt_v1.wav").unlink()  # discarded: what was done with it was done for the other channel
    assert by_key(channels_status(tube, channels))["one"].stages[0].bytes_to_come > 600 * COPY


def test_a_channel_all_the_way_has_nothing_left_until_the_preset_changes(
    tube: Tier, catalogue: Path, tmp_path: Path, encoder_folder: Path
):
    folder = tmp_path / "takes"
    folder.mkdir()
    for number, seconds in enumerate((35, 6)):
        write_sound(folder / f"take {number}.wav", tone(seconds, hertz=200 + number) + noise(seconds), 24_000)
    channels = write_channels(catalogue, f"name: Mine, folder: '{folder}', min_seconds: 1")
    mine, rule = tube.partition("mine"), SegmentRule()
    collect_channel(mine, channels, downloader(tmp_path))
    said = to_come(by_key(channels_status(tube, channels))["mine"])
    audio = AudioFiles(tube, folder)
    segment_partition(mine, YOUTUBE_SEGMENTS, youtube.INHERITED, audio, rule)
    encoder = MuQEncoder(EncoderSpec(checkpoint=str(encoder_folder), device="cpu"))
    embed_partition(mine, encoder, audio, rule)
    half = by_key(channels_status(tube, channels))["mine"]
    assert to_come(half) == (0, 0, 0, 3)
    assert plan(half.stages[3]) == (0, 2, 0, 0)
    embed_partition(mine, encoder, audio, rule, product=GAIN.product, cutter=GAIN.cutter(rule))
    done = by_key(channels_status(tube, channels))["mine"]
    assert (said, to_come(done)) == ((0, 3, 3, 3), (0, 0, 0, 0))
    assert [plan(stage) for stage in done.stages] == [(2, 0, 0, 0)] * 4
    assert done.stages[3].bytes_on_disk == sum(path.stat().st_size for path in mine.augmented_folder.glob("*.pt"))
    assert done.stages[3].estimate == ""
    other = by_key(channels_status(tube, channels, Augmentation("single:tilt")))["mine"]
    assert [plan(stage)[2] for stage in other.stages] == [0, 0, 0, 2]
    assert other.stages[3].estimate.startswith("measured: ")
    assert to_come(other) == (0, 0, 0, 3)
    before = contents(tube.folder)
    channels_status(tube, channels)
    assert contents(tube.folder) == before


def test_pairs_of_two_encoders_are_told(tube: Tier, catalogue: Path, tmp_path: Path, encoder_folder: Path):
    from crescendai_assets.sample.encoder import write_encoder

    channels = write_channels(catalogue, *TWO)
    one = tube.partition("one")
    list_videos(one, ("v1", "A nocturne", 65.0))
    specs = [EncoderSpec(checkpoint=str(encoder_folder), device="cpu")]
    claim_folder(one.embedding_folder, identify(specs[0]), "youtube")
    assert "another encoder" not in told(by_key(channels_status(tube, channels))["one"])
    other = write_encoder(tmp_path / "other", depth=1, ffn=16, conv_dim=2, seed=1)
    claim_folder(one.augmented_folder, identify(EncoderSpec(checkpoint=str(other), device="cpu")), "youtube")
    assert "augmented_pairs are of another encoder" in told(by_key(channels_status(tube, channels))["one"])


def test_a_channel_whose_folder_is_unplugged_keeps_its_rows(tube: Tier, catalogue: Path, tmp_path: Path):
    folder = tmp_path / "takes"
    folder.mkdir()
    write_sound(folder / "take.wav", tone(6), 24_000)
    channels = write_channels(catalogue, f"name: Mine, folder: '{folder}', min_seconds: 1")
    collect_channel(tube.partition("mine"), channels, downloader(tmp_path))
    shutil.rmtree(folder)
    (status,) = channels_status(tube, channels).partitions
    assert plan(status.stages[0]) == (1, 0, 0, 0)
    assert "no such folder" in told(status)


def test_faults_of_the_channels_stand_beside_the_tier(tube: Tier, catalogue: Path):
    channels = write_channels(catalogue, TWO[0], "name: Bad, url: 'ftp://example.org'")
    status = channels_status(tube, channels)
    assert [("channels.yaml, line 3: " in note) for note in status.notes] == [True]
    assert status.waiting


@pytest.mark.parametrize(
    ("name", "value"), [("CRESCENDAI_AUGMENTATION", "echo"), ("CRESCENDAI_ROOM_RESPONSES", "/no/such/folder")]
)
def test_an_augmentation_that_cannot_be_used_leaves_pairs_out_and_says_so(
    tube: Tier, monkeypatch: pytest.MonkeyPatch, catalogue: Path, name: str, value: str
):
    write_channels(catalogue, TWO[0])
    monkeypatch.setenv("CRESCENDAI_CATALOG", str(catalogue))
    list_videos(tube.partition("one"), ("v1", "A nocturne", 65.0))
    monkeypatch.setenv(name, value)
    status = TIERS["youtube"](tube, CPU)
    assert [stage.stage for stage in status.partitions[0].stages] == ["recordings", "segments", "embeddings"]
    assert status.notes[0].startswith("augmented_pairs are left out: ")


def test_the_augmentation_of_the_settings_is_that_of_the_asset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from crescendai_assets.defs.resources import AugmentationResource

    write_sound(tmp_path / "room.wav", noise(0.2), 24_000)
    chosen: list[dict[str, Any]] = [
        {},
        {"CRESCENDAI_AUGMENTATION": "label_safe"},
        {"CRESCENDAI_ROOM_RESPONSES": str(tmp_path)},
    ]
    for environ in chosen:
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            assert augmentation_from() == AugmentationResource().chosen()
