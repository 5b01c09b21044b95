"""MuQ's forward pass taken apart, so that rows of different lengths in a batch come out as if each were alone.

Stem (mel spectrogram and convolutions) and conformer are apart for another reason, too: the stem's output can be kept.
Without gradients it is used by `muq`, with them by `models.audio_backbone`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_HOP, _STEM_STRIDE = 240, 4
_MEL = "melspec_2048"


def frames_of(n_samples: int) -> int:
    """Frames MuQ makes of so many samples at 24 kHz, 25 a second: ceil(floor(n / 240) / 4)."""
    return ceil(n_samples // _HOP / _STEM_STRIDE)


def stem_of(muq: Any, samples: Tensor) -> Tensor:
    """Mel spectrogram, always in full precision, and convolutions: what the conformer starts from.

    Args:
        muq: A `muq.MuQ`, in eval mode.
        samples: Mono at 24 kHz, all of one length, shape (B, n).

    Returns:
        Shape (B, frames, 1024), 25 frames a second.
    """
    import torch

    with torch.autocast(samples.device.type, enabled=False):
        mel = muq.model.normalize(muq.model.preprocessing(samples.float(), features=[_MEL]))[_MEL]
    stem: Tensor = muq.model.conv(mel)
    return stem


def by_length(lengths: Sequence[int], stem: Callable[[list[int], int], Tensor]) -> Tensor:
    """Stems of rows of different lengths, zero past the end of each, shape (B, most frames, 1024).

    Rows of one length go through together, others apart: the convolutions would carry padding into valid frames.

    Args:
        lengths: Samples of each row.
        stem: Stems of the rows at some places, all of one length.
    """
    frames, out = max(frames_of(length) for length in lengths), None
    for length in sorted(set(lengths)):
        places = [place for place, other in enumerate(lengths) if other == length]
        found = stem(places, length)
        if len(places) == len(lengths):
            return found
        out = found.new_zeros(len(lengths), frames, found.shape[2]) if out is None else out
        out[places, : found.shape[1]] = found
    assert out is not None
    return out


def keep_positions(conformer: Any, stem: Tensor) -> None:
    """Let a conformer keep its rotary positions for a stem of this length, of exact angles.

    Left to itself it makes them during its forward pass, where autocast on CUDA multiplies frame numbers and
    frequencies in 16 bits (`einsum`): by the end of 30 s the angles are off by more than 1 radian. And it would keep
    them for passes without autocast. Cosines and sines have the stem's type.
    """
    import torch

    with torch.autocast(stem.device.type, enabled=False):
        conformer.embed_positions(stem)


@contextmanager
def padding_silenced(conformer: Any, there: Tensor) -> Iterator[None]:
    """Attention honours a mask (B, frames), the 31-frame depthwise convolutions do not: padding would leak through."""

    def silence(_module: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0] * there[:, None, :],)

    hooks = [layer.conv_module.depthwise_conv.register_forward_pre_hook(silence) for layer in conformer.layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def mean_of_layers(states: Sequence[Tensor], layers: Sequence[int]) -> Tensor:
    """Hidden states averaged over layers, counted from 1, in full precision, shape (B, frames, 1024)."""
    import torch

    return torch.stack([states[layer].float() for layer in layers]).mean(0)
