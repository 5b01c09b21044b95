"""Hyper-parameters of one pretraining: typed, checked, and written beside what was pretrained with them.

What is learnt from is planned in `pretrain_plan`, how in `pretrain`. Settings of finetuning are in `settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training import t1_plan
from crescendai_assets.training.registry import MODELS
from crescendai_assets.training.settings import FitSettings, Preset, RunSettings

PRODUCTS: Mapping[str, str] = {
    spec.key: t1_plan.PRODUCTS[spec.kind] for spec in MODELS.values() if spec.of_symbols and spec.kind
}
"""Encoder of symbols -> product of the corpus that it is pretrained on: what it listens to later."""

KEYS: Mapping[str, str] = {
    "S1": "tokens that are masked are guessed",
    "S2": "which notes are joined is told from the rest of the graph",
    "S2h": "which notes are joined, and how, is told from the rest of the graph",
    "S3": "masked spans of curves are told from others by their codes",
    "A2": "performances of one piece (T3) and augmented twins (T4) are drawn together",
}
"""What can be pretrained, and on what task."""

LENGTHS: Mapping[str, Mapping[Preset, int]] = {
    "S1": {"small": 512, "full": 2048},
    "S2": {"small": 256, "full": 512},
    "S2h": {"small": 256, "full": 512},
    "S3": {"small": 1000, "full": 1500},
    "A2": {"small": 1000, "full": 1000},
}
"""Tokens, notes, frames at 50 Hz, frames of embeddings that an item shows at most."""

HIDDEN: Mapping[str, float] = {"S1": 0.15, "S2": 0.15, "S2h": 0.15, "S3": 0.4}
"""Share of tokens, joined pairs and frames that is to be guessed."""


@dataclass(frozen=True)
class PretrainSettings(RunSettings):
    """How an encoder is pretrained; `model` is one of `KEYS`. In each epoch another part is shown and hidden.

    Only weights of the same preset and sizes can be begun from. `batch_size` is of each tier, of A2; `inner_share` is
    of pieces (videos), of A2 and of a corpus that has nothing for validation.

    Attributes:
        length: Tokens, notes or frames of an item; 0 for `LENGTHS`.
        hidden_share: What is to be guessed; 0 for `HIDDEN`.
        verified: Of T3, only recordings whose MIDI says that they hold the same music.
    """

    batch_size: int = 16
    weight_decay: float = 0.01
    dropout: float = 0.1
    inner_share: float = 0.1
    length: int = 0
    hidden_share: float = 0.0
    verified: bool = True

    def __post_init__(self) -> None:
        """Refuse what nothing can be pretrained by.

        Raises:
            SetupError: A value is out of its range; says which and what is in it.
        """
        if self.model not in KEYS:
            raise SetupError(f"{self.model!r} is not pretrained; {', '.join(KEYS)} are")
        super().__post_init__()
        if self.length < 0 or not 0 <= self.hidden_share < 1:
            raise SetupError(
                f"length is {self.length}, hidden_share {self.hidden_share}; give 0 for the usual, else 1 or more, and "
                "a share below 1"
            )

    @property
    def items_length(self) -> int:
        """What an item shows at most."""
        return self.length or LENGTHS[self.model][self.preset]

    @property
    def share(self) -> float:
        """Share that is to be guessed, where something is."""
        return self.hidden_share or HIDDEN.get(self.model, 0.0)

    @property
    def of_model(self) -> FitSettings:
        """The same for the registry, which builds the model in its first stage."""
        stage = "self_supervised" if self.model == "A2" else "pretrain"
        return FitSettings(
            self.model,
            preset=self.preset,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            sizes={**self.sizes, "stage": stage},
        )
