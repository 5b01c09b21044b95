from __future__ import annotations

import hashlib

import pytest

from crescendai_assets.embeddings.store import embedding_path, read_embedding, refuse_unfit, to_bytes, write_embedding
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets_tests.builders import contents


@pytest.fixture(scope="module")
def batch():
    import torch

    return torch.randn(8, 93, 1024, generator=torch.Generator().manual_seed(0))


def test_the_bytes_follow_the_values_only_however_they_lie_in_memory(batch):
    import torch

    plain = to_bytes(batch[3].clone())
    assert to_bytes(batch[3]) == plain
    assert to_bytes(batch[3].clone()) == plain
    assert to_bytes(torch.cat([batch[2], batch[3]])[93:]) == plain
    assert to_bytes(batch[3].T.contiguous().T) == plain
    assert to_bytes(batch[3].clone().requires_grad_()) == plain
    assert to_bytes(batch[3].double()) == plain
    assert to_bytes(batch[4]) != plain
    with torch.inference_mode():
        inferred = batch[3] * 1
    assert to_bytes(inferred) == plain


def test_the_bytes_do_not_depend_on_the_name_or_the_place_of_the_file(tmp_path, batch):
    first = write_embedding(tmp_path / "a", "one_seg000", batch[0])
    second = write_embedding(tmp_path / "b", "another_seg001", batch[0])
    assert first == second
    assert set(contents(tmp_path)) == {"a/one_seg000.pt", "b/another_seg001.pt"}


def test_a_full_segment_takes_the_381_kilobytes_of_the_storage_budget(tmp_path, batch):
    size, sha256 = write_embedding(tmp_path, "a_seg000", batch[0])
    data = (tmp_path / "a_seg000.pt").read_bytes()
    assert size == len(data)
    assert 93 * 1024 * 4 <= size < 93 * 1024 * 4 + 3_000
    assert sha256 == hashlib.sha256(data).hexdigest()


def test_an_embedding_loads_with_weights_only_as_it_was_written(tmp_path, batch):
    import torch

    write_embedding(tmp_path, "a_seg000", batch[5])
    path = tmp_path / "a_seg000.pt"
    assert torch.equal(torch.load(path, weights_only=True), batch[5])
    read = read_embedding(path)
    assert (read.dtype, read.shape) == (torch.float32, (93, 1024))


def test_half_precision_is_stored_as_float32(tmp_path, batch):
    import torch

    write_embedding(tmp_path, "a_seg000", batch[0].bfloat16())
    assert read_embedding(tmp_path / "a_seg000.pt").dtype == torch.float32


@pytest.mark.parametrize("segment_id", ["../a", "a/b", "", ".a"])
def test_a_segment_id_that_could_leave_the_folder_is_refused(tmp_path, batch, segment_id):
    with pytest.raises(SetupError, match="id "):
        write_embedding(tmp_path, segment_id, batch[0])
    assert contents(tmp_path) == {}


def test_files_are_named_by_segment(tmp_path):
    assert embedding_path(tmp_path, "a_seg000") == tmp_path / "a_seg000.pt"


def test_an_unfit_embedding_is_refused_with_what_is_wrong(batch):
    refuse_unfit(batch[0], 93, "a_seg000")
    for wrong, shape in ((batch[0][:92], r"\(92, 1024\)"), (batch[0][:, :768], r"\(93, 768\)"), (batch, r"\(8, 93")):
        with pytest.raises(RecordingError, match=rf"a_seg000: embedding of shape {shape}.*, expected \(93, 1024\)"):
            refuse_unfit(wrong, 93, "a_seg000")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_values_that_are_not_finite_are_refused(batch, value):
    broken = batch[0].clone()
    broken[40, 500] = float(value)
    with pytest.raises(RecordingError, match="a_seg000: embedding holds values that are not finite"):
        refuse_unfit(broken, 93, "a_seg000")
