"""Fetch one recording in a process of its own, for tests that kill it.

Run as `python -m crescendai_assets_tests.sources.download.fetch_one URL COPY PARTIAL`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.sources.download import Downloader, DownloadSettings

if __name__ == "__main__":
    copy, partial = map(Path, sys.argv[2:4])
    with GuardedProcess() as worker:
        Downloader(DownloadSettings(), partial / "quota").fetch(sys.argv[1], copy, partial, worker)
    print("done", flush=True)
