"""Pairs of clean and augmented embeddings: what makes them stale, and a verdict that fails on each fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crescendai_assets.audio.augmentation import VERSION
from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.augmented import Augmentation, augmentation_from, check_pairs
from crescendai_assets.embeddings.folder import CLEAN, Product, files_in
from crescendai_assets.embeddings.identity import EncoderSpec, read_identity
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.embeddings.store import embedding_path, read_embedding, write_embedding
from crescendai_assets.embeddings.verify import SAMPLED, check_files, check_one_per_segment
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS, YOUTUBE_RECORDINGS, YOUTUBE_SEGMENTS
from crescendai_assets.lake.stage import StageReport
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.segmenting import segment_partition
from crescendai_assets.sources.youtube import INHERITED
from crescendai_assets_tests.audio.plucked import plucked
from crescendai_assets_tests.builders import contents, noise, video_row, write_sound

RULE = SegmentRule(segment_duration=3.0, min_duration=1.0)
SAFE = Augmentation("label_safe")
SEGMENTS = ["yt_a_seg000", "yt_a_seg001", "yt_a_seg002", "yt_b_seg000"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> MuQEncoder:
    folder = write_encoder(tmp_path_factory.mktemp("tiny") / "muq", depth=1, ffn=16, conv_dim=2)
    return MuQEncoder(EncoderSpec(checkpoint=str(folder), device="cpu"))


def channel_in(root: Path) -> Partition:
    return open_lake(root).tier("youtube").partition("one")


def embed(channel: Partition, encoder: MuQEncoder, augmentation: Augmentation | None = None) -> StageReport:
    kind: dict[str, Any] = (
        {"product": augmentation.product, "cutter": augmentation.cutter(RULE)} if augmentation else {}
    )
    return embed_partition(channel, encoder, AudioFiles(channel.tier), RULE, decoders=1, **kind)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, encoder: MuQEncoder) -> Path:
    """A lake with one channel of two recordings, cut and embedded in pairs; only copied."""
    root = tmp_path_factory.mktemp("made")
    channel = channel_in(root)
    channel.audio.mkdir(parents=True)
    rows = []
    for number, (video_id, seconds) in enumerate((("a", 7.5), ("b", 3.0))):
        path = write_sound(channel.audio / f"yt_{video_id}.wav", plucked(seconds, seed=number), SAMPLE_RATE)
        rows.append(video_row(video_id, sha256=sha256_file(path), bytes=path.stat().st_size))
    YOUTUBE_RECORDINGS.write(channel.stage("recordings").table, rows)
    segment_partition(channel, YOUTUBE_SEGMENTS, INHERITED, AudioFiles(channel.tier), RULE)
    embed(channel, encoder)
    embed(channel, encoder, SAFE)
    return root


@pytest.fixture
def channel(made: Path, tmp_path: Path) -> Partition:
    shutil.copytree(made, tmp_path / "lake")
    return channel_in(tmp_path / "lake")


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    (tmp_path / "rooms").mkdir()
    for number, name in enumerate(("hall.wav", "studio.wav")):
        decay = noise(0.1, seed=number) * np.exp(-np.arange(2400) / 400).astype(np.float32)
        write_sound(tmp_path / "rooms" / name, decay, SAMPLE_RATE)
    return tmp_path / "rooms"


def responses(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.iterdir()))


def pairs(channel: Partition) -> list[Row]:
    return list(read_rows(channel.stage("augmented_pairs").table))


# embedding


def test_each_segment_gets_a_twin_of_as_many_frames_beside_it(channel, encoder):
    assert [row["segment_id"] for row in pairs(channel)] == SEGMENTS
    clean = {row["segment_id"]: row for row in CLEAN.rows(channel)}
    for row in pairs(channel):
        twins = [
            read_embedding(embedding_path(folder, row["segment_id"]))
            for folder in (channel.embedding_folder, channel.augmented_folder)
        ]
        assert row["frames"] == clean[row["segment_id"]]["frames"] == len(twins[0])
        assert twins[0].shape == twins[1].shape
        assert not twins[0].equal(twins[1])
        assert AUGMENTED_PAIRS.fault(row) is None
        assert row["fingerprint"] == SAFE.product.fingerprint(
            next(s for s in read_rows(channel.stage("segments").table) if s["segment_id"] == row["segment_id"]),
            encoder.identity.digest,
        )
        assert row["preset"] == "label_safe"
        assert json.loads(json.dumps(row["effects"])) == row["effects"] != []
    assert read_identity(channel.augmented_folder) == encoder.identity


def test_the_same_checks_that_hold_for_clean_ones_hold_for_augmented_ones(channel):
    for product in (CLEAN, SAFE.product):
        assert check_files(channel, product, deep=True).passed
        assert check_one_per_segment(channel, product).passed


def test_a_second_run_does_nothing_and_another_preset_makes_the_augmented_ones_alone_stale(channel, encoder):
    before = contents(channel.tier.folder)
    assert embed(channel, encoder, SAFE).plan.done == ("yt_a", "yt_b")
    assert contents(channel.augmented_folder) == {
        name.partition("/")[2]: data for name, data in before.items() if name.startswith("muq_embeddings_augmented/")
    }
    gain = Augmentation("single:gain")
    report = embed(channel, encoder, gain)
    assert (report.plan.stale, report.rows) == (("yt_a", "yt_b"), 4)
    assert {effect["effect"] for row in pairs(channel) for effect in row["effects"]} == {"gain"}
    assert embed(channel, encoder).plan.done == ("yt_a", "yt_b")
    after = contents(channel.embedding_folder)
    assert after == {n.partition("/")[2]: data for n, data in before.items() if n.startswith("muq_embeddings/")}
    assert check_pairs(channel, gain.product, deep=True).passed


def test_the_same_augmentation_gives_the_same_embeddings_again(channel, encoder):
    before = contents(channel.augmented_folder)
    table = channel.stage("augmented_pairs").table
    rows = pairs(channel)
    table.unlink()
    shutil.rmtree(channel.augmented_folder)
    embed(channel, encoder, SAFE)
    assert contents(channel.augmented_folder) == before
    assert pairs(channel) == rows


# what makes pairs stale


def test_the_recipe_changes_with_the_preset_and_the_version_and_is_none_for_clean_ones(monkeypatch):
    first = SAFE.product
    assert (first.asset, first.table, CLEAN.recipe) == ("augmented_pairs", AUGMENTED_PAIRS, "")
    assert Augmentation("label_safe").product == first
    assert Augmentation("recording_conditions").product.recipe != first.recipe
    monkeypatch.setattr("crescendai_assets.embeddings.augmented.VERSION", VERSION + 1)
    assert Augmentation("label_safe").product.recipe != first.recipe


def test_the_recipe_changes_with_the_bytes_and_names_of_room_responses_and_not_with_their_folder(rooms, tmp_path):
    def recipe(folder: Path) -> str:
        return Augmentation("recording_conditions", responses(folder)).product.recipe

    first = recipe(rooms)
    assert first != Augmentation("recording_conditions").product.recipe
    shutil.copytree(rooms, tmp_path / "elsewhere" / "halls")
    assert recipe(tmp_path / "elsewhere" / "halls") == first
    hall = rooms / "hall.wav"
    hall.write_bytes(hall.read_bytes()[:-1] + b"\x01")
    assert recipe(rooms) != first
    renamed = tmp_path / "elsewhere" / "halls"
    (renamed / "hall.wav").rename(renamed / "church.wav")
    assert recipe(renamed) != first
    (renamed / "church.wav").unlink()
    assert recipe(renamed) != first


def test_a_recipe_keeps_augmented_fingerprints_apart_from_clean_ones():
    row = {"source_sha256": "x", "segment_start": 0.0, "n_valid": 1}
    assert SAFE.product.fingerprint(row, "encoder") != CLEAN.fingerprint(row, "encoder")
    assert SAFE.product.fingerprint(row, "encoder") != SAFE.product.fingerprint(row, "another")


def test_an_augmentation_is_what_is_given_else_what_the_environment_says(rooms):
    environ = {"CRESCENDAI_AUGMENTATION": "label_safe", "CRESCENDAI_ROOM_RESPONSES": str(rooms)}
    assert augmentation_from(environ=environ) == Augmentation("label_safe", responses(rooms))
    assert augmentation_from("single:gain", environ=environ).preset == "single:gain"
    assert augmentation_from(environ={}) == Augmentation("recording_conditions")


@pytest.mark.parametrize(
    ("preset", "folder", "told"),
    [
        ("lable_safe", "", "Did you mean 'label_safe'"),
        ("single:room_response", "", "needs recorded responses"),
        ("label_safe", "/no/such/folder", "no such folder"),
    ],
)
def test_an_augmentation_that_cannot_be_made_is_refused_before_anything_is_decoded(preset, folder, told):
    with pytest.raises(SetupError, match=told):
        augmentation_from(preset, folder, {})


# the verdict


def plant(channel: Partition, changes: Mapping[str, Mapping[str, Any]], product: Product = SAFE.product) -> None:
    """Change rows of a table, whatever its schema says."""
    table = channel.stage(product.asset).table
    rows = [{**row, **changes.get(row["segment_id"], {})} for row in read_rows(table)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))


def faults(channel: Partition, *, deep: bool = False) -> list[tuple[str, str]]:
    found = check_pairs(channel, SAFE.product, deep=deep)
    assert found.passed == (not found.rows)
    return [(row["id"], row["fault"]) for row in found.rows]


def test_pairs_as_they_are_made_pass_and_say_how_far_they_are_apart(channel):
    found = check_pairs(channel, SAFE.product)
    assert found.passed
    assert (found.facts["pairs"], found.facts["compared"]) == (4, 4)
    assert found.facts["mean_relative_distance"] > 0
    assert found.facts["largest_lag_ms"] <= 10
    sure = sum(row["onset_similarity"] >= 0.5 for row in pairs(channel))
    assert found.facts["lag_not_told"] == 4 - sure


def test_no_pairs_at_all_pass(tmp_path):
    found = check_pairs(channel_in(tmp_path), SAFE.product)
    assert (found.passed, found.facts["pairs"], found.facts["mean_relative_distance"]) == (True, 0, 0.0)


def test_a_pair_of_the_same_embedding_fails(channel):
    shutil.copy(embedding_path(channel.embedding_folder, SEGMENTS[1]), channel.augmented_folder)
    assert faults(channel) == [(SEGMENTS[1], "augmented and clean are the same")]


def test_a_missing_clean_twin_fails(channel):
    table = channel.stage("embeddings").table
    CLEAN.table.write(table, [row for row in read_rows(table) if row["segment_id"] != SEGMENTS[3]])
    assert faults(channel) == [(SEGMENTS[3], "has no clean embedding: materialize embeddings")]


def test_twins_of_different_lengths_fail(channel):
    frames = pairs(channel)[0]["frames"]
    plant(channel, {SEGMENTS[0]: {"frames": frames - 1}})
    assert faults(channel) == [(SEGMENTS[0], f"{frames - 1} frames, its clean twin {frames}")]


def test_files_of_different_shapes_do_not_break_the_check(channel):
    path = embedding_path(channel.augmented_folder, SEGMENTS[0])
    write_embedding(channel.augmented_folder, SEGMENTS[0], read_embedding(path)[:-1])
    assert faults(channel, deep=True) == []


def test_a_missing_file_is_left_to_the_check_of_files(channel):
    embedding_path(channel.augmented_folder, SEGMENTS[0]).unlink()
    assert faults(channel) == []
    assert not check_files(channel, SAFE.product).passed


def test_a_pair_to_which_nothing_was_done_fails(channel):
    plant(channel, {SEGMENTS[2]: {"effects": []}})
    assert faults(channel) == [(SEGMENTS[2], "nothing was done to it")]


@pytest.mark.parametrize("lag", [0.04, -0.0101])
def test_a_twin_that_is_late_or_early_fails_where_the_lag_is_believed(channel, lag):
    plant(channel, {SEGMENTS[0]: {"lag_seconds": lag, "onset_similarity": 0.5}})
    assert faults(channel) == [(SEGMENTS[0], f"lags its clean twin by {lag * 1000:.0f} ms")]
    assert check_pairs(channel, SAFE.product).facts["largest_lag_ms"] == round(abs(lag) * 1000, 1)


@pytest.mark.parametrize(
    "row", [{"lag_seconds": 0.01, "onset_similarity": 1.0}, {"lag_seconds": 0.9, "onset_similarity": 0.49}]
)
def test_a_lag_within_bounds_or_one_that_no_onset_shows_passes(channel, row):
    plant(channel, {SEGMENTS[0]: row})
    assert faults(channel) == []


def test_a_pair_outside_the_sample_is_compared_when_all_are_asked_for(channel, encoder):
    first, extra = pairs(channel)[0], [f"yt_c_seg{n:03d}" for n in range(2 * SAMPLED)]
    for product in (CLEAN, SAFE.product):
        row = next(row for row in product.rows(channel) if row["segment_id"] == first["segment_id"])
        more = [{**row, "segment_id": i, "recording_id": "yt_c"} for i in extra]
        product.table.write(channel.stage(product.asset).table, [*product.rows(channel), *more])
        source = embedding_path(product.folder(channel), first["segment_id"])
        for segment_id in extra:
            shutil.copy(source, embedding_path(product.folder(channel), segment_id))
    assert check_pairs(channel, SAFE.product).facts["compared"] == SAMPLED
    same = extra[-1]
    shutil.copy(embedding_path(channel.embedding_folder, same), channel.augmented_folder)
    assert faults(channel) == []
    assert faults(channel, deep=True) == [(same, "augmented and clean are the same")]
    assert len(files_in(channel.augmented_folder)) == 4 + len(extra)
