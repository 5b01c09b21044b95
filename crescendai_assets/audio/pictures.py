"""Pictures of audio for a page: how long recordings are, and what a segment looks like. PNG.

Plots of models and results belong to `evaluation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio
from crescendai_assets.lake.figures import BLUE, empty_figure, figure, plain, png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FFT, _HOP, _BANDS = 2048, 600, 96


def duration_histogram(seconds: Sequence[float], what: str) -> bytes:
    """How many recordings last how long.

    Args:
        seconds: Durations.
        what: What they are of, for the axis.
    """
    import numpy as np

    drawn, axes = figure(5.2, 2.2)
    minutes = np.asarray(seconds) / 60
    axes.hist(minutes, bins=min(30, max(5, len(minutes) // 2)), color=BLUE, edgecolor="white", linewidth=0.5)
    axes.set(xlabel=f"duration of {what}, min", ylabel="count")
    return png(drawn)


def mel_picture(audio: Audio, title: str) -> bytes:
    """Log-mel spectrogram of mono samples at 24 kHz."""
    drawn, axes = figure(6.4, 2.4)
    mel = log_mel(audio)
    _show_mel(axes, mel, len(audio) / SAMPLE_RATE, float(mel.max()), SAMPLE_RATE)
    axes.set(xlabel="s", ylabel="Hz")
    axes.set_title(title, fontsize=8)
    return png(drawn)


def spectra_picture(clean: Audio, augmented: Audio, sample_rate: int, title: str) -> bytes:
    """A segment before and after: log-mel spectrograms on one scale, and beside them their mean spectra in dB.

    Args:
        clean: Mono samples, shape (n,).
        augmented: Mono samples.
        sample_rate: Of both, Hz.
        title: What was done to which.
    """
    import numpy as np

    mels = {"clean": log_mel(clean, sample_rate), "augmented": log_mel(augmented, sample_rate)}
    top = max(float(mel.max()) for mel in mels.values())
    drawn = empty_figure(7.2, 3.4)
    grid = drawn.add_gridspec(2, 2, width_ratios=(1.5, 1))
    spectra = plain(drawn.add_subplot(grid[:, 1]))
    spectra.yaxis.tick_right()
    spectra.yaxis.set_label_position("right")
    hertz = 700 * (10 ** (np.linspace(0, _mel(sample_rate / 2), _BANDS + 2)[1:-1] / 2595) - 1)
    for row, (name, mel) in enumerate(mels.items()):
        axes = plain(drawn.add_subplot(grid[row, 0]))
        _show_mel(axes, mel, len(clean) / sample_rate, top, sample_rate)
        axes.set(ylabel=f"{name}, Hz", xlabel="s" if row else "")
        mean = 10 * np.log10(np.mean(10 ** (mel / 10), axis=1))
        # black and a red of the spectrograms' own colours: others do not survive the small palette
        spectra.semilogx(hertz, mean, label=name, linewidth=(1.8, 1.0)[row], color=("#000004", "#f1605d")[row])
    spectra.set(xlabel="Hz", ylabel="mean power, dB", xlim=(hertz[1], sample_rate / 2))
    spectra.grid(alpha=0.3, linewidth=0.5)
    spectra.legend(fontsize=7, frameon=False)
    drawn.suptitle(title, fontsize=8)
    return png(drawn)


def log_mel(audio: Audio, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float64]:
    """Mel power spectrogram in dB, shape (bands, frames); mel scale of O'Shaughnessy, 2595 log10(1 + f / 700)."""
    import numpy as np

    padded = np.pad(audio, _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FFT), axis=1)) ** 2
    centres = np.linspace(0, _mel(sample_rate / 2), _BANDS + 2)
    bins = _mel(np.fft.rfftfreq(_FFT, 1 / sample_rate))
    rising = (bins - centres[:-2, None]) / np.diff(centres)[:-1, None]
    falling = (centres[2:, None] - bins) / np.diff(centres)[1:, None]
    weights = np.clip(np.minimum(rising, falling), 0, None)
    return np.asarray(10 * np.log10(weights @ power.T + 1e-8))


def _mel(hertz: Any) -> Any:
    import numpy as np

    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def _show_mel(axes: Any, mel: NDArray[np.float64], seconds: float, top: float, sample_rate: int) -> None:
    """Draw a spectrogram over time and frequency, 70 dB deep from `top`."""
    import numpy as np

    axes.imshow(
        mel,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=top - 70,
        vmax=top,
        extent=(0, seconds, 0, _BANDS),
    )
    hertz = np.array([100, 300, 1000, 3000, 10000])
    hertz = hertz[hertz < sample_rate / 2]
    axes.set_yticks(_mel(hertz) / _mel(sample_rate / 2) * _BANDS, [f"{h:,}" for h in hertz])
