"""The sample's rated set in a lake, ready to be trained on, and settings that train a fold of it in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253 - tests of torch modules

from crescendai_assets.embeddings.clip_import import import_clips
from crescendai_assets.embeddings.identity import EncoderIdentity
from crescendai_assets.embeddings.store import WIDTH
from crescendai_assets.labels.baselines_in_folds import write_baselines
from crescendai_assets.labels.clips import key_of, rated_keys
from crescendai_assets.labels.files import label_files
from crescendai_assets.labels.folds import fold_of_key, write_folds
from crescendai_assets.labels.passages import write_passages
from crescendai_assets.labels.percepiano import write_labels
from crescendai_assets.labels.protocols import Fold
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.labels.reliability import write_reliability
from crescendai_assets.lake.layout import Lake
from crescendai_assets.sample.rated_music import KEYS
from crescendai_assets.sample.rated_set import write_rated_set
from crescendai_assets.sample.ratings import PLANTED_COLUMNS, truth
from crescendai_assets.symbolic.corpus.listing import Sources, list_source
from crescendai_assets.symbolic.corpus.performances import corpus_tier, make_product, read_performances
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import PRODUCTS, T1Place

FOLD = "passage-s0f0"

_NARROW = {"d_model": 32, "nhead": 2, "num_layers": 1, "hidden_dim": 32}
_GRAPH = {"hidden_dim": 32, "num_heads": 2, "num_layers": 1}
TINY: dict[str, dict[str, Any]] = {
    "S0": {"trees": 25},
    "S1": {**_NARROW, "max_seq_len": 256},
    "S2": _GRAPH,
    "S2h": _GRAPH,
    "S4": {"trees": 25},
    "S3": {**_NARROW, "kernels": [3, 9, 27], "max_frames": 1500, "codebook_entries": 8},
}


def tiny(model: str, **changes: Any) -> FitSettings:
    """Settings that train a fold in seconds."""
    sizes = TINY.get(model, {"fused_dim": 32} if model.startswith("F") else {"hidden_dim": 32})
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
    for name in dict.fromkeys(PRODUCTS.values()):
        make_product(partition, products()[name], listing)
    place = T1Place.of(lake, source / "score_midi", midi=source / "midi")
    give_embeddings(place)
    return place


def give_embeddings(place: T1Place, trained: bool | None = None) -> None:
    """Embeddings that hold what is planted in the playing and noise, as if they came from a MuQ."""
    chance = np.random.default_rng(0)
    deserved = truth()[:, PLANTED_COLUMNS]
    mixed = (deserved - deserved.mean(0)) @ chance.normal(size=(len(PLANTED_COLUMNS), WIDTH)) * 0.3
    lengths = 6 + np.arange(len(KEYS)) % 5
    tensors = {
        key: torch.tensor(row + chance.normal(size=(frames, WIDTH)) * 0.5, dtype=torch.float32)
        for key, row, frames in zip(KEYS, mixed, lengths, strict=True)
    }
    source = place.labels.folder / "given.pt"
    torch.save(tensors, source)
    identity = EncoderIdentity("planted", "1", (9,), 8, "float32", trained=trained)
    import_clips(place.embeddings, source, rated_keys(place.labels), key_of, identity)


def fold(place: T1Place, key: str = FOLD) -> Fold:
    """One fold by its partition's key."""
    return fold_of_key(place.labels, key)
