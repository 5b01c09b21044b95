"""A row a segment: what its name says, which passages lie inside it, whose MIDI is the same, who stays together.

`metadata.jsonl` of the rated tier. What the groups are for is decided in `folds`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.names import SegmentName, inner_passages, parse_name
from crescendai_assets.labels.passage_groups import identical_segments, passage_groups
from crescendai_assets.labels.percepiano import read_labels
from crescendai_assets.labels.schemas import PASSAGES
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.tables import Row, read_rows


@dataclass(frozen=True)
class PlannedPassages:
    """What `metadata.jsonl` has to be.

    Attributes:
        rows: Its rows, by segment.
        grid_groups: Groups of passages before identical MIDI joins them.
        without_midi: Segments that have no file in the folder of MIDI; all of them when no folder was given.
        unknown_midi: Files of the folder that belong to no segment.
    """

    rows: list[Row]
    grid_groups: int
    without_midi: list[str]
    unknown_midi: list[str]

    @property
    def digest(self) -> str:
        """Content hash."""
        return PASSAGES.digest(self.rows)

    @staticmethod
    def digest_on_disk(files: LabelFiles) -> str:
        """The same hash of what is on disk."""
        return PASSAGES.digest(read_rows(files.metadata))

    @property
    def facts(self) -> Mapping[str, int]:
        """Counts of what there is, and of what was joined."""
        return {
            "segments": len(self.rows),
            "pieces": len({row["piece"] for row in self.rows}),
            "passages": len({row["passage"] for row in self.rows}),
            "passage_groups_by_bars": self.grid_groups,
            "passage_groups": len({row["passage_group"] for row in self.rows}),
            "performer_groups": len({row["performer_group"] for row in self.rows}),
            "machine_renderings": sum(row["machine"] for row in self.rows),
            "groups_of_identical_midi": len({row["midi_sha256"] for row in self.rows if row["same_midi"]}),
            "without_midi": len(self.without_midi),
            "unknown_midi": len(self.unknown_midi),
        }


def plan_passages(keys: Iterable[str], midi: Path | None = None) -> PlannedPassages:
    """What `metadata.jsonl` has to be.

    Args:
        keys: Segments that have a label.
        midi: Folder of PercePiano's MIDI files (`virtuoso/data/all_2rounds`); None looks for no identical ones.

    Raises:
        SetupError: A key is no name of a segment, or the folder is not there or holds no MIDI file of a segment.
    """
    names = [_parsed(key) for key in sorted(keys)]
    hashes = {} if midi is None else midi_hashes(midi)
    known = {name.key for name in names}
    if midi is not None and not known & hashes.keys():
        raise SetupError(f"{midi}: holds no MIDI file of a segment; give PercePiano's virtuoso/data/all_2rounds")
    identical = identical_segments({key: digest for key, digest in hashes.items() if key in known})
    groups = passage_groups(names, identical)
    return PlannedPassages(
        rows=list(_rows(names, hashes, identical, groups)),
        grid_groups=len(set(passage_groups(names).values())),
        without_midi=sorted(known - hashes.keys()),
        unknown_midi=sorted(hashes.keys() - known),
    )


def write_passages(files: LabelFiles, midi: Path | None = None) -> PlannedPassages:
    """Write `metadata.jsonl` for the segments that have a label."""
    planned = plan_passages(read_labels(files), midi)
    PASSAGES.write(files.metadata, planned.rows)
    return planned


def midi_hashes(folder: Path) -> dict[str, str]:
    """Segment -> SHA-256 of its MIDI file; names are read as `parse_name` does (one of the source starts with a space).

    Raises:
        SetupError: There is no such folder, or two files are of one segment.
    """
    if not folder.is_dir():
        raise SetupError(f"{folder}: no such folder; give PercePiano's virtuoso/data/all_2rounds, or none")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in {".mid", ".midi"} or not path.is_file():
            continue
        try:
            key = parse_name(path.name).key
        except ValueError:
            key = path.stem
        if key in found:
            raise SetupError(f"{folder}: {found[key].name!r} and {path.name!r} are both of {key}; remove one")
        found[key] = path
    return {key: sha256_file(path) for key, path in found.items()}


def read_passages(files: LabelFiles) -> list[Row]:
    """The rows of `metadata.jsonl`.

    Raises:
        SetupError: There are none.
    """
    rows = list(read_rows(files.metadata))
    if not rows:
        raise SetupError(f"{files.metadata}: there are no segments; materialize the passages first")
    return rows


def _parsed(key: str) -> SegmentName:
    try:
        return parse_name(key)
    except ValueError as error:
        raise SetupError(f"a label has the key {error}; correct it") from None


def _rows(
    names: Sequence[SegmentName],
    hashes: Mapping[str, str],
    identical: Iterable[Sequence[str]],
    groups: Mapping[str, str],
) -> Iterable[Row]:
    passages = {name.passage for name in names}
    held_by: dict[str, set[str]] = defaultdict(set)
    holds: dict[str, list[str]] = {}
    for name in names:
        if name.passage not in holds:
            holds[name.passage] = inner_passages(name, passages)
            for inner in holds[name.passage]:
                held_by[inner].add(name.passage)
    same = {key: [other for other in keys if other != key] for keys in identical for key in keys}
    for name in names:
        yield {
            "segment_id": name.key,
            "composer": name.composer,
            "work": name.work,
            "movement": name.movement,
            "piece": name.piece,
            "bars": name.bars,
            "number": name.number,
            "performer": name.performer,
            "machine": name.is_machine,
            "passage": name.passage,
            "recording": name.recording,
            "holds": holds[name.passage],
            "held_by": sorted(held_by[name.passage]),
            "midi_sha256": hashes.get(name.key),
            "same_midi": same.get(name.key, []),
            "passage_group": groups[name.passage],
            "performer_group": name.performer_group,
        }
