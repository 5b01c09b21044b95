"""Low-rank adapters on MuQ's layers, and checkpoints that hold what was trained and not the backbone.

Hu et al., LoRA, ICLR 2022, by peft. Layers count from 1, as hidden states do: layer k makes state k.
"""

# ruff: noqa: TID253 - modules and losses are torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from crescendai_assets.embeddings.identity import LAYERS
from crescendai_assets.lake.errors import SetupError

TARGET_MODULES = ("linear_q", "linear_v")
"""Queries and values, as in LoRA's paper. MuQ's attention also has `linear_k` and `linear_out`; its feed-forward blocks
have `intermediate_dense` and `output_dense`, its convolutions `pointwise_conv1` and `pointwise_conv2`."""

Model = TypeVar("Model", bound=nn.Module)


def apply_lora_to_muq(
    model: Model,
    rank: int = 16,
    alpha: float = 32,
    target_layers: Sequence[int] = LAYERS,
    target_modules: Sequence[str] | None = None,
    *,
    dropout: float = 0.0,
) -> Model:
    """Freeze a model and put trainable low-rank adapters on some of its layers, in place.

    At first the adapters change nothing; shapes stay as they are.

    Args:
        model: A `muq.MuQ`, its conformer, or anything with a `ModuleList` called `layers`.
        rank: Of the adapters.
        alpha: The adapters' output is scaled by alpha / rank.
        target_layers: Counted from 1. Asked for the default 9-12, a smaller model adapts its last four.
        target_modules: Names of linear layers or pointwise convolutions within a layer; None for queries and values.
        dropout: Before the adapters, in training.

    Returns:
        The model given.

    Raises:
        SetupError: There are no such layers or modules, or the model has adapters already.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    if rank < 1:
        raise SetupError(f"rank of LoRA is {rank}; it must be at least 1")
    if any(isinstance(module, LoraLayer) for module in model.modules()):
        raise SetupError(
            f"this {type(model).__name__} has low-rank adapters already; load it anew before adding others"
        )
    targets = _targets(model, target_layers, TARGET_MODULES if target_modules is None else target_modules)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=dropout), model)
    return model


def chosen_layers(depth: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """Layers of a model of so many, counted from 1; of a smaller model the default 9-12 are its last four.

    Raises:
        SetupError: There are no such layers.
    """
    if tuple(wanted) == LAYERS and depth < max(LAYERS):
        return tuple(range(max(1, depth - len(LAYERS) + 1), depth + 1))
    if not wanted or not all(1 <= layer <= depth for layer in wanted):
        raise SetupError(
            f"layers {list(wanted)}: this model has layers 1 to {depth}, counted from 1; name some of those"
        )
    return tuple(wanted)


def layers_of(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Where a model's transformer layers are, by name and as a list.

    Raises:
        SetupError: It has none that this could find.
    """
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and name.rpartition(".")[2] == "layers" and len(module)
    ]
    if not lists:
        raise SetupError(f"this {type(model).__name__} has no `layers` to adapt; give a muq.MuQ or its conformer")
    return max(lists, key=lambda one: len(one[1]))


def _targets(model: nn.Module, layers: Sequence[int], names: Sequence[str]) -> list[str]:
    prefix, blocks = layers_of(model)
    targets, linears = [], set()
    for layer in chosen_layers(len(blocks), layers):
        for name, module in blocks[layer - 1].named_modules():
            if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv1d) and module.kernel_size == (1,)):
                last = name.rpartition(".")[2]
                linears.add(last)
                if last in names:
                    targets.append(f"{prefix}.{layer - 1}.{name}")
    if absent := sorted(set(names) - {target.rpartition(".")[2] for target in targets}):
        raise SetupError(
            f"no module called {', '.join(absent)} in these layers; they have {', '.join(sorted(linears))}"
        )
    return targets


def count_trainable_params(model: nn.Module) -> int:
    """Numbers that training would change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def trainable_state(module: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint must hold: a state dict without the frozen part of a backbone that is loaded from elsewhere.

    A submodule says by an attribute `pretrained` whether it is such a backbone. Where none says so, all that is
    frozen is left out. Adapters, unfrozen layers, heads and the heads' buffers stay, and so do parts of a backbone that
    say they are none: what is trained sooner or later is there from the first epoch on.
    """
    left_out = set(_left_out(module))
    return {name: value for name, value in module.state_dict().items() if name not in left_out}


def load_trainable_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load what `trainable_state` gave of a module built alike; the backbone stays as it is.

    Raises:
        SetupError: Names or shapes are not those of this module.
    """
    check_trainable_state(module, state)
    module.load_state_dict(dict(state), strict=False)


def check_trainable_state(module: nn.Module, state: Mapping[str, Tensor], source: str = "this checkpoint") -> None:
    """Refuse a state that is not one of this module; see `load_trainable_state`."""
    own = module.state_dict()
    missing = sorted(set(trainable_state(module)) - set(state))
    foreign = sorted(set(state) - set(own))
    reshaped = sorted(name for name in set(state) & set(own) if state[name].shape != own[name].shape)
    faults = (("lacks", missing), ("has unknown", foreign), ("has another shape of", reshaped))
    told = [f"{fault} {len(names)} entries ({names[0]}, ...)" for fault, names in faults if names]
    if told:
        raise SetupError(
            f"{source} is of another model than this {type(module).__name__}: it {'; it '.join(told)}. Build the model "
            "with the hyper-parameters that the checkpoint was trained with"
        )


def _left_out(module: nn.Module) -> Iterator[str]:
    told = [(name, one) for name, one in module.named_modules() if hasattr(one, "pretrained")]
    backbones = [(name, one) for name, one in told if one.pretrained] if told else [("", module)]
    stay = {id(parameter) for _, one in told if not one.pretrained for parameter in one.parameters()}
    for prefix, backbone in backbones:
        dot = f"{prefix}." if prefix else ""
        frozen = ((name, one) for name, one in backbone.named_parameters() if not one.requires_grad)
        yield from (dot + name for name, one in frozen if id(one) not in stay)
        yield from (dot + name for name, _ in backbone.named_buffers())  # running statistics never change


class MockEncoder(nn.Module):
    """A few attention blocks whose modules are called as MuQ's are; frames (B, T, H) in and out."""

    def __init__(self, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MockLayer(hidden_size) for _ in range(num_layers))
        self.linear = nn.Linear(hidden_size, hidden_size)  # MuQ's head is called so too, and is no target

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        for layer in self.layers:
            x = layer(x)
        return x


class MockLayer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.self_attn = nn.ModuleDict({f"linear_{one}": nn.Linear(size, size) for one in ("q", "k", "v", "out")})
        self.intermediate_dense = nn.Linear(size, size)
        self.output_dense = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        q, k, v = (self.self_attn[f"linear_{one}"](x) for one in "qkv")
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.self_attn["linear_out"](attended)
        out: Tensor = x + self.output_dense(torch.nn.functional.gelu(self.intermediate_dense(x)))
        return out


def create_mock_encoder(hidden_size: int = 256, num_layers: int = 4) -> MockEncoder:
    """An encoder for unit tests: frames (B, T, hidden_size) in and out, modules called as MuQ's."""
    return MockEncoder(hidden_size, num_layers)
