"""Python and installed packages, judged without importing any of them.

Belongs here: versions against what the package declares. Does not belong here: hardware and disks (`machine`), the
encoder's weights (`encoder`), what downloads need (`downloads`), environment variables (`settings`).
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterable

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
