"""Decoding: a 44.1 kHz stereo WAV to 24 kHz mono, against a reader that resamples as it reads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crescendai_assets.audio.decode import SAMPLE_RATE, load_audio
from crescendai_assets.bench.corpus import write_noise
from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios, seconds


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """How many times faster `load_audio` is than pedalboard's `resampled_to` on the same files."""
    lengths = (10, 12) if quick else (60, 70, 80, 90)
    theirs: list[float] = []
    ours: list[float] = []
    for number, length in enumerate(lengths):
        path = folder / f"{number}.wav"
        write_noise(path, length, seed=number)
        runs = {
            "theirs": partial(seconds, _resampled_as_read, path),
            "ours": partial(seconds, load_audio, path),
        }
        interleaved(runs, 1)  # imports, file cache
        taken = interleaved(runs, 2 if quick else 3)
        theirs += taken["theirs"]
        ours += taken["ours"]
    ratio, facts = pair_ratios(theirs, ours)
    yield Figure(
        "decode.wav",
        "44.1 kHz stereo 16-bit WAV to 24 kHz mono: times faster than pedalboard's resampled_to, same files",
        ratio,
        Target("at least", 12),
        facts={**facts, "files": len(lengths), "seconds_of_audio": sum(lengths)},
    )


def _resampled_as_read(path: Path) -> object:
    from pedalboard.io import AudioFile

    with AudioFile(str(path)).resampled_to(SAMPLE_RATE) as file:
        return file.read(file.frames).mean(axis=0)
