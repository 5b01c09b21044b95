"""The audio models, each over stored embeddings and over audio through MuQ.

- A0 `AudioReference`: frozen MuQ, attention pooling, two-layer MLP; the row to beat.
- A1 `MuQLoRAModel`: low-rank adapters on MuQ's attention.
- A2 `MuQStagedModel`: the same, first without labels on T3 and T4, then with them.
- A3 `MuQFullUnfreezeModel`: MuQ's upper layers unfrozen one after the other.

Over stored embeddings a small network stands in for the part of MuQ that is trained. What they share, and what a batch
holds, is in `audio_base` and `audio_options`, MuQ itself in `audio_backbone`.
"""

# ruff: noqa: TID253 - modules are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from torch import Tensor, nn

from crescendai_assets.embeddings.identity import LAYERS
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.models import losses
from crescendai_assets.models.audio_backbone import MuQBackbone, hidden_states, stem_output
from crescendai_assets.models.audio_base import AudioModel, MuQ
from crescendai_assets.models.audio_options import AudioOptions
from crescendai_assets.models.figures import ValidationFigures
from crescendai_assets.models.heads import LowRankAdapter, ResidualBlock
from crescendai_assets.models.lora import apply_lora_to_muq
from crescendai_assets.models.objective_parts import Batch, Parts
from crescendai_assets.models.rating_module import decayed

__all__ = [
    "AudioModel",
    "AudioOptions",
    "AudioReference",
    "MuQBackbone",
    "MuQFullUnfreezeModel",
    "MuQLoRAModel",
    "MuQStagedModel",
    "hidden_states",
    "stem_output",
]

Stage: TypeAlias = Literal["self_supervised", "supervised"]

UNFREEZE_SCHEDULE: Mapping[int, Sequence[int]] = {0: [12], 10: [11], 20: [10], 30: [9]}
"""Epoch -> layers that are trained from then on, counted from 1."""


class AudioReference(AudioModel):
    """A0: frozen MuQ (or its stored embeddings), attention pooling, two-layer MLP."""


class MuQLoRAModel(AudioModel):
    """A1: low-rank adapters on MuQ's attention; over stored embeddings, low-rank adapters on these."""

    def __init__(
        self,
        input_dim: int = 1024,
        hidden_dim: int = 512,
        num_labels: int = 19,
        use_pretrained_muq: bool = False,
        *,
        muq: MuQ = None,
        rank: int = 16,
        alpha: float = 32,
        target_layers: Sequence[int] = LAYERS,
        target_modules: Sequence[str] | None = None,
        own: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Build the model; see `AudioModel` for the rest.

        Args:
            input_dim: Values a frame.
            hidden_dim: Size of z.
            num_labels: D.
            use_pretrained_muq: Whether the model stands on MuQ itself.
            muq: That MuQ.
            rank: Of the adapters.
            alpha: Adapters are scaled by alpha / rank.
            target_layers: Layers with adapters, counted from 1; over stored embeddings so many adapters follow on
                one another.
            target_modules: See `lora.apply_lora_to_muq`.
            own: Arguments of a subclass's own.
            **options: See `AudioOptions`.
        """
        modules = None if target_modules is None else list(target_modules)
        mine = {"rank": rank, "alpha": alpha, "target_layers": list(target_layers), "target_modules": modules}
        super().__init__(
            input_dim, hidden_dim, num_labels, use_pretrained_muq, muq=muq, own={**mine, **(own or {})}, **options
        )

    def make_front(self, **own: Any) -> nn.Module:
        """Adapters, on MuQ or in a row."""
        rank, alpha, layers = own["rank"], own["alpha"], own["target_layers"]
        if self.backbone is not None:
            apply_lora_to_muq(self.backbone.muq, rank, alpha, layers, own["target_modules"])
            return nn.Identity()
        return nn.Sequential(*(LowRankAdapter(self.hparams["input_dim"], rank, alpha) for _ in layers))


class MuQStagedModel(MuQLoRAModel):
    """A2: A1 in two stages, without labels first.

    `self_supervised` takes views (T4; positive is a recording's own augmented copy, others of its piece are masked) and
    pairs (T3; `same_piece` says what is positive), and minimises contrast + invariance of z. `supervised` is A1.
    """

    def __init__(self, *sizes: Any, stage: Stage = "self_supervised", **rest: Any) -> None:
        """Build the model; see `MuQLoRAModel` for the rest.

        Args:
            *sizes: As of `MuQLoRAModel`.
            stage: What a training step does; `self.stage` says which is on.
            **rest: As of `MuQLoRAModel`.
        """
        if stage not in get_args(Stage):
            raise ValueError(f"stage is {stage!r}; give {' or '.join(get_args(Stage))}")
        super().__init__(*sizes, own={"stage": stage}, **rest)

    @property
    def stage(self) -> Stage:
        """The stage that is on; checkpoints keep it."""
        stage: Stage = self.hparams["stage"]
        return stage

    def switch_to_supervised(self) -> None:
        """From contrast on to labels; what was learned stays."""
        self.hparams["stage"] = "supervised"

    def parts(self, batch: Batch, figures: ValidationFigures | None = None) -> Parts:
        """Parts of the objective of the stage that is on."""
        if self.stage == "self_supervised" and "embeddings_a" in batch:
            batch = {name: value for name, value in batch.items() if not name.startswith(("labels_", "placement_"))}
        return super().parts(batch, figures)

    def combine(self, parts: Parts) -> Tensor:
        """L of its parts; without labels contrast is no side condition and has the weight of invariance."""
        if self.stage == "supervised":
            return super().combine(parts)
        return losses.objective(**parts, weights=losses.ObjectiveWeights(l_rank=0.0, l_con=1.0, l_inv=1.0))

    def _parts_of_views(self, batch: Batch) -> Parts:
        if self.stage == "supervised":
            return super()._parts_of_views(batch)
        clean, augmented = self.views(batch)
        pieces = batch.get("piece_ids")
        contrast = self.contrast(clean, augmented, pieces, pieces, "masked")
        return {"contrastive": contrast, "invariance": losses.invariance_loss(clean, augmented)}


class MuQFullUnfreezeModel(AudioModel):
    """A3: MuQ's upper layers trained one after the other, each at a lower rate than the one above.

    Over stored embeddings residual blocks stand in for the layers. Gradual unfreezing and discriminative learning
    rates: Howard & Ruder, Universal language model fine-tuning, ACL 2018.
    """

    def __init__(
        self,
        *sizes: Any,
        unfreeze_schedule: Mapping[int, Sequence[int]] | None = None,
        lr_decay_factor: float = 0.5,
        **rest: Any,
    ) -> None:
        """Build the model; see `AudioModel` for the rest.

        Args:
            *sizes: As of `AudioModel`.
            unfreeze_schedule: Epoch -> layers that are trained from then on, counted from 1; None for
                `UNFREEZE_SCHEDULE`, which on a smaller MuQ means its own last layers.
            lr_decay_factor: The k-th layer from the top has this to the power of k times the heads' learning rate.
            **rest: As of `AudioModel`.
        """
        given = UNFREEZE_SCHEDULE if unfreeze_schedule is None else unfreeze_schedule
        schedule = {int(epoch): [int(one) for one in layers] for epoch, layers in given.items()}
        if not 0 < lr_decay_factor <= 1:
            raise ValueError(f"lr_decay_factor is {lr_decay_factor}; it must be above 0 and at most 1")
        super().__init__(*sizes, own={"unfreeze_schedule": schedule, "lr_decay_factor": lr_decay_factor}, **rest)
        self._unfreeze(0)

    def make_front(self, **own: Any) -> nn.Module:
        """Blocks, one a layer of the schedule, lowest first; with a backbone its own layers are these."""
        self.schedule: dict[int, list[int]] = own["unfreeze_schedule"]
        if self.backbone is not None:
            self.schedule = _fitted(self.schedule, self.backbone.depth)
            for number in self.scheduled_layers:
                layer: Any = self.backbone.layer(number)
                layer.pretrained = False  # in every checkpoint, whatever epoch it is of
            return nn.Identity()
        dim, hidden, dropout = self.hparams["input_dim"], self.hparams["hidden_dim"], self.options.dropout
        blocks = nn.ModuleDict({str(layer): ResidualBlock(dim, hidden, dropout) for layer in self.scheduled_layers})
        return _InTurn(blocks)

    @property
    def scheduled_layers(self) -> list[int]:
        """Layers that are trained sooner or later, lowest first."""
        return sorted({layer for layers in self.schedule.values() for layer in layers})

    def get_unfrozen_layers(self) -> list[int]:
        """Layers that are trained now, lowest first."""
        return [layer for layer in self.scheduled_layers if next(self._layer(layer).parameters()).requires_grad]

    def on_train_epoch_start(self) -> None:
        """Unfreeze what the schedule says by this epoch."""
        self._unfreeze(self.current_epoch)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Heads at the full rate, then layers from the top, also those still frozen: groups never change in a run."""
        layers = {layer: list(self._layer(layer).parameters()) for layer in self.scheduled_layers}
        within = {id(parameter) for parameters in layers.values() for parameter in parameters}
        heads = (p for p in self.parameters() if p.requires_grad and id(p) not in within)
        rate, decay = self.learning_rate, self.weight_decay
        groups = decayed(heads, rate, decay)
        for place, layer in enumerate(reversed(self.scheduled_layers), start=1):
            groups += decayed(layers[layer], rate * self.hparams["lr_decay_factor"] ** place, decay)
        return groups

    def _layer(self, number: int) -> nn.Module:
        if self.backbone is not None:
            return self.backbone.layer(number)
        assert isinstance(self.front, _InTurn)
        return self.front.blocks[str(number)]

    def _unfreeze(self, epoch: int) -> None:
        now = {layer for start, layers in self.schedule.items() if start <= epoch for layer in layers}
        for layer in self.scheduled_layers:
            self._layer(layer).requires_grad_(layer in now)


class _InTurn(nn.Module):
    def __init__(self, blocks: nn.ModuleDict) -> None:
        super().__init__()
        self.blocks = blocks

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks.values():
            x = block(x)
        return x


def _fitted(schedule: dict[int, list[int]], depth: int) -> dict[int, list[int]]:
    """The schedule for a MuQ of so many layers: the default moved down, so that 12 is its last; others must fit.

    Raises:
        SetupError: They do not.
    """
    layers = [layer for group in schedule.values() for layer in group]
    if schedule == {epoch: list(group) for epoch, group in UNFREEZE_SCHEDULE.items()} and depth < max(LAYERS):
        moved = {epoch: [one - max(LAYERS) + depth for one in group] for epoch, group in schedule.items()}
        return {epoch: [one for one in group if one >= 1] for epoch, group in moved.items() if max(group) >= 1}
    if not layers or not all(1 <= layer <= depth for layer in layers):
        raise SetupError(f"unfreeze_schedule names layers {layers}; this MuQ has layers 1 to {depth}, counted from 1")
    return schedule
