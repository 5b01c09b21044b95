from __future__ import annotations

from pathlib import Path

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import CACHES, UNPARTITIONED, Partition, open_lake

CONTRACT = {
    ("maestro", "2004"): (
        "maestro_cache/2004/recordings.jsonl",
        "maestro_cache/2004/metadata.jsonl",
        "maestro_cache/2004/embeddings.jsonl",
        "maestro_cache/2004/failures/embeddings.jsonl",
        "maestro_cache/muq_embeddings",
    ),
    ("competition", "chopin2021"): (
        "competition_cache/chopin2021/recordings.jsonl",
        "competition_cache/chopin2021/metadata.jsonl",
        "competition_cache/chopin2021/embeddings.jsonl",
        "competition_cache/chopin2021/failures/embeddings.jsonl",
        "competition_cache/chopin2021/muq_embeddings",
    ),
    ("youtube", "channel"): (
        "youtube_piano_cache/channel/recordings.jsonl",
        "youtube_piano_cache/channel/metadata.jsonl",
        "youtube_piano_cache/channel/embeddings.jsonl",
        "youtube_piano_cache/channel/failures/embeddings.jsonl",
        "youtube_piano_cache/muq_embeddings",
    ),
}


@pytest.mark.parametrize(("tier", "key"), CONTRACT)
def test_paths_are_those_of_the_file_contract(tmp_path, tier, key):
    partition = open_lake(tmp_path).tier(tier).partition(key)
    found = (
        partition.stage("recordings").table,
        partition.stage("segments").table,
        partition.stage("embeddings").table,
        partition.stage("embeddings").ledger,
        partition.embedding_folder,
    )
    assert tuple(str(path.relative_to(tmp_path)) for path in found) == CONTRACT[tier, key]


def test_compiled_files_stand_in_the_tiers_cache(tmp_path):
    tier = open_lake(tmp_path).tier("maestro")
    cache = tmp_path / "maestro_cache"
    assert tier.metadata == cache / "metadata.jsonl"
    assert tier.contrastive_mapping == cache / "contrastive_mapping.json"
    assert tier.contrastive_recordings == cache / "contrastive_recordings.jsonl"
    assert open_lake(tmp_path).tier("percepiano").embeddings() == tmp_path / "percepiano_cache" / "muq_embeddings"
    assert open_lake(tmp_path).tier("competition").partition("x").audio == tmp_path / "competition_cache/x/audio"


def test_every_file_has_one_owner(tmp_path):
    for tier in CACHES.keys() - UNPARTITIONED:
        paths = [
            path
            for embedding_set in ("", "other")
            for key in ("a", "b")
            for asset in ("recordings", "segments", "embeddings")
            for path in vars(open_lake(tmp_path).tier(tier, embedding_set).partition(key).stage(asset)).values()
            if asset == "embeddings" or not embedding_set
        ]
        assert len(set(paths)) == len(paths) == 2 * 5 * 4


def test_a_tier_without_partitions_is_one_whose_folder_is_its_cache(tmp_path):
    tier = open_lake(tmp_path).tier("percepiano")
    whole = tier.partition()
    assert (whole, whole.key, whole.folder) == (Partition(tier, ""), "", tier.folder)
    assert tier.partitions() == tier.partitions("embeddings") == []
    assert whole.stage("recordings") == whole.stage("segments") == whole.stage("clips"), "a clip is both"
    assert whole.stage("clips").table == tier.folder / "clips.jsonl"
    assert tier.metadata not in {
        whole.stage(asset).table for asset in ("recordings", "segments", "clips", "embeddings")
    }
    assert whole.stage("embeddings").table == tier.folder / "embeddings.jsonl"
    assert whole.embedding_folder == tier.embeddings() == tier.folder / "muq_embeddings"
    whole.folder.mkdir(parents=True)
    whole.stage("clips").table.touch()
    (tier.folder / "failures").mkdir()
    assert tier.partitions() == [whole]
    assert tier.partitions("embeddings") == []
    with pytest.raises(SetupError, match="percepiano has no partitions, so there is no '2004'"):
        tier.partition("2004")


def test_another_set_of_embeddings_has_its_own_folder_and_tables_and_shares_the_rest(tmp_path):
    default, other = (open_lake(tmp_path).tier("maestro", s).partition("2004") for s in ("", "mert"))
    assert other.embedding_folder.name == "muq_embeddings-mert"
    assert other.stage("embeddings").table.name == "embeddings-mert.jsonl"
    assert other.stage("embeddings").ledger != default.stage("embeddings").ledger
    assert other.stage("segments") == default.stage("segments")
    with pytest.raises(SetupError, match="id "):
        _ = open_lake(tmp_path).tier("maestro", "../x").partition("2004").embedding_folder


@pytest.mark.parametrize("key", ["../2004", "", ".", "a/b", "/tmp"])
def test_a_partition_key_that_could_leave_the_cache_is_refused(tmp_path, key):
    with pytest.raises(SetupError, match="id "):
        open_lake(tmp_path).tier("maestro").partition(key)


def test_a_tier_that_is_none_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(SetupError, match="no tier 'spotify'; the tiers are percepiano, competition, maestro, youtube"):
        open_lake(tmp_path).tier("spotify")


def test_partitions_are_those_whose_table_exists_by_key(tmp_path):
    tier = open_lake(tmp_path).tier("maestro")
    assert tier.partitions() == []
    for key in ("2017", "2004", "2009"):
        tier.partition(key).folder.mkdir(parents=True)
    for key in ("2017", "2004"):
        tier.partition(key).stage("recordings").table.touch()
    tier.embeddings().mkdir()
    (tier.folder / ".hidden").mkdir()
    tier.metadata.touch()
    assert [p.key for p in tier.partitions()] == ["2004", "2017"]
    assert tier.partitions("embeddings") == []


def test_the_root_is_what_is_given_else_the_environments_else_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_lake("given", {"CRESCENDAI_DATA": "/env"}).root == tmp_path / "given"
    assert open_lake(None, {"CRESCENDAI_DATA": "/env"}).root == Path("/env")
    assert open_lake(None, {}).root == tmp_path / "data"
    assert open_lake("~/x").root == Path.home() / "x"


def test_an_address_as_root_is_refused_with_a_way_on():
    with pytest.raises(SetupError, match="s3://bucket/x: work needs a local folder"):
        open_lake(None, {"CRESCENDAI_DATA": "s3://bucket/x"})
