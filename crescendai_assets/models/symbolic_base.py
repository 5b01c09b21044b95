"""What the symbolic encoders have in common: stages, fields of batches, conditions and scores beside the performance.

An encoder says how a performance becomes a vector (`encode`) and how it is pretrained (`pretrain_loss`); from there on
they are alike. Layers are in `symbolic_layers`, the head in `symbolic_head`, what is learnt from ratings in
`scoring_module`. Loops over epochs, folds and files belong to `training`.
"""

# ruff: noqa: TID253 - modules are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, TypeAlias, TypedDict, Unpack

from torch import Tensor

from crescendai_assets.models.figures import ValidationFigures
from crescendai_assets.models.losses import AMBIGUOUS
from crescendai_assets.models.objective_parts import Batch, Parts
from crescendai_assets.models.scoring_module import ScoringModule
from crescendai_assets.models.symbolic_head import ScoreHead

Stage: TypeAlias = Literal["pretrain", "finetune"]

STAGES = ("pretrain", "finetune")

OF_ROW = "of_row"
"""Which of the scores given is each row's."""


class Options(TypedDict, total=False):
    """What every encoder takes besides its sizes.

    Attributes:
        dropout: Share left out in training, .1 by default.
        conditions_dim: Size K of the vector of conditions; 0, the default, takes none.
        use_score: Whether a score may come in beside the performance; False by default.
        learning_rate: Highest of the run, 3e-4 by default.
        weight_decay: Of weights, not of biases and norms; .01 by default.
        warmup_steps: Over which the learning rate rises; 100 by default.
        l_rank: Weight of ranking beside regression; 1 by default.
        l_squared: Weight of squared error added to `losses.regression_loss`, 60 by default: concordance wants
            predictions to spread as widely as labels do, which costs R² where little can be known.
        ambiguous_threshold: Pairs whose labels differ by this or less are not ranked; .05 by default.
    """

    dropout: float
    conditions_dim: int
    use_score: bool
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    l_rank: float
    l_squared: float
    ambiguous_threshold: float


DEFAULTS: Options = {
    "dropout": 0.1,
    "conditions_dim": 0,
    "use_score": False,
    "learning_rate": 3e-4,
    "weight_decay": 0.01,
    "warmup_steps": 100,
    "l_rank": 1.0,
    "l_squared": 60.0,
    "ambiguous_threshold": AMBIGUOUS,
}


class SymbolicEncoder(ScoringModule):
    """A performance as symbols to `z_symbolic` and `scores`.

    Batches of finetuning are those of `ScoringModule`, with `fields`; by choice also with `conditions` (B, K), and with
    the score's fields with `score_` before their names: one score a row, or, with `score_of_row` (B,), any number of
    scores and which of them is each row's, -1 for none.

    Attributes:
        fields: Name in a batch -> argument of `forward`, those that have to be there.
        optional_fields: The same of those that may be there.
        small_sizes: Arguments that make it train a fold in minutes on two cores.
    """

    fields: ClassVar[Mapping[str, str]]
    optional_fields: ClassVar[Mapping[str, str]] = {}
    small_sizes: ClassVar[Mapping[str, Any]]

    def __init__(self, hidden_dim: int, num_labels: int, stage: Stage, **options: Unpack[Options]) -> None:
        """Make what follows the encoder.

        Args:
            hidden_dim: H, size of `z_symbolic`.
            num_labels: D.
            stage: What a training step does.
            **options: See `Options`.
        """
        if unknown := options.keys() - DEFAULTS.keys():
            raise TypeError(f"{type(self).__name__} has no argument {sorted(unknown)[0]!r}")
        if stage not in STAGES:
            raise ValueError(f"stage must be one of {', '.join(STAGES)}, not {stage!r}")
        chosen: Options = {**DEFAULTS, **options}
        super().__init__(
            l_rank=chosen["l_rank"],
            l_squared=chosen["l_squared"],
            ambiguous_threshold=chosen["ambiguous_threshold"],
            learning_rate=chosen["learning_rate"],
            weight_decay=chosen["weight_decay"],
            warmup_steps=chosen["warmup_steps"],
        )
        self.options, self.stage = chosen, stage
        self.hidden_dim, self.num_labels = hidden_dim, num_labels
        self.head = ScoreHead(
            hidden_dim,
            num_labels,
            conditions_dim=chosen["conditions_dim"],
            use_score=chosen["use_score"],
            dropout=chosen["dropout"],
        )

    @classmethod
    def small(cls, *sizes: Any, **changes: Any) -> Self:
        """An encoder that trains a fold in minutes on two cores; what has no default is given, all else may be."""
        return cls(*sizes, **{**cls.small_sizes, **changes})

    @abstractmethod
    def encode(self, *inputs: Any, **named: Any) -> Tensor:
        """A performance, or a score, to a vector of shape (B, H), before conditions and score come in."""

    @abstractmethod
    def pretrain_loss(self, batch: Batch) -> Tensor:
        """Loss of a batch without ratings, a scalar."""

    def judge(self, z: Tensor, conditions: Tensor | None, score: Mapping[str, Any] | None) -> dict[str, Tensor]:
        """Join what is known and score it: the end of every `forward`.

        Args:
            z: What `encode` gave, shape (B, H).
            conditions: Shape (B, K) or None.
            score: The score's inputs of `encode`, by argument, and perhaps `of_row`, see the class; or None.

        Returns:
            `z_symbolic` (B, H), `logits` (B, D), and `scores` (B, D) in 0 to 1.
        """
        z_score, has_score = None, None
        if score is not None:
            z_score = self.encode(**{name: value for name, value in score.items() if name != OF_ROW})
            if (of_row := score.get(OF_ROW)) is not None:
                z_score, has_score = z_score[of_row.clamp(min=0)], of_row >= 0
        z, logits = self.head(z, conditions, z_score, has_score)
        return {"z_symbolic": z, "logits": logits, "scores": logits.sigmoid()}

    def fit_conditions(self, values: Tensor) -> None:
        """Learn the conditions' mean and deviation from the rows of training, shape (N, K); NaN is unknown."""
        self.head.fit_conditions(values)

    def start_at(self, labels: Tensor) -> None:
        """Begin finetuning from the mean rating of the rows of training, shape (N, D)."""
        self.head.start_at(labels)

    def switch_to_finetune(self) -> None:
        """From pretraining on to ratings; what was learnt stays."""
        self.stage = "finetune"

    def objective_of(self, batch: Batch, figures: ValidationFigures | None = None) -> tuple[Tensor, Parts]:
        """The loss of a batch of the present stage, a scalar, and its parts by name."""
        if self.stage == "pretrain":
            return self.pretrain_loss(batch), {}
        return super().objective_of(batch, figures)

    def logits_of(self, batch: Batch, suffix: str) -> Tensor:
        """Logits (B, D) of one side of a batch."""
        return self.heard(batch, suffix)["logits"]

    def heard(self, batch: Batch, suffix: str = "") -> dict[str, Tensor]:
        """What `forward` gives of one side of a batch, or of its rows where the suffix is empty."""
        inputs = self._inputs(batch, "", suffix)
        score = None
        if f"score_{next(iter(self.fields))}{suffix}" in batch:
            score = {**self._inputs(batch, "score_", suffix), OF_ROW: batch.get(f"score_{OF_ROW}{suffix}")}
        found: dict[str, Tensor] = self(**inputs, conditions=batch.get(f"conditions{suffix}"), score=score)
        return found

    def _inputs(self, batch: Batch, prefix: str, suffix: str) -> dict[str, Any]:
        refuse_missing(batch, [f"{prefix}{field}{suffix}" for field in self.fields], self.stage)
        there = {f: a for f, a in self.optional_fields.items() if f"{prefix}{f}{suffix}" in batch}
        return {argument: batch[f"{prefix}{field}{suffix}"] for field, argument in {**self.fields, **there}.items()}


def refuse_missing(batch: Batch, names: Sequence[str], stage: str) -> None:
    """Say which field a batch lacks, before something fails deep inside.

    Raises:
        ValueError: One is not there.
    """
    missing = [name for name in names if name not in batch]
    if missing:
        raise ValueError(f"a batch of {stage} needs {', '.join(names)}; there is no {', '.join(missing)}")
