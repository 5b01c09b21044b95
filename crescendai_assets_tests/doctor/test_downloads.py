"""What downloads need of the machine, in its good and bad states."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crescendai_assets.doctor import downloads
from crescendai_assets.doctor.software import Installed
from crescendai_assets.sources.download import settings as download_settings
from crescendai_assets.sources.download.js_runtime import JsRuntime


def have(**versions: str) -> Installed:
    return {name.replace("_", "-"): version for name, version in versions.items()}.get


# --------------------------------------------------------------------------------------------------------------- yt-dlp


@pytest.mark.parametrize("today", [date(2026, 11, 20), date(2027, 1, 24)])
def test_a_downloader_of_the_last_90_days_is_well(today):
    installed = have(yt_dlp="2026.10.26", yt_dlp_ejs="0.8.0")
    assert downloads.check_downloader(installed, today).status == "ok"


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        (have(), "not installed"),
        (have(yt_dlp="2026.10.26"), "without yt-dlp-ejs"),
        (have(yt_dlp="2026.8.21", yt_dlp_ejs="0.3"), "91 days old"),
        (have(yt_dlp="2025.1.15.232702.dev0", yt_dlp_ejs="0.3"), "days old"),
    ],
)
def test_a_downloader_that_is_absent_incomplete_or_old_is_a_warning(installed, found):
    finding = downloads.check_downloader(installed, date(2026, 11, 20))
    assert finding.status == "warn"
    assert found in finding.found
    assert "yt-dlp[default,deno]" in finding.advice


# ----------------------------------------------------------------------------------------------------------- javascript


def on_path(*commands: str) -> Callable[[str], str | None]:
    return lambda command: f"/bin/{command}" if command in commands else None


def test_the_runtime_that_downloads_take_is_the_one_that_is_told():
    finding = downloads.check_javascript(lambda: JsRuntime("deno", "/bin/deno", "2.9.8"))
    assert (finding.status, finding.found, finding.advice) == ("ok", "deno 2.9.8 (/bin/deno)", "")


def test_a_runtime_that_will_not_do_is_named_with_what_it_says_of_itself():
    said = {"/bin/node": "v18.1.0\nmore", "/bin/deno": ""}
    finding = downloads.check_javascript(lambda: None, on_path("node", "deno"), lambda path, _: said[path])
    assert finding.status == "warn"
    assert "/bin/node (v18.1.0)" in finding.found
    assert "/bin/deno (does not tell its version)" in finding.found
    assert "pip install deno" in finding.advice


def test_no_runtime_is_missing_even_where_one_is_that_downloads_do_not_take():
    finding = downloads.check_javascript(lambda: None, on_path("bun", "qjs"))
    assert finding.status == "missing"
    assert "YouTube" in finding.found
    assert "pip install deno" in finding.advice


def test_without_yt_dlp_the_runtime_is_not_known():
    def fails() -> JsRuntime:
        raise ImportError("No module named 'yt_dlp'")

    assert downloads.check_javascript(fails).status == "warn"


def test_a_program_that_hangs_fails_or_is_no_program_says_nothing(tmp_path):
    assert "Python" in downloads.ask_program(sys.executable, "--version")
    assert downloads.ask_program(str(tmp_path / "absent"), "--version") == ""
    assert downloads.find_program("no-such-program-here") is None


# ------------------------------------------------------------------------------------------------------------- settings


def test_the_settings_that_are_looked_at_are_those_that_downloads_read():
    assert set(downloads.DOWNLOAD_VARIABLES) == set(download_settings._VARIABLES)


def test_good_settings_make_one_finding_that_does_not_show_their_values():
    assert downloads.check_download_settings({})[0].found == "none set: the defaults"
    environ = {"CRESCENDAI_PROXY": "http://me:secret@proxy:3128", "CRESCENDAI_DOWNLOAD_QUOTA": "100"}
    (finding,) = downloads.check_download_settings(environ)
    assert finding.status == "ok"
    assert "CRESCENDAI_PROXY" in finding.found
    assert "secret" not in finding.found


def test_each_setting_that_cannot_be_used_is_named_with_its_cure():
    environ = {
        "CRESCENDAI_DOWNLOAD_SLEEP": "soon",
        "CRESCENDAI_AUDIO_FORMAT": "mp3",
        "CRESCENDAI_DOWNLOAD_MAX_MB": "500",
        "CRESCENDAI_COOKIES": "/no/such/cookies.txt",
    }
    findings = {one.name: one for one in downloads.check_download_settings(environ)}
    assert set(findings) == set(environ) - {"CRESCENDAI_DOWNLOAD_MAX_MB"}
    assert {one.status for one in findings.values()} == {"missing"}
    assert "10-20" in findings["CRESCENDAI_DOWNLOAD_SLEEP"].found
    assert "wav, flac" in findings["CRESCENDAI_AUDIO_FORMAT"].found
    assert "no such file" in findings["CRESCENDAI_COOKIES"].found


# -------------------------------------------------------------------------------------------------------------- cookies


@pytest.fixture
def cookies(tmp_path: Path) -> Path:
    path = tmp_path / "cookies.txt"
    path.write_text("# Netscape HTTP Cookie File\n.example.org\tTRUE\t/\tTRUE\t0\tname\tvalue\n")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return path


def test_cookies_that_only_their_owner_reads_are_well(cookies):
    assert [one.status for one in downloads.check_cookies(str(cookies))] == ["ok"]
    assert downloads.check_cookies("") == []
    assert downloads.check_cookies(str(cookies.with_name("gone"))) == [], "the setting says that"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_cookies_that_others_can_read_or_write_are_a_warning(cookies, mode):
    cookies.chmod(mode)
    (finding,) = downloads.check_cookies(str(cookies))
    assert finding.status == "warn"
    assert finding.advice == f"Run: chmod 600 {cookies}"


def test_cookies_without_permission_or_in_another_form_are_missing_and_not_quoted(cookies):
    (refused,) = downloads.check_cookies(str(cookies), access=lambda path, mode: False)
    assert refused.status == "missing"
    assert f"no permission to read {cookies}" in refused.found
    cookies.write_text('[{"name": "sid", "value": "secret"}]')
    (finding,) = downloads.check_cookies(str(cookies))
    assert finding.status == "missing"
    assert "Netscape" in finding.found
    assert "secret" not in finding.found
