"""Attention Is All You Need (Vaswani et al., NeurIPS 2017, https://arxiv.org/abs/1706.03762)."""

import math
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

AttentionScale = Literal["head", "width"]
"""The number of channels by whose square root similarities are divided: that of one head, or of all heads."""


class Attention(nn.Module):
    """Multi-head attention: the mean of a context's values, weighted by softmax(query · key) over its tokens.

    A head's similarities are divided by temperature · √(width of the head), or with ``scale="width"`` by
    temperature · √width. ``dropout`` is applied to the attention weights in training.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float = 0.0,
        temperature: float = 1.0,
        scale: AttentionScale = "head",
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be divided among {heads} heads: choose heads that divide it")
        self.heads = heads
        self.dropout = dropout
        self.scale = 1 / (temperature * math.sqrt(width // heads if scale == "head" else width))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)

    def forward(self, queries: Tensor, context: Tensor, position: Tensor | None = None) -> Tensor:
        """Return (B, Q, width) for (B, Q, width) queries and a (B, N, width) context.

        ``position``, (1, Q, width), is added to the projected queries.
        """
        query = self.query(queries) if position is None else self.query(queries) + position
        query, key, value = map(self._by_head, (query, self.key(context), self.value(context)))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=self.scale)
        projected: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return projected

    def weights(self, queries: Tensor, context: Tensor) -> Tensor:
        """Return the weight of each context token for each query, (B, Q, N), averaged over heads."""
        query, key = self._by_head(self.query(queries)), self._by_head(self.key(context))
        similarity: Tensor = self.scale * query @ key.transpose(-2, -1)
        return similarity.softmax(-1).mean(1)

    def _by_head(self, x: Tensor) -> Tensor:
        """Return (B, heads, tokens, channels of a head)."""
        by_head: Tensor = x.unflatten(2, (self.heads, -1))
        return by_head.transpose(1, 2)
