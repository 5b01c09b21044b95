"""What files a source of MIDI has, and what it says of each: nothing is opened but the source's own catalogue.

`maestro`, `asap`, `atepp` and `percepiano` are read in their own layouts; any other source is a folder of MIDI files of
which nothing is known. Files are read in place and never written.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import checked_id
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sources.asap import AsapPerformance, read_asap
from crescendai_assets.sources.atepp import LEFT_OUT_QUALITIES, read_atepp
from crescendai_assets.sources.in_place import file_id, name_fault
from crescendai_assets.sources.maestro_midi import midi_of
from crescendai_assets.sources.maestro_sources import FolderSource, ZipSource
from crescendai_assets.symbolic.corpus.aligned import AlignedScore
from crescendai_assets.symbolic.corpus.walk import midi_below

KNOWN = ("asap", "atepp", "maestro", "percepiano")
"""Sources with a layout of their own."""

_PLAIN = re.compile("[A-Za-z0-9_-]{1,40}")

RESERVED = re.compile(r"tokens|graphs|features|journal|failures|corpus\..*|muq_.*")
"""Names that a source cannot have: what is compiled lies under them, or no partition is looked for there."""


class Listed(NamedTuple):  # not a frozen dataclass: 14,000 of those take as long to make as to find on disk
    """A file as its source lists it.

    Attributes:
        recording_id: Unique over all sources.
        path: Where it is.
        file: The same below the source's folder.
        version: Size in bytes and time of the last change in ns, as `version_of` writes them.
        composer: As the source has it, empty when it says nothing.
        title: The same.
        performer_id: Who plays, where it is known.
        copy_of: File of another source that it is a copy of, where the source says so.
        usable: False where the source itself marks it as unfit.
        score: The score it is aligned with, where that was published.
    """

    recording_id: str
    path: str
    file: str
    version: str
    composer: str = ""
    title: str = ""
    performer_id: str | None = None
    copy_of: str | None = None
    usable: bool = True
    score: AlignedScore | None = None


@dataclass(frozen=True)
class Listing:
    """What a source has.

    Attributes:
        files: By id.
        absent: Entries of its catalogue whose file is not there.
        unusable: What is listed and cannot be tried, by id.
    """

    files: Mapping[str, Listed]
    absent: int = 0
    unusable: Mapping[str, RecordingError] = field(default_factory=dict)


@dataclass(frozen=True)
class Sources:
    """Where the sources of MIDI are; None or absent where they are not at hand.

    Attributes:
        asap: Folder in ASAP's layout.
        atepp: Folder in ATEPP's layout.
        maestro: MAESTRO, in a folder or fetched.
        maestro_tier: Where fetched MIDI of MAESTRO lies.
        percepiano: Folder of PercePiano's MIDI.
        folders: Other folders by name.
    """

    asap: Path | None = None
    atepp: Path | None = None
    maestro: FolderSource | ZipSource | None = None
    maestro_tier: Tier | None = None
    percepiano: Path | None = None
    folders: Mapping[str, Path] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of all sources, at hand or not."""
        return tuple(sorted({*KNOWN, *self.folders}))


def list_source(key: str, sources: Sources) -> Listing:
    """The files of one source.

    Raises:
        SetupError: It is not at hand, or its catalogue is damaged; says what to set.
    """
    if key in sources.folders:
        return _distinct(_folder(key, sources.folders[key]))
    lists: dict[str, Callable[[Sources], tuple[Iterable[Listed], int]]] = {
        "asap": _asap,
        "atepp": _atepp,
        "maestro": _maestro,
        "percepiano": _percepiano,
    }
    if key not in lists:
        raise SetupError(
            f"there is no source of MIDI {key!r}; name its folder in CRESCENDAI_MIDI_FOLDERS, as '{key}=<folder>'; "
            f"to take what it gave out of the corpus, remove pretrain_cache/{key}"
        )
    files, absent = lists[key](sources)
    return _distinct(files, absent)


def folders_from(text: str) -> dict[str, Path]:
    """Folders by name from a setting as `mine=/a/folder:yours=/another`, separated as in `PATH`.

    Raises:
        SetupError: An entry has no name, a name is taken or stands twice.
    """
    found: dict[str, Path] = {}
    for entry in filter(None, text.split(os.pathsep)):
        name, equals, folder = entry.partition("=")
        if not equals or not folder or not name:
            raise SetupError(f"CRESCENDAI_MIDI_FOLDERS: {entry!r} is not <name>=<folder>")
        if name in KNOWN or RESERVED.fullmatch(name):
            raise SetupError(f"CRESCENDAI_MIDI_FOLDERS: the name {name!r} is taken; give the folder another")
        if name in found:
            raise SetupError(f"CRESCENDAI_MIDI_FOLDERS: {name!r} stands twice; give one of them another name")
        found[checked_id(name)] = Path(folder).expanduser()
    return found


def _asap(sources: Sources) -> tuple[Iterable[Listed], int]:
    if sources.asap is None:
        raise SetupError("ASAP is not at hand: set ASAP_DIR to a folder with its metadata.csv")
    found = read_asap(sources.asap)
    listed = (
        Listed(
            one.performance_id,
            str(one.midi),
            one.midi.relative_to(sources.asap).as_posix(),
            _version(one.midi),
            *(one.composer, one.title, one.performer_id, one.maestro_midi),
            score=_aligned_score(one),
        )
        for one in found.performances
    )
    return listed, found.absent


def _aligned_score(one: AsapPerformance) -> AlignedScore | None:
    if one.note_alignment is None:
        return None
    version = " ".join(_version(path) for path in (one.note_alignment, one.xml) if path)
    return AlignedScore(str(one.note_alignment), str(one.xml) if one.xml else None, version)


def _atepp(sources: Sources) -> tuple[Iterable[Listed], int]:
    folder = sources.atepp
    if folder is None:
        raise SetupError("ATEPP is not at hand: set ATEPP_DIR to a folder with its ATEPP-metadata csv and MIDI")
    found = read_atepp(folder)
    listed = (
        Listed(
            one.performance_id,
            str(folder / one.midi_path),
            one.midi_path,
            _version(folder / one.midi_path),
            *(one.composer, one.title, one.performer),
            usable=one.quality not in LEFT_OUT_QUALITIES,
        )
        for one in found.performances
    )
    return listed, len(found.absent)


def _maestro(sources: Sources) -> tuple[Iterable[Listed], int]:
    if isinstance(sources.maestro, FolderSource):
        return _maestro_in_place(sources.maestro)
    if sources.maestro is None or sources.maestro_tier is None:
        raise SetupError("MAESTRO is not at hand: set MAESTRO_DIR to a folder in its layout, or MAESTRO_ZIP")
    return _maestro_fetched(sources.maestro_tier), 0


def _maestro_in_place(source: FolderSource) -> tuple[list[Listed], int]:
    found, absent = [], 0
    for entry in source.entries():
        path = source.root / entry.midi_filename
        try:
            version = _version(path)
        except OSError:
            absent += 1
            continue
        said = (entry.canonical_composer, entry.canonical_title)
        found.append(Listed(entry.recording_id, str(path), entry.midi_filename, version, *said))
    return found, absent


def _maestro_fetched(tier: Tier) -> Iterator[Listed]:
    """What the recordings of the years that exist brought along."""
    for partition in tier.partitions():
        midi = midi_of(partition, None)
        for row in read_rows(partition.stage("recordings").table):
            if path := midi.get(row["recording_id"]):
                said = (row["canonical_composer"], row["canonical_title"], row["performer_id"])
                yield Listed(row["recording_id"], str(path), row["midi_filename"], _version(path), *said)


def _percepiano(sources: Sources) -> tuple[Iterable[Listed], int]:
    folder = sources.percepiano
    if folder is None:
        raise SetupError("PercePiano's MIDI is not at hand: put it into midi/ below PERCEPIANO_DIR")
    # one of PercePiano's files begins with a space that its label does not have
    listed = (
        Listed(f"percepiano_{name}", entry.path, below + entry.name, _version(entry), title=name)
        for below, entries in midi_below(folder)
        for entry in entries
        for name in [Path(entry.name).stem.strip()]
    )
    return listed, 0


def _folder(key: str, folder: Path) -> Iterator[Listed]:
    if not folder.is_dir():
        raise SetupError(f"{folder}: no such folder; correct {key!r} in CRESCENDAI_MIDI_FOLDERS")
    for below, entries in midi_below(folder):
        # one hash a folder: one a file would take as long as finding it on disk
        mark = hashlib.blake2b(below[:-1].encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        for entry in entries:
            name = entry.name
            stem = name[:-4] if name.endswith(".mid") else name.replace(".", "_")
            own = f"{stem}-{mark}" if _PLAIN.fullmatch(stem) else file_id("", below + name)
            yield Listed(f"{key}_{own}", entry.path, below + name, _version(entry))


def version_of(bytes_: int, mtime_ns: int) -> str:
    """What tells that a file changed, in one word: pairs of numbers would keep the garbage collector busy."""
    return f"{bytes_}-{mtime_ns}"


def _version(path: Path | os.DirEntry[str]) -> str:
    status = path.stat()
    return version_of(status.st_size, status.st_mtime_ns)


def _distinct(files: Iterable[Listed], absent: int = 0) -> Listing:
    """By id; what cannot be listed is unusable: names that are not UTF-8, ids that stand twice."""
    listed: dict[str, Listed] = {}
    unusable: dict[str, RecordingError] = {}
    for one in files:
        fault = None if one.file.isascii() else name_fault(one.file)
        if one.recording_id in listed:
            fault = RecordingError(f"{one.path}: shares its id with another file; rename one", "needs_user")
        if fault:
            unusable[one.recording_id.encode(errors="backslashreplace").decode()] = fault
        else:
            listed[one.recording_id] = one
    for recording_id in listed.keys() & unusable.keys():
        del listed[recording_id]
    return Listing(listed, absent, unusable)
