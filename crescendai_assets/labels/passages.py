"""A row a segment: what its name says, which passages lie inside it, who shares its take, who stays together.

`metadata.jsonl` of the rated tier. What MIDI tells is found in `passage_content`, what the groups are for is decided in
`protocols`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.names import SegmentName, inner_passages, parse_name
from crescendai_assets.labels.passage_content import MidiContent, held_passages, read_content
from crescendai_assets.labels.passage_groups import content_groups, identical_segments, passage_groups
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
        content: What was found in the MIDI; None when no folder was given.
    """

    rows: list[Row]
    grid_groups: int
    without_midi: list[str]
    unknown_midi: list[str]
    content: MidiContent | None = None

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
            **({} if self.content is None else self._found(self.content)),
        }

    @property
    def findings(self) -> list[Row]:
        """What the MIDI says against the names, and files that could not be read; each to be shown, none dropped."""
        if self.content is None:
            return []
        other_music = [
            {"id": row["segment_id"], "found": "does not hold the music of the passage's other performances"}
            for row in self.rows
            if row["music_as_named"] is False
        ]
        unread = [{"id": key, "found": f"cannot be read: {why}"} for key, why in self.content.unreadable.items()]
        return [*other_music, *unread, *self._held_otherwise()]

    def _found(self, content: MidiContent) -> dict[str, int]:
        by_id = {row["segment_id"]: row for row in self.rows}
        torn = [
            (by_id[one], by_id[other])
            for one, other, _ in content.pairs
            if by_id[one]["passage_group"] != by_id[other]["passage_group"]
        ]
        return {
            "content_groups": len({row["content_group"] for row in self.rows}),
            "same_take_pairs": len(content.pairs),
            "same_take_pairs_across_passage_groups": len(torn),
            "same_take_pairs_across_passage_groups_by_pianists": sum(
                not one["machine"] and not other["machine"] for one, other in torn
            ),
            "passages_that_hold_others_than_by_number": len(self._held_otherwise()),
            "midi_of_other_music": sum(row["music_as_named"] is False for row in self.rows),
            "unreadable_midi": len(content.unreadable),
        }

    def _held_otherwise(self) -> list[Row]:
        spelled: dict[str, str] = {
            row["passage"]: f"holds {_listed(row['holds'])}; by number {_listed(row['holds_nominal'])}"
            for row in self.rows
            if row["holds"] != row["holds_nominal"]
        }
        return [{"id": passage, "found": found} for passage, found in sorted(spelled.items())]


def plan_passages(keys: Iterable[str], midi: Path | None = None) -> PlannedPassages:
    """What `metadata.jsonl` has to be.

    Args:
        keys: Segments that have a label.
        midi: Folder of PercePiano's MIDI files (`virtuoso/data/all_2rounds`); with None only names are known.

    Raises:
        SetupError: A key is no name of a segment, or the folder is not there or holds no MIDI file of a segment.
    """
    names = [_parsed(key) for key in sorted(keys)]
    midi_of = {} if midi is None else midi_files(midi)
    hashes = {key: sha256_file(path) for key, path in midi_of.items()}
    known = {name.key for name in names}
    if midi is not None and not known & hashes.keys():
        raise SetupError(f"{midi}: holds no MIDI file of a segment; give PercePiano's virtuoso/data/all_2rounds")
    identical = identical_segments({key: digest for key, digest in hashes.items() if key in known})
    content = None if midi is None else read_content(names, midi_of)
    named = _named_rows(names, passage_groups(names, identical), held_passages(names, content or MidiContent()))
    return PlannedPassages(
        rows=[row | more for row, more in zip(named, _midi_columns(named, hashes, identical, content), strict=True)],
        grid_groups=len(set(passage_groups(names).values())),
        without_midi=sorted(known - hashes.keys()),
        unknown_midi=sorted(hashes.keys() - known),
        content=content,
    )


def write_passages(files: LabelFiles, midi: Path | None = None) -> PlannedPassages:
    """Write `metadata.jsonl` for the segments that have a label."""
    planned = plan_passages(read_labels(files), midi)
    PASSAGES.write(files.metadata, planned.rows)
    return planned


def midi_files(folder: Path) -> dict[str, Path]:
    """Segment -> its MIDI file; names are read as `parse_name` does (one of the source starts with a space).

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
    return found


def read_passages(files: LabelFiles) -> list[Row]:
    """The rows of `metadata.jsonl`.

    Raises:
        SetupError: There are none.
    """
    rows = list(read_rows(files.metadata))
    if not rows:
        raise SetupError(f"{files.metadata}: there are no segments; materialize percepiano/passages first")
    if "content_group" not in rows[0]:
        raise SetupError(f"{files.metadata}: was made by an earlier version; materialize percepiano/passages again")
    return rows


def _parsed(key: str) -> SegmentName:
    try:
        return parse_name(key)
    except ValueError as error:
        raise SetupError(f"a label has the key {error}; correct it") from None


def _named_rows(
    names: Sequence[SegmentName], groups: Mapping[str, str], holds: Mapping[str, Sequence[str]]
) -> list[Row]:
    """What the names say, and what follows from what each passage holds."""
    passages = {name.passage for name in names}
    by_number = {name.passage: inner_passages(name, passages) for name in names}
    held_by: dict[str, set[str]] = defaultdict(set)
    for passage, inside in holds.items():
        for inner in inside:
            held_by[inner].add(passage)
    return [
        {
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
            "holds": list(holds[name.passage]),
            "holds_nominal": by_number[name.passage],
            "held_by": sorted(held_by[name.passage]),
            "passage_group": groups[name.passage],
            "performer_group": name.performer_group,
        }
        for name in names
    ]


def _midi_columns(
    rows: Sequence[Row],
    hashes: Mapping[str, str],
    identical: Iterable[Sequence[str]],
    content: MidiContent | None,
) -> Iterable[dict[str, Any]]:
    """What the MIDI of each row tells; without a folder of MIDI nothing."""
    same_bytes = {key: [other for other in keys if other != key] for keys in identical for key in keys}
    same_take = {} if content is None else content.same_take()
    passage_of = {row["segment_id"]: row["passage"] for row in rows}
    groups: Mapping[str, str] = {}
    if content is not None:
        by_bars = {row["passage"]: row["passage_group"] for row in rows}
        groups = content_groups(by_bars, ({passage_of[one], passage_of[other]} for one, other, _ in content.pairs))
    for row in rows:
        key = row["segment_id"]
        yield {
            "midi_sha256": hashes.get(key),
            "same_midi": same_bytes.get(key, []),
            "same_take": same_take.get(key),
            "music_as_named": None if content is None else content.as_named.get(key),
            "content_group": groups.get(row["passage"]),
        }


def _listed(passages: Iterable[str]) -> str:
    return ", ".join(passage.rpartition("_")[2] for passage in passages) or "none"
