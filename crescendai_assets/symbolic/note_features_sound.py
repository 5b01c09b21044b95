"""Note features of what sounds: notes that the pedal blurs together, energy over time, curves by the second.

They need no score. A struck string is taken to die away exponentially: e^(-t / 1.5 s) for what masks and clashes,
e^(-t / 1 s) for energy; rough, but the same for all performances.
"""

from __future__ import annotations

from typing import Any

from crescendai_assets.symbolic.hand_pedal import damped_at
from crescendai_assets.symbolic.note_features_aligned import correlation, course, summary
from crescendai_assets.symbolic.performance import Floats, Performance, pedal_at, pedal_spans
from crescendai_assets.symbolic.summaries import mean

_DECAY_SECONDS = 1.5
_LOW = 48  # below C3 pedalled notes make mud
_SEMITONES = (1, 11, 13)
_CLASHES = (1, 2, 10, 11, 13, 14)
_WINDOWS = (1.0, 2.0, 4.0)
_ENERGY_STEP = 0.25


def sounding_end(read: Performance) -> Floats:
    """When each note is damped, with the pedal, shape (N,)."""
    import numpy as np

    return np.asarray(damped_at(read, pedal_spans(read.sustain, read.seconds)))


def blur(read: Performance) -> dict[str, float]:
    """What sounds when a note begins: how much, how low, how much of it clashes; by keys alone and with the pedal."""
    import numpy as np

    onset, end, pitch = read.onset, sounding_end(read), read.pitch
    begun = onset[:, None] <= onset + 0.03  # [j, i]: j sounds when i begins
    sounding, held = (begun & (ends[:, None] > onset + 0.05) for ends in (end, read.end))
    age = np.maximum(onset - onset[:, None], 0)
    strength = np.exp(-age / _DECAY_SECONDS) * (read.velocity[:, None] / 64) ** 1.5 * sounding
    apart = np.abs(pitch[:, None] - pitch)
    clashing = np.isin(apart, _CLASHES)
    return {
        **summary((strength * clashing).sum(0), "sound_clash"),
        **summary((strength * np.isin(apart, _SEMITONES)).sum(0), "sound_semitones"),
        **summary(sounding.sum(0), "sound_notes"),
        **summary(strength.sum(0), "sound_strength"),
        **summary(held.sum(0), "sound_keys"),
        **summary(_classes(sounding, pitch), "sound_classes"),
        **summary(_classes(held, pitch), "sound_key_classes"),
        **summary((strength * (pitch < _LOW)[:, None]).sum(0), "sound_low"),
        "sound_pedalled": mean(sounding.sum(0) - held.sum(0)),
        "sound_pedalled_clash": mean(((sounding & ~held) & clashing).sum(0)),
        **summary(np.log(1e-3 + strength.sum(0)), "sound_loudness"),
        "sound_centroid": float(np.average(pitch, weights=read.velocity * end)),
    }


def energy(read: Performance) -> dict[str, float]:
    """Energy of decaying notes on a grid of a quarter of a second (log), and the share of near silence."""
    import numpy as np

    time, end = np.arange(read.onset[0], read.seconds, _ENERGY_STEP)[:, None], sounding_end(read)
    sounding = (read.onset <= time) & (end > time)
    total = ((read.velocity / 64) ** 2 * np.exp(-np.maximum(time - read.onset, 0)) * sounding).sum(1)
    curve = np.log(total + 0.02)
    return {
        **summary(curve, "sound_energy", (5, 25, 50, 75, 95)),
        **course(curve, "sound_energy"),
        "sound_silence": mean(total < 0.01),
    }


def windows(read: Performance) -> dict[str, float]:
    """Velocity, its deviation, density of notes and pedal in windows of 1, 2 and 4 s."""
    import numpy as np

    time, velocity = read.onset - read.onset[0], read.velocity.astype(np.float64)
    found: dict[str, float] = {}
    for seconds in _WINDOWS:
        window, of = (time // seconds).astype(np.int64), f"{seconds:g}s"
        count = np.bincount(window)
        some, many = count > 0, np.maximum(count, 1)
        level, square = (np.bincount(window, values)[some] / many[some] for values in (velocity, velocity**2))
        density = np.log1p(count / seconds)
        found |= {
            **summary(level, f"window_velocity_{of}", (10, 90)),
            **summary(np.sqrt(np.maximum(square - level**2, 0)), f"window_unevenness_{of}", (50,)),
            **summary(density, f"window_density_{of}", (10, 90)),
            f"window_density_by_velocity_{of}": correlation(density[some], level),
            **_pedal(read, seconds, of),
        }
    return found


def _pedal(read: Performance, seconds: float, of: str) -> dict[str, float]:
    """How the pedal differs between windows and moves inside them, from eight looks a window."""
    import numpy as np

    length = max(float(read.onset[-1] - read.onset[0]), 0.5)
    looks = pedal_at(read.sustain, np.arange(0, length + seconds, seconds / 8) + read.onset[0]) / 127
    by_window = looks[: len(looks) // 8 * 8].reshape(-1, 8)
    return {
        f"window_pedal_{of}": float(by_window.mean(1).std()),
        f"window_pedal_moves_{of}": float(by_window.std(1).mean()),
    }


def _classes(sounding: Any, pitch: Any) -> Any:
    """Different pitch classes among what sounds, by moment."""
    import numpy as np

    return np.stack([sounding[pitch % 12 == one].any(0) for one in range(12)]).sum(0)
