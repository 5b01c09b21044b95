"""Resources of the symbolic corpus and of pseudo-labels: datasets of MIDI that are read in place.

Each only says where a dataset is; what is in it is read by `sources`.
"""

from pathlib import Path

import dagster as dg

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.asap import SOURCE_VARIABLE, TABLE, asap_folder


class AsapResource(dg.ConfigurableResource):
    """Where ASAP is."""

    folder: str = ""
    """A folder in ASAP's or (n)ASAP's layout, read in place; empty for `$ASAP_DIR`."""

    def root(self) -> Path | None:
        """The folder, None when none is set."""
        return asap_folder(self.folder)

    def required(self) -> Path:
        """The folder.

        Raises:
            SetupError: None is set.
        """
        root = self.root()
        if root is None:
            raise SetupError(
                f"there is no ASAP: set {SOURCE_VARIABLE} to a folder in its layout, with {TABLE} and what that names"
            )
        return root
