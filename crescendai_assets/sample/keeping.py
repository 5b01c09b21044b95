"""Files made once: what is in place and whole stays, what is missing or was changed is made again.

What the files hold is their makers' business; a stamp beside them says by which recipe they were made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from crescendai_assets.lake.files import write_atomic

_STAMP = ".sample.json"


def keep(root: Path, wanted: Mapping[str, Callable[[], bytes]], recipe: str) -> tuple[str, ...]:
    """Make the files that are not there as this recipe makes them.

    Args:
        root: Folder that holds them; made where it is missing.
        wanted: Path relative to `root` -> what makes its bytes; written in this order, each whole or not at all.
        recipe: Says how they are made; when it changes, all are made anew.

    Returns:
        Those that had to be written.
    """
    known = _read_stamp(root / _STAMP, recipe)
    digests: dict[str, str] = {}
    written: list[str] = []
    for name, make in wanted.items():
        path = root / name
        on_disk = digest(path.read_bytes()) if path.is_file() else None
        if on_disk is None or on_disk != known.get(name):
            content = make()
            digests[name] = digest(content)
            if on_disk != digests[name]:
                write_atomic(path, content)
                written.append(name)
        else:
            digests[name] = on_disk
    if known != digests:
        stamp = json.dumps({"recipe": recipe, "files": digests}, indent=1, sort_keys=True)
        write_atomic(root / _STAMP, stamp.encode())
    return tuple(written)


def recipe_of(*modules: ModuleType, also: str = "") -> str:
    """A word that changes with every line of these modules' code, and with `also`."""
    return digest(b"".join(Path(module.__file__ or "").read_bytes() for module in modules) + also.encode())


def digest(content: bytes) -> str:
    """A short hash of bytes."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _read_stamp(path: Path, recipe: str) -> dict[str, str]:
    """Digests of the files that this recipe wrote; none when another recipe did, or nobody knows."""
    try:
        stamp = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(stamp, dict) or stamp.get("recipe") != recipe or not isinstance(stamp.get("files"), dict):
        return {}
    return {str(name): str(found) for name, found in stamp["files"].items()}
