"""Which recordings a model of sound learns from beside ratings: T2's orders, T3's pairs, T4's twins.

L = regression(T1) + l_rank ranking(T1 + T2) + l_con contrastive(T3) + l_inv invariance(T4). Which tiers, is the
settings' to say; of each, never a work that PercePiano rates. Reading the recordings is in `beside_items`; what A2
learns from before it sees a rating, is in `pretrain_tiers`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row
from crescendai_assets.training.datasets_tiers import competition_rows
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
    twins_of,
)
from crescendai_assets.training.registry import spec_of
from crescendai_assets.training.settings import T2, T3, T4, FitSettings
from crescendai_assets.training.t1_plan import T1Place

NOTHING = PretrainPlan((), {}, {}, (), "")
"""Beside ratings nothing is learnt from."""

NO_ORDER = "no other performer in its round whom its jury placed otherwise"

_NONE_OF = {T2: "no order of two performers", T3: "no verified pair of performers", T4: "no twins"}
_FEWEST = 2
"""Performers that can be told apart; pieces that a contrast needs."""


def beside_of(place: T1Place, settings: FitSettings) -> PretrainPlan:
    """What a training learns from beside ratings; nothing for a model that learns from ratings alone.

    All folds ask, and the tables of large tiers take seconds to read: a process plans again only where a file changed.

    Args:
        place: Where the rated clips are; the tiers lie in the same lake.
        settings: Which model, and which tiers.

    Raises:
        SetupError: A tier was embedded by another encoder than the rated clips.
    """
    if not spec_of(settings.model).beside or not settings.tiers:
        return NOTHING
    if settings.use_pretrained_muq:
        return PretrainPlan((), {}, {}, ("through MuQ the rated clips alone are heard: without T2, T3 and T4",), "")
    tiers = PretrainPlace.beside(place)
    heard = sound_digest(read_identity(place.embeddings.embedding_folder))
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
        heard: `sound_digest` of what made the rated clips' embeddings.

    Raises:
        SetupError: A tier was embedded by another encoder.
    """
    left_out: Counter[str] = Counter()
    rated = rated_recordings(place)
    found: dict[str, Mapping[str, Row]] = {}
    if T2 in tiers:
        found[T2] = ranked_in(place.competition, rated, left_out)
    if T3 in tiers:
        pieces = pieces_of(place.maestro, rated, left_out, verified=True)
        found[T3] = pieces if len({row["piece"] for row in pieces.values()}) >= _FEWEST else {}
    if T4 in tiers:
        found[T4] = twins_of(place.youtube, rated, left_out)
    for tier in (tier for tier in found if found[tier]):
        _refuse_other_encoder(place.tier(tier), heard)
    aside = set_aside({row["performer"] for row in found.get(T2, {}).values()}, share, fewest=_FEWEST)
    used = sorted(
        (
            {
                "recording_id": recording,
                "of": tier,
                "role": "validation" if row.get("performer") in aside else "train",
                "piece": row["piece"],
                "content": row["content"],
            }
            for tier, rows in found.items()
            for recording, row in rows.items()
        ),
        key=lambda row: row["recording_id"],
    )
    notes = [f"without {tier}: {_NONE_OF[tier]}" for tier in found if not found[tier]]
    notes += [
        f"{count} recordings of {'/'.join(found)} left out: {why}" for why, count in sorted(left_out.items()) if count
    ]
    why = {reason: count for reason, count in left_out.items() if count}
    segments = {tier: {one: row["segments"] for one, row in rows.items()} for tier, rows in found.items()}
    told = fingerprint(LEARNT_FROM.digest(used)) if used else ""
    return PretrainPlan(tuple(used), segments, why, tuple(notes), told)


def beside_in_words(plan: PretrainPlan) -> str:
    """For a log; empty where there is nothing."""
    counted = [f"{len(plan.recordings('train', tier))} recordings of {tier}" for tier in plan.segments if plan.used]
    return f"beside ratings: {', '.join(counted)}" if counted else ""


def ranked_in(tier: Tier, rated: Collection[str], left_out: Counter[str]) -> dict[str, Row]:
    """Recordings of T2 that the jury placed apart from another performer's in their round, by recording."""
    content = contents_of(tier)
    of_recording: dict[str, list[Row]] = defaultdict(list)
    for row in competition_rows(tier):
        of_recording[row["recording_id"]].append(row)
    kept = {recording: rows for recording, rows in sorted(of_recording.items()) if recording not in rated}
    left_out[RATED] += len(of_recording) - len(kept)
    places: dict[tuple[Any, ...], set[tuple[str, Any]]] = defaultdict(set)
    for first, *_ in kept.values():
        places[_round_of(first)].add((first["performer"], first["placement"]))
    found = {
        recording: {**row_of(rows[0]["piece"] or recording, [one["segment_id"] for one in rows], content, rows), **told}
        for recording, rows in kept.items()
        if any(
            who != rows[0]["performer"] and place != rows[0]["placement"] for who, place in places[_round_of(rows[0])]
        )
        for told in [{"performer": rows[0]["performer"]}]
    }
    left_out[NO_ORDER] += len(kept) - len(found)
    return found


def _round_of(row: Row) -> tuple[Any, ...]:
    return (row["competition"], row["edition"], row["round"])


def _refuse_other_encoder(tier: Tier, heard: str) -> None:
    identity = read_identity(tier.embeddings())
    if sound_digest(identity) != heard:
        said = identity.describe() if identity else "nobody knows what"
        raise SetupError(
            f"{tier.embeddings()}: embedded by {said}, the rated clips by another encoder, so that one model cannot "
            f"learn from both; embed one of them again, or leave {tier.name} out of `tiers`"
        )
