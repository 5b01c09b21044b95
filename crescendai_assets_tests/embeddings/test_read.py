from __future__ import annotations

import numpy as np
import pytest

import crescendai_assets
from crescendai_assets.embeddings.importing import import_partition, imported_identity
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import open_lake
from crescendai_assets_tests.builders import write_segments


def fill(root, tier, key, seconds, embedding_set="", seed=0):
    """Segments of one partition and random embeddings for all but the last recording's."""
    import torch

    partition = open_lake(root).tier(tier, embedding_set).partition(key)
    rows = write_segments(partition, seconds)
    generator = torch.Generator().manual_seed(seed)
    given = {
        row["segment_id"]: torch.randn(row["n_valid"] // 960 // 8, 1024, generator=generator)
        for row in rows
        if row["recording_id"] != max(seconds)
    }
    source = root / f"given-{key}{embedding_set}.pt"
    torch.save(given, source)
    import_partition(partition, source, imported_identity({}))
    return {key: value.numpy() for key, value in given.items()}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def two_years(root):
    root.mkdir()
    return {
        **fill(root, "maestro", "2004", {"b": [30.0, 10.0], "c": [30.0], "x": [30.0]}),
        **fill(root, "maestro", "2006", {"a": [30.0], "y": [30.0]}, seed=1),
    }


def test_a_tier_loads_as_a_table_and_embeddings_in_the_same_order(root, two_years):
    table, embeddings = crescendai_assets.load("maestro", root=root)
    assert list(table["segment_id"]) == ["b_seg000", "b_seg001", "c_seg000", "a_seg000"]
    assert list(table["partition"]) == ["2004", "2004", "2004", "2006"]
    assert list(table["frames"]) == list(embeddings.frames) == [93, 31, 93, 93]
    assert {"segment_id", "canonical_title", "performer_id", "split", "segment_start"} <= set(table.columns)
    assert len(embeddings) == len(table) == 4
    for place, segment_id in enumerate(table["segment_id"]):
        assert np.array_equal(embeddings[place], two_years[segment_id])
    assert embeddings[0].dtype == np.float32


def test_one_partition_loads_alone(root, two_years):
    table, embeddings = crescendai_assets.load("maestro", "2006", root=root)
    assert list(table["segment_id"]) == ["a_seg000"]
    assert np.array_equal(embeddings[0], two_years["a_seg000"])


def test_the_root_is_that_of_the_environment(root, two_years, monkeypatch):
    monkeypatch.setenv("CRESCENDAI_DATA", str(root))
    assert len(crescendai_assets.load("maestro").table) == 4


def test_embeddings_are_read_when_asked_for_and_not_before(root, two_years):
    embeddings = crescendai_assets.load("maestro", root=root).embeddings
    (root / "maestro_cache" / "muq_embeddings" / "b_seg001.pt").unlink()
    part = embeddings[:3]
    assert len(part) == 3
    assert "3 embeddings of (frames, 1024), 217 frames, read when asked for" in repr(part)
    assert part[0].shape == (93, 1024)
    with pytest.raises(FileNotFoundError):
        part[1]


def test_slices_lists_masks_and_negative_indices_choose(root, two_years):
    table, embeddings = crescendai_assets.load("maestro", root=root)
    names = list(table["segment_id"])

    def are(chosen, expected):
        assert [len(e) for e in chosen] == list(chosen.frames)
        assert all(np.array_equal(e, two_years[n]) for e, n in zip(chosen, expected, strict=True))

    are(embeddings[1:3], names[1:3])
    are(embeddings[::-1], names[::-1])
    are(embeddings[[3, 0, 0]], [names[3], names[0], names[0]])
    are(embeddings[(table["frames"] == 93).to_numpy()], [names[0], names[2], names[3]])
    are(embeddings[table["frames"] == 31], [names[1]])
    are(embeddings[[]], [])
    are(embeddings[np.array([1, 2])][[1]], [names[2]])
    assert np.array_equal(embeddings[-1], two_years[names[-1]])
    assert np.array_equal(embeddings[int(np.int64(1))], two_years[names[1]])
    with pytest.raises(IndexError):
        embeddings[4]


def test_pooling_over_time_gives_one_row_a_segment(root, two_years):
    table, embeddings = crescendai_assets.load("maestro", root=root)
    pooled = embeddings.pooled()
    assert pooled.shape == (4, 1024)
    assert pooled.dtype == np.float32
    assert np.allclose(pooled[1], two_years[table["segment_id"][1]].mean(axis=0), atol=1e-6)
    assert embeddings[[]].pooled().shape == (0, 1024)


def test_a_competition_is_read_from_the_folder_of_its_edition(root):
    root.mkdir()
    given = fill(root, "competition", "chopin2021", {"p": [30.0], "z": [30.0]})
    table, embeddings = crescendai_assets.load("competition", root=root)
    assert list(table["segment_id"]) == ["p_seg000"]
    assert np.array_equal(embeddings[0], given["p_seg000"])


def test_another_set_of_embeddings_is_read_by_name(root, two_years):
    other = fill(root, "maestro", "2004", {"b": [30.0], "x": [30.0]}, "mert", seed=9)
    table, embeddings = crescendai_assets.load("maestro", root=root, embedding_set="mert")
    assert list(table["segment_id"]) == ["b_seg000"]
    assert np.array_equal(embeddings[0], other["b_seg000"])


def test_nothing_embedded_and_an_unknown_tier_say_what_to_do(root):
    with pytest.raises(SetupError, match=r"nothing of maestro is embedded under .*materialize maestro/embeddings"):
        crescendai_assets.load("maestro", root=root)
    with pytest.raises(SetupError, match="nothing of maestro 2004 is embedded"):
        crescendai_assets.load("maestro", "2004", root=root)
    with pytest.raises(SetupError, match="no tier 'maestor'"):
        crescendai_assets.load("maestor", root=root)


def test_a_segment_that_was_cut_otherwise_since_is_left_out_until_it_is_embedded_again(root, two_years):
    year = open_lake(root).tier("maestro").partition("2004")
    write_segments(year, {"b": [20.0, 10.0], "c": [30.0], "x": [30.0]})
    table, _ = crescendai_assets.load("maestro", "2004", root=root)
    assert list(table["segment_id"]) == ["b_seg001", "c_seg000"]
