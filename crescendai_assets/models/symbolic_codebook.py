r"""A codebook of product codes, chosen by Gumbel softmax, and the contrastive loss of guessing them.

From the vector of a frame, each of \( G \) groups chooses one of \( V \) entries; the target \( q \) is what they say
together. With a context \( c_t \) and distractors \( Q_t \) from other masked frames of the same item,

\[ L = -\log \frac{\exp(\cos(c_t, q_t) / \tau)}{\sum_{q \in \{q_t\} \cup Q_t} \exp(\cos(c_t, q) / \tau)}
   + \alpha \left( 1 - \frac{1}{GV} \sum_g \exp H(\bar p_g) \right) \]

Baevski et al., wav2vec 2.0, arXiv 2006.11477; the second term keeps all entries in use.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_HOTTEST, _COLDEST, _COOLING = 2.0, 0.5, 0.999


class GumbelCodebook(nn.Module):
    """Vectors to codes, differentiably: the temperature falls from 2 to .5 with each step of training."""

    steps: Tensor

    def __init__(self, width: int, groups: int, entries: int, code_dim: int) -> None:
        """Size it.

        Args:
            width: Of the vectors.
            groups: G; divides `code_dim`.
            entries: V of each group.
            code_dim: Size of a target.
        """
        super().__init__()
        if code_dim % groups:
            raise ValueError(f"codes of size {code_dim} do not divide into {groups} groups")
        self.groups, self.entries = groups, entries
        self.choose = nn.Linear(width, groups * entries)
        self.codes = nn.Parameter(torch.randn(groups, entries, code_dim // groups))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Quantise.

        Args:
            x: Shape (N, width), N at least 1.

        Returns:
            Targets, shape (N, code_dim), and how little of the codebook is in use, a scalar in 0 to 1.
        """
        logits = self.choose(x).view(len(x), self.groups, self.entries)
        if self.training:
            temperature = max(_COLDEST, _HOTTEST * _COOLING ** int(self.steps))
            self.steps += 1
            chosen = functional.gumbel_softmax(logits, tau=temperature, hard=True)
        else:
            chosen = functional.one_hot(logits.argmax(-1), self.entries).to(logits.dtype)
        targets = torch.einsum("ngv,gvd->ngd", chosen, self.codes).flatten(1)
        usual = logits.softmax(-1).mean(0)
        perplexity = (-(usual * (usual + 1e-7).log()).sum(-1)).exp()
        return targets, 1 - perplexity.sum() / (self.groups * self.entries)


def contrastive_loss(
    context: Tensor, targets: Tensor, item: Tensor, *, distractors: int = 50, temperature: float = 0.1
) -> Tensor:
    """The first term above, averaged over masked frames.

    Args:
        context: Of each masked frame, shape (N, C).
        targets: Its code, shape (N, C).
        item: Which item a frame belongs to, shape (N,), ascending.
        distractors: Drawn for each frame from the other masked frames of its item, with replacement.
        temperature: Above.

    Returns:
        A scalar; 0 where no item has two frames.
    """
    drawn, alone = _drawn(item, distractors)
    candidates = torch.cat([targets.unsqueeze(1), targets[drawn]], dim=1)
    logits = functional.cosine_similarity(context.unsqueeze(1), candidates, dim=-1) / temperature
    # a distractor with the frame's own code is no distractor
    same = (candidates[:, 1:] == targets.unsqueeze(1)).all(-1)
    logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(same | alone.unsqueeze(1), -torch.inf)], dim=1)
    first = torch.zeros(len(context), dtype=torch.long, device=context.device)
    return functional.cross_entropy(logits, first)


def _drawn(item: Tensor, distractors: int) -> tuple[Tensor, Tensor]:
    """Rows of other frames of the same item, shape (N, distractors), and which frames have no other, shape (N,)."""
    count = torch.bincount(item)
    start = torch.cumsum(count, 0) - count
    others = (count[item] - 1).clamp(min=1)
    chance = torch.rand(len(item), distractors, device=item.device)
    step = (chance * others.unsqueeze(1)).long().clamp(max=others.unsqueeze(1) - 1)
    place = torch.arange(len(item), device=item.device) - start[item]
    within = (place.unsqueeze(1) + 1 + step) % count[item].unsqueeze(1)
    return start[item].unsqueeze(1) + within, count[item] < 2
