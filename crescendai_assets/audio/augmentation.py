"""Augmentation: which effects a segment gets, with which parameters, drawn from its id, and applying them.

Drawing is pure: every chance and every parameter comes from BLAKE2b of (seed, effect, parameter), so that a process,
a library's release or another effect's presence changes nothing. The effects themselves are in `effects`, `pitch` and
`codec`; the torch class for training is in `augmentor`.

Two presets, to be measured against each other. `recording_conditions` is what rooms, microphones and phones do; much
of it changes what listeners rated (reverb is pedal, equalization is brightness, compression is dynamic range, gain is
loudness). `label_safe` keeps to what they did not rate.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.audio import effects
from crescendai_assets.audio.codec import MP3_KBPS, codec
from crescendai_assets.audio.decode import Audio
from crescendai_assets.audio.difference import Difference as Difference  # measured beside what was drawn
from crescendai_assets.audio.difference import compare as compare
from crescendai_assets.audio.pitch import pitch_shift
from crescendai_assets.lake.errors import SetupError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
"""Raise it when an effect or a draw changes what it does: it is part of every seed."""

CEILING = 0.97
"""What would come out above full scale is scaled down to this peak, not clipped. Not 1, so that a segment that is
there already does not come out as it went in."""

Parameters: TypeAlias = Mapping[str, float | str]

_Range: TypeAlias = tuple[float, float]

_FILES = ("response", "recording")


@dataclass(frozen=True)
class Drawn:
    """One effect with the parameters drawn for it.

    Attributes:
        effect: One of `EFFECTS`.
        parameters: Name -> value, as the function of that name in `effects` takes them; units are in the names.
    """

    effect: str
    parameters: Parameters

    def to_row(self) -> dict[str, Any]:
        """As JSON keeps it: the effect and its parameters side by side, files by name only."""
        named = {name: Path(str(value)).name if name in _FILES else value for name, value in self.parameters.items()}
        return {"effect": self.effect, **named}


@dataclass(frozen=True)
class Files:
    """Recordings that effects may use.

    Attributes:
        room_responses: Impulse responses of rooms; without any there is no such effect.
        noises: Recorded noise; without any, noise is pink.
    """

    room_responses: tuple[Path, ...] = ()
    noises: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Chance:
    """Numbers that depend on the seed, the effect and their own name, on nothing else."""

    seed: int
    effect: str

    def of(self, name: str) -> float:
        """Uniform in [0, 1)."""
        return _digest(8, self.seed, self.effect, name) / 2**64

    def within(self, name: str, bounds: _Range) -> float:
        """Uniform between two bounds, or log-uniform for a frequency; to five digits, so that rows are short."""
        low, high = bounds
        share = self.of(name)
        value = low * (high / low) ** share if name.endswith("_hz") else low + share * (high - low)
        return float(f"{value:.5g}")

    def one_of(self, name: str, options: Sequence[Any]) -> Any:
        """Each as likely as the others."""
        return options[int(self.of(name) * len(options))]


@dataclass(frozen=True)
class _Effect:
    """What it does, what is drawn for it, whether it makes use of chance when it is applied."""

    run: Callable[..., Audio]
    draw: Callable[[_Chance, Files], Parameters]
    noisy: bool = False


def _ranges(**bounds: _Range) -> Callable[[_Chance, Files], Parameters]:
    return lambda chance, _files: {name: chance.within(name, pair) for name, pair in bounds.items()}


def _draw_codec(chance: _Chance, _files: Files) -> Parameters:
    # three of four Opus: it is what YouTube serves, and twice as fast
    if chance.of("codec") < 0.25:
        return {"codec": "mp3", "kbps": chance.one_of("kbps", MP3_KBPS)}
    return {"codec": "opus", "kbps": chance.one_of("kbps", range(24, 97))}


def _draw_room_response(chance: _Chance, files: Files) -> Parameters:
    return {"response": str(chance.one_of("response", sorted(files.room_responses)))}


def _draw_noise(chance: _Chance, files: Files) -> Parameters:
    drawn: dict[str, float | str] = {"snr_db": chance.within("snr_db", (10, 30))}
    if files.noises:
        drawn["recording"] = str(chance.one_of("recording", sorted(files.noises)))
    return drawn


# In the order the sound meets them: instrument, room, microphone, its noise, device, level. Noise thus comes before
# what takes its treble away, as on a real device, and the ratio drawn is the one at the microphone.
_EFFECTS: dict[str, _Effect] = {
    "pitch_shift": _Effect(pitch_shift, _ranges(semitones=(-0.5, 0.5))),
    "detune": _Effect(pitch_shift, _ranges(semitones=(-0.1, 0.1))),
    "reverb": _Effect(effects.reverb, _ranges(room_size=(0.1, 0.7), wet=(0.05, 0.3))),
    "room_response": _Effect(effects.room_response, _draw_room_response),
    "equalizer": _Effect(
        effects.equalizer,
        _ranges(
            low_hz=(80, 300),
            low_db=(-6, 6),
            mid_hz=(400, 3000),
            mid_db=(-6, 6),
            mid_q=(0.5, 2),
            high_hz=(3500, 9000),
            high_db=(-6, 6),
        ),
    ),
    "tilt": _Effect(effects.tilt, _ranges(tilt_db=(-1.5, 1.5))),
    "compression": _Effect(effects.compression, _ranges(threshold_db=(-30, -10), ratio=(2, 6))),
    "noise": _Effect(effects.noise, _draw_noise, noisy=True),
    "mild_noise": _Effect(effects.noise, _ranges(snr_db=(25, 40)), noisy=True),
    "low_pass": _Effect(effects.low_pass, _ranges(cutoff_hz=(4000, 12_000))),
    "phone": _Effect(effects.phone, _ranges(threshold_db=(-30, -15), ratio=(3, 6))),
    "bandwidth": _Effect(effects.bandwidth, _ranges(cutoff_hz=(8000, 11_500))),
    "codec": _Effect(codec, _draw_codec),
    "gain": _Effect(effects.gain, _ranges(gain_db=(-6, 3))),
}

_PRESETS: dict[str, dict[str, float]] = {
    "recording_conditions": {
        "pitch_shift": 0.3,
        "reverb": 0.6,
        "room_response": 0.3,
        "equalizer": 0.5,
        "compression": 0.5,
        "noise": 0.4,
        "low_pass": 0.4,
        "phone": 0.2,
        "gain": 0.7,
    },
    "label_safe": {"detune": 0.3, "tilt": 0.5, "mild_noise": 0.5, "bandwidth": 0.4, "codec": 0.4},
}

PRESETS = tuple(_PRESETS)
"""Names of the presets; `single:<effect>` is one too, for each of `EFFECTS`."""

EFFECTS = tuple(_EFFECTS)
"""Names of the effects, in the order they are applied in."""


def segment_seed(segment_id: str, preset: str, version: int = VERSION) -> int:
    """Seed of a segment's augmentation: 63 bits of BLAKE2b, the same in every process."""
    return _digest(8, segment_id, preset, version) >> 1


def draw(preset: str, seed: int, *, room_responses: Sequence[Path] = ()) -> tuple[Drawn, ...]:
    """The effects that a seed gives, in the order they are applied in; at least one.

    `recording_conditions`: reverb with probability .6 (room .1 to .7, wet .05 to .3), compression .5 (threshold -30 to
    -10 dB below the segment's peak, 2:1 to 6:1), low-pass .4 (4 to 12 kHz), pitch shift .3 (half a semitone either
    way), gain .7 (-6 to 3 dB); and, chosen here, three-band equalizer .5 (6 dB either way), pink noise .4 (10 to 30 dB
    below the sound), a recorded room .3 when there are any, a phone .2.

    `label_safe`: codec .4 (Opus 24 to 96 kbit/s; a quarter MP3, 64 to 160), mild noise .5 (25 to 40 dB below), tilt .5
    (1.5 dB from bass to treble either way), detuning .3 (10 cents either way), bandwidth .4 (8 to 11.5 kHz).

    `single:<effect>`: that one. Frequencies are drawn on a logarithmic scale, all else uniformly.

    Args:
        preset: One of `PRESETS`, or `single:<effect>` with one of `EFFECTS`.
        seed: From `segment_seed`, or any other.
        room_responses: Recorded impulse responses to choose from.

    Raises:
        SetupError: There is no such preset or effect, or it needs responses and has none.
    """
    if preset == "single:room_response" and not room_responses:
        raise SetupError(f"augmentation {preset!r} needs recorded responses: give a folder of room impulse responses")
    return draw_from(_probabilities(preset), seed, Files(room_responses=tuple(room_responses)))


def draw_from(probabilities: Mapping[str, float], seed: int, files: Files) -> tuple[Drawn, ...]:
    """Each effect with its own probability; if that leaves none, one of them, the likelier the sooner.

    Args:
        probabilities: Effect -> probability.
        seed: Any number.
        files: Recordings that effects may use; without any room responses that effect is left out.
    """
    possible = {
        name: probabilities[name]
        for name in EFFECTS
        if name in probabilities and (name != "room_response" or files.room_responses)
    }
    chosen = [name for name, p in possible.items() if _Chance(seed, name).of("applies") < p]
    if not chosen:
        # the smallest exponential waiting time belongs to each in proportion to its rate
        chosen = [min(possible, key=lambda name: -math.log1p(-_Chance(seed, name).of("instead")) / possible[name])]
    return tuple(Drawn(name, _EFFECTS[name].draw(_Chance(seed, name), files)) for name in chosen)


def apply(audio: NDArray[np.floating[Any]], sample_rate: int, drawn: Sequence[Drawn], seed: int) -> Audio:
    """Apply effects in the order given.

    Args:
        audio: Finite samples, shape (n,), or (channels, n), each channel on its own and all at one level in the end.
        sample_rate: Hz.
        drawn: From `draw`.
        seed: The one they were drawn with; noise comes from it.

    Returns:
        Float32 samples of the same shape, at the same time, finite, no larger than 1: what would be is scaled down.
        Silence (below -120 dB) stays as it is.

    Raises:
        SetupError: A file or codec that an effect needs is not there.
        ValueError: The samples are not finite numbers, or not of such a shape.
    """
    import numpy as np

    sound = np.ascontiguousarray(audio, np.float32)
    if sound.ndim not in (1, 2):
        raise ValueError(f"augmentation takes samples of shape (n,) or (channels, n), not {sound.shape}")
    if not np.isfinite(sound).all():
        raise ValueError("augmentation takes finite samples; decode the recording again")
    channels = [
        _apply_to_channel(channel, sample_rate, drawn, seed, number)
        for number, channel in enumerate(np.atleast_2d(sound))
    ]
    out = np.stack(channels).reshape(sound.shape) if channels else sound.copy()
    peak = float(np.abs(out).max(initial=0.0))
    return np.asarray(out * np.float32(CEILING / peak)) if peak > 1 else out


def augment_segment(
    audio: NDArray[np.floating[Any]],
    sample_rate: int,
    segment_id: str,
    preset: str,
    room_responses: Sequence[Path] = (),
) -> tuple[Audio, tuple[Drawn, ...]]:
    """Augment a segment by what its id gives: `draw` and `apply` with its `segment_seed`.

    Returns:
        The samples, and what was done to them.

    Raises:
        SetupError: As for `draw` and `apply`.
        ValueError: As for `apply`.
    """
    seed = segment_seed(segment_id, preset)
    drawn = draw(preset, seed, room_responses=room_responses)
    return apply(audio, sample_rate, drawn, seed), drawn


def create_augmentation_chain(
    seed: int, preset: str = "recording_conditions", *, room_responses: Sequence[Path] = ()
) -> Callable[[NDArray[np.floating[Any]], int], Audio]:
    """A function `(audio, sample_rate)` that always applies the effects that the seed gives; see `apply`.

    Args:
        seed: Any number.
        preset: As for `draw`.
        room_responses: As for `draw`.

    Raises:
        SetupError: As for `draw`.
    """
    drawn = draw(preset, seed, room_responses=room_responses)

    def chain(audio: NDArray[np.floating[Any]], sample_rate: int) -> Audio:
        return apply(audio, sample_rate, drawn, seed)

    return chain


def augment_audio(audio: NDArray[np.floating[Any]], sr: int, seed: int, preset: str = "recording_conditions") -> Audio:
    """Augment once: float32 of the same shape, not the input, the same for the same seed.

    Args:
        audio: As for `apply`.
        sr: Rate, Hz.
        seed: Any number.
        preset: As for `draw`.
    """
    return create_augmentation_chain(seed, preset)(audio, sr)


def _apply_to_channel(audio: Audio, sample_rate: int, drawn: Sequence[Drawn], seed: int, number: int) -> Audio:
    import numpy as np

    for one in drawn:
        if not effects.has_sound(audio):
            break  # nothing to compress or to add noise to; a gated stretch may be left so by the effect before
        effect = _EFFECTS[one.effect]
        chance: dict[str, Any] = {}
        if effect.noisy:
            chance["generator"] = np.random.Generator(np.random.PCG64(_digest(16, seed, one.effect, number)))
        audio = effect.run(audio, sample_rate, **one.parameters, **chance)
    return audio


def _probabilities(preset: str) -> dict[str, float]:
    kind, _, effect = preset.partition(":")
    if kind == "single" and effect in _EFFECTS:
        return {effect: 1.0}
    if preset in _PRESETS:
        return _PRESETS[preset]
    known = [*PRESETS, *(f"single:{name}" for name in EFFECTS)]
    close = difflib.get_close_matches(preset, known, 1)
    raise SetupError(
        f"augmentation preset {preset!r} is none of {', '.join(PRESETS)}, nor single:<effect> with an effect of "
        f"{', '.join(EFFECTS)}." + (f" Did you mean {close[0]!r}?" if close else "")
    )


def _digest(size: int, *parts: object) -> int:
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest(), "big")
