"""Sound of T2's, T3's and T4's segments, for models that hear it through MuQ: samples, read when they are asked for.

Of a working copy a segment is read alone. MuQ's stem output is not kept as the rated clips' is: a step hears a few of
segments that may be a hundred thousand. Which recordings, is planned in `beside`.
"""

# ruff: noqa: TID253 - samples are torch's; nothing that definitions reach imports this

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from crescendai_assets.audio.augmentation import augment_segment
from crescendai_assets.audio.decode import SAMPLE_RATE, Audio, decode_stretch
from crescendai_assets.embeddings.augmented import Augmentation, augmentation_from
from crescendai_assets.embeddings.pipeline import bounds_of
from crescendai_assets.lake.compiled import rows_of_all
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.locate import AudioFiles
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
        self._stretches: dict[str, tuple[str, int, int]] = {}  # no rows: a tier has a hundred thousand
        self._recordings: dict[str, tuple[Row, AudioFiles]] = {}
        for partition in tier.partitions("segments"):
            files = audio(partition)
            for row in read_rows(partition.stage("segments").table):
                self._stretches[row["segment_id"]] = (sys.intern(row["recording_id"]), *bounds_of([row])[0])
            recordings = read_rows(partition.stage("recordings").table)
            self._recordings |= {row["recording_id"]: (row, files) for row in recordings}
        self._pairs = {row["segment_id"]: row for row in rows_of_all(tier, AUGMENTED.asset)} if twins else None
        self._made: dict[str, Augmentation] = {}
        self._paths: dict[str, Path] = {}

    def __getitem__(self, key: str) -> Tensor:
        samples = self._clean(key)
        return torch.from_numpy(samples if self._pairs is None else self._twin(key, samples, self._pairs[key]))

    def __contains__(self, key: object) -> bool:
        return key in (self._stretches if self._pairs is None else self._pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stretches if self._pairs is None else self._pairs)

    def __len__(self) -> int:
        return len(self._stretches if self._pairs is None else self._pairs)

    def faults(self, keys: Iterable[str]) -> list[str]:
        """Why recordings of these segments cannot be heard, one each; nothing is decoded."""
        found: dict[str, str] = {}
        for key in keys:
            recording = key.rpartition("_seg")[0]
            if recording in found or recording in self._paths:
                continue
            try:
                self._path(key)
            except SetupError as error:
                found[recording] = str(error)
        return list(found.values())

    def _clean(self, key: str) -> Audio:
        path = self._path(key)
        try:
            return decode_stretch(path, *self._stretches[key][1:])
        except RecordingError as error:
            raise SetupError(f"{error}; then train again, or leave its tier out of `tiers`") from error

    def _path(self, key: str) -> Path:
        """Of the recording; looked at once, since one whose time of change differs is hashed."""
        recording = self._stretches[key][0]
        if recording not in self._paths:
            row, files = self._recordings.get(recording, (None, None))
            if row is None or files is None:
                raise SetupError(f"{key}: its recording is not in the recordings table; materialize segments again")
            try:
                self._paths[recording] = files.path(row)
            except RecordingError as error:
                raise SetupError(f"{error}; then train again, or leave its tier out of `tiers`") from error
        return self._paths[recording]

    def _twin(self, key: str, samples: Audio, pair: Row) -> Audio:
        preset = pair["preset"]
        if preset not in self._made:
            self._made[preset] = augmentation_from(preset)
        made = self._made[preset]
        twin, drawn = augment_segment(samples, SAMPLE_RATE, key, made.preset, made.room_responses)
        if [one.to_row() for one in drawn] != pair["effects"]:
            raise SetupError(
                f"{key}: its twin was made otherwise than it would be now; set CRESCENDAI_ROOM_RESPONSES to the folder "
                "that augmented_pairs was made with, or materialize it again"
            )
        return twin


def refuse_silent(sounds: Mapping[str, tuple[SegmentSound, Sequence[str]]]) -> None:
    """Look, before the first step, whether all recordings that are to be heard are at hand.

    Args:
        sounds: Tier -> its sound, and the segments that are learnt from.

    Raises:
        SetupError: Some are not; how many of each tier, and the first reason.
    """
    faults = {tier: found for tier, (sound, keys) in sounds.items() if (found := sound.faults(keys))}
    if faults:
        counted = ", ".join(f"{len(found)} recordings of {tier}" for tier, found in faults.items())
        first = next(iter(faults.values()))[0]
        raise SetupError(f"{counted} cannot be heard, and a training through MuQ hears them: {first}")
