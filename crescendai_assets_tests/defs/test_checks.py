"""Every check against data that must fail it."""

from __future__ import annotations

import dataclasses
import json
import shutil

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import default_resources
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.defs.conftest import ALL_OF_A_YEAR, Platform, told
from crescendai_assets_tests.maestro_folder import Take, write_audio

TAKES = [
    Take(2011, "MIDI-Unprocessed_02_R1_2011_a", title="Etude Op. 25 No. 1", seconds=12),
    Take(2011, "MIDI-Unprocessed_05_R1_2011_b", title="Etude, Op. 25 No. 1", seconds=12),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory, tiny_encoder):
    with dg.DagsterInstance.ephemeral() as instance:
        platform = Platform(tmp_path_factory.mktemp("original"), tiny_encoder, instance)
        platform.write(*TAKES)
        platform.run_all("2011")
        yield platform


@pytest.fixture
def made(original, tmp_path):
    """A materialized year of a test's own; what its run recorded is shared, as nothing here records another."""
    shutil.copytree(original.root, tmp_path, dirs_exist_ok=True)
    return dataclasses.replace(original, root=tmp_path)


def verdict(platform: Platform, asset: str, check: str, *, deep: bool = False) -> dg.AssetCheckEvaluation:
    """Run one check alone, as a user does from the Checks tab."""
    key = dg.AssetCheckKey(dg.AssetKey.from_user_string(asset), check)
    config = {"ops": {f"{asset.replace('/', '__')}_{check}": {"config": {"deep": deep}}}}
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection=set(), asset_check_selection={key}).execute_in_process(
        instance=platform.instance,
        # as the UI launches it; a `partition_key` is refused for jobs of checks alone
        tags={"dagster/partition": "2011"} if asset in ALL_OF_A_YEAR else None,
        run_config=config,
        raise_on_error=False,
    )
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def rewrite(path, change) -> None:
    rows = list(read_rows(path))
    write_atomic(path, "".join(json.dumps(row) + "\n" for row in change(rows)).encode())


def a_file(platform):
    return sorted(platform.tier.embeddings().glob("*.pt"))[0]


@pytest.mark.parametrize(
    ("asset", "stage"),
    [("maestro/recordings", "recordings"), ("maestro/segments", "segments"), ("maestro/embeddings", "embeddings")],
)
class TestOfEveryTable:
    def test_schema_refuses_a_row_without_a_column(self, made, asset, stage):
        rewrite(
            made.year("2011").stage(stage).table,
            lambda rows: [{k: v for k, v in rows[0].items() if k != "fingerprint"}, *rows[1:]],
        )
        evaluation = verdict(made, asset, "schema")
        assert not evaluation.passed
        assert "fingerprint" in str(evaluation.metadata["at_fault"].value)

    def test_schema_refuses_a_doubled_row(self, made, asset, stage):
        rewrite(made.year("2011").stage(stage).table, lambda rows: [rows[0], *rows])
        assert not verdict(made, asset, "schema").passed

    def test_idempotent_refuses_a_lost_row(self, made, asset, stage):
        rewrite(made.year("2011").stage(stage).table, lambda rows: rows[1:])
        evaluation = verdict(made, asset, "idempotent")
        assert not evaluation.passed
        assert evaluation.metadata["pending"].value == 1

    def test_idempotent_refuses_content_that_is_not_the_runs(self, made, asset, stage):
        rewrite(made.year("2011").stage(stage).table, lambda rows: [{**rows[0], "note": "by hand"}, *rows[1:]])
        evaluation = verdict(made, asset, "idempotent")
        assert not evaluation.passed
        assert "is not the run's" in str(evaluation.metadata["at_fault"].value)

    def test_idempotent_refuses_a_journal_that_a_killed_run_left(self, made, asset, stage):
        made.year("2011").stage(stage).journal.write_text("")
        assert not verdict(made, asset, "idempotent").passed


def test_idempotent_sees_a_source_that_changed(made):
    write_audio(made.maestro, TAKES[0], seed=1)
    assert not verdict(made, "maestro/recordings", "idempotent").passed
    assert verdict(made, "maestro/segments", "idempotent").passed, "segments follow the rows, not the disk"


def test_idempotent_refuses_a_missing_embedding(made):
    a_file(made).unlink()
    evaluation = verdict(made, "maestro/embeddings", "idempotent")
    assert not evaluation.passed
    assert "file missing" in str(evaluation.metadata["at_fault"].value)


def test_idempotent_refuses_an_embedding_that_no_row_names(made):
    (made.tier.embeddings() / "maestro_2011_stray_seg000.pt").write_bytes(a_file(made).read_bytes())
    evaluation = verdict(made, "maestro/embeddings", "idempotent")
    assert not evaluation.passed
    assert "no row" in str(evaluation.metadata["at_fault"].value)


def test_idempotent_refuses_a_file_of_another_size_without_reading_it(made):
    with a_file(made).open("ab") as file:
        file.write(b"x")
    assert not verdict(made, "maestro/embeddings", "idempotent").passed


def test_idempotent_reads_contents_and_finds_a_flipped_bit(made):
    path = a_file(made)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    evaluation = verdict(made, "maestro/embeddings", "idempotent", deep=True)
    assert not evaluation.passed
    assert evaluation.metadata["deep"].value is True
    assert "contents" in str(evaluation.metadata["at_fault"].value)


def test_finite_and_shaped_refuses_a_value_that_is_no_number(made):
    import torch

    path = a_file(made)
    embedding = torch.load(path, weights_only=True)
    embedding[3, 5] = float("nan")
    torch.save(embedding, path)
    assert not verdict(made, "maestro/embeddings", "finite_and_shaped").passed


@pytest.mark.parametrize("shape", [(36, 1024), (37, 512), (37,)])
def test_finite_and_shaped_refuses_another_shape(made, shape):
    import torch

    torch.save(torch.zeros(shape), a_file(made))
    assert not verdict(made, "maestro/embeddings", "finite_and_shaped").passed


def test_one_embedding_per_segment_refuses_a_segment_without_one(made):
    rewrite(made.year("2011").stage("embeddings").table, lambda rows: rows[1:])
    assert not verdict(made, "maestro/embeddings", "one_embedding_per_segment").passed


def test_one_embedding_per_segment_refuses_an_embedding_without_a_segment(made):
    rewrite(made.year("2011").stage("segments").table, lambda rows: rows[1:])
    assert not verdict(made, "maestro/embeddings", "one_embedding_per_segment").passed


def test_one_embedding_per_segment_refuses_an_embedding_of_another_cut(made):
    rewrite(
        made.year("2011").stage("segments").table,
        lambda rows: [{**rows[0], "n_valid": rows[0]["n_valid"] - 1}, *rows[1:]],
    )
    evaluation = verdict(made, "maestro/embeddings", "one_embedding_per_segment")
    assert not evaluation.passed
    assert "another cut" in str(evaluation.metadata["at_fault"].value)


def test_mapping_idempotent_sees_that_segments_were_cut_again_since(made):
    rewrite(
        made.year("2011").stage("segments").table, lambda rows: [{**row, "source_sha256": "0" * 64} for row in rows]
    )
    assert not verdict(made, "maestro/contrastive_mapping", "idempotent").passed


def test_metadata_idempotent_sees_that_a_year_changed_since(made):
    rewrite(made.year("2011").stage("segments").table, lambda rows: rows[1:])
    assert not verdict(made, "maestro/metadata", "idempotent").passed


def test_mapping_idempotent_sees_that_embeddings_changed_since(made):
    rewrite(made.year("2011").stage("embeddings").table, lambda rows: rows[1:])
    assert not verdict(made, "maestro/contrastive_mapping", "idempotent").passed


def test_mapping_refuses_a_work_with_one_recording(made):
    mapping = json.loads(made.tier.contrastive_mapping.read_text())
    one = {work: [i for i in ids if TAKES[0].recording_id in i] for work, ids in mapping.items()}
    made.tier.contrastive_mapping.write_text(json.dumps(one))
    assert not verdict(made, "maestro/contrastive_mapping", "mapping_has_two_recordings").passed


def test_mapping_refuses_a_segment_that_is_not_embedded(made):
    mapping = json.loads(made.tier.contrastive_mapping.read_text())
    made.tier.contrastive_mapping.write_text(json.dumps({w: [*ids, "unknown_seg000"] for w, ids in mapping.items()}))
    assert not verdict(made, "maestro/contrastive_mapping", "mapping_has_two_recordings").passed


def test_no_split_leak_refuses_one_sound_in_two_splits(platform):
    other = Take(**{**TAKES[1].__dict__, "split": "test"})
    platform.write(TAKES[0], other)
    sound = (platform.maestro / TAKES[0].audio_filename).read_bytes()
    (platform.maestro / other.audio_filename).write_bytes(sound)
    platform.run_all("2011")
    evaluation = verdict(platform, "maestro/contrastive_mapping", "no_split_leak")
    assert not evaluation.passed
    assert evaluation.blocking
    assert TAKES[0].recording_id in str(evaluation.metadata["at_fault"].value)


def test_no_split_leak_refuses_a_mapping_that_moved_a_recording_to_another_split(made):
    rewrite(made.tier.contrastive_recordings, lambda rows: [{**rows[0], "split": "test"}, *rows[1:]])
    assert not verdict(made, "maestro/contrastive_mapping", "no_split_leak").passed


def test_a_check_over_a_range_of_partitions_is_refused_in_words(made):
    from crescendai_assets.defs import maestro
    from crescendai_assets.defs.maestro_checks import CHECKS

    schema = next(c for c in CHECKS if c.check_key.asset_key == maestro.segments.key and c.check_key.name == "schema")
    result = dg.materialize(
        [maestro.recordings, maestro.segments, schema],
        selection=dg.AssetSelection.checks(schema.check_key),
        resources={**default_resources(), **made.resources},
        instance=made.instance,
        tags={"dagster/asset_partition_range_start": "2011", "dagster/asset_partition_range_end": "2014"},
        raise_on_error=False,
    )
    assert "one run a partition" in told(result)
