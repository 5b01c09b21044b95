"""A competition edition as an order: who came before whom, round by round, as its jury decided.

Only performances of one round of one edition are compared: the same jury heard them on the same days. Within a round
the order is by outcome: placements first, then who got further, and those eliminated in it tied last. The order across
rounds (one performer's semifinal against another's final) is kept in a table of its own and marked noisier: it
compares different repertoire on different days.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crescendai_assets.embeddings.folder import embedded_segments
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import ORDINAL, ORDINAL_ACROSS_ROUNDS
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.verify import Outcome, outcome
from crescendai_assets.sources.performers import performer_id

_TOLD = ("segment_id", "recording_id", "performer", "piece", "round", "competition", "edition")


@dataclass(frozen=True)
class PlannedOrder:
    """What the ordinal tables of an edition have to be.

    Attributes:
        within: A row a recording: its performer's rank among those heard in the same round.
        across: A row a performer: rank in the whole edition, with all recordings.
        without_outcome: Recordings left out because nobody knows how their performer fared (withdrawn, not listed).
        without_embedding: Recordings left out because none of their segments is embedded.
    """

    within: list[Row]
    across: list[Row]
    without_outcome: int
    without_embedding: int

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(ORDINAL.digest(self.within), ORDINAL_ACROSS_ROUNDS.digest(self.across))


@dataclass(frozen=True)
class RoundPairs:
    """How much a ranking loss has to learn from in one round.

    Attributes:
        round: Its name.
        recordings: Recordings in it.
        performers: Performers in it.
        performer_pairs: Pairs of performers that the jury told apart.
        recording_pairs: Pairs of their recordings.
        tied: Pairs of performers it did not tell apart; they are no pairs.
    """

    round: str
    recordings: int
    performers: int
    performer_pairs: int
    recording_pairs: int
    tied: int


def plan_order(partition: Partition) -> PlannedOrder:
    """What the tables have to be, from the edition's recordings and what of them is embedded."""
    embedded = Counter(row["recording_id"] for row, made in embedded_segments(partition) if made)
    recordings = list(read_rows(partition.stage("recordings").table))
    heard = [row for row in recordings if embedded[row["recording_id"]]]
    ranked = [row for row in heard if row["outcome_rank"] is not None]
    return PlannedOrder(
        within=sorted(_within_rounds(ranked, embedded), key=lambda row: str(row["recording_id"])),
        across=sorted(_across_rounds(ranked), key=lambda row: str(row["performer"])),
        without_outcome=len(heard) - len(ranked),
        without_embedding=len(recordings) - len(heard),
    )


def write_order(partition: Partition, planned: PlannedOrder) -> None:
    """Write both tables."""
    ORDINAL.write(partition.stage("ordinal").table, planned.within)
    ORDINAL_ACROSS_ROUNDS.write(partition.stage("ordinal_across_rounds").table, planned.across)


def digest_on_disk(partition: Partition) -> str:
    """Content hash of the tables as they are."""
    within, across = (partition.stage(asset).table for asset in ("ordinal", "ordinal_across_rounds"))
    return fingerprint(ORDINAL.digest(read_rows(within)), ORDINAL_ACROSS_ROUNDS.digest(read_rows(across)))


def ranking_pairs(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Pairs of recording ids of one round, the better one first; ties and pairs of one performer are left out.

    Args:
        rows: Of the ordinal table, of any number of rounds and editions.
    """
    for _, group in itertools.groupby(sorted(rows, key=_round_key), key=_round_key):
        for one, other in itertools.combinations(group, 2):
            if one["rank"] != other["rank"]:
                better, worse = sorted((one, other), key=lambda row: int(row["rank"]))
                yield better["recording_id"], worse["recording_id"]


def count_pairs(rows: Iterable[Row]) -> list[RoundPairs]:
    """Pairs by round, in the rounds' order."""
    by_round: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_round[row["round_index"], row["round"]].append(row)
    counts = []
    for (_, name), group in sorted(by_round.items()):
        ranks = {row["performer"]: row["rank"] for row in group}
        told_apart = sum(a != b for a, b in itertools.combinations(ranks.values(), 2))
        counts.append(
            RoundPairs(
                round=name,
                recordings=len(group),
                performers=len(ranks),
                performer_pairs=told_apart,
                recording_pairs=sum(1 for _ in ranking_pairs(group)),
                tied=len(ranks) * (len(ranks) - 1) // 2 - told_apart,
            )
        )
    return counts


def check_order(partition: Partition) -> Outcome:
    """Ranks follow outcomes, those eliminated in a round are tied last in it, and everything is of one edition."""
    rows = list(read_rows(partition.stage("ordinal").table))
    faults: list[Row] = [
        {"id": row["recording_id"], "fault": f"of edition {row['edition']}"}
        for row in rows
        if row["edition"] != partition.key
    ]
    recordings = {row["recording_id"]: row for row in read_rows(partition.stage("recordings").table)}
    by_round: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        recording = recordings.get(row["recording_id"])
        if recording is None:
            faults.append({"id": row["recording_id"], "fault": "is no recording of this edition"})
        elif recording["outcome_rank"] is None:
            faults.append({"id": row["recording_id"], "fault": "ranked, and nobody knows how its performer fared"})
        else:
            by_round[row["round"]].append(row)
    for name, group in by_round.items():
        last = max(row["rank"] for row in group)
        for row in group:
            out_here = recordings[row["recording_id"]]["eliminated_in"] == name
            if out_here and row["rank"] != last:
                faults.append({"id": row["recording_id"], "fault": f"eliminated in {name}, yet ranked {row['rank']}"})
        for one, other in itertools.combinations(group, 2):
            a, b = (recordings[row["recording_id"]]["outcome_rank"] for row in (one, other))
            if _sign(a - b) != _sign(one["rank"] - other["rank"]):
                faults.append({"id": one["recording_id"], "fault": f"ranked against {other['recording_id']} wrongly"})
    facts = {"recordings": len(rows), "rounds": ", ".join(sorted(by_round))}
    return outcome(faults, f"{len(rows)} recordings in order", "faults in the order", facts)


def _within_rounds(ranked: list[Row], embedded: Mapping[str, int]) -> Iterator[Row]:
    rounds: dict[str, dict[str, int]] = defaultdict(dict)
    for row in ranked:
        rounds[row["round"]][row["performer"]] = row["outcome_rank"]
    ranks = {name: _ranks(outcomes) for name, outcomes in rounds.items()}
    for row in ranked:
        rank, ties = ranks[row["round"]][row["performer"]]
        yield {
            "recording_id": row["recording_id"],
            "edition": row["edition"],
            "round": row["round"],
            "round_index": row["round_index"],
            "performer": row["performer"],
            "placement": row["placement"],
            "eliminated_in": row["eliminated_in"],
            "rank": rank,
            "tied_with": ties,
            "segments": embedded[row["recording_id"]],
        }


def _across_rounds(ranked: list[Row]) -> Iterator[Row]:
    outcomes = {row["performer"]: int(row["outcome_rank"]) for row in ranked}
    recordings: dict[str, list[str]] = defaultdict(list)
    for row in ranked:
        recordings[row["performer"]].append(row["recording_id"])
    for performer, (rank, ties) in _ranks(outcomes).items():
        yield {
            "performer": performer,
            "edition": ranked[0]["edition"],
            "rank": rank,
            "tied_with": ties,
            "recordings": recordings[performer],
            "noisier": True,
        }


def _ranks(outcomes: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Rank from 1 (equals share it, the next one skips) and with how many it is shared."""
    counts = Counter(outcomes.values())
    return {
        name: (1 + sum(n for o, n in counts.items() if o < mine), counts[mine] - 1) for name, mine in outcomes.items()
    }


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _round_key(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["edition"]), str(row["round"])


def competition_rows(tier: Tier, editions: Collection[str] | None = None) -> list[Row]:
    """T2: a row an embedded segment whose performer's outcome is known, for `CompetitionDataset`.

    `placement` is the place in the order of the whole edition, equals sharing one: placements first, then who got
    further. Within a round it orders as the ordinal table does. `performer_group` is one however a name is spelled.

    Args:
        tier: The competitions.
        editions: Keys of those that are used; None for all.
    """
    rows: list[Row] = []
    for partition in tier.partitions("ordinal"):
        if editions is not None and partition.key not in editions:
            continue
        ranked = {row["recording_id"] for row in read_rows(partition.stage("ordinal").table)}
        for row, made in embedded_segments(partition):
            if made and row["recording_id"] in ranked:
                told = {"placement": row["outcome_rank"], "performer_group": performer_id(row["performer"])}
                rows.append({**{name: row[name] for name in _TOLD}, **told})
    return rows
