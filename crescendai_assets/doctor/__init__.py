"""What is missing or mismatched on this machine, and what to do.

Belongs here: looking at Python, packages, GPU, disk, programs, weights, catalogue and settings, one small function a
matter, each with its view of the machine as an argument. It has to work where torch or yaml are broken or
absent, since that is when it is called: nothing heavy is imported before the check that needs it.
Does not belong here: repairing anything, and printing (that is the command line).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from crescendai_assets.doctor.augmenting import PRESET_VARIABLE, check_augmentation, check_codecs
from crescendai_assets.doctor.catalogue import check_catalogue
from crescendai_assets.doctor.downloads import (
    COOKIES_VARIABLE,
    check_cookies,
    check_download_settings,
    check_downloader,
    check_javascript,
)
from crescendai_assets.doctor.encoder import (
    DEFAULT_CHECKPOINT,
    DEFAULT_REVISION,
    cached_file,
    check_checkpoint,
    hub_cache,
)
from crescendai_assets.doctor.finding import Finding, Status
from crescendai_assets.doctor.machine import (
    check_disk,
    check_file_system,
    check_gpu,
    check_writable,
    read_mounts,
)
from crescendai_assets.doctor.publishing import VARIABLE as PUBLISH_VARIABLE
from crescendai_assets.doctor.publishing import check_publish
from crescendai_assets.doctor.settings import check_environment, check_licences
from crescendai_assets.doctor.software import (
    check_packages,
    check_python,
    check_torch_pair,
    declared_requirements,
)
from crescendai_assets.lake.cores import cores_here

__all__ = ["Finding", "Status", "diagnose"]


def diagnose(root: Path, *, environ: Mapping[str, str], online: bool = False) -> list[Finding]:
    """Everything the doctor knows to look at, in the order in which to repair it.

    Args:
        root: The data root, existing or not.
        environ: Environment variables, usually `os.environ`.
        online: Ask the hub for the encoder's weights where this machine has none; the rest needs no network.
    """
    return [
        check_python(),
        *check_packages(declared_requirements()),
        check_torch_pair(),
        check_gpu(nvidia_smi=shutil.which("nvidia-smi"), cores=cores_here()),
        check_writable(root),
        check_disk(root),
        check_file_system(root, read_mounts()),
        check_checkpoint(
            environ.get("CRESCENDAI_MUQ_CHECKPOINT") or DEFAULT_CHECKPOINT,
            environ.get("CRESCENDAI_MUQ_REVISION") or DEFAULT_REVISION,
            online=online,
            lookup=partial(cached_file, cache=hub_cache(environ)),
        ),
        check_downloader(),
        check_javascript(),
        *check_download_settings(environ),
        *check_cookies(environ.get(COOKIES_VARIABLE, "")),
        *check_catalogue(environ),
        check_codecs(environ.get(PRESET_VARIABLE, "")),
        *check_augmentation(environ),
        *check_environment(environ),
        *check_publish(environ.get(PUBLISH_VARIABLE, ""), root),
        check_licences(),
    ]
