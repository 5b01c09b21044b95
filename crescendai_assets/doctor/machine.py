"""GPU, disk and file system.

Belongs here: what the machine can carry. `look_at_torch` is the only place of the doctor that imports torch,
and it does so when called. Does not belong here: versions of packages (`software`).
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.doctor.finding import Finding

MAESTRO_SEGMENTS = 24_241
"""Segments of 30 s in MAESTRO v3, last pieces of 5 s and more included."""

WORKING_COPIES_GB = 34.3
"""MAESTRO's 198.65 h as 16-bit mono at 24 kHz; a year takes 2.5 to 4.7."""

EMBEDDINGS_GB = 9.1
"""MAESTRO's segments at 93 x 1024 float32, 381 kB each; a year takes 0.7 to 1.3."""

ONE_YEAR_GB = 6.0
"""The largest year of MAESTRO, working copies and embeddings."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "lustre", "gpfs", "glusterfs", "beegfs"}
    | {"fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.glusterfs"}
)


@dataclass(frozen=True)
class TorchView:
    """What torch says of the machine.

    Attributes:
        version: torch's own version, with the build it is of.
        cuda: CUDA version it was built for; None for a CPU-only build.
        devices: Name of each GPU that it can use.
        complaint: What it said when it could use none.
    """

    version: str
    cuda: str | None
    devices: tuple[str, ...]
    complaint: str = ""


def look_at_torch() -> TorchView:
    """Import torch and ask for its devices.

    Raises:
        ImportError: torch is absent or half installed.
        OSError: One of its libraries does not load.
    """
    import torch

    if not hasattr(torch, "__version__"):
        # an interrupted uninstall leaves a folder that imports as an empty package
        raise ImportError("a folder named torch is left, but not the package")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
            devices = tuple(torch.cuda.get_device_name(index) for index in range(count))
            complaint = str(said[0].message) if said else ""
        except RuntimeError as error:  # driver and libraries of different versions
            devices, complaint = (), str(error)
    return TorchView(str(torch.__version__), torch.version.cuda, devices, complaint)


def check_gpu(
    look: Callable[[], TorchView] = look_at_torch,
    nvidia_smi: str | None = None,
    cores: int | None = None,
) -> Finding:
    """Whether torch can use a GPU, and what a run on the CPU means where it cannot.

    Args:
        look: Asks torch; raises ImportError or OSError where it cannot be imported.
        nvidia_smi: Path of nvidia-smi, the sign of a driver, or None.
        cores: CPU cores of the machine.
    """
    try:
        view = look()
    except (ImportError, OSError) as error:
        return Finding(
            "gpu",
            "missing",
            f"torch does not import: {_first_line(error)}",
            "Run: pip install --force-reinstall 'torch==2.11.*' 'torchaudio==2.11.*'",
        )
    if view.devices:
        devices = ", ".join(view.devices)
        return Finding("gpu", "ok", f"{len(view.devices)} ({devices}), torch {view.version}, CUDA {view.cuda}")
    days = tuple(round(MAESTRO_SEGMENTS * seconds / 86_400) for seconds in (7, 10))
    slow = (
        "Everything runs on the CPU (device: cpu), slowly: MuQ-large takes about 7-10 s per 30 s segment on "
        f"2 cores, so all of MAESTRO {days[0]} to {days[1]} days."
    )
    counted = f"{cores} CPU cores" if cores else "CPU"
    if nvidia_smi is None:
        return Finding("gpu", "warn", f"none; {counted}, torch {view.version}", slow)
    said = f" It said: {_first_line(view.complaint)}" if view.complaint else ""
    if view.cuda is None:
        return Finding(
            "gpu",
            "warn",
            f"a driver is there ({nvidia_smi}), but torch {view.version} is built for the CPU only",
            f"Run: pip install --force-reinstall 'torch==2.11.*' 'torchaudio==2.11.*'. {slow}",
        )
    return Finding(
        "gpu",
        "warn",
        f"a driver is there ({nvidia_smi}), but torch {view.version} (CUDA {view.cuda}) finds no GPU.{said}",
        "Run nvidia-smi: update the driver if it names a CUDA version below torch's; "
        f"look at CUDA_VISIBLE_DEVICES. {slow}",
    )


def free_gigabytes(folder: Path) -> float:
    """Free space for this user on the disk of a folder."""
    return shutil.disk_usage(folder).free / 1e9


def check_disk(root: Path, free: Callable[[Path], float] = free_gigabytes) -> Finding:
    """Free space at the data root against what the tiers need; the root need not exist yet."""
    need = (
        f"MAESTRO as a whole takes {WORKING_COPIES_GB:.0f} GB of working copies (2.5 to 4.7 a year) "
        f"and {EMBEDDINGS_GB:.1f} GB of embeddings (381 kB a segment)"
    )
    try:
        space = free(nearest_existing(root))
    except OSError as error:
        return Finding("disk", "warn", f"free space at {root} cannot be told: {_first_line(error)}", need + ".")
    found = f"{space:.1f} GB free at {root}"
    if space < ONE_YEAR_GB:
        return Finding("disk", "missing", found, f"{need}. Free some, or set CRESCENDAI_DATA to a larger disk.")
    if space < WORKING_COPIES_GB + EMBEDDINGS_GB:
        return Finding(
            "disk",
            "warn",
            found,
            f"{need}. Work year by year and discard working copies once embedded, "
            "or set CRESCENDAI_DATA to a larger disk.",
        )
    return Finding("disk", "ok", found)


def check_writable(root: Path, access: Callable[[Path, int], bool] = os.access) -> Finding:
    """Whether the data root can be made, or written to where it exists."""
    existing = nearest_existing(root)
    if not existing.is_dir():
        return Finding("data root", "missing", f"{existing} is a file", "Move it, or set CRESCENDAI_DATA to a folder.")
    if not access(existing, os.W_OK | os.X_OK):
        return Finding(
            "data root",
            "missing",
            f"no permission to write to {existing}",
            f"Run 'chmod u+rwx {existing}' as its owner, or set CRESCENDAI_DATA to a folder of yours.",
        )
    return Finding("data root", "ok", f"{root}" if existing == root.absolute() else f"{root} (will be made)")


def read_mounts() -> str:
    """The kernel's table of mounts; empty where the system has none to read."""
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def check_file_system(root: Path, mounts: str) -> Finding:
    """Whether the data root lies on a network file system, where locks and renames are not to be trusted.

    Args:
        root: The data root.
        mounts: Lines of `/proc/self/mounts`; empty where unknown.
    """
    place = nearest_existing(root).resolve()
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        columns = line.split()
        if len(columns) < 3:
            continue
        point = Path(columns[1].replace(r"\040", " "))
        # of two mounts on one point the later one is seen
        if place.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = len(point.parts), columns[2]
    if best is None:
        return Finding("file system", "ok", "kind not known on this system")
    if best[1] in NETWORK_FILE_SYSTEMS:
        return Finding(
            "file system",
            "warn",
            f"{best[1]} (over the network) at {root}",
            "Keep DAGSTER_HOME on a local disk, as SQLite needs its locks, and let one machine at a time "
            "write to this root.",
        )
    return Finding("file system", "ok", best[1])


def nearest_existing(path: Path) -> Path:
    """The path itself, or the closest of its parents that exists."""
    path = path.absolute()
    # os.path.exists: no error where a parent may not be read
    return next((place for place in (path, *path.parents) if os.path.exists(place)), Path(path.anchor))  # noqa: PTH110


def _first_line(message: object) -> str:
    lines = str(message).strip().splitlines()
    return lines[0] if lines else type(message).__name__
