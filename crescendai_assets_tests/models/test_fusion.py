"""Fusion: what goes in and comes out, what stays frozen, what gates mean, and that it can use both sides."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import pytest
import torch
from torch import nn

from crescendai_assets.models.fusion import ConcatFusion, CrossAttentionFusion, FusedPerformanceModel, GatedFusion
from crescendai_assets_tests.models.symbolic_examples import (
    TOKENIZER,
    accuracy,
    one_thread,  # noqa: F401 - a fixture
    planted,
    token_fields,
    transformer,
)

pytestmark = pytest.mark.usefixtures("one_thread")

TYPES = ("cross_attention", "concat", "gated")
AUDIO, SYMBOLIC, DIMS = 12, 20, 3

every = pytest.mark.parametrize("fusion_type", TYPES)


def fused(fusion_type="concat", **changes):
    torch.manual_seed(0)
    sizes = {"num_labels": DIMS, "audio_dim": AUDIO, "symbolic_dim": SYMBOLIC, "fused_dim": 24}
    return FusedPerformanceModel(**{**sizes, "fusion_type": fusion_type, **changes})


def vectors(count=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, AUDIO, generator=generator), torch.randn(count, SYMBOLIC, generator=generator)


@pytest.mark.parametrize("kind", [CrossAttentionFusion, ConcatFusion, GatedFusion])
def test_two_vectors_become_one(kind):
    fusion = kind(audio_dim=AUDIO, symbolic_dim=SYMBOLIC, fused_dim=24).eval()
    audio, symbolic = vectors()
    out = fusion(audio, symbolic)
    assert out.shape == (6, 24)
    torch.testing.assert_close(fusion(audio[2:3], symbolic[2:3]), out[2:3], atol=1e-5, rtol=0)
    for changed in (fusion(audio.flip(0), symbolic), fusion(audio, symbolic.flip(0))):
        assert (changed - out).abs().max() > 1e-3


@every
def test_both_vectors_give_scores_in_0_to_1(fusion_type):
    model = fused(fusion_type)
    out = model(*vectors())
    assert out["scores"].shape == (6, DIMS)
    assert out["z_fused"].shape == (6, 24)
    assert ((out["scores"] > 0) & (out["scores"] < 1)).all()
    assert torch.equal(model.predict_scores(*vectors()), model.eval()(*vectors())["scores"])


@every
def test_a_score_comes_in_with_conditioning_only(fusion_type):
    audio, played = vectors()
    _, score = vectors(seed=1)
    model = fused(fusion_type, use_score_conditioning=True).eval()
    named = model(z_audio=audio, z_performance_midi=played, z_score_midi=score)["scores"]
    assert torch.equal(model(audio, played, score)["scores"], named)
    assert (model(audio, played, score.flip(0))["scores"] - named).abs().max() > 1e-4
    with pytest.raises(ValueError, match="needs z_score_midi"):
        model(audio, played)
    with pytest.raises(ValueError, match="takes no z_score_midi"):
        fused(fusion_type)(audio, played, score)
    with pytest.raises(ValueError, match="give the performance's vector once"):
        fused(fusion_type)(audio)


def test_gates_are_shares_by_dimension_and_half_to_begin_with():
    fusion = GatedFusion(AUDIO, SYMBOLIC, 24, num_dims=DIMS)
    gates = fusion.get_gates(*vectors())
    assert gates.shape == (6, DIMS)
    assert torch.equal(gates, torch.full_like(gates, 0.5))
    nn.init.normal_(fusion.gates.weight)
    moved = fusion.get_gates(*vectors())
    assert ((moved > 0) & (moved < 1)).all()
    assert moved.std() > 0.05
    with pytest.raises(ValueError, match="5 dimensions need as many"):
        GatedFusion(AUDIO, SYMBOLIC, 4, num_dims=5)


def test_a_gate_that_is_shut_lets_no_audio_into_its_dimension_alone():
    model = fused("gated").eval()
    with torch.no_grad():
        model.fusion.gates.bias.copy_(torch.tensor([-1e4, 0.0, 1e4]))
    audio, symbolic = vectors()
    scores = model.predict_scores(audio, symbolic)
    other_audio = model.predict_scores(audio.flip(0), symbolic) - scores
    other_symbolic = model.predict_scores(audio, symbolic.flip(0)) - scores
    heard, read = other_audio.abs().amax(0), other_symbolic.abs().amax(0)
    assert [float(heard[0]), float(read[2])] == [0.0, 0.0]
    assert min(float(heard[1]), float(heard[2]), float(read[0]), float(read[1])) > 1e-3


class Listener(nn.Module):
    """An audio encoder with all that must not move: dropout, running means, weights."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, AUDIO), nn.BatchNorm1d(AUDIO), nn.Dropout(0.5))

    def encode(self, x):
        return self.layers(x)


def with_encoders(**changes):
    torch.manual_seed(0)
    return fused(audio_encoder=Listener(), symbolic_encoder=transformer(hidden_dim=SYMBOLIC), **changes)


def encoded(model, performances):
    fields = token_fields(performances)
    x = torch.randn(len(performances), 5, generator=torch.Generator().manual_seed(0))
    return {
        "z_audio": model.encode_audio(x),
        "z_symbolic": model.encode_symbolic(fields["input_ids"], fields["mask"]),
    }


def test_frozen_encoders_never_move():
    performances, labels = planted(8, 5)
    model = with_encoders()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (optimizer,) = [model.configure_optimizers()["optimizer"]]
    for step in range(3):
        model.train()
        assert not model.audio_encoder.training
        assert not model.symbolic_encoder.transformer.training
        assert model.fusion.training
        optimizer.zero_grad()
        model.training_step({**encoded(model, performances), "labels": labels}, step).backward()
        optimizer.step()
    frozen = [name for name in before if name.startswith(("audio_encoder", "symbolic_encoder"))]
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in frozen)
    assert any(not torch.equal(after[name], before[name]) for name in after.keys() - set(frozen))
    assert all(p.grad is None for p in model.audio_encoder.parameters())
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert not held & {id(p) for p in model.symbolic_encoder.parameters()}
    assert torch.equal(encoded(model, performances)["z_audio"], encoded(model, performances)["z_audio"])


def test_encoders_that_are_not_frozen_learn():
    performances, labels = planted(8, 5)
    model = with_encoders(freeze_encoders=False).train()
    assert model.audio_encoder.training
    model.training_step({**encoded(model, performances), "labels": labels}, 0).backward()
    assert model.audio_encoder.layers[0].weight.grad.abs().sum() > 0
    assert model.symbolic_encoder.embedding.weight.grad.abs().sum() > 0


def test_an_encoder_that_is_not_there_is_asked_for_in_words():
    with pytest.raises(ValueError, match="made without its audio encoder"):
        fused().encode_audio(torch.zeros(1, 5))


def test_another_way_to_join_is_refused():
    with pytest.raises(ValueError, match="cross_attention, concat or gated, not 'mean'"):
        fused("mean")


@every
def test_weights_saved_and_loaded_give_equal_scores(fusion_type):
    model = fused(fusion_type)
    torch.manual_seed(9)
    other = FusedPerformanceModel(**model.hparams)
    assert not torch.equal(other.predict_scores(*vectors()), model.predict_scores(*vectors()))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.predict_scores(*vectors()), model.predict_scores(*vectors()))


def planted_vectors(count, seed):
    """Labels of which the first is heard, the second is read and the third is by lot."""
    labels = torch.rand(count, DIMS, generator=torch.Generator().manual_seed(seed)) * 0.8 + 0.1
    audio, symbolic = vectors(count, seed + 100)
    audio[:, :2] = 6 * labels[:, :1] - 3
    symbolic[:, :2] = 6 * labels[:, 1:2] - 3
    return {"z_audio": audio, "z_symbolic": symbolic, "labels": labels, "piece_ids": torch.zeros(count)}


@every
def test_what_each_side_alone_knows_is_learnt_and_labels_by_lot_are_not(fusion_type):
    model = fused(fusion_type).train()
    batch, other = planted_vectors(256, 0), planted_vectors(64, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    for step in range(60):
        optimizer.zero_grad()
        loss = model.training_step(batch, step)
        loss.backward()
        optimizer.step()
    scores = model.predict_scores(other["z_audio"], other["z_symbolic"])
    found = [accuracy(scores[:, column], other["labels"][:, column]) for column in range(DIMS)]
    assert found[0] > 0.8
    assert found[1] > 0.8
    assert 0.4 < found[2] < 0.6


def test_tokens_of_another_model_fit_in():
    model = with_encoders()
    with torch.no_grad():
        out = model(**encoded(model.eval(), planted(8, 5)[0]))
    assert out["scores"].shape == (8, DIMS)
    assert TOKENIZER.vocab_size == model.symbolic_encoder.embedding.num_embeddings
