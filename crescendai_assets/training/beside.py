"""Which recordings a model of sound learns from beside ratings: T2's orders, T3's pairs, T4's twins.

L = regression(T1) + l_rank ranking(T1 + T2) + l_con contrastive(T3) + l_inv invariance(T4). Which tiers, is the
settings' to say; of each, never a work that PercePiano rates. Reading the recordings is in `beside_items`; what A2
learns from before it sees a rating, is in `pretrain_tiers`.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.lake.compiled import rows_of_all
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row
from crescendai_assets.training.ordinal import competition_rows
from crescendai_assets.training.packing import AUGMENTED
from crescendai_assets.training.pretrain_plan import (
    LEARNT_FROM,
    PretrainPlace,
    PretrainPlan,
    set_aside,
    state_of_tiers,
)
from crescendai_assets.training.pretrain_tiers import (
    RATED,
    contents_of,
    pieces_of,
    rated_recordings,
    row_of,
    sound_digest,
    twins_in,
    twins_of,
)
from crescendai_assets.training.pretraining import corpus_path
from crescendai_assets.training.registry import spec_of
from crescendai_assets.training.settings import T2, T3, T4, FitSettings
from crescendai_assets.training.t1_plan import T1Place

NOTHING = PretrainPlan((), {}, {}, (), "")
"""Beside ratings nothing is learnt from."""

SOUND = "sound"
"""In the place of an encoder: audio is heard through the MuQ that is trained."""

NO_ORDER = "no other performer in its round whom its jury placed otherwise"

_NONE_OF = {
    T2: "no order of two performers",
    T3: "no verified pairs of performers of two pieces or more",
    T4: "no twins",
}
_DECIDES = ("performer_group", "placement", "competition", "edition", "round")
"""Columns of T2 that decide which pairs there are."""

FEWEST_PAIRS = 10
"""Of T2's performers set aside whom their jury told apart; below it an accuracy would say nothing, and none are."""

_FEWEST = 2
"""Performers that can be told apart; pieces that a contrast needs."""


def beside_of(place: T1Place, settings: FitSettings) -> PretrainPlan:
    """What a training learns from beside ratings; nothing for a model that learns from ratings alone.

    All folds ask, and the tables of large tiers take seconds to read: a process plans again only where a file changed.

    Args:
        place: Where the rated clips are; the tiers lie in the same lake.
        settings: Which model, and which tiers.
    """
    if not spec_of(settings.model).beside or not settings.tiers:
        return NOTHING
    tiers, through_muq = PretrainPlace.beside(place), settings.use_pretrained_muq
    heard = SOUND if through_muq else sound_digest(read_identity(place.embeddings.embedding_folder))
    return _planned(tiers, settings.tiers, settings.inner_share, heard, state_of_tiers(tiers))


@lru_cache(maxsize=32)
def _planned(
    place: PretrainPlace, tiers: Sequence[str], share: float, heard: str, _inputs: tuple[Any, ...]
) -> PretrainPlan:
    return plan_beside(place, tiers, share, heard)


def plan_beside(place: PretrainPlace, tiers: Sequence[str], share: float, heard: str) -> PretrainPlan:
    """What would be learnt from beside ratings.

    Args:
        place: Where the tiers are.
        tiers: Which of them.
        share: Of T2's performers that are set aside, so that it can be told whether its order was learnt.
        heard: `sound_digest` of what made the rated clips' embeddings; `SOUND` where audio is heard instead. A tier
            that another encoder embedded is left out, and the notes say so.
    """
    left_out: Counter[str] = Counter()
    rated, notes = rated_recordings(place), list[str]()
    found: dict[str, Mapping[str, Row]] = {}
    for name in tiers:
        tier = place.tier(name)
        if other := "" if heard == SOUND else _other_encoder(tier, heard):
            notes.append(f"without {name}: {other}")
            continue
        content = _sounds(tier) if heard == SOUND else contents_of(tier)
        if name == T2:
            found[T2] = ranked_in(tier, content, rated, share, left_out)
        elif name == T3:
            pieces = pieces_of(tier, content, rated, left_out, verified=True)
            found[T3] = pieces if len({row["piece"] for row in pieces.values()}) >= _FEWEST else {}
        else:
            twins = _sounding_twins(tier) if heard == SOUND else twins_in(tier)
            found[T4] = twins_of(tier, content, twins, rated, left_out)
    used = [
        {
            "recording_id": recording,
            "of": tier,
            "role": row.get("role", "train"),
            "piece": row["piece"],
            "content": row["content"],
        }
        for tier, rows in found.items()
        for recording, row in rows.items()
    ]
    used.sort(key=lambda row: str(row["recording_id"]))
    notes += [f"without {tier}: {_NONE_OF[tier]}" for tier in found if not found[tier]]
    notes += [
        f"{count} recordings of {'/'.join(found)} left out: {why}" for why, count in sorted(left_out.items()) if count
    ]
    notes += _unknown(place, found)
    return PretrainPlan(
        used=tuple(used),
        segments={tier: {one: row["segments"] for one, row in rows.items()} for tier, rows in found.items()},
        left_out={reason: count for reason, count in left_out.items() if count},
        notes=tuple(notes),
        input_digest=LEARNT_FROM.digest(used) if used else "",
    )


def _unknown(place: PretrainPlace, found: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """What could not be looked at, of tiers that are learnt from."""
    notes: list[str] = []
    if any(found.values()) and not corpus_path(place.corpus).exists():
        notes.append("symbolic/corpus is not there: rated works were told by their titles alone")
    if found.get(T4) and not place.youtube.metadata.exists():
        notes.append("youtube/metadata is not there: the same sound may be learnt from twice")
    if found.get(T2) and not any(row["role"] == "validation" for row in found[T2].values()):
        notes.append(f"nobody of {T2} is set aside, since too few are: how well its order is learnt is not told")
    if nameless := sum(row["piece"] == recording for recording, row in found.get(T2, {}).items()):
        notes.append(f"{nameless} recordings of {T2} name no piece: whether it is a rated work is not known")
    return notes


def _other_encoder(tier: Tier, heard: str) -> str:
    """Why a tier cannot be learnt from beside the rated clips; empty where it can, or holds nothing."""
    for product in (CLEAN, AUGMENTED) if tier.name == T4 else (CLEAN,):
        for partition in tier.partitions(product.asset):
            folder = product.folder(partition)
            identity = read_identity(folder)
            if sound_digest(identity) != heard and next(iter(product.rows(partition)), None):
                said = identity.describe() if identity else "nobody knows what"
                return f"{folder} was embedded by {said}, the rated clips by another encoder"
    return ""


def _sounds(tier: Tier) -> dict[str, str]:
    """Segment -> mark of its sound."""
    rows = rows_of_all(tier, "segments")
    return {row["segment_id"]: fingerprint(row["pcm_hash"], row["segment_start"], row["n_valid"]) for row in rows}


def _sounding_twins(tier: Tier) -> dict[str, str]:
    """Segment -> mark of how its twin was made."""
    return {row["segment_id"]: row["fingerprint"] for row in rows_of_all(tier, AUGMENTED.asset)}


def beside_in_words(plan: PretrainPlan) -> str:
    """For a log; empty where there is nothing."""
    counted = [
        f"{count} recordings of {tier}" for tier in plan.segments if (count := len(plan.recordings("train", tier)))
    ]
    return f"beside ratings: {', '.join(counted)}" if counted else ""


def ranked_in(
    tier: Tier, content: Mapping[str, str], rated: Collection[str], share: float, left_out: Counter[str]
) -> dict[str, Row]:
    """Recordings of T2 that the jury placed apart from another performer's in their round, on the same side, with it.

    Args:
        tier: T2.
        content: Segment -> mark of what is heard.
        rated: Recordings that may be of a rated work.
        share: Of performers that are set aside (`validation`), whatever they played; none where these are too few.
        left_out: Counts why -> recordings.
    """
    of_recording: dict[str, list[Row]] = defaultdict(list)
    for row in competition_rows(tier):
        of_recording[row["recording_id"]].append(row)
    kept = {recording: rows for recording, rows in sorted(of_recording.items()) if recording not in rated}
    left_out[RATED] += len(of_recording) - len(kept)
    first = {recording: rows[0] for recording, rows in kept.items()}
    chosen = set_aside({row["performer_group"] for row in _with_opponents(first).values()}, share, fewest=_FEWEST)
    aside = _with_opponents({one: row for one, row in first.items() if row["performer_group"] in chosen})
    if _pairs_told_apart(aside.values()) < FEWEST_PAIRS:
        chosen, aside = set(), {}
    learnt = _with_opponents({one: row for one, row in first.items() if row["performer_group"] not in chosen})
    left_out[NO_ORDER] += len(kept) - len(aside) - len(learnt)
    return {one: _ranked(row, "validation", kept[one], content) for one, row in aside.items()} | {
        one: _ranked(row, "train", kept[one], content) for one, row in learnt.items()
    }


def _pairs_told_apart(rows: Iterable[Row]) -> int:
    """Of performers in one round, by placements."""
    entries = {(*_round_of(row), row["performer_group"]): row["placement"] for row in rows}
    return sum(
        one[:-1] == other[:-1] and entries[one] != entries[other] for one, other in itertools.combinations(entries, 2)
    )


def _ranked(first: Row, role: str, rows: Sequence[Row], content: Mapping[str, str]) -> Row:
    segments, told = [row["segment_id"] for row in rows], [first[name] for name in _DECIDES]
    return {**row_of(first["piece"] or first["recording_id"], segments, content, told), "role": role}


def _with_opponents(rows: Mapping[str, Row]) -> dict[str, Row]:
    """Those that another one of their round can be compared with."""
    placed: dict[tuple[Any, ...], set[tuple[str, int]]] = defaultdict(set)
    for row in rows.values():
        if row["placement"] is not None:
            placed[_round_of(row)].add((row["performer_group"], row["placement"]))
    return {
        one: row
        for one, row in rows.items()
        if row["placement"] is not None
        and any(who != row["performer_group"] and at != row["placement"] for who, at in placed[_round_of(row)])
    }


def _round_of(row: Row) -> tuple[Any, ...]:
    return (row["competition"], row["edition"], row["round"])
