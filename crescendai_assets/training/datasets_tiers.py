"""What the tiers of a lake give to train on: their rows, mappings and embeddings as datasets.

Which rows are on which side of a split is told by the caller (`labels.protocols`); here nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.percepiano import read_labels
from crescendai_assets.labels.piece_mapping import read_piece_mapping
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.contrastive import read_mapping
from crescendai_assets.training.datasets_audio import AugmentedEmbeddingDataset, PairedPerformanceDataset
from crescendai_assets.training.packing import embeddings_of

if TYPE_CHECKING:
    from torch import Tensor


def rated_rows(files: LabelFiles, keys: Iterable[str]) -> list[Row]:
    """T1: a row a rated segment with its ratings, for `CompetitionDataset`.

    Args:
        files: The rated tier.
        keys: Segments that are used, such as one side of a fold.
    """
    labels, wanted = read_labels(files), set(keys)
    raters = rater_weights_of(files)
    return [
        {
            "segment_id": row["segment_id"],
            "recording_id": row["segment_id"],
            "passage": row["passage"],
            "performer_group": row["performer_group"],
            "labels": labels[row["segment_id"]],
            "weights": raters[row["segment_id"]],
        }
        for row in read_passages(files)
        if row["segment_id"] in wanted and row["segment_id"] in labels
    ]


def rated_pairs(
    tier: Tier, files: LabelFiles, keys: Iterable[str], embeddings: Mapping[str, Tensor] | None = None
) -> PairedPerformanceDataset:
    """T1: all pairs of performances of one passage that are embedded.

    Args:
        tier: The rated tier, with its embedding set.
        files: The same tier's labels.
        keys: Segments that are used, such as one side of a fold.
        embeddings: Instead of the tier's own.
    """
    found = embeddings_of(tier) if embeddings is None else embeddings
    return PairedPerformanceDataset(
        tier.folder,
        read_labels(files),
        read_piece_mapping(files),
        [key for key in keys if key in found],
        performers={row["segment_id"]: row["performer_group"] for row in read_passages(files)},
        weights=rater_weights_of(files),
        embeddings=found,
    )


def contrastive_pairs(
    tier: Tier,
    split: str | None = None,
    embeddings: Mapping[str, Tensor] | None = None,
    *,
    verified: bool = False,
    seed: int = 0,
) -> PairedPerformanceDataset:
    """T3: each segment beside one of another recording of its work by another performer, drawn anew in each epoch.

    Args:
        tier: MAESTRO's, with its embedding set.
        split: `train`, `validation` or `test`; None for all, still never across them.
        embeddings: Instead of the tier's own.
        verified: Only recordings whose MIDI says that they hold the same music.
        seed: Of the draw.

    Raises:
        SetupError: There is no mapping, or it is cut.
    """
    mapping = read_mapping(tier)
    recordings = {row["recording_id"]: row for row in read_rows(tier.contrastive_recordings)}
    row_of = {key: recordings[key.rpartition("_seg")[0]] for keys in mapping.values() for key in keys}
    found = embeddings_of(tier) if embeddings is None else embeddings
    usable = (key for key, row in row_of.items() if key in found and (row["verified"] or not verified))
    return PairedPerformanceDataset(
        tier.folder,
        None,
        mapping,
        [key for key in usable if split is None or row_of[key]["split"] == split],
        performers={key: row["performer_id"] for key, row in row_of.items()},
        splits={key: row["split"] for key, row in row_of.items()},
        embeddings=found,
        seed=seed,
    )


def augmented_twins(tier: Tier) -> AugmentedEmbeddingDataset:
    """T4: clean and augmented twins of all channels, no sound twice; segments of one recording are no negatives."""
    clean, augmented = embeddings_of(tier), embeddings_of(tier, "augmented_pairs")
    doubles = {row["segment_id"] for row in read_rows(tier.metadata) if row.get("duplicate_of")}
    ids = [key for key in clean if key not in doubles]
    return AugmentedEmbeddingDataset(clean, augmented, ids, pieces={key: key.rpartition("_seg")[0] for key in ids})


def rater_weights_of(files: LabelFiles) -> dict[str, float]:
    """Segment -> weight of its ratings by the number of its raters; see `models.losses.rater_weights`."""
    import torch

    from crescendai_assets.models.losses import rater_weights

    rows: list[dict[str, Any]] = list(read_rows(files.statistics))
    weights = rater_weights(torch.tensor([row["raters"] for row in rows]))
    return {row["segment_id"]: float(weight) for row, weight in zip(rows, weights, strict=True)}
