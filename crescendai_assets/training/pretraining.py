"""What of the symbolic corpus may be used for pretraining, over all sources together: files, facts and checks.

How a performance comes to its role is decided in `corpus_roles`. Files say what they were decided from, so that
nothing is read again where nothing changed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crescendai_assets.labels.evaluation_works import PERCEPIANO_WORKS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.symbolic.corpus.pack import read_pack
from crescendai_assets.symbolic.corpus.performances import NAME
from crescendai_assets.symbolic.corpus.schemas import CORPUS
from crescendai_assets.symbolic.corpus.shards import shard_path
from crescendai_assets.symbolic.duplicates import find_duplicates
from crescendai_assets.symbolic.likeness import FEWEST, HOLDS, SAME_MUSIC, Shingles
from crescendai_assets.symbolic.signatures import Signature
from crescendai_assets.training.compiling import USED
from crescendai_assets.training.corpus_roles import (
    PREFERENCE,
    RATED,
    VALIDATION_OF,
    VERSION,
    Music,
    RatedPassages,
    plan_corpus,
    rated_work,
)

_DECISIVE = (
    *("recording_id", "content", "source", "file", "composer", "title", "work_id", "performer_id", "copy_of", "usable"),
    *("notes", "seconds"),
)
"""Columns of a performance that its role follows from, or that stand beside it."""


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
    rated = RatedPassages(music)
    for recording_id in sorted(used):
        row = music.rows.get(recording_id)
        if row is None:
            faults.append({"id": recording_id, "fault": "is in no source any more"})
        elif row["source"] == RATED:
            faults.append({"id": recording_id, "fault": "is rated itself"})
        elif work := rated_work(row):
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


def _inputs_path(tier: Tier) -> Path:
    return tier.folder / "corpus.inputs.json"


def _inputs_on_disk(tier: Tier) -> str:
    path = _inputs_path(tier)
    return str(json.loads(path.read_bytes())["inputs"]) if path.exists() else ""
