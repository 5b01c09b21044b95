"""The sample's video site as a downloader meets it: over the wire, through yt-dlp, and around a command."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sample.site import HOST, Site, serve_site
from crescendai_assets.sample.videos import CHANNELS, COMPETITION, SampleVideos

FEED = CHANNELS[0].path
PRELUDE = CHANNELS[0].video("prelude-in-c")
BROADCAST = CHANNELS[0].video("broadcast")
SLOW = CHANNELS[0].video("old-upright")
GONE = CHANNELS[0].video("encore")


@pytest.fixture
def site(videos: SampleVideos) -> Iterator[Site]:
    with serve_site(videos.root) as site:
        yield site


@pytest.fixture
def link(site: Site) -> Iterator[http.client.HTTPConnection]:
    """One connection, kept open between requests."""
    connection = http.client.HTTPConnection(urlsplit(site.proxy).netloc, timeout=10)
    yield connection
    connection.close()


def ask(link, target: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    link.request(method, target, headers=headers)
    answer = link.getresponse()
    return answer.status, answer.headers, answer.read()


def through_proxy(path: str) -> str:
    return f"http://{HOST}{path}"


# ---------------------------------------------------------------- over the wire


def test_every_address_is_served_as_the_index_says_over_one_connection(videos, site, link):
    hurried = {path: one for path, one in site.resources.items() if not one.lasts and one.breaks_off_at is None}
    assert len(hurried) > 30
    for path, resource in hurried.items():
        status, headers, body = ask(link, through_proxy(path))
        assert (status, headers["Content-Type"]) == (200, resource.content_type)
        assert body == resource.file.read_bytes()
        assert headers["Content-Length"] == str(len(body))
    assert [(r.path, r.proxied, r.status) for r in site.requests] == [(path, True, 200) for path in hurried]
    assert sum(r.sent for r in site.requests) == sum(one.file.stat().st_size for one in hurried.values())


def test_without_a_proxy_media_are_the_same_and_pages_lead_to_the_server_itself(videos, site, link):
    _, _, media = ask(link, PRELUDE.media)
    assert media == site.resources[PRELUDE.media].file.read_bytes()
    for path in (FEED, PRELUDE.page):
        status, headers, body = ask(link, path)
        assert (status, headers["Content-Length"]) == (200, str(len(body)))
        assert HOST.encode() not in body
        assert f"{site.proxy}/".encode() in body
    assert [r.proxied for r in site.requests] == [False] * 3
    assert ask(link, site.local(FEED))[0] == 200  # a proxy that is asked for its own address
    assert site.asked(FEED) == 2


def test_a_query_and_escapes_do_not_change_what_an_address_means(link):
    assert ask(link, through_proxy(f"{PRELUDE.page}?utm_source=feed"))[0] == 200
    assert ask(link, through_proxy(PRELUDE.page.replace("prelude", "%70relude")))[0] == 200
    assert ask(link, f"http://{HOST.upper()}:80{PRELUDE.page}")[0] == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-999999999", 5, None)],
)
def test_a_part_can_be_asked_for(site, link, asked, first, last):
    whole = site.resources[PRELUDE.media].file.read_bytes()
    status, headers, body = ask(link, through_proxy(PRELUDE.media), Range=asked)
    assert status == 206
    assert body == (whole[first:] if last is None else whole[first : last + 1])
    start = first % len(whole)
    assert headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(whole)}"
    assert site.requests[-1].range == (start, start + len(body) - 1)


def test_a_part_behind_the_end_is_refused_and_an_odd_range_gets_the_whole(site, link):
    size = site.resources[PRELUDE.media].file.stat().st_size
    status, headers, _ = ask(link, through_proxy(PRELUDE.media), Range=f"bytes={size}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
    status, _, body = ask(link, through_proxy(PRELUDE.media), Range="bytes=0-1,5-6")
    assert (status, len(body)) == (200, size)


def test_head_says_what_get_would_and_sends_nothing(site, link):
    status, headers, body = ask(link, through_proxy(PRELUDE.media), "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == str(site.resources[PRELUDE.media].file.stat().st_size)
    assert (site.requests[-1].method, site.requests[-1].sent) == ("HEAD", 0)


@pytest.mark.parametrize(
    "path",
    [
        "/site.json",
        "/../site.json",
        "/media/../site.json",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/media/%2e%2e%2fsite.json",
        "//etc/passwd",
        "/media/",
        "/",
    ],
)
@pytest.mark.parametrize("prefix", ["", f"http://{HOST}"])
def test_nothing_outside_the_index_can_be_reached(link, prefix, path):
    assert ask(link, prefix + path)[::2] == (404, b"")


@pytest.mark.parametrize("target", ["http://www.youtube.com/watch?v=x", f"https://{HOST}/", "ftp://x/y"])
def test_other_hosts_are_not_here(site, link, target):
    link.request("GET", target)
    answer = link.getresponse()
    assert (answer.status, answer.reason, answer.read()) == (502, f"only http://{HOST} is here", b"")
    assert (site.requests[-1].path, site.requests[-1].status) == (target, 502)


def test_what_is_no_address_at_all_is_refused_too(site):
    with socket.create_connection(("127.0.0.1", urlsplit(site.proxy).port or 0), timeout=10) as odd:
        odd.sendall(b"GET http://[x/ HTTP/1.1\r\n\r\n")
        assert odd.recv(100).startswith(b"HTTP/1.1 502 ")


def test_a_tunnel_is_refused_in_words(site):
    tunnel = http.client.HTTPSConnection(urlsplit(site.proxy).netloc, timeout=10)
    tunnel.set_tunnel("www.youtube.com", 443)
    with pytest.raises(OSError, match=f"502 only http://{HOST} is here"):
        tunnel.request("GET", "/")
    assert (site.requests[-1].method, site.requests[-1].path) == ("CONNECT", "www.youtube.com:443")


def test_other_methods_are_refused(link):
    assert ask(link, through_proxy(FEED), "POST")[0] == 501


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(site, link, capfd):
    size = site.resources[PRELUDE.media].file.stat().st_size
    with socket.create_connection(("127.0.0.1", urlsplit(site.proxy).port or 0)) as rude:
        rude.sendall(f"GET {PRELUDE.media} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        rude.recv(10)
    assert len(ask(link, through_proxy(PRELUDE.media))[2]) == size
    assert capfd.readouterr() == ("", "")


def test_after_the_end_open_connections_get_no_answers(videos):
    with serve_site(videos.root) as site:
        link = http.client.HTTPConnection(urlsplit(site.proxy).netloc, timeout=10)
        assert ask(link, FEED)[0] == 200
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(link, FEED)
    link.close()


# ---------------------------------------------------------------- faults


def test_what_is_gone_is_404(link):
    assert ask(link, through_proxy(GONE.page))[0] == 404
    assert ask(link, through_proxy(GONE.media))[0] == 404


def test_a_slow_one_takes_its_time_and_comes_whole(site, link):
    started = time.monotonic()
    _, _, body = ask(link, through_proxy(SLOW.media))
    assert 1.5 < time.monotonic() - started < 5
    assert body == site.resources[SLOW.media].file.read_bytes()


def test_one_that_breaks_off_never_gets_further_however_it_is_asked(site):
    whole = site.resources[BROADCAST.media].file.read_bytes()
    limit = int(len(whole) * 0.4)
    for start in (0, 1000, limit + 5):
        link = http.client.HTTPConnection(urlsplit(site.proxy).netloc, timeout=10)
        link.request("GET", through_proxy(BROADCAST.media), headers={"Range": f"bytes={start}-"})
        answer = link.getresponse()
        assert answer.headers["Content-Length"] == str(len(whole) - start)
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
        assert broken.value.partial == whole[start:limit]
        link.close()


def test_switches_refuse_pages_and_media_but_no_lists_until_healed(site, link):
    site.forbid_after(2)
    paths = (PRELUDE.page, FEED, PRELUDE.media, PRELUDE.page, FEED, PRELUDE.media)
    assert [ask(link, through_proxy(path))[0] for path in paths] == [200, 200, 200, 403, 200, 403]
    site.heal()
    site.fail_times(2)
    assert [ask(link, through_proxy(path))[0] for path in paths] == [503, 200, 503, 200, 200, 200]


def test_a_folder_without_a_site_is_refused_with_what_to_do(tmp_path):
    with (
        pytest.raises(SetupError, match=r"site\.json: no such file; write the sample's site with `make demo`"),
        serve_site(tmp_path),
    ):
        pass
    (tmp_path / "site.json").write_text("[]")
    with pytest.raises(SetupError, match="not the index of a sample site"), serve_site(tmp_path):
        pass
    outside = {"paths": {"/x": {"file": "../x", "type": "text/plain"}}}
    (tmp_path / "site.json").write_text(json.dumps(outside))
    with pytest.raises(SetupError, match="/x is a file outside"), serve_site(tmp_path):
        pass


def test_a_port_that_cannot_be_had_is_named(videos, site):
    port = urlsplit(site.proxy).port or 0
    with (
        pytest.raises(SetupError, match=r"port 70000 of 127\.0\.0\.1: .*; give another"),
        serve_site(videos.root, 70_000),
    ):
        pass
    with pytest.raises(SetupError, match=f"port {port} of 127.0.0.1: .*; give another"), serve_site(videos.root, port):
        pass


# ---------------------------------------------------------------- through yt-dlp


def downloader(site: Site, folder: Path, **options):
    import yt_dlp

    class Silent:
        def debug(self, message):
            pass

        warning = error = debug

    return yt_dlp.YoutubeDL(
        {
            "proxy": site.proxy,
            "format": "bestaudio/best",
            "outtmpl": str(folder / "%(id)s.%(ext)s"),
            "quiet": True,
            "noprogress": True,
            "logger": Silent(),
            "cachedir": False,
            "fixup": "never",
            "retries": 1,
            "retry_sleep_functions": {"http": lambda n: 0},
            **options,
        }
    )


@pytest.mark.parametrize("one", [*CHANNELS, COMPETITION], ids=lambda one: one.key)
def test_ytdlp_lists_a_feed_with_titles_and_lengths(site, tmp_path, one):
    with downloader(site, tmp_path, extract_flat="in_playlist") as client:
        found = client.extract_info(one.url, download=False)
    assert found["title"] == one.name
    entries = list(found["entries"])
    assert [entry["title"] for entry in entries] == [video.title for video in one.videos]
    assert [entry["duration"] for entry in entries] == [round(video.sound.seconds) for video in one.videos]
    assert [entry["url"].partition("#")[0] for entry in entries] == [video.url for video in one.videos]
    assert all(("#" in entry["url"]) == one.guids for entry in entries)  # what yt-dlp makes of guids
    assert [request.path for request in site.requests] == [one.path]


def obtainable():
    videos = [*CHANNELS[0].videos, *COMPETITION.videos[:3], CHANNELS[1].video("prelude-again")]
    return [video for video in videos if video.obtainable]


@pytest.mark.parametrize("video", obtainable(), ids=lambda video: video.name)
def test_ytdlp_downloads_every_kind_of_media_by_its_page(site, tmp_path, video):
    with downloader(site, tmp_path) as client:
        found = client.extract_info(video.url)
    assert (found["id"], found["title"], found["duration"]) == (video.name, video.title, video.sound.seconds)
    assert found["upload_date"].startswith("202406")
    (file,) = tmp_path.iterdir()
    assert file.name == f"{video.name}.{video.sound.kind}"
    assert file.read_bytes() == site.resources[video.media].file.read_bytes()
    assert [request.path for request in site.requests] == [video.page, video.media, video.media]


def test_ytdlp_downloads_without_a_proxy_by_the_servers_own_address(site, tmp_path):
    with downloader(site, tmp_path, proxy="") as client:
        client.extract_info(site.local(PRELUDE.page))
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == site.resources[PRELUDE.media].file.read_bytes()


def test_ytdlp_fails_at_what_is_gone_and_what_breaks_off_and_what_is_forbidden(site, tmp_path):
    from yt_dlp.utils import DownloadError

    with downloader(site, tmp_path) as client:
        with pytest.raises(DownloadError, match="HTTP Error 404"):
            client.extract_info(GONE.url)
        with pytest.raises(DownloadError, match="more expected"):
            client.extract_info(BROADCAST.url)
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        site.forbid_after(0)
        with pytest.raises(DownloadError, match="HTTP Error 403"):
            client.extract_info(PRELUDE.url)


def test_ytdlp_takes_a_picture_for_audio_as_its_server_says(site, tmp_path):
    with downloader(site, tmp_path) as client:
        client.extract_info(CHANNELS[0].video("programme").url)
    assert (tmp_path / "programme.m4a").read_bytes().startswith(b"\x89PNG")


def test_ytdlp_says_in_words_that_another_site_is_not_here(site, tmp_path):
    from yt_dlp.utils import DownloadError

    with downloader(site, tmp_path) as client, pytest.raises(DownloadError, match=f"502 only http://{HOST} is here"):
        client.extract_info("https://another.example/watch")


# ---------------------------------------------------------------- around a command

MODULE = [sys.executable, "-m", "crescendai_assets.sample.site"]
WAITS = """
import signal, sys, time
count = 0
def note(number, frame):
    global count
    count += 1
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
until = time.monotonic() + 10
while not count and time.monotonic() < until:
    time.sleep(0.02)
time.sleep(0.4)
print("heard", count, flush=True)
sys.exit(5)
"""


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *arguments], capture_output=True, text=True, timeout=20, check=False, cwd=project(), **options
    )


def project() -> Path:
    return Path(__file__).parents[2]


def test_a_command_runs_with_the_site_as_its_proxy_and_gives_its_status(videos):
    code = f"""
import os, sys, urllib.request
proxy = os.environ["CRESCENDAI_PROXY"]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{"http": proxy}}))
print(len(opener.open("{PRELUDE.url}").read()), proxy)
sys.exit(7)
"""
    done = run(str(videos.root), "--", sys.executable, "-c", code)
    assert (done.returncode, done.stderr) == (7, "")
    size, proxy = done.stdout.split()
    assert int(size) > 300
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", urlsplit(proxy).port or 0), timeout=1)


def test_a_port_can_be_chosen(videos):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run(str(videos.root), "--port", str(port), "--", "sh", "-c", "echo $CRESCENDAI_PROXY")
    assert done.stdout == f"http://127.0.0.1:{port}\n"


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["sh", "-c", "kill -TERM $$"], 143, ""),
        (["no-such-command"], 127, "no-such-command: No such file or directory"),
        ([], 2, "give the command to run, after --"),
    ],
)
def test_a_command_that_is_killed_or_missing_gives_the_status_that_shells_give(videos, command, status, said):
    done = run(str(videos.root), "--", *command)
    assert done.returncode == status
    assert said in done.stderr


def test_mistakes_in_the_call_are_explained(tmp_path):
    assert "give -- and the command to run" in run(str(tmp_path)).stderr
    done = run(str(tmp_path), "--", "true")
    assert done.returncode == 2
    assert "site.json: no such file" in done.stderr


@pytest.mark.parametrize("before", ["", "trap '' INT;"], ids=["", "in a script's background, where SIGINT is ignored"])
def test_an_interrupt_sent_to_the_server_alone_ends_the_command_first(videos, before):
    process = subprocess.Popen(
        ["sh", "-c", f'{before} exec "$@"', "sh", *MODULE, str(videos.root), "--", sys.executable, "-c", WAITS],
        stdout=subprocess.PIPE,
        text=True,
        cwd=project(),
        start_new_session=True,  # no terminal
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[0] == "heard 1\n"
    assert process.returncode == 5


def test_control_c_at_a_terminal_reaches_the_command_once(videos):
    in_terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    command = [*MODULE, str(videos.root), "--", sys.executable, "-c", WAITS]
    process = subprocess.Popen(
        [sys.executable, "-c", in_terminal, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=project()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\r\n"
    process.stdin.write(b"\x03")
    process.stdin.flush()
    assert process.stdout.read().endswith(b"heard 1\r\n")
    assert process.wait(timeout=10) == 5
    process.stdin.close()
    process.stdout.close()
