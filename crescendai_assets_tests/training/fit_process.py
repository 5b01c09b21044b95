"""Train a fold in a process of its own, for tests that kill it.

Run as `python -m crescendai_assets_tests.training.fit_process LAKE SCORES CHECKPOINTS MODEL EPOCHS`; prints the lines
of its log.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch  # noqa: TID253 - a process of torch

from crescendai_assets.lake.layout import Lake
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.training.rated_lake import fold, tiny

if __name__ == "__main__":
    torch.set_num_threads(1)
    lake, scores, root = map(Path, sys.argv[1:4])
    place = replace(T1Place.of(Lake(lake), scores), root=root)
    settings = tiny(sys.argv[4], epochs=int(sys.argv[5]), patience=int(sys.argv[5]))
    fit_fold(place, fold(place), settings, progress=lambda line: print(line, flush=True))
    print("done", flush=True)
