"""MIDI files in a folder and below it, for sources without a catalogue. What is said of each belongs to `listing`."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from pathlib import Path

from crescendai_assets.lake.errors import SetupError

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf")
"""What counts as MIDI in a folder without a catalogue."""


def midi_below(folder: Path) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """The MIDI files of each folder below a folder, with the path to it that ends in `/`. Hidden ones are passed over.

    A folder is gone through once, however many links lead to it, by its own path if that is below the folder.

    Raises:
        SetupError: A folder cannot be read.
    """
    prefix = len(str(folder)) + 1
    waiting, links, seen = [str(folder)], list[str](), set[tuple[int, int]]()
    while waiting or links:
        here = (waiting or links).pop()
        files, folders, linked = _entries(here, seen)
        if files:
            yield (here[prefix:].replace(os.sep, "/") + "/").lstrip("/"), files
        waiting += folders
        links += linked


def _entries(folder: str, seen: set[tuple[int, int]]) -> tuple[list[os.DirEntry[str]], list[str], list[str]]:
    """MIDI files in a folder by name, folders in it, and links to folders; nothing of one that was seen."""
    files, folders, linked = list[os.DirEntry[str]](), list[str](), list[str]()
    try:
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            return files, folders, linked
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=operator.attrgetter("name")):
                hidden = entry.name.startswith(".")
                if not hidden and entry.name.lower().endswith(MIDI_SUFFIXES) and entry.is_file():
                    files.append(entry)
                elif not hidden and entry.is_dir():
                    (linked if entry.is_symlink() else folders).append(entry.path)
    except OSError as error:
        raise SetupError(f"{folder}: cannot be read ({error.strerror}); correct its permissions") from error
    return files, folders, linked
