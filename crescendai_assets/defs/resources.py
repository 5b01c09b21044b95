"""Resources: where data is and which encoder is used. Empty fields mean the environment, read when a run needs it.

Each only opens what the domain offers; settings of a single run are asset configs in the tiers' modules.
"""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.embeddings.augmented import Augmentation, augmentation_from
from crescendai_assets.embeddings.identity import EncoderSpec, spec_from
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake, Partition, Tier, open_lake
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.maestro_sources import FolderSource, ZipSource, maestro_source
from crescendai_assets.sources.percepiano_clips import audio_folder


class LakeResource(dg.ConfigurableResource):
    """The root of all data."""

    root: str = ""
    """Folder; empty for `$CRESCENDAI_DATA`, else `./data`."""

    def opened(self) -> Lake:
        """The lake."""
        return open_lake(self.root or None)

    def folder(self) -> Path:
        """Its root."""
        return self.opened().root

    def tier(self, name: str, embedding_set: str = "") -> Tier:
        """One tier's cache."""
        return self.opened().tier(name, embedding_set)

    def partition(self, tier: str, key: str, embedding_set: str = "") -> Partition:
        """One partition of a tier."""
        return self.tier(tier, embedding_set).partition(key)


class MaestroResource(dg.ConfigurableResource):
    """Where MAESTRO is."""

    folder: str = ""
    """A folder in MAESTRO's layout, read in place; empty for `$MAESTRO_DIR`."""
    archive: str = ""
    """Address of the official zip, read by ranges; empty for `$MAESTRO_ZIP`. A folder comes first."""

    performers: str = ""
    """A csv `audio_filename,performer` that overrides contestant numbers; empty for `$MAESTRO_PERFORMERS`."""

    def performers_csv(self) -> Path | None:
        """The csv of performers, None when none is set."""
        text = self.performers or os.environ.get("MAESTRO_PERFORMERS", "")
        return Path(text).expanduser() if text else None

    def required_source(self) -> FolderSource | ZipSource:
        """The source.

        Raises:
            SetupError: None is set.
        """
        source = self.source()
        if source is None:
            raise SetupError(
                "there is no MAESTRO source: set MAESTRO_DIR to a folder in MAESTRO's layout, or MAESTRO_ZIP to the "
                "address of the official zip, of which only the year asked for is transferred"
            )
        return source

    def audio(self, partition: Partition) -> AudioFiles:
        """Where a year's recordings are decoded from."""
        source = self.source()
        return AudioFiles(partition.tier, source.folder if source else None)

    def source(self) -> FolderSource | ZipSource | None:
        """The source, None when neither is set."""
        return maestro_source(self.folder, self.archive)


class AugmentationResource(dg.ConfigurableResource):
    """What is done to the sound of augmented pairs. Part of what makes them stale, so it is no setting of one run."""

    preset: str = ""
    """One of `recording_conditions` (default), `label_safe`, `single:<effect>`; empty: `$CRESCENDAI_AUGMENTATION`."""
    room_responses: str = ""
    """A folder of recorded room impulse responses; empty for `$CRESCENDAI_ROOM_RESPONSES`, else none are used."""

    def chosen(self) -> Augmentation:
        """As the domain takes it.

        Raises:
            SetupError: There is no such preset, or the folder holds no audio.
        """
        return augmentation_from(self.preset, self.room_responses)


class PercePianoResource(dg.ConfigurableResource):
    """Where PercePiano is."""

    folder: str = ""
    """A folder with `total_2rounds.csv` and, if at hand, the segments' `midi/`; empty for `$PERCEPIANO_DIR`."""
    folds: str = ""
    """A JSON file of published folds to compare with; empty for `$PERCEPIANO_FOLDS`, else none."""
    audio: str = ""
    """A folder with the clips' audio, `<segment>.wav` or of another kind, read in place; empty for `$PERCEPIANO_AUDIO`,
    else `audio/` of the folder, if it is there."""

    def ratings_csv(self) -> Path:
        """The raw ratings.

        Raises:
            SetupError: No folder is set.
        """
        return self._root() / "total_2rounds.csv"

    def midi_folder(self) -> Path | None:
        """The segments' MIDI, None where they are not at hand."""
        midi = self._root() / "midi"
        return midi if midi.is_dir() else None

    def published_folds(self) -> Path | None:
        """Published folds, None when none are given."""
        text = self.folds or os.environ.get("PERCEPIANO_FOLDS", "")
        return Path(text).expanduser() if text else None

    def audio_folder(self) -> Path | None:
        """The clips' audio, None where it is not at hand.

        Raises:
            SetupError: A folder is set and is not there.
        """
        return audio_folder(self.audio, self.folder)

    def clips(self, partition: Partition) -> AudioFiles:
        """Where clips are decoded from."""
        return AudioFiles(partition.tier, self.audio_folder())

    def _root(self) -> Path:
        text = self.folder or os.environ.get("PERCEPIANO_DIR", "")
        if not text:
            raise SetupError("there are no ratings: set PERCEPIANO_DIR to a folder with PercePiano's total_2rounds.csv")
        return Path(text).expanduser()


class SegmentingResource(dg.ConfigurableResource):
    """How recordings are cut. Part of what makes segments stale, so it belongs to the deployment, not to one run."""

    segment_duration: float = 30.0
    """Seconds of a full segment; MuQ takes at most 30."""
    min_duration: float = 5.0
    """Seconds from which the last piece is kept."""
    min_rms: float = 0.002
    """Quieter pieces are silence and dropped; full scale is 1."""
    overlap: float = 0.0
    """Seconds that neighbouring segments share."""
    max_hours: float = 4.0
    """Longest recording that is decoded."""

    def rule(self) -> SegmentRule:
        """As the domain takes it.

        Raises:
            SetupError: Nothing can be cut so, or the encoder could not take what is cut.
        """
        if self.segment_duration > 30 or self.min_duration < 1:
            raise SetupError(
                f"segmenting: segments of {self.min_duration:g} to {self.segment_duration:g} s are asked for "
                "(min_duration, segment_duration); MuQ takes 1 to 30 s"
            )
        try:
            return SegmentRule(
                self.segment_duration, self.min_duration, self.min_rms, self.overlap, self.max_hours * 3600
            )
        except ValueError as error:
            raise SetupError(f"segmenting: {error}") from error


class EncoderResource(dg.ConfigurableResource):
    """Which encoder makes embeddings."""

    checkpoint: str = ""
    """Hub id or folder; empty for `$CRESCENDAI_MUQ_CHECKPOINT`, else MuQ-large."""
    revision: str = ""
    """Branch, tag or commit on the hub; empty for `$CRESCENDAI_MUQ_REVISION`, else `main`."""
    layers: list[int] = Field(default_factory=list)
    """Hidden states to average, counted from 1; empty for the last four (9-12 of MuQ-large)."""
    temporal_pool: int = 8
    """Frames averaged into one; 1 keeps all 25 a second."""
    precision: str = "auto"
    """`fp32`, `bf16`, or `auto`: fp32 on CPU, bf16 on CUDA."""
    device: str = ""
    """`cpu`, `cuda`; empty for `$CRESCENDAI_DEVICE`, else whatever there is."""

    batch_size: int | None = None
    """Segments a forward pass; by default 1 on CPU, 16 on CUDA."""
    embedding_set: str = ""
    """Another set of embeddings beside the default one, in `muq_embeddings-<name>/`; empty for
    `$CRESCENDAI_EMBEDDING_SET`."""

    def set_name(self) -> str:
        """Name of the embedding set, empty for the default one."""
        return self.embedding_set or os.environ.get("CRESCENDAI_EMBEDDING_SET", "")

    def spec(self) -> EncoderSpec:
        """Which encoder is asked for; nothing is looked for yet."""
        return spec_from(
            checkpoint=self.checkpoint,
            revision=self.revision,
            layers=tuple(self.layers) or None,
            temporal_pool=self.temporal_pool,
            precision=self.precision,
            device=self.device,
            batch_size=self.batch_size,
        )

    def open(self) -> MuQEncoder:
        """The encoder, its weights loaded when it is first used."""
        return MuQEncoder(self.spec())
