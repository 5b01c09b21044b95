"""Sources that are not as they should be: gone, unreadable, changed between two assets."""

from __future__ import annotations

import shutil
from typing import Any

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import build_definitions
from crescendai_assets.defs.resources import MaestroResource, SegmentingResource
from crescendai_assets.defs.run import Done, materialize
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets_tests.defs.conftest import COMPILED, Platform
from crescendai_assets_tests.maestro_folder import Take, write_catalogue

A, B = Take(2011, "a", seconds=6), Take(2011, "b", seconds=7)
LISTED_AND_CUT = ["maestro/recordings", "maestro/segments"]


def run_with(platform: Platform, asset: str, **resources: Any) -> Done:
    definitions = build_definitions({**platform.resources, **resources})
    return materialize(definitions, platform.instance, [asset], "2011")[0]


def into_a_folder(path):
    path.unlink()
    path.mkdir()


def into_a_loop(path):
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("spoil", [into_a_folder, into_a_loop])
def test_audio_that_is_no_file_costs_one_recording(platform, spoil):
    platform.write(A, B)
    spoil(platform.maestro / A.audio_filename)
    done = platform.run(["maestro/recordings"], "2011")["maestro/recordings"]
    assert (done.succeeded, done.metadata["failed"], done.metadata["dagster/partition_row_count"]) == (True, 1, 1)


def test_a_file_that_cannot_be_read_costs_one_recording_and_is_tried_again(platform, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    platform.write(A)
    monkeypatch.setattr("crescendai_assets.sources.in_place.sha256_file", refuse)
    assert not platform.run(["maestro/recordings"], "2011")["maestro/recordings"].succeeded
    (failure,) = read_failures(platform.year("2011").stage("recordings").ledger).values()
    assert (failure.error_class, "a.wav: cannot be read (Permission denied)" in failure.message) == ("retry", True)


def test_a_source_that_is_not_set_stops_the_run_and_marks_no_recording_as_failed(platform, monkeypatch):
    monkeypatch.delenv("MAESTRO_DIR", raising=False)
    monkeypatch.delenv("MAESTRO_ZIP", raising=False)
    platform.write(A)
    platform.run(["maestro/recordings"], "2011")
    refused = run_with(platform, "maestro/segments", maestro=MaestroResource())
    assert "source folder, which is not set here" in refused.error
    assert platform.run(["maestro/segments"], "2011")["maestro/segments"].metadata["succeeded"] == 1
    idle = run_with(platform, "maestro/segments", maestro=MaestroResource())
    assert (idle.succeeded, idle.metadata["skipped_up_to_date"]) == (True, 1)


def test_audio_that_was_away_is_cut_when_it_is_back(platform):
    platform.write(A, B)
    platform.run(["maestro/recordings"], "2011")
    away = shutil.move(platform.maestro / A.audio_filename, platform.root / "away.wav")
    assert platform.run(["maestro/segments"], "2011")["maestro/segments"].metadata["failed"] == 1
    shutil.move(away, platform.maestro / A.audio_filename)
    back = platform.run(LISTED_AND_CUT, "2011")["maestro/segments"].metadata
    assert (back["succeeded"], back["failed_before_and_waiting"]) == (1, 0)


def test_segments_go_on_when_their_first_recording_was_pruned_before_them(platform):
    platform.write(A, B)
    platform.run(LISTED_AND_CUT, "2011")
    write_catalogue(platform.maestro, [B])
    platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["maestro", "recordings"])],
        partition_key="2011",
        run_config={"ops": {"maestro__recordings": {"config": {"prune": True}}}},
    )
    done = platform.run(["maestro/segments"], "2011")["maestro/segments"]
    assert (done.succeeded, done.metadata["removed_from_source"]) == (True, 1)
    assert "left the source" in done.metadata["picture_of_first_segment"]


def test_metadata_compiles_when_the_source_is_out_of_reach_and_says_so(platform):
    platform.write(A)
    platform.run(LISTED_AND_CUT, "2011")
    assert platform.run(COMPILED)["maestro/metadata"].metadata["catalogue"] == "as in the source"
    shutil.rmtree(platform.maestro)
    done = platform.run(COMPILED)["maestro/metadata"]
    assert (done.succeeded, done.metadata["dagster/row_count"]) == (True, 1)
    assert "left as it was" in done.metadata["catalogue"]


@pytest.mark.parametrize("rule", [{"segment_duration": 60}, {"min_duration": 0}, {"overlap": 30}])
def test_a_rule_that_nothing_can_be_cut_or_encoded_by_is_refused_in_words(platform, rule):
    platform.write(A)
    platform.run(["maestro/recordings"], "2011")
    refused = run_with(platform, "maestro/segments", segmenting=SegmentingResource(**rule))
    assert refused.error.startswith("segmenting: ")
