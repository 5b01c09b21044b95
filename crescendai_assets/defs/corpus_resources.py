"""Where MIDI is besides the tiers' own folders, and how long token sequences are."""

import os
from pathlib import Path

import dagster as dg

from crescendai_assets.symbolic.corpus.listing import folders_from
from crescendai_assets.symbolic.tokenizer import MAX_SEQ_LEN


class MidiResource(dg.ConfigurableResource):
    """Sources of MIDI."""

    atepp: str = ""
    """A folder in ATEPP's layout; empty for `$ATEPP_DIR`."""
    folders: str = ""
    """Other folders as `<name>=<folder>`, separated as in PATH; empty for `$CRESCENDAI_MIDI_FOLDERS`."""
    max_seq_len: int = MAX_SEQ_LEN
    """Tokens of the longest sequence; other lengths make tokens stale."""

    def atepp_root(self) -> Path | None:
        """ATEPP's folder, None where it is not set."""
        text = self.atepp or os.environ.get("ATEPP_DIR", "")
        return Path(text).expanduser() if text else None

    def folders_by_name(self) -> dict[str, Path]:
        """Other folders by the name of their source.

        Raises:
            SetupError: The setting cannot be read, or a name is taken.
        """
        return folders_from(self.folders or os.environ.get("CRESCENDAI_MIDI_FOLDERS", ""))
