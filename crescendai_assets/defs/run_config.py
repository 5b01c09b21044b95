"""What every training run may set, whatever it trains: fields of the launchpad with the domain's defaults.

What a checkpoint's run may set besides is in `checkpoints`, what a pretraining's, in `pretrained`.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from crescendai_assets.training.settings import FitSettings

_DEFAULTS = FitSettings("S0")


class RunConfig(dg.Config):
    """Fields of `RunSettings`; defaults are those of a checkpoint's training."""

    preset: str = Field(
        _DEFAULTS.preset,
        description="small: minutes on two cores; full: as published. Weights to begin from are of the same one.",
    )
    epochs: int = Field(_DEFAULTS.epochs, description="Most of them.")
    batch_size: int = Field(_DEFAULTS.batch_size, description="Performances a step; halved once when memory runs out.")
    learning_rate: float = Field(_DEFAULTS.learning_rate, description="Highest of the run.")
    weight_decay: float = Field(_DEFAULTS.weight_decay, description="Of weights, not of biases and norms.")
    dropout: float = Field(_DEFAULTS.dropout, description="Share left out in training.")
    patience: int = Field(_DEFAULTS.patience, description="Epochs without getting better until it stops.")
    precision: str = Field(_DEFAULTS.precision, description="auto (bf16 on a GPU), 32-true, bf16-mixed, 16-mixed.")
    device: str = Field(_DEFAULTS.device, description="auto ($CRESCENDAI_DEVICE, or a GPU if any), cpu, cuda, cuda:1.")
    allow_cpu: bool = Field(_DEFAULTS.allow_cpu, description="Whether auto may mean the CPU.")
    seed: int = Field(_DEFAULTS.seed, description="Of weights, batches, dropout; each seed is a checkpoint of its own.")
    logger: str = Field(_DEFAULTS.logger, description="none; tensorboard: beside the weights; wandb.")
    sizes: dict[str, Any] = Field({}, description="Arguments of the model that differ from the preset's.")
