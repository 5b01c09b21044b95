"""MAESTRO compiled over the years that exist: all segments, and which recordings are of the same work.

One work, several recordings: the positives of a contrastive loss. Performer and split stand beside each recording, so
that a sampler can refuse pairs by one performer and pairs across splits. Names of works are made in `works`; that
recordings of one work hold the same music is verified with their MIDI in `contrastive_content`.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.embeddings.folder import embedded_segments
from crescendai_assets.lake.compiled import CompileReport, rows_of_all
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.schemas import CONTRASTIVE_RECORDINGS, MAESTRO_SEGMENTS
from crescendai_assets.lake.tables import Row, Table, by_recording, read_document, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.sources.maestro_midi import midi_of
from crescendai_assets.sources.works import is_vague
from crescendai_assets.training.contrastive_content import Heard, Parted, hear, part, unlike, work_of


@dataclass(frozen=True)
class PlannedMapping:
    """What the mapping of a tier has to be.

    Attributes:
        mapping: Work, or `<work>#<k>` -> ids of its embedded segments; only those of two or more recordings.
        recordings: Rows of `contrastive_recordings.jsonl`.
        single: Works, and pieces of a work, with one recording, which are left out.
        without_embedding: Segments left out because they are not embedded.
        parted: Works that MIDI parted: `work_id`, `groups`, and the recordings of each.
        left_out: Recordings without usable MIDI of works that MIDI parted.
        unusable_midi: `recording_id`, and what is wrong with its MIDI.
    """

    mapping: Mapping[str, list[str]]
    recordings: list[Row]
    single: int
    without_embedding: int
    parted: list[Row]
    left_out: list[str]
    unusable_midi: list[Row]

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(self.mapping, CONTRASTIVE_RECORDINGS.digest(self.recordings))

    @staticmethod
    def digest_on_disk(tier: Tier) -> str:
        """The same hash of what is on disk."""
        mapping = read_mapping(tier)
        return fingerprint(mapping, CONTRASTIVE_RECORDINGS.digest(read_rows(tier.contrastive_recordings)))


def compile_metadata(tier: Tier, table: Table = MAESTRO_SEGMENTS) -> CompileReport:
    """Write the segments of all partitions that exist as one table.

    Raises:
        SetupError: A segment id stands in two partitions.
    """
    rows = list(rows_of_all(tier, "segments"))
    table.write(tier.metadata, rows)
    return CompileReport(
        rows=len(rows),
        digest=table.digest(read_rows(tier.metadata)),
        partitions=tuple(p.key for p in tier.partitions("segments")),
        facts={
            "recordings": len({r["recording_id"] for r in rows}),
            "works": len({r["work_id"] for r in rows}),
            "hours_of_audio": round(sum(r["segment_end"] - r["segment_start"] for r in rows) / 3600, 3),
        },
    )


def plan_metadata(tier: Tier, table: Table = MAESTRO_SEGMENTS) -> str:
    """Content hash that the compiled table has to have."""
    return table.digest(sorted(rows_of_all(tier, "segments"), key=lambda row: str(row[table.id_field])))


def read_mapping(tier: Tier) -> dict[str, list[str]]:
    """The mapping on disk.

    Raises:
        SetupError: There is none, or it is cut.
    """
    mapping: dict[str, list[str]] = read_document(tier.contrastive_mapping, "maestro/contrastive_mapping")
    return mapping


def compile_mapping(tier: Tier, source_folder: Path | None = None) -> CompileReport:
    """Write `{work_id: [segment_id, ...]}` of works with two or more recordings, and the recordings behind it.

    Args:
        tier: MAESTRO's.
        source_folder: The folder in MAESTRO's layout in which MIDI lies, None when there is none.
    """
    planned = plan_mapping(tier, source_folder)
    CONTRASTIVE_RECORDINGS.write(tier.contrastive_recordings, planned.recordings)
    write_atomic(tier.contrastive_mapping, json.dumps(planned.mapping, ensure_ascii=False, indent=1).encode())
    works: dict[str, list[Row]] = defaultdict(list)
    for row in planned.recordings:
        works[row["work_id"]].append(row)
    verified = sum(row["verified"] for row in planned.recordings)
    return CompileReport(
        rows=len(planned.mapping),
        digest=planned.digest,
        partitions=tuple(p.key for p in tier.partitions("embeddings")),
        facts={
            "recordings": len(planned.recordings),
            "verified_recordings": verified,
            "unverified_recordings": len(planned.recordings) - verified,
            "segments": sum(map(len, planned.mapping.values())),
            "works_with_two_performers": sum(len({r["performer_id"] for r in rs}) > 1 for rs in works.values()),
            "works_across_splits": sum(len({r["split"] for r in rs}) > 1 for rs in works.values()),
            "works_whose_title_is_vague": len({work_of(w) for w in works if is_vague(work_of(w))}),
            "works_with_one_recording": planned.single,
            "works_parted_by_content_count": len(planned.parted),
            "works_parted_by_content": planned.parted,
            "left_out_for_want_of_midi": len(planned.left_out),
            "unusable_midi": planned.unusable_midi,
            "segments_without_embedding": planned.without_embedding,
        },
    )


def plan_mapping(tier: Tier, source_folder: Path | None = None) -> PlannedMapping:
    """What the mapping has to be, from the tables of the years that exist and the MIDI of their recordings.

    Only segments that have an embedding count, so that nothing named in the mapping is missing when it is read. MIDI is
    read of works with two or more recordings only, some 2 s for all of MAESTRO; without any, titles alone decide.
    """
    works: dict[str, list[str]] = defaultdict(list)
    firsts: dict[str, Row] = {}
    segments: dict[str, list[str]] = {}
    left_out = 0
    for recording_id, rows, embedded in _with_embeddings(tier):
        left_out += len(rows) - len(embedded)
        if embedded:
            firsts[recording_id], segments[recording_id] = rows[0], embedded
            works[rows[0]["work_id"]].append(recording_id)
    heard = _heard(tier, source_folder, [i for ids in works.values() if len(ids) > 1 for i in ids])
    parted = {work: part(work, ids, heard.shingles) for work, ids in sorted(works.items())}
    groups = {name: (ids, one) for one in parted.values() for name, ids in one.groups.items()}
    shared = {name: (ids, one) for name, (ids, one) in groups.items() if len(ids) >= 2}
    rows = [
        _row(firsts[i], name, len(segments[i]), verified=i in one.verified)
        for name, (ids, one) in shared.items()
        for i in ids
    ]
    return PlannedMapping(
        mapping={name: sorted(s for i in ids for s in segments[i]) for name, (ids, _) in shared.items()},
        recordings=sorted(rows, key=lambda r: str(r["recording_id"])),
        single=len(groups) - len(shared),
        without_embedding=left_out,
        parted=[_told(work, one) for work, one in parted.items() if len(one.groups) > 1],
        left_out=sorted(i for one in parted.values() for i in one.left_out),
        unusable_midi=[{"recording_id": i, "why": why} for i, why in heard.unusable.items()],
    )


def _heard(tier: Tier, source_folder: Path | None, recordings: Iterable[str]) -> Heard:
    midi = {i: path for partition in tier.partitions() for i, path in midi_of(partition, source_folder).items()}
    return hear({i: midi[i] for i in recordings if i in midi})


def _row(segment: Row, group: str, segments: int, *, verified: bool) -> Row:
    """A recording's row, from one of its segments'."""
    return {
        "recording_id": segment["recording_id"],
        "work_id": group,
        "performer_id": segment["performer_id"],
        "split": segment["split"],
        "segments": segments,
        "verified": verified,
        "vague": is_vague(segment["work_id"]),  # the title names no one piece: pair with care unless verified
    }


def _told(work: str, parted: Parted) -> Row:
    """A parted work, for people."""
    groups = parted.groups.values()
    return {"work_id": work, "groups": len(groups), "recordings": " | ".join(", ".join(ids) for ids in groups)}


def check_two_recordings(tier: Tier) -> Outcome:
    """Each work of the mapping has two or more distinct recordings, and every segment named has an embedding file."""
    mapping = read_mapping(tier)
    of_segment = {
        row["segment_id"]: (row["recording_id"], partition)
        for partition in tier.partitions("embeddings")
        for row in read_rows(partition.stage("embeddings").table)
    }
    faults: list[Row] = []
    for work, segments in mapping.items():
        recordings = {of_segment[s][0] for s in segments if s in of_segment}
        if len(recordings) < 2:
            faults.append({"id": work, "fault": f"{len(recordings)} recordings"})
        faults += [{"id": s, "fault": "no embedding"} for s in segments if s not in of_segment]
        faults += [{"id": s, "fault": "stands twice"} for s, n in Counter(segments).items() if n > 1]
    return outcome(
        faults,
        f"{len(mapping)} works with two or more recordings",
        "faults in the mapping",
        {"works": len(mapping)},
    )


def check_splits(tier: Tier) -> Outcome:
    """No sound in two splits, no recording in another split than the mapping says.

    Works whose recordings lie in several splits are in MAESTRO itself (five titles): they are counted, and a sampler
    refuses such pairs by the split beside each recording.
    """
    split_of: dict[str, str] = {}
    sounds: dict[str, set[str]] = defaultdict(set)
    for partition in tier.partitions("segments"):
        for recording_id, rows in by_recording(read_rows(partition.stage("segments").table)):
            split_of[recording_id] = rows[0]["split"]
            sounds[rows[0]["pcm_hash"]].add(recording_id)
    rows = list(read_rows(tier.contrastive_recordings))
    faults: list[Row] = [
        {"id": ", ".join(sorted(ids)), "fault": "the same sound in several splits"}
        for ids in sounds.values()
        if len({split_of[i] for i in ids}) > 1
    ]
    faults += [
        {
            "id": r["recording_id"],
            "fault": f"in {r['split']}, its segments are in {split_of.get(r['recording_id'])}",
        }
        for r in rows
        if split_of.get(r["recording_id"]) != r["split"]
    ]
    works: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        works[row["work_id"]].add(row["split"])
    across = sorted(work for work, splits in works.items() if len(splits) > 1)
    facts = {"recordings": len(rows), "works_across_splits": len(across), "such_as": ", ".join(across[:10])}
    return outcome(faults, "no sound in two splits", "leaks between splits", facts)


def check_same_music(tier: Tier, source_folder: Path | None = None) -> Outcome:
    """Any two verified recordings of a group hold the same music, by their MIDI as it is now.

    A recording whose MIDI is out of reach is counted, not faulted.
    """
    rows = [row for row in read_rows(tier.contrastive_recordings) if row["verified"]]
    heard = _heard(tier, source_folder, [row["recording_id"] for row in rows])
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        groups[row["work_id"]].append(row["recording_id"])
    faults: list[Row] = [
        {"id": work, "fault": f"{a} and {b} do not hold the same music ({likeness:.0%} of the smaller is in both)"}
        for work, ids in groups.items()
        for a, b, likeness in unlike({i: heard.shingles[i] for i in ids if i in heard.shingles})
    ]
    faults += [
        {"id": work, "fault": "verified, with nothing to compare it with"}
        for work, ids in groups.items()
        if len(ids) < 2
    ]
    facts = {"groups": len(groups), "recordings": len(rows), "midi_out_of_reach": len(rows) - len(heard.shingles)}
    return outcome(faults, f"{len(groups)} groups hold the same music", "faults: compile it again", facts)


def spellings(tier: Tier) -> list[tuple[str, str]]:
    """Composer and title of each recording that exists, for the table of what was merged."""
    rows = (row for partition in tier.partitions() for row in read_rows(partition.stage("recordings").table))
    return [(row["canonical_composer"], row["canonical_title"]) for row in rows]


def _with_embeddings(tier: Tier) -> Iterator[tuple[str, list[Row], list[str]]]:
    """Each recording with its segments' rows and the ids of those that are embedded as they are cut now."""
    for partition in tier.partitions("segments"):
        for recording_id, pairs in itertools.groupby(
            embedded_segments(partition), key=lambda pair: str(pair[0]["recording_id"])
        ):
            rows = list(pairs)
            yield recording_id, [row for row, _ in rows], [row["segment_id"] for row, made in rows if made]
