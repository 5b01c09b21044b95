"""Hyper-parameters of one training: typed, checked, and written beside what was trained with them.

What a model is made of is in `registry`, how it is trained in `fit`. Settings that change nothing of the result, such
as the device, do not count in its identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from crescendai_assets.lake.errors import SetupError

Preset = Literal["small", "full"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
LoggerName = Literal["none", "tensorboard"]

_WHERE = ("device", "allow_cpu", "logger")
"""Say where and how something is trained, not what comes out."""


@dataclass(frozen=True)
class FitSettings:
    """How a model is trained in one fold.

    Attributes:
        model: Key of the registry: `S0` to `S4`, `A0` to `A3`, `F1` to `F3`.
        preset: Sizes: `small` trains a fold in minutes on two cores, `full` is as published.
        epochs: Most of them.
        batch_size: Performances a step.
        learning_rate: Highest of the run.
        weight_decay: Of weights, not of biases and norms.
        dropout: Share left out in training.
        patience: Epochs without a better inner validation until it stops.
        precision: Of the forward pass; `auto` is bf16 on a GPU and 32 bits on a CPU.
        device: `auto` takes a GPU where there is one.
        allow_cpu: Whether `auto` may fall back on the CPU.
        seed: Of weights, batches and dropout; the shuffle of a fold is the fold's own.
        logger: Where curves go beside the report.
        hand_features: Whether a symbolic model is also told the hand features, own and as differences from the score's.
        inner_share: Share of the rows to learn from that epochs are chosen by instead.
        fused: Checkpoints that a fusion stands on, audio first.
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
    device: Device = "auto"
    allow_cpu: bool = True
    seed: int = 0
    logger: LoggerName = "none"
    hand_features: bool = True
    inner_share: float = 0.15
    fused: tuple[str, str] = ("A0", "S1")
    sizes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what nothing can be trained by.

        Raises:
            SetupError: A value is out of its range; says which and what is in it.
        """
        chosen = {"preset": Preset, "device": Device, "precision": Precision, "logger": LoggerName}
        for name, kind in chosen.items():
            if getattr(self, name) not in get_args(kind):
                raise SetupError(f"{name} is {getattr(self, name)!r}; it is one of {', '.join(get_args(kind))}")
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise SetupError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not self.learning_rate > 0 or not 0 <= self.dropout < 1 or not 0 < self.inner_share < 0.5:
            raise SetupError(
                f"learning_rate {self.learning_rate} must be above 0, dropout {self.dropout} in 0 to 1, inner_share "
                f"{self.inner_share} between 0 and 0.5"
            )
        object.__setattr__(self, "fused", tuple(self.fused))

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the result, as plain values."""
        return {name: value for name, value in self.plain.items() if name not in _WHERE}

    @property
    def plain(self) -> dict[str, Any]:
        """All values, as they are written beside a checkpoint."""
        return {**asdict(self), "fused": list(self.fused), "sizes": dict(self.sizes)}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> FitSettings:
        """From what `plain` gave."""
        return FitSettings(**{**plain, "fused": tuple(plain["fused"])})


@dataclass(frozen=True)
class Hardware:
    """What is trained on.

    Attributes:
        accelerator: As Lightning calls it.
        precision: Of the forward pass.
        name: For people; a CPU says that it is one.
    """

    accelerator: Literal["cpu", "gpu"]
    precision: str
    name: str

    @property
    def torch_device(self) -> str:
        """As torch calls it."""
        return "cuda" if self.accelerator == "gpu" else "cpu"


def hardware(settings: FitSettings) -> Hardware:
    """Where settings ask to train.

    Raises:
        SetupError: A GPU is asked for and there is none.
    """
    import torch

    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise SetupError(f"{settings.model}: device is cuda and there is no GPU here; set device to cpu, or to auto")
    if settings.device != "cpu" and there:
        precision = "bf16-mixed" if settings.precision == "auto" else settings.precision
        return Hardware("gpu", precision, torch.cuda.get_device_name())
    if settings.device == "auto" and not settings.allow_cpu:
        raise SetupError(f"{settings.model}: there is no GPU here and allow_cpu is false; allow it, or train elsewhere")
    precision = "32-true" if settings.precision == "auto" else settings.precision
    return Hardware("cpu", precision, f"CPU, {torch.get_num_threads()} threads")
