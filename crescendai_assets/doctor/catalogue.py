"""Whether what is to be collected can be read: editions and channels, shipped and of the user's own.

Belongs here: that the catalogue is there and which of it is faulty. What an edition or a channel must be is
`sources.competitions` and `sources.channels`, which need yaml; so they are imported when they are asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from crescendai_assets.doctor.finding import Finding
from crescendai_assets.lake.errors import SetupError

CATALOGUE_VARIABLE = "CRESCENDAI_CATALOG"
_NAME = "catalogue"


def check_catalogue(environ: Mapping[str, str]) -> list[Finding]:
    """How many editions and channels are valid, and one finding for each fault, with its file and line."""
    try:
        from crescendai_assets.sources.catalogue_yaml import catalogue_folders
        from crescendai_assets.sources.channels import read_channels
        from crescendai_assets.sources.competitions import read_competitions
    except ImportError as error:
        return [Finding(_NAME, "missing", f"cannot be read: {error}", "Run 'pip install pyyaml pydantic'.")]
    try:
        folders = catalogue_folders(environ)
    except SetupError as error:
        return [Finding(CATALOGUE_VARIABLE, "missing", str(error), "Set it to the folder of your own catalogue.")]
    try:
        competitions, channels = read_competitions(folders), read_channels(folders)
    except SetupError as error:
        return [Finding(_NAME, "missing", str(error), "Make it readable.")]
    faults = [*competitions.faults, *channels.faults]
    found = f"{len(competitions.editions)} editions and {len(channels.channels)} channels are valid, in "
    found += " and ".join(map(str, folders))
    return [
        Finding(_NAME, "warn" if faults else "ok", found, "See below." if faults else ""),
        *(
            Finding(f"{_NAME} fault {n}", "warn", fault.message, "Correct it, then run 'crescendai catalog check'.")
            for n, fault in enumerate(faults, start=1)
        ),
    ]
