from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from dataclasses import replace

import dagster as dg
import pytest

from crescendai_assets.defs import maestro
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.defs.conftest import ALL_OF_A_YEAR, COMPILED, told
from crescendai_assets_tests.maestro_folder import Take, write_audio, write_catalogue
from crescendai_assets_tests.symbolic.midi_files import save_performance
from crescendai_assets_tests.symbolic.movements import played_by

LONG = Take(2011, "MIDI-Unprocessed_02_R1_2011_a", title="Etude Op. 25 No. 1", seconds=35)
OTHER = Take(2011, "MIDI-Unprocessed_05_R1_2011_b", title="Etude Op. 25 No. 1 in A-flat Major", seconds=35)
SINGLE = Take(2011, "MIDI-Unprocessed_07_R1_2011_c", title="Ballade No. 1", seconds=12)


def test_two_recordings_of_one_piece_and_one_of_another_make_eight_segments_and_one_work(platform):
    platform.write(replace(LONG, seconds=65), replace(OTHER, seconds=65), replace(SINGLE, seconds=35))
    done = platform.run_all("2011")
    segments = list(read_rows(platform.year("2011").stage("segments").table))
    mapping = json.loads(platform.tier.contrastive_mapping.read_text())
    assert len(segments) == 8
    assert [len(ids) for ids in mapping.values()] == [6]
    assert all(LONG.recording_id in i or OTHER.recording_id in i for i in next(iter(mapping.values())))
    files = sorted(p.stem for p in platform.tier.embeddings().glob("*.pt"))
    assert files == sorted(row["segment_id"] for row in segments)
    assert all(passed for one in done.values() for passed in one.checks.values())
    recordings = list(read_rows(platform.tier.contrastive_recordings))
    assert {r["performer_id"] for r in recordings} == {"2011-c002", "2011-c005"}
    assert {r["verified"] for r in recordings} == {False}, "there is no MIDI"
    assert done["maestro/contrastive_mapping"].metadata["unverified_recordings"] == 2


def write_midi(platform, takes):
    """Write MIDI beside the audio: take -> the movements that it holds, or bytes."""
    for seed, (take, content) in enumerate(takes.items()):
        path = platform.maestro / take.audio_filename.replace(".wav", ".midi")
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            save_performance(played_by(*content, seed=seed), path)


def mapped(platform):
    """Group -> {recording: verified}."""
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for row in read_rows(platform.tier.contrastive_recordings):
        found[row["work_id"]][row["recording_id"]] = row["verified"]
    segments = json.loads(platform.tier.contrastive_mapping.read_text())
    assert {w: {s.rpartition("_seg")[0] for s in ids} for w, ids in segments.items()} == {
        w: set(recordings) for w, recordings in found.items()
    }
    return dict(found)


def test_midi_verifies_a_work_and_parts_movements_under_one_title(platform):
    sonata = [Take(2011, f"take{i}", title="Sonata No. 3 in B Minor, Op. 58", seconds=12) for i in range(4)]
    etude = [Take(2011, f"etude{i}", title="Etude Op. 25 No. 1", seconds=12) for i in range(2)]
    platform.write(*sonata, *etude)
    write_midi(platform, dict(zip(sonata, [(1,), (3,), (1,), (3,)], strict=True)) | dict.fromkeys(etude, (5,)))
    done = platform.run_all("2011")["maestro/contrastive_mapping"]
    ids = [take.recording_id for take in sonata]
    found = mapped(platform)
    assert found == {
        "chopin_etude_op25_no1": {take.recording_id: True for take in etude},
        "chopin_sonata_op58#1": {ids[0]: True, ids[2]: True},
        "chopin_sonata_op58#2": {ids[1]: True, ids[3]: True},
    }
    assert all(done.checks.values())
    assert (done.metadata["verified_recordings"], done.metadata["unverified_recordings"]) == (6, 0)
    assert done.metadata["works_parted_by_content_count"] == 1
    event = platform.instance.get_latest_materialization_event(dg.AssetKey(["maestro", "contrastive_mapping"]))
    (record,) = event.asset_materialization.metadata["works_parted_by_content"].records
    assert record.data == {
        "work_id": "chopin_sonata_op58",
        "groups": 2,
        "recordings": f"{ids[0]}, {ids[2]} | {ids[1]}, {ids[3]}",
    }


def test_recordings_without_usable_midi_stay_only_where_nothing_speaks_against_it(platform):
    sonata = [Take(2011, f"take{i}", title="Sonata No. 3 in B Minor, Op. 58", seconds=12) for i in range(5)]
    etude = [Take(2011, f"etude{i}", title="Etude Op. 25 No. 1", seconds=12) for i in range(3)]
    platform.write(*sonata, *etude)
    # of each work the last two have none that can be used
    write_midi(platform, {sonata[0]: (1,), sonata[1]: (3,), sonata[2]: (1,), sonata[3]: b"no MIDI"})
    write_midi(platform, {etude[0]: (5,), etude[1]: (5,)})
    done = platform.run_all("2011")["maestro/contrastive_mapping"]
    assert mapped(platform) == {
        "chopin_etude_op25_no1": {take.recording_id: take is not etude[2] for take in etude},
        "chopin_sonata_op58#1": {sonata[0].recording_id: True, sonata[2].recording_id: True},
    }
    assert all(done.checks.values())
    assert done.metadata["left_out_for_want_of_midi"] == 2
    event = platform.instance.get_latest_materialization_event(dg.AssetKey(["maestro", "contrastive_mapping"]))
    (record,) = event.asset_materialization.metadata["unusable_midi"].records
    assert record.data["recording_id"] == sonata[3].recording_id
    assert "take3.midi" in record.data["why"]


def test_checks_see_that_verified_recordings_do_not_hold_the_same_music_any_more(platform):
    one, other = (Take(2011, name, title="Etude Op. 25 No. 1", seconds=6) for name in "ab")
    platform.write(one, other)
    write_midi(platform, {one: (1,), other: (1,)})
    assert all(platform.run_all("2011")["maestro/contrastive_mapping"].checks.values())
    write_midi(platform, {one: (1,), other: (3,)})
    verdicts = platform.check("maestro/contrastive_mapping")
    assert not verdicts["verified_hold_the_same_music"]
    assert not verdicts["idempotent"]
    done = platform.run(COMPILED)["maestro/contrastive_mapping"]
    assert mapped(platform) == {}
    assert all(done.checks.values())
    assert done.metadata["works_with_one_recording"] == 2


def test_a_second_materialization_does_no_work_and_changes_no_file(platform):
    platform.write(LONG, SINGLE)
    platform.run_all("2011")
    before = {p: p.stat().st_mtime_ns for p in platform.tier.folder.rglob("*.pt")}
    done = platform.run_all("2011")
    for asset in ALL_OF_A_YEAR:
        assert done[asset].metadata["new"] == done[asset].metadata["stale"] == done[asset].metadata["succeeded"] == 0
        assert "up to date" in done[asset].metadata["summary"]
    assert {p: p.stat().st_mtime_ns for p in platform.tier.folder.rglob("*.pt")} == before


def test_the_data_version_follows_the_content_and_nothing_else(platform):
    def versions() -> dict[str, str]:
        found = {}
        for asset in [*ALL_OF_A_YEAR, *COMPILED]:
            event = platform.instance.get_latest_materialization_event(dg.AssetKey.from_user_string(asset))
            found[asset] = event.asset_materialization.tags["dagster/data_version"]
        return found

    platform.write(LONG, OTHER)
    platform.run_all("2011")
    first = versions()
    os.utime(platform.maestro / LONG.audio_filename)  # touched, not changed
    platform.run_all("2011")
    assert versions() == first
    write_audio(platform.maestro, LONG, seed=1)
    platform.run_all("2011")
    assert all(versions()[asset] != first[asset] for asset in ALL_OF_A_YEAR)


def test_only_a_recording_whose_source_changed_is_embedded_again(platform):
    platform.write(LONG, SINGLE)
    platform.run_all("2011")
    write_audio(platform.maestro, SINGLE, seed=1)
    done = platform.run(ALL_OF_A_YEAR, "2011")
    assert done["maestro/embeddings"].metadata["stale"] == 1
    assert done["maestro/embeddings"].metadata["skipped_up_to_date"] == 1


def test_a_corrected_title_moves_a_recording_without_decoding_or_embedding_it(platform):
    platform.write(LONG, OTHER)
    platform.run_all("2011")
    corrected = replace(OTHER, title="Etude Op. 10 No. 5")
    write_catalogue(platform.maestro, [LONG, corrected])
    done = platform.run_all("2011")
    assert done["maestro/segments"].metadata["stale"] == 1
    assert "times_real_time" not in done["maestro/segments"].metadata
    assert done["maestro/embeddings"].metadata["succeeded"] == 0
    assert json.loads(platform.tier.contrastive_mapping.read_text()) == {}


def test_a_shorter_source_leaves_no_embedding_of_the_longer_one(platform):
    platform.write(LONG)
    platform.run_all("2011")
    shorter = replace(LONG, seconds=31.0)
    platform.write(shorter)
    done = platform.run(ALL_OF_A_YEAR, "2011")
    assert len(list(platform.tier.embeddings().glob("*.pt"))) == 1
    assert all(done["maestro/embeddings"].checks.values())


def test_a_limit_does_little_and_removes_nothing(platform):
    platform.write(*(Take(2011, f"take{i}") for i in range(4)))
    limited = {"ops": {"maestro__recordings": {"config": {"limit": 2}}}}
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    key = dg.AssetKey(["maestro", "recordings"])

    def collect(config):
        result = job.execute_in_process(
            instance=platform.instance, asset_selection=[key], partition_key="2011", run_config=config
        )
        return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}

    table = platform.year("2011").stage("recordings").table
    assert collect(limited) == {"idempotent": True, "schema": True}
    assert len(list(read_rows(table))) == 2
    collect({})
    assert len(list(read_rows(table))) == 4
    assert collect(limited) == {"idempotent": True, "schema": True}
    assert len(list(read_rows(table))) == 4


def test_recordings_that_left_the_source_are_reported_and_removed_only_when_asked(platform):
    platform.write(LONG, SINGLE)
    platform.run_all("2011")
    write_catalogue(platform.maestro, [LONG])
    done = platform.run(ALL_OF_A_YEAR, "2011")
    assert done["maestro/recordings"].metadata["removed_from_source"] == 1
    assert len(list(platform.tier.embeddings().glob("*.pt"))) == 3
    prune = {"ops": {asset.replace("/", "__"): {"config": {"prune": True}} for asset in ALL_OF_A_YEAR}}
    result = platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey.from_user_string(a) for a in ALL_OF_A_YEAR],
        partition_key="2011",
        run_config=prune,
    )
    assert all(e.passed for e in result.get_asset_check_evaluations())
    assert len(list(platform.tier.embeddings().glob("*.pt"))) == 2
    assert {r["recording_id"] for r in read_rows(platform.year("2011").stage("embeddings").table)} == {
        LONG.recording_id
    }


def test_pruning_sweeps_files_that_no_row_names_and_leaves_those_of_other_years(platform):
    platform.write(LONG, Take(2017, "MIDI-Unprocessed_057_x", seconds=12))
    platform.run_all("2011", "2017")
    stray = platform.tier.embeddings() / "maestro_2011_gone_wav_seg000.pt"
    stray.write_bytes(b"left by a run that was killed before its commit")
    assert not platform.run(["maestro/embeddings"], "2011")["maestro/embeddings"].checks["idempotent"]
    result = platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["maestro", "embeddings"])],
        partition_key="2011",
        run_config={"ops": {"maestro__embeddings": {"config": {"prune": True}}}},
    )
    assert all(e.passed for e in result.get_asset_check_evaluations())
    assert not stray.exists()
    assert len(list(platform.tier.embeddings().glob("*.pt"))) == 3


def test_the_mapping_compiles_when_only_two_of_the_ten_years_exist(platform):
    platform.write(LONG, Take(2017, "MIDI-Unprocessed_057_x", title="Etude Op. 25, No. 1", seconds=12))
    done = platform.run_all("2011", "2017")
    assert done["maestro/contrastive_mapping"].metadata["years"] == "2011, 2017"
    assert done["maestro/contrastive_mapping"].metadata["works_with_two_performers"] == 1
    assert done["maestro/metadata"].metadata["titles_merged_count"] == 1


def test_a_year_the_source_does_not_have_materializes_no_rows_and_says_so(platform):
    platform.write(LONG)
    done = platform.run(ALL_OF_A_YEAR, "2004")
    assert all(one.succeeded and one.metadata["dagster/partition_row_count"] == 0 for one in done.values())
    assert "nothing to do" in done["maestro/embeddings"].metadata["summary"]


def test_a_bad_recording_stands_in_the_ledger_and_costs_no_other(platform):
    platform.write(LONG, SINGLE)
    (platform.maestro / SINGLE.audio_filename).write_bytes(b"no audio at all")
    done = platform.run(ALL_OF_A_YEAR, "2011")
    (failure,) = read_failures(platform.year("2011").stage("segments").ledger).values()
    assert (failure.recording_id, failure.error_class) == (SINGLE.recording_id, "permanent")
    assert "cannot be decoded" in failure.message
    assert done["maestro/embeddings"].metadata["dagster/partition_row_count"] == 2
    assert all(passed for one in done.values() for passed in one.checks.values())
    again = platform.run(["maestro/segments"], "2011")["maestro/segments"].metadata
    assert (again["failed"], again["failed_before_and_waiting"]) == (0, 1)
    write_audio(platform.maestro, SINGLE)
    repaired = platform.run(ALL_OF_A_YEAR, "2011")
    assert repaired["maestro/embeddings"].metadata["dagster/partition_row_count"] == 3
    assert not read_failures(platform.year("2011").stage("segments").ledger)


def test_a_partition_that_succeeded_at_nothing_fails_and_names_a_reason(platform):
    platform.write(SINGLE)
    (platform.maestro / SINGLE.audio_filename).write_bytes(b"no audio at all")
    done = platform.run(["maestro/recordings", "maestro/segments"], "2011")
    assert done["maestro/recordings"].succeeded
    assert not done["maestro/segments"].succeeded
    assert "all 1 recordings failed" in done["maestro/segments"].error
    assert platform.run(["maestro/segments"], "2011")["maestro/segments"].succeeded, "nothing to do is no failure"


def test_without_a_source_the_asset_fails_with_what_to_set(platform, monkeypatch):
    monkeypatch.delenv("MAESTRO_DIR", raising=False)
    monkeypatch.delenv("MAESTRO_ZIP", raising=False)
    platform.maestro.mkdir()
    resources = {**platform.resources, "maestro": platform.resources["maestro"].model_copy(update={"folder": ""})}
    result = dg.materialize(
        [maestro.recordings],
        partition_key="2011",
        resources=resources,
        instance=platform.instance,
        raise_on_error=False,
    )
    assert "MAESTRO_DIR" in told(result)


def test_done_recordings_stay_done_when_their_audio_is_discarded(platform):
    platform.write(LONG)
    platform.run_all("2011")
    shutil.rmtree(platform.maestro / "2011")
    done = platform.run(["maestro/segments", "maestro/embeddings"], "2011")
    assert all(one.metadata["succeeded"] == 0 and one.checks["idempotent"] for one in done.values())
    assert "no picture" in done["maestro/segments"].metadata["picture_of_first_segment"]


def test_another_embedding_set_lies_beside_the_first(platform):
    platform.write(SINGLE)
    platform.run_all("2011")
    platform.embedding_set = "second"
    done = platform.run(["maestro/embeddings"], "2011")["maestro/embeddings"]
    assert done.metadata["succeeded"] == 1
    assert (platform.tier.folder / "muq_embeddings-second" / "encoder.json").exists()
    assert (platform.year("2011").folder / "embeddings-second.jsonl").exists()
    assert all(done.checks.values())


def test_embeddings_that_exist_are_imported_and_named_unverified(platform, tmp_path):
    import torch

    platform.write(LONG)
    platform.run(["maestro/recordings", "maestro/segments"], "2011")
    ids = [row["segment_id"] for row in read_rows(platform.year("2011").stage("segments").table)]
    made = {i: torch.randn(750 if "seg001" not in i else 125, 1024) for i in ids}
    torch.save(made, tmp_path / "made.pt")
    result = platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["maestro", "embeddings"])],
        partition_key="2011",
        run_config={"ops": {"maestro__embeddings": {"config": {"import_from": str(tmp_path / "made.pt")}}}},
    )
    assert {e.check_name: e.passed for e in result.get_asset_check_evaluations()} == {
        "finite_and_shaped": True,
        "idempotent": True,
        "one_embedding_per_segment": True,
        "schema": True,
    }
    identity = json.loads((platform.tier.embeddings() / "encoder.json").read_text())
    assert (identity["checkpoint"], identity["revision"], identity["trained"]) == ("imported", "unverified", None)
    stored = torch.load(platform.tier.embeddings() / f"{ids[0]}.pt", weights_only=True)
    assert torch.allclose(stored, made[ids[0]][:744].reshape(93, 8, 1024).mean(1))


def test_every_asset_says_what_it_is_and_whose():
    for asset in (
        maestro.recordings,
        maestro.segments,
        maestro.embeddings,
        maestro.metadata,
        maestro.contrastive_mapping,
    ):
        (spec,) = asset.specs
        assert spec.description
        assert spec.owners
        assert spec.kinds
        assert spec.code_version
        assert spec.group_name == "maestro"


@pytest.mark.parametrize("asset", ALL_OF_A_YEAR)
def test_an_asset_page_shows_counts_a_sample_a_link_and_a_schema(platform, asset):
    platform.write(SINGLE)
    platform.run(ALL_OF_A_YEAR, "2011")
    event = platform.instance.get_latest_materialization_event(dg.AssetKey.from_user_string(asset))
    shown = event.asset_materialization.metadata
    assert {"dagster/partition_row_count", "new", "stale", "failed", "sample", "table", "dagster/column_schema"} <= set(
        shown
    )
    pictures = [v for k, v in shown.items() if k.startswith("picture")]
    assert bool(pictures) == (asset != "maestro/embeddings")
    assert all(len(p.md_str) * 3 / 4 < 40_000 for p in pictures)
