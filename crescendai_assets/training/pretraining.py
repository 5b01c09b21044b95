"""What of the symbolic corpus may be used for pretraining, over all sources together.

Models are judged on the works that PercePiano rates. A performance of one of them is held out wherever it comes from:
told by composer and title, or by its notes where it holds a rated passage; what is the same music or the same work as
something held out goes with it. Of one performance in several sources one is kept. The rest is split by music, so that
no piece is on both sides.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.labels.evaluation_works import PERCEPIANO_WORKS, is_evaluation_work
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.sources.works import is_vague
from crescendai_assets.symbolic.corpus.pack import read_pack
from crescendai_assets.symbolic.corpus.performances import NAME
from crescendai_assets.symbolic.corpus.schemas import CORPUS
from crescendai_assets.symbolic.corpus.shards import shard_path
from crescendai_assets.symbolic.duplicates import Duplicate, find_duplicates
from crescendai_assets.symbolic.likeness import FEWEST, HOLDS, SAME_MUSIC, Shingles, groups_of_same_music
from crescendai_assets.symbolic.signatures import Signature
from crescendai_assets.training.compiling import USED

RATED = "percepiano"
"""The source whose performances are judged and never pretrained on."""

PREFERENCE = ("maestro", "asap", "atepp")
"""Of one performance in several sources of equal length, the one kept."""

VALIDATION_OF = 20
"""One group of music in so many is for validation."""

VERSION = 1
"""Raise it when a decision here changes."""

_DECISIVE = (
    *("recording_id", "content", "source", "file", "composer", "title", "work_id", "performer_id", "copy_of", "usable"),
    *("notes", "seconds"),
)
"""Columns of a performance that its role follows from, or that stand beside it."""


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


def corpus_path(tier: Tier) -> Path:
    """The table of roles."""
    return tier.folder / "corpus.jsonl"


def read_music(tier: Tier) -> Music:
    """Every performance that could be read, of the sources that exist.

    Raises:
        SetupError: A shard does not hold what its row says, or an id stands in two sources.
    """
    rows: dict[str, Row] = {}
    shingles: dict[str, Shingles] = {}
    signatures: dict[str, Signature] = {}
    for partition in tier.partitions(NAME):
        by_shard: dict[str, list[Row]] = defaultdict(list)
        for row in read_rows(partition.stage(NAME).table):
            if row["recording_id"] in rows:
                raise SetupError(f"{row['recording_id']} stands in two sources; give one of the folders another name")
            rows[row["recording_id"]] = row
            by_shard[row["shard"]].append(row)
        for shard, some in by_shard.items():
            found = dict(read_pack(shard_path(partition, NAME, shard)).items())
            for row in some:
                if row["recording_id"] not in found:
                    raise SetupError(
                        f"{partition.folder}: shard {shard} does not hold {row['recording_id']}; "
                        f"materialize symbolic/{NAME} of {partition.key} again"
                    )
                arrays = found[row["recording_id"]]
                shingles[row["recording_id"]] = arrays["music"]
                signatures[row["recording_id"]] = Signature(arrays["pitch"], arrays["onset"])
    return Music(rows, shingles, signatures)


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


def write_corpus(tier: Tier) -> list[Row]:
    """Decide and write the roles; returns the rows. Nothing is read again where nothing changed.

    Raises:
        SetupError: A shard does not hold what its row says, or an id stands in two sources.
    """
    path, inputs = corpus_path(tier), inputs_digest(tier)
    if _inputs_on_disk(tier) == inputs and path.exists():
        return list(read_rows(path))
    rows = plan_corpus(read_music(tier))
    _inputs_path(tier).unlink(missing_ok=True)
    CORPUS.write(path, rows)
    write_atomic(_inputs_path(tier), json.dumps({"inputs": inputs}).encode())
    return rows


def inputs_digest(tier: Tier) -> str:
    """What the roles follow from: every row's content, and the rules."""
    rows = (
        [row[name] for name in _DECISIVE]
        for partition in tier.partitions(NAME)
        for row in read_rows(partition.stage(NAME).table)
    )
    rules = (VERSION, HOLDS, FEWEST, SAME_MUSIC, VALIDATION_OF, PREFERENCE, PERCEPIANO_WORKS)
    digest = hashlib.blake2b(repr(rules).encode(), digest_size=16)
    for row in rows:
        digest.update(repr(row).encode(errors="surrogatepass"))
    return digest.hexdigest()


def corpus_facts(rows: Iterable[Row]) -> dict[str, Any]:
    """Counts by role, and hours of music that are left."""
    every = list(rows)
    roles = Counter(row["role"] for row in every)
    used = [row for row in every if row["role"] in USED]
    return {
        **{role: roles.get(role, 0) for role in CORPUS.schema["properties"]["role"]["enum"]},
        "hours_for_pretraining": round(sum(row["seconds"] for row in used) / 3600, 2),
        "notes_for_pretraining": sum(row["notes"] for row in used),
        "pieces_of_music": len({row["music"] for row in used}),
    }


def usable_roles(tier: Tier) -> dict[str, str]:
    """Id -> `train` or `validation`, of what may be used.

    Raises:
        SetupError: The roles were not decided yet, or a source has changed since.
    """
    path = corpus_path(tier)
    if not path.exists():
        raise SetupError(f"{path}: is not there; materialize symbolic/corpus first")
    if _inputs_on_disk(tier) != inputs_digest(tier):  # what is in a file now may be what must be held out
        raise SetupError(f"{path}: the sources have changed since; materialize symbolic/corpus again")
    return {row["recording_id"]: row["role"] for row in read_rows(path) if row["role"] in USED}


def check_current(tier: Tier, expected: str | None) -> Outcome:
    """Deciding again would change nothing, and what is on disk is what the last run recorded."""
    faults: list[Row] = []
    if _inputs_on_disk(tier) != inputs_digest(tier):
        faults.append({"id": "content", "fault": "the sources have changed since it was decided"})
    digest = CORPUS.digest(read_rows(corpus_path(tier)))
    if expected is not None and digest != expected:
        faults.append({"id": "content", "fault": f"{digest[:12]} is not the run's {expected[:12]}"})
    return outcome(faults, "deciding again would change nothing", "faults: materialize it again", {"digest": digest})


def check_no_evaluation_work(tier: Tier) -> Outcome:
    """Looks at what is on disk with fresh eyes: names, notes, copies and both sides of the split.

    A warning where there is no rated passage to look for: then names alone can tell, if there are any.
    """
    music, used = read_music(tier), usable_roles(tier)
    faults: list[Row] = []
    rated = _Excerpts({i: s for i, s in music.shingles.items() if music.rows[i]["source"] == RATED})
    for recording_id in sorted(used):
        row = music.rows.get(recording_id)
        if row is None:
            faults.append({"id": recording_id, "fault": "is in no source any more"})
        elif row["source"] == RATED:
            faults.append({"id": recording_id, "fault": "is rated itself"})
        elif work := _evaluation_work(row):
            faults.append({"id": recording_id, "fault": f"is called a performance of {work}"})
        elif passage := rated.held_by(music.shingles[recording_id]):
            faults.append({"id": recording_id, "fault": f"holds {passage}"})
    kept = {i: s for i, s in music.signatures.items() if i in used}
    faults += [{"id": d.left_out, "fault": f"the same performance as {d.kept}"} for d in find_duplicates(kept)]
    sides: dict[str, set[str]] = defaultdict(set)
    for row in read_rows(corpus_path(tier)):
        if row["role"] in USED:
            sides[row["music"]].add(row["role"])
    faults += [{"id": m, "fault": "in training and validation"} for m, roles in sides.items() if len(roles) > 1]
    facts = {"looked_at": len(used), "rated_passages": len(rated)}
    if used and not len(rated) and not faults:
        fault = f"not read, so notes tell nothing: materialize symbolic/{NAME} of {RATED}, then symbolic/corpus"
        return outcome([{"id": RATED, "fault": fault}], "", "source to look for is missing", facts, warn=True)
    return outcome(faults, f"none of {len(used)} performances is of a work that is judged", "leaks", facts)


def group_by_music(music: Music) -> dict[str, str]:
    """Id -> lowest id of what is the same music, by notes or by the name of the work."""
    parent = {recording_id: recording_id for recording_id in music.rows}

    def root(one: str) -> str:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def join(group: list[str]) -> None:
        for other in group[1:]:
            low, high = sorted((root(group[0]), root(other)))
            parent[high] = low

    for group in groups_of_same_music(music.shingles):
        join(group)
    by_work: dict[str, list[str]] = defaultdict(list)
    for recording_id, row in music.rows.items():
        if row["work_id"] and not is_vague(row["work_id"]):
            by_work[row["work_id"]].append(recording_id)
    for group in by_work.values():
        join(group)
    return {recording_id: root(recording_id) for recording_id in music.rows}


def held_out(music: Music, groups: Mapping[str, str]) -> dict[str, str]:
    """Group of music -> why it is held out, of those that hold an evaluation work."""
    rated = _Excerpts({i: s for i, s in music.shingles.items() if music.rows[i]["source"] == RATED})
    why: dict[str, str] = {}
    for recording_id in sorted(music.rows):
        row, group = music.rows[recording_id], groups[recording_id]
        if group in why:
            continue
        if row["source"] == RATED:
            why[group] = f"rated: {recording_id}"
        elif work := _evaluation_work(row):
            why[group] = f"{work}, by the name of {recording_id}"
        elif passage := rated.held_by(music.shingles[recording_id]):
            why[group] = f"{recording_id} holds {passage}"
    return why


def _evaluation_work(row: Row) -> str | None:
    """The rated work that a performance is called; where its source says nothing, the path may."""
    title = row["title"] or row["file"].rpartition(".")[0]
    return is_evaluation_work(row["composer"], title)


class _Excerpts:
    """Rated passages, to be looked for in whole pieces."""

    def __init__(self, shingles: Mapping[str, Shingles]) -> None:
        import numpy as np

        self._ids = sorted(shingles)
        sets = [shingles[i] for i in self._ids]
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


def _inputs_path(tier: Tier) -> Path:
    return tier.folder / "corpus.inputs.json"


def _inputs_on_disk(tier: Tier) -> str:
    path = _inputs_path(tier)
    return str(json.loads(path.read_bytes())["inputs"]) if path.exists() else ""
