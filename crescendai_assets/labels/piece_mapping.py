"""Which performances are of the same bars: the pairs that a ranking may be learnt from.

Earlier work on these ratings mapped piece and performer instead, and so compared different music by one pianist.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.tables import Row, read_document
from crescendai_assets.lake.verify import Outcome, outcome


@dataclass(frozen=True)
class PlannedMapping:
    """What `piece_mapping.json` has to be: passage -> segments, both in order."""

    mapping: dict[str, list[str]]

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(self.mapping)

    @staticmethod
    def digest_on_disk(files: LabelFiles) -> str:
        """The same hash of what is on disk."""
        return fingerprint(read_piece_mapping(files))

    @property
    def facts(self) -> dict[str, int]:
        """How many, and how many pairs they make."""
        sizes = [len(keys) for keys in self.mapping.values()]
        return {"passages": len(sizes), "segments": sum(sizes), "pairs": sum(n * (n - 1) // 2 for n in sizes)}


def plan_piece_mapping(files: LabelFiles) -> PlannedMapping:
    """What the mapping has to be, from `metadata.jsonl`: passages with two or more performances."""
    mapping: dict[str, list[str]] = defaultdict(list)
    for row in read_passages(files):
        mapping[row["passage"]].append(row["segment_id"])
    return PlannedMapping({passage: sorted(keys) for passage, keys in sorted(mapping.items()) if len(keys) > 1})


def write_piece_mapping(files: LabelFiles) -> PlannedMapping:
    """Write `piece_mapping.json`."""
    planned = plan_piece_mapping(files)
    write_atomic(files.piece_mapping, json.dumps(planned.mapping, ensure_ascii=False, indent=1).encode())
    return planned


def read_piece_mapping(files: LabelFiles) -> dict[str, list[str]]:
    """The mapping on disk.

    Raises:
        SetupError: There is none, or it is cut.
    """
    mapping: dict[str, list[str]] = read_document(files.piece_mapping, "percepiano/piece_mapping")
    return mapping


def check_piece_mapping(files: LabelFiles) -> Outcome:
    """Every entry holds two or more performances of one passage, and no segment stands twice."""
    mapping = read_piece_mapping(files)
    passage_of = {row["segment_id"]: row["passage"] for row in read_passages(files)}
    faults: list[Row] = []
    seen: dict[str, str] = {}
    for passage, keys in mapping.items():
        if len(keys) < 2:
            faults.append({"id": passage, "fault": f"{len(keys)} performance; nothing to compare"})
        for key in keys:
            if passage_of.get(key) != passage:
                faults.append({"id": key, "fault": f"stands under {passage}, is of {passage_of.get(key)}"})
            if key in seen:
                faults.append({"id": key, "fault": f"stands under {seen[key]} as well"})
            seen[key] = passage
    good = f"{len(mapping)} passages, each with two or more performances of the same bars"
    return outcome(faults, good, "faults in the mapping", {"passages": len(mapping), "segments": len(seen)})
