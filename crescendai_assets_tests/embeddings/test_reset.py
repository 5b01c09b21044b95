"""A set of embeddings goes as a whole, clean and augmented, rows first; nothing else goes with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crescendai_assets.embeddings.identity import IDENTITY_FILE
from crescendai_assets.embeddings.reset import plan_reset, reset
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.journal import open_journal, write_last_run
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS, EMBEDDINGS, FAILURES
from crescendai_assets.lake.tables import Table
from crescendai_assets_tests.builders import contents, embedding_row, write_segments

TABLES: dict[str, Table] = {"embeddings": EMBEDDINGS, "augmented_pairs": AUGMENTED_PAIRS}


def embed(tier: Tier, key: str, *assets: str) -> Partition:
    """A partition of two segments, embedded: tables, files, identity, and what runs leave beside them."""
    partition = tier.partition(key)
    write_segments(partition, {key: [30, 30]})
    for asset in assets or ("embeddings",):
        files = partition.stage(asset)
        rows = [embedding_row(key, n, preset="p", effects=[{}], lag_seconds=0.0) for n in range(2)]
        TABLES[asset].write(files.table, rows)
        FAILURES.write(files.ledger, [])
        write_last_run(files, {"seconds": 1.0, "audio_seconds": 1.0})
        files.journal.write_text(json.dumps({"recording_id": key, "rows": []}) + "\n")
        folder = partition.augmented_folder if asset == "augmented_pairs" else partition.embedding_folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / IDENTITY_FILE).write_text("{}")
        for row in rows:
            (folder / f"{row['segment_id']}.pt").write_bytes(b"-" * 10)
    return partition


def tier_of(tmp_path: Path, name: str, embedding_set: str = "") -> Tier:
    return Lake(tmp_path / "data").tier(name, embedding_set)


def tables_of(partition: Partition, asset: str) -> list[Path]:
    files = partition.stage(asset)
    return [path for path in (files.table, files.journal, files.ledger, files.last_run) if path.exists()]


def test_a_reset_takes_tables_ledgers_journals_and_files_of_all_partitions(tmp_path: Path):
    tier = tier_of(tmp_path, "maestro")
    years = [embed(tier, key) for key in ("2004", "2006")]
    removed = reset(tier)
    assert (removed.partitions, removed.rows, removed.embeddings, removed.bytes) == (("2004", "2006"), 4, 4, 42)
    assert removed.assets == ("embeddings",)
    assert not tier.embeddings().exists()
    assert [tables_of(year, "embeddings") for year in years] == [[], []]
    assert all(year.stage("segments").table.exists() for year in years)
    assert not (years[0].folder / "journal" / "augmented_pairs.lock").exists(), (
        "a tier without pairs has no trace of them"
    )


def test_a_reset_of_channels_takes_the_augmented_ones_along(tmp_path: Path):
    tier = tier_of(tmp_path, "youtube")
    one, two = embed(tier, "one", "embeddings", "augmented_pairs"), embed(tier, "two", "augmented_pairs")
    removed = reset(tier)
    assert (removed.rows, removed.embeddings, removed.partitions) == (6, 6, ("one", "two"))
    assert removed.assets == ("embeddings", "augmented_pairs")
    assert not tier.embeddings().exists()
    assert not tier.embeddings(augmented=True).exists()
    assert [tables_of(p, asset) for p in (one, two) for asset in TABLES] == [[], [], [], []]
    assert one.stage("segments").table.exists()


def test_a_reset_of_a_named_set_leaves_the_other_set_and_its_pairs_alone(tmp_path: Path):
    plain, named = tier_of(tmp_path, "youtube"), tier_of(tmp_path, "youtube", "other")
    for tier in (plain, named):
        embed(tier, "one", "embeddings", "augmented_pairs")
    before = contents(plain.embeddings()), contents(plain.embeddings(augmented=True))
    removed = reset(named)
    assert removed.embeddings == 4
    assert (contents(plain.embeddings()), contents(plain.embeddings(augmented=True))) == before
    assert len(tables_of(plain.partition("one"), "augmented_pairs")) == 4
    assert not named.embeddings(augmented=True).exists()


def test_an_edition_has_folders_of_its_own_and_its_order_stays(tmp_path: Path):
    tier = tier_of(tmp_path, "competition")
    editions = [embed(tier, key) for key in ("chopin2021", "leeds2021")]
    editions[0].stage("ordinal").table.write_text("")
    reset(tier)
    assert not any(edition.embedding_folder.exists() for edition in editions)
    assert editions[0].stage("ordinal").table.exists(), "compiled: its asset writes it anew"


@pytest.mark.parametrize("asset", ["embeddings", "augmented_pairs"])
def test_a_run_of_either_asset_keeps_all_as_it_is(tmp_path: Path, asset: str):
    tier = tier_of(tmp_path, "youtube")
    one = embed(tier, "one", "embeddings", "augmented_pairs")
    with open_journal(one.stage(asset), TABLES[asset], asset):
        for action in (plan_reset, reset):
            with pytest.raises(SetupError, match="another run"):
                action(tier)
    assert plan_reset(tier).embeddings == 4


def test_a_reset_that_is_killed_midway_is_finished_by_a_second_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tier = tier_of(tmp_path, "youtube")
    embed(tier, "one", "embeddings", "augmented_pairs")
    planned = plan_reset(tier)
    gone: list[Path] = []
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".pt" and any(p.suffix == ".pt" for p in gone):
            raise KeyboardInterrupt
        gone.append(path)
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            reset(tier)
    assert gone[: len(planned.tables)] == list(planned.tables), "rows first"
    folders = (tier.embeddings(), tier.embeddings(augmented=True))
    assert all((folder / IDENTITY_FILE).exists() for folder in folders), "and whose the files are, last"
    assert plan_reset(tier).embeddings == 3
    reset(tier)
    assert not any(folder.exists() for folder in folders)


def test_a_reset_leaves_other_files_alone(tmp_path: Path):
    tier = tier_of(tmp_path, "maestro")
    kept = embed(tier, "2004").embedding_folder / "notes.txt"
    kept.write_text("mine")
    reset(tier)
    assert list(kept.parent.iterdir()) == [kept]
