"""Hyper-parameters of one training: typed, checked, and written beside what was trained with them.

What a model is made of is in `registry`, how it is trained in `fit`. Settings that change nothing of the result, such
as the device, do not count in its identity.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

from crescendai_assets.embeddings.identity import device_of, refuse_other_device
from crescendai_assets.lake.errors import SetupError

Preset = Literal["small", "full"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
LoggerName = Literal["none", "tensorboard", "wandb"]

Start = Literal["auto", "scratch", "pretrained"]
TierName = Literal["competition", "maestro", "youtube"]

T2: Final = "competition"
T3: Final = "maestro"
T4: Final = "youtube"

WHERE = ("device", "allow_cpu", "logger")
"""Say where and how something is trained, not what comes out."""

_LOOKED_UP = ("start", "tiers", "l_con", "l_inv")
"""Of `FitSettings`: what these come to is told by digests of what was found."""


@dataclass(frozen=True)
class RunSettings:
    """How any model is trained, whatever towards.

    Attributes:
        model: Key of the registry.
        preset: Sizes: `small` trains a fold in minutes on two cores, `full` is as published.
        epochs: Most of them.
        batch_size: Performances a step.
        learning_rate: Highest of the run.
        weight_decay: Of weights, not of biases and norms.
        dropout: Share left out in training.
        patience: Epochs without a better inner validation until it stops.
        precision: Of the forward pass; `auto` is bf16 on a GPU and 32 bits on a CPU.
        device: `cpu`, `cuda` or `cuda:N`; `auto` is `$CRESCENDAI_DEVICE`, else a GPU where there is one.
        allow_cpu: Whether `auto` may mean the CPU.
        seed: Of weights, batches and dropout.
        logger: Where curves go beside the report.
        inner_share: Share of what is learnt from that epochs are chosen by instead.
        sizes: Arguments of the model that differ from the preset's.
    """

    model: str
    preset: Preset = "small"
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    dropout: float = 0.2
    patience: int = 6
    precision: Precision = "auto"
    device: str = "auto"
    allow_cpu: bool = True
    seed: int = 0
    logger: LoggerName = "none"
    inner_share: float = 0.15
    sizes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what nothing can be trained by.

        Raises:
            SetupError: A value is out of its range; says which and what is in it.
        """
        chosen = {"preset": Preset, "precision": Precision, "logger": LoggerName}
        for name, kind in chosen.items():
            refuse_other(name, getattr(self, name), kind)
        refuse_other_device(self.device)
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise SetupError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not self.learning_rate > 0 or not 0 <= self.dropout < 1 or not 0 < self.inner_share < 0.5:
            raise SetupError(
                f"learning_rate {self.learning_rate} must be above 0, dropout {self.dropout} in 0 to 1, inner_share "
                f"{self.inner_share} between 0 and 0.5"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the result, as plain values."""
        return {name: value for name, value in self.plain.items() if name not in WHERE}

    @property
    def plain(self) -> dict[str, Any]:
        """All values, as they are written beside a checkpoint."""
        return {**asdict(self), "sizes": dict(self.sizes)}


def refuse_other(name: str, value: str, kind: Any) -> None:
    """Refuse a value that is none of a literal type's.

    Raises:
        SetupError: It is none.
    """
    if value not in get_args(kind):
        raise SetupError(f"{name} is {value!r}; it is one of {', '.join(get_args(kind))}")


@dataclass(frozen=True)
class FitSettings(RunSettings):
    """How a model is trained in one fold; the shuffle of a fold is the fold's own, not the seed's.

    Attributes:
        hand_features: Whether a symbolic model is also told the hand features, own and as differences from the score's.
        fused: Checkpoints that a fusion stands on, audio first.
        use_score: Whether a symbolic model, or a fusion's symbolic side, hears the score beside the performance, where
            there are scores.
        use_pretrained_muq: Whether an audio model hears the clips' audio through MuQ itself, not stored embeddings.
        cache_stem: Whether the output of that MuQ's stem is kept on disk, in 16 bits.
        start: `auto` begins from pretrained weights where finished ones fit, and from scratch where there are none of
            these sizes, and the report says which; it refuses half done ones and those out of date. `scratch`;
            `pretrained` refuses where there are none. What it comes to counts, not what it is.
        tiers: What A1, A2 and A3 learn from beside ratings, as far as it is there: T2's orders, T3's pairs, T4's twins.
            What they come to counts, and with them the weights of their parts.
        l_rank: Weight of ranking, of ratings and of T2, beside regression.
        l_con: Weight of T3's contrast.
        l_inv: Weight of T4's invariance.
    """

    hand_features: bool = True
    fused: tuple[str, str] = ("A0", "S1")
    start: Start = "auto"
    use_score: bool = True
    use_pretrained_muq: bool = False
    cache_stem: bool = True
    tiers: tuple[TierName, ...] = (T2, T3, T4)
    l_rank: float = 1.0
    l_con: float = 0.1
    l_inv: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what nothing can be trained by.

        Raises:
            SetupError: A value is out of its range; says which and what is in it.
        """
        super().__post_init__()
        refuse_other("start", self.start, Start)
        for tier in self.tiers:
            refuse_other("one of tiers", tier, TierName)
        for name in ("l_rank", "l_con", "l_inv"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise SetupError(f"{name} is {getattr(self, name)}; a weight of the objective is 0 or more")
        object.__setattr__(self, "fused", tuple(self.fused))
        object.__setattr__(self, "tiers", tuple(one for one in (T2, T3, T4) if one in self.tiers))

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the result, as plain values, but for what a training looks up: weights to begin from, tiers.

        A weight of ranking that is the usual one is left away: checkpoints are older than that setting.
        """
        told = {name: value for name, value in super().identity.items() if name not in _LOOKED_UP}
        return told if self.l_rank != 1 else {name: value for name, value in told.items() if name != "l_rank"}

    @property
    def plain(self) -> dict[str, Any]:
        """All values, as they are written beside a checkpoint."""
        return {**super().plain, "fused": list(self.fused), "tiers": list(self.tiers)}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> FitSettings:
        """From what `plain` gave."""
        return FitSettings(**plain)


@dataclass(frozen=True)
class Hardware:
    """What is trained on.

    Attributes:
        accelerator: As Lightning calls it.
        precision: Of the forward pass.
        name: For people; a CPU says that it is one.
        number: Which of several GPUs.
    """

    accelerator: Literal["cpu", "gpu"]
    precision: str
    name: str
    number: int = 0

    @property
    def torch_device(self) -> str:
        """As torch calls it."""
        return f"cuda:{self.number}" if self.accelerator == "gpu" else "cpu"

    @property
    def devices(self) -> int | list[int]:
        """As Lightning asks for it."""
        return [self.number] if self.accelerator == "gpu" else 1


def hardware(settings: RunSettings) -> Hardware:
    """Where settings ask to train.

    Raises:
        SetupError: A GPU is asked for and there is none.
    """
    import torch

    asked = settings.device if settings.device != "auto" else os.environ.get("CRESCENDAI_DEVICE") or "auto"
    try:
        found = device_of(asked)
    except SetupError as error:
        source = "" if asked == settings.device else ", CRESCENDAI_DEVICE"
        raise SetupError(f"{settings.model}{source}: {error}") from error
    if found != "cpu":
        precision = "bf16-mixed" if settings.precision == "auto" else settings.precision
        return Hardware("gpu", precision, torch.cuda.get_device_name(found), int(found.partition(":")[2] or 0))
    if settings.device == "auto" and not settings.allow_cpu:
        why = "there is no GPU here" if asked == "auto" else "CRESCENDAI_DEVICE is cpu"
        raise SetupError(f"{settings.model}: {why} and allow_cpu is false; allow it, or train elsewhere")
    precision = "32-true" if settings.precision == "auto" else settings.precision
    return Hardware("cpu", precision, f"CPU, {torch.get_num_threads()} threads")
