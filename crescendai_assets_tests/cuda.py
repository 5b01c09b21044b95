"""What autocast does on CUDA and not on a CPU, imitated where there is no GPU."""

# ruff: noqa: TID253 - for tests of torch modules

from __future__ import annotations

from typing import Any

import pytest
import torch


def cast_einsum(patch: pytest.MonkeyPatch) -> None:
    """`einsum` takes 16 bits under autocast (`AT_FORALL_LOWER_PRECISION_FP` of torch's `autocast_mode.h`)."""
    plain = torch.einsum

    def halved(equation: str, *operands: torch.Tensor) -> torch.Tensor:
        cast = torch.is_autocast_enabled("cpu")
        return plain(equation, *(one.bfloat16() if cast else one for one in operands))

    patch.setattr(torch, "einsum", halved)


def angles_off(conformer: Any) -> float:
    """How far the rotary positions that a conformer keeps are from exact ones, at most."""
    positions = conformer.embed_positions
    kept = positions.cached_rotary_positional_embedding
    angles = torch.outer(torch.arange(len(kept[0]), dtype=torch.float64), positions.inv_freq.double()).repeat(1, 2)
    return float((kept[:, :, 0, 0] - torch.stack([angles.cos(), angles.sin()])).abs().max())
