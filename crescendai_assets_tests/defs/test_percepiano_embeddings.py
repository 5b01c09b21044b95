"""T1's clips and embeddings through Dagster: of audio, imported, or neither; killed and run again; real recordings."""

from __future__ import annotations

import random
from pathlib import Path

import dagster as dg
import pytest

import crescendai_assets
from crescendai_assets.audio import load_audio, save_audio
from crescendai_assets.defs.resources import PercePianoResource
from crescendai_assets.embeddings.muq import MuQExtractor
from crescendai_assets.embeddings.store import read_embedding
from crescendai_assets.labels.files import label_files
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake, Partition
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.rated_music import KEYS
from crescendai_assets.sample.ratings import write_ratings_csv
from crescendai_assets_tests.clips_folder import A, B, C, D, write_clip, write_clips
from crescendai_assets_tests.killable import finish, kill_after, results_of, start
from crescendai_assets_tests.labels.rated import tier as rated_tier
from crescendai_assets_tests.nursery import Module
from crescendai_assets_tests.shared_data import DATA, needs_shared

RATED = [f"percepiano/{name}" for name in ("ratings", "labels", "passages")]
EMBEDDED = ["percepiano/clips", "percepiano/embeddings"]


@pytest.fixture
def rated(platform, monkeypatch):
    for name in ("PERCEPIANO_DIR", "PERCEPIANO_AUDIO", "CRESCENDAI_EMBEDDING_SET"):
        monkeypatch.delenv(name, raising=False)
    write_ratings_csv(platform.root / "percepiano" / "total_2rounds.csv")
    done = platform.run(RATED)
    assert all(one.succeeded for one in done.values()), done
    return platform


@pytest.fixture
def audio(rated) -> Path:
    folder: Path = rated.root / "percepiano" / "audio"
    return folder


def whole(platform) -> Partition:
    found: Partition = platform.lake.tier("percepiano").partition()
    return found


def all_well(done) -> bool:
    return all(one.succeeded and one.checks and all(one.checks.values()) for one in done.values())


def test_clips_become_one_embedding_each_and_a_second_run_makes_none(rated, audio):
    write_clips(audio, {A: 5.0, B: 35.0, "no_segment": 5.0})
    passages = label_files(rated.lake).metadata.read_bytes()
    first = rated.run(EMBEDDED)
    assert all_well(first), first
    clips, made = (first[name].metadata for name in EMBEDDED)
    assert (clips["succeeded"], clips["state"], clips["rated_without_file"]) == (2, "read in place", len(KEYS) - 2)
    assert (clips["files_of_no_rated_segment"], made["state"]) == (1, "made from the clips' audio")
    assert clips["dagster/row_count"] == made["dagster/row_count"] == 2
    extractor = MuQExtractor(str(rated.encoder), device="cpu")
    for key in (A, B):
        stored = read_embedding(whole(rated).embedding_folder / f"{key}.pt")
        assert stored.equal(extractor.extract_from_file(audio / f"{key}.wav"))
    second = rated.run(EMBEDDED)
    assert all_well(second), second
    assert [second[name].metadata["succeeded"] for name in EMBEDDED] == [0, 0]
    write_clip(audio, B, 5.0)
    third = rated.run(EMBEDDED)
    assert all_well(third), third
    assert [third[name].metadata["stale"] for name in EMBEDDED] == [1, 1]
    assert label_files(rated.lake).metadata.read_bytes() == passages, "the passages' table is not the clips'"
    table = crescendai_assets.load("percepiano", root=rated.lake.root).table
    assert list(table["segment_id"]) == sorted([A, B])
    assert "performer_group" in table.columns


def test_a_clip_that_cannot_be_used_stands_in_the_ledger_and_costs_no_other(rated, audio):
    write_clips(audio, {A: 5.0, B: 3.0})
    (audio / f"{C}.mp3").write_bytes(b"no sound")
    done = rated.run(EMBEDDED)
    assert all_well(done), done
    assert (done[EMBEDDED[0]].metadata["failed"], done[EMBEDDED[1]].metadata["succeeded"]) == (2, 1)
    assert set(read_failures(whole(rated).stage("clips").ledger)) == {B, C}


def test_embeddings_that_exist_are_imported(rated, tmp_path):
    import torch

    given = {A: torch.ones(13, 1024), B: torch.ones(20, 768), "unknown": torch.ones(9, 1024)}
    torch.save(given, tmp_path / "muq_embeddings.pt")
    done = run_import(rated, tmp_path / "muq_embeddings.pt")
    assert done.success
    rows = {row["segment_id"]: row for row in read_rows(whole(rated).stage("embeddings").table)}
    assert (set(rows), rows[A]["frames"], rows[A]["imported"]) == ({A}, 13, True)
    (event,) = done.get_asset_materialization_events()
    shown = {k: v.value for k, v in event.step_materialization_data.materialization.metadata.items()}
    assert shown["state"] == f"imported from {tmp_path / 'muq_embeddings.pt'}"
    assert shown["names_of_imported_keys_of_no_rated"] == "unknown"
    assert shown["rated_and_not_in_the_import"] == len(KEYS) - 2
    assert (shown["failed"], "unverified" in shown["encoder"]) == (1, True)
    assert all(e.passed for e in done.get_asset_check_evaluations())
    without = rated.run(EMBEDDED)
    assert all_well(without), without
    assert without[EMBEDDED[1]].metadata["state"].startswith("as they were: 1 embeddings, and no audio is given")
    assert rated.check("percepiano/embeddings")["one_embedding_per_clip"]
    (whole(rated).embedding_folder / f"{A}.pt").unlink()
    assert not rated.check("percepiano/embeddings")["idempotent"]


def run_import(platform, source: Path):
    return platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["percepiano", "embeddings"])],
        run_config={"ops": {"percepiano__embeddings": {"config": {"import_from": str(source)}}}},
        raise_on_error=False,
    )


def test_an_encoder_is_refused_where_embeddings_were_imported(rated, audio, tmp_path):
    import torch

    torch.save({A: torch.ones(13, 1024)}, tmp_path / "given.pt")
    run_import(rated, tmp_path / "given.pt")
    write_clips(audio, {A: 5.0, B: 5.0})
    done = rated.run(EMBEDDED)
    assert not done["percepiano/embeddings"].succeeded
    assert "crescendai embeddings reset percepiano" in done["percepiano/embeddings"].error
    rated.embedding_set = "muq"
    assert all_well(rated.run(EMBEDDED))
    assert (whole(rated).folder / "muq_embeddings-muq" / f"{B}.pt").exists()


def test_with_neither_it_succeeds_and_says_what_to_provide_without_an_encoder(rated):
    rated.encoder = rated.root / "no encoder here"
    done = rated.run(EMBEDDED)
    assert all_well(done), done
    assert "PERCEPIANO_AUDIO" in done["percepiano/clips"].metadata["state"]
    state = done["percepiano/embeddings"].metadata["state"]
    assert "PERCEPIANO_AUDIO" in state
    assert "import_from: a file {key: (frames, 1024)}" in state
    assert done["percepiano/embeddings"].metadata["dagster/row_count"] == 0


def test_clips_that_all_fail_fail_the_asset(rated, audio):
    write_clips(audio, {A: 3.0})
    (done,) = rated.run(["percepiano/clips"]).values()
    assert not done.succeeded
    assert done.error.startswith("clips: all 1 recordings failed; the first: ")


def test_before_there_are_labels_it_is_said_what_to_materialize(platform):
    (done,) = platform.run(["percepiano/clips"]).values()
    assert "materialize percepiano/labels first" in done.error


def test_the_folder_of_audio_is_the_one_set_else_beside_the_ratings(tmp_path, monkeypatch):
    monkeypatch.delenv("PERCEPIANO_AUDIO", raising=False)
    monkeypatch.setenv("PERCEPIANO_DIR", str(tmp_path))
    assert PercePianoResource().audio_folder() is None
    (tmp_path / "audio").mkdir()
    assert PercePianoResource().audio_folder() == tmp_path / "audio"
    (tmp_path / "clips").mkdir()
    monkeypatch.setenv("PERCEPIANO_AUDIO", str(tmp_path / "clips"))
    assert PercePianoResource().audio_folder() == tmp_path / "clips"
    assert PercePianoResource(audio=str(tmp_path / "audio")).audio_folder() == tmp_path / "audio"
    with pytest.raises(SetupError, match=r"PERCEPIANO_AUDIO is .*: no such folder"):
        PercePianoResource(audio=str(tmp_path / "gone")).audio_folder()


def test_embeddings_wait_for_a_person_and_a_device(rated):
    definition = rated.definitions.resolve_assets_def(dg.AssetKey(["percepiano", "embeddings"]))
    assert definition.op.pool == "gpu"
    assert not any(definition.automation_conditions_by_key.values())


# ------------------------------------------------------------------------------------------------------------- survival


def begin(lake: Path, audio: Path, encoder: Path) -> Module:
    return start("clips_process", lake, audio, encoder)


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_a_clip_and_run_again_ends_as_if_never_killed(tmp_path, tiny_encoder):
    audio = write_clips(tmp_path / "audio", {key: 5.0 + 31 * (i % 2) for i, key in enumerate(KEYS[:16])})
    rated_tier(tmp_path / "undisturbed", KEYS[:16])
    finish(begin(tmp_path / "undisturbed", audio, tiny_encoder))
    undisturbed = results_of(tmp_path / "undisturbed")
    assert sum(name.endswith(".pt") for name in undisturbed) == 16
    moments, cut_short = random.Random(1202), 0
    for attempt in range(3):
        lake = tmp_path / str(attempt)
        rated_tier(lake, KEYS[:16])
        kill_after(begin(lake, audio, tiny_encoder), "16 recordings to do", moments.uniform(0.2, 3.0))
        rows = list(read_rows(Lake(lake).tier("percepiano").partition().stage("embeddings").table))
        cut_short += len(rows) < 16
        finish(begin(lake, audio, tiny_encoder))
        assert results_of(lake) == undisturbed
    assert cut_short, "every run ended before it was killed: the test has shown nothing"


# ----------------------------------------------------------------------------------------------------------- real sound


@needs_shared
@pytest.mark.slow
def test_real_recordings_cut_to_clips_are_embedded_whole(rated, audio):
    sources = sorted((DATA / "maestro_mini").rglob("*.wav"))[:4]
    lengths = {A: 4.2, B: 26.0, C: 47.5, D: 75.0}
    for (key, seconds), source in zip(lengths.items(), sources, strict=True):
        samples, rate = load_audio(source, 44_100)
        save_audio(samples[: round(seconds * rate)], audio / f" {key}.wav", rate)
    done = rated.run(EMBEDDED)
    assert all_well(done), done
    frames = {row["segment_id"]: row["frames"] for row in read_rows(whole(rated).stage("embeddings").table)}
    rows = {row["segment_id"]: row for row in read_rows(whole(rated).stage("clips").table)}
    assert {key: round(row["duration_seconds"], 1) for key, row in rows.items()} == lengths
    assert frames == {A: 13, B: 81, C: 93 + 54, D: 2 * 93 + 46}
