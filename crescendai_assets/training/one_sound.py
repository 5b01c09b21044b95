"""The sound of one performance as models of sound are told of rated clips: embedded in pieces, or heard through MuQ.

The encoder has to be the one that a checkpoint was trained over. What models of symbols are told is made in
`one_performance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio, load_audio
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.embeddings.identity import EncoderIdentity, EncoderSpec, identify
from crescendai_assets.embeddings.muq import MuQEncoder, pieces_of
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.training.one_performance import Spans
from crescendai_assets.training.t1_plan import Kind, backbone_spec
from crescendai_assets.training.t1_sound import ClipSound

if TYPE_CHECKING:
    from torch import Tensor

SOUND_KINDS: frozenset[Kind] = frozenset({"embeddings", "audio"})
"""What can be made of sound here."""


@dataclass(frozen=True, eq=False)
class Sound:
    """A performance's sound in W parts.

    Attributes:
        encoder: What hears it.
        spec: The same as it was asked for.
        embeddings: Of each part, shape (frames, 1024); None of one too short for a frame. Empty where not wanted.
        samples: Of each part, mono at 24 kHz.
    """

    encoder: EncoderIdentity
    spec: EncoderSpec
    embeddings: tuple[Tensor | None, ...]
    samples: tuple[Audio, ...]


@dataclass(frozen=True, eq=False)
class PartsSound(ClipSound):
    """Parts of one recording in the place of rated clips, for a model that hears through MuQ."""

    samples: Mapping[str, Audio]

    def audio(self, segment: str) -> Audio:
        """Samples of a part."""
        return self.samples[segment]


def parts_sound(samples: Mapping[str, Audio], spec: EncoderSpec) -> PartsSound:
    """Parts by name; nothing of them lies on disk."""
    nowhere = AudioFiles(Lake(Path()).tier("percepiano"), None)
    return PartsSound({}, nowhere, backbone_spec(spec), Path(), samples)


def read_sound(path: Path) -> Audio:
    """An audio file's samples, mono at 24 kHz, shape (n,); decoded in a guarded process.

    Raises:
        RecordingError: It cannot be decoded, or is damaged.
    """
    with GuardedProcess() as process:
        samples: Audio = process.call(_samples, path, what=str(path))
    return samples


def matching_encoder(
    kind: Kind, trained_over: tuple[str, str], spec: EncoderSpec, stored: EncoderIdentity | None
) -> tuple[EncoderSpec, EncoderIdentity]:
    """The configured encoder, if it is the one that a checkpoint was trained over; its weights are not loaded.

    Args:
        kind: Whether the model listens to stored embeddings or hears sound through MuQ.
        trained_over: The checkpoint's encoder, in words, and its digest.
        spec: What is configured; layers, pooling and precision are taken from `stored` where that is the checkpoint's.
        stored: Of the embeddings in the lake.

    Raises:
        SetupError: It is another one, or cannot be had; names both.
    """
    if kind == "audio":
        spec = backbone_spec(spec)
    elif stored is not None and stored.digest == trained_over[1]:
        precision: Any = stored.precision if stored.precision in ("fp32", "bf16") else spec.precision
        spec = replace(spec, layers=stored.layers, temporal_pool=stored.temporal_pool, precision=precision)
    found = identify(spec)
    if found.digest != trained_over[1]:
        raise SetupError(
            "the encoder here is not the one that the model was trained over:\n"
            f"  trained over: {trained_over[0]}\n  here:         {found.describe()}\n"
            "Set CRESCENDAI_MUQ_CHECKPOINT (and CRESCENDAI_MUQ_REVISION) to the first, or train the model over this one"
        )
    return spec, found


def heard_sound(samples: Audio, spans: Spans, spec: EncoderSpec, identity: EncoderIdentity, *, embed: bool) -> Sound:
    """Parts of a recording as rated clips are heard.

    Args:
        samples: The recording, mono at 24 kHz.
        spans: Parts, seconds.
        spec: The encoder.
        identity: The same, resolved.
        embed: Whether embeddings are wanted: in pieces of 30 s, frames one after another.
    """
    parts = tuple(samples[round(start * SAMPLE_RATE) : round(stop * SAMPLE_RATE)] for start, stop in spans)
    if not embed:
        return Sound(identity, spec, (), parts)
    encoder = MuQEncoder(spec)
    return Sound(identity, spec, tuple(_embedded(part, encoder) for part in parts), parts)


def _embedded(part: Audio, encoder: MuQEncoder) -> Tensor | None:
    import torch

    pieces = [part[start:stop] for start, stop in pieces_of(len(part), encoder.identity.temporal_pool)]
    return torch.cat([encoder.encode([piece])[0] for piece in pieces]) if pieces else None


def _samples(path: Path) -> Audio:
    return load_audio(path)[0]
