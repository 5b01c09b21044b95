"""Whether MuQ's weights are on this machine, and at which commit.

Belongs here: looking for the checkpoint in a folder, in the Hugging Face cache and, when asked, on the hub.
Nothing is downloaded and no model is loaded; that is `crescendai_assets.embeddings`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from crescendai_assets.doctor.finding import Finding

DEFAULT_CHECKPOINT = "OpenMuQ/MuQ-large-msd-iter"
DEFAULT_REVISION = "main"
_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_HUB_WEIGHTS = (_WEIGHTS, "pytorch_model.bin")  # the second is tried on the hub only, never in a folder
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = "muq checkpoint"

Lookup = Callable[[str, str, str], Path | None]
"""Repository, file and revision to the file in the cache, or None; ImportError without huggingface_hub."""

Probe = Callable[[str, str], str | None]
"""Repository and revision to the commit it stands for; raises OSError where the hub does not answer."""


def hub_cache(environ: Mapping[str, str]) -> Path | None:
    """The hub's cache folder as the environment sets it, or None for its default."""
    for name, below in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ):
        if environ.get(name):
            return Path(environ[name]).expanduser() / below
    return None


def cached_file(repository: str, file: str, revision: str, *, cache: Path | None = None) -> Path | None:
    """A file of a repository in the hub's cache, without the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file, cache_dir=cache, revision=revision)
    return Path(found) if isinstance(found, str) else None


def hub_commit(repository: str, revision: str) -> str | None:
    """The commit that the hub serves now.

    One plain request: the hub's own call for a file's metadata tries again five times, which makes half a
    minute of an absent network.
    """
    from huggingface_hub import HfApi

    # huggingface_hub 0 raises errors of requests, which are OSErrors; 1 those of httpx, which are not
    failure: type[Exception] = ConnectionError
    with suppress(ImportError):
        from httpx import HTTPError

        failure = HTTPError
    try:
        commit: str | None = HfApi().model_info(repository, revision=revision, timeout=5).sha
    except failure as error:
        raise ConnectionError(str(error)) from error
    return commit


def check_checkpoint(
    checkpoint: str = DEFAULT_CHECKPOINT,
    revision: str = DEFAULT_REVISION,
    *,
    online: bool = False,
    lookup: Lookup = cached_file,
    probe: Probe = hub_commit,
) -> Finding:
    """Whether the encoder can be loaded, from a folder or from the hub's cache.

    Args:
        checkpoint: A folder or the id of a hub repository.
        revision: Branch, tag or commit of the repository; a folder has none.
        online: Ask the hub where the cache has nothing.
        lookup: Finds a file in the cache.
        probe: Asks the hub.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return _check_folder(folder)
    if not _HUB_ID.fullmatch(checkpoint):
        return Finding(
            _NAME,
            "missing",
            f"'{checkpoint}' is neither a folder that exists nor the id of a hub repository",
            f"Set CRESCENDAI_MUQ_CHECKPOINT to a folder or to an id such as {DEFAULT_CHECKPOINT}.",
        )
    download = f"Download it once (about 1.3 GB): hf download {checkpoint}"
    if revision != DEFAULT_REVISION:
        download += f" --revision {revision}"
    try:
        config = lookup(checkpoint, _CONFIG, revision)
        weights = next(filter(None, (lookup(checkpoint, name, revision) for name in _HUB_WEIGHTS)), None)
    except ImportError as error:
        return Finding(
            _NAME,
            "missing",
            f"huggingface_hub does not import: {error}",
            "Run: pip install 'huggingface_hub<1'",
        )
    except ValueError as error:  # the hub's own rules for a name
        return Finding(_NAME, "missing", str(error), f"Use an id such as {DEFAULT_CHECKPOINT}.")
    if config is not None and weights is not None:
        commit = config.parent.name
        found = f"{checkpoint} in the cache, commit {commit}"
        if _COMMIT.fullmatch(revision):
            return Finding(_NAME, "ok", f"{found} (pinned)")
        return Finding(
            _NAME,
            "ok",
            f"{found}, revision '{revision}' not pinned",
            f"Pin it, so that later runs cannot meet other weights: set CRESCENDAI_MUQ_REVISION={commit}",
        )
    found = f"{checkpoint} at '{revision}' is not on this machine"
    if config is not None:
        found += ": its config.json is, the weights are not, so a download was cut off"
    if not online:
        return Finding(_NAME, "missing", found, f"{download}; the first run does so by itself if it has a network.")
    try:
        commit = probe(checkpoint, revision) or "not told"
    except (OSError, ValueError) as error:
        return Finding(
            _NAME,
            "missing",
            f"{found}, and the hub does not give it ({type(error).__name__})",
            "Check the network, the id and the revision. Where there is no network, copy the repository's "
            "files here and set CRESCENDAI_MUQ_CHECKPOINT to their folder, or HF_ENDPOINT to a mirror.",
        )
    return Finding(_NAME, "warn", f"{found}; the hub answers, commit {commit}", f"{download}.")


def _check_folder(folder: Path) -> Finding:
    """A folder as `save_pretrained` writes it: a readable config.json and real weights beside it."""
    cure = "Copy the checkpoint's config.json and model.safetensors there, or correct CRESCENDAI_MUQ_CHECKPOINT."
    absent = [name for name in (_CONFIG, _WEIGHTS) if not (folder / name).is_file()]
    if absent:
        other = folder / _HUB_WEIGHTS[1]
        hint = f" ({other.name} is there, but a folder is read from {_WEIGHTS} only)" if other.is_file() else ""
        return Finding(_NAME, "missing", f"{folder} holds no {' and no '.join(absent)}{hint}", cure)
    try:
        json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Finding(_NAME, "missing", f"{folder / _CONFIG} cannot be read: {error}", cure)
    weights = folder / _WEIGHTS
    with weights.open("rb") as stream:
        start = stream.read(40)
    if start.startswith(b"version https://git-lfs"):
        return Finding(
            _NAME,
            "missing",
            f"{weights} is a Git LFS pointer, not the weights",
            f"Run 'git lfs pull' in {folder}.",
        )
    size = weights.stat().st_size
    if size == 0:
        return Finding(_NAME, "missing", f"{weights} is empty", cure)
    return Finding(_NAME, "ok", f"folder {folder}, weights {size / 1e6:,.1f} MB")
