from __future__ import annotations

import multiprocessing
import os
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.download import NO_JS_RUNTIME, DownloadSettings, find_js_runtime, settings_from
from crescendai_assets.sources.download.client import client_options
from crescendai_assets.sources.download.js_runtime import JsRuntime
from crescendai_assets.sources.download.quota import DailyQuota

DEFAULT = DownloadSettings()
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def options(settings=DEFAULT, runtime=None, listing=False):
    return client_options(settings, runtime, hook=lambda status: None, listing=listing)


# settings


def test_the_pauses_are_those_of_yt_dlps_own_preset():
    from yt_dlp.options import _PRESET_ALIASES

    preset = _PRESET_ALIASES["sleep"]
    given = dict(zip(preset[::2], map(float, preset[1::2]), strict=True))
    settings = DownloadSettings()
    assert settings.sleep_seconds == (given["--sleep-interval"], given["--max-sleep-interval"])
    assert settings.sleep_requests == given["--sleep-requests"]


@pytest.mark.parametrize(("between_downloads", "between_requests"), [((0, 0), 0), ((0.2, 5), 0.2), ((1, 5), 0.75)])
def test_who_wants_no_pauses_between_downloads_waits_for_no_metadata_either(between_downloads, between_requests):
    assert settings_from({}, sleep_seconds=between_downloads).sleep_requests == between_requests


def test_the_environment_is_read_and_overrides_come_first(tmp_path):
    (tmp_path / "cookies.txt").write_text("# Netscape HTTP Cookie File\n")
    environ = {
        "CRESCENDAI_COOKIES": str(tmp_path / "cookies.txt"),
        "CRESCENDAI_COOKIES_BROWSER": "firefox",
        "CRESCENDAI_PROXY": "socks5://127.0.0.1:9050",
        "CRESCENDAI_DOWNLOAD_SLEEP": "5-7.5",
        "CRESCENDAI_DOWNLOAD_QUOTA": "40",
        "CRESCENDAI_AUDIO_FORMAT": "FLAC",
        "CRESCENDAI_DOWNLOAD_MAX_MB": "1.5",
    }
    assert settings_from(environ) == DownloadSettings(
        cookies_file=tmp_path / "cookies.txt",
        cookies_from_browser="firefox",
        proxy="socks5://127.0.0.1:9050",
        sleep_seconds=(5.0, 7.5),
        daily_quota=40,
        audio_format="flac",
        max_bytes=1_500_000,
    )
    assert settings_from(environ, audio_format="wav", daily_quota=None, proxy=None).audio_format == "wav"
    assert settings_from(environ, daily_quota=None).daily_quota == 40
    assert settings_from({"CRESCENDAI_DOWNLOAD_SLEEP": "0"}).sleep_seconds == (0.0, 0.0)
    assert settings_from({"CRESCENDAI_DOWNLOAD_QUOTA": " ", "CRESCENDAI_AUDIO_FORMAT": ""}) == DownloadSettings()


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("CRESCENDAI_COOKIES", "/nowhere/cookies.txt", "/nowhere/cookies.txt: no such file"),
        ("CRESCENDAI_COOKIES_BROWSER", "netscape", "'netscape' is not one of .*firefox"),
        ("CRESCENDAI_COOKIES_BROWSER", "chrome+nothing", "keyring 'NOTHING' is not one of"),
        ("CRESCENDAI_PROXY", "127.0.0.1:9050", "no address that begins with"),
        ("CRESCENDAI_PROXY", "http://[::1", "no address that begins with"),
        ("CRESCENDAI_DOWNLOAD_SLEEP", "20-10", "least and most seconds"),
        ("CRESCENDAI_DOWNLOAD_SLEEP", "-5", "least and most seconds"),
        ("CRESCENDAI_DOWNLOAD_SLEEP", "soon", "least and most seconds"),
        ("CRESCENDAI_DOWNLOAD_SLEEP", "nan", "least and most seconds"),
        ("CRESCENDAI_DOWNLOAD_QUOTA", "0", "lets nothing through"),
        ("CRESCENDAI_DOWNLOAD_QUOTA", "ten", "whole number"),
        ("CRESCENDAI_AUDIO_FORMAT", "ogg", "'ogg' is not one of wav, flac"),
        ("CRESCENDAI_DOWNLOAD_MAX_MB", "0", "not above 0"),
        ("CRESCENDAI_DOWNLOAD_MAX_MB", "inf", "megabytes"),
    ],
)
def test_a_variable_of_no_use_is_named_with_what_to_give(variable, value, fault):
    with pytest.raises(SetupError, match=rf"^{variable}\b.*{fault}"):
        settings_from({variable: value})


def test_a_password_of_a_proxy_stays_out_of_the_message():
    with pytest.raises(SetupError) as caught:
        settings_from({"CRESCENDAI_PROXY": "gopher://me:secret@proxy.example"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["max_bytes", "max_seconds", "socket_timeout", "retries", "retry_backoff"])
def test_a_setting_of_no_use_is_named(name):
    broken: dict[str, Any] = {name: -1}
    with pytest.raises(SetupError, match=f"^{name}: "):
        replace(DEFAULT, **broken)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("firefox", ("firefox", None, None, None)),
        ("Chrome:Profile 1", ("chrome", "Profile 1", None, None)),
        ("chromium+gnomekeyring:/home/a/b", ("chromium", "/home/a/b", "GNOMEKEYRING", None)),
        ("firefox::Work", ("firefox", None, None, "Work")),
        ("firefox:default::none", ("firefox", "default", None, "none")),
    ],
)
def test_a_browser_is_named_as_on_yt_dlps_command_line(text, parts):
    assert options(DownloadSettings(cookies_from_browser=text))["cookiesfrombrowser"] == parts


def test_nothing_but_the_network_is_open_to_the_client():
    found = options()
    assert found["enable_file_urls"] is False
    assert found["cachedir"] is False
    assert found["postprocessors"] == []
    assert (found["fixup"], found["external_downloader"]) == ("never", "native")
    assert not {"proxy", "cookiefile", "cookiesfrombrowser"} & found.keys()
    assert options(DownloadSettings(proxy="http://127.0.0.1:1"))["proxy"] == "http://127.0.0.1:1"


def test_every_option_is_one_that_yt_dlp_knows():
    import yt_dlp
    from yt_dlp.options import create_parser

    documented = re.findall(r"\w+", yt_dlp.YoutubeDL.__doc__ or "")
    on_command_line = {option.dest for group in create_parser().option_groups for option in group.option_list}
    assert set(options()) - set(documented) - on_command_line == set()


# JavaScript


def fake(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing on it: folders of its Python and of its PATH."""
    python, path = tmp_path / "venv", tmp_path / "path"
    python.mkdir()
    path.mkdir()
    monkeypatch.setattr(sys, "executable", str(python / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(python))
    monkeypatch.setenv("PATH", f"{path}:/bin")
    return python, path


def test_deno_beside_this_python_is_found_though_it_is_not_on_the_path(machine):
    python, path = machine
    fake(path, "node", "v24.1.0")
    deno = fake(python, "deno", "deno 2.9.8 (stable)")
    assert find_js_runtime() == ("deno", str(deno), "2.9.8")


def test_node_serves_where_deno_is_missing_or_too_old(machine):
    python, path = machine
    fake(python, "deno", "deno 1.46.0")
    node = fake(path, "node", "v22.3.0")
    assert find_js_runtime() == ("node", str(node), "22.3.0")


@pytest.mark.parametrize("says", ["v20.19.0", "no version at all"])
def test_a_runtime_that_is_too_old_or_says_nothing_is_none(machine, says):
    fake(machine[1], "node", says)
    assert find_js_runtime() is None
    assert "deno" in NO_JS_RUNTIME


def test_this_machine_has_the_runtime_that_the_project_installs():
    found = find_js_runtime()
    assert found is not None
    assert os.access(found.path, os.X_OK)


@pytest.mark.parametrize("name", ["deno", "node"])
def test_the_runtime_that_was_found_is_the_one_that_yt_dlp_uses(tmp_path, name):
    import yt_dlp

    says = {"deno": "deno 2.9.8", "node": "v22.3.0"}[name]
    path = fake(tmp_path, name, says)
    with yt_dlp.YoutubeDL(options(runtime=JsRuntime(name, str(path), "1"))) as client:
        (runtime,) = client._js_runtimes.values()
        assert (runtime.info.name, runtime.info.path, runtime.info.supported) == (name, str(path), True)
    assert options(runtime=None)["js_runtimes"] == {}


# the daily quota


def test_a_days_downloads_are_counted_up_to_the_limit(tmp_path):
    quota = DailyQuota(tmp_path / "deep" / "quota", 2, lambda: NOON)
    assert [quota.take("a"), quota.take("b"), quota.take("c")] == [True, True, False]
    assert (tmp_path / "deep" / "quota").read_text().splitlines() == [
        "2026-11-21T12:00:00+00:00 a",
        "2026-11-21T12:00:00+00:00 b",
    ]


def test_the_next_day_in_utc_begins_anew(tmp_path):
    first = DailyQuota(tmp_path / "quota", 1, lambda: NOON + timedelta(hours=11, minutes=59))
    second = DailyQuota(tmp_path / "quota", 1, lambda: NOON + timedelta(hours=12))
    assert [first.take("a"), first.take("a"), second.take("a"), second.take("a")] == [True, False, True, False]


def test_downloads_of_runs_without_a_limit_count_too(tmp_path):
    DailyQuota(tmp_path / "quota", None, lambda: NOON).take("a")
    DailyQuota(tmp_path / "quota", 1, lambda: NOON).count("b")
    assert not DailyQuota(tmp_path / "quota", 2, lambda: NOON).take("c")


def test_half_a_line_that_a_kill_left_neither_counts_nor_spoils_the_next(tmp_path):
    (tmp_path / "quota").write_bytes(b"2026-11-20T12:00:00+00:00 x\n2026-11")
    quota = DailyQuota(tmp_path / "quota", 1, lambda: NOON)
    assert [quota.take("a"), quota.take("b")] == [True, False]
    assert (tmp_path / "quota").read_bytes().endswith(b"\n2026-11\n2026-11-21T12:00:00+00:00 a\n")


def test_an_id_cannot_write_lines_of_its_own(tmp_path):
    DailyQuota(tmp_path / "quota", 5, lambda: NOON).take("a\n2026-11-21 b\n2026-11-21 c")
    assert (tmp_path / "quota").read_text().count("\n") == 1


def test_a_count_that_cannot_be_written_stops_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="file"):
        DailyQuota(tmp_path / "file" / "quota", 1).take("a")


def test_two_processes_never_both_take_the_last_one(tmp_path):
    context, rounds = multiprocessing.get_context("fork"), 100
    taken, together = context.Value("i", 0), context.Barrier(2)

    def now() -> datetime:
        together.wait(20)
        return NOON

    def take_all() -> None:
        for number in range(rounds):
            if DailyQuota(tmp_path / f"quota{number}", 1, now).take("x"):
                with taken.get_lock():
                    taken.value += 1

    both = [context.Process(target=take_all) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert taken.value == rounds
    assert {path.read_text().count("\n") for path in tmp_path.iterdir()} == {1}
