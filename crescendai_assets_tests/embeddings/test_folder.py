"""A folder of embeddings against its tables; the folder of a tier is shared by its partitions, an edition's is not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import pytest

from crescendai_assets.embeddings.folder import (
    CLEAN,
    Product,
    committed_embeddings,
    drop_orphans,
    embedded_segments,
    files_in,
    orphans,
    pruner,
    segments_of,
    wanted_embeddings,
)
from crescendai_assets.embeddings.identity import IDENTITY_FILE, EncoderIdentity
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Lake, Partition, open_lake
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS, EMBEDDINGS, YOUTUBE_SEGMENTS
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets_tests.builders import embedding_row, video_segment_row

IDENTITY = EncoderIdentity("idle", "sha256:0", (1,), 8, "fp32", trained=False)
PAIRS = Product("augmented_pairs", AUGMENTED_PAIRS, "a recipe")
PRODUCTS = pytest.mark.parametrize("product", [CLEAN, PAIRS], ids=lambda product: product.asset)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return open_lake(tmp_path / "lake")


def embedded(partition: Partition, product: Product, videos: Iterable[str], segments: int = 2) -> Partition:
    """A partition whose recordings are cut, and embedded as `product`: rows and files."""
    cut: list[Row] = [video_segment_row(v, n) for v in videos for n in range(segments)]
    rows = [
        {
            **embedding_row(row["recording_id"], int(row["segment_id"][-3:])),
            "fingerprint": product.fingerprint(row, IDENTITY.digest),
            **(
                {"preset": "label_safe", "effects": [{"effect": "gain"}], "lag_seconds": 0.0}
                if product is PAIRS
                else {}
            ),
        }
        for row in cut
    ]
    YOUTUBE_SEGMENTS.write(partition.stage("segments").table, cut)
    product.table.write(partition.stage(product.asset).table, rows)
    folder = product.folder(partition)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / IDENTITY_FILE).write_text(json.dumps(asdict(IDENTITY)))
    for row in rows:
        (folder / f"{row['segment_id']}.pt").write_bytes(b"-")
    return partition


def names(*videos: str, segments: int = 2) -> set[str]:
    return {f"yt_{v}_seg{n:03d}.pt" for v in videos for n in range(segments)}


# fingerprints


def test_fingerprints_of_clean_embeddings_are_those_that_stand_in_tables_made_before_there_were_products():
    row = video_segment_row("a", 3)
    assert CLEAN.fingerprint(row, "digest of an encoder") == fingerprint(
        row["source_sha256"], row["segment_start"], row["n_valid"], "digest of an encoder"
    )
    literal = {"source_sha256": "ab", "segment_start": 30.0, "n_valid": 720_000}
    assert CLEAN.fingerprint(literal, "e") == "9790644551c6dcbb3c572d18f7098a25"


@pytest.mark.parametrize("column", ["source_sha256", "segment_start", "n_valid"])
@PRODUCTS
def test_a_fingerprint_follows_source_bounds_and_encoder_and_nothing_else_of_the_row(product, column):
    row = video_segment_row("a")
    first = product.fingerprint(row, "e")
    assert product.fingerprint({**row, column: "other"}, "e") != first
    assert product.fingerprint(row, "another") != first
    assert product.fingerprint({**row, "title": "Renamed", "segment_id": "x", "pcm_hash": "x"}, "e") == first


def test_a_product_has_a_folder_and_a_table_of_its_own(lake):
    channel = lake.tier("youtube").partition("one")
    assert CLEAN.folder(channel) == channel.tier.folder / "muq_embeddings"
    assert PAIRS.folder(channel) == channel.tier.folder / "muq_embeddings_augmented"
    embedded(channel, PAIRS, "a")
    assert (len(list(PAIRS.rows(channel))), list(CLEAN.rows(channel))) == (2, [])


# what there should be and what there is


@PRODUCTS
def test_what_is_embedded_as_it_is_cut_is_what_is_wanted(lake, product):
    channel = embedded(lake.tier("youtube").partition("one"), product, "ab")
    wanted = wanted_embeddings(channel, IDENTITY, product)
    assert set(wanted) == {"yt_a", "yt_b"}
    assert committed_embeddings(channel, product) == wanted
    (product.folder(channel) / "yt_b_seg001.pt").unlink()
    have = committed_embeddings(channel, product)
    assert (have["yt_a"] == wanted["yt_a"], have["yt_b"] == wanted["yt_b"]) == (True, False)


def test_products_do_not_count_for_one_another(lake):
    channel = embedded(lake.tier("youtube").partition("one"), CLEAN, "a")
    assert committed_embeddings(channel, PAIRS) == {}
    assert wanted_embeddings(channel, IDENTITY, PAIRS) != wanted_embeddings(channel, IDENTITY)


def test_segments_of_a_recording_are_those_that_have_a_row(lake):
    channel = embedded(lake.tier("youtube").partition("one"), CLEAN, "ab")
    assert segments_of(channel, {"yt_b", "yt_z"}) == {"yt_b": {"yt_b_seg000", "yt_b_seg001"}}
    assert segments_of(channel, set()) == {}


def test_a_segment_that_was_cut_again_since_has_no_embedding(lake):
    channel = embedded(lake.tier("youtube").partition("one"), CLEAN, "a")
    table = channel.stage("segments").table
    again = [{**row, "n_valid": 5} if row["segment_id"].endswith("1") else row for row in read_rows(table)]
    YOUTUBE_SEGMENTS.write(table, [*again, video_segment_row("b")])
    assert {row["segment_id"]: made is not None for row, made in embedded_segments(channel)} == {
        "yt_a_seg000": True,
        "yt_a_seg001": False,
        "yt_b_seg000": False,
    }


def test_only_whole_embedding_files_are_counted(lake):
    channel = embedded(lake.tier("youtube").partition("one"), CLEAN, "a")
    for name in (".yt_b_seg000.pt.1-1.tmp", ".hidden.pt", "notes.txt"):
        (channel.embedding_folder / name).write_bytes(b"-")
    assert files_in(channel.embedding_folder) == names("a")
    assert files_in(channel.embedding_folder / "none") == set()


# what goes


@PRODUCTS
def test_pruning_a_recording_takes_its_files_and_not_those_of_ids_that_begin_alike(lake, product):
    channel = embedded(lake.tier("youtube").partition("one"), product, ["a", "ab", "a-b", "a_seg000", "b"])
    folder = product.folder(channel)
    pruner(channel, product)("yt_a")
    assert files_in(folder) == names("ab", "a-b", "a_seg000", "b")
    assert (folder / IDENTITY_FILE).exists()


def test_pruning_takes_files_that_no_row_knows_any_more(lake):
    channel = embedded(lake.tier("youtube").partition("one"), CLEAN, "ab")
    for name in ("yt_a_seg017.pt", "yt_a_seg1234.pt"):
        (channel.embedding_folder / name).write_bytes(b"-")
    pruner(channel)("yt_a")
    assert files_in(channel.embedding_folder) == names("b")


def test_pruning_takes_an_id_at_its_letters_and_not_as_a_pattern(lake):
    channel = embedded(lake.tier("youtube").partition("one"), CLEAN, ["a.b", "axb"])
    pruner(channel)("yt_a.b")
    assert files_in(channel.embedding_folder) == names("axb")


@PRODUCTS
def test_pruning_leaves_files_that_another_partition_has_taken_over(lake, product):
    tier = lake.tier("youtube")
    one = embedded(tier.partition("one"), product, "ab")
    embedded(tier.partition("two"), product, "bc")
    drop = pruner(one, product)
    for recording_id in ("yt_a", "yt_b", "yt_c"):
        drop(recording_id)
    assert files_in(product.folder(one)) == names("b", "c")


def test_pruning_one_product_leaves_the_other(lake):
    channel = lake.tier("youtube").partition("one")
    for product in (CLEAN, PAIRS):
        embedded(channel, product, "a")
    pruner(channel, PAIRS)("yt_a")
    assert (files_in(channel.embedding_folder), files_in(channel.augmented_folder)) == (names("a"), set())


def test_an_edition_has_a_folder_of_its_own_so_that_no_other_can_hold_its_files(lake):
    tier = lake.tier("competition")
    one = embedded(tier.partition("one2019"), CLEAN, "a")
    two = embedded(tier.partition("two2019"), CLEAN, "a")
    pruner(one)("yt_a")
    assert (files_in(one.embedding_folder), files_in(two.embedding_folder)) == (set(), names("a"))


def test_files_are_looked_up_when_the_first_recording_is_pruned(lake):
    one = lake.tier("youtube").partition("one")
    drop = pruner(one)
    embedded(one, CLEAN, "ab")
    drop("yt_a")
    assert files_in(one.embedding_folder) == names("b")


# what nobody owns


@PRODUCTS
def test_orphans_are_files_that_no_row_of_any_partition_names(lake, product):
    tier = lake.tier("youtube")
    one = embedded(tier.partition("one"), product, "a")
    embedded(tier.partition("two"), product, "b")
    (product.folder(one) / "yt_z_seg000.pt").write_bytes(b"-")
    assert orphans(one, product) == ["yt_z_seg000.pt"]
    drop_orphans(one, product)
    assert files_in(product.folder(one)) == names("a", "b")


def test_what_another_partition_is_about_to_commit_is_no_orphan_and_ones_own_is(lake):
    tier = lake.tier("youtube")
    one, two = embedded(tier.partition("one"), CLEAN, "a"), embedded(tier.partition("two"), CLEAN, "b")
    for partition in (one, two):
        EMBEDDINGS.write(partition.stage("embeddings").table, [])
    assert orphans(one) == sorted(names("a"))
    assert orphans(two) == sorted(names("b"))


def test_an_embedding_of_one_product_is_an_orphan_of_the_other(lake):
    channel = embedded(lake.tier("youtube").partition("one"), CLEAN, "a")
    channel.augmented_folder.mkdir()
    (channel.augmented_folder / "yt_a_seg000.pt").write_bytes(b"-")
    assert orphans(channel) == []
    assert orphans(channel, PAIRS) == ["yt_a_seg000.pt"]
