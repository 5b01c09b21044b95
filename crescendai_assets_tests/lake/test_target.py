from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.target import TRIES, UnreachableError, open_target
from crescendai_assets_tests.builders import contents
from crescendai_assets_tests.lake.publication import watch


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "data").mkdir()
    return Lake(tmp_path / "data")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("  ", "no address to publish to: set CRESCENDAI_PUBLISH"),
        ("s4://bucket/x", r"s4://bucket/x: cannot be used .*Protocol not known: s4.*such as s3://"),
        ("nothing://jane:secret@host/x", "^nothing://host/x: cannot be used"),
        ("file:///", "names no folder"),
        ("memory://", "names no folder"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_in_words(lake, address, words):
    with pytest.raises(SetupError, match=words) as caught:
        open_target(address, lake, 0)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_package_is_named(lake, monkeypatch, scheme, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SetupError, match=f"a package is missing for {scheme}://.*pip install {package}"):
        open_target(f"{scheme}://bucket/x", lake, 0)


def test_an_address_in_the_lake_itself_is_refused(lake, tmp_path):
    (tmp_path / "link").symlink_to(lake.root)
    for address in (lake.root, lake.root / "out", tmp_path / "link/out", tmp_path / "x/../data"):
        with pytest.raises(SetupError, match="lies in the lake itself"):
            open_target(f"file://{address}", lake, 0)
    open_target(f"{lake.root}-published", lake, 0)


@pytest.mark.parametrize("address", ["memory://a [b]", "{}/a [b]"])
def test_names_that_look_like_patterns_arrive_as_they_are(lake, tmp_path, address):
    target = open_target(address.format(tmp_path), lake, 0)
    path = "maestro_cache/Étude [live] *?#%20.pt"
    assert target.read(path) is None
    assert target.lost({path: 3}) == {path: "listed, but not there"}
    target.write(path, b"old")
    target.write(path, b"new")
    assert target.read(path) == b"new"
    assert target.lost({path: 3}) == {}
    assert target.lost({path: 4}) == {path: "3 bytes, 4 were sent"}
    for _ in "twice":
        target.remove(path)
    assert target.read(path) is None


def test_a_fault_that_passes_costs_nothing_and_no_half_file_is_seen(lake, tmp_path):
    seen: list[dict[str, bytes]] = []

    def fail(path: str) -> None:
        Path(f"{path}.part").write_bytes(b"ha")
        seen.append(contents(tmp_path / "published"))
        if len(seen) < TRIES:
            raise ConnectionError("reset by peer")

    watch(fail)
    open_target(f"watched://{tmp_path}/published", lake, 0).write("a/x", b"half")
    assert seen == [{"a/x.part": b"ha"}] * TRIES
    assert contents(tmp_path / "published") == {"a/x": b"half"}


@pytest.mark.parametrize(("error", "tries"), [(TimeoutError("no answer"), TRIES), (PermissionError(13, "no"), 1)])
def test_a_fault_is_told_after_some_tries_and_what_no_try_can_mend_at_once(lake, tmp_path, error, tries):
    asked: list[str] = []

    def fail(path: str) -> None:
        asked.append(path)
        raise error

    watch(fail)
    words = rf"^watched://{tmp_path}/published: a/x: {type(error).__name__}: .*check "
    with pytest.raises(SetupError, match=words) as caught:
        open_target(f"watched://{tmp_path}/published", lake, 0).write("a/x", b"")
    assert isinstance(caught.value, UnreachableError) == (tries > 1)
    assert len(asked) == tries


def test_an_address_that_is_a_file_is_an_error_in_words(lake, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SetupError, match=r"NotADirectoryError.*check the address"):
        open_target(str(tmp_path / "file"), lake, 0).read("manifest.jsonl")
