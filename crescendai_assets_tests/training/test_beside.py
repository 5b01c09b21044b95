"""Models of sound learn T2's orders, T3's contrast and T4's invariance beside ratings, and never from a rated work."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import canonical_row
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.batches import PassageBatches
from crescendai_assets.training.beside import NO_ORDER, plan_beside
from crescendai_assets.training.beside_items import Tiers, Together, TogetherOrder, order_learnt, read_beside
from crescendai_assets.training.checkpoint_checks import check_learnt_beside, check_trained
from crescendai_assets.training.checkpoints import files_of, read_report, write_report
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.pretrain_items import tier_items
from crescendai_assets.training.pretrain_plan import LEARNT_FROM, PretrainPlace
from crescendai_assets.training.pretrain_tiers import RATED, rated_recordings, sound_digest
from crescendai_assets.training.pretraining import corpus_path
from crescendai_assets.training.settings import T2, T3, T4
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets.training.task import is_current, plan_fit
from crescendai_assets.training.trained import load_module
from crescendai_assets_tests.training.pretrain_lake import add_competition, add_maestro, add_tiers
from crescendai_assets_tests.training.rated_lake import FOLD, fold, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

ALL = (T2, T3, T4)


@pytest.fixture(scope="module")
def rated(rated_place, tmp_path_factory) -> T1Place:
    """The rated set with tiers beside it; nobody trains into this lake."""
    root = tmp_path_factory.mktemp("beside")
    shutil.copytree(rated_place.root, root / "lake")
    lake = Lake(root / "lake")
    add_tiers(lake)
    add_competition(lake, 36, pieces={3: "Schubert: Sonata in B-flat major, D. 960"})
    return T1Place.of(lake, rated_place.scores, midi=rated_place.midi)


@pytest.fixture
def t1(rated: T1Place, tmp_path: Path) -> T1Place:
    """The same, with a root of the test's own for checkpoints."""
    return replace(rated, root=tmp_path)


@pytest.fixture
def own(rated, tmp_path) -> T1Place:
    """A lake of the test's own, to be changed."""
    shutil.copytree(rated.root, tmp_path / "lake")
    return T1Place.of(Lake(tmp_path / "lake"), rated.scores, midi=rated.midi)


def planned(t1: T1Place, tiers: Any = ALL) -> Any:
    return plan_fit(t1, fold(t1), tiny("A1", tiers=tiers)).beside


def test_rated_works_are_left_out_of_competitions_too_and_performers_are_set_aside_whole(t1):
    plan = planned(t1)
    used = plan.recordings("train", T2) + plan.recordings("validation", T2)
    assert len(used) == 35
    assert not [one for one in used if "entrant03" in one]
    assert plan.left_out[RATED] == 1
    assert len(plan.recordings("validation", T2)) == 5
    assert not [row for row in plan.used if row["of"] != T2 and row["role"] != "train"]
    assert f"1 recordings of {T2}/{T3}/{T4} left out: {RATED}" in plan.notes
    assert "symbolic/corpus is not there: rated works were told by their titles alone" in plan.notes


def test_a_rated_work_is_known_by_the_video_it_was_heard_in_where_its_piece_names_no_composer(rated_place, tmp_path):
    lake = Lake(tmp_path / "lake")
    shutil.copytree(rated_place.root, lake.root)
    pieces = {0: "Sonata in B-flat major", 1: "Соната, D. 960", 2: "Handel, Hough, Beethoven", 3: ""}
    add_competition(
        lake, 8, pieces, {0: "Jane Roe, Sonata in B-flat major, Schubert Competition 2022", 5: "Beethoven: WoO 80"}
    )
    plan = plan_beside(PretrainPlace.of(lake), [T2], 0.15, planted(rated_place))
    used = {row["recording_id"] for row in plan.used}
    assert {int(one.split("entrant")[1][:2]) for one in used} == {3, 4, 6, 7}
    assert plan.left_out[RATED] == 4
    assert "1 recordings of competition name no piece: whether it is a rated work is not known" in plan.notes


def test_the_video_or_the_sound_of_a_rated_work_is_left_out_of_every_tier_whatever_it_is_called_there(own):
    lake = Lake(own.labels.folder.parent)
    edition, (channel,) = lake.tier(T2).partition("planted2020"), lake.tier(T4).partitions("segments")
    rated, *_ = [row for row in read_rows(edition.stage("recordings").table) if "960" in row["piece"]]
    sound = next(row["pcm_hash"] for row in read_rows(edition.stage("segments").table) if "960" in row["piece"])
    segments = [
        {**row, "pcm_hash": sound if row["recording_id"] == "yt_video1" else row["pcm_hash"]}
        for row in read_rows(channel.stage("segments").table)
    ]
    write_atomic(channel.stage("segments").table, "".join(canonical_row(row) + "\n" for row in segments).encode())
    for table, one in ((edition, rated["recording_id"]), (channel, "yt_video2")):
        path = table.stage("recordings").table
        others = [row for row in read_rows(path) if row["recording_id"] != one] if path.exists() else []
        rows = [*others, {**(rated if table is edition else {}), "recording_id": one, "video_id": "abc"}]
        write_atomic(path, "".join(canonical_row(row) + "\n" for row in rows).encode())
    assert {"yt_video1", "yt_video2", rated["recording_id"]} <= rated_recordings(PretrainPlace.beside(own))
    assert not {"yt_video1", "yt_video2"} & set(planned(own).recordings("train", T4))


def test_other_pieces_of_a_rated_set_are_no_fault_of_a_checkpoint_that_learnt_from_them(own):
    lake = Lake(own.labels.folder.parent)
    shutil.rmtree(lake.tier(T3).folder)
    pieces = {1: "schubert_impromptu_d935_no1", 4: "schubert_impromptu_d935_no4"}
    takes = {f"maestro_d935_{number}_{who}": piece for number, piece in pieces.items() for who in ("ann", "bo")}
    titles = {one: ("Franz Schubert", f"Impromptu in F minor, D. 935 No. {piece[-1]}") for one, piece in takes.items()}
    identity = own.embeddings.embedding_folder / "encoder.json"
    lake.tier(T3).embeddings().mkdir(parents=True)
    shutil.copy(identity, lake.tier(T3).embeddings() / identity.name)
    add_maestro(lake, dict.fromkeys(takes, np.zeros(1024)), takes, titles)
    assert len(planned(own).recordings("train", T3)) == 4
    fit_fold(own, fold(own), tiny("A1", epochs=1))
    assert check_learnt_beside(own, "A1", FOLD).passed
    table = files_of(own.root, "A1", fold(own), 0).learnt_from
    rows = [{**row, "piece": row["piece"].replace("no4", "no3")} for row in read_rows(table)]
    assert [row for row in rows if "no3" in row["piece"]]
    LEARNT_FROM.write(table, rows)
    report = read_report(files_of(own.root, "A1", fold(own), 0))
    assert report is not None
    write_report(files_of(own.root, "A1", fold(own), 0), replace(report, learnt_from=LEARNT_FROM.digest(rows)))
    assert len(check_learnt_beside(own, "A1", FOLD).rows) == 2, "of pieces whose recordings may have left the tables"


def test_nobody_set_aside_is_learnt_from_under_another_spelling(rated_place, tmp_path):
    lake = Lake(tmp_path / "lake")
    shutil.copytree(rated_place.root, lake.root)
    add_competition(lake, 36)
    partition = lake.tier(T2).partition("planted2020")
    for table in ("segments", "recordings"):
        path = partition.stage(table).table
        rows = list(read_rows(path))
        for row in rows:  # two recordings of one person, one of them with the name the other way round
            number = int(row["performer"][-2:])
            name = ("Ann", f"Person{number // 2}")
            row["performer"] = " ".join(name) if number % 2 else f"{name[1].upper()}, {name[0]}"
        write_atomic(path, "".join(canonical_row(row) + "\n" for row in rows).encode())
    plan = plan_beside(PretrainPlace.of(lake), [T2], 0.3, planted(rated_place))
    aside, learnt = (
        {int(one.split("entrant")[1][:2]) // 2 for one in plan.recordings(side, T2)} for side in ("validation", "train")
    )
    assert len(aside) == 5
    assert not aside & learnt


def planted(place: T1Place) -> str:
    """What made the rated clips' embeddings."""
    return sound_digest(read_identity(place.embeddings.embedding_folder))


def test_what_the_corpus_holds_out_by_its_notes_is_not_learnt_from(own):
    before = planned(own).recordings("train", T3)
    tiers = PretrainPlace.beside(own)
    row = {"recording_id": before[0], "role": "held_out"}
    write_atomic(corpus_path(tiers.corpus), (canonical_row(row) + "\n").encode())
    after = planned(own).recordings("train", T3)
    assert set(before) - set(after) == {one for one in before if one.rpartition("_")[0] == before[0].rpartition("_")[0]}


@pytest.mark.parametrize(("entrants", "aside", "learnt"), [(1, 0, 0), (3, 0, 3), (16, 0, 16), (36, 5, 31)])
def test_an_order_needs_two_performers_on_its_side_whom_the_jury_placed_apart(
    rated_place, tmp_path, entrants, aside, learnt
):
    lake = Lake(tmp_path / "lake")
    shutil.copytree(rated_place.root, lake.root)
    add_competition(lake, entrants)
    plan = plan_beside(PretrainPlace.of(lake), [T2], 0.15, planted(rated_place))
    assert [len(plan.recordings(side, T2)) for side in ("validation", "train")] == [aside, learnt]
    if not learnt:
        assert plan.left_out == {NO_ORDER: 1}
        assert "without competition: no order of two performers" in plan.notes


def test_a_tier_that_is_not_there_is_told_and_ratings_alone_are_as_before(place):
    task = plan_fit(place, fold(place), tiny("A1"))
    assert [note.partition(":")[0] for note in task.beside.notes] == [f"without {tier}" for tier in ALL]
    assert task.fingerprint == plan_fit(place, fold(place), tiny("A1", tiers=(), l_con=3.0)).fingerprint
    report = fit_fold(place, fold(place), tiny("A1", epochs=1))
    assert "without competition: no order of two performers" in report.notes
    assert report.beside == {}
    assert list(read_rows(files_of(place.root, "A1", fold(place), 0).learnt_from)) == []


def test_the_reference_and_models_of_symbols_learn_from_ratings_alone(t1):
    for model in ("A0", "S2"):
        assert not plan_fit(t1, fold(t1), tiny(model)).beside.used


def test_a_step_has_pairs_of_every_tier_and_the_same_epoch_is_the_same(t1):
    plan, place = planned(t1), PretrainPlace.beside(t1)
    beside = read_beside(Tiers(place), plan, seed=0)
    assert beside is not None
    rated = PassageBatches(range(20), ["a"] * 20, 8, seed=0)

    class Rated:
        def __getitem__(self, places: list[int]) -> dict[str, Any]:
            return {"labels": torch.zeros(len(places), 19)}

    together, order = Together(Rated(), beside, [f"clip{n}" for n in range(20)]), TogetherOrder(rated, beside)
    steps = list(order)
    assert len(steps) == 3
    batch = together[steps[0]]
    assert set(batch) == {"percepiano", *ALL}
    assert len(batch["percepiano"]["labels"]) == len(steps[0]) - 9 == 7
    assert {len(batch[tier][name]) for tier, name in ((T2, "placement_a"), (T3, "ids_a"), (T4, "ids"))} == {3}
    assert not set(batch[T2]["ids_a"] + batch[T2]["ids_b"]) & set(plan.segments_of("validation", T2))
    names = [together.name(place) for place in steps[0]]
    assert any(name.startswith("clip") for name in names)
    assert any(" against planted2020_final_" in name for name in names)
    assert list(order) == steps
    order.set_epoch(1)
    other = list(order)
    assert other != steps
    order.set_epoch(0)
    assert list(order) == steps


@pytest.mark.parametrize("tier", [T4, T3])
def test_all_that_is_there_comes_before_anything_comes_twice_over_epochs(t1, tier):
    plan, place = planned(t1), PretrainPlace.beside(t1)
    beside = read_beside(Tiers(place), plan, seed=0)
    assert beside is not None
    size = len(tier_items(place, plan, "train", 1000, 0)[tier].names)
    sizes = [3, 4]
    places = [at for epoch in range(30) for step in beside.steps(epoch, sizes) for name, at in step if name == tier]
    assert len(places) == 210
    for begin in range(0, 210 - size, size):
        assert sorted(places[begin : begin + size]) == list(range(size))
    assert places[:size] != places[size : 2 * size]


def test_every_entrant_is_compared_before_one_is_again_and_with_others_then(t1):
    plan, place = planned(t1), PretrainPlace.beside(t1)
    beside = read_beside(Tiers(place), plan, seed=0)
    assert beside is not None
    size = 2 * len(plan.recordings("train", T2))
    pairs = [at for epoch in range(20) for step in beside.steps(epoch, [4, 4]) for tier, at in step if tier == T2]
    first, second = pairs[:size], pairs[size : 2 * size]
    assert sorted(a for a, _ in first) == sorted(a for a, _ in second) == list(range(size))
    assert dict(first) != dict(second)


def test_nobody_is_set_aside_where_that_would_tell_nothing(rated_place, tmp_path):
    lake = Lake(tmp_path / "lake")
    shutil.copytree(rated_place.root, lake.root)
    add_competition(lake, 16)
    plan = plan_beside(PretrainPlace.of(lake), [T2], 0.15, planted(rated_place))
    assert len(plan.recordings("train", T2)) == 16
    assert any(note.startswith("nobody of competition is set aside") for note in plan.notes)


def test_orders_contrast_and_invariance_are_learnt_beside_ratings(t1):
    settings = tiny("A1", epochs=12, patience=12, l_con=1.0, l_inv=3.0)
    report = fit_fold(t1, fold(t1), settings)
    of_tiers = {"competition_recordings": 30, "maestro_recordings": 36, "youtube_recordings": 12, "t2_pairs": 10}
    assert report.beside == of_tiers
    assert 0 <= report.figures["t2_pair_accuracy"] <= 1
    plan, place = planned(t1), PretrainPlace.beside(t1)
    alone = replace(t1, root=t1.root / "alone")
    fit_fold(alone, fold(alone), replace(settings, tiers=()))
    taught, untaught = (load_module(files_of(one.root, "A1", fold(t1), 0), settings) for one in (t1, alone))
    # of what was learnt from: whether the parts reach the weights, not how far they carry
    everyone = replace(plan, used=tuple({**row, "role": "validation"} for row in plan.used))
    (right, pairs), (by_chance, _) = (
        order_learnt(model, Tiers(place), everyone, "cpu", 4) for model in (taught, untaught)
    )
    assert pairs == 35 * 34 // 2
    assert right / pairs > 0.9 > by_chance / pairs
    twins = tier_items(place, plan, "train", 1000, 0)[T4].dataset
    batch = twins.collate([twins[number] for number in range(len(twins))])
    assert apart(taught, batch) < 0.7 * apart(untaught, batch)
    unweighed = replace(t1, root=t1.root / "unweighed")
    parts, without = (row.history[-1] for row in (report, fit_fold(unweighed, fold(t1), replace(settings, l_con=0.0))))
    assert parts["train_contrastive"] < 0.8 * without["train_contrastive"]


def apart(model: Any, batch: Any) -> float:
    """Mean squared distance of twins, in units of the variance over recordings."""
    with torch.inference_mode():
        clean, augmented = model.eval().views(batch)
        return float((clean - augmented).square().mean() / clean.var(0).mean())


class Stops(pl.Callback):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """Dies in the middle of an epoch."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 2 and batch_idx == 1:
            raise KeyboardInterrupt


def test_interrupted_it_goes_on_to_the_result_of_an_undisturbed_training(t1):
    settings = tiny("A1", epochs=4, patience=4)
    undisturbed = fit_fold(t1, fold(t1), settings)
    again = replace(t1, root=t1.root / "again")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit_fold(again, fold(again), settings, callbacks=[Stops()])
    said: list[str] = []
    report = fit_fold(again, fold(again), settings, progress=said.append)
    assert any(line.startswith("goes on after epoch 1") for line in said)
    assert report.figures == pytest.approx(undisturbed.figures, abs=1e-6)
    for before, after in zip(undisturbed.history, report.history, strict=True):
        clock = {"seconds": 0, "waiting": 0}
        assert {**after, **clock} == pytest.approx({**before, **clock}, abs=1e-6)


def test_a_tier_that_changed_makes_a_checkpoint_stale_and_only_one_that_learnt_from_it(own):
    ordinary, alone = tiny("A1", epochs=1), tiny("A1", epochs=1, tiers=(T4,), seed=1)
    for settings in (ordinary, alone):
        fit_fold(own, fold(own), settings)
    assert check_trained(own, "A1", FOLD, None).passed
    mapping = PretrainPlace.beside(own).maestro.contrastive_mapping
    pieces = json.loads(mapping.read_text())
    mapping.write_text(json.dumps({piece: keys for piece, keys in pieces.items() if piece != "piece1"}))
    assert not is_current(plan_fit(own, fold(own), ordinary))
    assert is_current(plan_fit(own, fold(own), alone))
    assert is_current(plan_fit(own, fold(own), replace(alone, l_rank=1.0)))
    assert not is_current(plan_fit(own, fold(own), replace(alone, l_inv=0.5)))
    assert not is_current(plan_fit(own, fold(own), replace(alone, l_rank=0.5)))


class Silent(torch.nn.Module):
    """Says the same of everybody."""

    def __init__(self, says: float) -> None:
        super().__init__()
        self.says = says

    def encode(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x[:, 0]

    def quality(self, z: torch.Tensor) -> torch.Tensor:
        return torch.full((len(z),), self.says)


def test_a_tie_is_half_right_and_no_number_is_refused(t1):
    plan, tiers = planned(t1), Tiers(PretrainPlace.beside(t1))
    right, pairs = order_learnt(Silent(1.0), tiers, plan, "cpu", 4)
    assert right == pairs / 2
    with pytest.raises(SetupError, match=r"planted2020_final_entrant.*the trained model makes nan of it"):
        order_learnt(Silent(float("nan")), tiers, plan, "cpu", 4)


def test_what_turns_out_to_be_a_rated_work_is_told_by_the_check_and_so_is_a_lost_table(own):
    fit_fold(own, fold(own), tiny("A1", epochs=1))
    assert check_learnt_beside(own, "A1", FOLD).passed
    tiers = PretrainPlace.beside(own)
    one = planned(own).recordings("train", T4)[0]
    corpus = corpus_path(tiers.corpus)
    write_atomic(corpus, (canonical_row({"recording_id": one, "role": "held_out"}) + "\n").encode())
    verdict = check_learnt_beside(own, "A1", FOLD)
    assert not verdict.passed
    assert [row["id"] for row in verdict.rows] == [one]
    corpus.unlink()
    assert check_trained(own, "A1", FOLD, None).passed
    files_of(own.root, "A1", fold(own), 0).learnt_from.unlink()
    verdict = check_learnt_beside(own, "A1", FOLD)
    assert [row["fault"] for row in verdict.rows] == [
        "is not what was learnt from: remove the folder, run the asset again"
    ]
    assert not check_trained(own, "A1", FOLD, None).passed


def test_a_tier_that_another_encoder_embedded_is_left_out_and_told_also_in_a_process_that_planned_before(own):
    before = planned(own)
    assert before.recordings("train", T2)
    folder = Lake(own.labels.folder.parent).tier(T2).partition("planted2020").embedding_folder
    named = folder / "encoder.json"
    named.write_text(named.read_text().replace('"planted"', '"another"'))
    after = planned(own)
    assert not after.recordings("train", T2)
    assert after.recordings("train", T3) == before.recordings("train", T3)
    (said,) = [note for note in after.notes if note.startswith("without competition: ")]
    assert "planted2020" in said
    assert "another@1" in said
    assert "the rated clips by another encoder" in said


def test_twins_of_another_encoder_leave_their_tier_out_as_well(own):
    tier = Lake(own.labels.folder.parent).tier(T4)
    (channel,) = tier.partitions("augmented_pairs")
    named = channel.augmented_folder / "encoder.json"
    assert named.exists()
    named.write_text(named.read_text().replace('"planted"', '"another"'))
    plan = planned(own)
    assert not plan.recordings("train", T4)
    assert any(note.startswith("without youtube: ") and "another@1" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiers": ("percepiano",)}, "one of tiers is 'percepiano'; it is one of competition, maestro"),
        ({"l_con": -1.0}, "l_con is -1.0; a weight of the objective is 0 or more"),
        ({"l_inv": float("nan")}, "l_inv is nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(SetupError, match=message):
        tiny("A1", **changes)
