"""Embeddings of whole clips: pieces of 30 s in one file, as the pieces alone; imports; what is stale and whose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import crescendai_assets
from crescendai_assets.audio import load_audio
from crescendai_assets.embeddings.clip_import import import_clips
from crescendai_assets.embeddings.clips import check_one_per_clip, leave_as_they_are, wanted_of_clips
from crescendai_assets.embeddings.folder import CLEAN, committed_embeddings, files_in, orphans
from crescendai_assets.embeddings.identity import EncoderSpec, read_identity
from crescendai_assets.embeddings.importing import imported_identity
from crescendai_assets.embeddings.muq import MuQEncoder, MuQExtractor, pieces_of, pooled_frames
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.embeddings.reset import reset
from crescendai_assets.embeddings.store import read_embedding
from crescendai_assets.embeddings.verify import check_files, check_finite_and_shaped
from crescendai_assets.labels.clips import key_of
from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.stage import Options
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import check_schema
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.percepiano_clips import CLIP_RULE, collect_clips, list_clips
from crescendai_assets_tests.clips_folder import A, B, C, D, write_clip, write_clips
from crescendai_assets_tests.labels.rated import tier as rated_tier

RATED = [A, B, C, D]
UNVERIFIED = imported_identity({})
SECONDS = 24_000


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("tiny") / "muq", depth=1, ffn=16, conv_dim=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A lake whose four clips are rated."""
    rated_tier(tmp_path / "lake", RATED)
    return tmp_path / "lake"


@pytest.fixture
def tier(root: Path) -> Partition:
    return open_lake(root).tier("percepiano").partition()


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return tmp_path / "audio"


def encoder(folder: Path, **settings) -> MuQEncoder:
    return MuQEncoder(EncoderSpec(checkpoint=str(folder), device="cpu", **settings))


def embed(tier: Partition, audio: Path, made_by: MuQEncoder, options: Options = Options()):
    collect_clips(tier, list_clips(audio, RATED, key_of), options=options)
    return embed_partition(tier, made_by, AudioFiles(tier.tier, audio), CLIP_RULE, options=options)


def take(tier: Partition, source: Path, identity=UNVERIFIED, options: Options = Options()):
    return import_clips(tier, source, RATED, key_of, identity, options=options)


def frames(tier: Partition) -> dict[str, int]:
    return {row["segment_id"]: row["frames"] for row in CLEAN.rows(tier)}


def failures(tier: Partition):
    return read_failures(tier.stage("embeddings").ledger)


def sound(tier: Partition) -> bool:
    verdicts = (
        check_one_per_clip(tier, RATED),
        check_files(tier, deep=True),
        check_finite_and_shaped(tier, deep=True),
        check_schema(EMBEDDINGS, list(CLEAN.rows(tier))),
    )
    return all(verdict.passed for verdict in verdicts)


# ------------------------------------------------------------------------------------------------------------ of audio


def test_pieces_and_their_frames_add_up():
    assert pieces_of(65 * SECONDS) == [(0, 720_000), (720_000, 1_440_000), (1_440_000, 1_560_000)]
    assert pieces_of(30 * SECONDS) == [(0, 720_000)]
    assert pieces_of(30 * SECONDS + 240) == [(0, 720_000)], "a rest too short for a pooled frame is left out"
    for n in (1, 7680, 96_000, 720_000, 720_240, 1_000_001, 1_440_000, 2_256_000):
        for pool in (1, 8):
            assert pooled_frames(n, pool) == sum(
                pooled_frames(stop - start, pool) for start, stop in pieces_of(n, pool)
            )


def test_a_clip_of_any_length_is_one_file_equal_to_its_pieces_encoded_alone(tier, audio, tiny):
    import torch

    write_clips(audio, {A: 4.4, B: 65.0, C: 30.0, D: 30.1})
    made_by = encoder(tiny)
    report = embed(tier, audio, made_by)
    assert (report.succeeded, report.failures) == (4, ())
    assert frames(tier) == {A: 13, B: 93 + 93 + 15, C: 93, D: 93}
    assert files_in(tier.embedding_folder) == {f"{key}.pt" for key in RATED}
    extractor = MuQExtractor(str(tiny), device="cpu")
    for key in RATED:
        stored = read_embedding(tier.embedding_folder / f"{key}.pt")
        assert torch.equal(stored, extractor.extract_from_file(audio / f"{key}.wav"))
    samples, _ = load_audio(audio / f"{B}.wav")
    alone = torch.cat([made_by.encode([samples[start:stop]])[0] for start, stop in pieces_of(len(samples))])
    assert torch.equal(read_embedding(tier.embedding_folder / f"{B}.pt"), alone)
    assert sound(tier)


def test_batches_across_clips_mask_the_last_pieces(tier, audio, tiny):
    import torch

    write_clips(audio, {A: 4.4, B: 36.0, C: 41.0})
    embed(tier, audio, encoder(tiny, batch_size=4))
    extractor = MuQExtractor(str(tiny), device="cpu")
    for key in (A, B, C):
        stored = read_embedding(tier.embedding_folder / f"{key}.pt")
        alone = extractor.extract_from_file(audio / f"{key}.wav")
        assert torch.allclose(stored, alone, atol=1e-5), (stored - alone).abs().max()


def test_a_second_run_does_nothing_and_only_another_sound_is_embedded_again(tier, audio, tiny):
    write_clips(audio, {A: 5, B: 32, C: 5})
    made_by = encoder(tiny)
    embed(tier, audio, made_by)
    assert embed(tier, audio, made_by).plan.pending == ()
    write_clip(audio, B, 33, seed=1)
    collect_clips(tier, list_clips(audio, RATED, key_of))
    assert [row["id"] for row in check_one_per_clip(tier, RATED).rows] == [B]
    report = embed(tier, audio, made_by)
    assert report.plan.stale == (B,)
    assert frames(tier) == {A: 15, B: 93 + 9, C: 15}
    (tier.embedding_folder / f"{C}.pt").unlink()
    assert embed(tier, audio, made_by).plan.stale == (C,)
    assert wanted_of_clips(tier, made_by.identity) == committed_embeddings(tier)


def test_a_clip_that_left_is_pruned_with_its_file_and_no_other(tier, audio, tiny):
    write_clips(audio, {A: 5, B: 5})
    made_by = encoder(tiny)
    embed(tier, audio, made_by)
    (audio / f"{A}.wav").unlink()
    assert embed(tier, audio, made_by).rows == 2
    embed(tier, audio, made_by, Options(prune=True))
    assert (set(frames(tier)), files_in(tier.embedding_folder)) == ({B}, {f"{B}.pt"})
    assert orphans(tier) == []


def test_a_clip_that_is_gone_before_it_is_embedded_costs_no_other(tier, audio, tiny):
    write_clips(audio, {A: 5, B: 40})
    collect_clips(tier, list_clips(audio, RATED, key_of))
    (audio / f"{B}.wav").unlink()
    report = embed_partition(tier, encoder(tiny), AudioFiles(tier.tier, audio), CLIP_RULE)
    assert (report.succeeded, report.failed_now) == (1, 1)
    assert "the audio is gone" in failures(tier)[B].message
    verdict = check_one_per_clip(tier, RATED)
    assert verdict.passed, "a failure is in the ledger, not a fault of the tables"
    assert verdict.facts["clips_without_embedding"] == 1


# ------------------------------------------------------------------------------------------------------------- imported


def tensor(rows: int, width: int = 1024, seed: int = 0):
    import torch

    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def save(folder: Path, tensors) -> Path:
    import torch

    folder.mkdir(exist_ok=True)
    for key, value in tensors.items():
        torch.save(value, folder / f"{key}.pt")
    return folder


def save_one(path: Path, tensors) -> Path:
    import torch

    torch.save(tensors, path)
    return path


SAVES = pytest.mark.parametrize("save", [save, save_one])


@SAVES
def test_embeddings_of_any_length_are_taken_unknown_keys_are_named(tier, tmp_path, save):
    import torch

    given = {A: tensor(13), f" {B}": tensor(293, seed=1).half(), "Schubert_D960_mv2_8bars_1_05": tensor(9)}
    report = take(tier, save(tmp_path / "given", given))
    assert (report.succeeded, report.failures) == (2, ())
    assert frames(tier) == {A: 13, B: 293}
    assert torch.equal(read_embedding(tier.embedding_folder / f"{A}.pt"), given[A])
    assert read_embedding(tier.embedding_folder / f"{B}.pt").dtype == torch.float32
    assert report.facts["imported_keys_of_no_rated"] == 1
    assert report.facts["names_of_imported_keys_of_no_rated"] == "Schubert_D960_mv2_8bars_1_05"
    assert report.facts["rated_and_not_in_the_import"] == 2
    identity = read_identity(tier.embedding_folder)
    assert identity is not None
    assert (identity.checkpoint, identity.trained) == ("imported", None)
    assert sound(tier)


@SAVES
def test_an_import_again_does_nothing_and_only_what_is_another_is_taken_again(tier, tmp_path, save):
    given = {A: tensor(13), B: tensor(20, seed=1)}
    source = save(tmp_path / "given", given)
    take(tier, source)
    assert take(tier, source).plan.pending == ()
    save(source, {A: given[A], B: tensor(20, seed=2)})
    assert take(tier, source).plan.stale == (B,)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: tensor(31, 768), r"embedding of shape (31, 768), expected (frames, 1024)"),
        (lambda: tensor(31)[None], r"embedding of shape (1, 31, 1024)"),
        (lambda: tensor(31)[0], r"embedding of shape (1024,)"),
        (lambda: tensor(31)[:0], r"embedding of shape (0, 1024)"),
        (lambda: tensor(31) / 0, "holds values that are not finite"),
        (lambda: [1.0, 2.0], "holds list, expected a tensor"),
    ],
)
@SAVES
def test_a_wrong_shape_or_value_goes_to_the_ledger_until_it_is_mended(tier, tmp_path, save, wrong, told):
    source = save(tmp_path / "given", {A: tensor(13), B: wrong()})
    report = take(tier, source)
    assert (report.succeeded, report.failed_now) == (1, 1)
    assert told in failures(tier)[B].message
    assert failures(tier)[B].error_class == "permanent"
    assert take(tier, source).plan.waiting == (B,)
    save(source, {A: tensor(13), B: tensor(31)})
    assert (take(tier, source).succeeded, failures(tier)) == (1, {})


def test_a_file_that_is_no_tensor_and_two_of_one_clip_are_told(tier, tmp_path):
    source = save(tmp_path / "given", {A: tensor(13), C: tensor(9), f" {C}": tensor(9)})
    (source / f"{B}.pt").write_bytes(b"no tensor")
    report = take(tier, source)
    assert frames(tier) == {A: 13}
    assert report.failed_now == 1
    told = {key: one.message for key, one in failures(tier).items()}
    assert "not a tensor that loads with weights_only=True" in told[B]
    assert "are both of it; keep one" in told[C]


def test_an_import_of_no_rated_clip_is_refused(tier, tmp_path):
    with pytest.raises(SetupError, match=r"holds no embedding of a rated clip \(it holds x\)"):
        take(tier, save_one(tmp_path / "given.pt", {"x": tensor(9)}))
    with pytest.raises(SetupError, match="no such file or folder"):
        take(tier, tmp_path / "nowhere.pt")
    assert not tier.embedding_folder.exists()


def test_embeddings_of_25_frames_a_second_are_doubted(tier, tmp_path):
    source = save_one(tmp_path / "given.pt", {A: tensor(2000)})
    assert "import_identity {temporal_pool: 1}" in take(tier, source).facts["doubt"]
    reset(tier.tier)
    assert "doubt" not in take(tier, source, imported_identity({"temporal_pool": 1})).facts


def test_an_import_and_an_encoder_do_not_share_a_folder_unless_they_are_the_same(tier, audio, tmp_path, tiny):
    write_clips(audio, {A: 5, B: 5})
    made_by = encoder(tiny)
    source = save_one(tmp_path / "given.pt", {A: tensor(15)})
    take(tier, source)
    with pytest.raises(SetupError, match="crescendai embeddings reset percepiano"):
        embed(tier, audio, made_by)
    reset(tier.tier)
    given = {"checkpoint": made_by.identity.checkpoint, "revision": made_by.identity.revision, "precision": "fp32"}
    same = imported_identity({**given, "layers": list(made_by.identity.layers), "trained": False})
    assert same == made_by.identity
    take(tier, source, same)
    report = embed(tier, audio, made_by)
    assert report.plan.new == (B,), "what was imported of the same encoder stays"
    assert sound(tier)
    assert take(tier, source, same, Options(prune=True)).plan.pending == ()
    assert set(frames(tier)) == {A, B}, "what was made of audio stays, too"


def test_an_imported_file_that_is_gone_is_told_by_a_run_without_a_source(tier, tmp_path):
    take(tier, save_one(tmp_path / "given.pt", {A: tensor(13), B: tensor(13)}))
    assert leave_as_they_are(tier).plan.pending == ()
    (tier.embedding_folder / f"{A}.pt").unlink()
    report = leave_as_they_are(tier)
    assert "is gone; import it again" in report.failures[0].message
    assert not check_files(tier).passed
    assert take(tier, tmp_path / "given.pt").plan.stale == (A,)
    assert failures(tier) == {}


def test_nothing_at_all_leaves_an_empty_table_and_claims_no_folder(tier):
    report = leave_as_they_are(tier)
    assert (report.rows, report.plan.pending, report.facts) == (0, (), {})
    assert not tier.embedding_folder.exists()
    assert check_one_per_clip(tier, RATED).passed


# ----------------------------------------------------------------------------------------------- what others make of it


def test_embeddings_of_a_clip_that_is_no_longer_rated_are_named(tier, tmp_path):
    take(tier, save_one(tmp_path / "given.pt", {A: tensor(13), B: tensor(13)}))
    assert [row["id"] for row in check_one_per_clip(tier, [A]).rows] == [B]


def test_the_tier_loads_with_the_rows_of_its_passages(tier, root, tmp_path, audio, tiny):
    given = {A: tensor(13), C: tensor(20, seed=1)}
    take(tier, save_one(tmp_path / "given.pt", given))
    table, embeddings = crescendai_assets.load("percepiano", root=root)
    assert list(table["segment_id"]) == sorted([A, C])
    assert {"work", "performer", "passage_group", "frames", "embedding_sha256"} <= set(table.columns)
    assert np.array_equal(embeddings[1], given[C].numpy())
    with pytest.raises(SetupError, match="percepiano has no partitions"):
        crescendai_assets.load("percepiano", "2004", root=root)
    LabelFiles(tier.folder).metadata.unlink()
    assert list(crescendai_assets.load("percepiano", root=root).table["segment_id"]) == sorted([A, C])


def test_a_clip_of_another_sound_since_is_not_loaded(tier, root, audio, tiny):
    write_clips(audio, {A: 5, B: 5})
    embed(tier, audio, encoder(tiny))
    write_clip(audio, A, 5, seed=3)
    collect_clips(tier, list_clips(audio, RATED, key_of))
    assert list(crescendai_assets.load("percepiano", root=root).table["segment_id"]) == [B]


def test_a_reset_removes_embeddings_and_their_table_and_leaves_the_clips(tier, audio, tiny):
    write_clips(audio, {A: 5, B: 5})
    embed(tier, audio, encoder(tiny))
    removal = reset(tier.tier)
    assert (removal.embeddings, removal.rows, removal.assets) == (2, 2, ("embeddings",))
    assert not tier.embedding_folder.exists()
    assert not tier.stage("embeddings").table.exists()
    assert len(list(read_rows(tier.stage("clips").table))) == 2
    assert LabelFiles(tier.folder).metadata.exists()
    other = encoder(tiny, temporal_pool=4)
    assert embed(tier, audio, other).succeeded == 2


def test_another_set_has_its_own_folder_and_shares_the_clips(tier, audio, tiny):
    write_clips(audio, {A: 5})
    embed(tier, audio, encoder(tiny))
    other = Partition(replace(tier.tier, embedding_set="first"), "")
    report = embed_partition(other, encoder(tiny, temporal_pool=4), AudioFiles(tier.tier, audio), CLIP_RULE)
    assert report.succeeded == 1
    assert other.embedding_folder.name == "muq_embeddings-first"
    assert sound(tier)
    assert sound(other)


def test_a_run_that_prunes_keeps_what_it_took_itself(tier, tmp_path):
    save(tmp_path / "given", {A: tensor(13), B: tensor(14)})
    assert take(tier, tmp_path / "given", options=Options(prune=True)).succeeded == 2
    assert files_in(tier.embedding_folder) == {f"{A}.pt", f"{B}.pt"}
    assert committed_embeddings(tier).keys() == {A, B}
