"""The sample's rated set in a lake, ready to be trained on, and settings that train a fold of it in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crescendai_assets.labels.baselines_in_folds import write_baselines
from crescendai_assets.labels.files import label_files
from crescendai_assets.labels.folds import fold_of_key, write_folds
from crescendai_assets.labels.passages import write_passages
from crescendai_assets.labels.percepiano import write_labels
from crescendai_assets.labels.protocols import Fold
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.labels.reliability import write_reliability
from crescendai_assets.lake.layout import Lake
from crescendai_assets.sample.rated_set import write_rated_set
from crescendai_assets.symbolic.corpus.listing import Sources, list_source
from crescendai_assets.symbolic.corpus.performances import corpus_tier, make_product, read_performances
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import T1Place

FOLD = "passage-s0f0"

_NARROW = {"d_model": 32, "nhead": 2, "num_layers": 1, "hidden_dim": 32}
TINY: dict[str, dict[str, Any]] = {
    "S0": {"trees": 25},
    "S1": {**_NARROW, "max_seq_len": 256},
    "S2": {"hidden_dim": 32, "num_heads": 2, "num_layers": 1},
    "S3": {**_NARROW, "kernels": [3, 9, 27], "max_frames": 1500, "codebook_entries": 8},
}


def tiny(model: str, **changes: Any) -> FitSettings:
    """Settings that train a fold in seconds."""
    sizes = TINY.get(model, {"hidden_dim": 32})
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 16, "device": "cpu", "learning_rate": 2e-3, "sizes": sizes}
    return FitSettings(model, **{**settings, **changes})


def make_rated_lake(root: Path) -> T1Place:
    """Labels, folds and the products of the sample's MIDI, below `root`."""
    source, lake = root / "rated", Lake(root / "lake")
    write_rated_set(source, audio=False)
    files = label_files(lake)
    write_ratings(files, source / "total_2rounds.csv")
    write_labels(files)
    write_passages(files, source / "midi")
    write_folds(files)
    write_reliability(files)
    write_baselines(files)
    partition = corpus_tier(lake).partition("percepiano")
    listing = list_source("percepiano", Sources(percepiano=source / "midi"))
    read_performances(partition, listing)
    for name in ("tokens", "score_graphs", "features"):
        make_product(partition, products()[name], listing)
    return T1Place.of(lake, source / "score_midi")


def fold(place: T1Place, key: str = FOLD) -> Fold:
    """One fold by its partition's key."""
    return fold_of_key(place.labels, key)
