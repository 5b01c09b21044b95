"""Where a tier stands at every step of its way, and what finishing it is said to take."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crescendai_assets.embeddings.identity import IDENTITY_FILE, EncoderSpec
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.journal import open_journal, write_last_run
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.stage import Options
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sources.maestro import collect_year
from crescendai_assets.sources.maestro_sources import FolderSource, MaestroSource, ZipSource
from crescendai_assets.status.model import PartitionStatus, StageStatus
from crescendai_assets.status.speed import ASSUMED_CPU, ASSUMED_GPU
from crescendai_assets.status.tiers import MAESTRO, TIERS
from crescendai_assets.status.tiers import maestro_status as tier_status
from crescendai_assets_tests.maestro_folder import Take, write_audio, write_catalogue, write_folder
from crescendai_assets_tests.process import cut_year, embed_year

LONG = Take(2004, "long_01", seconds=35.0)  # a full segment and a tail of 5 s
SHORT = Take(2004, "short_02", seconds=6.0)
LATER = Take(2006, "later_03", seconds=12.0)
TAKES = (LONG, SHORT, LATER)

FULL = 4 * 1024 * 93
CPU = EncoderSpec(device="cpu")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "sample")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Path:
    """A source, and a lake in which 2004 is done; copied by the tests, not changed."""
    folder = tmp_path_factory.mktemp("made")
    write_folder(folder / "maestro", TAKES)
    cut_year(folder / "data", folder / "maestro", "2004")
    embed_year(folder / "data", folder / "maestro", encoder, "2004")
    return folder


@pytest.fixture
def maestro(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made / "maestro", tmp_path / "maestro"))


@pytest.fixture
def tier(tmp_path: Path) -> Tier:
    return Lake(tmp_path / "data").tier("maestro")


@pytest.fixture
def embedded(tier: Tier, made: Path) -> Partition:
    """2004, done."""
    shutil.copytree(made / "data", tier.folder.parent)
    return tier.partition("2004")


@pytest.fixture
def look(tier: Tier, maestro: Path) -> Callable[[], PartitionStatus]:
    """The status of 2004."""
    return lambda: maestro_status(tier, FolderSource(maestro), CPU)[0]


def maestro_status(tier: Tier, source: MaestroSource | None, spec: EncoderSpec) -> tuple[PartitionStatus, ...]:
    """Of each year."""
    return tier_status(tier, source, spec).partitions


def plan(stage: StageStatus) -> tuple[int, int, int, int]:
    return stage.done, stage.new, stage.stale, stage.removed


def to_come(status: PartitionStatus) -> tuple[int, ...]:
    return tuple(stage.rows_to_come for stage in status.stages)


def test_before_anything_the_catalogue_tells_what_is_to_come(tier: Tier, maestro: Path):
    first, second = maestro_status(tier, FolderSource(maestro), CPU)
    assert [first.partition, second.partition] == ["2004", "2006"]
    recordings, segments, embeddings = first.stages
    assert plan(recordings) == (0, 2, 0, 0)
    assert to_come(first) == (2, 3, 3)  # 30 s, 5 s, 6 s
    assert recordings.hours_to_come == pytest.approx(41 / 3600)
    assert recordings.bytes_to_come == recordings.bytes_to_transfer == 0  # read in place
    assert segments.seconds_to_come
    assert embeddings.bytes_to_come == FULL + 4 * 1024 * (15 + 18)  # 5 s and 6 s are 125 and 150 frames, pooled by 8
    assert embeddings.seconds_to_come == pytest.approx(ASSUMED_CPU * 41)
    assert "assumed: 8.5 s" in embeddings.estimate
    assert recordings.seconds_to_come is None
    assert not tier.folder.exists()


def test_before_anything_an_archive_adds_working_copies_and_a_transfer(tier: Tier, maestro: Path, tmp_path: Path):
    archive = tmp_path / "maestro.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(maestro.rglob("*.*")):
            file.write(path, "maestro-v3.0.0/" + path.relative_to(maestro).as_posix())
    recordings, *_ = maestro_status(tier, ZipSource(str(archive)), CPU)[0].stages
    assert recordings.bytes_to_come == 41 * 48_000  # 173 MB an hour
    assert recordings.bytes_to_transfer == sum((maestro / t.audio_filename).stat().st_size for t in (LONG, SHORT))


def test_a_gpu_is_assumed_to_be_faster_and_one_says_so(tier: Tier, maestro: Path):
    *_, embeddings = maestro_status(tier, FolderSource(maestro), EncoderSpec(device="cuda"))[0].stages
    assert embeddings.seconds_to_come == pytest.approx(ASSUMED_GPU * 41)
    assert "assumed" in embeddings.estimate


def test_after_recordings_the_rest_is_still_to_come(tier: Tier, maestro: Path, look: Callable[[], PartitionStatus]):
    collect_year(tier.partition("2004"), FolderSource(maestro))
    status = look()
    recordings, segments, embeddings = status.stages
    assert (recordings.rows, plan(recordings)) == (2, (2, 0, 0, 0))
    assert recordings.hours == pytest.approx(41 / 3600)
    assert plan(segments) == (0, 2, 0, 0)
    assert plan(embeddings) == (0, 0, 0, 0)  # as the asset itself would plan: there are no segments yet
    assert to_come(status) == (0, 3, 3)


def test_a_limited_run_leaves_the_rest_to_come(tier: Tier, maestro: Path, look: Callable[[], PartitionStatus]):
    collect_year(tier.partition("2004"), FolderSource(maestro), options=Options(limit=1))
    status = look()
    assert plan(status.stages[0]) == (1, 1, 0, 0)
    assert to_come(status) == (1, 3, 3)


def test_after_embeddings_nothing_is_to_come(embedded: Partition, look: Callable[[], PartitionStatus]):
    status = look()
    assert to_come(status) == (0, 0, 0)
    assert [plan(stage) for stage in status.stages] == [(2, 0, 0, 0)] * 3
    assert [stage.rows for stage in status.stages] == [2, 3, 3]
    assert [stage.seconds_to_come for stage in status.stages] == [0, 0, 0]
    assert "UNTRAINED" in status.encoder
    files = list(embedded.embedding_folder.glob("*.pt"))
    assert status.stages[2].bytes_on_disk == sum(path.stat().st_size for path in files)
    assert status.stages[2].hours == status.stages[1].hours == pytest.approx(41 / 3600)


def test_a_file_that_is_gone_makes_its_recording_stale(embedded: Partition, look: Callable[[], PartitionStatus]):
    (embedded.embedding_folder / f"{LONG.recording_id}_seg001.pt").unlink()
    status = look()
    assert plan(status.stages[2]) == (1, 0, 1, 0)
    assert to_come(status) == (0, 0, 2)


def test_a_source_that_changed_is_stale_and_counts_on_through_all_assets(
    embedded: Partition, maestro: Path, look: Callable[[], PartitionStatus]
):
    write_audio(maestro, LONG, seed=1)
    status = look()
    assert [plan(stage)[:3] for stage in status.stages] == [(1, 0, 1), (2, 0, 0), (2, 0, 0)]
    assert to_come(status) == (1, 2, 2)
    assert status.stages[2].bytes_to_come == 0  # it takes the place of what is there
    collect_year(embedded, FolderSource(maestro))
    status = look()
    assert plan(status.stages[1]) == (1, 0, 1, 0)
    assert to_come(status) == (0, 2, 2)


def test_a_source_that_became_longer_is_counted_as_long_as_the_catalogue_says(
    embedded: Partition, maestro: Path, look: Callable[[], PartitionStatus]
):
    longer = Take(2004, LONG.name, seconds=65.0)
    write_audio(maestro, longer)
    write_catalogue(maestro, [longer, SHORT, LATER])
    assert to_come(look()) == (1, 3, 3)


def test_a_year_that_left_the_source_as_a_whole_is_removed(
    embedded: Partition, maestro: Path, look: Callable[[], PartitionStatus]
):
    write_catalogue(maestro, [LATER])
    status = look()
    assert plan(status.stages[0]) == (0, 0, 0, 2)
    assert status.notes == ()


def test_a_corrected_title_is_stale_but_nothing_is_embedded_again(
    embedded: Partition, maestro: Path, look: Callable[[], PartitionStatus]
):
    write_catalogue(maestro, [Take(2004, LONG.name, title="Prelude in A Major", seconds=LONG.seconds), SHORT, LATER])
    status = look()
    assert plan(status.stages[0]) == (1, 0, 1, 0)
    assert to_come(status) == (1, 0, 0)
    collect_year(embedded, FolderSource(maestro))
    status = look()
    assert plan(status.stages[1]) == (1, 0, 1, 0)
    assert to_come(status) == (0, 0, 0)


def test_a_failure_shows_by_its_class_and_is_not_to_come(
    tier: Tier, maestro: Path, look: Callable[[], PartitionStatus]
):
    path = maestro / SHORT.audio_filename
    path.write_bytes(path.read_bytes()[:1000])
    cut_year(tier.folder.parent, maestro, "2004")
    status = look()
    assert status.stages[1].failed == {"permanent": 1}
    assert plan(status.stages[1]) == (1, 0, 0, 0)
    assert to_come(status) == (0, 0, 2)


def test_a_recording_whose_audio_is_absent_is_told(maestro: Path, look: Callable[[], PartitionStatus]):
    (maestro / SHORT.audio_filename).unlink()
    assert any("1 recordings are in the catalogue" in note for note in look().notes)


def test_a_recording_that_left_the_source_is_counted_as_removed(
    embedded: Partition, maestro: Path, look: Callable[[], PartitionStatus]
):
    write_catalogue(maestro, [LONG, LATER])
    status = look()
    assert plan(status.stages[0]) == (1, 0, 0, 1)
    assert to_come(status) == (0, 0, 0)


def test_what_a_run_under_way_has_committed_counts_as_done(embedded: Partition, look: Callable[[], PartitionStatus]):
    files = embedded.stage("embeddings")
    rows = list(read_rows(files.table))
    EMBEDDINGS.write(files.table, [])
    with open_journal(files, EMBEDDINGS, "embeddings") as journal:
        journal.commit(SHORT.recording_id, [row for row in rows if row["recording_id"] == SHORT.recording_id])
        journal.fail(LONG.recording_id, "", RecordingError("the decoder died", "needs_user"))
        status = look()
        assert list(read_rows(files.table)) == []
    assert plan(status.stages[2]) == (1, 1, 0, 0)
    assert status.stages[2].failed == {"needs_user": 1}
    assert status.stages[2].rows == 1
    assert any("1 recordings were committed by a run" in note for note in status.notes)


def test_time_is_estimated_by_the_last_run_in_any_year(embedded: Partition, tier: Tier, maestro: Path):
    write_last_run(embedded.stage("embeddings"), {"seconds": 2.0, "audio_seconds": 41.0, "device": "cpu"})
    *_, embeddings = maestro_status(tier, FolderSource(maestro), CPU)[1].stages
    assert embeddings.seconds_to_come == pytest.approx(12 * 2 / 41)
    assert embeddings.estimate == "measured: 20.5 times real time on cpu in the last run (2004)"


def test_an_import_and_a_run_on_another_device_say_nothing_about_the_time(
    embedded: Partition, tier: Tier, maestro: Path
):
    note = {"seconds": 0.1, "audio_seconds": 41.0}
    for facts in ({**note, "imported_from": "elsewhere"}, {**note, "device": "cuda"}):
        write_last_run(embedded.stage("embeddings"), facts)
        *_, embeddings = maestro_status(tier, FolderSource(maestro), CPU)[1].stages
        assert "assumed" in embeddings.estimate


def test_another_set_of_embeddings_is_planned_for_itself(embedded: Partition, tier: Tier, maestro: Path):
    other = Tier(tier.name, tier.folder, "other")
    status = maestro_status(other, FolderSource(maestro), CPU)[0]
    assert to_come(status) == (0, 0, 3)
    assert status.encoder == ""


def test_rows_without_an_identity_are_compared_with_the_encoder_of_the_settings(
    embedded: Partition, tier: Tier, maestro: Path, encoder: Path, tmp_path: Path
):
    (embedded.embedding_folder / IDENTITY_FILE).unlink()

    def to_embed(checkpoint: Path | str) -> int:
        spec = EncoderSpec(checkpoint=str(checkpoint), device="cpu")
        return maestro_status(tier, FolderSource(maestro), spec)[0].stages[2].rows_to_come

    assert to_embed(encoder) == 0
    assert to_embed(write_encoder(tmp_path / "other", seed=1)) == 3
    assert to_embed("nobody/has-this") == 0  # not on this machine: rows count by being there, nothing is downloaded


def test_without_a_source_recordings_are_taken_as_listed_last(embedded: Partition, tier: Tier):
    (status,) = maestro_status(tier, None, CPU)
    assert [plan(stage) for stage in status.stages] == [(2, 0, 0, 0)] * 3
    assert "no source is set" in status.notes[0]


def test_a_source_out_of_reach_stops_only_a_tier_that_has_nothing_else(
    tier: Tier, maestro: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MAESTRO_DIR", str(maestro / "unplugged"))
    with pytest.raises(SetupError, match="no such folder"):
        TIERS["maestro"](tier, CPU)
    collect_year(tier.partition("2004"), FolderSource(maestro))
    (status,) = TIERS["maestro"](tier, CPU).partitions
    assert status.stages[0].done == 2
    assert "no such folder" in status.notes[0]


def test_performers_given_by_a_csv_do_not_make_recordings_stale(
    tier: Tier, maestro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    csv = tmp_path / "performers.csv"
    csv.write_text(f"audio_filename,performer\n{LONG.audio_filename},Somebody Else\n")
    collect_year(tier.partition("2004"), FolderSource(maestro), performers=csv)
    monkeypatch.setenv("MAESTRO_DIR", str(maestro))
    monkeypatch.setenv("MAESTRO_PERFORMERS", str(csv))
    assert TIERS["maestro"](tier, CPU).partitions[0].stages[0].done == 2


def test_the_run_makes_what_was_said_to_come(made: Path, tier: Tier, maestro: Path):
    before = maestro_status(tier, FolderSource(maestro), CPU)[0]
    year = Lake(made / "data").tier("maestro").partition("2004")
    tables = [list(read_rows(year.stage(stage).table)) for stage in MAESTRO.stages]
    assert tuple(map(len, tables)) == to_come(before)
    size = sum(path.stat().st_size for path in year.embedding_folder.glob("*.pt"))
    assert before.stages[2].bytes_to_come == pytest.approx(size, rel=0.05)
