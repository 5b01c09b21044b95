"""What downloads need: yt-dlp and how old it is, a JavaScript runtime, settings, cookies.

Belongs here: what tiers competition and youtube need of this machine. Nothing is asked of any site. Does not belong
here: what is to be downloaded (`catalogue`).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sysconfig
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from crescendai_assets.doctor.finding import Finding
from crescendai_assets.doctor.software import Installed, installed_version
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.download.js_runtime import NO_JS_RUNTIME, JsRuntime, find_js_runtime
from crescendai_assets.sources.download.settings import settings_from

COOKIES_VARIABLE = "CRESCENDAI_COOKIES"
DOWNLOAD_VARIABLES = (
    COOKIES_VARIABLE,
    "CRESCENDAI_COOKIES_BROWSER",
    "CRESCENDAI_PROXY",
    "CRESCENDAI_DOWNLOAD_SLEEP",
    "CRESCENDAI_DOWNLOAD_QUOTA",
    "CRESCENDAI_DOWNLOAD_MAX_MB",
    "CRESCENDAI_DOWNLOAD_MAX_HOURS",
    "CRESCENDAI_AUDIO_FORMAT",
)


def check_downloader(installed: Installed = installed_version, today: date | None = None) -> Finding:
    """Whether yt-dlp and its YouTube part are there, and not too old for sites that change so often."""
    cure = "Run: pip install -U 'yt-dlp[default,deno]'"
    version = installed("yt-dlp")
    if version is None:
        return Finding("yt-dlp", "warn", "not installed; tiers competition and youtube need it", cure)
    if installed("yt-dlp-ejs") is None:
        return Finding("yt-dlp", "warn", f"{version} without yt-dlp-ejs, which YouTube needs", cure)
    released = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", version)
    if released is not None:
        age = ((today or date.today()) - date(*map(int, released.groups()))).days
        # 90 days is where yt-dlp itself begins to warn
        if age > 90:
            return Finding("yt-dlp", "warn", f"{version}, {age} days old; sites change faster than that", cure)
    return Finding("yt-dlp", "ok", version)


def find_program(command: str) -> str | None:
    """A program beside this Python or on PATH, in the order in which yt-dlp looks."""
    beside = shutil.which(command, path=sysconfig.get_path("scripts"))
    return beside or shutil.which(command)


def ask_program(path: str, flag: str) -> str:
    """What a program says about itself; empty where it does not run."""
    try:
        answer = subprocess.run(
            [path, flag],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout + answer.stderr


def check_javascript(
    find: Callable[[], JsRuntime | None] = find_js_runtime,
    where: Callable[[str], str | None] = find_program,
    ask: Callable[[str, str], str] = ask_program,
) -> Finding:
    """Whether there is a JavaScript runtime that downloads would use.

    Args:
        find: The runtime they would take; raises ImportError without yt-dlp.
        where: Path of a program, to name one that is there and will not do.
        ask: What a program says of its version.
    """
    name, cure = "javascript runtime", f"{NO_JS_RUNTIME}; only tiers competition and youtube need it."
    try:
        found = find()
    except ImportError as error:
        return Finding(name, "warn", f"not known: yt-dlp does not import ({error})", "See yt-dlp and packages.")
    if found is not None:
        return Finding(name, "ok", f"{found.name} {found.version} ({found.path})")
    unfit = [f"{path} ({_version(ask(path, '--version'))})" for path in map(where, ("deno", "node")) if path]
    if unfit:
        return Finding(name, "warn", f"too old, or does not run: {', '.join(unfit)}", cure)
    return Finding(name, "missing", "none; YouTube hides its audio addresses behind JavaScript", cure)


def check_download_settings(environ: Mapping[str, str]) -> list[Finding]:
    """Settings that no download can use, one finding each; else one for all that are set, without their values."""
    given = [name for name in DOWNLOAD_VARIABLES if environ.get(name, "").strip()]
    faults: list[Finding] = []
    for name in given:
        try:
            settings_from({name: environ[name]})
        except SetupError as error:
            faults.append(Finding(name, "missing", str(error), "Correct it or unset it: every download stops at it."))
        except ImportError as error:  # yt-dlp knows which browsers there are
            faults.append(Finding(name, "warn", f"cannot be checked: {error}", "See yt-dlp and packages."))
    if faults:
        return faults
    return [Finding("download settings", "ok", f"set: {', '.join(given)}" if given else "none set: the defaults")]


def check_cookies(value: str, access: Callable[[Path, int], bool] = os.access) -> list[Finding]:
    """Whether a file of cookies can be read, is one, and is kept from others; nothing when none is set or there."""
    from crescendai_assets.sources.download.client import client_options

    path = Path(value.strip()).expanduser()
    if not value.strip() or not path.is_file():
        return []  # a file that is not there is told by check_download_settings
    name = "cookies"
    if not access(path, os.R_OK):
        return [Finding(name, "missing", f"no permission to read {path}", f"Run 'chmod u+r {path}' as its owner.")]
    try:
        client_options(settings_from({COOKIES_VARIABLE: value}), None, hook=lambda _: None, listing=False)
    except SetupError as error:
        return [Finding(name, "missing", str(error), "Export them in Netscape form ('cookies.txt').")]
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        found = f"{path} can be read by other users; who has these cookies is signed in as you"
        return [Finding(name, "warn", found, f"Run: chmod 600 {path}")]
    return [Finding(name, "ok", str(path))]


def _version(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[0] if lines else "does not tell its version"
