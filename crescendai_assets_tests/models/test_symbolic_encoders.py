"""What every symbolic encoder promises, asked of each."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import pytest
import torch

from crescendai_assets_tests.models.symbolic_examples import (
    FAMILIES,
    LABELS,
    accuracy,
    fit_inputs,
    one_thread,  # noqa: F401 - a fixture
    pairs,
    planted,
    played,
    rows,
    train,
)

pytestmark = pytest.mark.usefixtures("one_thread")

every = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)

SHORT, LONG, OTHER = played(0.3, 1, 11), played(0.8, 2, 30), played(0.5, 3, 17)


def made(family, **changes):
    torch.manual_seed(0)
    return family.make(**changes)


@torch.no_grad()
def judged(model, family, performances, **more):
    return model.eval()(**family.arguments(performances), **more)


@every
def test_a_batch_gives_a_vector_and_scores_in_0_to_1(family):
    out = judged(made(family, hidden_dim=64), family, [SHORT, LONG, OTHER])
    assert out["z_symbolic"].shape == (3, 64)
    assert out["scores"].shape == (3, LABELS)
    assert ((out["scores"] > 0) & (out["scores"] < 1)).all()


@every
def test_a_short_performance_is_the_same_alone_and_beside_a_long_one(family):
    model = made(family)
    alone, beside = judged(model, family, [SHORT]), judged(model, family, [LONG, SHORT, LONG])
    torch.testing.assert_close(beside["z_symbolic"][1], alone["z_symbolic"][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(beside["scores"][1], alone["scores"][0], atol=1e-5, rtol=0)
    assert (beside["scores"][1] - beside["scores"][0]).abs().max() > 1e-3


@every
def test_the_order_of_a_batch_is_the_order_of_what_comes_out(family):
    model = made(family)
    forward = judged(model, family, [SHORT, LONG, OTHER])["z_symbolic"]
    backward = judged(model, family, [OTHER, LONG, SHORT])["z_symbolic"]
    torch.testing.assert_close(forward.flip(0), backward, atol=1e-5, rtol=0)


@every
def test_predicted_scores_are_those_of_forward(family):
    model = made(family).eval()
    with torch.no_grad():
        scores = model.predict_scores(**family.arguments([SHORT, LONG]))
    assert torch.equal(scores, judged(model, family, [SHORT, LONG])["scores"])


@every
def test_predictions_are_without_dropout_and_leave_the_mode(family):
    model = made(family, dropout=0.5).train()
    arguments = family.arguments([SHORT, LONG])
    assert torch.equal(model.predict_scores(**arguments), model.predict_scores(**arguments))
    assert model.training


@every
def test_the_same_seed_trains_the_same_model(family):
    performances, labels = planted(8, 5)
    trained = []
    for _ in range(2):
        model = made(family, stage="pretrain")
        train(model, lambda: family.pretrain(performances), steps=2)
        model.switch_to_finetune()
        train(model, lambda: pairs(family, performances, labels), steps=2)
        trained.append(judged(model, family, performances)["scores"])
    assert torch.equal(*trained)


@every
def test_weights_saved_and_loaded_give_equal_scores(family):
    model, other = made(family, conditions_dim=4), family.make(conditions_dim=4)
    model.fit_conditions(torch.randn(20, 4) * 3 + 7)
    more = {"conditions": torch.randn(2, 4)}
    expected = judged(model, family, [SHORT, LONG], **more)["scores"]
    assert not torch.equal(judged(other, family, [SHORT, LONG], **more)["scores"], expected)
    other.load_state_dict(model.state_dict())
    assert torch.equal(judged(other, family, [SHORT, LONG], **more)["scores"], expected)


@every
def test_pairs_and_rows_both_give_a_loss_that_reaches_the_encoder(family):
    performances, labels = planted(8, 5)
    for batch in (pairs, rows):
        model = made(family, stage="finetune")
        loss = model.training_step(batch(family, performances, labels), 0)
        assert loss.ndim == 0
        assert loss > 0
        loss.backward()
        reached = [name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert any(name.startswith("pool") for name in reached)
        assert any(name.startswith(("transformer", "blocks")) for name in reached)


@every
def test_a_batch_without_its_labels_says_what_is_missing(family):
    performances, _ = planted(8, 5)
    with pytest.raises(ValueError, match="needs"):
        made(family, stage="finetune").training_step(family.pretrain(performances) | {"labels_a": None}, 0)
    with pytest.raises(ValueError, match="a batch of pretrain needs"):
        made(family, stage="pretrain").training_step({}, 0)


@every
def test_missing_labels_neither_hurt_nor_count(family):
    performances, labels = planted(8, 5)
    model = made(family, stage="finetune").eval()
    unknown = labels.clone()
    unknown[:, 2] = torch.nan
    loss = model.training_step(rows(family, performances, unknown), 0)
    changed = labels.clone()
    changed[:, 2] = torch.nan
    changed[0, 0] = 1 - changed[0, 0]
    assert loss.isfinite()
    assert loss != model.training_step(rows(family, performances, changed), 0)


@every
def test_conditions_change_scores_and_unknown_ones_are_the_mean(family):
    model = made(family, conditions_dim=3)
    model.fit_conditions(torch.tensor([[1.0, 10.0, 5.0], [3.0, 30.0, 5.0], [torch.nan, 20.0, 5.0]]))
    known = judged(model, family, [SHORT], conditions=torch.tensor([[3.0, 10.0, 5.0]]))["z_symbolic"]
    mean = judged(model, family, [SHORT], conditions=torch.tensor([[2.0, 20.0, 5.0]]))["z_symbolic"]
    unknown = judged(model, family, [SHORT], conditions=torch.full((1, 3), torch.nan))["z_symbolic"]
    without = judged(model, family, [SHORT])["z_symbolic"]
    assert (known - mean).abs().max() > 1e-3
    torch.testing.assert_close(unknown, mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(without, mean, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="takes no conditions"):
        judged(made(family), family, [SHORT], conditions=torch.zeros(1, 3))


@every
def test_a_score_beside_the_performance_counts(family):
    performances, labels = planted(8, 5)
    model = made(family, use_score=True, stage="finetune")
    one, two = (judged(model, family, [SHORT], score=family.arguments([score])) for score in (LONG, OTHER))
    assert (one["z_symbolic"] - two["z_symbolic"]).abs().max() > 1e-3
    batch = rows(family, performances, labels)
    scored = batch | {f"score_{name}": value for name, value in family.fields(performances[::-1]).items()}
    model.eval()
    assert model.training_step(batch, 0) != model.training_step(scored, 0)
    with pytest.raises(ValueError, match="takes no score"):
        judged(made(family), family, [SHORT], score=family.arguments([LONG]))


@every
def test_finetuning_begins_from_the_mean_rating(family):
    model = made(family)
    model.start_at(torch.tensor([[0.2, 0.8, torch.nan], [0.4, 0.6, torch.nan]]))
    with torch.no_grad():
        model.head.out[-1].weight.zero_()
    scores = judged(model, family, [SHORT])["scores"]
    torch.testing.assert_close(scores, torch.tensor([[0.3, 0.7, 0.5]]))


@every
def test_pretraining_gets_better_at_what_it_guesses(family):
    performances, _ = planted(16, 3)
    model = made(family, stage="pretrain")
    fit_inputs(model, family, performances)
    losses = train(model, lambda: family.pretrain(performances), steps=50)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@every
def test_a_planted_signal_is_learnt_and_labels_by_lot_are_not(family):
    (performances, labels), (others, wanted) = planted(64, 1), planted(48, 2)
    model = made(family, stage="finetune", dropout=0.0)
    generator = torch.Generator().manual_seed(0)

    def batch():
        chosen = torch.randperm(64, generator=generator)[:16]
        return rows(family, [performances[place] for place in chosen], labels[chosen])

    train(model, batch, steps=40)
    scores = judged(model, family, others)["scores"]
    assert accuracy(scores[:, 0], wanted[:, 0]) > 0.8
    by_lot = [accuracy(scores[:, column], wanted[:, column]) for column in (1, 2)]
    assert 0.4 < sum(by_lot) / 2 < 0.6


@every
def test_an_unknown_stage_or_argument_is_refused(family):
    with pytest.raises(ValueError, match="stage must be one of pretrain, finetune"):
        family.make(stage="finetuning")
    with pytest.raises(TypeError, match="no argument 'conditions_dims'"):
        family.make(conditions_dims=3)
