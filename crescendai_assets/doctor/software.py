"""Python, installed packages, and the programs beside them, judged without importing any of the packages.

Belongs here: versions against what the package declares, and programs on PATH. Does not belong here: hardware
and disks (`machine`), the encoder's weights (`encoder`), environment variables (`settings`).
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from crescendai_assets.doctor.finding import Finding

DISTRIBUTION = "crescendai-assets"
MINIMUM_PYTHON = (3, 11)

KNOWN_TO_FAIL = {
    "torch": "torchaudio 2.11, the newest, fails to import beside another torch",
    "torchaudio": "muq imports torchaudio, and its import fails beside another torch",
    "transformers": "muq 0.1.0 fails on transformers 5 at its first forward ('_attn_implementation')",
    "muq": "0.1.0 is the release whose layers and shapes this project knows",
}
"""Packages for which a version outside the range is not a matter of taste, and what happens."""

Installed = Callable[[str], str | None]
"""Version of an installed distribution, or None."""


def installed_version(name: str) -> str | None:
    """The version in the metadata of a distribution; nothing is imported."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def declared_requirements(distribution: str = DISTRIBUTION) -> list[str] | None:
    """What the package says it needs, or None where the package itself is not installed."""
    try:
        return importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Whether this Python is new enough."""
    found = ".".join(map(str, version))
    if version < MINIMUM_PYTHON:
        least = ".".join(map(str, MINIMUM_PYTHON))
        return Finding("python", "missing", found, f"Make a virtual environment with Python {least} or newer.")
    return Finding("python", "ok", found)


def check_packages(requirements: Iterable[str] | None, installed: Installed = installed_version) -> list[Finding]:
    """Installed versions against the declared ranges; extras are skipped.

    Args:
        requirements: Requirement strings as in package metadata; None where there is no metadata.
        installed: Version of a distribution, or None.

    Returns: One finding for all that is well, and one for each package that is absent or out of its range.
    """
    if requirements is None:
        return [
            Finding(
                "packages",
                "missing",
                f"{DISTRIBUTION} is not installed in {sys.executable}",
                "Run 'pip install -e .' in the project folder with this Python.",
            )
        ]
    try:
        from packaging.requirements import Requirement
        from packaging.version import InvalidVersion, Version
    except ImportError:
        return [
            Finding(
                "packages",
                "missing",
                "versions cannot be compared",
                "Run 'pip install packaging', then again.",
            )
        ]
    well: list[str] = []
    faults: list[Finding] = []
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = requirement.name
        cure = f"Run: pip install '{name}{requirement.specifier}'"
        version = installed(name)
        if version is None:
            faults.append(Finding(f"package {name}", "missing", "not installed", cure))
            continue
        try:
            # a pre-release inside the range is somebody's choice, not a fault
            fits = requirement.specifier.contains(Version(version), prereleases=True)
        except InvalidVersion:
            faults.append(Finding(f"package {name}", "missing", f"unreadable version {version!r}", cure))
            continue
        if fits:
            well.append(f"{name} {version}")
            continue
        why = KNOWN_TO_FAIL.get(name)
        found = f"{version}, needed is {requirement.specifier}" + (f": {why}" if why else "")
        faults.append(Finding(f"package {name}", "missing" if why else "warn", found, cure))
    found = f"{len(well)} within their ranges: {', '.join(sorted(well))}" if well else "none within its range"
    return [Finding("packages", "warn" if faults else "ok", found, "See below." if faults else ""), *faults]


def check_torch_pair(installed: Installed = installed_version) -> Finding:
    """Whether torch and torchaudio are of one kind; muq imports both, and a wrong pair fails at import."""
    torch, torchaudio = installed("torch"), installed("torchaudio")
    cure = "Run: pip install 'torch==2.11.*' 'torchaudio==2.11.*' (both from the same index)."
    if torch is None or torchaudio is None:
        absent = " and ".join(
            name for name, version in (("torch", torch), ("torchaudio", torchaudio)) if version is None
        )
        return Finding("torch and torchaudio", "missing", f"{absent} not installed", cure)
    found = f"torch {torch}, torchaudio {torchaudio}"
    if torch.split(".")[:2] != torchaudio.split(".")[:2]:
        return Finding(
            "torch and torchaudio", "missing", f"{found}: muq imports torchaudio, and its import fails", cure
        )
    if torch.endswith("+cpu") and not torchaudio.endswith("+cpu"):
        return Finding(
            "torch and torchaudio",
            "missing",
            f"{found}: this torchaudio needs the CUDA libraries that a CPU-only torch does not bring",
            cure,
        )
    return Finding("torch and torchaudio", "ok", found)


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


@dataclass(frozen=True)
class Runtime:
    """A JavaScript runtime that yt-dlp can use, and the oldest version it takes."""

    name: str
    command: str
    minimum: tuple[int, ...]
    asks_version: str = "--version"


RUNTIMES = (
    Runtime("deno", "deno", (2, 3, 0)),
    Runtime("node", "node", (22, 0, 0)),
    Runtime("quickjs", "qjs", (2023, 12, 9), "--help"),  # prints its version there, knows no --version
    Runtime("bun", "bun", (1, 2, 11)),
)
"""In yt-dlp's order of preference; minimum versions are those of yt-dlp 2026.10.26."""


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
    find: Callable[[str], str | None] = find_program, ask: Callable[[str, str], str] = ask_program
) -> Finding:
    """Whether a JavaScript runtime is there that yt-dlp takes."""
    name = "javascript runtime"
    why = "YouTube hides its audio addresses behind JavaScript that yt-dlp has to run"
    cure = "Run 'pip install deno' (or install Node 22 or newer); only tiers competition and youtube need it."
    unfit: list[str] = []
    for runtime in RUNTIMES:
        path = find(runtime.command)
        if path is None:
            continue
        said = ask(path, runtime.asks_version)
        number = re.search(r"\d+(?:[.-]\d+)+", said)
        if number is None:
            unfit.append(f"{runtime.name} at {path}, which does not tell its version")
            continue
        version = tuple(map(int, re.split(r"[.-]", number[0])))
        # quickjs-ng counts from 0.1 and is taken at any version
        if version >= runtime.minimum or "quickjs-ng" in said.lower():
            advice = ""
            if runtime.name != "deno":
                advice = (
                    "Nothing to do while downloads work. By itself yt-dlp picks only deno; "
                    "if YouTube fails with a challenge, run 'pip install deno'."
                )
            return Finding(name, "ok", f"{runtime.name} {number[0]} ({path})", advice)
        least = ".".join(map(str, runtime.minimum))
        unfit.append(f"{runtime.name} {number[0]} at {path}, yt-dlp asks for {least}")
    if unfit:
        return Finding(name, "warn", f"{'; '.join(unfit)}. {why}.", cure)
    commands = ", ".join(runtime.name for runtime in RUNTIMES)
    return Finding(name, "missing", f"none of {commands}. {why}.", cure)
