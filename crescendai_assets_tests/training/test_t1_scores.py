"""A score is heard beside its performances where there is one, once a batch, and a clip without one goes on."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.checkpoints import files_of
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.registry import Dims, make_inputs, representation, scores_of, spec_of
from crescendai_assets.training.t1_data import as_written, load_rows, load_t1
from crescendai_assets.training.t1_plan import Kind, T1Place, plan_t1, with_scores
from crescendai_assets.training.task import is_current, plan_fit
from crescendai_assets.training.trained import as_batches, load_module, predicted, score_vectors_of, vectors_of
from crescendai_assets_tests.training.rated_lake import fold, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS: dict[str, Kind] = {"S1": "tokens", "S2": "score_graphs", "S2h": "hetero_graphs", "S3": "features"}


@pytest.fixture
def partly(place: T1Place, tmp_path) -> T1Place:
    """The rated set without the score of its first passage."""
    assert place.scores is not None
    shutil.copytree(place.scores, tmp_path / "score_midi")
    without = sorted(plan_t1(place, "hand", hand=True).scores.values())[0]
    (tmp_path / "score_midi" / without.name).unlink()
    return replace(place, scores=tmp_path / "score_midi")


def opened(place: T1Place, model: str, **changes):
    """Batches of a model, the model with random weights, and its plan."""
    settings = tiny(model, **changes)
    plan = plan_t1(place, KINDS[model], hand=True, score=settings.use_score)
    data = load_t1(place, plan)
    batches, dims = as_batches(data, make_inputs(data, settings))
    torch.manual_seed(0)
    return batches, spec_of(model).make(settings, dims).eval(), plan, dims


@pytest.mark.parametrize("model", KINDS)
def test_each_clip_hears_its_own_score_whoever_shares_the_batch(model, partly):
    batches, module, plan, dims = opened(partly, model)
    assert dims.scores == 1
    without = [row for row, key in enumerate(plan.keys) if key not in plan.scores]
    assert 0 < len(without) < len(plan.keys)
    torch.nn.init.normal_(module.head.without_score)
    mixed = [without[0], *(row for row in range(0, 75, 9) if row not in without)]
    batch = batches[mixed]
    assert batch["score_of_row"][0] == -1
    with torch.no_grad():
        together = scores_of(module, batch)
        alone = torch.cat([scores_of(module, batches[[row]]) for row in mixed])
        torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
        exchanged = {**batch, "score_of_row": torch.full_like(batch["score_of_row"], batch["score_of_row"].max())}
        assert (scores_of(module, exchanged)[0] - together[0]).abs().max() > 1e-4, "it was told that it has one"
        last = int(batch["score_of_row"].max())
        moved = [n for n in range(1, len(mixed)) if batch["score_of_row"][n] != last]
        assert (scores_of(module, exchanged)[moved] - together[moved]).abs().amax(1).min() > 1e-5
        assert representation(module, batch).shape == (len(mixed), module.hidden_dim)


def test_a_score_stands_in_a_batch_once(place):
    batches, _, plan, _ = opened(place, "S1")
    rows = list(range(len(plan.keys)))
    batch = batches[rows]
    assert len(batch["score_input_ids"]) == len(set(plan.scores.values())) < len(rows)
    other = {name: value for name, value in batches[[0]].items() if name.startswith("score_")}
    assert len(other["score_input_ids"]) == 1


def test_without_any_score_a_model_is_made_that_hears_none(place):
    batches, module, plan, dims = opened(replace(place, scores=None), "S1")
    assert (dims.scores, plan.score, module.head.from_score) == (0, "", None)
    assert not [name for name in batches[[0, 1]] if name.startswith("score_")]
    assert opened(place, "S1", use_score=False)[3].scores == 0


def test_an_unreadable_score_is_as_good_as_none(partly):
    assert partly.scores is not None
    sorted(partly.scores.iterdir())[0].write_bytes(b"no MIDI")
    batches, module, plan, _ = opened(partly, "S1")
    whole = batches[list(range(len(plan.keys)))]["score_of_row"]
    unreadable = sum(path == sorted(partly.scores.iterdir())[0] for path in plan.scores.values())
    assert int((whole == -1).sum()) == len(plan.keys) - len(plan.scores) + unreadable
    assert scores_of(module, batches[[0, 40]]).isfinite().all()


def test_what_a_checkpoint_says_depends_on_the_scores_and_on_whether_they_are_heard(partly):
    assert partly.scores is not None
    first = fit_fold(partly, fold(partly), tiny("S1", hand_features=False))
    assert first.dims["scores"] == 1
    assert any("have no score" in note for note in first.notes)
    assert is_current(plan_fit(partly, fold(partly), tiny("S1", hand_features=False)))
    assert not is_current(plan_fit(partly, fold(partly), tiny("S1", hand_features=False, use_score=False)))
    scores = sorted(partly.scores.iterdir())
    scores[0].write_bytes(scores[1].read_bytes())
    assert not is_current(plan_fit(partly, fold(partly), tiny("S1", hand_features=False)))
    deaf = fit_fold(partly, fold(partly), tiny("S1", hand_features=False, use_score=False))
    assert deaf.dims["scores"] == 0


SLOW = [pytest.param(model, marks=pytest.mark.slow) for model in ("S1", "S2h", "S3")]


@pytest.mark.parametrize("model", ["S2", *SLOW])
def test_a_checkpoint_that_heard_scores_says_the_same_when_it_is_opened_again(model, partly):
    settings = tiny(model)
    fit_fold(partly, fold(partly), settings)
    files = files_of(partly.root, model, fold(partly), 0)
    data = load_t1(partly, plan_fit(partly, fold(partly), settings).plan)
    batches, _ = as_batches(data, make_inputs(data, settings))
    module, rows = load_module(files, settings), [data.keys.index(row["segment_id"]) for row in read_rows(files.scores)]
    expected = np.array([row["scores"] for row in read_rows(files.scores)])
    assert predicted(module, batches, rows, 5) == pytest.approx(expected, abs=1e-4)
    with torch.no_grad():
        deaf = {name: value for name, value in batches[rows].items() if not name.startswith("score_")}
        assert scores_of(module, deaf).isfinite().all(), "a performance that comes without its score is judged too"


@pytest.mark.parametrize("symbolic", ["S2", pytest.param("S2h", marks=pytest.mark.slow)])
def test_a_fusion_takes_the_score_as_a_third_vector(symbolic, partly):
    for model in ("A0", symbolic):
        fit_fold(partly, fold(partly), tiny(model))
    settings = tiny("F2", fused=("A0", symbolic))
    report = fit_fold(partly, fold(partly), settings)
    assert report.dims["scores"] == 1
    task = plan_fit(partly, fold(partly), settings)
    assert load_module(task.files, settings).use_score_conditioning
    part = task.parts[1]
    found = score_vectors_of(part.files, part.place, part.plan, part.settings, task.plan)
    assert found is not None
    known = [key in task.plan.scores for key in task.plan.keys]
    assert (~found[:, 0].isnan()).tolist() == known
    by_score: dict[str, torch.Tensor] = {}
    for key, row in zip(task.plan.keys, found, strict=True):
        if key in task.plan.scores:
            assert torch.equal(by_score.setdefault(task.plan.scores[key].name, row), row)
    played = vectors_of(part.files, part.place, part.plan, part.settings, task.plan.keys)
    assert (played[known] - found[known]).abs().max() > 1e-3
    assert fit_fold(partly, fold(partly), replace(settings, use_score=False)).dims["scores"] == 0
    assert fit_fold(replace(partly, scores=None), fold(partly), tiny(symbolic)).dims["scores"] == 0


def test_a_score_as_a_performance_deviates_from_itself_in_nothing(place):
    plan = plan_t1(place, "features", hand=True, score=True)
    data, row_of = as_written(load_rows(place, plan), plan, with_scores(place, plan, "features"))
    assert data.hand is not None
    assert len(data.rows) == len(set(plan.scores.values()))
    assert set(row_of) == set(plan.scores)
    own, over = data.hand[:, :81], data.hand[:, 81:]
    assert (abs(own).sum(1) > 0).all()
    assert not over[over == over].any()
    assert Dims(19, scores=1).plain["scores"] == 1
