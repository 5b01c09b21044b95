"""What augmented pairs need: codecs, a preset that exists, recorded rooms where some are asked for.

Belongs here: what the asset youtube/augmented_pairs needs of this machine. What augmentation does is `audio`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crescendai_assets.audio.augmentation import draw
from crescendai_assets.audio.codec import codec
from crescendai_assets.audio.effects import recordings_in
from crescendai_assets.doctor.finding import Finding
from crescendai_assets.lake.errors import SetupError

PRESET_VARIABLE = "CRESCENDAI_AUGMENTATION"
ROOMS_VARIABLE = "CRESCENDAI_ROOM_RESPONSES"

_CODECS = {"mp3": 64.0, "opus": 32.0}
_WITH_CODECS = ("label_safe", "single:codec")
_RATE = 24_000


def check_augmentation(environ: Mapping[str, str]) -> list[Finding]:
    """Whether preset and room responses, where they are set, can be used."""
    preset, folder = environ.get(PRESET_VARIABLE, ""), environ.get(ROOMS_VARIABLE, "")
    findings: list[Finding] = []
    responses: tuple[Path, ...] = ()
    if folder:
        try:
            responses = recordings_in(Path(folder).expanduser(), "room impulse responses")
            findings.append(Finding(ROOMS_VARIABLE, "ok", f"{len(responses)} recordings in {folder}"))
        except SetupError as error:
            findings.append(Finding(ROOMS_VARIABLE, "missing", str(error), "Correct the path, or unset it."))
    if preset:
        try:
            draw(preset, 0, room_responses=responses)
            findings.append(Finding(PRESET_VARIABLE, "ok", preset))
        except SetupError as error:
            findings.append(Finding(PRESET_VARIABLE, "missing", str(error), "Correct it, or unset it."))
    return findings


def check_codecs(preset: str = "", run: Callable[..., Any] = codec) -> Finding:
    """Whether sounds can go through MP3 and Opus and back, tried on a tenth of a second of silence.

    Args:
        preset: The augmentation of the settings: where it has codecs in it, one that lacks is no mere warning.
        run: Does it; raises SetupError where PyAV lacks one, ImportError without PyAV.
    """
    name = "codecs"
    lacking: list[str] = []
    for kind, kbps in _CODECS.items():
        try:
            import numpy as np

            run(np.zeros(_RATE // 10, np.float32), _RATE, codec=kind, kbps=kbps)
        except (ImportError, SetupError, OSError, ValueError) as error:
            lacking.append(f"{kind}: {error}")
    if not lacking:
        return Finding(name, "ok", f"{' and '.join(_CODECS)}, encoded and decoded by PyAV")
    advice = "Run: pip install --force-reinstall --only-binary=av av. "
    return Finding(
        name,
        "missing" if preset in _WITH_CODECS else "warn",
        "; ".join(lacking),
        advice + f"Of the augmentations only {' and '.join(_WITH_CODECS)} need them.",
    )
