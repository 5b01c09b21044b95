"""Which encoder made a folder of embeddings: found without loading it, written beside them, compared before any work.

One encoder a folder: embeddings of two encoders look alike and mean different things.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import no_room, sha256_file, temporary_name
from crescendai_assets.lake.fingerprints import fingerprint

CHECKPOINT = "OpenMuQ/MuQ-large-msd-iter"
LAYERS = (9, 10, 11, 12)
TEMPORAL_POOL = 8

IDENTITY_FILE = "encoder.json"
UNTRAINED_MARK = "UNTRAINED"
"""A file of this name in a checkpoint folder says that its weights were never trained."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder is asked for.

    Attributes:
        checkpoint: Hub id or local folder.
        revision: Branch, tag or commit on the hub; without meaning for a folder.
        layers: Hidden states to average, counted from 1; None for the last four.
        temporal_pool: Frames averaged into one; 1 keeps all 25 a second.
        precision: `auto` is fp32 on CPU, bf16 autocast on CUDA.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        cache_dir: Where downloaded checkpoints are kept; None for the hub's default.
        batch_size: Segments a forward pass; None for what suits the device. No part of the identity.
    """

    checkpoint: str = CHECKPOINT
    revision: str = "main"
    layers: tuple[int, ...] | None = None
    temporal_pool: int = TEMPORAL_POOL
    precision: Precision | Literal["auto"] = "auto"
    device: str = "auto"
    cache_dir: str | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no encoder can do."""
        if self.temporal_pool < 1:
            raise SetupError(f"temporal_pool is {self.temporal_pool}; it must be at least 1")
        if self.batch_size is not None and self.batch_size < 1:
            raise SetupError(f"batch_size is {self.batch_size}; it must be at least 1")
        if self.precision not in {"auto", "fp32", "bf16"}:
            raise SetupError(f"precision is {self.precision!r}; give auto, fp32 or bf16")
        refuse_other_device(self.device)


@dataclass(frozen=True)
class EncoderIdentity:
    """What makes two encoders give the same embeddings.

    Attributes:
        checkpoint: Hub id, or the name of a local folder (kept for people; not compared for a folder).
        revision: Resolved commit on the hub, or `sha256:...` of a local folder's config and weights.
        layers: Hidden states averaged.
        temporal_pool: Frames averaged into one.
        precision: Of the forward pass.
        trained: False for the sample's random weights, None when not known.
    """

    checkpoint: str
    revision: str
    layers: tuple[int, ...]
    temporal_pool: int
    precision: str
    trained: bool | None = True

    @property
    def digest(self) -> str:
        """What goes into fingerprints."""
        values = asdict(self)
        if self.revision.startswith("sha256:"):
            values["checkpoint"] = ""  # a folder may be moved or renamed: its bytes are its identity
        return fingerprint(values)

    def describe(self) -> str:
        """One line for people."""
        layers = ",".join(map(str, self.layers)) or "?"
        note = {True: "", False: ", UNTRAINED: figures made with it mean nothing", None: ", unverified"}[self.trained]
        return (
            f"{self.checkpoint}@{self.revision[:15]} layers {layers} pooled by {self.temporal_pool}, "
            f"{self.precision}{note}"
        )


def spec_from(environ: Mapping[str, str] = os.environ, **given: Any) -> EncoderSpec:
    """What is given, else `$CRESCENDAI_MUQ_CHECKPOINT`, `$CRESCENDAI_MUQ_REVISION` and `$CRESCENDAI_DEVICE`."""
    settings = {
        "checkpoint": environ.get("CRESCENDAI_MUQ_CHECKPOINT"),
        "revision": environ.get("CRESCENDAI_MUQ_REVISION"),
        "device": environ.get("CRESCENDAI_DEVICE"),
    }
    chosen = {**settings, **{k: v for k, v in given.items() if v not in (None, "")}}
    return EncoderSpec(**{k: v for k, v in chosen.items() if v is not None and v != ""})


def identify(spec: EncoderSpec) -> EncoderIdentity:
    """Resolve a specification to an identity, reading config and cache but loading no weights into memory.

    Raises:
        SetupError: The checkpoint is neither a folder nor in reach, or has no such layers.
    """
    folder, revision = locate_checkpoint(spec)
    if not (folder / "config.json").is_file():
        raise SetupError(f"{folder}: no config.json there; a MuQ checkpoint is a folder with config.json and weights")
    if not any(p.suffix in {".safetensors", ".bin"} for p in folder.iterdir()):
        raise SetupError(
            f"{folder}: holds a config.json and no weights (*.safetensors, *.bin); complete the checkpoint"
        )
    try:
        depth = int(json.loads((folder / "config.json").read_text())["encoder_depth"])
    except (ValueError, TypeError, KeyError) as error:
        raise SetupError(f"{folder / 'config.json'}: not the config of a MuQ checkpoint ({error!r})") from error
    layers = spec.layers or tuple(range(max(1, depth - 3), depth + 1))
    if not all(1 <= layer <= depth for layer in layers):
        raise SetupError(f"layers {list(layers)}: {spec.checkpoint} has layers 1 to {depth}; ask for some of those")
    precision = spec.precision if spec.precision != "auto" else ("bf16" if device_of(spec.device) != "cpu" else "fp32")
    trained = not (folder / UNTRAINED_MARK).exists()
    name = spec.checkpoint if not Path(spec.checkpoint).is_dir() else Path(spec.checkpoint).name
    return EncoderIdentity(name, revision, layers, spec.temporal_pool, precision, trained)


def locate_checkpoint(spec: EncoderSpec) -> tuple[Path, str]:
    """The folder of a checkpoint and its revision; downloads from the hub what is not cached.

    Raises:
        SetupError: It is not cached and cannot be downloaded.
    """
    local = Path(spec.checkpoint).expanduser()
    if local.is_dir():
        weights = sorted(p for p in local.iterdir() if p.suffix in {".safetensors", ".bin", ".json"})
        return local, "sha256:" + fingerprint({p.name: sha256_file(p) for p in weights})
    if local.is_absolute() or spec.checkpoint.startswith((".", "~")):
        raise SetupError(f"encoder checkpoint {spec.checkpoint}: no such folder; set CRESCENDAI_MUQ_CHECKPOINT")
    return _from_hub(spec)


def _from_hub(spec: EncoderSpec) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = {
        "revision": spec.revision,
        "cache_dir": spec.cache_dir,
        "allow_patterns": ["*.json", "*.safetensors", "*.bin"],
    }
    try:
        # what is cached is taken as it is, so that a run with nothing to do needs no network
        folder = Path(snapshot_download(spec.checkpoint, local_files_only=True, **wanted))
        if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
            raise LocalEntryNotFoundError("only part of the checkpoint is cached")
    except LocalEntryNotFoundError:
        try:
            folder = Path(snapshot_download(spec.checkpoint, **wanted))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            raise SetupError(
                f"encoder checkpoint {spec.checkpoint}@{spec.revision} is not on this machine and cannot be downloaded "
                f"({type(error).__name__}). Go online once (`crescendai doctor` says how), or set "
                "CRESCENDAI_MUQ_CHECKPOINT to a folder that holds it"
            ) from error
    except HFValidationError as error:
        raise SetupError(
            f"encoder checkpoint {spec.checkpoint}: no such folder, and not a name on the hub (owner/model); set "
            "CRESCENDAI_MUQ_CHECKPOINT"
        ) from error
    return folder, folder.name


def refuse_other_device(name: str) -> None:
    """Refuse what names no device.

    Raises:
        SetupError: It does not.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise SetupError(f"device is {name!r}; give auto, cpu, cuda or cuda:N")


def device_of(asked: str) -> str:
    """The device asked for, `auto` resolved.

    Raises:
        SetupError: It is no device's name, or CUDA is asked for and not there.
    """
    refuse_other_device(asked)
    if asked == "cpu":
        return "cpu"
    import torch

    available = torch.cuda.is_available()
    if asked == "auto":
        return "cuda" if available else "cpu"
    if not available:
        raise SetupError(f"device {asked}: torch sees no CUDA device here; set device: cpu, or see `crescendai doctor`")
    if ":" in asked and int(asked.partition(":")[2]) >= torch.cuda.device_count():
        raise SetupError(f"device {asked}: there are {torch.cuda.device_count()} CUDA devices here, from cuda:0 on")
    return asked


def claim_folder(folder: Path, identity: EncoderIdentity, tier: str) -> None:
    """Write the identity beside the embeddings, or check that the one there is the same.

    The file is created exclusively and whole: of two runs at once, one writes it and the other compares.

    Raises:
        SetupError: The folder belongs to another encoder; names both ways on.
    """
    found = read_identity(folder)
    if found is None:
        found = _create(folder / IDENTITY_FILE, identity)
    if found.digest != identity.digest:
        name, _, embedding_set = folder.name.partition("-")
        this_set = f" --set {embedding_set}" if embedding_set else ""
        raise SetupError(
            f"{folder} holds embeddings of another encoder:\n"
            f"  there:  {found.describe()}\n  asked:  {identity.describe()}\n"
            "Keep both: set CRESCENDAI_EMBEDDING_SET, or `embedding_set` of the encoder resource in the run's config, "
            f"to a name (they go to {name}-<name>/). Or start over: `crescendai embeddings reset {tier}{this_set}`"
        )


def read_identity(folder: Path) -> EncoderIdentity | None:
    """The identity of a folder's embeddings, None when none is written.

    Raises:
        SetupError: The file there is no identity.
    """
    path = folder / IDENTITY_FILE
    if not path.exists():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        return replace(EncoderIdentity(**values), layers=tuple(values["layers"]))
    except (ValueError, TypeError, KeyError) as error:
        raise SetupError(
            f"{path}: does not say which encoder made these embeddings ({error}); restore the file, or start over with "
            "`crescendai embeddings reset`"
        ) from error


def _create(path: Path, identity: EncoderIdentity) -> EncoderIdentity:
    """Create the file whole or not at all; when another run was first, return what that one wrote."""
    temporary, text = temporary_name(path), json.dumps(asdict(identity), indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text)
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with path.open(
                "x"
            ) as file:  # exFAT and some network mounts have no hard links; this may tear, links do not
                file.write(text)
    except FileExistsError:
        pass  # the other run's identity is read below and compared by the caller
    except OSError as error:
        raise no_room(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)
    found = read_identity(path.parent)
    assert found is not None
    return found
