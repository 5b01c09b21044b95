"""What each encoder has of its own: masks and lengths, codes, links, sizes; and training by Lightning."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import warnings
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from crescendai_assets.models import losses
from crescendai_assets.models.heads import Standardise
from crescendai_assets.models.symbolic import (
    ContinuousSymbolicEncoder,
    GNNSymbolicEncoder,
    HeteroGNNSymbolicEncoder,
    TransformerSymbolicEncoder,
)
from crescendai_assets.models.symbolic_codebook import GumbelCodebook, contrastive_loss
from crescendai_assets.models.symbolic_layers import StatisticsPool
from crescendai_assets.models.symbolic_links import not_asked
from crescendai_assets.symbolic.edges import EDGE_TYPES
from crescendai_assets_tests.models.symbolic_examples import (
    FAMILIES,
    TOKENIZER,
    continuous,
    curve_fields,
    gnn,
    hetero,
    links,
    masked_curves,
    masked_tokens,
    note_fields,
    one_thread,  # noqa: F401 - a fixture
    pairs,
    planted,
    played,
    rows,
    transformer,
    typed_fields,
    typed_links,
)

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT, LONG, OTHER = played(0.3, 1, 11), played(0.8, 2, 30), played(0.5, 3, 17)


def test_what_padding_holds_is_nothing_to_tokens():
    model = transformer().eval()
    ids, mask = torch.tensor([[5, 6, 7, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]])
    other = torch.tensor([[5, 6, 7, 9, 9]])
    assert torch.equal(model(ids, mask)["scores"], model(other, mask)["scores"])
    torch.testing.assert_close(model(ids[:, :3])["scores"], model(ids, mask)["scores"], atol=1e-5, rtol=0)


def test_what_padding_holds_is_nothing_to_curves():
    model = continuous().eval()
    x = torch.rand(1, 23, 5)
    mask = torch.arange(23)[None] < 17
    other = x.clone()
    other[:, 17:] = 9.0
    assert torch.equal(model(x, mask)["scores"], model(other, mask)["scores"])
    torch.testing.assert_close(model(x[:, :17])["scores"], model(x, mask)["scores"], atol=1e-5, rtol=0)


def test_nothing_but_padding_is_no_nan():
    with torch.no_grad():
        for out in (
            transformer().eval()(torch.zeros(2, 4, dtype=torch.long), torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])),
            continuous().eval()(torch.rand(2, 9, 5), torch.tensor([[True] * 9, [False] * 9])),
        ):
            assert out["scores"].isfinite().all()


def test_the_order_of_tokens_matters():
    model = transformer().eval()
    forward, backward = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[8, 7, 6, 5]])
    assert (model(forward)["z_symbolic"] - model(backward)["z_symbolic"]).abs().max() > 1e-3


def test_what_is_too_long_is_cut_with_a_warning():
    tokens, curves = transformer(max_seq_len=8).eval(), continuous(max_frames=12).eval()
    ids, x = torch.randint(0, TOKENIZER.vocab_size, (1, 11)), torch.rand(1, 16, 5)
    with pytest.warns(UserWarning, match="cut at max_seq_len=8"):
        cut = tokens(ids)["scores"]
    assert torch.equal(cut, tokens(ids[:, :8])["scores"])
    with pytest.warns(UserWarning, match="cut at max_frames=12"):
        cut = curves(x)["scores"]
    assert torch.equal(cut, curves(x[:, :12])["scores"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokens(ids, torch.arange(11)[None] < 8)  # what is beyond is padding


def test_masked_tokens_alone_make_the_loss_of_pretraining():
    torch.manual_seed(0)
    model, batch = transformer(dropout=0.0), masked_tokens([SHORT, LONG])
    loss = model.training_step(batch, 0)
    elsewhere = batch["labels"] == -100
    model.eval()
    assert loss == model.training_step(batch, 0)
    other = batch | {"labels": torch.where(elsewhere, -100, (batch["labels"] + 1) % TOKENIZER.vocab_size)}
    assert loss != model.training_step(other, 0)
    none = model.training_step(batch | {"labels": torch.full_like(batch["labels"], -100)}, 0)
    none.backward()
    assert none == 0


@pytest.mark.parametrize("as_pairs", [True, False])
def test_the_objective_of_ratings_is_the_sum_of_the_losses_it_names(as_pairs):
    performances, labels = planted(8, 5)
    model = gnn(stage="finetune", dropout=0.0, l_rank=0.5, l_squared=7.0)
    weights = torch.tensor([1.0, 2.0, 1.0, 0.5, 3.0, 1.0, 2.0, 1.0])
    logits = model(**FAMILIES[1].arguments(performances))["logits"]
    scores, by_piece = logits.sigmoid(), model.pairs.log_scale.exp() * logits
    if as_pairs:
        batch = pairs(FAMILIES[1], performances, labels) | {"weights_a": weights[:4], "weights_b": weights[4:]}
        of_pairs = (weights[:4] * weights[4:]).sqrt()
        apart = by_piece[:4] - by_piece[4:]
        ranking = losses.pairwise_ranking_loss(apart, labels[:4], labels[4:], weights=of_pairs)
    else:
        batch = rows(FAMILIES[1], performances, labels) | {"weights": weights}
        ranking = losses.group_ranking_loss(by_piece, labels, torch.zeros(8), weights=weights)
    regression = losses.regression_loss(scores, labels, weights=weights)
    expected = regression + 7 * losses.mse_loss(scores, labels, weights=weights) + 0.5 * ranking
    torch.testing.assert_close(model.training_step(batch, 0), expected)


def test_a_guess_before_training_is_a_guess_among_all_tokens():
    torch.manual_seed(0)
    loss = transformer(d_model=64).training_step(masked_tokens([SHORT, LONG, OTHER]), 0)
    assert abs(float(loss.detach()) - torch.tensor(float(TOKENIZER.vocab_size)).log()) < 1.0


def test_order_of_notes_is_nothing_to_a_graph():
    model, fields = gnn().eval(), note_fields([SHORT, LONG])
    order = torch.randperm(len(fields["x"]), generator=torch.Generator().manual_seed(0))
    place = torch.argsort(order)
    moved = model(fields["x"][order], place[fields["edge_index"]], fields["batch"][order], fields["edge_type"])
    expected = model(fields["x"], fields["edge_index"], fields["batch"], fields["edge_type"])
    torch.testing.assert_close(moved["z_symbolic"], expected["z_symbolic"], atol=1e-5, rtol=0)


def test_a_graph_without_batch_edges_or_types_is_judged_too():
    model, fields = gnn().eval(), note_fields([SHORT])
    typed = model(fields["x"], fields["edge_index"], fields["batch"], fields["edge_type"])["scores"]
    untyped = model(fields["x"], fields["edge_index"])["scores"]
    alone = model(fields["x"], fields["edge_index"][:, :0])["scores"]
    assert typed.shape == untyped.shape == alone.shape
    assert (typed - untyped).abs().max() > 1e-4
    assert (alone - untyped).abs().max() > 1e-4


def test_a_type_of_edge_has_weights_of_its_own():
    model, fields = hetero().eval(), typed_fields([LONG])
    edges = {kind[1]: pairs for kind, pairs in fields["edge_index_dict"].items()}
    assert set(edges) == set(EDGE_TYPES)
    named = model(fields["x_dict"]["note"], edges)["scores"]
    assert torch.equal(named, model(fields["x_dict"], fields["edge_index_dict"], fields["batch"])["scores"])
    exchanged = edges | {"consecutive": edges["silence"], "silence": edges["consecutive"]}
    assert (model(fields["x_dict"], exchanged)["scores"] - named).abs().max() > 1e-4
    with pytest.raises(ValueError, match="edges of type 'onsets'"):
        model(fields["x_dict"], {"onsets": edges["onset"]})


def test_edges_asked_about_are_not_shown():
    edges, asked = torch.tensor([[0, 1, 2, 3, 1], [1, 2, 3, 0, 0]]), torch.tensor([[1, 3], [2, 2]])
    assert not_asked(edges, asked, 4).tolist() == [True, False, False, True, True]
    torch.manual_seed(0)
    model, batch = gnn(dropout=0.0), links([LONG, OTHER])
    without = {**batch}
    shown = not_asked(batch["edge_index"], batch["pos_edges"], len(batch["x"]))
    without["edge_index"], without["edge_type"] = batch["edge_index"][:, shown], batch["edge_type"][shown]
    assert 0 < shown.sum() < len(shown)
    assert model.training_step(batch, 0) == model.training_step(without, 0)


def test_links_may_be_asked_by_type_or_all_together():
    torch.manual_seed(0)
    model, batch = hetero(), typed_links([LONG, OTHER])
    assert model.training_step(batch, 0) > 0
    edges = batch["edge_index_dict"]["note", "consecutive", "note"]
    assert model.training_step({**batch, "pos_edges": edges, "neg_edges": edges.flip(0)}, 0) > 0
    assert model.training_step({**batch, "pos_edges": {}, "neg_edges": {}}, 0) == 0


def test_a_codebook_chooses_one_entry_of_each_group():
    torch.manual_seed(0)
    book = GumbelCodebook(8, groups=2, entries=4, code_dim=6)
    x = torch.randn(50, 8)
    for training in (True, False):
        targets, unused = book.train(training)(x)
        for group in range(2):
            found = targets[:, 3 * group : 3 * group + 3].unsqueeze(1)
            assert torch.isclose(found, book.codes[group], atol=1e-5).all(-1).any(1).all()
        assert 0 <= unused < 1
    assert torch.equal(book(x)[0], book(x)[0])
    book.train()(x)[0].sum().backward()
    assert book.choose.weight.grad is not None
    assert book.choose.weight.grad.abs().sum() > 0


def test_the_right_code_costs_least_and_a_lone_frame_nothing():
    torch.manual_seed(0)
    targets, item = torch.randn(40, 8), torch.arange(4).repeat_interleave(10)
    right = contrastive_loss(targets, targets, item)
    wrong = contrastive_loss(targets.roll(1, dims=0), targets, item)
    assert right < 0.2 < 3 < wrong
    assert contrastive_loss(targets[:3], targets[:3], torch.tensor([0, 1, 2])) == 0


def test_distractors_come_from_the_same_performance():
    torch.manual_seed(0)
    context, targets = torch.randn(20, 8), torch.randn(20, 8)
    item = torch.arange(2).repeat_interleave(10)
    together = contrastive_loss(context, targets, item, distractors=2000)
    apart = [contrastive_loss(context[i : i + 10], targets[i : i + 10], item[:10], distractors=2000) for i in (0, 10)]
    assert abs(together - sum(apart) / 2) < 0.05


def test_curves_without_a_masked_frame_are_no_loss():
    batch = masked_curves([SHORT, LONG])
    loss = continuous().training_step(batch | {"masked_positions": torch.zeros_like(batch["mask"])}, 0)
    loss.backward()
    assert loss == 0


def test_the_context_is_made_of_masked_features():
    torch.manual_seed(0)
    model = continuous(dropout=0.0).eval()
    batch = masked_curves([SHORT, LONG])
    torch.manual_seed(1)
    loss = model.training_step(batch, 0)
    torch.manual_seed(1)
    whole = model.training_step(batch | {"masked_features": batch["features"]}, 0)
    assert loss != whole


def test_scaling_is_learnt_once_and_stored():
    scale = Standardise(3)
    x = torch.tensor([[1.0, 5.0, torch.nan], [3.0, 5.0, 2.0]])
    assert torch.equal(scale(torch.tensor([[2.0, -1.0, 0.5]])), torch.tensor([[2.0, -1.0, 0.5]]))
    scale.fit(x)
    assert torch.equal(scale(x), torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert float(scale(torch.tensor([[1e6, 5.0, 2.0]])).max()) == 4.0
    with pytest.raises(ValueError, match=r"\(N, 3\) is wanted"):
        scale.fit(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="infinite"):
        scale.fit(torch.full((2, 3), torch.inf))


def test_pooling_tells_mean_and_spread_apart():
    torch.manual_seed(0)
    pool = StatisticsPool(4, 6, heads=2)
    calm, wild = torch.zeros(8, 4), torch.cat([torch.ones(4, 4), -torch.ones(4, 4)])
    both = pool(torch.cat([calm, wild]), torch.arange(2).repeat_interleave(8), 2)
    assert (both[0] - both[1]).abs().max() > 0.05
    assert torch.equal(both[0], pool(calm, torch.zeros(8, dtype=torch.long), 1)[0])


def test_small_encoders_are_small_and_full_ones_as_asked():
    small = (
        TransformerSymbolicEncoder.small(TOKENIZER.vocab_size),
        GNNSymbolicEncoder.small(),
        HeteroGNNSymbolicEncoder.small(),
        ContinuousSymbolicEncoder.small(),
    )
    assert all(sum(p.numel() for p in model.parameters()) < 2.5e6 for model in small)
    assert [model.hidden_dim for model in small] == [128] * 4
    assert GNNSymbolicEncoder.small(hidden_dim=64, stage="finetune").hidden_dim == 64
    full = GNNSymbolicEncoder()
    assert (full.hidden_dim, full.num_labels, len(full.blocks)) == (512, 19, 4)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_lightning_trains_logs_and_loads_again(family, tmp_path):
    performances, labels = planted(8, 5)
    torch.manual_seed(0)
    model = family.make(stage="finetune", conditions_dim=2, learning_rate=1e-2, warmup_steps=2)
    more = {f"conditions{side}": torch.randn(4, 2) for side in ("_a", "_b")}
    loader: DataLoader[Any] = DataLoader([pairs(family, performances, labels) | more] * 3, batch_size=None)  # type: ignore[arg-type]
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, loader, loader)
    figures = trainer.callback_metrics
    assert {"train_loss", "val_loss", "val_regression", "val_ranking", "val_pair_accuracy"} <= figures.keys()
    assert trainer.optimizers[0].param_groups[0]["lr"] < 1e-3  # down the cosine
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    loaded = type(model).load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert (loaded.stage, loaded.options) == (model.stage, model.options)
    arguments = family.arguments([SHORT, LONG])
    conditions = torch.ones(2, 2)
    expected = model.predict_scores(**arguments, conditions=conditions)
    assert torch.equal(loaded.predict_scores(**arguments, conditions=conditions), expected)


def test_three_frames_are_enough():
    fields = curve_fields([SHORT])
    model = continuous().eval()
    assert model(fields["features"][:, :3], fields["mask"][:, :3])["scores"].isfinite().all()
