from __future__ import annotations

import pytest

from crescendai_assets.embeddings.folder import files_in
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.embeddings.importing import import_partition, imported_identity
from crescendai_assets.embeddings.store import read_embedding
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.schemas import MAESTRO_SEGMENTS
from crescendai_assets.lake.stage import Options, StageRun
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.builders import contents, write_segments

UNVERIFIED = imported_identity({})


def tensor(rows, width=1024, seed=0):
    import torch

    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def save(source, tensors):
    import torch

    source.mkdir(exist_ok=True)
    for key, value in tensors.items():
        torch.save(value, source / f"{key}.pt")
    return source


def save_one(source, tensors):
    import torch

    torch.save(tensors, source)
    return source


def embedded(year):
    return {row["segment_id"]: row["frames"] for row in read_rows(year.stage("embeddings").table)}


def failures(year):
    return read_failures(year.stage("embeddings").ledger)


@pytest.fixture
def whole(year):
    write_segments(year, {"a": [30.0, 10.0], "b": [30.0]})
    return {"a_seg000": tensor(93), "a_seg001": tensor(31, seed=1), "b_seg000": tensor(93, seed=2)}


@pytest.mark.parametrize("save", [save, save_one])
def test_embeddings_are_taken_from_a_folder_or_one_file(year, tmp_path, whole, save):
    import torch

    report = import_partition(year, save(tmp_path / "given", whole), UNVERIFIED)
    assert (report.succeeded, report.rows, report.failures) == (2, 3, ())
    assert embedded(year) == {"a_seg000": 93, "a_seg001": 31, "b_seg000": 93}
    for key, value in whole.items():
        assert torch.equal(read_embedding(year.embedding_folder / f"{key}.pt"), value)
    assert import_partition(year, tmp_path / "given", UNVERIFIED).plan.pending == ()


@pytest.mark.parametrize("save", [save, save_one])
def test_embeddings_at_25_frames_a_second_are_pooled_by_eight(year, tmp_path, save):
    import torch

    write_segments(year, {"a": [30.0, 10.0]})
    given = {"a_seg000": tensor(750), "a_seg001": tensor(250).half()}
    import_partition(year, save(tmp_path / "given", given), UNVERIFIED)
    assert embedded(year) == {"a_seg000": 93, "a_seg001": 31}
    stored = read_embedding(year.embedding_folder / "a_seg000.pt")
    assert stored.dtype == torch.float32
    for row in (0, 50, 92):
        assert torch.allclose(stored[row], given["a_seg000"][8 * row : 8 * row + 8].mean(0), atol=1e-6)


def test_all_frames_are_kept_when_the_identity_says_that_nothing_is_pooled(year, tmp_path):
    write_segments(year, {"a": [30.0]})
    source = save(tmp_path / "given", {"a_seg000": tensor(750)})
    import_partition(year, source, imported_identity({"temporal_pool": 1}))
    assert embedded(year) == {"a_seg000": 750}


@pytest.mark.parametrize(
    ("wrong", "told", "error_class"),
    [
        (lambda: None, "a_seg001: not among the imported .* too and run with `retry_failed: true`", "needs_user"),
        (lambda: tensor(92), r"a_seg001: embedding of shape \(92, 1024\), expected \(31, 1024\)", "permanent"),
        (lambda: tensor(31, 768), r"a_seg001: embedding of shape \(31, 768\)", "permanent"),
        (lambda: tensor(31)[None], r"a_seg001: embedding of shape \(1, 31, 1024\)", "permanent"),
        (lambda: tensor(31)[0], r"a_seg001: embedding of shape \(1024,\)", "permanent"),
        (lambda: tensor(31) / 0, "a_seg001: embedding holds values that are not finite", "permanent"),
        (lambda: [1.0, 2.0], "a_seg001: holds list, expected a tensor", "permanent"),
    ],
)
@pytest.mark.parametrize("save", [save, save_one])
def test_a_recording_that_is_not_wholly_there_goes_to_the_ledger_and_the_others_are_taken(
    year, tmp_path, whole, wrong, told, error_class, save
):
    value = wrong()
    del whole["a_seg001"]
    given = {**whole, **({} if value is None else {"a_seg001": value})}
    report = import_partition(year, save(tmp_path / "given", given), UNVERIFIED)
    assert (report.succeeded, report.failed_now) == (1, 1)
    assert embedded(year) == {"b_seg000": 93}
    assert files_in(year.embedding_folder) == {"b_seg000.pt"}
    failure = failures(year)["a"]
    assert failure.error_class == error_class
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(failure.message)


@pytest.mark.parametrize("data", [b"", b"torn", b"PK\x03\x04 half of a zip"])
def test_a_torn_file_of_a_folder_costs_its_recording_only(year, tmp_path, whole, data):
    source = save(tmp_path / "given", whole)
    (source / "a_seg000.pt").write_bytes(data)
    report = import_partition(year, source, UNVERIFIED)
    assert (report.succeeded, set(failures(year))) == (1, {"a"})
    assert "a_seg000.pt" in failures(year)["a"].message


def test_a_pickle_that_would_run_code_is_never_loaded(year, tmp_path, whole):
    import torch

    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (type(marker).touch, (marker,))

    source = save(tmp_path / "given", whole)
    torch.save({"x": Evil()}, source / "a_seg000.pt")
    import_partition(year, source, UNVERIFIED)
    assert set(failures(year)) == {"a"}
    torch.save({"x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(SetupError, match=r"evil\.pt: not a file of tensors that loads with weights_only=True"):
        import_partition(year, tmp_path / "evil.pt", UNVERIFIED)
    assert not marker.exists()


def test_a_missing_key_is_taken_when_it_is_there_and_a_person_asks(year, tmp_path, whole):
    source = save(tmp_path / "given", {k: v for k, v in whole.items() if k != "a_seg001"})
    import_partition(year, source, UNVERIFIED)
    save(source, {"a_seg001": whole["a_seg001"]})
    assert import_partition(year, source, UNVERIFIED).plan.waiting == ("a",)
    report = import_partition(year, source, UNVERIFIED, options=Options(retry_failed=True))
    assert (report.rows, report.failures) == (3, ())


def test_a_source_that_is_neither_folder_nor_file_of_tensors_is_refused_and_nothing_is_touched(year, tmp_path, whole):
    for source, told in (
        (tmp_path / "gone", "import_from is .*gone: no such file or folder"),
        (save_one(tmp_path / "list.pt", [tensor(93)]), "holds list, expected {segment_id: tensor}"),
        (save_one(tmp_path / "one.pt", tensor(93)), "holds Tensor, expected {segment_id: tensor}"),
    ):
        with pytest.raises(SetupError, match=told):
            import_partition(year, source, UNVERIFIED)
    for data in (b"", b"text"):
        (tmp_path / "bad.pt").write_bytes(data)
        with pytest.raises(SetupError, match=r"bad\.pt: not a file of tensors"):
            import_partition(year, tmp_path / "bad.pt", UNVERIFIED)
    assert not year.embedding_folder.exists()


def test_embeddings_of_unknown_origin_are_unverified_and_say_so(year, tmp_path, whole):
    import_partition(year, save(tmp_path / "given", whole), UNVERIFIED)
    found = read_identity(year.embedding_folder)
    assert found == UNVERIFIED
    assert (UNVERIFIED.checkpoint, UNVERIFIED.revision, UNVERIFIED.trained) == ("imported", "unverified", None)
    assert "imported@unverified" in UNVERIFIED.describe()
    assert UNVERIFIED.describe().endswith(", unverified")


def test_an_identity_that_is_given_is_written_beside_them(year, tmp_path, whole):
    given = imported_identity(
        {"checkpoint": "OpenMuQ/MuQ-large-msd-iter", "revision": "abc", "layers": [9, 10, 11, 12]}
    )
    assert (given.trained, given.layers) == (True, (9, 10, 11, 12))
    import_partition(year, save(tmp_path / "given", whole), given)
    assert read_identity(year.embedding_folder) == given


def test_an_identity_with_a_field_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(SetupError, match=r"import_identity has no field chekpoint; there are checkpoint, revision"):
        imported_identity({"chekpoint": "x"})


@pytest.mark.parametrize("given", [{"temporal_pool": 0}, {"temporal_pool": "8"}, {"layers": "abc"}, {"layers": 9}])
def test_an_identity_of_the_wrong_kind_is_refused_by_field(given):
    with pytest.raises(SetupError, match=f"import_identity: {next(iter(given))} is "):
        imported_identity(given)


def test_a_folder_of_another_encoder_is_refused_before_anything_is_written(year, tmp_path, whole):
    source = save(tmp_path / "given", whole)
    import_partition(year, source, UNVERIFIED, options=Options(limit=1))
    before = contents(year.embedding_folder)
    with pytest.raises(
        SetupError, match=r"holds embeddings of another encoder(.|\n)*crescendai embeddings reset maestro"
    ):
        import_partition(year, source, imported_identity({"checkpoint": "x"}))
    assert contents(year.embedding_folder) == before


def test_pruning_removes_the_files_of_recordings_that_left_the_source_and_no_others(year, tmp_path, whole):
    source = save(tmp_path / "given", whole)
    import_partition(year, source, UNVERIFIED)
    write_segments(year, {"b": [30.0]})
    import_partition(year, source, UNVERIFIED)
    assert len(files_in(year.embedding_folder)) == 3
    report = import_partition(year, source, UNVERIFIED, options=Options(prune=True))
    assert report.pruned == 1
    assert embedded(year) == {"b_seg000": 93}
    assert files_in(year.embedding_folder) == {"b_seg000.pt"}


def test_a_recording_that_is_cut_otherwise_leaves_no_file_of_its_old_segments(year, tmp_path, whole):
    source = save(tmp_path / "given", whole)
    import_partition(year, source, UNVERIFIED)
    write_segments(year, {"a": [30.0], "b": [30.0]})
    report = import_partition(year, source, UNVERIFIED)
    assert report.plan.stale == ("a",)
    assert files_in(year.embedding_folder) == {"a_seg000.pt", "b_seg000.pt"}


def test_a_kill_between_files_and_rows_is_noticed_even_when_the_old_source_comes_back(year, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    old = write_segments(year, {"a": [30.0]})
    source = save(tmp_path / "given", {"a_seg000": tensor(93)})
    import_partition(year, source, UNVERIFIED)
    MAESTRO_SEGMENTS.write(year.stage("segments").table, [{**old[0], "source_sha256": "0" * 64}])
    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "commit", killed)
        with pytest.raises(Killed):
            import_partition(year, source, UNVERIFIED)
    MAESTRO_SEGMENTS.write(year.stage("segments").table, old)
    assert import_partition(year, source, UNVERIFIED).succeeded == 1
