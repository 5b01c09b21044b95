"""A small MuQ with random weights, saved as a real checkpoint: the real loading path, offline and in seconds.

It is the same class and code as the published encoder, few and narrow layers. What it computes means nothing, and its
identity says so wherever its embeddings are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crescendai_assets.embeddings.identity import UNTRAINED_MARK

# Normalisation of the published checkpoint's mel spectrogram (its config.json).
_STAT = {"melspec_2048_mean": 6.768444971712967, "melspec_2048_std": 18.417922652295623}


LARGE: Mapping[str, int] = {"depth": 12, "ffn": 4096, "conv_dim": 512}
"""Sizes of MuQ-large, for `write_encoder`."""


def write_encoder(
    folder: Path, *, depth: int = 2, ffn: int = 64, conv_dim: int = 4, seed: int = 0, width: int = 1024
) -> Path:
    """Write a checkpoint with `save_pretrained`; nothing is done where one is already.

    Args:
        folder: Where to.
        depth: Conformer layers (12 in MuQ-large).
        ffn: Width of the feed-forward blocks (4096 in MuQ-large).
        conv_dim: Channels of the convolution stem (512 in MuQ-large).
        seed: Of the random weights.
        width: Values a frame; the file contract wants 1024.

    Returns:
        The folder.
    """
    if (folder / UNTRAINED_MARK).exists():
        return folder
    model = build_encoder(depth=depth, ffn=ffn, conv_dim=conv_dim, seed=seed, width=width)
    model.save_pretrained(folder)
    (folder / UNTRAINED_MARK).write_text(
        "Random weights, for tests and demonstrations; embeddings of it mean nothing.\n"
    )
    return folder


def build_encoder(*, depth: int, ffn: int, conv_dim: int, seed: int = 0, width: int = 1024) -> Any:
    """The module itself, in eval mode."""
    import torch
    from muq import MuQ, MuQConfig
    from transformers import Wav2Vec2ConformerConfig

    conformer = Wav2Vec2ConformerConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=16,
        intermediate_size=ffn,
        num_conv_pos_embeddings=16,
        position_embeddings_type="rotary",
        layerdrop=0.0,
    ).to_dict()
    # the checkpoint's JSON holds plain values only: int keys would come back as strings and break it
    plain = {k: v for k, v in conformer.items() if v is None or isinstance(v, bool | int | float | str | list)}
    config = MuQConfig(
        codebook_size=64,
        conv_dim=conv_dim,
        encoder_dim=width,
        encoder_depth=depth,
        stat=_STAT,
        w2v2_config={**plain, "_attn_implementation": "eager"},
    )
    with torch.random.fork_rng(devices=[]):
        model = MuQ(config)
        torch.manual_seed(seed)  # only here: MuQ's constructor sets a seed of its own half-way
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return model.eval()
