"""MuQ inside a model that is trained: the forward pass with gradients, from audio or from the stem's stored output.

The stem (mel spectrogram and convolutions) is 64 % of the work and never trained here, so its output can be kept and
the rest trained from it. Encoding without training is in `embeddings.muq`; adapters are in `lora`.
"""

# ruff: noqa: TID253 - modules are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crescendai_assets.embeddings.identity import CHECKPOINT, LAYERS, TEMPORAL_POOL, EncoderSpec
from crescendai_assets.embeddings.muq import SEGMENT_SAMPLES, MuQEncoder
from crescendai_assets.embeddings.muq_forward import (
    by_length,
    frames_of,
    keep_positions,
    mean_of_layers,
    padding_silenced,
    stem_of,
)
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.models.lora import chosen_layers

_HALF_WINDOW = 1024  # the spectrogram reflects so many samples at either end


@torch.no_grad()
def stem_output(muq: Any, audio: Tensor, mask: Tensor | None = None) -> Tensor:
    """What MuQ's conformer starts from; `hidden_states` of it are those of MuQ's own forward pass.

    Args:
        muq: A `muq.MuQ`, in eval mode.
        audio: Mono samples at 24 kHz, shape (B, n).
        mask: Which samples are there, shape (B, n), a prefix of each row; None for all.

    Returns:
        Float32, shape (B, T, 1024), 25 frames a second, zero past the end of each row. As fp16 it takes half the room
        and is taken back as it is.

    Raises:
        ValueError: A row is too short for one window of the spectrogram.
    """
    lengths = [audio.shape[1]] * len(audio) if mask is None else mask.bool().sum(1).tolist()
    if min(lengths) <= _HALF_WINDOW:
        raise ValueError(f"{min(lengths)} samples are too few; MuQ's spectrogram takes {_HALF_WINDOW + 1} or more")
    return by_length(lengths, lambda places, length: stem_of(muq, audio[places, :length]).float())


def hidden_states(muq: Any, stem: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
    """All hidden states from the stem's output, with gradients: index 0 the stem, k layer k, each (B, T, 1024).

    Args:
        muq: A `muq.MuQ`, in eval mode.
        stem: From `stem_output`, in fp32 or fp16; not changed.
        mask: Which frames are there, shape (B, T), a prefix of each row; None for all.
    """
    conformer = muq.model.conformer
    stem = stem.float()
    _forget_positions(conformer, stem.device)
    keep_positions(conformer, stem)
    if mask is None or bool(mask.all()):
        return tuple(conformer(stem, output_hidden_states=True).hidden_states)
    there = mask.bool()
    with padding_silenced(conformer, there):
        # a copy: the conformer writes zeros into what it is given
        return tuple(conformer(stem.clone(), attention_mask=there, output_hidden_states=True).hidden_states)


def _forget_positions(conformer: Any, device: torch.device) -> None:
    """Drop kept rotary positions that are of no use here.

    Training refuses those made in inference mode, in which Lightning validates; a model that has moved to another
    device leaves them behind.
    """
    positions = conformer.embed_positions
    kept = getattr(positions, "cached_rotary_positional_embedding", None)
    if kept is not None and (kept.device != device or (kept.is_inference() and not torch.is_inference_mode_enabled())):
        positions.cached_sequence_length = positions.cached_rotary_positional_embedding = None


class MuQBackbone(nn.Module):
    """MuQ as the lower part of a model: audio or stem in, pooled features out. Frozen until adapters or layers are not.

    It is always in eval mode, whatever `train` says, since batch norms in training mode would drift away from the
    statistics that its weights go with; dropout stays off within it too.

    Attributes:
        pretrained: What stays frozen here is loaded from elsewhere and not kept in checkpoints (see `lora`).
        muq: The `muq.MuQ`.
        layers: Hidden states that are averaged.
        mark: Tells its weights from others', before adapters.
    """

    pretrained = True

    def __init__(
        self,
        muq: nn.Module | str | Path | None = None,
        layers: Sequence[int] = LAYERS,
        temporal_pool: int = TEMPORAL_POOL,
    ) -> None:
        """Open the backbone; adapters that are put on a given model later are put on it in place.

        Args:
            muq: A loaded `muq.MuQ`, or a checkpoint (folder or hub id); None for the published one.
            layers: Hidden states to average, counted from 1; a smaller model has no 9-12 and gives its last four.
            temporal_pool: Frames averaged into one, as in stored embeddings.

        Raises:
            SetupError: The checkpoint cannot be had, or has no such layers.
        """
        super().__init__()
        self.muq: Any = muq
        if not isinstance(muq, nn.Module):
            spec = EncoderSpec(str(muq or CHECKPOINT), temporal_pool=temporal_pool, precision="fp32", device="cpu")
            self.muq = MuQEncoder(spec).model
        self.muq.requires_grad_(False)
        self.mark = _mark_of(self.muq)
        self.layers = chosen_layers(self.depth, layers)
        self.temporal_pool = temporal_pool
        self.train(False)

    @property
    def depth(self) -> int:
        """Layers that MuQ has."""
        return len(self.muq.model.conformer.layers)

    @property
    def width(self) -> int:
        """Values a frame."""
        return int(self.muq.config.encoder_dim)

    def layer(self, number: int) -> nn.Module:
        """A layer, counted from 1."""
        one: nn.Module = self.muq.model.conformer.layers[number - 1]
        return one

    def train(self, mode: bool = True) -> MuQBackbone:
        """Stay in eval mode."""
        super().train(False)
        return self

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode.

        Args:
            x: Audio at 24 kHz, shape (B, n), or the stem's stored output, shape (B, T, 1024). What is longer than 30 s
                is heard in pieces of 30 s.
            mask: Which samples (B, n), or frames (B, T), are there; a prefix of each row.

        Returns:
            Features, shape (B, T // temporal_pool, 1024) with T of the longest row, and which of them are there.
            Without adapters they are those that `embeddings.muq` stores, also of more than one piece.

        Raises:
            ValueError: The shape is another, or there is too little for one pooled frame.
        """
        if x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[2] != self.width):
            raise ValueError(
                f"input of shape {tuple(x.shape)}; MuQ takes audio (B, n) or its stem's output (B, T, {self.width})"
            )
        piece = frames_of(SEGMENT_SAMPLES) if x.ndim == 3 else SEGMENT_SAMPLES
        return self._one_piece(x, mask) if x.shape[1] <= piece else self._pieces(x, mask, piece)

    def _pieces(self, x: Tensor, mask: Tensor | None, size: int) -> tuple[Tensor, Tensor]:
        """Features of rows in pieces of so many samples or frames, one after the other; rows that are over rest."""
        length = x.new_full((len(x),), x.shape[1], dtype=torch.long) if mask is None else mask.bool().sum(1)
        features, known = [], []
        for start in range(0, x.shape[1], size):
            there = torch.arange(start, min(start + size, x.shape[1]), device=x.device) < length[:, None]
            piece = x[:, start : start + size]
            rows = (_valid_frames(piece, there) >= self.temporal_pool).nonzero()[:, 0]
            if not start or len(rows):
                rows = rows if len(rows) else torch.arange(len(x), device=x.device)
                heard, valid = self._one_piece(piece[rows], there[rows])
                whole = heard.new_zeros(len(x), *heard.shape[1:])
                features.append(whole.index_copy(0, rows, heard))
                known.append(valid.new_zeros(len(x), valid.shape[1]).index_copy(0, rows, valid))
        return torch.cat(features, 1), torch.cat(known, 1)

    def _one_piece(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        frames = _valid_frames(x, mask)
        rows = int(frames.max()) // self.temporal_pool
        if rows < 1:
            raise ValueError(f"{int(frames.max())} frames are too short for one pooled frame of {self.temporal_pool}")
        stem = (stem_output(self.muq, x, mask) if x.ndim == 2 else x)[:, : int(frames.max())]
        there = torch.arange(stem.shape[1], device=x.device) < frames[:, None]
        states = hidden_states(self.muq, stem, there)
        mean = mean_of_layers(states, self.layers)
        pooled = mean[:, : rows * self.temporal_pool].reshape(len(x), rows, self.temporal_pool, -1).mean(2)
        return pooled, torch.arange(rows, device=x.device) < (frames // self.temporal_pool)[:, None]


def _valid_frames(x: Tensor, mask: Tensor | None) -> Tensor:
    whole = torch.full((len(x),), x.shape[1], device=x.device)
    lengths = whole if mask is None else mask.bool().sum(1)
    if x.ndim == 3:
        return lengths
    return torch.tensor([frames_of(n) for n in lengths.tolist()], device=x.device)


def _mark_of(module: nn.Module) -> str:
    """Names, shapes and some numbers of all weights: reading all of 329 M would take longer than loading them."""
    return fingerprint(
        {name: [list(one.shape), one.flatten()[:8].double().tolist()] for name, one in module.state_dict().items()}
    )


def backbone_for(input_dim: int, muq: nn.Module | str | Path | None, layers: Sequence[int], pool: int) -> MuQBackbone:
    """A backbone whose features have the width that the model above expects.

    Raises:
        SetupError: They have another.
    """
    backbone = MuQBackbone(muq, layers, pool)
    if backbone.width != input_dim:
        raise SetupError(
            f"input_dim is {input_dim} and this MuQ gives {backbone.width} values a frame; give that number"
        )
    return backbone
