"""Attention among tokens, and between the pixels of a map and tokens (Vaswani et al., NeurIPS 2017)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention: queries take the values of the context's tokens whose keys they resemble.

    A head's similarities are divided by temperature · √(its width). ``dropout`` leaves out similarities in training.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0, temperature: float = 1.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be divided among {heads} heads: choose heads that divide it")
        self.heads = heads
        self.dropout = dropout
        self.scale = 1 / (temperature * math.sqrt(width // heads))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)

    def forward(self, queries: Tensor, context: Tensor, position: Tensor | None = None) -> Tensor:
        """Return (B, Q, width) for (B, Q, width) queries and a (B, N, width) context.

        ``position``, (1, Q, width), is added to the projected queries.
        """
        query = self.query(queries) if position is None else self.query(queries) + position
        query, key, value = (
            x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (query, self.key(context), self.value(context))
        )
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=self.scale)
        projected: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return projected


class TransformerBlock(nn.Module):
    """x + attention(x), then x + mlp(x), each of them behind its own layer norm."""

    def __init__(
        self, width: int, heads: int, expansion: int = 4, dropout: float = 0.0, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout, temperature)
        self.mlp = _mlp(width, expansion)

    def forward(self, tokens: Tensor, position: Tensor | None = None) -> Tensor:
        """Return (B, N, width) for (B, N, width)."""
        normed = self.norm(tokens)
        # In mixed precision the sum stays in that of the weights, or every block would round it once more.
        tokens = tokens.to(self.norm.weight.dtype) + self.attention(normed, normed, position)
        mixed: Tensor = tokens + self.mlp(tokens)
        return mixed


class CrossTransformerBlock(nn.Module):
    """As ``TransformerBlock``, but the tokens attend to a context, which has its own layer norm."""

    def __init__(
        self, width: int, heads: int, expansion: int = 4, dropout: float = 0.0, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout, temperature)
        self.mlp = _mlp(width, expansion)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Return (B, Q, width) for (B, Q, width) tokens and a (B, N, width) context."""
        tokens = tokens + self.attention(self.norm(tokens), self.norm_context(context))
        mixed: Tensor = tokens + self.mlp(tokens)
        return mixed


class GridTransformer(nn.Module):
    """A map resized to a square grid whose cells pass transformer blocks as tokens."""

    def __init__(
        self,
        inputs: int,
        grid: int = 16,
        width: int = 256,
        heads: int = 4,
        blocks: int = 3,
        expansion: int = 4,
        dropout: float = 0.0,
        temperature: float = 1.0,
        position: bool = False,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.width = width
        self.project = nn.Identity() if inputs == width else nn.Linear(inputs, width)
        self.position = nn.Parameter(torch.randn(1, grid * grid, width) * 0.02) if position else None
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, expansion, dropout, temperature) for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, grid², width) tokens for a (B, inputs, h, w) map, row by row."""
        cells = F.interpolate(x, size=(self.grid, self.grid), mode="bilinear", align_corners=False)
        tokens: Tensor = self.project(cells.flatten(2).transpose(1, 2))
        for block in self.blocks:
            tokens = block(tokens, self.position)
        return tokens

    def fold(self, tokens: Tensor) -> Tensor:
        """Return the (B, width, grid, grid) map of (B, grid², width) tokens."""
        folded: Tensor = tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return folded


def _mlp(width: int, expansion: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, width * expansion), nn.GELU(), nn.Linear(width * expansion, width)
    )
