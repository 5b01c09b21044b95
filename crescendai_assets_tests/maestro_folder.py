"""A MAESTRO folder of a few cheap recordings, for tests that need the layout and not the sound of a piano."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crescendai_assets.audio import save_audio


@dataclass(frozen=True)
class Take:
    """One recording to write; `seconds` of a quiet chord with noise, seeded by its name."""

    year: int
    name: str
    title: str = "Prelude Op. 28 No. 7"
    composer: str = "Frédéric Chopin"
    seconds: float = 12.0
    split: str = "train"

    @property
    def audio_filename(self) -> str:
        return f"{self.year}/{self.name}.wav"

    @property
    def recording_id(self) -> str:
        return "maestro_" + self.audio_filename.replace("/", "_").replace(".", "_")


def write_folder(root: Path, takes: Sequence[Take]) -> Path:
    """Write audio and catalogue; returns the folder."""
    for take in takes:
        write_audio(root, take)
    write_catalogue(root, takes)
    return root


def write_audio(root: Path, take: Take, seed: int = 0) -> Path:
    """Write one recording's audio; another seed gives other sound of the same length."""
    random = np.random.default_rng([seed, *take.name.encode()])
    time = np.arange(round(take.seconds * 24_000)) / 24_000
    pitch = 110 * 2 ** (random.integers(0, 36) / 12)
    audio = 0.1 * np.sin(2 * np.pi * pitch * time) + 0.02 * random.standard_normal(len(time))
    path = root / take.audio_filename
    save_audio(audio.astype(np.float32), path, subtype="PCM_16")
    return path


def write_catalogue(root: Path, takes: Sequence[Take]) -> None:
    """Write `maestro-v3.0.0.json` in MAESTRO's own, column-oriented form."""
    rows = [
        {
            "canonical_composer": take.composer,
            "canonical_title": take.title,
            "split": take.split,
            "year": take.year,
            "midi_filename": take.audio_filename.replace(".wav", ".midi"),
            "audio_filename": take.audio_filename,
            "duration": take.seconds,
        }
        for take in takes
    ]
    columns = {column: {str(i): row[column] for i, row in enumerate(rows)} for column in rows[0]}
    (root / "maestro-v3.0.0.json").write_text(json.dumps(columns))
