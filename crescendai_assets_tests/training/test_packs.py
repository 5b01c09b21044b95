"""Packs hold what the files hold, know when they are stale, and survive a kill."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
import warnings
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch  # noqa: TID253

from crescendai_assets.embeddings.identity import IDENTITY_FILE, EncoderIdentity
from crescendai_assets.embeddings.store import embedding_path, write_embedding
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.journal import locked
from crescendai_assets.lake.layout import open_lake
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training import packing
from crescendai_assets.training.packing import check_pack, embeddings_of, plan_pack, state_of, write_pack
from crescendai_assets.training.packs import EmbeddingFiles, EmbeddingPack, pack_files, pack_on_disk
from crescendai_assets_tests.builders import contents
from crescendai_assets_tests.killable import start
from crescendai_assets_tests.training.embedded import embedded_year

IDENTITY = EncoderIdentity("some/checkpoint", "abc", (9, 10, 11, 12), 8, "fp32")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def made(root):
    return {
        **embedded_year(root, "2004", {"b": [30.0, 10.0], "c": [30.0]}),
        **embedded_year(root, "2006", {"a": [10.0]}, seed=1),
    }


@pytest.fixture
def tier(root, made):
    return open_lake(root).tier("maestro")


def same(embeddings, made) -> bool:
    return list(embeddings) == sorted(made) and all(torch.equal(embeddings[key], made[key]) for key in made)


def test_a_pack_gives_what_the_files_give(tier, made):
    assert write_pack(plan_pack(tier))
    packed, files = embeddings_of(tier, packed=True), embeddings_of(tier, packed=False)
    assert (type(packed), type(files)) == (EmbeddingPack, EmbeddingFiles)
    assert same(packed, made)
    assert same(files, made)
    assert same(EmbeddingFiles(tier.embeddings()), made)
    assert "b_seg000" in packed
    assert "b_seg009" not in packed
    with pytest.raises(KeyError):
        packed["b_seg009"]
    plain = np.load(pack_files(tier).array, mmap_mode="r")
    assert (plain.shape, plain.dtype) == ((sum(map(len, made.values())), 1024), np.float32)
    row = next(row for row in read_rows(pack_files(tier).index) if row["segment_id"] == "b_seg001")
    assert np.array_equal(plain[row["start"] : row["start"] + row["frames"]], made["b_seg001"])


def test_a_second_run_writes_nothing_and_leaves_only_array_and_index(tier):
    assert write_pack(plan_pack(tier))
    before = contents(pack_files(tier).array.parent)
    assert set(before) == {"embeddings.npy", "embeddings.jsonl", ".embeddings.lock"}
    stamp = pack_files(tier).array.stat().st_mtime_ns
    assert not write_pack(plan_pack(tier))
    assert pack_files(tier).array.stat().st_mtime_ns == stamp
    assert check_pack(plan_pack(tier), deep=True).passed


def test_half_precision_is_read_as_float32_and_stays_near(tier, made):
    write_pack(plan_pack(tier, dtype="float16"))
    packed = embeddings_of(tier, packed=True)
    assert isinstance(packed, EmbeddingPack)
    assert packed.dtype == "float16"
    assert packed["c_seg000"].dtype == torch.float32
    assert torch.allclose(packed["c_seg000"], made["c_seg000"], atol=2e-3)
    assert not torch.equal(packed["c_seg000"], made["c_seg000"])
    assert check_pack(plan_pack(tier, dtype="float16"), deep=True).passed
    assert write_pack(plan_pack(tier)), "another type is another pack"
    assert same(embeddings_of(tier, packed=True), made)


def change(tier, segment_id):
    """Embed a segment anew, as its asset would."""
    partition = tier.partition("2004")
    table = partition.stage("embeddings").table
    size, sha256 = write_embedding(partition.embedding_folder, segment_id, torch.ones(93, 1024))
    rows = [
        {**row, "sha256": sha256, "bytes": size} if row["segment_id"] == segment_id else row for row in read_rows(table)
    ]
    EMBEDDINGS.write(table, rows)


def test_a_stale_pack_is_noticed_passed_over_and_written_again(tier, made):
    write_pack(plan_pack(tier))
    assert state_of(tier) == ""
    change(tier, "c_seg000")
    assert "the embeddings have changed since it was packed; materialize maestro/pack" in state_of(tier)
    assert not check_pack(plan_pack(tier)).passed
    with pytest.raises(SetupError, match="have changed"):
        embeddings_of(tier, packed=True)
    with pytest.warns(UserWarning, match="read instead"):
        found = embeddings_of(tier)
    assert isinstance(found, EmbeddingFiles)
    assert torch.equal(found["c_seg000"], torch.ones(93, 1024))
    assert write_pack(plan_pack(tier))
    assert same(embeddings_of(tier, packed=True), {**made, "c_seg000": torch.ones(93, 1024)})


def test_a_segment_that_was_cut_away_leaves_the_pack(tier):
    write_pack(plan_pack(tier))
    table = tier.partition("2006").stage("embeddings").table
    EMBEDDINGS.write(table, [])
    assert "have changed" in state_of(tier)
    write_pack(plan_pack(tier))
    assert "a_seg000" not in embeddings_of(tier, packed=True)


def test_without_a_pack_files_are_read_and_nothing_is_said(tier, made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(embeddings_of(tier), made)
    with pytest.raises(SetupError, match="no pack; materialize maestro/pack"):
        embeddings_of(tier, packed=True)
    with pytest.raises(SetupError, match="maestro has no 'augmented_pairs'"):
        embeddings_of(tier, "augmented_pairs")


def test_a_tier_without_embeddings_makes_an_empty_pack(tmp_path):
    tier = open_lake(tmp_path).tier("competition")
    assert write_pack(plan_pack(tier))
    assert len(embeddings_of(tier, packed=True)) == 0
    assert not write_pack(plan_pack(tier))


def test_a_file_that_is_gone_or_altered_is_named_and_the_old_pack_stays(tier):
    write_pack(plan_pack(tier))
    change(tier, "c_seg000")
    before = {name: data for name, data in contents(pack_files(tier).array.parent).items() if not name.startswith(".")}
    path = embedding_path(tier.embeddings(), "c_seg000")
    whole = path.read_bytes()
    for broken, said in ((whole[:-9], "not those recorded"), (None, "is gone; materialize maestro/embeddings again")):
        path.unlink() if broken is None else path.write_bytes(broken)
        with pytest.raises(SetupError, match=f"c_seg000.pt: .*{said}"):
            write_pack(plan_pack(tier))
        after = contents(pack_files(tier).array.parent)
        assert {name: data for name, data in after.items() if not name.startswith(".")} == before
        assert not [name for name in after if name.endswith(".tmp")]


def test_numbers_too_large_for_half_precision_are_refused(tier):
    partition = tier.partition("2006")
    size, sha256 = write_embedding(partition.embedding_folder, "a_seg000", torch.full((31, 1024), 1e6))
    table = partition.stage("embeddings").table
    EMBEDDINGS.write(table, [{**row, "sha256": sha256, "bytes": size} for row in read_rows(table)])
    with pytest.raises(SetupError, match="too large for float16; pack as float32"):
        write_pack(plan_pack(tier, dtype="float16"))
    assert write_pack(plan_pack(tier))
    with pytest.raises(SetupError, match="dtype is 'int8'; give float32 or float16"):
        plan_pack(tier, dtype="int8")


def test_an_array_that_was_tampered_with_fails_its_check(tier):
    planned = plan_pack(tier)
    write_pack(planned)
    array = np.load(pack_files(tier).array, mmap_mode="r+")
    array[70] += 1
    array.flush()
    assert check_pack(planned, deep=True).rows[0]["fault"].startswith("the pack holds something else than its file")
    pack_files(tier).array.write_bytes(b"no array")
    assert not check_pack(planned).passed
    with pytest.raises(SetupError, match="cannot be read"):
        EmbeddingPack(pack_files(tier))["a_seg000"]
    assert write_pack(planned)
    assert check_pack(planned, deep=True).passed


def test_an_index_of_another_array_is_refused(tier):
    write_pack(plan_pack(tier))
    index = pack_files(tier).index
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(SetupError, match="its index counts"):
        EmbeddingPack(pack_files(tier))
    assert pack_on_disk(pack_files(tier)).digest == ""


def test_embeddings_of_two_encoders_make_no_pack(root):
    lake = open_lake(root)
    for edition, identity in (("one2020", IDENTITY), ("two2021", replace(IDENTITY, precision="bf16"))):
        embed_edition(lake.tier("competition").partition(edition), identity)
    tier = lake.tier("competition")
    assert len(plan_pack(tier).rows) == 2, "precision is no other encoder"
    embed_edition(tier.partition("two2021"), replace(IDENTITY, revision="def"))
    with pytest.raises(SetupError, match="embeddings of two encoders make no pack"):
        plan_pack(tier)


def embed_edition(partition, identity):
    row = {
        "segment_id": f"{partition.key}_seg000",
        "recording_id": partition.key,
        "source_sha256": "0" * 64,
        "segment_start": 0.0,
        "n_valid": 9_600,
    }
    from crescendai_assets.embeddings.folder import CLEAN, write_embeddings

    partition.folder.mkdir(parents=True, exist_ok=True)
    partition.stage("segments").table.write_text(json.dumps(row) + "\n")
    rows = write_embeddings(
        partition.embedding_folder, partition.key, [(row, torch.ones(1, 1024), {})], identity.digest
    )
    EMBEDDINGS.write(partition.stage(CLEAN.asset).table, rows)
    (partition.embedding_folder / IDENTITY_FILE).write_text(json.dumps(asdict(identity)))


def test_an_embedding_of_an_earlier_cut_is_not_packed(root):
    partition = open_lake(root).tier("competition").partition("one2020")
    embed_edition(partition, IDENTITY)
    assert len(plan_pack(partition.tier).rows) == 1
    table = partition.stage("segments").table
    table.write_text(table.read_text().replace('"n_valid": 9600', '"n_valid": 19200'))
    assert plan_pack(partition.tier).rows == []


def test_two_writers_do_not_meet(tier):
    write_pack(plan_pack(tier))
    change(tier, "c_seg000")
    with locked(packing._stage(plan_pack(tier)), "pack"), pytest.raises(SetupError, match="another run"):
        write_pack(plan_pack(tier))


def sums(pack, answers):
    answers.put({key: float(values.sum()) for key, values in pack.items()})


def test_another_process_opens_the_pack_itself(tier, made):
    write_pack(plan_pack(tier))
    pack = embeddings_of(tier, packed=True)
    assert pack["b_seg000"].shape == (93, 1024)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    worker = context.Process(target=sums, args=(pack, answers), daemon=True)
    worker.start()
    found = answers.get(timeout=60)
    worker.join()
    assert found == {key: float(values.sum()) for key, values in made.items()}


def test_a_run_killed_while_it_writes_leaves_the_old_pack_and_the_next_run_ends_as_if_never_killed(root):
    embedded_year(root, "2004", {"old": [30.0] * 10})
    tier = open_lake(root).tier("maestro")
    write_pack(plan_pack(tier))
    old = pack_on_disk(pack_files(tier))
    embedded_year(root, "2006", {f"new{number}": [30.0] * 20 for number in range(10)})
    folder = pack_files(tier).array.parent
    process = start("training.pack_process", root)
    try:
        while not (left := [p for p in folder.glob(".*.tmp") if p.stat().st_size > 1_000_000]):
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert left[0].exists(), "the run ended before it was killed: the test has shown nothing"
    assert pack_on_disk(pack_files(tier)) == old
    assert "have changed" in state_of(tier)
    again = start("training.pack_process", root)
    said, _ = again.communicate(timeout=60)
    assert said.split() == ["begun", "written"]
    killed = contents(folder)
    assert set(killed) == {"embeddings.npy", "embeddings.jsonl", ".embeddings.lock"}
    for path in (pack_files(tier).array, pack_files(tier).index):
        path.unlink()
    write_pack(plan_pack(tier))
    undisturbed = contents(folder)
    assert killed["embeddings.npy"] == undisturbed["embeddings.npy"]
    assert killed["embeddings.jsonl"] == undisturbed["embeddings.jsonl"]
    assert check_pack(plan_pack(tier), deep=True).passed
