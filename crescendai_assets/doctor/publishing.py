"""Whether embeddings and tables could be published where the settings say.

Belongs here: what can be told without asking the address. Publishing, and its credentials, are `lake.publishing`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crescendai_assets.doctor.finding import Finding

VARIABLE = "CRESCENDAI_PUBLISH"

_LOCAL = ("", "file", "local")


def look_up_kind(scheme: str) -> Any:
    """What fsspec reaches addresses of a kind with.

    Raises:
        ImportError: A package is missing for it.
        ValueError: fsspec knows no such kind.
    """
    import fsspec

    return fsspec.get_filesystem_class(scheme)


def check_publish(address: str, root: Path, look_up: Callable[[str], Any] = look_up_kind) -> list[Finding]:
    """Whether the address is of a kind that can be reached from here, and outside the lake; nothing when none is set.

    Args:
        address: A folder, or any address that fsspec knows.
        root: The data root.
        look_up: Finds what reaches addresses of a scheme; raises as `look_up_kind`.
    """
    address = address.strip()
    if not address:
        return []
    shown = re.sub(r"://[^/@]*@", "://", address)
    before, mark, behind = address.partition("://")
    scheme, path = (before.rpartition("::")[2], behind) if mark else ("", address)
    if not path.strip("/"):
        advice = f"Name a folder of its own, such as {shown.rstrip('/')}/name."
        return [Finding(VARIABLE, "missing", f"{shown} names no folder", advice)]
    if scheme in _LOCAL:
        return [_check_folder(Path(path).expanduser(), root)]
    try:
        look_up(scheme)
    except ImportError as error:
        package = re.search(r"(?:[Ii]nstall |requires \")([\w-]+)", str(error))
        cure = (
            f"Run: pip install {package[1]}" if package else f"Install the package that fsspec needs for {scheme}://."
        )
        return [Finding(VARIABLE, "missing", f"{shown}: a package is missing for {scheme}:// ({error})", cure)]
    except ValueError as error:
        advice = "Set it to a folder, or to an address that fsspec knows, such as s3://bucket/folder."
        return [Finding(VARIABLE, "missing", f"{shown}: {error}", advice)]
    return [Finding(VARIABLE, "ok", f"{shown} (not asked)")]


def _check_folder(folder: Path, root: Path) -> Finding:
    place, lake = folder.resolve(), root.resolve()
    if place == lake or lake in place.parents:
        return Finding(VARIABLE, "missing", f"{folder} lies in the data root {root}", "Set it to a folder outside.")
    return Finding(VARIABLE, "ok", f"folder {folder}")
