"""Which partitions the catalogue asks for, against those that are registered: what to add, what is left over.

Registering them is Dagster's part (`defs.registration`). A key whose file is gone is only reported: its data are still
there, and it goes by a person's command alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crescendai_assets.sources.channels import Channels
from crescendai_assets.sources.competitions import Competitions


@dataclass(frozen=True)
class Registration:
    """What registering one kind of partition comes to.

    Attributes:
        kind: `competition`, `channel`, `midi_source` or `fold`.
        new: Valid in the catalogue and not registered, sorted.
        unlisted: Registered, and neither in the catalogue nor faulty there, sorted.
        faults: What of the catalogue could not be used.
        notes: What replaced what.
    """

    kind: str
    new: tuple[str, ...]
    unlisted: tuple[str, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """A few words for the list of ticks."""
        parts = [f"added {', '.join(self.new)}"] if self.new else []
        parts += [f"no longer in the catalogue: {', '.join(self.unlisted)}"] if self.unlisted else []
        parts += [f"{len(self.faults)} not valid: {'; '.join(self.faults)}"] if self.faults else []
        return f"{self.kind}: {'. '.join(parts) or 'nothing new'}"


def register_competitions(competitions: Competitions, registered: Iterable[str]) -> Registration:
    """Editions of the catalogue against registered keys."""
    faulty = {fault.path.stem for fault in competitions.faults}
    return _compare("competition", competitions.editions, faulty, registered, competitions)


def register_channels(channels: Channels, registered: Iterable[str]) -> Registration:
    """Channels of the catalogue against registered keys; while a file has a fault, none counts as unlisted.

    All channels stand in one file: a slip in it may hide any of them.
    """
    known = list(registered)
    faulty = known if channels.faults else ()
    return _compare("channel", [channel.key for channel in channels.channels], faulty, known, channels)


def register_sources(keys: Iterable[str], registered: Iterable[str]) -> Registration:
    """Sources of MIDI that the settings name against registered keys."""
    return _compare_keys("midi_source", keys, registered)


def register_folds(keys: Iterable[str], registered: Iterable[str]) -> Registration:
    """Folds of the rated set against registered keys."""
    return _compare_keys("fold", keys, registered)


def _compare_keys(kind: str, keys: Iterable[str], registered: Iterable[str]) -> Registration:
    wanted, known = set(keys), set(registered)
    return Registration(kind, tuple(sorted(wanted - known)), tuple(sorted(known - wanted)), (), ())


def _compare(
    kind: str,
    listed: Iterable[str],
    faulty: Iterable[str],
    registered: Iterable[str],
    catalogue: Competitions | Channels,
) -> Registration:
    wanted, known = set(listed), set(registered)
    return Registration(
        kind=kind,
        new=tuple(sorted(wanted - known)),
        unlisted=tuple(sorted(known - wanted - set(faulty))),
        faults=tuple(fault.message for fault in catalogue.faults),
        notes=tuple(catalogue.notes),
    )
