from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.audio.decode import decode, load_audio
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import checked_id
from crescendai_assets.sources.download import (
    NO_JS_RUNTIME,
    Acquired,
    Blocked,
    Downloader,
    DownloadSettings,
    Wanted,
    find_js_runtime,
    video_id,
)
from crescendai_assets.sources.download.transfer import clear_waiting, refuse_unfit, waiting_at
from crescendai_assets_tests.builders import contents, noise, tone, write_by_ffmpeg, write_sound
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.web import Server, serve

MB, PIECE = 1_000_000, 2**16
QUICK = DownloadSettings(sleep_seconds=(0, 0), retry_backoff=0.001, socket_timeout=5, retries=2)
CODECS = {
    "a.m4a": ("aac", "aac"),
    "a.webm": ("libopus", "opus"),
    "a.opus": ("libopus", "opus"),
    "a.mp3": ("libmp3lame", "mp3"),
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds in each form, and a minute of 2.9 MB; only read."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, (codec, _) in CODECS.items():
        write_by_ffmpeg(folder / name, tone(3.0, 48_000), 48_000, codec)
    write_sound(folder / "long.wav", noise(60.0), 24_000)
    return folder


@pytest.fixture(scope="module")
def worker() -> Iterator[GuardedProcess]:
    with GuardedProcess() as process:
        yield process


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server(tmp_path: Path, sounds: Path) -> Iterator[Server]:
    folder = tmp_path / "www"
    folder.mkdir()
    for sound in sounds.iterdir():
        (folder / sound.name).hardlink_to(sound)
    with serve(folder) as state:
        yield state


class Place:
    """Where a test's downloads go, and the downloader that brings them."""

    def __init__(self, root: Path, worker: GuardedProcess) -> None:
        self.root, self.partial, self.worker = root, root / "partial", worker

    def downloader(self, settings: DownloadSettings = QUICK) -> Downloader:
        return Downloader(settings, self.root / "quota")

    def copy(self, name: str = "rec.wav") -> Path:
        return self.root / "audio" / name

    def fetch(self, url: str, settings: DownloadSettings = QUICK, name: str = "rec.wav") -> Acquired:
        return self.downloader(settings).fetch(url, self.copy(name), self.partial, self.worker)

    def fails(self, url: str, settings: DownloadSettings = QUICK) -> RecordingError:
        with pytest.raises(RecordingError) as caught:
            self.fetch(url, settings)
        assert str(caught.value).startswith(url)
        assert str(caught.value).isprintable()
        assert not self.copy().exists()
        return caught.value

    def waiting(self) -> dict[str, int]:
        return {name: len(data) for name, data in contents(self.partial).items()}

    def wanted(self, *urls: str) -> list[Wanted]:
        return [Wanted(f"rec{n}", url, self.copy(f"rec{n}.wav")) for n, url in enumerate(urls)]


@pytest.fixture
def place(tmp_path: Path, worker: GuardedProcess) -> Place:
    return Place(tmp_path / "lake", worker)


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


# what is fetched


@pytest.mark.parametrize("name", CODECS)
def test_a_stream_becomes_a_working_copy_and_is_not_kept(server: Server, sounds: Path, place: Place, name: str):
    import soundfile

    got = place.fetch(server.url(name))
    data = (sounds / name).read_bytes()
    assert got == Acquired(
        path=place.copy(),
        original_sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        duration=got.duration,
        title="a",
        channel="",
        upload_date="",
        extractor="generic",
        codec=CODECS[name][1],
        native_ext=name.partition(".")[2],
        webpage_url=server.url(name),
    )
    info = soundfile.info(got.path)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", 24_000, 1)
    assert got.duration == info.frames / 24_000 == pytest.approx(3.0, abs=0.1)
    assert np.abs(load_audio(got.path)[0] - decode(sounds / name).audio).max() < 1e-4
    assert set(contents(place.root)) == {"audio/rec.wav", "quota"}


def test_a_working_copy_is_flac_where_its_name_says_so(server: Server, sounds: Path, place: Place):
    import soundfile

    got = place.fetch(server.url("a.mp3"), replace(QUICK, audio_format="flac"), "rec.flac")
    info = soundfile.info(got.path)
    assert (info.format, info.subtype, info.samplerate) == ("FLAC", "PCM_16", 24_000)
    assert np.abs(load_audio(got.path)[0] - decode(sounds / "a.mp3").audio).max() < 1e-4


def test_the_sound_of_a_film_is_taken_out_of_it(server: Server, place: Place):
    from crescendai_assets_tests.audio.test_decode import write_video

    write_video(server.folder / "film.mp4", sound=2.0, picture=2.0)
    got = place.fetch(server.url("film.mp4"))
    assert (got.native_ext, got.codec) == ("mp4", "aac")
    assert got.duration == pytest.approx(2.0, abs=0.1)


def segmented(server: Server, *segments: str, before: str = "") -> None:
    """Write `list.m3u8`, a stream of these segments."""
    text = "".join(f"#EXTINF:4,\n{segment}\n" for segment in segments)
    (server.folder / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{before}{text}#EXT-X-ENDLIST\n")


def test_a_stream_in_segments_is_put_together_without_other_programs(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(server.folder))
    (server.folder / "ffmpeg").write_text(f'#!/bin/sh\necho "$@" >> {server.folder}/called\necho ffmpeg version 7.1\n')
    (server.folder / "ffmpeg").chmod(0o755)
    for number in range(3):
        write_by_ffmpeg(server.folder / f"{number}.aac", noise(4.0, 48_000), 48_000, "aac")
    segmented(server, *(f"{number}.aac" for number in range(3)))
    assert place.fetch(server.url("list.m3u8")).duration == pytest.approx(12.0, abs=0.2)
    assert place.waiting() == {}
    # one segment missing is a fault, not a recording with a hole
    (server.folder / "1.aac").unlink()
    place.copy().unlink()
    assert place.fails(server.url("list.m3u8")).error_class == "permanent"
    # what yt-dlp would leave to ffmpeg
    segmented(server, "0.aac", before='#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n')
    error = place.fails(server.url("list.m3u8"))
    assert (error.error_class, "is sealed" in str(error)) == ("permanent", True)
    called = server.folder / "called"  # yt-dlp asks it for its version, whatever it is told
    assert set(called.read_text().split() if called.exists() else []) <= {"-bsfs"}


@needs_shared
def test_real_recordings_as_a_site_serves_them(place: Place):
    files = sorted((DATA / "web_audio").iterdir())
    with serve(DATA / "web_audio") as server:
        wanted = [Wanted(f.stem, server.url(f.name), place.copy(f"{f.stem}.wav")) for f in files]
        found = dict(place.downloader().fetch_all(wanted, place.partial))
    assert [one.recording_id for one in found] == [f.stem for f in files]
    for file, got in zip(files, found.values(), strict=True):
        assert isinstance(got, Acquired)
        assert got.bytes == file.stat().st_size
        assert got.duration == pytest.approx(decode(file).seconds, abs=1e-6)
    assert place.waiting() == {}


# listings


def feed(server: Server, *items: tuple[str, str, str]) -> str:
    """Write an RSS feed of guid, title, address; returns its address."""
    entries = "".join(
        f"<item><guid>{escape(guid)}</guid><title>{escape(title)}</title><enclosure url={url!r}/></item>"
        for guid, title, url in items
    )
    (server.folder / "feed.xml").write_text(
        f'<?xml version="1.0"?><rss><channel><title>t</title>{entries}</channel></rss>'
    )
    return server.url("feed.xml")


def test_a_feed_is_listed_and_its_recordings_fetched(server: Server, place: Place):
    url = feed(
        server,
        ("g1", "Étude <b>Op. 10</b> &amp;\nno. 5", server.url("a.mp3")),
        ("g2", "Second", "a.m4a"),
        ("g3", "First again", server.url("a.mp3")),
    )
    downloader = place.downloader()
    first, second = downloader.listing(url)
    assert (first.url, first.title, first.unavailable) == (server.url("a.mp3"), "Étude <b>Op. 10</b> &amp; no. 5", "")
    assert (second.url, second.title) == (server.url("a.m4a"), "Second")
    assert first.video_id == video_id(server.url("a.mp3"))
    assert len(downloader.listing(url, max_videos=1)) == 1
    wanted = [Wanted(e.video_id, e.url, place.copy(f"{e.video_id}.wav")) for e in (first, second)]
    assert all(isinstance(got, Acquired) for _, got in downloader.fetch_all(wanted, place.partial))
    assert {r.path for r in server.requests} == {"feed.xml", "a.mp3", "a.m4a"}


@pytest.mark.parametrize(
    "guid", ["../../../etc/passwd", "a/b", "x" * 300, "аbсdеfghijk", "<script>", "%00", "..", "CON", "-rf", "a.b"]
)
def test_ids_and_titles_that_a_feed_makes_up_touch_no_path(server: Server, place: Place, guid: str):
    url = feed(server, (guid, guid * 2, server.url("a.mp3")))
    (entry,) = place.downloader().listing(url)
    assert entry.video_id == checked_id(video_id(server.url("a.mp3")))
    assert entry.title.isprintable()
    place.fetch(entry.url, name=f"{entry.video_id}.wav")
    assert set(contents(place.root)) == {f"audio/{entry.video_id}.wav", "quota"}


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp3", "data:audio/wav;base64,AAAA"])
def test_addresses_of_another_kind_in_a_feed_are_seen_and_not_fetched(server: Server, place: Place, target: str):
    (entry,) = place.downloader().listing(feed(server, ("g", "t", target)))
    assert entry.unavailable == "its address is not one of http or https"
    with pytest.raises(RecordingError, match="https://") as caught:
        place.fetch(entry.url)
    assert caught.value.error_class == "permanent"


def test_a_single_recording_is_a_list_of_one(server: Server, place: Place):
    server.redirects["old.mp3"] = "/a.mp3"
    (entry,) = place.downloader().listing(server.url("old.mp3"))
    assert (entry.video_id, entry.url) == (video_id(server.url("old.mp3")), server.url("old.mp3"))


def tube(pages: Mapping[str, object], asked: list[str]):
    """What yt-dlp's own part for YouTube gives, without YouTube: address -> what is extracted there."""

    def extract_info(self, url, download=True, ie_key=None, process=True, **more):
        assert not download
        asked.append(url)
        page = pages[url]
        if isinstance(page, Exception):
            raise page
        return dict(page) if isinstance(page, dict) else page

    return extract_info


def video(name: str, **more: object) -> dict[str, object]:
    url = f"https://www.youtube.com/watch?v={name}"
    return {"_type": "url", "ie_key": "Youtube", "id": name, "url": url, "title": name, **more}


A, B, C = "aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc"
CHANNEL = "https://www.youtube.com/@pianist"
LIST = "https://www.youtube.com/playlist?list=PL1"


def test_a_channel_is_listed_page_by_page_and_no_further_than_needed(place: Place, monkeypatch: pytest.MonkeyPatch):
    import yt_dlp

    seen: list[str] = []

    def entries():
        for raw in (video(A, live_status="is_upcoming"), None, video(B), video(B), video(C)):
            seen.append(str(raw and raw["id"]))
            yield raw

    def pages():
        return {
            f"{CHANNEL}/videos": {"_type": "url", "url": "https://www.youtube.com/channel/UC1/videos"},
            "https://www.youtube.com/channel/UC1/videos": {"_type": "playlist", "entries": entries()},
        }

    asked: list[str] = []
    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", tube(pages(), asked))
    found = place.downloader().listing(CHANNEL, max_videos=1)
    assert [(e.video_id, e.unavailable) for e in found] == [(A, "upcoming"), (B, "")]
    assert asked == [f"{CHANNEL}/videos", "https://www.youtube.com/channel/UC1/videos"]
    assert seen == [A, "None", B]
    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", tube(pages(), asked))
    assert [e.video_id for e in place.downloader().listing(CHANNEL)] == [A, B, C]


def test_playlists_of_a_channel_are_opened_and_what_cannot_be_had_is_shown(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    import yt_dlp
    from yt_dlp.utils import ExtractorError

    inner = {"_type": "url", "ie_key": "YoutubeTab", "url": LIST, "title": "Études"}
    outer = {"_type": "playlist", "entries": [video(A), inner, {**inner, "url": f"{LIST}2"}, video(C)]}
    gone = ExtractorError("YouTube said: The playlist does not exist.", expected=True)
    pages = {
        f"{CHANNEL}/playlists": outer,
        LIST: {"_type": "playlist", "entries": [video(B), inner]},
        f"{LIST}2": gone,
    }
    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", tube(pages, []))
    a, b, lost, c = place.downloader().listing(f"{CHANNEL}/playlists")
    assert (a.video_id, b.video_id, c.video_id) == (A, B, C)
    assert (lost.url, lost.title) == (f"{LIST}2", "Études")
    assert "does not exist" in lost.unavailable


def test_a_list_that_breaks_off_is_an_error_and_not_a_short_list(place: Place, monkeypatch: pytest.MonkeyPatch):
    import yt_dlp
    from yt_dlp.utils import ExtractorError

    def entries(message: str):
        yield video(A)
        raise ExtractorError(message, expected=True)

    for message, error in (("HTTP Error 503: x", RecordingError), ("Sign in to confirm you’re not a bot", Blocked)):
        pages = {LIST: {"_type": "playlist", "entries": entries(message)}}
        monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", tube(pages, []))
        with pytest.raises(error, match=message[:15]):
            place.downloader().listing(LIST)


@pytest.mark.parametrize(("status", "error"), [(404, RecordingError), (429, Blocked), (503, RecordingError)])
def test_a_list_that_cannot_be_had_is_an_error_of_its_class(server: Server, place: Place, status: int, error: type):
    server.status = status
    with pytest.raises(error, match=rf"{server.url('feed.xml')}: .*HTTP Error {status}") as caught:
        place.downloader().listing(server.url("feed.xml"))
    if isinstance(caught.value, RecordingError):
        assert caught.value.error_class == {404: "permanent", 503: "retry"}[status]


def test_an_address_of_a_list_is_not_fetched_as_one_recording(server: Server, place: Place):
    url = feed(server, ("g", "t", server.url("a.mp3")), ("h", "u", server.url("a.m4a")))
    error = place.fails(url)
    assert (error.error_class, "is a list" in str(error)) == ("permanent", True)
    assert {r.path for r in server.requests} == {"feed.xml"}


def test_a_page_around_a_recording_gives_its_title_as_one_line(server: Server, place: Place):
    title = "&lt;script&gt;Étude&#7;\n&#x202e;" + "x" * 400
    page = f"<html><head><title>{title}</title></head><body><audio src='a.mp3'></audio></body></html>"
    (server.folder / "page.html").write_text(page)
    got = place.fetch(server.url("page.html"))
    assert got.title.startswith("<script>Étude x")
    assert (len(got.title), got.title.isprintable()) == (300, True)
    assert got.webpage_url == server.url("page.html")


# the network breaks


def test_a_server_that_fails_and_recovers_is_asked_again(server: Server, place: Place):
    server.unavailable = 2
    assert place.fetch(server.url("a.mp3")).duration > 2.9
    assert [r.status for r in server.requests] == [503, 503, 200, 200]


def test_a_server_that_stays_down_is_left_to_a_later_run(server: Server, place: Place):
    server.unavailable = 1000
    error = place.fails(server.url("a.mp3"))
    assert error.error_class == "retry"
    assert re.search("503.*later run", str(error))
    assert len(server.requests) == 1 + QUICK.retries


def test_a_server_that_fails_only_the_transfer_is_asked_again_and_then_left(server: Server, place: Place):
    server.status, server.refuse_after = 503, 1
    assert place.fails(server.url("a.mp3")).error_class == "retry"
    assert [r.status for r in server.requests] == [200, *[503] * (1 + QUICK.retries)]


def test_nobody_there_is_left_to_a_later_run(tmp_path: Path, place: Place):
    with serve(tmp_path) as gone:
        url = gone.url("a.mp3")
    assert place.fails(url).error_class == "retry"
    assert place.fails("http://nowhere.invalid/a.mp3").error_class == "retry"


def test_a_server_that_says_nothing_is_given_up(server: Server, place: Place):
    server.stall_times = 1000
    assert place.fails(server.url("a.mp3"), replace(QUICK, socket_timeout=0.1, retries=1)).error_class == "retry"
    assert len(server.requests) == 2


def transferred(server: Server, path: str) -> list[tuple[int, int]]:
    """First byte asked for, and bytes sent, of each request but the first, which only looks."""
    return [((r.range or (0, 0))[0], r.sent) for r in server.requests if r.path == path][1:]


def test_a_broken_transfer_goes_on_where_it_ended(server: Server, sounds: Path, place: Place):
    size = (sounds / "long.wav").stat().st_size
    server.drop_after, server.drop_times = MB, 3  # the look at the file spends one
    got = place.fetch(server.url("long.wav"))
    assert got.original_sha256 == hashlib.sha256((sounds / "long.wav").read_bytes()).hexdigest()
    (_, sent), (second, sent_second), (third, sent_third) = transferred(server, "long.wav")
    assert (sent, sent_second, sent_third) == (MB, MB, size - third)
    # of what was broken off only the last piece is lost
    assert MB - PIECE < second <= MB
    assert second + MB - PIECE < third <= second + MB
    assert place.waiting() == {}


def test_a_transfer_that_a_run_gave_up_is_taken_up_by_the_next(server: Server, sounds: Path, place: Place):
    size = (sounds / "long.wav").stat().st_size
    server.drop_after, server.drop_times = MB, 2
    assert place.fails(server.url("long.wav"), replace(QUICK, retries=0)).error_class == "retry"
    (there,) = place.waiting().values()
    assert MB - PIECE < there <= MB
    server.requests.clear()
    place.fetch(server.url("long.wav"))
    assert transferred(server, "long.wav") == [(there, size - there)]
    assert np.abs(load_audio(place.copy())[0] - load_audio(sounds / "long.wav")[0]).max() < 1e-4
    assert place.waiting() == {}


def test_a_process_killed_in_a_transfer_loses_nothing(server: Server, sounds: Path, place: Place):
    server.slow = 0.01
    command = [sys.executable, "-m", "crescendai_assets_tests.sources.download.fetch_one"]
    arguments = [server.url("long.wav"), str(place.copy()), str(place.partial)]
    child = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE)
    until(lambda: any(name.endswith(".part") and size > 300_000 for name, size in place.waiting().items()))
    child.kill()
    assert child.communicate()[0] == b""
    (there,) = (size for name, size in place.waiting().items() if name.endswith(".part"))
    server.slow = 0.0
    server.requests.clear()
    got = place.fetch(server.url("long.wav"))
    assert [first for first, _ in transferred(server, "long.wav")] == [there]
    assert sum(sent for _, sent in transferred(server, "long.wav")) == got.bytes - there
    assert np.abs(load_audio(place.copy())[0] - load_audio(sounds / "long.wav")[0]).max() < 1e-4
    assert set(place.waiting()) == {"quota"}


def test_a_server_without_ranges_sends_the_whole_again(server: Server, place: Place):
    server.drop_after, server.drop_times, server.ranges_off = MB, 2, True
    got = place.fetch(server.url("long.wav"))
    (_, sent), (asked, sent_again) = transferred(server, "long.wav")
    assert (sent, sent_again) == (MB, got.bytes)
    assert asked > MB - PIECE
    assert got.duration == pytest.approx(60.0)


def test_a_process_killed_after_the_last_byte_transfers_nothing_again(server: Server, sounds: Path, place: Place):
    server.drop_after, server.drop_times = MB, 2
    place.fails(server.url("long.wav"), replace(QUICK, retries=0))
    (part,) = place.partial.iterdir()
    part.write_bytes((sounds / "long.wav").read_bytes())
    server.requests.clear()
    assert place.fetch(server.url("long.wav")).duration == pytest.approx(60.0)
    assert {sent for _, sent in transferred(server, "long.wav")} == {0}
    assert place.waiting() == {}


def test_another_stream_is_never_appended_to_what_waits(server: Server, sounds: Path, place: Place):
    server.drop_after, server.drop_times = MB, 2
    place.fails(server.url("long.wav"), replace(QUICK, retries=0))
    got = place.fetch(server.url("a.mp3"))  # the same recording, its address corrected
    assert got.original_sha256 == hashlib.sha256((sounds / "a.mp3").read_bytes()).hexdigest()
    assert place.waiting() == {}


def test_a_stream_that_is_there_whole_is_decoded_and_not_transferred_again(server: Server, place: Place):
    class Killed(GuardedProcess):
        def call(self, *args, **kwargs):
            raise RecordingError("its process was killed", "retry")

    downloader = place.downloader()
    with pytest.raises(RecordingError, match="killed"):
        downloader.fetch(server.url("long.wav"), place.copy(), place.partial, Killed())
    assert len(place.waiting()) == 1
    server.requests.clear()
    assert place.fetch(server.url("long.wav")).duration == pytest.approx(60.0)
    assert transferred(server, "long.wav") == []


def test_a_stream_cut_short_unnoticed_is_fetched_again_by_a_later_run(server: Server, place: Place):
    server.drop_after, server.drop_times, server.announce_length = MB, 2, False
    error = place.fails(server.url("long.wav"))
    assert error.error_class == "retry"
    assert re.search("truncated: its header declares 60.0 s", str(error))
    assert place.waiting() == {}
    assert place.fetch(server.url("long.wav")).duration == pytest.approx(60.0)


def test_a_stream_that_the_site_itself_cut_short_is_given_up(server: Server, sounds: Path, place: Place):
    (server.folder / "cut.wav").write_bytes((sounds / "long.wav").read_bytes()[:MB])
    assert place.fails(server.url("cut.wav")).error_class == "permanent"
    assert place.waiting() == {}


def test_a_file_that_changed_between_two_runs_comes_out_right_in_the_end(server: Server, sounds: Path, place: Place):
    server.drop_after, server.drop_times = MB, 2
    place.fails(server.url("long.wav"), replace(QUICK, retries=0))
    (server.folder / "long.wav").unlink()
    write_sound(server.folder / "long.wav", noise(10.0), 24_000)  # now shorter than what waits
    got = place.fetch(server.url("long.wav"))
    assert got.duration == pytest.approx(10.0)


# what is refused


@pytest.mark.parametrize("status", [404, 410])
def test_a_recording_that_is_gone_is_not_tried_again(server: Server, place: Place, status: int):
    server.status = status
    error = place.fails(server.url("a.mp3"))
    assert (error.error_class, f"HTTP Error {status}" in str(error)) == ("permanent", True)
    assert len(server.requests) == 1


PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000") + bytes(3000)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("page.html", b"<html><head><title>x</title></head><body>no sound</body></html>", ""),
        ("page.mp3", b"<html><body>Please sign in</body></html>", "audio/mpeg"),
        ("notes.txt", b"Dear pianist, " * 500, ""),
        ("notes.mp3", b"Dear pianist, " * 500, "audio/mpeg"),
        ("picture.png", PNG, ""),
        ("empty.mp3", b"\0" * 5000, ""),
        ("list.mp3", b"ffconcat version 1.0\nfile 'other.wav'\n" + b"\xff\xfe" * 300, "audio/mpeg"),
    ],
)
def test_what_is_no_recording_is_refused_for_good(server: Server, place: Place, name: str, content: bytes, kind: str):
    (server.folder / name).write_bytes(content)
    if kind:
        server.types[name] = kind
    place.partial.mkdir(parents=True)
    write_sound(place.partial / "other.wav", tone(1.0), 24_000)  # another recording's, beside it
    assert place.fails(server.url(name)).error_class == "permanent"
    assert set(place.waiting()) == {"other.wav"}


def test_nothing_at_all_is_tried_again(server: Server, place: Place):
    (server.folder / "nothing.mp3").write_bytes(b"")
    assert place.fails(server.url("nothing.mp3")).error_class == "retry"


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_stopped_on_the_way(server: Server, place: Place, announced: bool):
    server.announce_length, server.slow = announced, 0.001
    error = place.fails(server.url("long.wav"), replace(QUICK, max_bytes=500_000))
    assert (error.error_class, "more than 0.5 MB" in str(error)) == ("permanent", True)
    assert "CRESCENDAI_DOWNLOAD_MAX_MB" in str(error)
    assert sum(sent for _, sent in transferred(server, "long.wav")) < 2_000_000
    assert place.waiting() == {}


def test_what_is_too_large_in_segments_is_stopped_on_the_way(server: Server, place: Place):
    segmented(server, *["long.wav"] * 5)
    assert place.fails(server.url("list.m3u8"), replace(QUICK, max_bytes=4 * MB)).error_class == "permanent"
    assert sum(r.path == "long.wav" for r in server.requests) == 2
    assert place.waiting() == {}


def test_what_is_longer_than_wanted_is_refused_when_it_is_decoded(server: Server, place: Place):
    error = place.fails(server.url("a.mp3"), replace(QUICK, max_seconds=2.0))
    assert error.error_class == "permanent"
    assert place.waiting() == {}


def test_a_page_without_an_end_does_not_fill_the_memory(server: Server, place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("crescendai_assets.sources.download.client.LARGEST_PAGE", 2**20)
    (server.folder / "page.html").write_text("<html><body>" + "x" * 8 * MB)
    server.announce_length = False
    assert place.fails(server.url("page.html")).error_class == "permanent"
    assert server.sent_bytes < 7 * MB
    server.announce_length = True
    assert place.fetch(server.url("long.wav")).bytes > 2**20  # which is no limit of recordings


TARGETS = [
    "file:///etc/passwd",
    "ftp://127.0.0.1:1/a.mp3",
    "data:audio/wav;base64,AAAA",
    "javascript:alert(1)",
    "ws://127.0.0.1:1/",
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_redirect_to_another_kind_of_address_is_refused_for_good(server: Server, place: Place, target: str):
    server.redirects["a.mp3"] = target
    error = place.fails(server.url("a.mp3"))
    assert error.error_class == "permanent"
    assert re.search(f"address of another kind.*{re.escape(target)}.*Only http and https", str(error))
    assert len(server.requests) == 1


def test_what_one_way_to_the_network_stumbles_over_is_tried_no_other_way(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
):
    from yt_dlp.networking._requests import RequestsRH

    def stumble(self: object, request: object) -> None:
        raise ValueError("a redirect that no parser reads")

    monkeypatch.setattr(RequestsRH, "_send", stumble)  # yt-dlp would go on with urllib, which knows ftp:
    assert place.fails(server.url("a.mp3")).error_class == "retry"
    assert server.requests == []


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1:1/a.aac", "data:audio/aac;base64,AAAA"])
@pytest.mark.parametrize("redirected", [False, True])
def test_a_stream_made_of_other_kinds_of_address_is_refused_for_good(
    server: Server, place: Place, target: str, redirected: bool
):
    server.redirects["0.aac"] = target
    segment = "0.aac" if redirected else target
    segmented(server, segment)
    error = place.fails(server.url("list.m3u8"))
    assert error.error_class == "permanent"
    assert "another kind" in str(error)
    assert place.waiting() == {}


def test_an_ordinary_redirect_is_followed(server: Server, place: Place):
    server.redirects["old.mp3"] = "/a.mp3"
    assert place.fetch(server.url("old.mp3")).duration > 2.9


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "ytsearch:chopin", "a.mp3", "", "http://a\x00b/"]
)
def test_an_address_that_is_not_of_the_web_is_refused_for_good(place: Place, url: str):
    with pytest.raises(RecordingError, match="address") as caught:
        place.fetch(url)
    assert caught.value.error_class == "permanent"


@pytest.mark.parametrize(
    ("info", "error_class", "fault"),
    [
        ({"live_status": "is_live"}, "retry", "is live now"),
        ({"live_status": "is_upcoming"}, "retry", "is yet to come"),
        ({"live_status": "post_live"}, "retry", "was live a moment ago"),
        ({"duration": 4 * 3600 + 1}, "permanent", "4.0 h long, more than 4 h"),
        ({"filesize": 500_000_001}, "permanent", "more than 500 MB"),
        ({"_type": "playlist"}, "permanent", "is a list"),
        ({"url": "rtmp://piano.example/x", "protocol": "rtmp"}, "permanent", "address of another kind"),
        ({"protocol": "websocket_frag"}, "permanent", "served by websocket_frag"),
        ({"protocol": "mhtml"}, "permanent", "served by mhtml"),
    ],
)
def test_what_the_site_says_is_enough_to_refuse(info: dict[str, object], error_class: str, fault: str):
    fit = {"url": "https://piano.example/a", "protocol": "https", "live_status": "was_live", "duration": 4 * 3600}
    refuse_unfit(fit, "https://piano.example/a", QUICK)
    with pytest.raises(RecordingError, match=fault) as caught:
        refuse_unfit({**fit, **info}, "https://piano.example/a", QUICK)
    assert caught.value.error_class == error_class


@pytest.mark.parametrize("error", [KeyError("url"), TypeError("x"), AssertionError()])
def test_a_site_that_makes_yt_dlp_stumble_costs_one_recording(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    import yt_dlp

    plain = yt_dlp.YoutubeDL.extract_info

    def stumbling(self, url, *args, **kwargs):
        if url.endswith("bad.mp3"):
            raise error
        return plain(self, url, *args, **kwargs)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", stumbling)
    wanted = place.wanted(server.url("bad.mp3"), server.url("a.mp3"))
    (_, first), (_, second) = place.downloader().fetch_all(wanted, place.partial)
    assert isinstance(first, RecordingError)
    assert first.error_class == "retry"
    assert isinstance(second, Acquired)


def test_without_a_javascript_runtime_youtube_fails_with_what_to_install_and_other_sites_work(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
):
    import yt_dlp
    from yt_dlp.utils import ExtractorError

    monkeypatch.setattr("crescendai_assets.sources.download.downloader.find_js_runtime", lambda: None)
    assert place.fetch(server.url("a.mp3")).duration > 2.9

    def failing(self, url, *args, **kwargs):
        raise ExtractorError("No video formats found!", expected=True)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", failing)
    with pytest.raises(RecordingError) as caught:
        place.fetch("https://youtu.be/-MoFwJmGGa4")
    assert NO_JS_RUNTIME in str(caught.value)


# one after the other


def run(downloader: Downloader, wanted: list[Wanted], partial: Path) -> tuple[list[str], SetupError | None]:
    """Error class, or `fetched`, of each recording that was tried; and what stopped the rest."""
    found: list[str] = []
    try:
        for _, outcome in downloader.fetch_all(wanted, partial):
            found.append(outcome.error_class if isinstance(outcome, RecordingError) else "fetched")
    except SetupError as error:
        return found, error
    return found, None


def test_refusals_in_a_row_stop_the_rest_untried(server: Server, place: Place):
    server.status, server.refuse_after = 403, 2
    wanted = place.wanted(*[server.url("a.mp3")] * 8)
    found, stop = run(place.downloader(), wanted, place.partial)
    assert found == ["fetched", "retry", "retry", "blocked"]
    assert isinstance(stop, Blocked)
    assert re.search("4 of 8 recordings not tried.*403.*3 in a row.*wait some hours", str(stop))
    assert len(server.requests) == 2 + 3
    assert len((place.root / "quota").read_text().splitlines()) == 4


def test_single_refusals_stop_nothing(server: Server, place: Place):
    import yt_dlp
    from yt_dlp.utils import ExtractorError

    plain = yt_dlp.YoutubeDL.extract_info
    said = iter(["x", "x", "", "x", "HTTP Error 403: Forbidden", "x", "x", "", "x"])

    def limited(self, url, *args, **kwargs):
        if message := next(said):
            raise ExtractorError("Video unavailable. This content isn't available" if message == "x" else message)
        return plain(self, url, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yt_dlp.YoutubeDL, "extract_info", limited)
        found, stop = run(place.downloader(), place.wanted(*[server.url("a.mp3")] * 9), place.partial)
    assert stop is None
    assert found == ["retry", "retry", "fetched", "retry", "retry", "retry", "retry", "fetched", "retry"]


def test_a_burst_of_content_that_is_not_available_stops_the_rest(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
):
    import yt_dlp
    from yt_dlp.utils import ExtractorError

    def limited(self, url, *args, **kwargs):
        raise ExtractorError("Video unavailable. This content isn't available, try again later", expected=True)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", limited)
    found, stop = run(place.downloader(), place.wanted(*[server.url("a.mp3")] * 5), place.partial)
    assert found == ["retry", "retry", "blocked"]
    assert isinstance(stop, Blocked)


def test_too_many_requests_stop_the_rest_at_once(server: Server, place: Place):
    server.status, server.refuse_after = 429, 3
    found, stop = run(place.downloader(), place.wanted(*[server.url("a.mp3")] * 4), place.partial)
    assert found == ["fetched", "blocked"]
    assert isinstance(stop, Blocked)
    assert "2 of 4 recordings not tried" in str(stop)
    assert len(server.requests) == 4  # the look at the second went well, its transfer was refused


def test_one_failure_keeps_nothing_from_the_others(server: Server, place: Place):
    (server.folder / "notes.txt").write_text("Dear pianist")
    urls = [server.url(name) for name in ("none.mp3", "a.mp3", "notes.txt", "a.m4a")] + ["file:///etc/passwd"]
    found, stop = run(place.downloader(), place.wanted(*urls), place.partial)
    assert found == ["permanent", "fetched", "permanent", "fetched", "permanent"]
    assert stop is None


def test_the_daily_quota_ends_the_run_and_counts_failures_too(server: Server, place: Place):
    downloader = place.downloader(replace(QUICK, daily_quota=3))
    wanted = place.wanted(server.url("none.mp3"), *[server.url("a.mp3")] * 4)
    assert run(downloader, wanted[:2], place.partial) == (["permanent", "fetched"], None)
    assert not downloader.quota_used
    assert run(downloader, wanted[2:], place.partial) == (["fetched"], None)
    assert downloader.quota_used
    other_run = place.downloader(replace(QUICK, daily_quota=3))
    asked = len(server.requests)
    assert run(other_run, wanted, place.partial) == ([], None)
    assert other_run.quota_used
    assert len(server.requests) == asked
    assert run(place.downloader(), [], place.partial) == ([], None)


def test_there_is_a_pause_between_downloads_and_none_before_the_first(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []
    monkeypatch.setattr("crescendai_assets.sources.download.downloader.time.sleep", pauses.append)
    wanted = place.wanted(server.url("none.mp3"), server.url("a.mp3"), server.url("a.m4a"))
    run(place.downloader(replace(QUICK, sleep_seconds=(10.0, 20.0))), wanted, place.partial)
    assert len(pauses) == 2
    assert all(10 <= pause <= 20 for pause in pauses)


# the machine


def test_a_full_disk_stops_the_run_and_keeps_what_came(server: Server, place: Place, small_disk: Path):
    wanted = place.wanted(server.url("long.wav"), server.url("a.mp3"))
    found, stop = run(place.downloader(), wanted, small_disk / "partial")
    assert found == []
    assert stop is not None
    assert re.search("No space left on device.*make room", str(stop))
    assert not isinstance(stop, Blocked)


def test_a_folder_that_cannot_be_written_stops_the_run(server: Server, place: Place):
    place.root.mkdir()
    (place.root / "partial").write_text("a file")
    with pytest.raises(SetupError, match=rf"{place.partial}: cannot be made"):
        place.fetch(server.url("a.mp3"))
    assert server.requests == []


def test_nothing_is_written_anywhere_else(
    server: Server, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.chdir(home)
    before = contents(tmp_path)
    place.fetch(server.url("a.webm"))
    place.downloader().listing(server.url("a.webm"))
    assert set(contents(tmp_path)) - set(before) == {"lake/audio/rec.wav", "lake/quota"}


def test_neither_plugins_nor_a_users_configuration_are_read(server: Server, tmp_path: Path):
    home, marker = tmp_path / "home", tmp_path / "loaded"
    plugin = f"open({str(marker)!r}, 'w')\nfrom yt_dlp.extractor.common import InfoExtractor\n"
    for folder in (home / "elsewhere", home / ".config" / "yt-dlp" / "plugins" / "one"):
        (folder / "yt_dlp_plugins" / "extractor").mkdir(parents=True)
        (folder / "yt_dlp_plugins" / "extractor" / "mine.py").write_text(plugin)
    (home / ".config" / "yt-dlp" / "config").write_text(f"--exec 'touch {marker}'\n--proxy http://127.0.0.1:1\n")
    code = (
        "import sys; from pathlib import Path; import crescendai_assets.sources.download as d; "
        "assert 'yt_dlp' not in sys.modules; "
        f"print(d.Downloader(d.DownloadSettings(), Path('quota')).listing({server.url('a.mp3')!r})[0].title)"
    )
    environ = {**os.environ, "HOME": str(home), "PYTHONPATH": f"{Path.cwd()}:{home / 'elsewhere'}"}
    environ.pop("XDG_CONFIG_HOME", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=home, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("a", "")
    assert not marker.exists()


COOKIES = "# Netscape HTTP Cookie File\n\n127.0.0.1\tFALSE\t/\tFALSE\t{expires}\tsession\tsecret\n"


def test_cookies_are_sent_and_their_file_is_left_as_it_was(server: Server, place: Place, tmp_path: Path):
    path = tmp_path / "cookies.txt"
    path.write_text(COOKIES.format(expires=""))
    before = path.read_bytes()
    place.fetch(server.url("a.mp3"), replace(QUICK, cookies_file=path))
    assert {r.headers.get("Cookie") for r in server.requests} == {"session=secret"}
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "session", "value": "secret"}]',
        "session=secret",
        COOKIES.format(expires="secret"),
        COOKIES[20:],
        "\udcff",
    ],
)
def test_cookies_that_cannot_be_read_stop_the_run_without_being_shown(
    server: Server, place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
):
    path = tmp_path / "cookies.txt"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(SetupError, match=r"cookies\.txt: cannot be read as cookies in Netscape form") as caught:
        place.fetch(server.url("a.mp3"), replace(QUICK, cookies_file=path))
    assert "secret" not in str(caught.value) + "".join(capfd.readouterr())
    assert server.requests == []


def test_cookies_of_a_browser_that_is_not_there_stop_the_run(
    server: Server, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SetupError, match=r"cookies of firefox cannot be read.*give a file"):
        place.fetch(server.url("a.mp3"), replace(QUICK, cookies_from_browser="firefox"))


def test_a_proxy_is_used_where_one_is_set(server: Server, place: Place):
    got = place.fetch("http://piano.invalid/a.mp3", replace(QUICK, proxy=server.address))
    assert got.duration > 2.9
    assert len(server.requests) == 2


def test_the_runtime_found_here_is_handed_to_yt_dlp(place: Place):
    with place.downloader()._client() as client:
        runtime = find_js_runtime()
        assert runtime is not None
        assert client.params["js_runtimes"] == {runtime.name: {"path": runtime.path}}


# names of what waits


def test_what_waits_has_one_name_a_stream_and_another_for_another(tmp_path: Path):
    info = {
        "format_id": "251",
        "ext": "webm",
        "acodec": "opus",
        "filesize": 5,
        "timestamp": 7,
        "url": "https://signed/1",
    }
    name = waiting_at(tmp_path, "rec", info, "https://a").name
    assert name == waiting_at(tmp_path, "rec", {**info, "url": "https://signed/2"}, "https://a").name
    others = [{**info, key: "x"} for key in ("format_id", "ext", "acodec", "filesize", "timestamp")]
    assert len({waiting_at(tmp_path, "rec", other, "https://a").name for other in others} | {name}) == 6
    assert waiting_at(tmp_path, "rec", info, "https://b").name != name
    for ext in ("../x", "a/b", "x" * 50, "", None, "mp3\n", "\0"):
        path = waiting_at(tmp_path, "rec", {**info, "ext": ext}, "https://a")
        assert path.parent == tmp_path
        assert path.suffix == ".media"


def test_only_what_waits_for_a_recording_is_cleared(tmp_path: Path):
    mine = [
        "rec.0123456789.mp3",
        "rec.0123456789.mp3.part",
        "rec.abcdefabcd.media.part-Frag3.part",
        "rec.0123456789.mp3.ytdl",
    ]
    others = [
        "rec1.0123456789.mp3",
        "rec.b.0123456789.mp3",
        "quota",
        "rec.wav",
        "a[rec].0123456789.mp3",
        "rec.0123456789x.mp3",
    ]
    for name in mine + others:
        (tmp_path / name).write_text("")
    clear_waiting(tmp_path, "rec")
    assert set(contents(tmp_path)) == set(others)
    clear_waiting(tmp_path, "a[rec]")
    assert "a[rec].0123456789.mp3" not in contents(tmp_path)
