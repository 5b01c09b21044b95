"""Adapters go where they are meant to and nowhere else; checkpoints hold them and not the backbone."""

# ruff: noqa: TID253 - nothing starts up faster for a test that imports torch later

from __future__ import annotations

import pytest
import torch

from crescendai_assets.embeddings.identity import LAYERS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.models.lora import (
    apply_lora_to_muq,
    chosen_layers,
    count_trainable_params,
    create_mock_encoder,
    load_trainable_state,
    trainable_state,
)
from crescendai_assets.sample.encoder import build_encoder


def adapted(model):
    return sorted({name.split(".lora_")[0] for name, one in model.named_parameters() if one.requires_grad})


def test_adapters_change_neither_shape_nor_output_at_first_and_only_they_are_trained():
    model = create_mock_encoder(hidden_size=32, num_layers=4)
    x = torch.randn(2, 7, 32)
    before, everything = model(x), count_trainable_params(model)
    assert apply_lora_to_muq(model, rank=4) is model
    assert torch.allclose(model(x), before)
    assert model(x).shape == (2, 7, 32)
    assert count_trainable_params(model) == 4 * 2 * 4 * (32 + 32) < everything
    assert all("lora_" in name for name, one in model.named_parameters() if one.requires_grad)


def test_training_moves_adapters_and_nothing_else():
    model = apply_lora_to_muq(create_mock_encoder(16, 2), rank=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=0.1)
    for _ in range(2):  # the first step moves only B, which starts at zero
        model(torch.randn(2, 5, 16)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if "lora_" in name}


def test_layers_count_from_one():
    assert adapted(apply_lora_to_muq(create_mock_encoder(16, 4), 2, target_layers=(1, 3))) == [
        f"layers.{place}.self_attn.linear_{one}" for place in (0, 2) for one in "qv"
    ]


@pytest.mark.parametrize(
    ("depth", "wanted", "chosen"),
    [(12, LAYERS, (9, 10, 11, 12)), (6, LAYERS, (3, 4, 5, 6)), (2, LAYERS, (1, 2)), (6, (2,), (2,))],
)
def test_a_smaller_model_takes_its_last_four_for_the_default_and_only_for_it(depth, wanted, chosen):
    assert chosen_layers(depth, wanted) == chosen


@pytest.mark.parametrize("wanted", [(0,), (5,), (9, 10), ()])
def test_layers_that_are_not_there_are_refused(wanted):
    with pytest.raises(SetupError, match="layers 1 to 4, counted from 1"):
        apply_lora_to_muq(create_mock_encoder(16, 4), target_layers=wanted)


def test_names_that_match_nothing_are_refused_and_those_there_are_told():
    with pytest.raises(SetupError, match=r"no module called q_proj in .* they have .*linear_q"):
        apply_lora_to_muq(create_mock_encoder(16, 4), target_modules=("q_proj", "linear_v"))
    with pytest.raises(SetupError, match="no module called linear "):  # MuQ's head, outside the layers
        apply_lora_to_muq(create_mock_encoder(16, 4), target_modules=("linear",))


def test_adapters_are_not_put_on_twice_nor_on_what_has_no_layers():
    model = apply_lora_to_muq(create_mock_encoder(16, 4))
    with pytest.raises(SetupError, match="adapters already"):
        apply_lora_to_muq(model)
    with pytest.raises(SetupError, match="has no `layers`"):
        apply_lora_to_muq(torch.nn.Linear(2, 2))
    with pytest.raises(SetupError, match="rank of LoRA is 0"):
        apply_lora_to_muq(create_mock_encoder(16, 4), rank=0)


@pytest.mark.parametrize(
    ("modules", "per_layer"),
    [(None, 2), (("linear_q", "linear_k", "linear_out"), 3), (("intermediate_dense",), 2), (("pointwise_conv1",), 1)],
)
def test_a_real_muq_takes_them_on_attention_feed_forward_and_convolutions(modules, per_layer):
    muq = build_encoder(depth=2, ffn=16, conv_dim=2, width=64)
    audio = torch.randn(1, 12_000)
    before = muq(audio).last_hidden_state
    apply_lora_to_muq(muq, rank=2, target_modules=modules)
    assert torch.allclose(muq(audio).last_hidden_state, before, atol=1e-6)
    names = adapted(muq)
    assert len(names) == 2 * per_layer
    assert all(name.startswith("model.conformer.layers.") for name in names)


@pytest.mark.slow
def test_queries_and_values_of_four_layers_at_rank_8_are_131072_numbers_of_muqs_width():
    muq = build_encoder(depth=4, ffn=16, conv_dim=2, width=1024)
    assert count_trainable_params(apply_lora_to_muq(muq, rank=8)) == 131_072


def test_a_state_holds_what_was_trained_and_comes_back():
    one, other = create_mock_encoder(16, 2), create_mock_encoder(16, 2)
    other.load_state_dict(one.state_dict())
    for model in (one, other):
        apply_lora_to_muq(model, rank=2)
    with torch.no_grad():
        for name, value in one.named_parameters():
            if "lora_" in name:
                value.normal_()
    state, x = trainable_state(one), torch.randn(1, 3, 16)
    assert all("lora_" in name for name in state)
    assert len(state) == 2 * 2 * 2
    assert not torch.allclose(one(x), other(x))
    load_trainable_state(other, state)
    assert torch.allclose(one(x), other(x))


def test_a_state_of_another_model_is_refused():
    one = apply_lora_to_muq(create_mock_encoder(16, 2), rank=2)
    with pytest.raises(SetupError, match="another shape of 8 entries"):
        load_trainable_state(one, trainable_state(apply_lora_to_muq(create_mock_encoder(16, 2), rank=4)))
    with pytest.raises(SetupError, match="has unknown 4 entries"):
        load_trainable_state(one, trainable_state(apply_lora_to_muq(create_mock_encoder(16, 3), rank=2)))
    with pytest.raises(SetupError, match="lacks 8 entries"):
        load_trainable_state(one, {})
