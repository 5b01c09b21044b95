"""S1: tokens of a performance (`symbolic.tokenizer`) through a Transformer; pretrained to guess masked tokens.

Devlin et al., BERT, arXiv 1810.04805. Which tokens are masked is the dataset's choice.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from crescendai_assets.models.objective_parts import Batch
from crescendai_assets.models.symbolic_base import Options, Stage, SymbolicEncoder, refuse_missing
from crescendai_assets.models.symbolic_layers import AttentionStack, StatisticsPool, pool_sequence

NOT_MASKED = -100
"""Label of a token that is not to be guessed."""


class TransformerSymbolicEncoder(SymbolicEncoder):
    """S1. Batches of pretraining: `input_ids`, `labels`, `attention_mask`, each of shape (B, T).

    In finetuning the fields are `input_ids` and `mask`, see `SymbolicEncoder`.
    """

    fields: ClassVar[Mapping[str, str]] = {"input_ids": "input_ids", "mask": "attention_mask"}
    small_sizes: ClassVar[Mapping[str, Any]] = {
        "d_model": 128,
        "nhead": 4,
        "num_layers": 2,
        "hidden_dim": 128,
        "max_seq_len": 1024,
    }

    def __init__(
        self,
        vocab_size: int,
        d_model: int = 512,
        nhead: int = 8,
        num_layers: int = 6,
        hidden_dim: int = 512,
        num_labels: int = 19,
        stage: Stage = "pretrain",
        max_seq_len: int = 2048,
        **options: Unpack[Options],
    ) -> None:
        """Size it.

        Args:
            vocab_size: Number of tokens.
            d_model: Width of the Transformer.
            nhead: Heads of attention, which divide the width into parts of an even size.
            num_layers: Blocks.
            hidden_dim: H, size of `z_symbolic`.
            num_labels: D.
            stage: What a training step does.
            max_seq_len: Tokens; what is beyond is left out, with a warning.
            **options: See `Options`.
        """
        super().__init__(hidden_dim, num_labels, stage, **options)
        self.save_hyperparameters()
        self.max_seq_len = max_seq_len
        self.embedding = nn.Embedding(vocab_size, d_model)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)  # its transpose guesses tokens: logits of size 1
        self.transformer = AttentionStack(d_model, nhead, num_layers, self.options["dropout"])
        self.pool = StatisticsPool(d_model, hidden_dim, nhead)
        self.guess = nn.Sequential(nn.Linear(d_model, d_model), nn.GELU(), nn.LayerNorm(d_model))
        self.guess_bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        conditions: Tensor | None = None,
        score: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Judge performances.

        Args:
            input_ids: Tokens, shape (B, T).
            attention_mask: True or 1 where there is a token, shape (B, T); everywhere by default.
            conditions: Shape (B, K), NaN where unknown.
            score: `input_ids` and `attention_mask` of the score of the same bars.

        Returns:
            `z_symbolic` (B, H), `logits` (B, D), and `scores` (B, D) in 0 to 1.
        """
        return self.judge(self.encode(input_ids, attention_mask), conditions, score)

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Tokens to a vector, shape (B, H); arguments as of `forward`."""
        hidden, mask = self._hidden(input_ids, attention_mask)
        return pool_sequence(self.pool, hidden, mask)

    def pretrain_loss(self, batch: Batch) -> Tensor:
        """Cross entropy of the masked tokens, those whose label is not -100; 0 where none is."""
        refuse_missing(batch, ("input_ids", "labels", "attention_mask"), self.stage)
        hidden, _ = self._hidden(batch["input_ids"], batch["attention_mask"])
        labels = batch["labels"][:, : self.max_seq_len]
        masked = labels != NOT_MASKED
        logits = self.guess(hidden[masked]) @ self.embedding.weight.T + self.guess_bias
        if not len(logits):
            return hidden.sum() * 0.0
        return functional.cross_entropy(logits, labels[masked])

    def _hidden(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        mask = attention_mask.bool()
        if mask[:, self.max_seq_len :].any():
            warnings.warn(
                f"sequences of up to {input_ids.shape[1]} tokens are cut at max_seq_len={self.max_seq_len}",
                stacklevel=4,
            )
        input_ids, mask = input_ids[:, : self.max_seq_len], mask[:, : self.max_seq_len]
        return self.transformer(self.embedding(input_ids), mask), mask
