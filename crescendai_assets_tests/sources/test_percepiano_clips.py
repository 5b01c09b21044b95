"""The folder of T1's audio: which file is of which rated segment, what is refused and why, what is stale."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crescendai_assets.audio import load_audio, save_audio
from crescendai_assets.labels.clips import key_of
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.schemas import CLIPS
from crescendai_assets.lake.stage import Options, StageReport
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import check_schema, check_stage
from crescendai_assets.sources.locate import committed_recordings
from crescendai_assets.sources.percepiano_clips import ClipListing, collect_clips, list_clips, wanted_clips
from crescendai_assets_tests.builders import tone, write_sound
from crescendai_assets_tests.clips_folder import A, B, C, D, write_clip, write_clips

RATED = [A, B, C, D]


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return tmp_path / "audio"


@pytest.fixture
def tier(tmp_path: Path) -> Partition:
    return open_lake(tmp_path / "lake").tier("percepiano").partition()


def listed(folder: Path | None) -> ClipListing:
    return list_clips(folder, RATED, key_of)


def collect(tier: Partition, folder: Path | None, options: Options = Options()) -> StageReport:
    return collect_clips(tier, listed(folder), options=options)


def rows(tier: Partition):
    return {row["segment_id"]: row for row in read_rows(tier.stage("clips").table)}


def test_files_are_matched_by_name_whatever_their_kind_and_the_spaces_around_it(audio):
    write_clip(audio, A, 4)
    write_clip(audio / "more", f" {B}", 4)
    write_sound(audio / f"{C}.flac", tone(4), 24_000)
    write_clip(audio, "Schubert_D960_mv2_8bars_1_05", 4)
    found = listed(audio)
    assert dict(found.files) == {A: f"{A}.wav", B: f"more/ {B}.wav", C: f"{C}.flac"}
    assert found.unknown == ("Schubert_D960_mv2_8bars_1_05.wav",)
    assert found.without_file == (D,)
    assert found.facts["rated_without_file"] == 1
    assert found.facts["names_of_files_of_no_rated_segment"] == "Schubert_D960_mv2_8bars_1_05.wav"


def test_a_row_says_where_a_clip_is_and_how_long(audio, tier):
    write_clips(audio, {A: 5.5, B: 64.0})
    report = collect(tier, audio)
    assert (report.succeeded, report.rows, report.failures) == (2, 2, ())
    assert report.facts["rated_without_file"] == 2
    assert report.facts["longest_seconds"] == 64.0
    assert check_schema(CLIPS, list(read_rows(tier.stage("clips").table))).passed
    row = rows(tier)[B]
    assert (row["recording_id"], row["audio_path"], row["n_valid"]) == (B, f"{B}.wav", 64 * 24_000)
    assert row["source_sha256"] == row["sha256"]
    assert not tier.tier.metadata.exists(), "metadata.jsonl is the table of the passages"


def test_too_short_too_long_silent_and_broken_clips_stand_in_the_ledger_and_cost_no_other(audio, tier, tmp_path):
    write_clip(audio, A, 4.0)
    write_clip(audio, B, 3.9)
    write_clip(audio, C, 601)
    write_sound(audio / f"{D}.wav", tone(5, level=0.0001), 24_000, subtype="FLOAT")
    report = collect(tier, audio)
    assert (report.succeeded, report.failed_now) == (1, 3)
    told = {key: (one.error_class, one.message) for key, one in read_failures(tier.stage("clips").ledger).items()}
    assert {kind for kind, _ in told.values()} == {"permanent"}
    assert "lasts 3.9 s, less than 4 s" in told[B][1]
    assert "lasts 10.0 min, a clip at most 10" in told[C][1]
    assert "is silence" in told[D][1]
    (audio / f"{D}.wav").write_bytes(b"RIFF and no more")
    assert collect(tier, audio).failed_now == 1
    assert "cannot be decoded" in read_failures(tier.stage("clips").ledger)[D].message
    (audio / f"{D}.wav").unlink()
    assert {failure.recording_id for failure in collect(tier, audio).failures} == {B, C}


def test_two_files_of_one_segment_are_for_a_person_to_decide(audio, tier):
    write_clip(audio, A, 4)
    write_clip(audio, B, 4)
    write_clip(audio / "again", f" {B}", 4)
    report = collect(tier, audio)
    (failure,) = report.failures
    assert (failure.recording_id, failure.error_class) == (B, "needs_user")
    assert f"{B}.wav and again/ {B}.wav are both of {B}; keep one" in failure.message
    (audio / "again" / f" {B}.wav").unlink()
    report = collect(tier, audio)
    assert (report.succeeded, report.failures) == (1, ())


def test_a_second_run_does_nothing_a_touched_file_changes_nothing_and_another_sound_is_measured(audio, tier):
    write_clips(audio, {A: 5, B: 5})
    first = collect(tier, audio)
    assert collect(tier, audio).plan.pending == ()
    os.utime(audio / f"{A}.wav", ns=(1, 1))
    touched = collect(tier, audio)
    assert (touched.plan.stale, touched.digest) == ((A,), first.digest)
    before = rows(tier)
    write_clip(audio, A, 5, seed=1)
    changed = collect(tier, audio)
    assert changed.plan.stale == (A,)
    assert rows(tier)[A]["pcm_hash"] != before[A]["pcm_hash"]
    assert rows(tier)[B] == before[B]
    (audio / f"{B}.wav").rename(audio / f" {B}.wav")
    assert collect(tier, audio).succeeded == 1
    assert rows(tier)[B] == {
        **before[B],
        "audio_path": f" {B}.wav",
        "fingerprint": rows(tier)[B]["fingerprint"],
    }


def test_a_clip_that_left_the_folder_stays_until_it_is_pruned(audio, tier):
    write_clips(audio, {A: 4, B: 4})
    collect(tier, audio)
    (audio / f"{A}.wav").unlink()
    assert (collect(tier, audio).plan.removed, set(rows(tier))) == ((A,), {A, B})
    assert collect(tier, audio, Options(prune=True)).pruned == 1
    assert set(rows(tier)) == {B}


def test_without_a_folder_the_rows_stay_as_they_are_even_when_pruning(audio, tier):
    assert collect(tier, None).rows == 0
    write_clips(audio, {A: 4})
    collect(tier, audio)
    assert collect(tier, None, Options(prune=True)).rows == 1


def test_the_idempotence_check_agrees_with_the_run(audio, tier):
    write_clips(audio, {A: 4, B: 3})
    digest = collect(tier, audio).digest

    def verdict():
        return check_stage(
            tier, "clips", CLIPS, lambda: wanted_clips(tier, listed(audio)), lambda: committed_recordings(tier), digest
        )

    assert verdict().passed
    write_clip(audio, C, 4)
    assert [row["id"] for row in verdict().rows] == [C]


def test_a_folder_in_which_nothing_is_rated_is_most_likely_the_wrong_one(audio):
    write_clip(audio, "take1", 4)
    with pytest.raises(SetupError, match=r"none of its 1 recordings is of a rated segment, the first is take1\.wav"):
        listed(audio)


def test_a_name_that_is_not_utf8_is_told_and_not_taken(audio):
    write_clip(audio, A, 4)
    folder = Path(os.fsdecode(os.fsencode(audio) + b"/\xff"))
    folder.mkdir()
    (audio / f"{A}.wav").rename(folder / f"{A}.wav")
    write_clip(audio, B, 4)
    found = listed(audio)
    assert (set(found.files), found.unknown) == ({B}, (f"\\udcff/{A}.wav",))


def test_other_containers_are_measured_alike(audio, tier, tmp_path):
    path = write_clip(audio, A, 6)
    samples, _ = load_audio(path)
    save_audio(samples, tmp_path / "x.wav")
    write_sound(audio / f"{B}.ogg", samples, 24_000, subtype="VORBIS")
    collect(tier, audio)
    assert rows(tier)[B]["n_valid"] == pytest.approx(rows(tier)[A]["n_valid"], abs=2400)
