"""Sound of T2's, T3's and T4's segments, for models that hear it through MuQ: samples, read when they are asked for.

Of a working copy a segment is read alone. MuQ's stem output is not kept as the rated clips' is: a step hears a few of
segments that may be a hundred thousand. Which recordings, is planned in `beside`.
"""

# ruff: noqa: TID253 - samples are torch's; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch

from crescendai_assets.audio.augmentation import augment_segment
from crescendai_assets.audio.decode import SAMPLE_RATE, Audio, decode_stretch
from crescendai_assets.embeddings.augmented import augmentation_from
from crescendai_assets.embeddings.pipeline import bounds_of
from crescendai_assets.lake.compiled import rows_of_all
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.packing import AUGMENTED
from crescendai_assets.training.t1_plan import TierAudio

if TYPE_CHECKING:
    from torch import Tensor


class SegmentSound(Mapping[str, "Tensor"]):
    """Segment -> mono samples at 24 kHz, shape (n,), of a whole tier; or of each the twin that it was embedded as."""

    def __init__(self, tier: Tier, audio: TierAudio, *, twins: bool = False) -> None:
        """Read the tables.

        Args:
            tier: Whose.
            audio: Where a partition's recordings lie.
            twins: Whether segments sound as `augmented_pairs` made them.
        """
        self._segments: dict[str, Row] = {}
        self._recordings: dict[str, tuple[Row, str]] = {}
        for partition in tier.partitions("segments"):
            self._segments |= {row["segment_id"]: row for row in read_rows(partition.stage("segments").table)}
            recordings = read_rows(partition.stage("recordings").table)
            self._recordings |= {row["recording_id"]: (row, partition.key) for row in recordings}
        self._files = {one.key: audio(one) for one in tier.partitions("segments")}
        self._presets = (
            {row["segment_id"]: row["preset"] for row in rows_of_all(tier, AUGMENTED.asset)} if twins else {}
        )
        self._twins = twins

    def __getitem__(self, key: str) -> Tensor:
        samples = self._clean(key)
        if self._twins:
            made = augmentation_from(self._presets[key])
            samples, _ = augment_segment(samples, SAMPLE_RATE, key, made.preset, made.room_responses)
        return torch.from_numpy(samples)

    def __contains__(self, key: object) -> bool:
        return key in (self._presets if self._twins else self._segments)

    def __iter__(self) -> Iterator[str]:
        return iter(self._presets if self._twins else self._segments)

    def __len__(self) -> int:
        return len(self._presets if self._twins else self._segments)

    def _clean(self, key: str) -> Audio:
        segment = self._segments[key]
        recording, partition = self._recordings[segment["recording_id"]]
        ((start, stop),) = bounds_of([segment])
        try:
            return decode_stretch(self._files[partition].path(recording), start, stop)
        except RecordingError as error:
            raise SetupError(f"{error}; then train again, or leave its tier out of `tiers`") from error
