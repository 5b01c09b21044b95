"""A2's first stage learns from verified pieces and twins, and from no recording whose title may be a rated work."""

from __future__ import annotations

import numpy as np
import pytest

from crescendai_assets.embeddings.identity import EncoderIdentity, claim_folder
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import canonical_row
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.pretrain_items import EpochOrder, read_sides
from crescendai_assets.training.pretrain_plan import PretrainPlace
from crescendai_assets.training.pretrain_tiers import ALONE, RATED, TWICE, UNVERIFIED, plan_tiers
from crescendai_assets.training.pretraining import corpus_path
from crescendai_assets.training.settings import T3, T4
from crescendai_assets_tests.training.pretrain_lake import PERFORMERS, add_maestro, add_youtube, brief

D960 = ("Franz Schubert", "Sonata in B-flat Major, D960")


def sounds(names: list[str]) -> dict[str, np.ndarray]:
    return dict.fromkeys(names, np.zeros(1024))


@pytest.fixture
def place(tmp_path) -> PretrainPlace:
    """Five pieces by three performers, one of them rated by one title; six videos, one of them rated."""
    lake = Lake(tmp_path)
    takes = {f"maestro_p{piece}_{who}": f"p{piece}" for piece in range(5) for who in PERFORMERS}
    titles = {"maestro_p0_ann": D960, "maestro_p0_bo": ("Schubert", "Sonata"), "maestro_p0_cy": ("Unknown", "Encore")}
    add_maestro(lake, sounds(list(takes)), takes, titles)
    videos = sounds([f"yt_v{number}" for number in range(6)])
    add_youtube(lake, videos, videos, {"yt_v0": "Schubert - Piano Sonata No. 21 in B-flat Major, D. 960 (live)"})
    return PretrainPlace.of(lake)


def test_a_rated_work_is_left_out_with_all_that_is_the_same_piece_and_counted(place):
    plan = plan_tiers(place, brief("A2"))
    used = {row["recording_id"] for row in plan.used}
    assert not {one for one in used if one.startswith("maestro_p0_")}, "also the take whose own title says nothing"
    assert "yt_v0" not in used
    assert len(used) == 4 * 3 + 5
    assert plan.left_out == {RATED: 4}
    assert f"4 recordings left out: {RATED}" in plan.notes


def test_what_the_corpus_holds_out_by_its_notes_is_left_out_here_too(place):
    row = {"recording_id": "maestro_p3_bo", "role": "held_out"}
    write_atomic(corpus_path(place.corpus), (canonical_row(row) + "\n").encode())
    plan = plan_tiers(place, brief("A2"))
    assert not [row for row in plan.used if row["piece"] in ("p0", "p3")]
    assert plan.left_out[RATED] == 7


def test_pieces_and_videos_stand_on_one_side_and_batches_hold_both_tiers(place):
    plan = plan_tiers(place, brief("A2"))
    sides: dict[str, set[str]] = {}
    for row in plan.used:
        sides.setdefault(row["piece"], set()).add(row["role"])
    assert all(len(roles) == 1 for roles in sides.values())
    found = read_sides(place, plan, brief("A2"))
    batch = found["train"][next(iter(EpochOrder(found["train"], 4, 0)))]
    assert set(batch) == {T3, T4}
    assert set(batch[T3]["ids_a"]) <= {f"{one}_seg00{n}" for one in plan.recordings("train", T3) for n in range(2)}
    pairs = zip(batch[T3]["ids_a"], batch[T3]["ids_b"], strict=True)
    assert all(a.rpartition("_seg")[0] != b.rpartition("_seg")[0] for a, b in pairs)
    order = EpochOrder(found["train"], 4, 0)
    gone = [place for step in order for place in step]
    items = found["train"].kinds
    assert {place for place in gone if place[0] == T3} == {(T3, n) for n in range(len(items[T3].names))}
    assert {place for place in gone if place[0] == T4} == {(T4, n) for n in range(len(items[T4].names))}
    again = [place for step in order for place in step]
    assert again == gone, "the same epoch is the same"
    order.set_epoch(1)
    assert [place for step in order for place in step] != gone


def test_pairs_that_midi_did_not_verify_are_used_when_asked_for(tmp_path):
    lake = Lake(tmp_path)
    takes = {f"maestro_p{piece}_{who}": f"p{piece}" for piece in range(4) for who in ("ann", "bo")}
    takes["maestro_p9_ann"] = "p9"
    add_maestro(lake, sounds(list(takes)), takes, verified=False)
    place = PretrainPlace.of(lake)
    with pytest.raises(SetupError, match="nothing to pretrain A2 on"):
        plan_tiers(place, brief("A2"))
    plan = plan_tiers(place, brief("A2", verified=False))
    assert plan.left_out == {ALONE: 1}
    assert "without T4: no twins" in plan.notes
    videos = sounds([f"yt_v{number}" for number in range(4)])
    add_youtube(lake, videos, videos)
    plan = plan_tiers(place, brief("A2"))
    assert plan.left_out == {UNVERIFIED: 9}
    assert "without T3: no verified piece" in plan.notes


def test_the_same_sound_is_used_once_and_too_few_videos_are_told(tmp_path):
    lake = Lake(tmp_path)
    videos = sounds([f"yt_v{number}" for number in range(4)])
    add_youtube(lake, videos, videos)
    metadata = lake.tier("youtube").metadata
    rows = [{**row, "duplicate_of": "yt_v0" if row["recording_id"] == "yt_v3" else None} for row in read_rows(metadata)]
    write_atomic(metadata, "".join(canonical_row(row) + "\n" for row in rows).encode())
    with pytest.raises(SetupError, match="youtube has too few pieces to set some aside: 4 are needed"):
        plan_tiers(PretrainPlace.of(lake), brief("A2"))
    rows = [{**row, "duplicate_of": None} for row in rows]
    write_atomic(metadata, "".join(canonical_row(row) + "\n" for row in rows).encode())
    assert TWICE not in plan_tiers(PretrainPlace.of(lake), brief("A2")).left_out


def test_tiers_that_different_encoders_embedded_are_refused(tmp_path):
    lake = Lake(tmp_path)
    takes = {f"maestro_p{piece}_{who}": f"p{piece}" for piece in range(4) for who in PERFORMERS}
    for tier, name in (("maestro", "one"), ("youtube", "two")):
        claim_folder(lake.tier(tier).embeddings(), EncoderIdentity(name, "1", (9,), 8, "float32"), tier)
    add_maestro(lake, sounds(list(takes)), takes)
    assert "one@1" in plan_tiers(PretrainPlace.of(lake), brief("A2")).encoder[0]
    videos = sounds([f"yt_v{number}" for number in range(4)])
    add_youtube(lake, videos, videos)
    with pytest.raises(SetupError, match=r"T3 and T4 were embedded by different encoders \(maestro one@1"):
        plan_tiers(PretrainPlace.of(lake), brief("A2"))
