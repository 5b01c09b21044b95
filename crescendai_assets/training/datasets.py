"""Everything that models are trained on, by name.

- of embeddings (`datasets_audio`): `CompetitionDataset` with `CompetitionPairSampler` (`datasets_pairs`),
  `PairedPerformanceDataset`, `AugmentedEmbeddingDataset`; those of a lake's tiers are made in `datasets_tiers`;
- of symbols, without ratings: `MIDIPretrainingDataset`, `ContinuousPretrainDataset` (`datasets_symbolic`),
  `ScoreGraphPretrainingDataset`, `HeteroPretrainDataset` (`datasets_graphs`), over the packs of `datasets_corpus`;
- joined to batches by `datasets_batches`, drawn by `datasets_chance`.
"""

from crescendai_assets.training.datasets_audio import (
    AugmentedEmbeddingDataset,
    CompetitionDataset,
    PairedPerformanceDataset,
)
from crescendai_assets.training.datasets_batches import graph_collate_fn, multi_task_collate_fn, trimmed_collate_fn
from crescendai_assets.training.datasets_chance import EpochSampler, make_loader
from crescendai_assets.training.datasets_graphs import HeteroPretrainDataset, ScoreGraphPretrainingDataset
from crescendai_assets.training.datasets_pairs import CompetitionPairSampler
from crescendai_assets.training.datasets_symbolic import ContinuousPretrainDataset, MIDIPretrainingDataset

__all__ = [
    "AugmentedEmbeddingDataset",
    "CompetitionDataset",
    "CompetitionPairSampler",
    "ContinuousPretrainDataset",
    "EpochSampler",
    "HeteroPretrainDataset",
    "MIDIPretrainingDataset",
    "PairedPerformanceDataset",
    "ScoreGraphPretrainingDataset",
    "graph_collate_fn",
    "make_loader",
    "multi_task_collate_fn",
    "trimmed_collate_fn",
]
