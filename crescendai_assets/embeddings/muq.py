"""MuQ (Zhu et al., arXiv 2501.01108) as a frozen encoder of 30 s segments.

The forward pass is taken apart (`muq_forward`): a tail shorter than its batch is encoded exactly as if alone.
Batching over recordings, files and tables belong to `pipeline`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio, load_audio
from crescendai_assets.embeddings.identity import (
    CHECKPOINT,
    LAYERS,
    TEMPORAL_POOL,
    EncoderIdentity,
    EncoderSpec,
    Precision,
    device_of,
    identify,
    locate_checkpoint,
)
from crescendai_assets.embeddings.muq_forward import (
    by_length,
    frames_of,
    keep_positions,
    mean_of_layers,
    padding_silenced,
    stem_of,
)
from crescendai_assets.lake.errors import SetupError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SEGMENT_SAMPLES = 30 * SAMPLE_RATE


def pooled_frames(n_samples: int, temporal_pool: int = TEMPORAL_POOL) -> int:
    """Rows of a stored embedding; of each piece of 30 s, frames that fill no pool are left out (750 // 8 = 93)."""
    whole, rest = divmod(n_samples, SEGMENT_SAMPLES)
    return whole * (frames_of(SEGMENT_SAMPLES) // temporal_pool) + frames_of(rest) // temporal_pool


def pieces_of(n_samples: int, temporal_pool: int = TEMPORAL_POOL) -> list[tuple[int, int]]:
    """Start and stop of the pieces of 30 s that sound of any length is encoded in, in samples.

    A rest too short for one pooled frame is left out.
    """
    starts = range(0, n_samples, SEGMENT_SAMPLES)
    pieces = ((start, min(start + SEGMENT_SAMPLES, n_samples)) for start in starts)
    return [(start, stop) for start, stop in pieces if pooled_frames(stop - start, temporal_pool)]


class MuQEncoder:
    """A loaded MuQ: segments in, embeddings out. Frozen and always in eval mode.

    Args:
        spec: Which checkpoint, layers, pooling, precision and device.

    Raises:
        SetupError: The checkpoint cannot be had or does not fit the request.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec
        self.identity: EncoderIdentity = identify(spec)
        self.device = device_of(spec.device)

    @property
    def batch_size(self) -> int:
        """Segments a forward pass. On CPU one: larger batches are slower there and not bit for bit the same."""
        return self.spec.batch_size or (1 if self.device == "cpu" else 16)

    @cached_property
    def model(self) -> Any:
        """The `muq.MuQ` module, loaded on first use."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # weight_norm's old spelling inside transformers
            from muq import MuQ

            folder, _ = locate_checkpoint(self.spec)
            model = MuQ.from_pretrained(str(folder))
        model.requires_grad_(False)
        return model.to(self.device).eval()

    def encode(self, segments: Sequence[Audio]) -> list[Tensor]:
        """Embed segments of at most 30 s in one forward pass.

        Args:
            segments: Mono float32 samples at 24 kHz, each shape (n_i,).

        Returns:
            One float32 tensor on CPU a segment, shape (frames_i // temporal_pool, 1024): hidden states averaged over
            the layers, then mean-pooled over time. Equal to encoding each segment alone.

        Raises:
            ValueError: A segment is too short for one pooled frame, or longer than 30 s.
        """
        return self.launch(segments)()

    def launch(self, segments: Sequence[Audio]) -> Callable[[], list[Tensor]]:
        """Start what `encode` does; the function returned waits for the embeddings and gives them.

        On a GPU they are on their way to this machine's memory behind the forward pass, so that fetching them does not
        wait for passes that were started since.
        """
        import torch

        self._check(segments)
        try:
            pooled = self._forward(segments)
            if self.device == "cpu":
                return lambda: pooled
            fetched = [one.to("cpu", non_blocking=True) for one in pooled]  # torch pins what it copies to
            there: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
            there.record(torch.cuda.current_stream(self.device))
        except torch.OutOfMemoryError as error:
            raise SetupError(
                f"{self.device} ran out of memory with {len(segments)} segments at once; set `batch_size` of the "
                f"encoder resource below {len(segments)}"
            ) from error

        def waited() -> list[Tensor]:
            there.synchronize()
            return fetched

        return waited

    def _forward(self, segments: Sequence[Audio]) -> list[Tensor]:
        import torch

        with torch.inference_mode(), self._autocast():
            states = self.hidden_states(self.stem(segments), [frames_of(len(s)) for s in segments])
            mean = mean_of_layers(states, self.identity.layers)
        pool = self.identity.temporal_pool
        pooled = []
        for one, segment in zip(mean, segments, strict=True):
            rows = pooled_frames(len(segment), pool)
            pooled.append(one[: rows * pool].reshape(rows, pool, -1).mean(1))
        return pooled

    def stem(self, segments: Sequence[Audio]) -> Tensor:
        """Mel spectrogram and convolutions, shape (batch, most frames, 1024), zero past the end of each segment.

        Segments of one length go through together, others by themselves.
        """
        import numpy as np
        import torch

        def stem(places: list[int], _length: int) -> Tensor:
            batch = torch.from_numpy(np.stack([segments[place] for place in places]))
            if self.device != "cpu":
                batch = batch.pin_memory().to(self.device, non_blocking=True)
            return stem_of(self.model, batch)

        return by_length([len(one) for one in segments], stem)

    def hidden_states(self, stem: Tensor, frames: Sequence[int]) -> tuple[Tensor, ...]:
        """All hidden states from the stem's output: index 0 the stem, k layer k, each (batch, frames, 1024).

        Args:
            stem: From `stem`, shape (batch, most frames, 1024).
            frames: Valid frames of each row; what lies past them is masked.
        """
        import torch

        conformer = self.model.model.conformer
        keep_positions(conformer, stem)
        if min(frames) == stem.shape[1]:
            return tuple(conformer(stem, output_hidden_states=True).hidden_states)
        valid = torch.arange(stem.shape[1], device=stem.device) < torch.tensor(frames, device=stem.device)[:, None]
        with padding_silenced(conformer, valid):
            return tuple(conformer(stem, attention_mask=valid, output_hidden_states=True).hidden_states)

    def _autocast(self) -> AbstractContextManager[Any]:
        import torch

        if self.identity.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16)

    def _check(self, segments: Sequence[Audio]) -> None:
        for segment in segments:
            if len(segment) > SEGMENT_SAMPLES:
                raise ValueError(f"a segment of {len(segment) / SAMPLE_RATE:.1f} s; the longest is 30 s")
            if pooled_frames(len(segment), self.identity.temporal_pool) < 1:
                raise ValueError(f"a segment of {len(segment) / SAMPLE_RATE:.2f} s is too short for one pooled frame")


class MuQExtractor:
    """Embeddings of files and arrays, for notebooks and tests.

    Args:
        checkpoint: Hub id or local folder.
        layers: Hidden states to average, counted from 1 (layer 12 is MuQ-large's last). A smaller model has no
            layers 9-12: with the default its last four are taken.
        temporal_pool: Frames averaged into one; 1 keeps all 25 a second.
        device: `auto`, `cpu`, `cuda`.
        cache_dir: Where downloaded checkpoints are kept.
        revision: Branch, tag or commit on the hub.
        precision: `auto` is fp32 on CPU and bf16 autocast on CUDA.

    Raises:
        SetupError: The checkpoint cannot be had or does not fit the request.
    """

    def __init__(
        self,
        checkpoint: str = CHECKPOINT,
        layers: tuple[int, ...] | None = LAYERS,
        temporal_pool: int = TEMPORAL_POOL,
        device: str = "auto",
        cache_dir: str | Path | None = None,
        *,
        revision: str = "main",
        precision: Precision | Literal["auto"] = "auto",
    ) -> None:
        wanted = None if layers == LAYERS else layers
        cache = str(cache_dir) if cache_dir else None
        self.encoder = MuQEncoder(EncoderSpec(checkpoint, revision, wanted, temporal_pool, precision, device, cache))

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        return self.encoder.identity

    def extract_from_file(self, path: str | Path) -> Tensor:
        """Embed a file, in pieces of 30 s.

        Returns:
            Float32 on CPU, shape (frames, 1024).

        Raises:
            FileNotFoundError: There is no such file.
            RecordingError: It cannot be decoded.
            ValueError: It is too short for one pooled frame.
        """
        audio, _ = load_audio(path)
        return self.extract_from_audio(audio)

    def extract_from_audio(self, audio: Audio | torch.Tensor) -> Tensor:
        """Embed mono samples at 24 kHz, in pieces of 30 s.

        Args:
            audio: Shape (n,), or (batch, n).

        Returns:
            Float32 on CPU, shape (frames, 1024), or (batch, frames, 1024). A rest too short for one pooled frame
            is left out.

        Raises:
            ValueError: The shape is another, or there is too little for one pooled frame.
        """
        import numpy as np
        import torch

        if isinstance(audio, torch.Tensor):
            audio = audio.detach().float().cpu().numpy()
        samples = np.asarray(audio, dtype=np.float32, order="C")
        if samples.ndim == 1:
            return self._extract(samples)
        if samples.ndim != 2 or len(samples) == 0:
            raise ValueError(f"audio of shape {samples.shape}; give mono samples (n,) or a batch (batch, n)")
        return torch.stack([self._extract(one) for one in samples])

    def _extract(self, samples: Audio) -> Tensor:
        import torch

        pieces = [samples[start:stop] for start, stop in pieces_of(len(samples), self.identity.temporal_pool)]
        if not pieces:
            raise ValueError(f"{len(samples) / SAMPLE_RATE:.2f} s of audio is too short for one pooled frame")
        size = self.encoder.batch_size
        batches = (pieces[i : i + size] for i in range(0, len(pieces), size))
        return torch.cat([one for batch in batches for one in self.encoder.encode(batch)])
