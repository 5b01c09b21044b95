"""Read a folder of MIDI and make its tokens in a process of its own, for tests that kill it.

Run as `python -m crescendai_assets_tests.corpus_process LAKE FOLDER`; prints `begun` when work starts.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake
from crescendai_assets.symbolic.corpus.listing import Sources, list_source
from crescendai_assets.symbolic.corpus.performances import corpus_tier, make_product, read_performances
from crescendai_assets.symbolic.corpus.products import products

if __name__ == "__main__":
    lake, folder = map(Path, sys.argv[1:3])
    partition = corpus_tier(Lake(lake)).partition("mine")
    listing = list_source("mine", Sources(folders={"mine": folder}))
    print("begun", flush=True)
    try:
        read_performances(partition, listing)
        make_product(partition, products()["features"], listing)
    except SetupError as error:
        sys.exit(f"refused: {error}")
    print("done", flush=True)
