"""Augmentation: seconds of audio augmented in a second of one core, by preset and by effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from crescendai_assets.audio.augmentation import EFFECTS, PRESETS, Drawn, apply, augment_segment, draw, segment_seed
from crescendai_assets.audio.decode import SAMPLE_RATE, load_audio, save_audio
from crescendai_assets.bench.corpus import SEGMENT_SECONDS, write_noise
from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios

_PITCH = {"pitch_shift", "detune"}
_TARGETS = {False: Target("at least", 500), True: Target("at least", 60)}


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """How many times faster than it sounds a segment is augmented: drawn, applied, scaled; nothing read or written."""
    length, segments, repetitions = (5, 2, 1) if quick else (SEGMENT_SECONDS, 48, 3)
    write_noise(folder / "sound.wav", length, rate=SAMPLE_RATE, channels=1)
    audio, _ = load_audio(folder / "sound.wav")
    responses = [_write_response(folder / "rooms" / "room.wav")]

    runs: dict[str, Any] = {}
    facts_of: dict[str, tuple[str, int, Target | None]] = {}  # what is measured, on how many segments, target
    for preset in PRESETS:
        for pitch in (False, True):
            name = f"augment.{preset}" + ("_with_pitch" if pitch else "")
            # what has none is cheap, and must be many to have its share of codecs
            ids = _ids(preset, pitch, responses, segments // 4 if pitch and not quick else segments)
            runs[name] = partial(_time_segments, audio, ids, preset, responses)
            what = f"{preset}, segments with{'' if pitch else 'out'} a pitch shift"
            facts_of[name] = (what, len(ids), _TARGETS[pitch])
    for what, drawn in _singles(responses):
        runs[f"augment.{what}"] = partial(_processor_seconds, apply, audio, SAMPLE_RATE, drawn, 0)
        facts_of[f"augment.{what}"] = (f"{what} alone", 1, None)
    interleaved(runs, 1)  # imports, tables
    for name, spent in interleaved(runs, repetitions).items():
        what, number, target = facts_of[name]
        ratio, facts = pair_ratios([number * length] * len(spent), spent)
        yield Figure(
            name,
            f"{what}: segments of {length} s at 24 kHz, seconds of sound a second of processor time",
            ratio,
            target,
            facts={**facts, "segments": number, "seconds_of_audio": number * length},
        )


def _processor_seconds(work: Callable[..., object], *arguments: Any) -> float:
    """What something costs in time of a core, over all threads: what else the machine does hardly counts."""
    started = time.process_time()
    work(*arguments)
    return time.process_time() - started


def _ids(preset: str, pitch: bool, responses: Sequence[Path], wanted: int) -> list[str]:
    """The first segment ids whose draw has, or has not, a pitch shift."""
    found: list[str] = []
    for number in count():
        segment_id = f"bench_seg{number:03d}"
        drawn = draw(preset, segment_seed(segment_id, preset), room_responses=responses)
        if any(one.effect in _PITCH for one in drawn) == pitch:
            found.append(segment_id)
        if len(found) == wanted:
            break
    return found


def _time_segments(audio: Any, ids: Sequence[str], preset: str, responses: Sequence[Path]) -> float:
    return sum(
        _processor_seconds(augment_segment, audio, SAMPLE_RATE, segment_id, preset, responses) for segment_id in ids
    )


def _singles(responses: Sequence[Path]) -> Iterator[tuple[str, tuple[Drawn, ...]]]:
    """Each effect by itself, codecs one by one."""
    for effect in EFFECTS:
        if effect != "codec":
            yield effect, draw(f"single:{effect}", 0, room_responses=responses)
    yield "codec_mp3", (Drawn("codec", {"codec": "mp3", "kbps": 128}),)
    yield "codec_opus", (Drawn("codec", {"codec": "opus", "kbps": 64}),)


def _write_response(path: Path) -> Path:
    """A room that dies away within a second and a half, its direct sound as strong as the rest."""
    times = np.arange(round(1.5 * SAMPLE_RATE)) / SAMPLE_RATE
    response = np.random.default_rng(0).standard_normal(len(times)) * np.exp(-times / 0.2) / 50
    response[0] = 1.0
    save_audio(response.astype(np.float32), path)
    return path
