"""Augmentation while training: the effects of `augmentation` on a torch tensor, with the probabilities of a class."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from crescendai_assets.audio.augmentation import Files, apply, draw_from, segment_seed
from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.effects import recordings_in

if TYPE_CHECKING:
    import torch

_PROBABILITIES = {"room_response": 0.3, "noise": 0.3, "phone": 0.2, "pitch_shift": 0.1, "equalizer": 0.2}


class AudioAugmentor:
    """Changes a waveform, or leaves it, as chance has it; another way each time.

    Of what is changed: room response with probability .3, noise .3 (10 to 30 dB below the sound), phone .2 (low-pass
    8 kHz and compression), pitch .1 (50 cents either way), three-band equalizer .2, each on its own; at least one
    always applies.

    Example:
        >>> import torch
        >>> augment = AudioAugmentor(None, None, augment_prob=1.0, seed=0)
        >>> augment(torch.rand(1, 24_000)).shape
        torch.Size([1, 24000])
    """

    def __init__(
        self,
        room_irs_dir: str | Path | None = None,
        noise_dir: str | Path | None = None,
        augment_prob: float = 0.5,
        *,
        seed: int | None = None,
    ) -> None:
        """Look up the recordings.

        Args:
            room_irs_dir: Folder of recorded impulse responses; without one there are no room responses.
            noise_dir: Folder of recorded noise; without one noise is pink.
            augment_prob: Share of waveforms that are changed, 0 to 1.
            seed: For the same sequence in every process. None takes chance from torch (`torch.manual_seed`), which a
                DataLoader sets apart in each of its workers: leave it so there.

        Raises:
            SetupError: A folder is not there or holds no audio.
            ValueError: `augment_prob` is no probability.
        """
        if not 0 <= augment_prob <= 1:
            raise ValueError(f"augment_prob must lie between 0 and 1, not {augment_prob}")
        self.augment_prob = augment_prob
        self.files = Files(
            recordings_in(Path(room_irs_dir), "room impulse responses") if room_irs_dir is not None else (),
            recordings_in(Path(noise_dir), "recordings of noise") if noise_dir is not None else (),
        )
        self._seed = seed
        self._calls = itertools.count()

    def __call__(self, waveform: torch.Tensor, sample_rate: int = SAMPLE_RATE) -> torch.Tensor:
        """Augment with probability `augment_prob`.

        Args:
            waveform: Samples, shape (C, n) or (n,), any floating type and device; no gradient flows.
            sample_rate: Hz.

        Returns:
            The waveform itself, or a new one of its shape, type and device, no larger than 1.

        Raises:
            SetupError: A recording cannot be used.
            ValueError: The samples are not finite, or not of such a shape.
        """
        import torch

        seed = self._next_seed()
        if not seed / 2**63 < self.augment_prob:
            return waveform
        # only low seeds get here: what is drawn takes one that may be any
        seed = segment_seed(str(seed), "augmentor")
        drawn = draw_from(_PROBABILITIES, seed, self.files)
        augmented = apply(waveform.detach().cpu().float().numpy(), sample_rate, drawn, seed)
        return torch.from_numpy(augmented).to(waveform)

    def _next_seed(self) -> int:
        """Uniform below 2 ** 63."""
        import torch

        if self._seed is None:
            return int(torch.randint(2**63 - 1, ()).item())
        return segment_seed(f"{self._seed}:{next(self._calls)}", "augmentor")
