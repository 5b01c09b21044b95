"""Pretrain in a process of its own, for tests that kill it.

Run as `python -m crescendai_assets_tests.training.pretrain_process LAKE ROOT MODEL EPOCHS`; prints its log.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch  # noqa: TID253 - a process of torch

from crescendai_assets.lake.layout import Lake
from crescendai_assets.training.pretrain import pretrain
from crescendai_assets.training.pretrain_plan import PretrainPlace
from crescendai_assets_tests.training.pretrain_lake import brief

if __name__ == "__main__":
    torch.set_num_threads(1)
    lake, root = map(Path, sys.argv[1:3])
    place = replace(PretrainPlace.of(Lake(lake)), root=root)
    settings = brief(sys.argv[3], epochs=int(sys.argv[4]), patience=int(sys.argv[4]))
    pretrain(place, settings, progress=lambda line: print(line, flush=True))
    print("done", flush=True)
