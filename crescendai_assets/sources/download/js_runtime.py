"""The JavaScript runtime that yt-dlp needs for YouTube, which hides the addresses of its streams behind scripts.

Other sites do without. What is done with it is yt-dlp's own affair; `client` names it there.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NO_JS_RUNTIME = (
    "No JavaScript runtime was found, which YouTube asks for: `pip install deno` (2.3 or later), or put node 22 or "
    "later on the PATH. Other sites do without"
)


class JsRuntime(NamedTuple):
    """A runtime that yt-dlp can use."""

    name: str
    path: str
    version: str


def find_js_runtime() -> JsRuntime | None:
    """The first runtime that is new enough: deno, then node; beside this Python, where pip puts it, then on the PATH.

    yt-dlp by itself looks for deno only; its own minimum versions hold here.
    """
    import yt_dlp  # noqa: F401  registers the runtimes
    from yt_dlp.globals import supported_js_runtimes

    for name in ("deno", "node"):
        for path in _candidates(name):
            found = supported_js_runtimes.value[name](path=path).info
            if found and found.supported:
                return JsRuntime(name, path, found.version)
    return None


def _candidates(name: str) -> Iterator[str]:
    for folder in dict.fromkeys((str(Path(sys.executable).parent), sysconfig.get_path("scripts"))):
        if found := shutil.which(name, path=folder):
            yield found
    if found := shutil.which(name):
        yield found
