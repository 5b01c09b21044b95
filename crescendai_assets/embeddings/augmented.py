"""Clean and augmented embeddings of the same segments: the pairs that an invariance loss pulls together.

The augmented ones lie beside the clean ones under the same ids. What is done to the sound is `audio.augmentation`'s,
embedding it `pipeline`'s; here is what makes a pair stale, and the verdict on pairs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.audio.augmentation import PRESETS, VERSION, draw
from crescendai_assets.audio.decode import Audio
from crescendai_assets.audio.effects import recordings_in
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.audio.pairs import cut_augmented
from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.folder import CLEAN, Product
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.embeddings.pipeline import Cutter, bounds_of
from crescendai_assets.embeddings.store import embedding_path, read_embedding
from crescendai_assets.embeddings.verify import spread
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS
from crescendai_assets.lake.tables import Row
from crescendai_assets.lake.verify import Outcome, outcome

LATEST = 0.01
"""Seconds by which an augmented segment may lag: a quarter of one of MuQ's frames."""

SURE = 0.5
"""Correlation of onsets from which a measured lag is believed: reverberation and noise can hide every onset."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to the sound of a pair.

    Attributes:
        preset: Of `audio.augmentation.PRESETS`, or `single:<effect>`.
        room_responses: Impulse responses to draw from, in order.
    """

    preset: str
    room_responses: tuple[Path, ...] = ()

    @property
    def product(self) -> Product:
        """The augmented embeddings, stale when preset, version or responses change."""
        responses = [(path.name, sha256_file(path)) for path in self.room_responses]
        return Product("augmented_pairs", AUGMENTED_PAIRS, fingerprint(self.preset, VERSION, responses))

    def cutter(self, rule: SegmentRule) -> Cutter:
        """Segments as the preset makes them; each recording is decoded once."""

        def sounds(worker: GuardedProcess, path: Path, rows: list[Row]) -> Iterator[tuple[Audio, Row]]:
            pieces = [(row["segment_id"], *bounds) for row, bounds in zip(rows, bounds_of(rows), strict=True)]
            return worker.stream(cut_augmented, path, pieces, rule, self.preset, self.room_responses, what=str(path))

        return sounds


def augmentation_from(
    preset: str = "", room_responses: str = "", environ: Mapping[str, str] = os.environ
) -> Augmentation:
    """What is asked for: the settings given, else `$CRESCENDAI_AUGMENTATION` and `$CRESCENDAI_ROOM_RESPONSES`.

    Raises:
        SetupError: There is no such preset, or the folder holds no audio.
    """
    folder = room_responses or environ.get("CRESCENDAI_ROOM_RESPONSES", "")
    chosen = preset or environ.get("CRESCENDAI_AUGMENTATION", "") or PRESETS[0]
    responses = recordings_in(Path(folder).expanduser(), "room impulse responses") if folder else ()
    draw(chosen, 0, room_responses=responses)  # an unknown preset is refused before anything is decoded
    return Augmentation(chosen, responses)


def check_pairs(partition: Partition, product: Product, *, deep: bool = False) -> Outcome:
    """Each augmented segment has a clean twin of as many frames, differs from it, and is in time with it.

    Args:
        partition: Where.
        product: The augmented embeddings.
        deep: Compare the contents of all pairs, not of a sample.
    """
    clean = {row["segment_id"]: row for row in CLEAN.rows(partition)}
    rows = list(product.rows(partition))
    faults: list[Row] = []
    encoders = [read_identity(one.folder(partition)) for one in (CLEAN, product)]
    if None not in encoders and len({one.digest for one in encoders if one}) > 1:
        faults.append({"id": product.folder(partition).name, "fault": "of another encoder than the clean ones"})
    for row in rows:
        segment_id, twin = row["segment_id"], clean.get(row["segment_id"])
        if twin is None:
            faults.append({"id": segment_id, "fault": "has no clean embedding: materialize embeddings"})
        elif twin["frames"] != row["frames"]:
            faults.append({"id": segment_id, "fault": f"{row['frames']} frames, its clean twin {twin['frames']}"})
        if not row["effects"]:
            faults.append({"id": segment_id, "fault": "nothing was done to it"})
        if row["onset_similarity"] >= SURE and abs(row["lag_seconds"]) > LATEST:
            faults.append({"id": segment_id, "fault": f"lags its clean twin by {row['lag_seconds'] * 1000:.0f} ms"})
    read = [row for row in (rows if deep else spread(rows)) if row["segment_id"] in clean]
    distances = [_distance(partition, product, row["segment_id"]) for row in read]
    faults += [
        {"id": row["segment_id"], "fault": "augmented and clean are the same"}
        for row, distance in zip(read, distances, strict=True)
        if distance == 0
    ]
    sure = [abs(row["lag_seconds"]) for row in rows if row["onset_similarity"] >= SURE]
    facts = {
        "pairs": len(rows),
        "compared": len(read),
        "mean_relative_distance": round(sum(distances) / len(distances), 4) if distances else 0.0,
        "largest_lag_ms": round(max(sure, default=0.0) * 1000, 1),
        "lag_not_told": len(rows) - len(sure),
    }
    return outcome(faults, f"{len(rows)} pairs differ and are in time", "faults in pairs", facts)


def _distance(partition: Partition, product: Product, segment_id: str) -> float:
    """How far the pair is apart, relative to the clean one's length; 0 when they are the same."""
    folders = (CLEAN.folder(partition), product.folder(partition))
    paths = [embedding_path(folder, segment_id) for folder in folders]
    if not all(path.exists() for path in paths):
        return 1.0  # told by check_files
    clean, augmented = map(read_embedding, paths)
    if clean.shape != augmented.shape:
        return 1.0  # told above
    return float((clean - augmented).norm() / clean.norm().clamp_min(1e-12))
