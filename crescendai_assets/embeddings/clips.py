"""Embeddings of T1's rated clips: how they stand, and which belong to a clip as it sounds now.

Making them from audio is `pipeline`'s work, as for every tier: a clip is encoded in pieces of 30 s, the last one
masked, and their frames stand one after another in one file. Taking them from elsewhere is `clip_import`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from crescendai_assets.embeddings.folder import CLEAN, committed_embeddings, imported_clips, wanted_embeddings
from crescendai_assets.embeddings.identity import EncoderIdentity, read_identity
from crescendai_assets.embeddings.pipeline import FRAME_RATE
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.fingerprints import digest_lines
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome

IMPLAUSIBLE_SECONDS = 600.0
"""A clip that would last longer was most likely not pooled as its identity says."""


def wanted_of_clips(partition: Partition, identity: EncoderIdentity) -> dict[str, str]:
    """Clip -> digest that its embedding should have; where some were imported, of those that there are."""
    wanted = wanted_embeddings(partition, identity)
    if not imported_clips(partition):
        return wanted
    made = {row["recording_id"] for row in CLEAN.rows(partition)}
    return {key: mark for key, mark in wanted.items() if key in made}


def leave_as_they_are(
    partition: Partition, *, options: Options = Options(), progress: Progress = silent
) -> StageReport:
    """What a run does that is given neither audio nor an import: nothing, but it says if a file is gone.

    Args:
        partition: The tier as a whole.
        options: Limit, retries; pruning finds nothing to prune.
        progress: Gets lines for the log.

    Raises:
        SetupError: Another process works here.
    """

    def wanted() -> dict[str, str]:
        rows = CLEAN.rows(partition)
        return {row["recording_id"]: digest_lines([f"{row['segment_id']} {row['fingerprint']}"]) for row in rows}

    def work(run: StageRun) -> None:
        for key in run.plan.pending:
            error = f"{partition.embedding_folder / key}.pt: is gone; import it again, or give the clip's audio"
            run.fail(key, RecordingError(error, "blocked"))  # until there is a source: then it is due at once

    return run_stage(
        partition,
        "embeddings",
        EMBEDDINGS,
        wanted=wanted,
        committed=lambda: committed_embeddings(partition),
        work=work,
        options=options,
        progress=progress,
        facts=lambda: clip_embedding_facts(partition),
    )


def clip_embedding_facts(partition: Partition) -> dict[str, Any]:
    """How many there are and how long; lengths follow from what the identity says of pooling."""
    identity, rows = read_identity(partition.embedding_folder), list(CLEAN.rows(partition))
    if identity is None or not rows:
        return {}
    seconds = [row["frames"] * identity.temporal_pool / FRAME_RATE for row in rows]
    facts = {
        "encoder": identity.describe(),
        "imported": sum(bool(row.get("imported")) for row in rows),
        "hours_of_audio": round(sum(seconds) / 3600, 3),
        "shortest_seconds": round(min(seconds), 1),
        "longest_seconds": round(max(seconds), 1),
    }
    if max(seconds) > IMPLAUSIBLE_SECONDS:
        facts["doubt"] = (
            f"a clip of {max(seconds) / 60:.0f} min is not plausible: are these {FRAME_RATE} frames a second? Then "
            "reset the embeddings and import them again with import_identity {temporal_pool: 1}"
        )
    return facts


def embedded_clips(partition: Partition, segments: Iterable[Row]) -> Iterator[tuple[Row, Row | None]]:
    """Each row with its embedding's row, None where the clip has none as it sounds now.

    Args:
        partition: The tier as a whole.
        segments: Rows with a `segment_id`, such as those of `metadata.jsonl`.
    """
    made = {row["segment_id"]: row for row in CLEAN.rows(partition)}
    stale = _of_another_sound(partition, made)
    for row in segments:
        key = row["segment_id"]
        yield row, None if key in stale else made.get(key)


def check_one_per_clip(partition: Partition, rated: Collection[str]) -> Outcome:
    """Each clip that has audio has one embedding, of it as it sounds; each embedding is of a rated clip.

    Clips whose audio failed are counted. Where embeddings were imported nobody promised one for every clip.

    Args:
        partition: The tier as a whole.
        rated: Clips that have a label.
    """
    rows = list(CLEAN.rows(partition))
    made, counts = {row["segment_id"]: row for row in rows}, Counter(row["segment_id"] for row in rows)
    clips = {row["segment_id"] for row in read_rows(partition.stage("clips").table)}
    failed = read_failures(partition.stage("embeddings").ledger)
    imported, missing = imported_clips(partition), sorted(clips - made.keys())
    unexplained = [] if imported else [key for key in missing if key not in failed]
    faults: list[Row] = [{"id": key, "fault": "no embedding"} for key in unexplained]
    faults += [{"id": key, "fault": f"{n} embeddings"} for key, n in counts.items() if n > 1]
    faults += [
        {"id": key, "fault": "embedding of a clip that is not rated"} for key in sorted(made.keys() - set(rated))
    ]
    stale = sorted(_of_another_sound(partition, made))
    faults += [{"id": key, "fault": "its embedding is of another sound or encoder"} for key in stale]
    facts = {
        "rated": len(rated),
        "clips_with_audio": len(clips),
        "embeddings": len(rows),
        "imported": len(imported),
        "clips_without_embedding": len(missing),
        "rated_without_embedding": len(set(rated) - made.keys()),
    }
    return outcome(faults, f"{len(made)} clips, one embedding each", "clips without exactly one", facts)


def _of_another_sound(partition: Partition, made: Mapping[str, Row]) -> set[str]:
    """Clips whose embedding is not of their audio as it is listed now."""
    identity = read_identity(partition.embedding_folder)
    if identity is None:
        return set()
    clips = read_rows(partition.stage("clips").table)
    marks = {row["segment_id"]: CLEAN.fingerprint(row, identity.digest) for row in clips}
    return {
        key
        for key, row in made.items()
        if not row.get("imported") and marks.get(key, row["fingerprint"]) != row["fingerprint"]
    }
