"""Sound of the rated clips for models that hear it through MuQ: audio as it was listed, and the stem's output on disk.

The stem (spectrogram and convolutions) is two thirds of MuQ's work and never trained, so its output is computed once
for all folds, epochs and models, in float16: `checkpoints/stems/<digest of the checkpoint>/<segment>-<digest of its
sound>.npy`.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio, load_audio
from crescendai_assets.embeddings.identity import LAYERS, EncoderSpec, identify
from crescendai_assets.embeddings.muq import SEGMENT_SAMPLES, MuQEncoder
from crescendai_assets.embeddings.muq_forward import frames_of
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.training.t1_plan import T1Place, backbone_spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VALUE_BYTES = 2


@dataclass(frozen=True, eq=False)
class ClipSound:
    """Clips that can be heard.

    Attributes:
        rows: Segment -> its row of `clips.jsonl`.
        files: Where audio lies.
        encoder: The MuQ that hears it.
        stems: Folder of its stem's output.
    """

    rows: Mapping[str, Row]
    files: AudioFiles
    encoder: EncoderSpec
    stems: Path

    def audio(self, segment: str) -> Audio:
        """Mono samples of a clip at 24 kHz, shape (n,).

        Raises:
            SetupError: The file is gone, changed since it was listed, or cannot be decoded.
        """
        try:
            return load_audio(self.files.path(self.rows[segment]))[0]
        except RecordingError as error:
            raise SetupError(f"{error}; then train again") from error

    def stem_path(self, segment: str) -> Path:
        """Where the stem's output of a clip is kept."""
        return self.stems / f"{segment}-{self.rows[segment]['pcm_hash'][:16]}.npy"

    def stem(self, segment: str) -> NDArray[np.float16]:
        """The stem's output of a clip, as it was kept, shape (frames, width).

        Raises:
            SetupError: It cannot be read.
        """
        import numpy as np

        path = self.stem_path(segment)
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise SetupError(f"{path}: cannot be read ({error}); remove it, it is made again") from error


def clip_sound(place: T1Place, keys: Sequence[str]) -> ClipSound:
    """The sound of some clips.

    Args:
        place: Where.
        keys: Segments, which `t1_plan` found to have audio.
    """
    assert place.audio is not None
    wanted, spec = set(keys), backbone_spec(place.encoder)
    rows = read_rows(place.embeddings.stage("clips").table)
    identity = identify(spec)
    named = "" if identity.revision.startswith("sha256:") else identity.checkpoint
    return ClipSound(
        rows={row["segment_id"]: row for row in rows if row["segment_id"] in wanted},
        files=place.audio,
        encoder=spec,
        stems=place.root / "checkpoints" / "stems" / fingerprint(named, identity.revision)[:16],
    )


def on_muq(encoder: EncoderSpec | None) -> dict[str, Any]:
    """Arguments of an audio model that stands on a MuQ, loaded anew each time: adapters are put on it in place."""
    spec = backbone_spec(encoder)
    muq = MuQEncoder(spec).model
    return {
        "use_pretrained_muq": True,
        "muq": muq,
        "input_dim": int(muq.config.encoder_dim),
        "layers": spec.layers or LAYERS,
        "temporal_pool": spec.temporal_pool,
    }


def keep_stems(sound: ClipSound, device: str, progress: Progress = silent) -> None:
    """Compute and write the stem's output of the clips that have none yet; what is of an older sound of them goes.

    Args:
        sound: The clips.
        device: On which, as torch calls it.
        progress: Gets lines for the log.

    Raises:
        SetupError: The disk has no room for it, or a clip cannot be read.
    """
    missing = [key for key in sound.rows if not sound.stem_path(key).exists()]
    if not missing:
        return
    muq = MuQEncoder(sound.encoder).model.to(device)
    _say_and_check(sound, missing, int(muq.config.encoder_dim), progress)
    for number, key in enumerate(missing, start=1):
        buffer = io.BytesIO()
        _save(buffer, _stem_of(muq, sound.audio(key), device))
        write_atomic(sound.stem_path(key), buffer.getvalue())
        if number % 100 == 0:
            progress(f"stem: {number} of {len(missing)} clips")
    kept = {sound.stem_path(key) for key in sound.rows}
    for path in sound.stems.glob("*.npy"):
        if path.stem.rpartition("-")[0] in sound.rows and path not in kept:
            path.unlink(missing_ok=True)


def _say_and_check(sound: ClipSound, missing: Sequence[str], width: int, progress: Progress) -> None:
    samples = [int(sound.rows[key]["n_valid"]) for key in missing]
    wanted = sum(frames_of(n) for n in samples) * width * _VALUE_BYTES
    sound.stems.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(sound.stems).free
    said = f"about {wanted / 1e6:,.0f} MB in {sound.stems}"
    if wanted > free:
        raise SetupError(
            f"MuQ's stem output of {len(missing)} clips takes {said}, where {free / 1e6:,.0f} MB are free; make room, "
            "or set cache_stem to false, which computes it anew in every epoch"
        )
    minutes = sum(samples) / SAMPLE_RATE / 60
    progress(f"MuQ's stem output of {len(missing)} clips ({minutes:,.1f} min of audio) is written once: {said}")


def _stem_of(muq: Any, audio: Audio, device: str) -> NDArray[np.float16]:
    """In pieces of 30 s as stored embeddings are made, one after the other."""
    import numpy as np
    import torch

    from crescendai_assets.models.audio_backbone import stem_output

    starts = range(0, len(audio), SEGMENT_SAMPLES)
    pieces = [audio[start : start + SEGMENT_SAMPLES] for start in starts]
    heard = [piece for piece in pieces if frames_of(len(piece)) > 1]  # a window of the spectrogram takes 43 ms
    found = [stem_output(muq, torch.from_numpy(piece[None]).to(device))[0].half().cpu().numpy() for piece in heard]
    return np.concatenate(found)


def _save(buffer: io.BytesIO, values: NDArray[np.float16]) -> None:
    import numpy as np

    np.save(buffer, values, allow_pickle=False)
