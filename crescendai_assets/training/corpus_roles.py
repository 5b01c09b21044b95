"""Which role each performance of the symbolic corpus has, by its music, its playing and what its source says of it.

Models are judged on the works that PercePiano rates. A performance of one of them is held out wherever it comes from:
told by composer and title, or by its notes where it holds a rated passage; what is the same music or the same work as
something held out goes with it. Of one performance in several sources one is kept. The rest is split by music, so that
no piece is on both sides. Files are `pretraining`'s.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from crescendai_assets.labels.evaluation_works import is_evaluation_work
from crescendai_assets.lake.groups import joined
from crescendai_assets.lake.tables import Row
from crescendai_assets.sources.works import is_vague
from crescendai_assets.symbolic.duplicates import Duplicate, find_duplicates
from crescendai_assets.symbolic.likeness import FEWEST, HOLDS, Shingles, groups_of_same_music
from crescendai_assets.symbolic.signatures import Signature

RATED = "percepiano"
"""The source whose performances are judged and never pretrained on."""

PREFERENCE = ("maestro", "asap", "atepp")
"""Of one performance in several sources of equal length, the one kept."""

VALIDATION_OF = 20
"""One group of music in so many is for validation."""

VERSION = 1
"""Raise it when a decision here changes."""


@dataclass(frozen=True, eq=False)
class Music:
    """All performances of all sources.

    Attributes:
        rows: Rows of `performances`, by id.
        shingles: What tells their music apart, by id.
        signatures: What tells their playing apart, by id.
    """

    rows: Mapping[str, Row]
    shingles: Mapping[str, Shingles]
    signatures: Mapping[str, Signature]


def plan_corpus(music: Music) -> list[Row]:
    """The role of every performance; rows of `CORPUS` by id."""
    groups = group_by_music(music)
    held = held_out(music, groups)
    doubles = {one.left_out: one for one in _duplicates(music)}
    declared = _declared_copies(music.rows, doubles)
    rows = []
    for recording_id in sorted(music.rows):
        row, group = music.rows[recording_id], groups[recording_id]
        role, why = _role(recording_id, group, row, held, doubles, declared)
        rows.append(
            {
                "recording_id": recording_id,
                "source": row["source"],
                "work_id": row["work_id"],
                "music": group,
                "performer_id": row["performer_id"],
                "role": role,
                "why": why,
                "notes": row["notes"],
                "seconds": row["seconds"],
            }
        )
    return rows


def group_by_music(music: Music) -> dict[str, str]:
    """Id -> lowest id of what is the same music, by notes or by the name of the work."""
    by_work: dict[str, list[str]] = defaultdict(list)
    for recording_id, row in music.rows.items():
        if row["work_id"] and not is_vague(row["work_id"]):
            by_work[row["work_id"]].append(recording_id)
    return joined([*groups_of_same_music(music.shingles), *by_work.values()])


def held_out(music: Music, groups: Mapping[str, str]) -> dict[str, str]:
    """Group of music -> why it is held out, of those that hold an evaluation work."""
    rated = RatedPassages(music)
    why: dict[str, str] = {}
    for recording_id in sorted(music.rows):
        row, group = music.rows[recording_id], groups[recording_id]
        if group in why:
            continue
        if row["source"] == RATED:
            why[group] = f"rated: {recording_id}"
        elif work := rated_work(row):
            why[group] = f"{work}, by the name of {recording_id}"
        elif passage := rated.held_by(music.shingles[recording_id]):
            why[group] = f"{recording_id} holds {passage}"
    return why


def rated_work(row: Row) -> str | None:
    """The rated work that a performance is called; where its source says nothing, the path may."""
    title = row["title"] or row["file"].rpartition(".")[0]
    return is_evaluation_work(row["composer"], title)


class RatedPassages:
    """Rated passages, to be looked for in whole pieces."""

    def __init__(self, music: Music) -> None:
        import numpy as np

        self._ids = sorted(i for i in music.shingles if music.rows[i]["source"] == RATED)
        sets = [music.shingles[i] for i in self._ids]
        values = np.concatenate([np.zeros(0, np.uint64), *sets])
        self._sizes = np.array([max(1, len(one)) for one in sets])
        owners = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
        order = np.argsort(values, kind="stable")
        self._values, self._owners = values[order], owners[order]

    def __len__(self) -> int:
        return len(self._ids)

    def held_by(self, piece: Shingles) -> str:
        """The passage that a piece holds most of, if it holds one (see `likeness.holds`); empty if none."""
        import numpy as np

        if not len(piece) or not self._ids:
            return ""
        shared = np.bincount(self._owners[np.isin(self._values, piece)], minlength=len(self._ids))
        enough = (shared >= HOLDS * self._sizes) & (shared >= np.minimum(FEWEST, self._sizes))
        return self._ids[int(np.argmax(np.where(enough, shared / self._sizes, 0)))] if enough.any() else ""


def _role(
    recording_id: str,
    group: str,
    row: Row,
    held: Mapping[str, str],
    doubles: Mapping[str, Duplicate],
    declared: Mapping[str, str],
) -> tuple[str, str]:
    if group in held:
        return "held_out", held[group]
    if not row["usable"]:
        return "unusable", "its source marks it as unfit"
    if double := doubles.get(recording_id):
        shared = f"{double.overlap.seconds:.0f} s in common"
        return "duplicate", f"the same performance as {double.kept}, {shared}"
    if recording_id in declared:
        return "duplicate", f"a copy of {declared[recording_id]}, says its source"
    chosen = int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest()) % VALIDATION_OF
    return ("validation" if chosen == 0 else "train"), ""


def _duplicates(music: Music) -> list[Duplicate]:
    usable = {i: s for i, s in music.signatures.items() if music.rows[i]["usable"] and music.rows[i]["source"] != RATED}
    return find_duplicates(usable, sources={i: music.rows[i]["source"] for i in usable}, preference=PREFERENCE)


def _declared_copies(rows: Mapping[str, Row], doubles: Mapping[str, Duplicate]) -> dict[str, str]:
    """Id -> id of what stands for the file that its source says it is a copy of, unless it is that itself."""
    kept = {
        row["file"]: doubles[recording_id].kept if recording_id in doubles else recording_id
        for recording_id, row in rows.items()
        if row["source"] == "maestro"
    }
    return {i: kept[row["copy_of"]] for i, row in rows.items() if kept.get(row["copy_of"], i) != i}
