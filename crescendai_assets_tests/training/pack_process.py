"""Pack a tier in a process of its own, for tests that kill it; takes the lake, prints when it begins and ends."""

from __future__ import annotations

import sys
from pathlib import Path

from crescendai_assets.lake.layout import Lake
from crescendai_assets.training.packing import plan_pack, write_pack

if __name__ == "__main__":
    planned = plan_pack(Lake(Path(sys.argv[1])).tier("maestro"))
    print("begun", flush=True)
    print("written" if write_pack(planned) else "as it was", flush=True)
