"""Which segments A2 would learn from in its first stage: T3's verified pieces and T4's twins, without rated works.

A recording of T3 is left out where its title may be a rated work, where the symbolic corpus holds its music out, and
with it all that is mapped to the same piece. Of T4 titles alone can tell, and many name no piece: what is not known is
used. What a plan is, is in `pretrain_plan`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from crescendai_assets.embeddings.identity import EncoderIdentity, read_identity
from crescendai_assets.labels.evaluation_works import is_evaluation_work, may_hold_evaluation_work
from crescendai_assets.lake.compiled import rows_of_all
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.contrastive import read_mapping
from crescendai_assets.training.packing import AUGMENTED, plan_pack
from crescendai_assets.training.pretrain_plan import LEARNT_FROM, PretrainPlace, PretrainPlan, set_aside
from crescendai_assets.training.pretrain_settings import PretrainSettings
from crescendai_assets.training.pretraining import corpus_path
from crescendai_assets.training.settings import T3, T4

RATED = "of a rated work"
TWICE = "the sound of another video"
UNVERIFIED = "not verified by its MIDI"
ALONE = "no other performer of its piece in its split"
NO_TWIN = "no augmented twin"

_FEWEST = 2
"""Pieces that a contrast needs at least."""


def plan_tiers(place: PretrainPlace, settings: PretrainSettings) -> PretrainPlan:
    """What A2's first stage would learn from.

    Raises:
        SetupError: Neither tier has enough, or they were embedded by different encoders.
    """
    left_out: Counter[str] = Counter()
    rated = rated_recordings(place)
    found = {
        T3: pieces_of(place.maestro, contents_of(place.maestro), rated, left_out, verified=settings.verified),
        T4: twins_of(place.youtube, contents_of(place.youtube), twins_in(place.youtube), rated, left_out),
    }
    if not any(found.values()):
        raise SetupError(
            f"{place.maestro.folder} and {place.youtube.folder}: nothing to pretrain A2 on; materialize "
            "maestro/contrastive_mapping, youtube/augmented_pairs and the packs of both tiers first"
        )
    used, notes = _on_sides({tier: rows for tier, rows in found.items() if rows}, settings.inner_share)
    notes += [
        f"without {'T3: no verified piece' if tier == T3 else 'T4: no twins'}" for tier in found if not found[tier]
    ]
    notes += [f"{count} recordings left out: {why}" for why, count in sorted(left_out.items()) if count]
    if not corpus_path(place.corpus).exists():
        notes.append("symbolic/corpus is not there: rated works were told by their titles alone")
    encoder = _encoder(place, [tier for tier in found if found[tier]])
    told = fingerprint(LEARNT_FROM.digest(used), encoder[1])
    segments = {tier: {one: row["segments"] for one, row in rows.items()} for tier, rows in found.items()}
    return PretrainPlan(
        tuple(used), segments, {why: count for why, count in left_out.items() if count}, tuple(notes), told, encoder
    )


def rated_recordings(place: PretrainPlace) -> set[str]:
    """Recordings of T2, T3 and T4 that may be of a rated work, by their titles or by the corpus.

    What sounds the same, or is the same video, counts with it, whatever it is called in another tier.
    """
    composed = {
        (str(row.get("canonical_composer", "")), str(row.get("canonical_title", "")), str(row["recording_id"]))
        for row in rows_of_all(place.maestro, "segments")
    }
    named = {one for composer, title, one in composed if is_evaluation_work(composer, title)}
    told = {(str(row.get("title") or ""), "", row["recording_id"]) for row in rows_of_all(place.youtube, "segments")}
    for row in rows_of_all(place.competition, "recordings"):
        title, about = str(row.get("title") or ""), f"{row.get('competition')} {row.get('edition')} {row.get('title')}"
        told |= {(title, "", row["recording_id"]), (str(row.get("piece") or ""), about, row["recording_id"])}
    named |= {one for text, about, one in told if may_hold_evaluation_work(text, about)}
    path = corpus_path(place.corpus)
    held = {row["recording_id"] for row in read_rows(path) if row["role"] == "held_out"} if path.exists() else set()
    return _with_copies(place, named | held)


def _with_copies(place: PretrainPlace, recordings: Collection[str]) -> set[str]:
    """Recordings, and those of any tier that have their sound or their video."""
    marks: dict[str, set[str]] = defaultdict(set)
    for tier in (place.competition, place.maestro, place.youtube):
        for asset, column in (("segments", "pcm_hash"), ("recordings", "video_id")):
            for row in rows_of_all(tier, asset):
                if row.get(column):
                    marks[row["recording_id"]].add(f"{column} {row[column]}")
    known = {mark for one in recordings for mark in marks.get(one, ())}
    return {*recordings, *(one for one, mine in marks.items() if mine & known)}


def pieces_of(
    tier: Tier, content: Mapping[str, str], rated: Collection[str], left_out: Counter[str], *, verified: bool
) -> dict[str, Row]:
    """Recordings of T3 with a partner: `piece`, `segments`, `content`, which covers what else a pair depends on.

    Args:
        tier: T3.
        content: Segment -> mark of what is heard; of those that can be.
        rated: Recordings that may be of a rated work.
        left_out: Counts why -> recordings.
        verified: Only recordings whose MIDI says that they hold the same music.
    """
    if not (tier.contrastive_mapping.exists() and tier.contrastive_recordings.exists()):
        return {}
    mapping = read_mapping(tier)
    of_recording: dict[str, list[str]] = defaultdict(list)
    for key in sorted(key for keys in mapping.values() for key in keys if key in content):
        of_recording[key.rpartition("_seg")[0]].append(key)
    rows = [row for row in read_rows(tier.contrastive_recordings) if row["recording_id"] in of_recording]
    works = {row["work_id"] for row in rows if row["recording_id"] in rated}
    kept: list[Row] = []
    for row in rows:
        if row["work_id"] in works:
            left_out[RATED] += 1
        elif verified and not row["verified"]:
            left_out[UNVERIFIED] += 1
        else:
            kept.append(row)
    performers: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for row in kept:
        performers[row["work_id"], row["split"]].add(row["performer_id"])
    paired = [row for row in kept if len(performers[row["work_id"], row["split"]]) > 1]
    left_out[ALONE] += len(kept) - len(paired)
    return {
        row["recording_id"]: row_of(row["work_id"], of_recording[row["recording_id"]], content, row) for row in paired
    }


def twins_of(
    tier: Tier, clean: Mapping[str, str], twin: Mapping[str, str], rated: Collection[str], left_out: Counter[str]
) -> dict[str, Row]:
    """Recordings of T4 with a twin, no sound twice; each is a piece of its own. Arguments as of `pieces_of`."""
    double = {row["recording_id"] for row in read_rows(tier.metadata) if row.get("duplicate_of")}
    found: dict[str, Row] = {}
    by_recording: dict[str, list[str]] = defaultdict(list)
    for key in sorted(clean):
        by_recording[key.rpartition("_seg")[0]].append(key)
    for recording, keys in sorted(by_recording.items()):
        both = [key for key in keys if key in twin]
        if recording in rated:
            left_out[RATED] += 1
        elif recording in double:
            left_out[TWICE] += 1
        elif not both:
            left_out[NO_TWIN] += 1
        else:
            found[recording] = row_of(recording, both, clean, [twin[key] for key in both])
    return found


def row_of(piece: str, keys: list[str], content: Mapping[str, str], told: Any) -> Row:
    """Of a recording that is used; `told` is what else its use depends on."""
    return {"piece": piece, "segments": keys, "content": fingerprint([[key, content[key]] for key in keys], told)}


def contents_of(tier: Tier) -> dict[str, str]:
    """Segment -> hash of its embedding."""
    return {row["segment_id"]: row["content"] for row in plan_pack(tier).rows}


def twins_in(tier: Tier) -> dict[str, str]:
    """Segment -> hash of its twin's embedding."""
    return {row["segment_id"]: row["content"] for row in plan_pack(tier, AUGMENTED).rows}


def _on_sides(found: Mapping[str, Mapping[str, Row]], share: float) -> tuple[list[Row], list[str]]:
    """Rows of `LEARNT_FROM`, and what must be said of the split."""
    aside = {
        tier: set_aside({row["piece"] for row in rows.values()}, share, fewest=_FEWEST) for tier, rows in found.items()
    }
    few = [f"{tier} has too few pieces to set some aside" for tier in found if not aside[tier]]
    if len(few) == len(found):
        raise SetupError(f"{'; '.join(few)}: {2 * _FEWEST} are needed in one of the tiers; add recordings")
    used = [
        {
            "recording_id": recording,
            "of": tier,
            "role": "validation" if row["piece"] in aside[tier] else "train",
            "piece": row["piece"],
            "content": row["content"],
        }
        for tier, rows in found.items()
        for recording, row in rows.items()
    ]
    return sorted(used, key=lambda row: str(row["recording_id"])), few


def _encoder(place: PretrainPlace, tiers: list[str]) -> tuple[str, str]:
    """What made the embeddings of all of them, in words, and its `sound_digest`."""
    folders = {T3: place.maestro.embeddings(), T4: place.youtube.embeddings()}
    found = {tier: read_identity(folders[tier]) for tier in tiers}
    digests = {sound_digest(one) for one in found.values()}
    if len(digests) > 1:
        said = ", ".join(f"{tier} {one.describe() if one else 'nobody knows'}" for tier, one in found.items())
        raise SetupError(f"T3 and T4 were embedded by different encoders ({said}); embed one of them again")
    identity = next(iter(found.values()))
    return (identity.describe() if identity else "not known", sound_digest(identity))


def sound_digest(identity: EncoderIdentity | None) -> str:
    """Tells encoders apart, but for their precision, as packs do: T1 may be embedded on a CPU and T3 on a GPU."""
    return replace(identity, precision="").digest if identity else ""
