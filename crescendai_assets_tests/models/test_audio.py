"""Audio models over embeddings and over MuQ: what they take, what is trained, what never moves, what is learned."""

# ruff: noqa: TID253 - nothing starts up faster for a test that imports torch later

from __future__ import annotations

import warnings
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.evaluation.agreement import r2
from crescendai_assets.evaluation.pairs import pair_accuracy
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.models.audio import (
    AudioReference,
    MuQBackbone,
    MuQFullUnfreezeModel,
    MuQLoRAModel,
    MuQStagedModel,
    hidden_states,
    stem_output,
)
from crescendai_assets.models.figures import ValidationFigures
from crescendai_assets.models.lora import apply_lora_to_muq, count_trainable_params, trainable_state
from crescendai_assets.models.losses import info_nce_loss
from crescendai_assets.sample.encoder import build_encoder, write_encoder
from crescendai_assets.training.keeper import weights_of, write_weights
from crescendai_assets_tests.cuda import angles_off, cast_einsum

MODELS = [AudioReference, MuQLoRAModel, MuQStagedModel, MuQFullUnfreezeModel]
SMALL: dict[str, Any] = {"input_dim": 16, "hidden_dim": 32, "num_labels": 3, "learning_rate": 3e-3, "warmup_steps": 5}
WIDTH = 32  # of the small MuQ: 16 heads of two values


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors this small only wait for one another on more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def model_of(kind, **more):
    stage = {"stage": "supervised"} if kind is MuQStagedModel else {}
    return kind(**{**SMALL, "dropout": 0.0, **stage, **more})


def tiny_muq(seed=0, depth=2):
    return build_encoder(depth=depth, ffn=16, conv_dim=2, width=WIDTH, seed=seed)


def on_muq(kind, **more):
    given = {"input_dim": WIDTH, "use_pretrained_muq": True, "temporal_pool": 2, "muq": tiny_muq(), **more}
    return model_of(kind, **given)


def pair_batch(rows=6, frames=9, dim=16, labels=3, **more):
    batch: dict[str, Any] = {}
    for one in "ab":
        batch |= {
            f"embeddings_{one}": torch.randn(rows, frames, dim),
            f"mask_{one}": torch.arange(frames).expand(rows, -1) < frames - 2,
            f"labels_{one}": torch.rand(rows, labels),
            f"piece_ids_{one}": torch.arange(rows) // 2,
        }
    return batch | more


def sound(rows, seconds=1.0, seed=0):
    return 0.2 * torch.randn(rows, int(24_000 * seconds), generator=torch.Generator().manual_seed(seed))


def audio_batch(seed=0):
    sounds = {f"embeddings_{one}": sound(6, 0.5, 2 * seed + place) for place, one in enumerate("ab")}
    return pair_batch(mask_a=None, mask_b=None) | sounds


def view_batch(rows=6, frames=9, dim=16):
    clean = torch.randn(rows, frames, dim)
    return {
        "embeddings_clean": clean,
        "embeddings_augmented": clean + 0.3 * torch.randn_like(clean),
        "mask": torch.ones(rows, frames, dtype=torch.bool),
        "piece_ids": torch.arange(rows) // 2,
    }


def train(model, batches, *, epochs=1, resume=None, callbacks=()):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(accelerator="cpu", max_epochs=epochs, callbacks=list(callbacks), **quiet)
        trainer.fit(model, DataLoader(batches, batch_size=None), ckpt_path=resume)
    return trainer


# --- names, shapes, batches ---


@pytest.mark.parametrize("kind", MODELS)
def test_sizes_are_those_of_the_full_models_by_default(kind):
    model = kind()
    x, mask = torch.randn(2, 12, 1024), torch.ones(2, 12, dtype=torch.bool)
    out = model(x, x.flip(0), mask, mask)
    assert out["ranking_logits"].shape == (2, 19)
    assert (out["z_a"].shape, out["z_b"].shape) == ((2, 512), (2, 512))
    scores = model.predict_scores(x, mask)
    assert scores.shape == (2, 19)
    assert bool(((scores > 0) & (scores < 1)).all())
    assert model.training


@pytest.mark.parametrize("kind", MODELS)
def test_a_pair_turned_round_turns_the_logits_round_and_they_order_as_scores_do(kind):
    model = model_of(kind).eval()
    torch.nn.init.normal_(model.mlp.second.weight)
    b = pair_batch()
    out = model(b["embeddings_a"], b["embeddings_b"], b["mask_a"], b["mask_b"])
    back = model(b["embeddings_b"], b["embeddings_a"], b["mask_b"], b["mask_a"])
    assert torch.allclose(out["ranking_logits"], -back["ranking_logits"], atol=1e-6)
    apart = model.predict_scores(b["embeddings_a"], b["mask_a"]) - model.predict_scores(b["embeddings_b"], b["mask_b"])
    assert torch.equal(out["ranking_logits"].sign(), apart.sign())


@pytest.mark.parametrize("kind", MODELS)
def test_what_a_mask_leaves_out_changes_nothing_even_nan(kind):
    model = model_of(kind)
    x = torch.randn(3, 8, 16)
    mask = torch.arange(8).expand(3, -1) < torch.tensor([[8], [5], [3]])
    padded = x.masked_fill(~mask[..., None], torch.nan)
    alone = torch.cat([model.predict_scores(one[None, :n]) for one, n in zip(x, (8, 5, 3), strict=True)])
    assert torch.allclose(model.predict_scores(padded, mask), alone, atol=1e-6)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"mask_a": None, "mask_b": None},
        {"labels_a": torch.full((6, 3), torch.nan)},
        {"weights_a": torch.rand(6), "weights_b": torch.rand(6)},
        {"placement_a": torch.tensor([1, 2, 3, 1, 1, 1]), "placement_b": torch.tensor([2, 1, 1, 1, 2, 3])},
        {"embeddings_b": torch.randn(6, 5, 16), "mask_b": None},
    ],
)
def test_a_step_on_pairs_is_a_positive_number_with_finite_gradients(kind, change):
    model = model_of(kind)
    loss = model.training_step(pair_batch(**change), 0)
    assert loss.shape == ()
    assert float(loss.detach()) > 0
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(g.isfinite().all()) for g in gradients)


def test_each_kind_of_batch_has_its_parts_and_tiers_together_have_all():
    model = model_of(MuQLoRAModel)
    pairs, views = pair_batch(), view_batch()
    rows = {"embeddings": pairs["embeddings_a"], "labels": pairs["labels_a"], "piece_ids": torch.zeros(6).long()}
    contrast = {name: value for name, value in pairs.items() if not name.startswith("labels")}
    placed = {name: value for name, value in contrast.items() if not name.startswith("piece")} | {
        "placement_a": torch.arange(6),
        "placement_b": torch.arange(6).flip(0),
    }
    assert set(model.parts(pairs)) == {"regression", "ranking", "contrastive"}
    assert set(model.parts(rows)) == {"regression", "ranking"}
    assert set(model.parts(contrast)) == {"contrastive"}
    assert set(model.parts(placed)) == {"ranking"}
    assert set(model.parts(views)) == {"invariance"}
    tiers = {"t1": rows, "t2": placed, "t3": contrast, "t4": views}
    together, alone = model.parts(tiers), {name: model.parts(one) for name, one in tiers.items()}
    assert set(together) == {"regression", "ranking", "contrastive", "invariance"}
    assert torch.allclose(together["ranking"], alone["t1"]["ranking"] + alone["t2"]["ranking"])
    expected = (
        together["regression"] + together["ranking"] + 0.1 * together["contrastive"] + 0.1 * together["invariance"]
    )
    assert torch.allclose(model.training_step(tiers, 0), expected)
    with pytest.raises(ValueError, match="this one holds audio"):
        model.training_step({"audio": torch.zeros(1)}, 0)


def test_rows_of_all_pairs_cost_what_those_pairs_cost():
    model = model_of(AudioReference).eval()
    x, y, pieces = torch.randn(5, 7, 16), torch.rand(5, 3), torch.tensor([0, 0, 1, 1, 1])
    a, b = torch.tensor([0, 2, 2, 3]), torch.tensor([1, 3, 4, 4])
    rows = model.parts({"embeddings": x, "labels": y, "piece_ids": pieces})
    pairs = model.parts({"embeddings_a": x[a], "embeddings_b": x[b], "labels_a": y[a], "labels_b": y[b]})
    assert torch.allclose(rows["ranking"], pairs["ranking"], atol=1e-6)


# --- stages and schedules ---


def test_the_first_stage_needs_no_labels_and_the_second_ranks():
    model = MuQStagedModel(**SMALL)
    first = model.stage
    assert float(model.training_step(view_batch(), 0).detach()) > 0
    assert set(model.parts(pair_batch())) == {"contrastive"}
    model.switch_to_supervised()
    assert (first, model.stage) == ("self_supervised", "supervised")
    assert set(model.parts(pair_batch())) == {"regression", "ranking", "contrastive"}
    with pytest.raises(ValueError, match="self_supervised or supervised"):
        MuQStagedModel(**SMALL, stage="both")  # type: ignore[arg-type]


def test_the_first_stage_brings_a_recording_and_its_augmented_copy_together():
    pl.seed_everything(0, verbose=False)
    model = MuQStagedModel(**SMALL, dropout=0.0)
    train(model, [view_batch(24) for _ in range(60)])
    fresh = view_batch(24)
    with torch.no_grad():
        a, b = (torch.nn.functional.normalize(model.project(z), dim=1) for z in model.views(fresh))
    assert float(((a @ b.T).argmax(1) == torch.arange(24)).float().mean()) > 0.8


def test_the_first_stage_tells_performances_of_one_piece_apart_by_nothing():
    model, batch = MuQStagedModel(**SMALL).eval(), view_batch(6) | {"piece_ids": torch.tensor([0, 0, 0, 0, 1, 1])}
    a, b = (model.project(z) for z in model.views(batch))
    parts = model.parts(batch)
    assert torch.allclose(parts["contrastive"], info_nce_loss(a, b, batch["piece_ids"], same_piece="masked"))
    assert torch.allclose(model.training_step(batch, 0), parts["contrastive"] + parts["invariance"])


def test_the_lower_placement_is_the_better_one():
    model = model_of(AudioReference)
    one, other = torch.randn(4, 7, 16), torch.randn(4, 7, 16)
    first, second = torch.ones(4), torch.tensor([2, 3, 4, torch.nan])
    batch = {"embeddings_a": one, "embeddings_b": other, "placement_a": first, "placement_b": second}
    train(model, [batch] * 30)
    logits = model.eval()(one, other)["quality_logits"]
    assert bool((logits[:3] > 0).all())


class At:
    """A trainer that says which epoch it is."""

    def __init__(self, epoch):
        self.current_epoch = epoch


@pytest.mark.parametrize("over", [model_of, on_muq])
def test_layers_are_unfrozen_when_the_schedule_says_so(over):
    more = {} if over is model_of else {"muq": tiny_muq(depth=3), "unfreeze_schedule": {0: [3], 2: [2], 5: [1]}}
    layers = [12, 11, 10, 9] if over is model_of else [3, 2, 1]
    epochs = [0, 10, 20, 30] if over is model_of else [0, 2, 5]
    model = over(MuQFullUnfreezeModel, **more)
    before = count_trainable_params(model)
    for place, epoch in enumerate(epochs):
        model._trainer = At(epoch)
        model.on_train_epoch_start()
        assert model.get_unfrozen_layers() == sorted(layers[: place + 1])
    assert count_trainable_params(model) > before


def test_only_unfrozen_layers_move_and_the_optimiser_knows_all_from_the_start():
    model = model_of(MuQFullUnfreezeModel)
    optimizer = model.configure_optimizers()["optimizer"]
    rates = sorted({group["initial_lr"] for group in optimizer.param_groups}, reverse=True)
    assert rates == pytest.approx([3e-3 * 0.5**power for power in range(5)])
    in_groups = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    assert in_groups == sum(p.numel() for p in model.parameters())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(2):
        model.training_step(pair_batch(), 0).backward()
        optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("front.blocks.12") for name in moved)
    assert not any(name.startswith(f"front.blocks.{layer}") for name in moved for layer in (9, 10, 11))


def test_the_default_schedule_is_moved_down_for_a_smaller_muq_and_others_must_fit():
    assert on_muq(MuQFullUnfreezeModel).scheduled_layers == [1, 2]
    assert on_muq(MuQFullUnfreezeModel).schedule == {0: [2], 10: [1]}
    with pytest.raises(SetupError, match=r"layers \[12\]; this MuQ has layers 1 to 2"):
        on_muq(MuQFullUnfreezeModel, unfreeze_schedule={0: [12]})


# --- MuQ itself ---


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("muq") / "tiny", depth=2, ffn=16, conv_dim=2, width=WIDTH)


def test_states_from_the_stem_are_those_of_the_whole_forward_pass():
    muq, audio = tiny_muq(), sound(2)
    whole = muq(audio).hidden_states
    stem = stem_output(muq, audio)
    assert len(whole) == 3
    assert torch.equal(stem, whole[0])
    for one, other in zip(hidden_states(muq, stem), whole, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_stem_in_half_precision_serves_and_is_not_written_to():
    muq, audio = tiny_muq(), sound(2)
    half = stem_output(muq, audio).half()
    kept, mask = half.clone(), torch.arange(25).expand(2, -1) < torch.tensor([[25], [13]])
    states = hidden_states(muq, half, mask)
    assert torch.equal(half, kept)
    single = half.float()
    hidden_states(muq, single, mask)
    assert torch.equal(single, kept.float())
    assert torch.allclose(states[-1][0], muq(audio[:1]).last_hidden_state[0], atol=1e-2)


@pytest.mark.parametrize("kind", MODELS)
def test_scores_from_audio_and_from_its_stored_stem_are_the_same(kind):
    model, audio = on_muq(kind), sound(2)
    assert torch.allclose(
        model.predict_scores(audio), model.predict_scores(stem_output(model.backbone.muq, audio)), atol=1e-6
    )


def test_before_training_features_are_the_stored_embeddings_tails_of_a_batch_too(checkpoint):
    encoder = MuQEncoder(EncoderSpec(str(checkpoint), temporal_pool=2, device="cpu"))
    backbone = MuQBackbone(checkpoint, temporal_pool=2)
    apply_lora_to_muq(backbone.muq, rank=2)
    audio, lengths = sound(3), (24_000, 15_000, 15_000)
    mask = torch.arange(24_000).expand(3, -1) < torch.tensor(lengths)[:, None]
    features, there = backbone(audio, mask)
    stored = encoder.encode([one[:n].numpy() for one, n in zip(audio, lengths, strict=True)])
    for row, present, expected in zip(features, there, stored, strict=True):
        assert row[present].shape == expected.shape
        assert torch.allclose(row[present], expected, atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_no_batch_norm_drifts_and_no_frozen_weight_moves_in_training(kind):
    model = on_muq(kind)
    muq = model.backbone.muq
    frozen = {name: value.clone() for name, value in muq.state_dict().items()}
    buffers = {name for name, _ in muq.named_buffers()}
    assert sum("running_mean" in name for name in buffers) == 2 + 6
    trainable = {name for name, one in muq.named_parameters() if one.requires_grad}
    train(model, [audio_batch() for _ in range(3)])
    model.train()
    assert not any(one.training for one in muq.modules())
    moved = {name for name, value in muq.state_dict().items() if not torch.equal(value, frozen[name])}
    assert not moved & buffers
    assert moved <= trainable
    assert bool(moved) == (kind is not AudioReference)


def test_norms_in_training_mode_would_have_drifted():
    muq = tiny_muq().train()
    before = {name: value.clone() for name, value in muq.named_buffers() if "running_mean" in name}
    muq(sound(2))
    assert any(not torch.equal(value, before[name]) for name, value in muq.named_buffers() if name in before)


def test_validating_in_inference_mode_does_not_stop_the_training_after_it():
    model = on_muq(MuQLoRAModel)
    with torch.inference_mode():
        model.predict_scores(sound(2, 0.5))
    model.training_step(audio_batch(), 0).backward()


@pytest.mark.parametrize("kind", MODELS)
def test_a_step_in_mixed_precision_is_close_to_one_in_full(kind):
    model, batch = on_muq(kind), audio_batch()
    whole = model.training_step(batch, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model.training_step(batch, 0)
    assert mixed.dtype == torch.float32
    assert float(mixed) == pytest.approx(float(whole), rel=0.02)
    mixed.backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_a_step_in_mixed_precision_leaves_exact_positions_for_passes_without_it(monkeypatch):
    cast_einsum(monkeypatch)
    muq = tiny_muq()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden_states(muq, torch.randn(2, 700, WIDTH).half())
    assert angles_off(muq.model.conformer) < 1e-4


def test_input_that_muq_cannot_take_is_refused():
    model = on_muq(AudioReference)
    with pytest.raises(ValueError, match=r"\(2, 5, 7\); MuQ takes audio"):
        model.predict_scores(torch.zeros(2, 5, 7))
    with pytest.raises(ValueError, match="too short for one pooled frame"):
        model.predict_scores(sound(1, 0.03))
    with pytest.raises(ValueError, match="960 samples are too few"):
        on_muq(AudioReference, temporal_pool=1).predict_scores(sound(1, 0.04))
    with pytest.raises(ValueError, match=r"\(2, 5\); stored embeddings are"):
        model_of(AudioReference).predict_scores(torch.zeros(2, 5))
    with pytest.raises(SetupError, match="input_dim is 16 and this MuQ gives 32"):
        on_muq(AudioReference, input_dim=16)
    with pytest.raises(SetupError, match="use_pretrained_muq is False"):
        model_of(AudioReference, muq=tiny_muq())
    with pytest.raises(TypeError, match="unexpected keyword argument 'learning_rat'"):
        model_of(AudioReference, learning_rat=1)


# --- checkpoints ---


@pytest.mark.parametrize("kind", MODELS)
def test_a_checkpoint_over_embeddings_comes_back_with_its_hyper_parameters(kind, tmp_path):
    model = model_of(kind, dropout=0.3)
    if kind is MuQStagedModel:
        model = MuQStagedModel(**SMALL, dropout=0.3)
        model.switch_to_supervised()
    train(model, [pair_batch()] * 2).save_checkpoint(tmp_path / "one.ckpt")
    back = kind.load_from_checkpoint(tmp_path / "one.ckpt")
    x = torch.randn(2, 9, 16)
    assert torch.equal(model.predict_scores(x), back.predict_scores(x))
    assert back.options.dropout == 0.3
    if kind is MuQStagedModel:
        assert back.stage == "supervised"
    if kind is MuQFullUnfreezeModel:
        assert back.schedule == {0: [12], 10: [11], 20: [10], 30: [9]}


@pytest.mark.parametrize("kind", MODELS)
def test_a_checkpoint_over_muq_holds_no_backbone_and_comes_back_on_it(kind, tmp_path, checkpoint):
    model = on_muq(kind, muq=checkpoint)
    later = [model.backbone.layer(number) for number in getattr(model, "scheduled_layers", ())]
    thawed = {id(parameter) for layer in later for parameter in layer.parameters()}
    frozen = {name for name, one in model.named_parameters() if not one.requires_grad and id(one) not in thawed}
    train(model, [audio_batch()] * 2).save_checkpoint(tmp_path / "one.ckpt")
    kept = torch.load(tmp_path / "one.ckpt", weights_only=False)["state_dict"]
    assert kept.keys() == trainable_state(model).keys()
    assert not kept.keys() & frozen
    assert not any("running_mean" in name for name in kept)
    assert {name for name, one in model.named_parameters() if one.requires_grad} <= kept.keys()
    back = kind.load_from_checkpoint(tmp_path / "one.ckpt")
    audio = sound(2)
    assert torch.equal(model.predict_scores(audio), back.predict_scores(audio))


def test_a_checkpoint_of_another_backbone_or_label_set_is_refused(tmp_path):
    train(on_muq(MuQLoRAModel), [audio_batch()]).save_checkpoint(tmp_path / "one.ckpt")
    assert MuQLoRAModel.load_from_checkpoint(tmp_path / "one.ckpt", muq=tiny_muq())
    with pytest.raises(SetupError, match="trained on another MuQ"):
        MuQLoRAModel.load_from_checkpoint(tmp_path / "one.ckpt", muq=tiny_muq(seed=1))
    with pytest.raises(SetupError, match=r"of another model .* another shape of 2 entries \(mlp.second.bias"):
        MuQLoRAModel.load_from_checkpoint(tmp_path / "one.ckpt", muq=tiny_muq(), num_labels=6)
    with pytest.raises(SetupError, match=r"on another MuQ \(mark \w+, here none\)"):
        MuQLoRAModel.load_from_checkpoint(tmp_path / "one.ckpt", use_pretrained_muq=False, muq=None)


class StopAfterOneEpoch(pl.Callback):  # type: ignore[misc]
    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = True


def test_a_run_cut_short_goes_on_to_the_result_of_an_undisturbed_one(tmp_path):
    batches = [audio_batch(seed) for seed in range(3)]

    def fresh():
        pl.seed_everything(1, verbose=False)
        return on_muq(MuQFullUnfreezeModel, unfreeze_schedule={0: [2], 1: [1]})

    whole, first, second = fresh(), fresh(), fresh()
    train(whole, batches, epochs=3)
    train(first, batches, epochs=3, callbacks=[StopAfterOneEpoch()]).save_checkpoint(tmp_path / "cut.ckpt")
    assert first.get_unfrozen_layers() == [2]
    train(second, batches, epochs=3, resume=tmp_path / "cut.ckpt")
    assert second.get_unfrozen_layers() == [1, 2]
    for name, value in trainable_state(whole).items():
        assert torch.allclose(value, second.state_dict()[name], atol=1e-6), name


def test_weights_of_any_epoch_go_back_into_a_model_of_any_other(tmp_path):
    class Kept(pl.Callback):  # type: ignore[misc]
        """Weights after each epoch, as the best ones are kept."""

        def on_train_epoch_end(self, trainer, pl_module):
            write_weights(tmp_path / f"{trainer.current_epoch}.pt", pl_module)

    schedule = {0: [2], 1: [1]}
    model = on_muq(MuQFullUnfreezeModel, unfreeze_schedule=schedule)
    before = model.backbone.layer(1).self_attn.linear_q.weight.clone()
    train(model, [audio_batch(seed) for seed in range(3)], epochs=2, callbacks=[Kept()])
    first, last = (torch.load(tmp_path / f"{epoch}.pt") for epoch in (0, 1))
    assert not torch.equal(model.backbone.layer(1).self_attn.linear_q.weight, before)
    model.load_state_dict(first)  # its best epoch, after a later layer was unfrozen
    assert torch.equal(model.backbone.layer(1).self_attn.linear_q.weight, before)
    fresh = on_muq(MuQFullUnfreezeModel, unfreeze_schedule=schedule)
    fresh.load_state_dict(last)  # a training that is over, looked at again
    again = weights_of(fresh)
    assert again.keys() == last.keys()
    assert all(torch.equal(again[name], value) for name, value in last.items())


# --- what they can learn ---


def planted(make, *, shuffled, pieces=24, performers=6):
    """Rows whose labels are heard in what `make` makes of them, within pieces of which each sounds its own way."""
    chance = torch.Generator().manual_seed(3)
    labels = torch.rand(pieces * performers, 3, generator=chance)
    groups = torch.arange(pieces).repeat_interleave(performers)
    x = make(labels, groups, chance)
    if shuffled:
        labels = labels[torch.randperm(len(labels), generator=chance)]
    return x, labels, groups


def embedded(labels, groups, chance):
    directions = torch.randn(3, 16, generator=chance)
    own = torch.randn(len(groups.unique()), 16, generator=chance)
    noise = torch.randn(len(labels), 10, 16, generator=chance)
    return (2 * (labels - 0.5) @ directions + own[groups])[:, None] + 0.5 * noise


def heard(labels, groups, chance):
    """What a small MuQ's stem makes of three noises, each as loud as a label says."""
    n = 12_000
    bands = torch.fft.rfftfreq(n, 1 / 24_000)
    noise = torch.fft.rfft(torch.randn(len(labels), n, generator=chance))
    edges = torch.tensor([0.0, 1500, 4000, 12_001])
    loud = sum(
        torch.outer(10 ** (1.5 * labels[:, d] - 1.5), ((bands >= edges[d]) & (bands < edges[d + 1])).float())
        for d in range(3)
    )
    return stem_output(tiny_muq(), torch.fft.irfft(noise * loud, n)).half()


def learned(model, case, steps):
    """Accuracy within pieces and R² on pieces that were held out."""
    x, labels, groups = case
    held_out = groups >= 16
    train_rows = (~held_out).nonzero().ravel()
    model.scale.fit(model.features(x[train_rows])[0].detach())
    model.start_at(labels[train_rows])
    chance = torch.Generator().manual_seed(0)
    rows = [
        {"embeddings": x[at], "labels": labels[at], "piece_ids": groups[at]}
        for _ in range(steps)
        for at in [train_rows[torch.isin(groups[train_rows], torch.randperm(16, generator=chance)[:8])]]
    ]
    train(model, rows)
    scores = model.predict_scores(x[held_out])
    accuracy = pair_accuracy(scores, labels[held_out], groups[held_out].tolist()).overall
    return accuracy, float(r2(scores, labels[held_out]).mean())


@pytest.mark.parametrize("kind", MODELS)
def test_over_embeddings_each_model_learns_what_was_planted_and_nothing_from_shuffled_labels(kind):
    pl.seed_everything(0, verbose=False)
    accuracy, explained = learned(model_of(kind), planted(embedded, shuffled=False), steps=80)
    assert accuracy > 0.8
    assert explained > 0.5
    accuracy, explained = learned(model_of(kind), planted(embedded, shuffled=True), steps=80)
    assert 0.4 < accuracy < 0.6
    assert explained < 0.05


@pytest.mark.parametrize(
    "kind",
    [MuQLoRAModel, *(pytest.param(k, marks=pytest.mark.slow) for k in MODELS if k is not MuQLoRAModel)],
)
def test_over_muq_each_model_learns_what_was_planted_and_nothing_from_shuffled_labels(kind):
    pl.seed_everything(0, verbose=False)
    accuracy, _ = learned(on_muq(kind), planted(heard, shuffled=False), steps=60)
    assert accuracy > 0.8
    accuracy, _ = learned(on_muq(kind), planted(heard, shuffled=True), steps=60)
    assert 0.4 < accuracy < 0.6


def test_rows_of_unknown_pieces_make_no_pairs():
    figures, scores, labels = ValidationFigures(0.05), torch.rand(4, 2), torch.rand(4, 2)
    figures.add_rows(scores, labels, None)
    figures.add_rows(scores, labels, torch.tensor([-1, -1, 3, 4]))
    assert set(figures.figures()) == {"r2"}
    assert figures.figures() == {}
    figures.add_pairs(torch.tensor([[1.0], [-1.0], [0.0]]), torch.ones(3, 1), torch.zeros(3, 1))
    assert figures.figures() == {"pair_accuracy": 0.5}


def test_figures_of_a_validation_agree_with_the_evaluation():
    x, labels, groups = planted(embedded, shuffled=False)
    labels = labels.clone()
    model = model_of(AudioReference)
    rows: Any = [
        {"embeddings": x[at], "labels": labels[at], "piece_ids": groups[at]} for at in torch.arange(144).split(40)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
        (told,) = trainer.validate(model, DataLoader(rows, batch_size=None), verbose=False)
    scores = model.predict_scores(x)
    assert told["val_r2"] == pytest.approx(r2(scores, labels).mean(), abs=1e-5)
    assert told["val_pair_accuracy"] == pytest.approx(pair_accuracy(scores, labels, groups.tolist()).overall, abs=2e-3)
    assert {"val_loss", "val_regression", "val_ranking"} <= set(told)
