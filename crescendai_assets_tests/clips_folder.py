"""A folder of clips named as rated segments, for tests that need the layout and not the sound of a piano."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crescendai_assets.audio import save_audio
from crescendai_assets.sample.rated_music import KEYS

A, B, C, D = KEYS[:4]
"""Four of the sample's rated segments."""


def write_clip(folder: Path, key: str, seconds: float, *, suffix: str = ".wav", seed: int = 0) -> Path:
    """Write one clip: a tone with noise, drawn by its name; another seed gives other sound of the same length."""
    random = np.random.default_rng([seed, *key.encode()])
    time = np.arange(round(seconds * 24_000)) / 24_000
    pitch = 110 * 2 ** (random.integers(0, 36) / 12)
    audio = 0.1 * np.sin(2 * np.pi * pitch * time) + 0.02 * random.standard_normal(len(time))
    path = folder / f"{key}{suffix}"
    save_audio(audio.astype(np.float32), path, subtype="PCM_16")
    return path


def write_clips(folder: Path, seconds: Mapping[str, float]) -> Path:
    """Write clips by key; returns the folder."""
    for key, length in seconds.items():
        write_clip(folder, key, length)
    return folder
