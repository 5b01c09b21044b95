"""Pretraining of the graph encoders: which notes are joined, asked of edges that the encoder was not shown.

Kipf & Welling, Variational graph auto-encoders, arXiv 1611.07308, with a small network for their inner product. Which
pairs are asked about, and which stand for "not joined", is the dataset's choice.
"""

# ruff: noqa: TID253 - modules of layers are torch; nothing that definitions reach imports this

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LinkPredictor(nn.Module):
    r"""Logit that note i leads to note j: \( w^\top \mathrm{GELU}(U h_i - V h_j + r) + b_r \), for relation r.

    Whether notes are joined is a matter of how far apart they are, which a difference tells at once.
    """

    def __init__(self, width: int, relations: int = 1) -> None:
        """Size it: `width` of the notes' vectors; `relations` are numbered from 0."""
        super().__init__()
        self.start, self.end = nn.Linear(width, width), nn.Linear(width, width)
        self.relation = nn.Embedding(relations, width)
        self.weight = nn.Linear(width, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(relations))

    def forward(self, nodes: Tensor, pairs: Tensor, relation: int = 0) -> Tensor:
        """Logits of pairs (2, E) among nodes (N, width), shape (E,)."""
        apart = self.start(nodes)[pairs[0]] - self.end(nodes)[pairs[1]]
        hidden = functional.gelu(apart + self.relation.weight[relation])
        return torch.as_tensor(self.weight(hidden).squeeze(-1) + self.bias[relation])

    def loss(self, nodes: Tensor, positive: Tensor, negative: Tensor, relation: int = 0) -> Tensor:
        """Cross entropy of joined and not joined pairs, each (2, E), both sides weighing the same; 0 of nothing."""
        loss = nodes.sum() * 0.0
        for pairs, sign in ((positive, -1.0), (negative, 1.0)):
            if pairs.shape[1]:
                loss = loss + functional.softplus(sign * self(nodes, pairs, relation)).mean() / 2
        return loss


def not_asked(edges: Tensor, asked: Tensor, nodes: int) -> Tensor:
    """Which edges (2, E) are none of those asked about (2, A), in either direction; True or False, shape (E,)."""
    both = torch.cat([asked, asked.flip(0)], dim=1)
    return ~torch.isin(edges[0] * nodes + edges[1], both[0] * nodes + both[1])
