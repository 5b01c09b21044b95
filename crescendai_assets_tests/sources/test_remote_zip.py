from __future__ import annotations

import os
import random
import tracemalloc
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import temporary_name
from crescendai_assets.sources.remote_zip import RemoteZip, ZipMember
from crescendai_assets_tests.web import Server, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MB = 2**20
SLACK = 2**16


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "www"
    folder.mkdir()
    with serve(folder) as running:
        yield running


def noise(name: str, size: int) -> bytes:
    return random.Random(name).randbytes(size)


FILES = {f"maestro/{year}/{n}.wav": 300_000 + n for year in (2004, 2006, 2018) for n in range(5)}


def archive(server: Server, name: str = "a.zip", compression: int = zipfile.ZIP_STORED) -> str:
    with zipfile.ZipFile(server.folder / name, "w", compression) as out:
        out.mkdir("maestro")
        out.writestr("maestro/maestro.json", '{"year": {"0": 2004}}')
        for member, size in FILES.items():
            out.writestr(member, noise(member, size))
    return server.url(name)


def big(server: Server, size: int = 6 * MB) -> str:
    with zipfile.ZipFile(server.folder / "big.zip", "w") as out:
        out.writestr("big.wav", noise("big", size))
        out.writestr("other.wav", noise("other", MB))
    return server.url("big.zip")


def quick(url: str, block: int = 2 * MB) -> RemoteZip:
    return RemoteZip(url, block=block, backoff=0.001, timeouts=(5.0, 5.0))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_year_transfers_its_members_and_the_directory_and_nothing_else(
    server: Server, tmp_path: Path, compression: int
):
    with RemoteZip(archive(server, compression=compression)) as remote:
        year = [m for m in remote.members().values() if "/2006/" in m.name]
        for member in year:
            target = tmp_path / "out" / member.name
            assert remote.copy(member.name, target) == member.size == FILES[member.name]
            assert target.read_bytes() == noise(member.name, member.size)
        exact = sum(m.compressed_size for m in year)
        assert exact < remote.bytes_transferred < exact + SLACK
    assert server.sent_bytes == remote.bytes_transferred
    assert len(year) == 5


def test_beside_members_only_the_directory_and_the_headers_are_transferred(server: Server, tmp_path: Path):
    with RemoteZip(archive(server)) as remote:
        with zipfile.ZipFile(server.folder / "a.zip") as local:
            directory = (server.folder / "a.zip").stat().st_size - local.start_dir
        opened = remote.bytes_transferred
        assert opened < directory + 512
        for member in remote.members().values():
            remote.copy(member.name, tmp_path / "x.wav")
        headers = sum(30 + len(name) for name in remote.members())
        bodies = sum(m.compressed_size for m in remote.members().values())
        assert remote.bytes_transferred == opened + headers + bodies


def test_requests_are_blocks_that_end_with_the_member(server: Server, tmp_path: Path):
    with quick(big(server)) as remote:
        server.requests.clear()
        remote.copy("big.wav", tmp_path / "big.wav")
    end = 30 + len("big.wav") + 6 * MB
    assert server.ranges() == [(at, min(at + 2 * MB, end) - 1) for at in range(0, end, 2 * MB)]


def test_gaps_between_members_are_not_read(server: Server):
    path = server.folder / "gap.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("one.wav", noise("one", 1000))
        out.fp.seek(out.start_dir + 10 * MB)  # type: ignore[union-attr]
        out.start_dir += 10 * MB
        out.writestr("two.wav", noise("two", 1000))
    with RemoteZip(server.url("gap.zip")) as remote:
        assert remote.read("one.wav") == noise("one", 1000)
        assert remote.read("two.wav") == noise("two", 1000)
        assert remote.bytes_transferred < 2000 + 2 * SLACK


def test_members_are_described_without_folders(server: Server):
    with quick(archive(server)) as remote:
        members = remote.members()
        assert list(members) == ["maestro/maestro.json", *FILES]
        with zipfile.ZipFile(server.folder / "a.zip") as local:
            info = local.getinfo("maestro/2004/3.wav")
        assert members[info.filename] == ZipMember(info.filename, 300_003, info.compress_size, info.CRC)
        assert remote.read("maestro/maestro.json") == b'{"year": {"0": 2004}}'


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_streamed_zip64_archive_is_read(server: Server, compression: int):
    path = server.folder / "big64.zip"
    with zipfile.ZipFile(path, "w", compression) as out:
        for name in ("one.wav", "two.wav"):
            with out.open(name, "w", force_zip64=True) as member:
                member.write(noise(name, 100_000))
    with quick(server.url("big64.zip")) as remote:
        assert remote.read("two.wav") == noise("two.wav", 100_000)
        assert remote.read("one.wav") == noise("one.wav", 100_000)


def test_members_beyond_4_gib_are_read(server: Server):
    path = server.folder / "huge.zip"
    with path.open("wb") as hole:
        hole.truncate(5 * 2**30)  # takes no room on disk
    with zipfile.ZipFile(path, "a") as out:
        out.writestr("far.wav", noise("far", 50_000))
    with quick(server.url("huge.zip")) as remote:
        assert remote.read("far.wav") == noise("far", 50_000)
    assert min(first for first, _ in server.ranges()[1:]) >= 5 * 2**30
    assert server.sent_bytes < 50_000 + SLACK


def test_memory_stays_bounded_however_large_the_member(server: Server, tmp_path: Path):
    path = server.folder / "zeros.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("stored.wav", bytes(48 * MB))
        out.writestr("deflated.wav", bytes(48 * MB), zipfile.ZIP_DEFLATED)
    with quick(server.url("zeros.zip"), block=MB) as remote:
        tracemalloc.start()
        try:
            for name in ("stored.wav", "deflated.wav"):
                assert remote.copy(name, tmp_path / name) == 48 * MB
            assert tracemalloc.get_traced_memory()[1] < 12 * MB
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("spell", [str, lambda path: f"file://{path}"])
def test_a_local_archive_is_read_the_same_way(server: Server, spell: Callable[[Path], str]):
    archive(server)
    with RemoteZip(spell(server.folder / "a.zip")) as remote:
        assert remote.read("maestro/2018/4.wav") == noise("maestro/2018/4.wav", 300_004)
        assert remote.bytes_transferred < 300_004 + SLACK
    assert not server.requests


@pytest.mark.parametrize("url", ["s3://bucket/a.zip", "zip://x::http://127.0.0.1/a.zip", "memory://a.zip"])
def test_other_schemes_are_refused(url: str):
    with pytest.raises(SetupError, match=r"is not one of http, https, file"):
        RemoteZip(url)


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/a.zip", "https://[/a.zip"])
def test_an_address_that_is_none_is_refused_at_once(url: str):
    with pytest.raises(SetupError, match="MAESTRO_DIR"):
        RemoteZip(url, backoff=60)


# the line is bad


def test_a_dropped_connection_is_taken_up_again_where_it_broke(server: Server, tmp_path: Path):
    with quick(big(server)) as remote:
        server.requests.clear()
        server.drop_after, server.drop_times = 500_000, 2
        remote.copy("big.wav", tmp_path / "big.wav")
    assert (tmp_path / "big.wav").read_bytes() == noise("big", 6 * MB)
    assert server.drop_times == 0
    assert server.sent_bytes < 6 * MB + 2 * 500_000 + SLACK


def test_a_line_that_never_carries_a_whole_block_still_gets_on(server: Server, tmp_path: Path):
    with quick(big(server)) as remote:
        server.drop_after, server.drop_times = MB, 1000
        remote.copy("big.wav", tmp_path / "big.wav")
    assert (tmp_path / "big.wav").read_bytes() == noise("big", 6 * MB)


def test_a_body_cut_short_in_silence_is_completed(server: Server, tmp_path: Path):
    with quick(big(server)) as remote:
        server.drop_after, server.drop_times, server.announce_length = 500_000, 3, False
        remote.copy("big.wav", tmp_path / "big.wav")
    assert (tmp_path / "big.wav").read_bytes() == noise("big", 6 * MB)


def test_ranges_answered_in_part_are_completed(server: Server, tmp_path: Path):
    with quick(big(server)) as remote:
        server.longest = 700_000
        remote.copy("big.wav", tmp_path / "big.wav")
    assert (tmp_path / "big.wav").read_bytes() == noise("big", 6 * MB)


def test_empty_answers_are_given_up_on(server: Server):
    with quick(big(server)) as remote:
        server.drop_after, server.drop_times, server.announce_length = 0, 1000, False
        with pytest.raises(RecordingError, match=r"big\.wav in http.*gave up after 4 tries \(empty answers\)"):
            remote.read("big.wav")


def test_a_server_that_is_busy_for_a_moment_is_asked_again(server: Server):
    url = archive(server)
    server.unavailable = 3
    with quick(url) as remote:
        server.unavailable = 3
        assert remote.read("maestro/2004/0.wav") == noise("maestro/2004/0.wav", 300_000)


def test_a_server_that_says_nothing_is_asked_again(server: Server):
    url = archive(server)
    server.stall_times = 1
    with RemoteZip(url, backoff=0.001, timeouts=(5.0, 0.2)) as remote:
        server.stall_times = 1
        assert remote.read("maestro/2004/0.wav") == noise("maestro/2004/0.wav", 300_000)


@pytest.mark.parametrize("fault", ["unavailable", "stall_times", "drop_times"])
def test_after_four_tries_the_recording_is_left_for_a_later_run(server: Server, tmp_path: Path, fault: str):
    with RemoteZip(big(server), backoff=0.001, timeouts=(5.0, 0.1)) as remote:
        server.requests.clear()
        server.drop_after = 100
        setattr(server, fault, 1000)
        with pytest.raises(RecordingError) as caught:
            remote.copy("big.wav", tmp_path / "out" / "big.wav")
    assert caught.value.error_class == "retry"
    for word in ("big.wav", server.url("big.zip"), "4 tries", "MAESTRO_DIR"):
        assert word in str(caught.value)
    assert len(server.requests) == 4
    assert not list((tmp_path / "out").iterdir())


def test_waits_between_tries_double(server: Server, monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    url = archive(server)
    server.unavailable = 4
    with pytest.raises(RecordingError, match=r"the list of members in .* 503"):
        RemoteZip(url)
    assert waits == [1.0, 2.0, 4.0]


def test_an_unreachable_server_is_left_for_a_later_run(tmp_path: Path):
    with serve(tmp_path) as gone:
        url = gone.url("a.zip")
    with pytest.raises(RecordingError, match="gave up after 4 tries") as caught:
        quick(url)
    assert caught.value.error_class == "retry"


# the address is wrong


@pytest.mark.parametrize("status", [403, 404])
def test_a_missing_or_forbidden_archive_stops_the_run(server: Server, status: int):
    url = archive(server)
    server.status = status
    with pytest.raises(SetupError, match=rf"{url}: the server answers {status}.*MAESTRO_DIR"):
        RemoteZip(url)
    assert len(server.requests) == 1


def test_an_archive_that_goes_while_it_is_read_stops_the_run(server: Server, tmp_path: Path):
    with quick(archive(server)) as remote:
        server.status = 404
        with pytest.raises(SetupError, match="the server answers 404"):
            remote.copy("maestro/2004/0.wav", tmp_path / "out" / "0.wav")
    assert not list((tmp_path / "out").iterdir())


def test_a_server_without_ranges_is_noticed_before_the_body_comes(server: Server):
    url = big(server, 64 * MB)
    server.ranges_off = True
    with pytest.raises(SetupError, match=rf"{url}: the server does not honour byte ranges.*MAESTRO_DIR"):
        RemoteZip(url)
    assert server.sent_bytes < 4 * MB
    assert len(server.requests) == 1


def test_ranges_that_cease_are_noticed_before_the_body_comes(server: Server):
    with quick(big(server, 64 * MB)) as remote:
        server.ranges_off = True
        with pytest.raises(SetupError, match="does not honour byte ranges"):
            remote.read("other.wav")
    assert server.sent_bytes < 4 * MB


@pytest.mark.parametrize(("fault", "value"), [("shift", 1), ("open_ended", True)])
def test_other_bytes_than_those_asked_for_are_refused_before_they_come(server: Server, fault: str, value: object):
    with quick(big(server, 64 * MB)) as remote:
        setattr(server, fault, value)
        with pytest.raises(SetupError, match="does not honour byte ranges"):
            remote.read("big.wav")
    assert server.sent_bytes < 4 * MB


@pytest.mark.parametrize("content", [b"", b"<html>not here</html>", bytes(100_000)])
@pytest.mark.parametrize("local", [False, True])
def test_what_is_not_a_zip_stops_the_run(server: Server, content: bytes, local: bool):
    path = server.folder / "a.zip"
    path.write_bytes(content)
    with pytest.raises(SetupError, match=r"a\.zip: .*(not a zip|empty).*MAESTRO_DIR"):
        RemoteZip(str(path) if local else server.url("a.zip"))


def test_a_missing_local_archive_or_a_folder_stops_the_run(tmp_path: Path):
    for path in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(SetupError, match=rf"{path}: .*MAESTRO_DIR"):
            RemoteZip(str(path), backoff=60)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("same_length", [False, True])
def test_an_archive_that_changes_while_it_is_read_stops_the_run(
    server: Server, tmp_path: Path, local: bool, same_length: bool
):
    url = archive(server)
    path = server.folder / "a.zip"
    with quick(str(path) if local else url) as remote:
        if not same_length:
            with path.open("ab") as more:
                more.write(b"more")
        os.utime(path, ns=(0, 10**18))
        with pytest.raises(SetupError, match=r"a\.zip: the file changed while it was read"):
            remote.copy("maestro/2004/0.wav", tmp_path / "out" / "0.wav")
    assert not list((tmp_path / "out").iterdir())


# a member is wrong


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("offset", [0, 30 + len("maestro/2006/2.wav"), 1000])
def test_damaged_bytes_are_never_kept(server: Server, tmp_path: Path, compression: int, offset: int):
    url = archive(server, compression=compression)
    with zipfile.ZipFile(server.folder / "a.zip") as local:
        at = local.getinfo("maestro/2006/2.wav").header_offset + offset
    with (server.folder / "a.zip").open("r+b") as damaged:
        damaged.seek(at)
        damaged.write(b"\xff" * 16)
    target = tmp_path / "out" / "2.wav"
    target.parent.mkdir()
    target.write_bytes(b"from an earlier run")
    with quick(url) as remote:
        with pytest.raises(RecordingError, match=rf"maestro/2006/2\.wav in {url}: .*damaged") as caught:
            remote.copy("maestro/2006/2.wav", target)
        assert remote.read("maestro/2006/3.wav") == noise("maestro/2006/3.wav", 300_003)
    assert caught.value.error_class == "retry"
    assert [p.name for p in target.parent.iterdir()] == ["2.wav"]
    assert target.read_bytes() == b"from an earlier run"


def test_a_member_shorter_than_the_directory_says_is_damaged(server: Server):
    with zipfile.ZipFile(server.folder / "a.zip", "w") as out:
        out.writestr("a.wav", bytes(1000))
        out.writestr("b.wav", bytes(1000))
        info = out.getinfo("a.wav")
        info.compress_size = info.file_size = 5000
    with (
        quick(server.url("a.zip")) as remote,
        pytest.raises(RecordingError, match=r"a\.wav in .*damaged") as caught,
    ):
        remote.read("a.wav")
    assert caught.value.error_class == "retry"


def test_a_missing_member_is_named_with_the_archive_and_the_nearest_name(server: Server, tmp_path: Path):
    with quick(archive(server)) as remote:
        with pytest.raises(RecordingError, match=r"2004/3\.wav: no such member in .*a\.zip") as caught:
            remote.copy("2004/3.wav", tmp_path / "3.wav")
        with pytest.raises(RecordingError, match="members"):
            remote.read("?")
    assert caught.value.error_class == "permanent"
    assert "'maestro/2004/3.wav'" in str(caught.value)
    assert not (tmp_path / "3.wav").exists()


def test_an_unknown_compression_is_a_permanent_fault(server: Server):
    with zipfile.ZipFile(server.folder / "a.zip", "w", zipfile.ZIP_LZMA) as out:
        out.writestr("a.wav", bytes(100))
    with (
        quick(server.url("a.zip")) as remote,
        pytest.raises(RecordingError, match=r"a\.wav in .*other means than deflate") as caught,
    ):
        remote.read("a.wav")
    assert caught.value.error_class == "permanent"


def test_a_target_that_cannot_be_written_leaves_nothing(server: Server, tmp_path: Path):
    (tmp_path / "out" / "0.wav").mkdir(parents=True)
    with quick(archive(server)) as remote, pytest.raises(OSError, match="directory"):
        remote.copy("maestro/2004/0.wav", tmp_path / "out" / "0.wav")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["0.wav"]


# the way there


def test_a_proxy_from_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch):
    archive(server)
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "")
    with quick("http://archive.invalid/a.zip") as remote:
        assert remote.read("maestro/2004/0.wav") == noise("maestro/2004/0.wav", 300_000)


def test_bytes_are_asked_for_as_they_are_stored(server: Server):
    with RemoteZip(archive(server)) as remote:
        remote.read("maestro/maestro.json")
    assert {r.headers["Accept-Encoding"] for r in server.requests} == {"identity"}


def test_sessions_have_no_limit_on_the_whole_time_and_are_closed(server: Server, monkeypatch: pytest.MonkeyPatch):
    import aiohttp

    seen: list[aiohttp.ClientSession] = []
    plain = aiohttp.ClientSession.__init__

    def noted(session, **settings):
        plain(session, **settings)
        seen.append(session)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", noted)
    with RemoteZip(archive(server)):
        assert not seen[0].closed
    with pytest.raises(SetupError):
        RemoteZip(server.url("none.zip"))
    assert [(s.timeout.total, s.timeout.connect, s.timeout.sock_read) for s in seen] == [(None, 30, 60)] * 2
    assert all(s.closed for s in seen)


def test_what_a_killed_copy_leaves_is_known_as_temporary(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names: list[str] = []

    def killed(_stream: object, out: IO[bytes], _length: int) -> None:
        names.append(Path(out.name).name)
        raise KeyboardInterrupt

    monkeypatch.setattr("crescendai_assets.sources.remote_zip.shutil.copyfileobj", killed)
    with quick(archive(server)) as remote, pytest.raises(KeyboardInterrupt):
        remote.copy(next(iter(remote.members())), temporary_name(tmp_path / "a.wav"))
    assert all(name.startswith(".") and name.endswith(".tmp") for name in names)
