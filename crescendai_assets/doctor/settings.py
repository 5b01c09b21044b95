"""Environment variables and the terms of weights and data.

Belongs here: whether a setting is present and plausible, where no other check of the doctor says so. What a setting
does belongs to whoever reads it.
"""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crescendai_assets.doctor.augmenting import PRESET_VARIABLE, ROOMS_VARIABLE
from crescendai_assets.doctor.catalogue import CATALOGUE_VARIABLE
from crescendai_assets.doctor.downloads import DOWNLOAD_VARIABLES
from crescendai_assets.doctor.encoder import DEFAULT_CHECKPOINT
from crescendai_assets.doctor.finding import Finding
from crescendai_assets.doctor.publishing import VARIABLE as PUBLISH_VARIABLE
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.in_place import audio_files

if TYPE_CHECKING:
    from crescendai_assets.sources.citations import Source

EXECUTORS = ("in_process", "multiprocess")
MAESTRO_TABLES = ("maestro-v3.0.0.json", "maestro-v3.0.0.csv")
VARIABLES = (
    "DAGSTER_HOME",
    "CRESCENDAI_DATA",
    "MAESTRO_DIR",
    "MAESTRO_ZIP",
    "MAESTRO_PERFORMERS",
    "PERCEPIANO_DIR",
    "PERCEPIANO_FOLDS",
    "PERCEPIANO_AUDIO",
    "ASAP_DIR",
    "ATEPP_DIR",
    "CRESCENDAI_MIDI_FOLDERS",
    "CRESCENDAI_DIFFICULTY",
    "CRESCENDAI_ROBUSTNESS_SEGMENTS",
    "CRESCENDAI_MUQ_CHECKPOINT",
    "CRESCENDAI_MUQ_REVISION",
    "CRESCENDAI_EMBEDDING_SET",
    "CRESCENDAI_DEVICE",
    "CRESCENDAI_EXECUTOR",
    CATALOGUE_VARIABLE,
    *DOWNLOAD_VARIABLES,
    PRESET_VARIABLE,
    ROOMS_VARIABLE,
    PUBLISH_VARIABLE,
)


def check_environment(environ: Mapping[str, str]) -> list[Finding]:
    """Each setting: present, and pointing to something that is there."""
    return [
        check_dagster_home(environ.get("DAGSTER_HOME", "")),
        check_data(environ.get("CRESCENDAI_DATA", "")),
        *check_maestro(environ.get("MAESTRO_DIR", ""), environ.get("MAESTRO_ZIP", "")),
        *check_percepiano(environ.get("PERCEPIANO_DIR", ""), environ.get("PERCEPIANO_AUDIO", "")),
        check_checkpoint_name(environ.get("CRESCENDAI_MUQ_CHECKPOINT", "")),
        check_executor(environ.get("CRESCENDAI_EXECUTOR", "")),
        *check_misspelt(environ),
    ]


def check_dagster_home(value: str) -> Finding:
    """Dagster's history folder: absolute, there, and with a dagster.yaml."""
    name = "DAGSTER_HOME"
    cure = "Run 'export DAGSTER_HOME=$PWD' in the project folder, the one that holds dagster.yaml."
    if not value:
        return Finding(name, "warn", "not set: the UI keeps its history in a folder that it deletes", cure)
    home = Path(value).expanduser()
    if not home.is_absolute():
        return Finding(name, "missing", f"'{value}' is not an absolute path, which Dagster refuses", cure)
    if not home.is_dir():
        return Finding(name, "missing", f"{home} is not a folder that exists", cure)
    if not (home / "dagster.yaml").is_file():
        return Finding(
            name,
            "warn",
            f"{home} holds no dagster.yaml: GPU slots and retries run on Dagster's defaults",
            cure,
        )
    return Finding(name, "ok", str(home))


def check_data(value: str) -> Finding:
    """The data root: a local folder."""
    name = "CRESCENDAI_DATA"
    if not value:
        return Finding(name, "ok", "not set: ./data of the folder where a command starts")
    if "://" in value:
        return Finding(name, "missing", f"{value} is an address", "Work needs a local folder; publish from there.")
    data = Path(value).expanduser()
    if data.exists() and not data.is_dir():
        return Finding(name, "missing", f"{data} is not a folder", "Set it to a folder.")
    if not data.is_absolute():
        return Finding(
            name,
            "warn",
            f"'{value}' depends on the folder where a command starts",
            f"Set it to an absolute path, such as {data.absolute()}.",
        )
    return Finding(name, "ok", f"{data}" if data.is_dir() else f"{data} (will be made)")


def check_maestro(folder: str, archive: str) -> list[Finding]:
    """Where MAESTRO's recordings come from: the unpacked data set, or its archive."""
    if not folder and not archive:
        return [
            Finding(
                "MAESTRO_DIR",
                "warn",
                "neither MAESTRO_DIR nor MAESTRO_ZIP is set; only tier maestro needs one",
                "Set MAESTRO_DIR to the unpacked MAESTRO v3, or MAESTRO_ZIP to its archive: a file, "
                "or an http(s) address from which single recordings are read.",
            )
        ]
    return [
        *([_check_maestro_folder(Path(folder).expanduser())] if folder else []),
        *([_check_maestro_archive(archive)] if archive else []),
    ]


def _check_maestro_folder(folder: Path) -> Finding:
    name, tables = "MAESTRO_DIR", " or ".join(MAESTRO_TABLES)
    if not folder.is_dir():
        return Finding(name, "missing", f"{folder} is not a folder that exists", "Set it to the unpacked MAESTRO v3.")
    for table in MAESTRO_TABLES:
        if (folder / table).is_file():
            return Finding(name, "ok", f"{folder} ({table})")
    inner = folder / "maestro-v3.0.0"
    if any((inner / table).is_file() for table in MAESTRO_TABLES):
        return Finding(name, "missing", f"{folder} holds the data set one level down", f"Set it to {inner}.")
    return Finding(
        name,
        "missing",
        f"{folder} holds no {tables}",
        "Set it to the folder of MAESTRO v3 that holds that file.",
    )


def _check_maestro_archive(archive: str) -> Finding:
    name = "MAESTRO_ZIP"
    address = urlsplit(archive)
    if address.scheme in ("http", "https"):
        if not address.hostname:
            return Finding(name, "missing", f"'{archive}' names no host", "Set it to the archive's full address.")
        return Finding(name, "ok", f"{archive} (not fetched)")
    if "://" in archive:
        return Finding(
            name,
            "missing",
            f"'{archive}' is neither http(s) nor a file",
            "Set it to an http(s) address or a file.",
        )
    file = Path(archive).expanduser()
    if not file.is_file():
        return Finding(name, "missing", f"{file} is not a file that exists", "Set it to the archive of MAESTRO v3.")
    if not zipfile.is_zipfile(file):
        return Finding(
            name,
            "missing",
            f"{file} is no zip archive, or was cut off",
            "Download it again; it has about 101 GB.",
        )
    return Finding(name, "ok", str(file))


def check_percepiano(folder: str, audio: str) -> list[Finding]:
    """Where PercePiano's ratings and the rated clips' audio are; nothing to say where neither is set."""
    findings = []
    if folder:
        root, table = Path(folder).expanduser(), "total_2rounds.csv"
        if (root / table).is_file():
            findings.append(Finding("PERCEPIANO_DIR", "ok", f"{root} ({table}{_clips_beside(root, audio)})"))
        else:
            advice = "Set it to a folder of PercePiano that holds that file."
            findings.append(Finding("PERCEPIANO_DIR", "missing", f"{root} holds no {table}", advice))
    if audio:
        findings.append(_check_clips(Path(audio).expanduser()))
    return findings


def _clips_beside(root: Path, audio: str) -> str:
    beside = root / "audio"
    return f"; {len(audio_files(beside))} files in audio/" if beside.is_dir() and not audio else ""


def _check_clips(folder: Path) -> Finding:
    name, advice = "PERCEPIANO_AUDIO", "Set it to a folder of clips, such as Schubert_D960_mv2_8bars_1_05.wav."
    if not folder.is_dir():
        return Finding(name, "missing", f"{folder} is not a folder that exists", advice)
    if files := len(audio_files(folder)):
        return Finding(name, "ok", f"{folder} ({files} files)")
    return Finding(name, "missing", f"{folder} holds no audio files", advice)


def check_checkpoint_name(value: str) -> Finding:
    """Whether the checkpoint is named by a folder or a hub id; whether it is there is another finding."""
    name = "CRESCENDAI_MUQ_CHECKPOINT"
    if not value:
        return Finding(name, "ok", f"not set: {DEFAULT_CHECKPOINT}")
    if Path(value).expanduser().is_dir():
        return Finding(name, "ok", f"folder {value}")
    if value.startswith((".", "/", "~", "\\")) or value.count("/") != 1:
        return Finding(
            name,
            "missing",
            f"'{value}' is not a folder that exists",
            "Correct the path, or unset it for the default.",
        )
    return Finding(name, "ok", f"hub repository {value}")


def check_executor(value: str) -> Finding:
    """Which executor runs the steps."""
    name = "CRESCENDAI_EXECUTOR"
    if not value:
        return Finding(name, "ok", "not set: the project's default")
    if value in EXECUTORS:
        return Finding(name, "ok", value)
    close = difflib.get_close_matches(value.lower().replace("-", "_"), EXECUTORS, n=1)
    advice = f"Set it to {close[0]}." if close else f"Set it to one of {', '.join(EXECUTORS)}, or unset it."
    return Finding(name, "missing", f"'{value}' is not one of {', '.join(EXECUTORS)}", advice)


def check_misspelt(environ: Mapping[str, str]) -> list[Finding]:
    """Variables that look like one of ours but are read by nobody."""
    findings = []
    for name in sorted(environ):
        if name in VARIABLES or not name.startswith(("CRESC", "MAESTRO_", "PERCEP", "DAGSTER_H")):
            continue
        close = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.9)
        if close:
            findings.append(Finding(name, "warn", "nothing reads it", f"Did you mean {close[0]}?"))
    return findings


def read_package_sources() -> list[Source]:
    """The package's sources; imported here because reading them needs yaml, which may be what is missing."""
    from crescendai_assets.sources.citations import read_sources

    return read_sources()


def check_licences(read: Callable[[], list[Source]] = read_package_sources) -> Finding:
    """Remind of the terms that bind what a user makes: weights and data for non-commercial use only."""
    try:
        sources = read()
    except ImportError as error:
        return Finding(
            "licences", "missing", f"the list of sources cannot be read: {error}", "Run 'pip install pyyaml'."
        )
    except (SetupError, OSError) as error:
        return Finding("licences", "missing", str(error), "Install the package again.")
    bound = [source for source in sources if source.non_commercial]
    if not bound:
        return Finding("licences", "ok", "no source forbids commercial use")
    names = ", ".join(f"{source.name} ({source.licence})" for source in bound)
    advice = "Use embeddings and models made with them for research only, and cite their authors."
    programs = [f"{source.name} ({source.licence})" for source in sources if source.copyleft]
    if programs:
        advice += f" Whoever passes the program on does so under the terms of {', '.join(programs)}."
    return Finding("licences", "warn", f"non-commercial: {names}", advice)
