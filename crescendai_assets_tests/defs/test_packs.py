"""`<tier>/pack` through Dagster: written once, noticed when stale, in half precision by choice; its checks."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pytest

from crescendai_assets.embeddings.store import read_embedding
from crescendai_assets.lake.layout import CACHES
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.packing import embeddings_of
from crescendai_assets.training.packs import EmbeddingPack, pack_files, pack_on_disk
from crescendai_assets_tests.defs.conftest import ALL_OF_A_YEAR, told
from crescendai_assets_tests.defs.test_checks import rewrite, verdict
from crescendai_assets_tests.maestro_folder import Take

PACK = "maestro/pack"
ONE = Take(2011, "MIDI-Unprocessed_02_R1_2011_a", title="Etude Op. 25 No. 1", seconds=35)
OTHER = Take(2009, "MIDI-Unprocessed_05_R1_2009_b", title="Ballade No. 1", seconds=6)


def packed(platform, **config):
    """Run the asset with a config, as from the launchpad."""
    return platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["maestro", "pack"])],
        run_config={"ops": {"maestro__pack": {"config": config}}},
        raise_on_error=False,
    )


@pytest.fixture
def embedded(platform):
    platform.write(ONE, OTHER)
    platform.run(ALL_OF_A_YEAR, "2011")
    return platform


def test_all_years_are_packed_and_a_second_run_has_nothing_to_do(embedded):
    first = embedded.run([PACK])[PACK]
    assert first.succeeded
    assert first.checks == {"idempotent": True, "schema": True}
    assert first.metadata["embeddings_state"] == "written"
    assert (first.metadata["dagster/row_count"], first.metadata["embeddings_frames"]) == (2, 93 + 15)
    assert "UNTRAINED" in first.metadata["embeddings_encoder"]
    second = embedded.run([PACK])[PACK]
    assert second.metadata["embeddings_state"] == "nothing to do: as it was"
    embedded.run(ALL_OF_A_YEAR, "2009")
    assert not embedded.check(PACK)["idempotent"], "a year came in"
    third = embedded.run([PACK])[PACK]
    assert all(third.checks.values())
    assert (third.metadata["embeddings_state"], third.metadata["dagster/row_count"]) == ("written", 3)
    pack = embeddings_of(embedded.tier, packed=True)
    for segment_id in pack:
        stored = read_embedding(embedded.tier.embeddings() / f"{segment_id}.pt")
        assert np.array_equal(pack[segment_id], stored)


def test_half_precision_is_chosen_once_and_kept(embedded):
    assert packed(embedded, dtype="float16").success
    assert pack_on_disk(pack_files(embedded.tier)).dtype == "float16"
    again = embedded.run([PACK])[PACK]
    assert all(again.checks.values())
    assert again.metadata["embeddings_state"] == "nothing to do: as it was"
    assert packed(embedded, dtype="float32").success
    found = embeddings_of(embedded.tier, packed=True)
    assert isinstance(found, EmbeddingPack)
    assert found.dtype == "float32"
    assert "dtype is 'bfloat16'; give float32 or float16" in told(packed(embedded, dtype="bfloat16"))


def test_checks_fail_on_what_is_wrong(embedded):
    embedded.run([PACK])
    files = pack_files(embedded.tier)
    array = np.load(files.array, mmap_mode="r+")
    array[3] += 1
    array.flush()
    evaluation = verdict(embedded, PACK, "idempotent", deep=True)
    assert not evaluation.passed
    assert "something else than its file" in str(evaluation.metadata["at_fault"].value)
    rewrite(files.index, lambda rows: [{**rows[0], "frames": 0}, *rows[1:]])
    assert not verdict(embedded, PACK, "schema").passed
    assert embedded.run([PACK])[PACK].metadata["embeddings_state"] == "written"
    assert verdict(embedded, PACK, "idempotent", deep=True).passed


def test_a_tier_without_embeddings_packs_nothing_and_says_so(platform):
    done = platform.run([f"{tier}/pack" for tier in CACHES])
    for one in done.values():
        assert one.succeeded
        assert all(one.checks.values())
        assert one.metadata["dagster/row_count"] == 0
    both = platform.lake.tier("youtube")
    for asset in ("embeddings", "augmented_pairs"):
        assert list(read_rows(pack_files(both, asset).index)) == []
        assert pack_files(both, asset).array.exists()


def test_each_embedding_set_has_a_pack_of_its_own(embedded):
    embedded.run([PACK])
    embedded.embedding_set = "other"
    embedded.run(ALL_OF_A_YEAR, "2009")
    embedded.run([PACK])
    of_set, default = pack_files(embedded.tier), pack_files(embedded.lake.tier("maestro"))
    assert of_set.array.parent.name == "muq_packs-other"
    assert {row["segment_id"].split("_seg")[0] for row in read_rows(of_set.index)} == {OTHER.recording_id}
    assert {row["segment_id"].split("_seg")[0] for row in read_rows(default.index)} == {ONE.recording_id}
