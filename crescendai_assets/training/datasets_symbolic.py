"""Pretraining without ratings on sequences: masked tokens for S1, masked spans of curves for S3.

Batches are those of `models.symbolic_transformer` and `models.symbolic_continuous`. Graphs are in `datasets_graphs`,
the corpus behind all of them in `datasets_corpus`.
"""

# ruff: noqa: TID253 - datasets are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from crescendai_assets.training.datasets_batches import trimmed_collate_fn
from crescendai_assets.training.datasets_chance import Reshuffled

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPECIAL = {"pad": 0, "bos": 1, "eos": 2, "mask": 3}
"""Tokens of `symbolic.tokenizer` that are no music."""

NOT_MASKED = -100
"""Label of a token that is not to be guessed; the model has the same, and importing it takes seconds."""

MASKED, RANDOM = 0.8, 0.1
"""Of tokens that are to be guessed, shares shown as MASK and as any other token; the rest are shown as they are."""


class MIDIPretrainingDataset(Reshuffled, Dataset[dict[str, Any]]):
    """Masked tokens: `input_ids`, `attention_mask`, `labels` (-100 where nothing is guessed), shape (max_seq_len,).

    Devlin et al., BERT, arXiv 1810.04805: 80 % of the tokens to guess are shown as MASK, 10 % as another token, 10 % as
    they are. Other tokens are guessed in each epoch, and of a longer sequence another part is shown.
    """

    collate: ClassVar[Any] = staticmethod(trimmed_collate_fn)

    def __init__(
        self,
        token_sequences: Sequence[Any],
        max_seq_len: int,
        mask_prob: float,
        vocab_size: int,
        *,
        special: dict[str, int] = SPECIAL,
        seed: int = 0,
    ) -> None:
        """Take sequences, which may be read lazily.

        Args:
            token_sequences: Whole numbers below `vocab_size` each.
            max_seq_len: Tokens of an item; shorter ones are padded.
            mask_prob: Share to guess; at least one of each sequence.
            vocab_size: Number of tokens.
            special: `pad`, `mask` and other tokens that are never guessed, by name.
            seed: Of what is drawn.
        """
        super().__init__(seed)
        if not 0 < mask_prob < 1:
            raise ValueError(f"mask_prob is {mask_prob}; give a share between 0 and 1")
        self.token_sequences, self.max_seq_len, self.mask_prob = token_sequences, max_seq_len, mask_prob
        self.vocab_size, self.special = vocab_size, dict(special)
        self._music = np.setdiff1d(np.arange(vocab_size), list(special.values()))

    def __len__(self) -> int:
        return len(self.token_sequences)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sequence {index} of {len(self)}")
        chance = self.chance("tokens", index % len(self))
        tokens = self._part(np.asarray(self.token_sequences[index], np.int64), index, chance)
        shown, labels = mask_tokens(tokens, self._music, self.special["mask"], self.mask_prob, chance)
        fill = (0, self.max_seq_len - len(tokens))
        item = {
            "input_ids": np.pad(shown, fill, constant_values=self.special["pad"]),
            "labels": np.pad(labels, fill, constant_values=NOT_MASKED),
            "attention_mask": np.pad(tokens != self.special["pad"], fill),
        }
        return {name: torch.from_numpy(one) for name, one in item.items()}

    def _part(self, tokens: NDArray[np.int64], index: int, chance: np.random.Generator) -> NDArray[np.int64]:
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.vocab_size:
            raise ValueError(
                f"sequence {index} holds token {tokens.max() if tokens.min() >= 0 else tokens.min()}, the vocabulary "
                f"has {self.vocab_size}; give the vocab_size of the tokenizer that made it"
            )
        if len(tokens) <= self.max_seq_len:
            return tokens
        first = int(chance.integers(len(tokens) - self.max_seq_len + 1))
        return tokens[first : first + self.max_seq_len]


def mask_tokens(
    tokens: NDArray[np.int64],
    music: NDArray[np.int64],
    mask_token: int,
    mask_prob: float,
    chance: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What is shown of a sequence, and what is to be guessed.

    Args:
        tokens: Shape (T,).
        music: Tokens that may be guessed, and shown in place of others.
        mask_token: Shown for a token to guess.
        mask_prob: Share to guess; at least one.
        chance: Decides.

    Returns:
        Shown and labels, shape (T,) each; labels are -100 where nothing is to be guessed.
    """
    may = np.isin(tokens, music)
    guessed = may & (chance.random(len(tokens)) < mask_prob)
    if may.any() and not guessed.any():
        guessed[chance.choice(np.flatnonzero(may))] = True
    way = chance.random(len(tokens))
    other = music[chance.integers(len(music), size=len(tokens))]
    shown = np.where(way < MASKED, mask_token, np.where(way < MASKED + RANDOM, other, tokens))
    return np.where(guessed, shown, tokens), np.where(guessed, tokens, NOT_MASKED)


class ContinuousPretrainDataset(Reshuffled, Dataset[dict[str, Any]]):
    """Curves with spans masked.

    Items hold `features` and `masked_features` (max_len, C), `mask` and `masked_positions` (max_len,). A performance
    is cut into parts of about equal length; what is masked is 0, and other frames in each epoch. Spans as in Baevski et
    al., wav2vec 2.0, arXiv 2006.11477, where 10 latents of 20 ms are masked; here 40 frames of 20 ms are 10 latents.
    """

    collate: ClassVar[Any] = staticmethod(trimmed_collate_fn)

    def __init__(
        self,
        curves: Sequence[Any],
        max_len: int = 1500,
        mask_prob: float = 0.4,
        *,
        span: int = 40,
        lengths: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        """Take curves, which may be read lazily.

        Args:
            curves: Of each performance, shape (T, C).
            max_len: Frames of an item; shorter ones are padded. 1500 are 30 s.
            mask_prob: Share of frames to mask, on average.
            span: Frames masked at a time.
            lengths: T of each performance; None to look.
            seed: Of what is drawn.
        """
        super().__init__(seed)
        if not 0 < mask_prob < 1 or span < 1:
            raise ValueError(f"mask_prob is {mask_prob}, span {span}; give a share between 0 and 1, and 1 or more")
        self.curves, self.max_len, self.mask_prob, self.span = curves, max_len, mask_prob, span
        known = [len(one) for one in curves] if lengths is None else lengths
        self.parts = [(place, *part) for place, count in enumerate(known) for part in _parts(count, max_len)]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        place, first, last = self.parts[index]
        features = np.asarray(self.curves[place][first:last], np.float32)
        hidden = span_mask(len(features), self.mask_prob, self.span, self.chance("curves", index % len(self)))
        masked = np.where(hidden[:, None], np.float32(0), features)
        fill = (0, self.max_len - len(features))
        item = {
            "features": np.pad(features, (fill, (0, 0))),
            "mask": np.pad(np.ones(len(features), bool), fill),
            "masked_features": np.pad(masked, (fill, (0, 0))),
            "masked_positions": np.pad(hidden, fill),
        }
        return {name: torch.from_numpy(one) for name, one in item.items()}


def span_mask(length: int, share: float, span: int, chance: np.random.Generator) -> NDArray[np.bool_]:
    r"""Which frames are masked, in spans that may overlap, shape (length,).

    \( n = \log(1 - p) / \log(1 - s / T) \) spans of s of T frames leave a share 1 - p bare, on average. A sequence too
    short for that has one span over half of it.
    """
    hidden = np.zeros(length, bool)
    if length < 2:
        return hidden
    if length < 2 * span:
        span = max(1, length // 2)
    wanted = math.log(1 - share) / math.log(1 - span / length)
    count = max(1, int(wanted + chance.random()))
    # starts may lie before the first frame, so that the ends are masked as often as the middle
    starts = (
        chance.integers(1 - span, length, size=count) if count > 1 else chance.integers(0, length - span + 1, size=1)
    )
    for start in starts:
        hidden[max(start, 0) : start + span] = True
    return hidden


def _parts(count: int, longest: int) -> list[tuple[int, int]]:
    """First and last frame, not with it, of parts of about equal length that are no longer than this."""
    pieces = max(1, math.ceil(count / longest))
    cuts = [round(place * count / pieces) for place in range(pieces + 1)]
    return list(itertools.pairwise(cuts)) if count else []
